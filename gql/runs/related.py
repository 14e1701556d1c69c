"""Finds the resources that a run relates to, by run type; `gql.related` adds the entries."""

from collections.abc import Awaitable, Callable

from domain.runs.models import OperationRun
from domain.tenancy.models import TenantAccess
from gql.context import Info

RELATED: dict[str, Callable[[OperationRun, TenantAccess, Info], Awaitable[object | None]]] = {}
