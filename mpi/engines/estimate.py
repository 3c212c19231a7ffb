"""A linkage model estimated on one machine from prepared records, without truth."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mpi.domain.errors import BadInput
from mpi.engines.pairs import pattern_counts, strata
from mpi.matching.kinds import getter
from mpi.matching.model import LinkageModel, check, scaled
from mpi.matching.prepared import Prepared
from mpi.matching.shape import starting_model
from mpi.matching.train import TARGET_FALSE_LINKS, Pattern, fit, frequencies, thresholds


def estimate(
    records: Sequence[Prepared],
    *,
    seed: int,
    name: str = "trained",
    extras: Mapping[str, str] | None = None,
    population: int | None = None,
    target: float = TARGET_FALSE_LINKS,
) -> LinkageModel:
    """A model of these records; the same records in the same order and the same seed give the same model.

    `population` is the size (in records) of the index the model is meant for, by default the number of records here.
    Raises `BadInput` where there are fewer than two records.
    """
    if len(records) < 2:
        raise BadInput("a model needs at least two records to be estimated from", code="too-few-records")
    known = [p for p in records if not p.placeholder]
    whole, partial = (sum(getattr(p, field) is not None for p in known) for field in ("birth", "birth_partial"))
    start = starting_model(extras, name=name, births_in_years=partial > whole)
    parts = strata(known, seed=seed)
    counted = Counted(
        records=len(known),
        blocked=pattern_counts(start, known, parts[:1]),
        others=pattern_counts(start, known, parts[1:]),
        looked_at=sum(len(part.codes) for part in parts),
        values={table: _values(known, table) for table in start.frequencies},
    )
    return from_counts(start, counted, seed=seed, population=population, target=target)


@dataclass(frozen=True, slots=True)
class Counted:
    """All that an estimate needs to know of the records."""

    records: int
    """Without placeholder persons."""
    blocked: Mapping[Pattern, float]
    """How many pairs that share a blocking key show each pattern."""
    others: Mapping[Pattern, float]
    """The same of all other pairs, as their samples say."""
    looked_at: int
    """Pairs that were compared for it."""
    values: Mapping[str, Mapping[str, int]]
    """Field with a frequency table -> how often each value stands."""


def from_counts(
    start: LinkageModel,
    counted: Counted,
    *,
    seed: int,
    population: int | None = None,
    target: float = TARGET_FALSE_LINKS,
) -> LinkageModel:
    """The model that these counts say, whoever counted. Raises `BadInput` where they make no model."""
    n = counted.records
    start = replace(start, prior=min(max(n / 2, 1.0) / max(n * (n - 1) / 2, 1.0), 0.4))
    # A model that is meant for another index says nothing of the families there: the rules against relatives stay.
    aim = target if population is None else 0.0
    fitted = fit(start, counted.blocked, counted.others, looked_at=counted.looked_at, target=aim)
    tables = {table: frequencies(counted.values[table]) for table in start.frequencies}
    limits = thresholds(fitted, counted.blocked, records=n, population=population or n, target=target)
    model = replace(
        fitted.model,
        frequencies=tables,
        thresholds=limits,
        trained={
            "records": n,
            "pairs_compared": counted.looked_at,
            "patterns": len(counted.blocked),
            "rounds": fitted.rounds,
            "seed": seed,
            "target_false_links": target,
            "population": population or n,
            "shares": {"match": fitted.model.prior, **fitted.relatives},
        },
    )
    if population is not None:
        model = scaled(model, population / n)
    check(model)
    return model


def _values(records: Sequence[Prepared], field: str) -> Mapping[str, int]:
    get = getter(field)
    return Counter(value for p in records if (value := get(p)) is not None)
