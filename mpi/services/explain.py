"""How a finished batch run weighs any two of its records, and what became of the pair."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpi.domain.decision import FieldEvidence
from mpi.domain.errors import BadInput, NotFound
from mpi.engines.base import Dataset
from mpi.engines.preparing import prepare_dataset
from mpi.matching.block import blocking_keys
from mpi.matching.decide import decide_pair
from mpi.matching.model import LinkageModel, load
from mpi.matching.prepared import Prepared
from mpi.matching.probability import probability
from mpi.matching.weigh import judge
from mpi.services.evaluate import read_run


@dataclass(frozen=True, slots=True)
class Explained:
    """A pair of a run's records: what the model says of the two alone, and what the run made of them."""

    left: str
    right: str
    model: LinkageModel
    weight: float
    """Bits, prior included."""
    probability: float
    pattern: str
    evidence: tuple[FieldEvidence, ...]
    outcome: str
    """`link`, `review` or `apart`, of the two records alone."""
    rule: str | None
    """The hard rule behind `outcome`; None where the weight decided."""
    of_run: str | None
    """The run's decision, clusters reckoned with; None of a pair that it did not write."""
    rule_of_run: str | None
    not_written: str | None
    """Why the run wrote nothing of the pair, in plain English; None where it did."""
    one_cluster: bool

    def parts(self) -> list[tuple[str, str, float]]:
        """What makes up the weight, in order: comparison, level, bits; the prior first, what is missing left out."""
        found = [("prior", "before anything is compared", self.model.prior_bits)]
        return found + [
            (e.comparison.replace("_", " "), e.label, e.bits) for e in self.evidence if e.level != "missing"
        ]

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON; no value that anybody recorded."""
        return {
            "left": self.left,
            "right": self.right,
            "model": {"name": self.model.name, "hash": self.model.hash},
            "weight": self.weight,
            "probability": self.probability,
            "pattern": self.pattern,
            "prior_bits": self.model.prior_bits,
            "evidence": [
                {"comparison": e.comparison, "level": e.label, "bits": None if e.level == "missing" else e.bits}
                for e in self.evidence
            ],
            "alone": {"decision": self.outcome, "rule": self.rule},
            "run": {"decision": self.of_run, "rule": self.rule_of_run, "not_written": self.not_written},
            "one_cluster": self.one_cluster,
        }


def explain(out: Path, raw: Path, ids: Any, pair: tuple[str, str], work: Path) -> Explained:
    """The pair of the run in `out` with these ids (as `clusters.csv` has them).

    `raw` are the run's inputs staged again, `ids` their output ids. Raises `NotFound` for an id that no record has,
    `BadInput` where the inputs have changed or both ids are one.
    """
    run = read_run(out)
    if len(ids) != run["counts"]["records"]:
        raise BadInput("the inputs have changed since the run", code="file")
    if pair[0] == pair[1]:
        raise BadInput("name two different records", code="record-id")
    # The pair as the run has it: the record that comes first in the input stands left.
    places = sorted(_place(ids, one) for one in pair)
    model = load(out / "model.json")
    (a, b), files = _people(raw, places, run["extras"], work)
    judged, decision = judge(model, a, b), decide_pair(model, a, b)
    left, right = (str(ids[place].as_py()) for place in places)
    written = _written(out, left, right)
    return Explained(
        left,
        right,
        model,
        judged.weight,
        probability(model, judged),
        judged.pattern,
        decision.evidence,
        decision.outcome.value,
        decision.rule.value if decision.rule else None,
        written["decision"] if written else None,
        written["rule"] if written else None,
        None if written else _why_not(a, b, one_file=bool(run["between"]) and files[0] == files[1]),
        _cluster_of(out, left) == _cluster_of(out, right),
    )


def _place(ids: Any, one: str) -> int:
    import pyarrow as pa
    import pyarrow.compute as pc

    place = int(pc.index(ids, pa.scalar(one, ids.type)).as_py())
    if place < 0:
        raise NotFound("no record of the run has this id (as it stands in clusters.csv)")
    return place


def _people(
    raw: Path, places: Sequence[int], extras: Mapping[str, str], work: Path
) -> tuple[list[Prepared], list[int]]:
    """The records at these places prepared as the run had them, and the file that each is of."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = pq.read_table(raw).take(pa.array(places))
    two = work / "two.parquet"
    pq.write_table(rows, two)
    data: Dataset = prepare_dataset(two, work / "two", extras=extras, workers=1)
    return list(data.people()), rows["file"].to_pylist()


def _written(out: Path, left: str, right: str) -> dict[str, Any] | None:
    import pyarrow.parquet as pq

    filters = [("left_id", "==", left), ("right_id", "==", right)]
    rows = pq.read_table(out / "pairs.parquet", columns=["decision", "rule"], filters=filters).to_pylist()
    return dict(rows[0]) if rows else None


def _why_not(a: Prepared, b: Prepared, *, one_file: bool) -> str:
    if one_file:
        return "never compared: both records are of one file, and the run went between files"
    if not set(blocking_keys(a)) & set(blocking_keys(b)):
        return "never compared: the two records share no blocking key"
    return "not written: too light to be asked about, or compared by nothing but keys that too many records share"


def _cluster_of(out: Path, one: str) -> str | None:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv

    text = pa.csv.ConvertOptions(column_types={"record_id": pa.string(), "cluster_id": pa.string()})
    table = pa.csv.read_csv(out / "clusters.csv", convert_options=text)
    rows = table.filter(pc.equal(table["record_id"], one))
    return str(rows["cluster_id"][0].as_py()) if len(rows) else None
