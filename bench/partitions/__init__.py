"""Tables of runs partitioned by time, beside those of today: `python -m bench.partitions`.

docs/adr/0024-runs-are-not-partitioned.md says what was measured, and what follows from it.
"""
