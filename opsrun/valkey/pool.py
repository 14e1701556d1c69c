"""Redis connection pools that notice outages and lose no cancellation."""

from redis.asyncio import BlockingConnectionPool
from redis.exceptions import RedisError

# Errors of a command that Redis did not answer, or not in time. uvloop raises RuntimeError when we
# use a connection that the peer has reset.
OUTAGE = (RedisError, OSError, TimeoutError, RuntimeError)
# Seconds to establish a connection.
CONNECT_SECONDS = 1.0


def redis_pool(url: str) -> BlockingConnectionPool:
    """Return a pool for the Redis or Valkey server at `url`; nothing is connected yet."""
    # No retries: redis-py would reconnect without our notice. No socket timeout: with one, redis-py
    # sends through asyncio.wait_for, which in Python 3.11 can swallow a cancellation. The callers
    # set deadlines.
    return BlockingConnectionPool.from_url(
        url,
        max_connections=8,
        retry=None,
        socket_timeout=None,
        socket_connect_timeout=CONNECT_SECONDS,
        protocol=2,
    )
