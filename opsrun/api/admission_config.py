"""Builds the admission of operations from the settings."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from graphql import GraphQLSchema

from domain.documents.service import TrustedDocuments
from domain.tenancy.transactions import Transactions
from gql.admission import Admission
from gql.documents.reader import DocumentReader
from gql.limits.cost import CostModel
from gql.limits.limits import Limits
from opsrun.settings import Settings
from opsrun.valkey.budgets import open_budgets


def limits(settings: Settings) -> Limits:
    """Return the limits of one operation."""
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
async def open_admission(
    settings: Settings, transactions: Transactions, schema: GraphQLSchema
) -> AsyncIterator[Admission]:
    """Open the users' budgets and the registered documents, for operations on a schema."""
    bounds = limits(settings)
    async with open_budgets(settings.require_redis_url(), settings.cost_per_minute) as budgets:
        yield Admission(
            bounds,
            DocumentReader(schema, bounds, budgets),
            CostModel(schema),
            budgets,
            TrustedDocuments(transactions).find,
            only_trusted=settings.trusted_documents == "required",
        )
