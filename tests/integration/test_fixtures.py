"""The test house itself: both databases are real and apart, and the server can be taken away and brought back."""

import psycopg
import pytest
import sqlalchemy

from mpi.store.database import Database
from mpi.store.schema import is_current
from tests.fixtures.postgres import PostgresServer


def test_each_test_has_an_empty_database_on_both_engines(database_url: str) -> None:
    engine = sqlalchemy.create_engine(database_url)
    try:
        assert sqlalchemy.inspect(engine).get_table_names() == []
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE left_over (id INTEGER)")
        assert sqlalchemy.inspect(engine).get_table_names() == ["left_over"]
    finally:
        engine.dispose()


def test_the_second_test_sees_nothing_of_the_first(database_url: str) -> None:
    engine = sqlalchemy.create_engine(database_url)
    try:
        assert sqlalchemy.inspect(engine).get_table_names() == []
    finally:
        engine.dispose()


def test_a_migrated_database_has_the_schema_of_this_version(migrated_url: str) -> None:
    database = Database(migrated_url)
    try:
        assert is_current(database)
    finally:
        database.close()


@pytest.mark.postgresql
def test_a_server_of_ones_own_can_be_stopped_and_started(own_postgres: PostgresServer) -> None:
    own_postgres.execute("CREATE TABLE kept (id INTEGER)")
    own_postgres.stop()
    with pytest.raises(psycopg.OperationalError):
        own_postgres.execute("SELECT * FROM kept")
    own_postgres.start()
    own_postgres.execute("SELECT * FROM kept")
