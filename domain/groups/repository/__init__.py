"""All SQL about groups."""
