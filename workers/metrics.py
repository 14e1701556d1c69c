"""What workers and maintenance count. No label names a tenant or holds what one wrote."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from domain.runs.models import OperationRun
from domain.runs.repository.backlog import Backlog

_DURATIONS = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)


class RunMetrics:
    """How runs end; without a registry they are counted and shown to nobody."""

    def __init__(self, registry: CollectorRegistry | None) -> None:
        self._ended = Counter(
            "opsrun_runs_ended_total",
            "Runs that this process ended.",
            ["run_type", "bucket"],
            registry=registry,
        )
        self._seconds = Histogram(
            "opsrun_run_seconds",
            "From a run's first start to its end, by the database's clock.",
            ["run_type", "bucket"],
            registry=registry,
            buckets=_DURATIONS,
        )

    def ended(self, run: OperationRun) -> None:
        """Count a run that has just ended."""
        labels = (run.run_type, run.status_bucket.value)
        self._ended.labels(*labels).inc()
        if run.running_seconds is not None:
            self._seconds.labels(*labels).observe(run.running_seconds)


class MaintenanceMetrics:
    """The queues, and how maintenance gets on."""

    def __init__(self, registry: CollectorRegistry | None) -> None:
        self.runs = RunMetrics(registry)
        self.lease_expiries = Counter(
            "opsrun_lease_expiries_total",
            "Runs taken from a worker that fell silent.",
            registry=registry,
        )
        self.step_failures = Counter(
            "opsrun_maintenance_step_failures_total",
            "Steps that failed; each is tried again.",
            ["step"],
            registry=registry,
        )
        self.step_succeeded = Gauge(
            "opsrun_maintenance_step_success_timestamp_seconds",
            "When the step last succeeded, as Unix time.",
            ["step"],
            registry=registry,
        )
        self._orders = Gauge(
            "opsrun_outbox_orders",
            "Orders in the outbox, due or not; counted up to 100,000.",
            registry=registry,
        )
        self._oldest = Gauge(
            "opsrun_oldest_queued_run_seconds",
            "For how long the run has been due that waits for a worker the longest.",
            registry=registry,
        )
        self._active = Gauge(
            "opsrun_active_runs",
            "Queued and running runs; counted up to 100,000 of each status.",
            ["run_type", "bucket"],
            registry=registry,
        )

    def backlog(self, backlog: Backlog) -> None:
        """Show the queues as they were just read."""
        self._orders.set(backlog.orders)
        self._oldest.set(backlog.oldest_wait.total_seconds())
        self._active.clear()
        for (run_type, bucket), runs in backlog.active.items():
            self._active.labels(run_type, bucket.value).set(runs)
