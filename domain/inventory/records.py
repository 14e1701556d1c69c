"""Check what a provider returned, and make of it what a snapshot stores (P1)."""

import sys
from collections.abc import Sequence

from domain.inventory.completeness import require_complete
from domain.inventory.content import content_hash, normalize, stored_form
from domain.inventory.formats import ReadPolicy, read_policy
from domain.inventory.models import PolicyRecord
from domain.inventory.provider import NotTaken, PolicyDocument
from domain.runs.failures import ProducerError


def prepare(
    batch: Sequence[PolicyDocument | NotTaken],
) -> tuple[list[PolicyRecord | NotTaken], dict[bytes, str]]:
    """Return the items to record, and the JSON of the documents to store by hash.

    Large documents take seconds, so call it in a thread.
    """
    items: list[PolicyRecord | NotTaken] = []
    documents = {}
    for item in batch:
        if isinstance(item, NotTaken):
            items.append(item)
            continue
        try:
            policy = read_policy(item)
            if isinstance(policy, str):
                items.append(NotTaken(item.key, ignored=policy))
                continue
            record, text = _record_of(item.key, policy)
        except ProducerError as failure:
            items.append(NotTaken.failed(item.key, failure))
        else:
            items.append(record)
            documents[record.document_hash] = text
    return items, documents


def _record_of(key: str, policy: ReadPolicy) -> tuple[PolicyRecord, str]:
    require_complete(policy.body)
    document_hash, text = stored_form(policy.body)
    record = PolicyRecord(
        key=key,
        policy_id=policy.policy_id,
        name=policy.name,
        # A scope has few types, so records share their names.
        policy_type=sys.intern(policy.policy_type),
        hashes=content_hash(normalize(policy.body)) + document_hash,
        format=policy.format,
    )
    return record, text
