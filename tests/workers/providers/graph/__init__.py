"""Tests of the provider that reads Microsoft Graph."""
