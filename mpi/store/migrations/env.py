"""Alembic's entry: runs the migrations on the connection that `mpi.store.schema` hands over."""

from alembic import context

from mpi.store.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True, compare_type=True)
with context.begin_transaction():
    context.run_migrations()
