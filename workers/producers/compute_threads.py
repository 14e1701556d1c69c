"""Threads for computation that would hold up the event loop; each tenant has one."""

from workers.bounded_threads import BoundedThreads

# Without a deadline: a computation ends by itself, and the run's own timeout applies.
# One per tenant: Python computes in one thread at a time, and a second would only take the other
# tenants' turns.
COMPUTE_THREADS = BoundedThreads(None, per_group=1)
