"""Backups: the whole index into one file while the feed runs, and back into an SQLite or PostgreSQL database."""

from pathlib import Path

from mpi.domain.audit import Action, Actor, AuditEvent
from mpi.domain.errors import Conflict
from mpi.store import archive, backup
from mpi.store.archive import Progress, Summary
from mpi.store.unit_of_work import Store


def save(store: Store, actor: Actor, file: Path, *, overwrite: bool, progress: Progress) -> Summary:
    """Write the index as it is now to `file`. Raises `Conflict` where the file is there, and `TemporaryFailure`."""
    if file.exists() and not overwrite:
        raise Conflict("the backup file is there already; --force writes over it")
    summary = backup.save(store.database, file, progress)
    with store.writing(identities=False) as unit:
        unit.audit(AuditEvent(actor, Action.BACKUP_MADE, detail=_facts(summary)))
    return summary


def inspect(file: Path) -> Summary:
    """What a backup holds, after reading all of it; raises `BadInput` where it is not whole."""
    return archive.check(file, lambda _table, _rows: None)


def restore(url: str, actor: Actor, file: Path, *, replace: bool, progress: Progress) -> Summary:
    """Put a backup into the database at `url`, all or nothing, and hold it against what was saved.

    Raises `BadInput` for a file that is not whole, `Conflict` for a database that is in use or holds something, and
    `TemporaryFailure`.
    """
    made_at = inspect(file).made_at
    event = AuditEvent(actor, Action.BACKUP_RESTORED, detail={"made_at": made_at})
    return backup.load(url, file, replace=replace, event=event, progress=progress)


def _facts(summary: Summary) -> dict[str, object]:
    return {"rows": sum(summary.rows.values()), "last_event": summary.head[0]}
