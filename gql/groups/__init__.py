"""Groups in the schema."""
