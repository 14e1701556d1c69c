"""Fields of another package are guarded, limited, audited and redacted without its help (P5).

The tests of isolation, leaks, roles and bad input cover them too, because they read the schema.
"""

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Annotated, Any
from uuid import uuid4

import pytest
import strawberry
from graphql import parse
from strawberry import argument, field

from domain.errors import DeclarationError
from domain.tenancy.roles import TenantRole
from gql import parts
from gql.federation import subgraph_sdl
from gql.ids import GlobalId, Node
from gql.limits.cost import ACTION, BASE, CostModel
from gql.parts import SchemaPart, added_types, guard_parts
from gql.schema import core_schema
from gql.tenant import TenantFacts
from tests.gql.api import RunningApi
from tests.gql.trail import Trail
from tests.world import World

ARCHIVE = """mutation ($input: ArchiveReportInput!) { archiveReport(input: $input) { title } }"""
REPORTS = """query ($tenant: ID!, $run: ID!) {
  tenant(id: $tenant) { reports(runId: $run) { title tenantSlug } } }"""


def archive(world: World, run_tenant: World | None = None) -> dict[str, Any]:
    run = GlobalId("OperationRun", (run_tenant or world).tenant_id, uuid4().hex).encode()
    return {"input": {"tenantId": world.global_id, "runId": run, "title": uuid4().hex}}


def archived() -> list[str]:
    titles: list[str] = sys.modules["reports.schema"].archived
    return titles


async def test_a_members_mutation_runs_and_is_audited(
    api: RunningApi, world: World, trail: Trail
) -> None:
    variables = archive(world)
    data = await api.member(world).data(ARCHIVE, **variables)
    title = variables["input"]["title"]
    assert data == {"archiveReport": {"title": title}}
    assert title in archived()
    [record] = trail.fields
    assert record["event"] == "mutation.archiveReport"
    assert record["tenant_id"] == str(world.tenant_id)
    assert record["actor_id"] == str(world.members[TenantRole.OPERATOR].id)
    assert title not in repr(trail.fields)


async def test_the_least_role_is_enforced(api: RunningApi, world: World) -> None:
    variables = archive(world)
    answer = await api.member(world, TenantRole.READONLY).ask(ARCHIVE, variables)
    assert answer.code == "FORBIDDEN"
    assert variables["input"]["title"] not in archived()


async def test_ids_of_two_tenants_are_refused_before_the_resolver_runs(
    api: RunningApi, world: World, theirs: Any
) -> None:
    variables = archive(world, theirs.world)
    answer = await api.member(world).ask(ARCHIVE, variables)
    assert answer.code == "FORBIDDEN"
    assert variables["input"]["title"] not in archived()
    run = {"tenant": world.global_id, "run": variables["input"]["runId"]}
    assert (await api.member(world).ask(REPORTS, run)).code == "FORBIDDEN"


async def test_a_text_that_is_not_an_id_is_bad_input(api: RunningApi, world: World) -> None:
    answer = await api.member(world).ask(REPORTS, {"tenant": world.global_id, "run": "7"})
    assert answer.code == "BAD_USER_INPUT"


async def test_an_unexpected_error_is_internal_and_keeps_its_text(
    api: RunningApi, world: World
) -> None:
    query = "query ($tenant: ID!) { tenant(id: $tenant) { reportCount(fails: true) } }"
    answer = await api.member(world).ask(query, {"tenant": world.global_id})
    assert answer.code == "INTERNAL"
    assert answer.body["errors"][0]["extensions"]["errorId"]
    assert b"report-server-secret" not in answer.content


def test_added_fields_have_a_cost() -> None:
    costs = CostModel(core_schema)
    variables = {"tenant": "x", "run": "y"}

    def cost(document: str) -> int:
        [operation] = parse(document).definitions
        return costs.cost(operation, {}, variables)  # type: ignore[arg-type]

    assert cost(ARCHIVE) == BASE + ACTION + 1
    assert cost(REPORTS) == BASE + 1 + 5


@strawberry.type(description="A cake.")
class Cake:
    name: str = field(description="The name.")


def cakes(**options: Any) -> Any:
    @strawberry.type
    class TenantCakes:
        @field(**options)
        def cakes(self) -> list[Cake]:
            return []

    return TenantCakes


@strawberry.type
class TakesSlug:
    @field(description="Ours has this field.")
    def slug(self) -> str:
        return ""


@strawberry.type
class WithoutTenant:
    @strawberry.mutation(description="Eat a cake.")
    def eat(self, name: Annotated[str, argument(description="The cake's name.")]) -> str:
        return name


