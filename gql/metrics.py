"""What the API counts: operations, errors, connections, subscribers, and how late they hear."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from domain.errors import ErrorCode

OTHER = "other"
# Each takes a histogram per outcome. Names come from clients, who might invent new ones for ever.
MOST_OPERATIONS = 100
LONGEST_NAME = 64

_LATENCY = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class ApiMetrics:
    """The API's metrics; without a registry they are counted and shown to nobody."""

    def __init__(self, registry: CollectorRegistry | None) -> None:
        self.operations = Histogram(
            "opsrun_operation_seconds",
            "From a document's arrival to its answer; of a subscription, to its first result.",
            ["operation", "type", "outcome"],
            registry=registry,
            buckets=_LATENCY,
        )
        self.errors = Counter(
            "opsrun_errors_total",
            "Answers that hold an error of this code; each code counts once per answer.",
            ["code"],
            registry=registry,
        )
        for code in ErrorCode:
            self.errors.labels(code.value)  # a rate does not see what a series begins with
        self.connections = Gauge(
            "opsrun_open_connections",
            "Sockets and event streams that are open.",
            ["transport"],
            registry=registry,
        )
        self.subscribers = Gauge(
            "opsrun_subscribers",
            "Subscriptions that run.",
            ["transport", "field"],
            registry=registry,
        )
        self.delivery = Histogram(
            "opsrun_delivery_lag_seconds",
            "From the commit of an event to its message having left for a subscriber.",
            ["transport", "field"],
            registry=registry,
            buckets=_LATENCY,
        )
        self._names: set[str] = set()

    def name_of(self, operation: str | None, *, answered: bool) -> str:
        """Return the name to show for an operation: its own, or `other`.

        The first `MOST_OPERATIONS` names have a place, and only those that were answered, so
        that whoever is refused cannot take places.
        """
        if operation is None or len(operation) > LONGEST_NAME:
            return OTHER
        if answered and len(self._names) < MOST_OPERATIONS:
            self._names.add(operation)
        return operation if operation in self._names else OTHER
