"""Threads for computation that would block the event loop, one per tenant."""

from workers.bounded_threads import BoundedThreads

# No deadline: a computation always ends, and the run has a timeout. One thread per tenant: Python
# computes in one thread at a time, so a second one would only delay the other tenants.
COMPUTE_THREADS = BoundedThreads(None, per_group=1)
