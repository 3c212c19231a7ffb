"""Creating and upgrading the schema by Alembic."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from mpi.store.database import Database

_HERE = Path(__file__).parent / "migrations"


def migrate(url: str) -> str:
    """Create the database's schema or bring it up to date; the revision it has then."""
    database = Database(url, create=True)
    try:
        config = _config()
        with database.engine.connect() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
        with database.read() as connection:
            return MigrationContext.configure(connection).get_current_revision() or ""
    finally:
        database.close()


def is_current(database: Database) -> bool:
    """Whether the schema is the one this version of the software needs."""
    with database.read() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    return found == ScriptDirectory.from_config(_config()).get_current_head()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_HERE))
    return config
