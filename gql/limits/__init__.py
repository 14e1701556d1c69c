"""The limits of an operation, of a user and of a connection, and how they are counted."""
