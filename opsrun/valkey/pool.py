"""Connections to Redis, made so that an outage is noticed and a cancellation is not lost."""

from redis.asyncio import BlockingConnectionPool
from redis.exceptions import RedisError

# What a command raises that Redis did not answer in time, or at all; uvloop raises RuntimeError
# when a connection is used that the peer has reset.
OUTAGE = (RedisError, OSError, TimeoutError, RuntimeError)
# Seconds that a connection may take to be made.
CONNECT_SECONDS = 1.0


def redis_pool(url: str) -> BlockingConnectionPool:
    """Return a pool for the Redis or Valkey server at `url`; nothing is connected yet."""
    # No retries: redis-py would mend a connection unnoticed. No socket timeout: with one it sends
    # through asyncio.wait_for, which in Python 3.11 can swallow the cancellation that closes us.
    # Deadlines are the callers'.
    return BlockingConnectionPool.from_url(
        url,
        max_connections=8,
        retry=None,
        socket_timeout=None,
        socket_connect_timeout=CONNECT_SECONDS,
        protocol=2,
    )
