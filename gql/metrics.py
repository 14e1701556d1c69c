"""The API's metrics: operations, errors, connections, subscribers and delivery lag."""

from dataclasses import dataclass, field

from opentelemetry.trace import NoOpTracer, Tracer
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from domain.errors import ErrorCode

OTHER = "other"
# Each name adds a histogram per outcome, and clients choose the names.
MOST_OPERATIONS = 100
LONGEST_NAME = 64

_LATENCY = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class ApiMetrics:
    """The API's metrics; without a registry they are counted but not exported."""

    def __init__(self, registry: CollectorRegistry | None) -> None:
        self.operations = Histogram(
            "opsrun_operation_seconds",
            "From the arrival of a document to its answer, or to a subscription's first result.",
            ["operation", "type", "outcome"],
            registry=registry,
            buckets=_LATENCY,
        )
        self.errors = Counter(
            "opsrun_errors_total",
            "Answers with an error of this code; a code counts once per answer.",
            ["code"],
            registry=registry,
        )
        for code in ErrorCode:
            self.errors.labels(code.value)  # a rate ignores the first sample of a new series
        self.connections = Gauge(
            "opsrun_open_connections",
            "Open WebSockets and event streams.",
            ["transport"],
            registry=registry,
        )
        self.subscribers = Gauge(
            "opsrun_subscribers",
            "Running subscriptions.",
            ["transport", "field"],
            registry=registry,
        )
        self.delivery = Histogram(
            "opsrun_delivery_lag_seconds",
            "From the commit of an event until its message was sent to a subscriber.",
            ["transport", "field"],
            registry=registry,
            buckets=_LATENCY,
        )
        self._names: set[str] = set()

    def name_of(self, operation: str | None, *, succeeded: bool) -> str:
        """Return the label for an operation: its own name, or `other`.

        The first `MOST_OPERATIONS` names of operations that succeed get their own label, so
        that refused clients cannot use up the labels.
        """
        if operation is None or len(operation) > LONGEST_NAME:
            return OTHER
        if succeeded and len(self._names) < MOST_OPERATIONS:
            self._names.add(operation)
        return operation if operation in self._names else OTHER


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Where the API's metrics and traces go; by default they are discarded."""

    metrics: ApiMetrics = field(default_factory=lambda: ApiMetrics(None))
    tracer: Tracer = field(default_factory=NoOpTracer)
