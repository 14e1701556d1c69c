"""The metrics of workers and maintenance. No label names a tenant or holds a user's text."""

from collections.abc import Iterator
from itertools import product
from time import monotonic

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from domain.lifecycle import BUCKET_RULES, TRANSITIONS
from domain.runs.models import Backlog, OperationRun
from domain.runs.run_types import run_types
from workers.bounded_threads import BoundedThreads

# Seconds for which a measurement of the queues is reported.
FRESH_SECONDS = 60.0
_DURATIONS = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)


class RunMetrics:
    """Counts how runs end. Without a registry, the counts are not reported."""

    def __init__(self, registry: CollectorRegistry | None) -> None:
        self._ended = Counter(
            "opsrun_runs_ended_total",
            "Runs that this process ended.",
            ["run_type", "bucket"],
            registry=registry,
        )
        self._seconds = Histogram(
            "opsrun_run_seconds",
            "Time from a run's first start to its end, by the database's clock.",
            ["run_type", "bucket"],
            registry=registry,
            buckets=_DURATIONS,
        )
        # Create each series now, because a rate ignores the first value of a series.
        ends = {rule.bucket.value for rule in BUCKET_RULES if not TRANSITIONS[rule.status]}
        for run_type, bucket in product(run_types(), sorted(ends)):
            self._ended.labels(run_type, bucket)
            self._seconds.labels(run_type, bucket)

    def ended(self, run: OperationRun) -> None:
        """Count a run that has just ended."""
        labels = (run.run_type, run.status_bucket.value)
        self._ended.labels(*labels).inc()
        if run.running_seconds is not None:
            self._seconds.labels(*labels).observe(run.running_seconds)


def show_file_threads(registry: CollectorRegistry, threads: BoundedThreads) -> None:
    """Report the threads that hang in file operations."""
    Gauge(
        "opsrun_hung_file_threads",
        "Threads whose file operation has missed its deadline and has not returned.",
        registry=registry,
    ).set_function(lambda: threads.abandoned)


class MaintenanceMetrics:
    """The metrics of the queues and of the maintenance steps."""

    def __init__(self, registry: CollectorRegistry | None) -> None:
        self.runs = RunMetrics(registry)
        self.lease_expiries = Counter(
            "opsrun_lease_expiries_total",
            "Runs taken from a worker that stopped sending heartbeats.",
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
        self._queues = _Queues()
        if registry is not None:
            registry.register(self._queues)

    def backlog(self, backlog: Backlog) -> None:
        """Report the queues as just measured."""
        self._queues.read, self._queues.read_at = backlog, monotonic()


class _Queues(Collector):
    """The queues as last measured; nothing if the measurement is too old."""

    def __init__(self) -> None:
        self.read: Backlog | None = None
        self.read_at = 0.0

    def collect(self) -> Iterator[Metric]:
        entries = GaugeMetricFamily(
            "opsrun_outbox_entries", "Entries in the outbox, due or not; counted up to 100,000."
        )
        oldest = GaugeMetricFamily(
            "opsrun_oldest_queued_run_seconds",
            "The longest time that a due run has been waiting for a worker.",
        )
        unserved = GaugeMetricFamily(
            "opsrun_unserved_runs",
            "Queued runs of types that no running worker knows; counted up to 100,000.",
        )
        active = GaugeMetricFamily(
            "opsrun_active_runs",
            "Queued and running runs; counted up to 100,000 of each status.",
            labels=["run_type", "bucket"],
        )
        if self.read is not None and monotonic() - self.read_at < FRESH_SECONDS:
            entries.add_metric([], self.read.outbox_entries)
            oldest.add_metric([], self.read.oldest_wait.total_seconds())
            unserved.add_metric([], self.read.unserved)
            for (run_type, bucket), runs in self.read.active.items():
                active.add_metric([run_type, bucket.value], runs)
        yield from (entries, oldest, unserved, active)
