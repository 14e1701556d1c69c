"""Reads Microsoft Graph (docs/graph.md).

`connections` holds what all runs of a process share, `client` sends requests, `tokens` signs in.
"""
