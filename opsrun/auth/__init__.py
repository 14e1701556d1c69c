"""Authentication: from a bearer token to an identity."""
