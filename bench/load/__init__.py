"""Load generators, each in a separate process, so that they do not slow down what is measured.

They send raw bytes with asyncio: a client library would need more CPU than the servers.
"""
