"""A linkage model estimated on one machine from prepared records, without truth."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from mpi.domain.errors import BadInput
from mpi.engines.pairs import pattern_counts, strata
from mpi.matching.kinds import getter
from mpi.matching.model import LinkageModel, check
from mpi.matching.prepared import Prepared
from mpi.matching.shape import starting_model
from mpi.matching.train import TARGET_FALSE_LINKS, fit, frequencies, rebased, thresholds


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
    start = starting_model(extras, name=name)
    parts = strata(known, seed=seed)
    blocked, others = pattern_counts(start, known, parts[:1]), pattern_counts(start, known, parts[1:])
    start = replace(start, prior=min(max(len(known) / 2, 1.0) / (len(known) * (len(known) - 1) / 2), 0.4))
    looked_at = sum(len(part.codes) for part in parts)
    fitted = fit(start, blocked, others, looked_at=looked_at)
    tables = {table: frequencies(_values(known, table)) for table in start.frequencies}
    model = replace(
        fitted.model,
        frequencies=tables,
        thresholds=thresholds(fitted, blocked, records=len(known), population=population or len(known), target=target),
        trained={
            "records": len(known),
            "pairs_compared": looked_at,
            "patterns": len(blocked),
            "rounds": fitted.rounds,
            "seed": seed,
            "target_false_links": target,
            "population": population or len(known),
            "shares": {"match": fitted.model.prior, **fitted.relatives},
        },
    )
    if population is not None:
        model = rebased(model, len(known), population)
    check(model)
    return model


def _values(records: Sequence[Prepared], field: str) -> Mapping[str, int]:
    get = getter(field)
    return Counter(value for p in records if (value := get(p)) is not None)
