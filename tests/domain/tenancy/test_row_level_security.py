"""Row level security limits each login, even in a query without a condition (T3)."""

from contextlib import AbstractAsyncContextManager, suppress
from typing import Any
from uuid import UUID, uuid4

import pytest
from asyncpg import PostgresError
from sqlalchemy import (
    Computed,
    Table,
    Uuid,
    func,
    insert,
    literal,
    null,
    select,
    text,
    union_all,
)

from domain.tables import SCHEMA, app_user, metadata, operation_run, tenant
from domain.tenancy.roles import TenantRole
from domain.tenancy.session import Session
from domain.tenancy.transactions import Transactions
from opsrun.postgres.engines import Login
from tests.databases import PREFIX
from tests.ledger import INSTALLATION_TABLES, PROTECTED_TABLES, TENANT_COLUMNS, count_rows
from tests.world import World

Neighbours = tuple[World, World]
CONFINED = (Login.API, Login.WORKER)


def open_session(
    transactions: Transactions, tenant_id: UUID | None, user_id: UUID | None
) -> AbstractAsyncContextManager[Session]:
    """Open a transaction in a tenant or in none."""
    if tenant_id is None:
        return transactions.installation(user_id)
    return transactions.tenant(tenant_id, user_id)


async def visible(
    world: World, login: Login, tenant_id: UUID | None, user_id: UUID | None = None
) -> dict[str, dict[UUID | None, int]]:
    """Count the visible rows by table and tenant, in a query without a condition."""
    seen: dict[str, dict[UUID | None, int]] = {table.name: {} for table in PROTECTED_TABLES}
    owners = {**dict.fromkeys(PROTECTED_TABLES, null().cast(Uuid)), **TENANT_COLUMNS}
    query = union_all(
        *(
            select(literal(table.name), owner, func.count()).select_from(table).group_by(owner)
            for table, owner in owners.items()
        )
    )
    async with open_session(world.resources[login].transactions, tenant_id, user_id) as session:
        for name, owner, rows in await session.rows(query):
            seen[name][owner] = rows
    return seen


async def privileged(world: World, login: Login, privilege: str) -> list[Table]:
    """Return the tables on which the login has the privilege for all columns."""
    rows = await world.rows(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = :schema"
        " AND has_table_privilege(:login, format('%I.%I', table_schema, table_name), :privilege)",
        schema=SCHEMA,
        login=login,
        privilege=privilege,
    )
    return [metadata.tables[f"{SCHEMA}.{row.table_name}"] for row in rows]


async def updatable_columns(world: World, login: Login) -> set[tuple[str, str]]:
    """Return the tables and columns that the login may update."""
    rows = await world.rows(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema ="
        " :schema AND has_column_privilege(:login, format('%I.%I', table_schema, table_name),"
        " column_name, 'UPDATE')",
        schema=SCHEMA,
        login=login,
    )
    return {(row.table_name, row.column_name) for row in rows}


@pytest.mark.parametrize("login", CONFINED)
async def test_a_login_sees_nothing_without_a_tenant(neighbours: Neighbours, login: Login) -> None:
    seen = await visible(neighbours[0], login, None)
    assert {name: rows for name, rows in seen.items() if rows} == {}


@pytest.mark.parametrize("login", CONFINED)
async def test_a_login_sees_all_rows_of_its_tenant_and_none_of_another(
    neighbours: Neighbours, login: Login
) -> None:
    here, _ = neighbours
    all_rows = await count_rows(here)
    # A table without rows would prove nothing.
    assert all(all_rows.values())
    seen = await visible(here, login, here.tenant_id)
    assert seen.pop(app_user.name) == {None: len(here.members)}
    assert seen == {name: {here.tenant_id: rows} for name, rows in all_rows.items()}


async def test_a_user_sees_their_memberships_and_themselves(
    neighbours: Neighbours,
) -> None:
    here, _ = neighbours
    user = here.members[TenantRole.READONLY]
    seen = await visible(here, Login.API, None, user.id)
    assert {name: rows for name, rows in seen.items() if rows} == {
        "tenant": {here.tenant_id: 1},
        "membership": {here.tenant_id: 1},
        "app_user": {None: 1},
    }


async def test_maintenance_sees_every_tenant(neighbours: Neighbours) -> None:
    here, there = neighbours
    seen = await visible(here, Login.MAINTENANCE, None)
    for world in neighbours:
        for name, rows in (await count_rows(world)).items():
            assert seen[name][world.tenant_id] == rows
    assert here.tenant_id != there.tenant_id


