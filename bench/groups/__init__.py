"""The groups of measurements; each returns its tables."""
