"""Registered documents are read by hash and cached for a minute."""

from uuid import uuid4

import pytest
from asyncpg import PostgresError
from sqlalchemy import text

from domain.documents import repository, service
from domain.documents.models import TrustedDocument
from domain.documents.service import TrustedDocuments
from opsrun.postgres.engines import Login
from tests.world import World


def fresh() -> TrustedDocument:
    return TrustedDocument("Fresh", f"query Fresh {{ viewer {{ a{uuid4().hex}: name }} }}")


async def register(world: World, *documents: TrustedDocument) -> int:
    async with world.resources[Login.MAINTENANCE].transactions.installation() as session:
        return await repository.add(session, documents)


async def remove(world: World, document: TrustedDocument) -> bool:
    async with world.resources[Login.MAINTENANCE].transactions.installation() as session:
        return await repository.remove(session, document.sha256)


def reader(world: World) -> TrustedDocuments:
    return TrustedDocuments(world.resources[Login.API].transactions)


async def test_a_document_is_found_once_it_is_registered(world: World) -> None:
    document, documents = fresh(), reader(world)
    assert await documents.find(document.sha256) is None
    assert await register(world, document) == 1
    assert await documents.find(document.sha256) == document.text


async def test_registering_again_adds_nothing(world: World) -> None:
    old, new = fresh(), fresh()
    await register(world, old)
    assert await register(world, old, new) == 1


async def test_a_removed_document_is_found_for_a_minute_at_most(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    document, documents = fresh(), reader(world)
    await register(world, document)
    assert await documents.find(document.sha256)
    assert await remove(world, document)
    assert not await remove(world, document)
    assert await documents.find(document.sha256)
    assert await reader(world).find(document.sha256) is None
    monkeypatch.setattr(service, "CACHE_SECONDS", 0)
    assert await documents.find(document.sha256) is None
    assert not documents._cached


async def test_the_cache_has_a_capacity(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "CAPACITY", 2)
    written, documents = [fresh() for _ in range(3)], reader(world)
    await register(world, *written)
    for document in written:
        assert await documents.find(document.sha256) == document.text
    assert [*documents._cached] == [document.sha256 for document in written[1:]]


async def test_the_table_refuses_a_text_with_another_hash(world: World) -> None:
    with pytest.raises(PostgresError, match="ck_trusted_document_sha256"):
        async with world.resources[Login.MAINTENANCE].transactions.installation() as session:
            await session.execute(
                text("INSERT INTO opsrun.trusted_document VALUES (:hash, 'x', '{ viewer }')"),
                {"hash": fresh().sha256},
            )


@pytest.mark.parametrize("login", [Login.API, Login.WORKER])
async def test_only_maintenance_registers(world: World, login: Login) -> None:
    with pytest.raises(PostgresError, match="permission denied"):
        async with world.resources[login].transactions.installation() as session:
            await repository.add(session, [fresh()])
