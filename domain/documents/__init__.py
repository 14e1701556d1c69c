"""The GraphQL documents of clients that an operator trusts."""
