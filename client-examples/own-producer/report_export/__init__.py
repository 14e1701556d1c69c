"""Exports monthly usage reports, as an operation that Opsrun runs and records."""
