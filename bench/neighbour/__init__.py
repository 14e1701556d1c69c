"""Noisy neighbours: one tenant attacks, and another one measures how long its work takes.

Run it with `make neighbour-check`, or `python -m bench.neighbour --help` for the options. The
product runs as one API, one worker and one maintenance process, which both tenants share.
"""
