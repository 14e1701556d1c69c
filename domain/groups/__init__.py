"""A tenant's groups and their members, as the provider has them (P7)."""
