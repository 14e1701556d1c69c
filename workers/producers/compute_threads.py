"""Threads for computation that would hold up the event loop; each tenant has a few."""

from workers.bounded_threads import BoundedThreads

# Without a deadline: a computation ends by itself, and the run's own timeout applies.
COMPUTE_THREADS = BoundedThreads(None)
