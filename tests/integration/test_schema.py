"""The migrations make exactly the tables that the code uses, and can be run again."""

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from mpi.store import schema
from mpi.store.database import Database
from mpi.store.tables import metadata


def test_migrations_and_tables_agree(database_url: str) -> None:
    schema.migrate(database_url)
    database = Database(database_url)
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, metadata)
    database.close()
    assert differences == []


def test_a_second_run_changes_nothing(database_url: str) -> None:
    first = schema.migrate(database_url)
    assert schema.migrate(database_url) == first
    database = Database(database_url)
    assert schema.is_current(database)
    database.close()