def _copy_into(table: Table, tenant_id: UUID) -> Any:
    """Insert one of the visible rows again, as a row of `tenant_id`."""
    columns = [
        column
        for column in table.columns
        if not isinstance(column.computed, Computed) and column.identity is None
    ]
    values = [
        literal(tenant_id).label(column.name) if column is TENANT_COLUMNS[table] else column
        for column in columns
    ]
    return insert(table).from_select([column.name for column in columns], select(*values).limit(1))


@pytest.mark.parametrize("login", CONFINED)
async def test_no_row_can_be_inserted_into_another_tenant(
    neighbours: Neighbours, login: Login
) -> None:
    here, there = neighbours
    transactions = here.resources[login].transactions
    insertable = await privileged(here, login, "INSERT")
    assert operation_run in insertable or login is Login.WORKER
    before = await count_rows(there)
    for table in {*insertable} & {*TENANT_COLUMNS}:
        with pytest.raises(PostgresError, match="violates row-level security policy"):
            async with transactions.tenant(here.tenant_id) as session:
                await session.execute(_copy_into(table, there.tenant_id))
    assert await count_rows(there) == before


@pytest.mark.parametrize("login", CONFINED)
async def test_no_row_can_be_moved_or_changed_across_tenants(
    neighbours: Neighbours, login: Login
) -> None:
    here, there = neighbours
    transactions = here.resources[login].transactions
    for table in {*await privileged(here, login, "UPDATE")} & {*TENANT_COLUMNS}:
        owner = TENANT_COLUMNS[table]
        with pytest.raises(PostgresError, match="violates row-level security policy"):
            async with transactions.tenant(here.tenant_id) as session:
                await session.execute(table.update().values({owner: there.tenant_id}))
    columns = await updatable_columns(here, login)
    assert columns
    async with transactions.tenant(here.tenant_id) as session:
        for name, column in columns:
            table = metadata.tables[f"{SCHEMA}.{name}"]
            if table not in TENANT_COLUMNS or table.c[column].computed is not None:
                continue
            changed = await session.execute(
                table.update()
                .where(TENANT_COLUMNS[table] == there.tenant_id)
                .values({column: table.c[column]})
            )
            assert changed == 0


async def test_the_api_may_write_little_and_delete_nothing(neighbours: Neighbours) -> None:
    here, _ = neighbours
    assert {table.name for table in await privileged(here, Login.API, "INSERT")} == {
        "operation_run",
        "run_event",
        "outbox",
        "notification",
        "backup_set",
        "app_user",
    }
    assert await updatable_columns(here, Login.API) == {
        ("tenant_feed", "seq"),
        ("outbox", "sent_at"),
        ("notification", "read_at"),
        ("tenant", "retention_days"),
        ("app_user", "name"),
        ("app_user", "email"),
    }


# Memberships of a token


ADD_USER = (
    "INSERT INTO opsrun.app_user (id, issuer, subject, name)"
    " VALUES (:id, 'https://id.example', gen_random_uuid(), 'Somebody')"
)


class RolledBackError(Exception):
    """Rolls back a test's rows."""


CLAIM = "SELECT set_config('opsrun.claimed_slugs', :slugs, true)"


async def test_the_api_adds_and_renames_only_its_user(
    neighbours: Neighbours,
) -> None:
    here, there = neighbours
    transactions = here.resources[Login.API].transactions
    me = uuid4()
    for tenant_id in (None, here.tenant_id):
        for user_id in (None, me):
            with pytest.raises(PostgresError, match="violates row-level security policy"):
                async with open_session(transactions, tenant_id, user_id) as session:
                    await session.execute(text(ADD_USER), {"id": uuid4()})
    with suppress(RolledBackError):
        async with transactions.installation(me) as session:
            await session.execute(text(ADD_USER), {"id": me})
            assert await session.execute(app_user.update().values(name="Me")) == 1
            raise RolledBackError
    # Other members of the tenant are visible, but cannot be changed.
    with pytest.raises(PostgresError, match="violates row-level security policy"):
        async with transactions.tenant(here.tenant_id, me) as session:
            await session.execute(app_user.update().values(name="Mine"))
    async with transactions.tenant(here.tenant_id, me) as session:
        theirs = app_user.c.id == there.members[TenantRole.OWNER].id
        assert await session.execute(app_user.update().where(theirs).values(name="x")) == 0


@pytest.mark.parametrize("column", ["id", "issuer", "subject"])
async def test_an_identity_cannot_be_taken_over(neighbours: Neighbours, column: str) -> None:
    here, _ = neighbours
    owner = here.members[TenantRole.OWNER].id
    with pytest.raises(PostgresError, match="permission denied"):
        async with here.resources[Login.API].transactions.installation(owner) as session:
            await session.execute(app_user.update().values({column: app_user.c[column]}))


