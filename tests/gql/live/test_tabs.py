"""What users owe is collected, then paid; with too much unpaid, they wait."""

import asyncio
from uuid import UUID, uuid4

import pytest

from gql.live import tabs
from gql.live.tabs import CREDIT, Tab, Tabs
from tests.gql.api import eventually
from tests.gql.transport.demo import NoBudgets


class SlowBudgets(NoBudgets):
    """Records payments; each waits until `covered` is set."""

    def __init__(self) -> None:
        self.covered = asyncio.Event()
        self.paid: list[int] = []

    async def settle(self, user_id: UUID, cost: int) -> None:
        await self.covered.wait()
        self.paid.append(cost)


@pytest.fixture
def budgets() -> SlowBudgets:
    return SlowBudgets()


async def test_costs_are_paid_together(
    budgets: SlowBudgets, monkeypatch: pytest.MonkeyPatch
) -> None:
    budgets.covered.set()
    tab = Tab(budgets, uuid4())
    assert tab.charge(7)
    await eventually(lambda: budgets.paid == [7])
    assert tab.charge(1)
    assert tab.charge(2)
    monkeypatch.setattr(tabs, "monotonic", lambda: float("inf"))
    assert tab.charge(3)
    await eventually(lambda: budgets.paid == [7, 6])


async def test_the_rest_is_paid_when_a_subscription_ends(budgets: SlowBudgets) -> None:
    budgets.covered.set()
    tab = Tab(budgets, uuid4())
    tab.charge(7)
    await eventually(lambda: budgets.paid == [7])
    tab.charge(5)
    tab.pay_all()
    await eventually(lambda: budgets.paid == [7, 5])


async def test_what_is_charged_during_the_last_payment_is_paid_too(budgets: SlowBudgets) -> None:
    tab = Tab(budgets, uuid4())
    tab.charge(7)
    await asyncio.sleep(0)  # the payment begins
    tab.charge(5)
    tab.pay_all()
    budgets.covered.set()
    await eventually(lambda: budgets.paid == [7, 5])


async def test_a_user_who_owes_too_much_waits_for_the_budget(budgets: SlowBudgets) -> None:
    tab = Tab(budgets, uuid4())
    assert tab.charge(CREDIT)
    assert not tab.charge(1)
    waiting = asyncio.create_task(tab.settle(1))
    await asyncio.sleep(0)
    assert not waiting.done()
    budgets.covered.set()
    await waiting
    assert budgets.paid[0] == CREDIT


async def test_one_expensive_event_does_not_wait(budgets: SlowBudgets) -> None:
    assert Tab(budgets, uuid4()).charge(10 * CREDIT)


def test_all_subscriptions_of_a_user_share_a_tab(budgets: SlowBudgets) -> None:
    all_tabs, user_id = Tabs(budgets), uuid4()
    tab = all_tabs.of(user_id)
    assert all_tabs.of(user_id) is tab
    assert all_tabs.of(uuid4()) is not tab
