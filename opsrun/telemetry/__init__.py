"""Telemetry: logs and traces."""
