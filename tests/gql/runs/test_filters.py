"""A client's filter becomes the ledger's filter."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from domain.errors import BadInputError, DomainError, ForbiddenError, LimitExceededError
from domain.lifecycle import StatusBucket
from domain.runs.models import RunFilter
from domain.tenancy.administration import save_member
from domain.tenancy.roles import TenantRole
from gql.context import Context, HubLinks, Identity
from gql.ids import GlobalId
from gql.request import Request
from gql.runs.filters import MAX_VALUES, OperationRunFilter, run_filter
from opsrun.postgres.engines import Login
from tests.world import World

NOW = datetime.now(UTC)
WINDOW = timedelta(days=30)


async def filter_of(world: World, **parts: Any) -> RunFilter:
    async def identify() -> Identity:
        return Identity(world.members[TenantRole.OPERATOR].id, NOW + timedelta(hours=1))

    context = Context(world.cases, identify, HubLinks("https://ops.example"), WINDOW, Request())
    filter_ = OperationRunFilter(**parts) if parts else None
    return await run_filter(filter_, await world.access(), context)


def initiator(world: World, key: str | None = None) -> str:
    return GlobalId("Initiator", world.tenant_id, key or uuid4().hex).encode()


async def test_an_omitted_null_or_empty_part_does_not_restrict(world: World) -> None:
    everything: tuple[dict[str, Any], ...] = (
        {},
        {"run_types": None, "status_buckets": None, "initiator_ids": None},
        {"run_types": [], "status_buckets": [], "initiator_ids": []},
        {"created_from": None, "created_until": None},
    )
    for parts in everything:
        before = datetime.now(UTC)
        result = await filter_of(world, **parts)
        assert result == RunFilter(created_from=result.created_from)
        assert before <= result.created_from + WINDOW <= datetime.now(UTC)


async def test_every_part_is_applied(world: World) -> None:
    started_by = uuid4()
    result = await filter_of(
        world,
        run_types=["a.b", "a.b", "c.d"],
        status_buckets=[StatusBucket.FAILED],
        created_from=NOW - timedelta(days=400),
        created_until=NOW,
        initiator_ids=[initiator(world, started_by.hex)],
    )
    assert result == RunFilter(
        created_from=NOW - timedelta(days=400),
        created_until=NOW,
        run_types=frozenset({"a.b", "c.d"}),
        status_buckets=frozenset({StatusBucket.FAILED}),
        initiator_ids=frozenset({started_by}),
    )


async def test_an_empty_range_is_refused(world: World) -> None:
    for days in (0, 1):
        with pytest.raises(BadInputError, match="createdUntil must be later"):
            await filter_of(world, created_from=NOW, created_until=NOW - timedelta(days=days))


async def test_an_old_end_needs_a_beginning(world: World) -> None:
    with pytest.raises(BadInputError, match="later than its start"):
        await filter_of(world, created_until=NOW - timedelta(days=31))


@pytest.mark.parametrize("part", ["run_types", "initiator_ids"])
async def test_a_list_is_bounded(world: World, part: str) -> None:
    value = "a.b" if part == "run_types" else initiator(world)
    await filter_of(world, **{part: [value] * MAX_VALUES})
    with pytest.raises(LimitExceededError, match=str(MAX_VALUES)):
        await filter_of(world, **{part: [value] * (MAX_VALUES + 1)})


async def test_only_ids_of_initiators_of_this_tenant_are_accepted(world: World) -> None:
    other = await World.create(world.resources, world.exports)
    transactions = world.resources[Login.MAINTENANCE].transactions
    wrong: list[tuple[str, type[DomainError]]] = [
        (world.global_id, BadInputError),
        (initiator(world, "seven"), BadInputError),
        ("garbage", BadInputError),
        (initiator(other), ForbiddenError),
    ]
    for id_, error in wrong:
        with pytest.raises(error):
            await filter_of(world, initiator_ids=[id_])
    await save_member(
        transactions, other.slug, world.members[TenantRole.OPERATOR], TenantRole.OWNER
    )
    with pytest.raises(BadInputError, match="belongs to another tenant"):
        await filter_of(world, initiator_ids=[initiator(other)])


async def test_a_type_that_the_database_cannot_store_is_bad_input(world: World) -> None:
    for text in ("\x00", "\ud800"):
        with pytest.raises(BadInputError, match="cannot be stored"):
            await filter_of(world, run_types=["inventory.sync", text])
