"""What a round recorded: acknowledged starts, counts of events, and broken promises."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

_MAX_CHARACTERS = 2000
_MAX_EVIDENCE = 10


class Promise(StrEnum):
    """What must hold whatever fails."""

    ONE_ACTIVE = "(1) at most one active run per key at every instant"
    STARTS_END = "(2) every acknowledged start exists and ends in time"
    LEGAL_STEPS = "(3) only legal transitions and exactly one terminal event"
    NO_GAP = "(4) version equals the number of events, and the feed has no gap"
    ONE_NOTIFICATION = "(5) exactly one notification per run, recipient and outcome"
    COUNTS = "(6) counts equal items"
    FENCED = "(7) nothing is written by an attempt after the next one was claimed"
    ONE_EFFECT = "(8) an external system receives one effect per run and item"
    FOLDED = "(9) every subscriber's state equals the database"
    TENANCY = "(10) no row of another tenant reaches a client"
    OUTBOX = "(11) the outbox becomes empty"
    CANARIES = "(12) planted secrets are in no row, log or frame"
    ALIVE = "(13) no process ends by itself"
    ANSWERS = "(14) no client gets an error other than a retryable one"
    NOT_INTERNAL = "(15) no run fails because a server was down"
    FACETS = "(16) the counts of finished runs equal the runs"


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A start that the API confirmed to a client."""

    tenant_id: UUID
    run_id: UUID


@dataclass(slots=True)
class Witness:
    """The records of one round."""

    acknowledged: set[Acknowledged] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    violations: dict[Promise, list[str]] = field(default_factory=dict)

    def violation(self, promise: Promise, evidence: str) -> None:
        """Record a broken promise; of each promise only the first pieces of evidence are kept."""
        self.counts["violations"] += 1
        recorded = self.violations.setdefault(promise, [])
        if len(recorded) < _MAX_EVIDENCE:
            recorded.append(evidence[:_MAX_CHARACTERS])

    def report(self) -> list[str]:
        """Return the counts, and the evidence of broken promises, as lines."""
        lines = [f"{count:>10}  {name}" for name, count in sorted(self.counts.items())]
        for promise, evidence in self.violations.items():
            lines += [f"BROKEN: {promise}", *(f"    {text}" for text in evidence)]
        return lines if self.violations else [*lines, "Every promise was kept."]