async def test_a_claimed_tenant_is_visible_without_its_rows(neighbours: Neighbours) -> None:
    here, there = neighbours
    for login, slugs, seen in (
        (Login.API, here.slug, {here.tenant_id}),
        (Login.API, f"{here.slug},{there.slug},unknown", {here.tenant_id, there.tenant_id}),
        (Login.API, "", set()),
        (Login.API, "*,%,", set()),
        (Login.WORKER, here.slug, set()),
    ):
        transactions = here.resources[login].transactions
        with pytest.raises(PostgresError):
            async with transactions.installation(uuid4()) as session:
                await session.execute(text(CLAIM), {"slugs": slugs})
                tenants = {row.id for row in await session.rows(select(tenant.c.id))}
                assert tenants == seen, slugs
                for table, owner in TENANT_COLUMNS.items():
                    if table is not tenant:
                        assert await session.rows(select(owner).limit(1)) == [], table
                await session.execute(tenant.update().values(retention_days=1, name="x"))


async def test_a_claim_ends_with_its_transaction(neighbours: Neighbours) -> None:
    here, _ = neighbours
    async with here.resources[Login.API].engine.connect() as connection:
        for end in (connection.rollback, connection.commit):
            await connection.execute(text(CLAIM), {"slugs": here.slug})
            assert (await connection.execute(select(tenant.c.id))).all()
            await end()
            assert (await connection.execute(select(tenant.c.id))).all() == []


@pytest.mark.parametrize("login", CONFINED)
async def test_only_maintenance_deletes(neighbours: Neighbours, login: Login) -> None:
    here, _ = neighbours
    transactions = here.resources[login].transactions
    for table in metadata.sorted_tables:
        for statement in (table.delete(), text(f"TRUNCATE {table.fullname} CASCADE")):
            with pytest.raises(PostgresError, match="permission denied"):
                async with transactions.tenant(here.tenant_id) as session:
                    await session.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE opsrun.operation_run SET status = 'aborted'",
        "UPDATE opsrun.membership SET role = 'OWNER'",
        "INSERT INTO opsrun.membership VALUES (opsrun.current_tenant_id(), gen_random_uuid(), 'x')",
        "UPDATE opsrun.tenant SET export_folder = '/etc'",
        "UPDATE opsrun.run_event SET kind = 'RUN_FINISHED'",
        "ALTER TABLE opsrun.operation_run DISABLE ROW LEVEL SECURITY",
        "SET ROLE opsrun_maintenance",
        "CREATE TABLE opsrun.mine (id int)",
        "SELECT * FROM opsrun.alembic_version",
        "SELECT path FROM opsrun.group_sync",
    ],
)
async def test_the_api_cannot_extend_its_rights(neighbours: Neighbours, statement: str) -> None:
    here, _ = neighbours
    with pytest.raises(PostgresError, match=r"permission denied|must be owner"):
        async with here.resources[Login.API].transactions.tenant(here.tenant_id) as session:
            await session.execute(text(statement))


async def test_every_table_has_row_level_security(neighbours: Neighbours) -> None:
    here, _ = neighbours
    rows = await here.rows(
        "SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity AS forced,"
        " array(SELECT p.policyname::text FROM pg_policies p WHERE p.schemaname = :schema"
        " AND p.tablename = c.relname ORDER BY 1) AS policies"
        " FROM pg_class c WHERE c.relnamespace = CAST(:schema AS regnamespace)"
        " AND c.relkind IN ('r', 'p') AND c.relname <> 'alembic_version'"
        " AND c.relname <> ALL(:others)",
        schema=SCHEMA,
        others=[table.name for table in INSTALLATION_TABLES],
    )
    assert {row.relname for row in rows} == {table.name for table in PROTECTED_TABLES}
    for row in rows:
        assert row.forced, row.relname
        claimed = ["claimed"] if row.relname == tenant.name else []
        assert row.policies == [*claimed, "maintenance", "tenant"], row.relname


async def test_no_login_has_a_role_attribute_or_owns_the_schema(neighbours: Neighbours) -> None:
    here, _ = neighbours
    rows = await here.rows(
        "SELECT rolname, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication,"
        " pg_has_role(oid, (SELECT nspowner FROM pg_namespace WHERE nspname = :schema), 'MEMBER')"
        " FROM pg_roles WHERE rolname LIKE 'opsrun%' AND NOT starts_with(rolname, :of_tests)",
        schema=SCHEMA,
        of_tests=PREFIX,
    )
    assert {row.rolname for row in rows} == set(Login)
    assert not any(any(row[1:]) for row in rows)
