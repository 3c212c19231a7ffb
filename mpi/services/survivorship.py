"""The golden record of a person, out of what its records say and since when."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from mpi.config import Config
from mpi.domain.survivorship import BY_SOURCE, Chosen, Criterion, Rules, Said, golden
from mpi.services.views import RecordView
from mpi.store.records import ACTIVE, StoredRecord, Version
from mpi.store.unit_of_work import UnitOfWork

_BY_RULE = "by rule; which source it is, is withheld"


def golden_record(unit: UnitOfWork, config: Config, shown: Sequence[RecordView]) -> tuple[Chosen, ...]:
    """Each field's value, where it comes from and why.

    `shown` are the person's records as they may be shown: what is withheld there is no part of it.
    """
    speaking = [view for view in shown if view.status == ACTIVE]
    stored = unit.records.get([view.record_id for view in speaking])
    said = [_said(unit, view, stored[view.record_id]) for view in speaking if view.record_id in stored]
    criteria = {field: tuple(Criterion(one) for one in rule) for field, rule in config.golden_rules.items()}
    chosen = golden(said, Rules(config.golden_sources, criteria))
    if any(view.restricted for view in shown):
        # Which source is trusted first is no secret, and would tell which hospital this one is.
        return tuple(replace(one, because=_BY_RULE) if one.because == BY_SOURCE else one for one in chosen)
    return tuple(chosen)


def _said(unit: UnitOfWork, view: RecordView, record: StoredRecord) -> Said:
    # The number that counts: what tracing found, or what replaced the recorded one.
    said = replace(view.recorded, nhs_number=view.nhs_number) if view.nhs_number else view.recorded
    return Said(
        view.record_id,
        record.authority,  # counts for the rules; the view says what may be shown of it
        said,
        view.nhs_verified,
        _since(said.as_dict(), unit.records.versions(record)),
        frozenset(problem.field for problem in view.problems),
    )


def _since(values: Iterable[str], versions: Sequence[Version]) -> dict[str, str]:
    """Since when a record says what it says now, by field."""
    found: dict[str, str] = {}
    newest = versions[-1].recorded
    for field in values:
        since = versions[-1].valid_from
        for version in reversed(versions):
            if getattr(version.recorded, field) != getattr(newest, field):
                break
            since = version.valid_from
        found[field] = since
    return found
