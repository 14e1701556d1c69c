"""Benchmarks. They print figures and set no limits, except `bench.neighbour`.

- `make bench` (`python -m bench`): reads, live lists and the execution of runs,
  beside limits and peers.
- `python -m bench.limits`: the cost of the limits on requests.
- `python -m bench.telemetry`: the cost of metrics and traces.
- `python -m bench.painting URL`: from a commit to the painted row, against a running `make dev`.
- `python -m bench.partitions`: tables partitioned by time, beside today's.
- `make neighbour-check` (`python -m bench.neighbour`): one tenant attacks, another one works.
"""
