"""Reading new documents, which many users may send at the same moment."""

import asyncio
from uuid import UUID, uuid4

import pytest

from gql.documents import reader as reader_module
from gql.documents.reader import DocumentReader, Reading
from gql.limits.limits import Limits
from gql.schema import core_schema
from tests.gql.transport.demo import NoBudgets

LONG = f"{{ viewer {{ {' '.join(f'n{number}: name' for number in range(40))} }} }}"


class CountedBudgets(NoBudgets):
    """Notes who pays for reading a document."""

    def __init__(self) -> None:
        self.payers: list[UUID] = []

    def owe(self, user_id: UUID, cost: int) -> None:
        self.payers.append(user_id)


async def read_by(users: list[UUID], text: str, budgets: CountedBudgets) -> list[Reading]:
    reader = DocumentReader(core_schema, Limits(), budgets)
    return await asyncio.gather(*(reader.read(text, user) for user in users))


async def test_a_document_that_many_users_send_at_once_is_read_once() -> None:
    budgets, users = CountedBudgets(), [uuid4() for _ in range(20)]
    assert len(LONG) > reader_module._SHORT
    readings = await read_by(users, LONG, budgets)
    assert len({id(reading.document) for reading in readings}) == 1
    assert budgets.payers == users[:1]


@pytest.mark.parametrize("field", ["nonsense", "name("])
async def test_everyone_who_sends_an_invalid_document_pays_for_it(field: str) -> None:
    budgets, users = CountedBudgets(), [uuid4() for _ in range(3)]
    readings = await read_by(users, LONG.replace("n7: name", field), budgets)
    assert all(reading.errors or reading.refusal for reading in readings)
    assert budgets.payers == users
