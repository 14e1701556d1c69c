"""Alembic's entry point. `opsrun migrate` passes an open connection; nothing is configured here."""

from alembic import context

from domain.tables import SCHEMA, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table_schema=SCHEMA,
    include_schemas=True,
    include_name=lambda name, type_, _: type_ != "schema" or name == SCHEMA,
)

with context.begin_transaction():
    context.run_migrations()