@strawberry.type(description="A box of cakes.")
class Box:
    @field(description="A cake by its id.")
    def cake(self, id: strawberry.ID) -> Cake | None:  # noqa: A002
        return None


@strawberry.type(description="A pile of cakes.")
class Pile:
    cakes: list[Cake] = field(description="The cakes.")


@strawberry.type
class TenantBox:
    @field(description="A box.")
    def box(self) -> Box | None:
        return None


@strawberry.type
class TenantPile:
    @field(description="A cake or a pile.")
    def heap(self) -> Annotated[Cake | Pile, strawberry.union("Heap")] | None:
        return None


@strawberry.type
class OtherSlug:
    @field(name="cakeSlug", description="Its name in Python is one of ours.")
    def slug(self) -> str:
        return ""


@strawberry.type
class MayHaveNoTenant:
    @strawberry.mutation(description="Eat cakes.")
    def eat(self, ids: list[strawberry.ID]) -> bool:
        return bool(ids)


@pytest.fixture
def announce(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Let a package announce a value, and nothing else be announced."""

    def announce(*values: object) -> None:
        monkeypatch.setattr(
            parts, "announced", lambda _: iter([(value, "bakery") for value in values])
        )
        parts._parts.cache_clear()

    yield announce
    monkeypatch.undo()
    parts._parts.cache_clear()


def build(part: SchemaPart) -> strawberry.Schema:
    """Build a small schema with the part, as `gql.schema` builds the large one."""

    @strawberry.type(name="Tenant", description="A tenant.")
    class Tenant(TenantFacts, *added_types("Tenant", TenantFacts)):  # type: ignore[misc]
        pass

    @strawberry.type(description="The root of all mutations.")
    class Mutation(*added_types("Mutation")):  # type: ignore[misc]
        @strawberry.mutation(description="Do nothing.")
        def nothing(self) -> bool:
            return True

    @strawberry.type(description="The root of all queries.")
    class Query:
        @field(description="A tenant.")
        def tenant(self) -> Tenant | None:
            return None

    assert part
    built = strawberry.Schema(query=Query, mutation=Mutation)
    guard_parts(built._schema)
    return built


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("cakes", "'cakes' is not a SchemaPart"),
        (SchemaPart(tenant=ModuleType), "`tenant` is not a class with `@strawberry.type`"),
        (SchemaPart(tenant=TakesSlug), "the field `Tenant.slug` exists; Opsrun has it"),
        (SchemaPart(tenant=cakes(metadata={"members": 3})), "`Tenant.cakes` has no description"),
        (SchemaPart(tenant=cakes(description="Cakes.")), "is a list without a bound"),
        (SchemaPart(mutation=WithoutTenant), "`Mutation.eat` takes no `ID`"),
        (SchemaPart(mutation=MayHaveNoTenant), "`Mutation.eat` takes no `ID`"),
        (SchemaPart(tenant=TenantBox), "`Box.cake` takes an `ID`"),
        (SchemaPart(tenant=TenantPile), "is a list without a bound"),
        (SchemaPart(tenant=OtherSlug), "the field `Tenant.slug` exists; Opsrun has it"),
    ],
)
def test_a_wrong_part_names_the_package_and_what_is_wrong(
    announce: Any, value: Any, why: str
) -> None:
    announce(value)
    with pytest.raises(DeclarationError) as raised:
        build(value)
    assert str(raised.value).startswith("The package bakery adds to the schema wrongly: ")
    assert why in str(raised.value)


def test_two_packages_with_the_same_field_are_refused(announce: Any) -> None:
    part = SchemaPart(tenant=cakes(description="Cakes.", metadata={"members": 3}))
    announce(part, part)
    with pytest.raises(DeclarationError, match=r"the field `Tenant.cakes` exists; bakery has it"):
        build(part)


def test_a_right_part_is_accepted(announce: Any) -> None:
    part = SchemaPart(tenant=cakes(description="Cakes.", metadata={"members": 3}))
    announce(part)
    build(part)


@strawberry.type(description="A cake that can be refetched.")
class StoredCake(Node):
    name: str = field(description="The name.")


@strawberry.type
class TenantStoredCake:
    @field(description="The newest cake.")
    def newest_cake(self) -> StoredCake | None:
        return None


def test_a_node_of_a_package_has_a_key_that_is_not_resolvable(announce: Any) -> None:
    part = SchemaPart(tenant=TenantStoredCake)
    announce(part)
    sdl = subgraph_sdl(build(part))
    assert 'type StoredCake implements Node @key(fields: "id", resolvable: false) {' in sdl
    assert 'type Tenant implements Node @key(fields: "id") {' in sdl
