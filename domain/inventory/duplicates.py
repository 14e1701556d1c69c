"""Find policies of a scope that share a policy id; none of them is stored (P1)."""

from collections.abc import Iterable, Sequence

from domain.inventory.models import PolicyRecord
from domain.runs.failures import FailureReason, ProducerError

_MAX_NAMED = 5
_MAX_NAME_LENGTH = 80


def duplicates(records: Iterable[PolicyRecord]) -> dict[str, ProducerError]:
    """Return a DUPLICATE_ID failure by key for each policy whose id another policy has."""
    records = list(records)
    seen: set[str] = set()
    keys: dict[str, list[str]] = {}
    for record in records:
        if record.policy_id in seen:
            keys[record.policy_id] = []
        seen.add(record.policy_id)
    for record in records:
        if record.policy_id in keys:
            keys[record.policy_id].append(record.key)
    return {
        key: _duplicate(policy_id, [_shortened(other) for other in twins if other != key])
        for policy_id, twins in keys.items()
        for key in twins
    }


def _duplicate(policy_id: str, others: Sequence[str]) -> ProducerError:
    named = others[:_MAX_NAMED]
    more = f" and {len(others) - len(named)} more" if len(others) > len(named) else ""
    return ProducerError(
        FailureReason.DUPLICATE_ID,
        f"The policy id {policy_id} is also in {', '.join(named)}{more}; keep one of them.",
        names=named,
    )


def _shortened(key: str) -> str:
    # Keep the end, where the paths of one folder differ.
    return key if len(key) <= _MAX_NAME_LENGTH else f"…{key[1 - _MAX_NAME_LENGTH :]}"
