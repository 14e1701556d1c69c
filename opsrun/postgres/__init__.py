"""Postgres: connections, migrations and the checks before a process serves."""
