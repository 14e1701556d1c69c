"""Loads the fixture `opsrun_tenant`."""

pytest_plugins = ["opsrun.testing"]
