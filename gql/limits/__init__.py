"""What one operation, one user and one connection may take, and how that is counted."""
