"""Programs that Opsrun is measured against: hand-written limits, and what others would use.

Each runs in a separate process. Servers serve /graphql on the port PORT, and read the database
DATABASE_URL. Those that send events listen on the channel `CHANNEL`. Workers execute up to
`CONCURRENCY` jobs at a time, as Opsrun's do by default.
"""

CHANNEL = "bench_events"
CONCURRENCY = 8
