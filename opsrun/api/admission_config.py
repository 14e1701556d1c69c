"""The gate before all resolvers, as the settings want it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from domain.documents.service import TrustedDocuments
from domain.tenancy.transactions import Transactions
from gql.admission import Gate
from gql.documents.reader import DocumentReader
from gql.limits.cost import CostModel
from gql.limits.limits import Limits
from gql.schema import schema
from opsrun.settings import Settings
from opsrun.valkey.budgets import open_budgets


def limits(settings: Settings) -> Limits:
    """Return the bounds of one operation."""
    return Limits(
        tokens=settings.limit_tokens,
        depth=settings.limit_depth,
        fields=settings.limit_fields,
        aliases=settings.limit_aliases,
        directives=settings.limit_directives,
        duplicates=settings.limit_duplicates,
        cost=settings.limit_cost,
        introspection=settings.introspection,
        suggestions=settings.suggestions,
    )


@asynccontextmanager
async def open_gate(settings: Settings, transactions: Transactions) -> AsyncIterator[Gate]:
    """Open what the gate asks: the users' accounts, and the registered documents."""
    async with open_budgets(settings.require_redis_url(), settings.cost_per_minute) as budgets:
        bounds, core = limits(settings), schema.as_graphql_core()
        yield Gate(
            bounds,
            DocumentReader(core, bounds, budgets),
            CostModel(core),
            budgets,
            TrustedDocuments(transactions),
            only_trusted=settings.trusted_documents == "required",
        )
