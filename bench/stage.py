"""What a group of measurements gets: the filled servers and the amount of work."""

from dataclasses import dataclass

from bench.servers import FilledServers
from gql.ids import GlobalId

LARGE, SMALL, LIVE = "large", "small-0", "live"
# Tenants without a history, in which work is measured.
WORK = tuple(f"work-{number}" for number in range(4))
SMALL_RUNS = 2000


@dataclass(frozen=True, slots=True)
class Scale:
    """How much to measure; the times are in seconds."""

    rows: int = 1_000_000
    small_tenants: int = 50
    rounds: int = 5
    seconds: float = 3.0
    subscribers: int = 500
    live_seconds: float = 10.0
    idle_subscribers: int = 1000
    idle_seconds: float = 45.0
    timed_rounds: int = 40
    empty_runs: int = 300
    starts: int = 200
    policies: int = 50_000
    installation_seconds: float = 60.0
    tenants: tuple[int, ...] = (100, 10_000, 1_000_000)

    @property
    def sizes(self) -> dict[str, int]:
        """The number of runs of each tenant."""
        small = {f"small-{number}": SMALL_RUNS for number in range(self.small_tenants)}
        return {**small, LIVE: SMALL_RUNS, LARGE: self.rows}


# Enough to see that everything runs. The figures mean nothing.
QUICK = Scale(
    rows=20_000,
    small_tenants=1,
    rounds=1,
    seconds=0.3,
    subscribers=10,
    live_seconds=1.0,
    idle_subscribers=20,
    idle_seconds=1.0,
    timed_rounds=2,
    empty_runs=32,
    starts=16,
    policies=200,
    installation_seconds=0.5,
    tenants=(10, 100),
)


@dataclass(frozen=True, slots=True)
class Stage:
    """The running servers and the scale."""

    servers: FilledServers
    scale: Scale

    def global_id(self, slug: str) -> str:
        """Return the id of a tenant in GraphQL."""
        return GlobalId("Tenant", self.servers.tenants[slug]).encode()
