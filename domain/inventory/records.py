"""Check what a provider returned, and make of it what a snapshot stores (P1)."""

import sys
from collections.abc import Sequence

from domain.inventory.completeness import require_complete
from domain.inventory.content import content_hash, normalize, stored_form
from domain.inventory.models import PolicyRecord
from domain.inventory.policies import identify, parse_policy
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
            record, text = _record_of(item)
        except ProducerError as failure:
            items.append(NotTaken.failed(item.key, failure))
        else:
            items.append(record)
            documents[record.document_hash] = text
    return items, documents


def _record_of(document: PolicyDocument) -> tuple[PolicyRecord, str]:
    body = parse_policy(document.content)
    require_complete(body)
    policy_id, name, policy_type = identify(body)
    document_hash, text = stored_form(body)
    record = PolicyRecord(
        key=document.key,
        policy_id=policy_id,
        name=name,
        # A scope has few types, so records share their names.
        policy_type=sys.intern(policy_type),
        hashes=content_hash(normalize(body)) + document_hash,
    )
    return record, text
