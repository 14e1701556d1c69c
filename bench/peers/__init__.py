"""Servers that Opsrun is measured against: hand-written limits, and what others would use.

Each runs in a separate process, serves /graphql on the port PORT, and reads the database
DATABASE_URL. Those that send events listen on the channel `CHANNEL`.
"""

CHANNEL = "bench_events"
