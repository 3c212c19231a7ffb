"""Creating and upgrading the schema by Alembic."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from mpi.store.database import Database

_HERE = Path(__file__).parent / "migrations"


def migrate(url: str) -> str:
    """Create the database's schema or bring it up to date; the revision it has then."""
    database = Database(url, create=True)
    try:
        with database.engine.connect() as connection:
            upgrade(connection, "head")
            connection.commit()
        with database.read() as connection:
            return revision(connection)
    finally:
        database.close()


def upgrade(connection: Connection, to: str) -> None:
    """Bring the schema to the revision `to` inside the connection's transaction; "head" is this software's own."""
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, to)


def revision(connection: Connection) -> str:
    """The revision of the schema; empty where there is none."""
    return MigrationContext.configure(connection).get_current_revision() or ""


def knows(name: str) -> bool:
    """Whether this software can bring a schema of the revision `name` up to date."""
    return any(script.revision == name for script in ScriptDirectory.from_config(_config()).walk_revisions())


def is_current(database: Database) -> bool:
    """Whether the schema is the one this version of the software needs."""
    with database.read() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    return found == ScriptDirectory.from_config(_config()).get_current_head()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_HERE))
    return config
