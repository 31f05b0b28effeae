"""Alembic's entry: runs the migrations on the connection it is handed."""

from alembic import context

from clearway.storage import metadata

connection = context.config.attributes["connection"]
# Batch mode: SQLite changes a table by copying it.
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    transaction_per_migration=False,
    render_item=context.config.attributes.get("render_item"),
)
with context.begin_transaction():
    context.run_migrations()
