"""Redis connection pools that report outages and lose no cancellation."""

from redis.asyncio import BlockingConnectionPool
from redis.exceptions import RedisError

# Errors of a command that Redis did not answer in time. uvloop raises RuntimeError for a connection
# that the peer has reset.
OUTAGE = (RedisError, OSError, TimeoutError, RuntimeError)
# Seconds to establish a connection.
CONNECT_SECONDS = 1.0


def redis_pool(url: str) -> BlockingConnectionPool:
    """Return a pool for the Redis or Valkey server at `url`, without connecting."""
    # No retries, because redis-py would reconnect silently. No socket timeout, because with one
    # redis-py uses asyncio.wait_for, which can swallow a cancellation in Python 3.11. The callers
    # set deadlines.
    return BlockingConnectionPool.from_url(
        url,
        max_connections=8,
        retry=None,
        socket_timeout=None,
        socket_connect_timeout=CONNECT_SECONDS,
        protocol=2,
    )
