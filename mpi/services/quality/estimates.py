"""How good the index is, as far as reviewers' verdicts on random samples say."""

from dataclasses import dataclass

from mpi.domain.audit import Actor
from mpi.domain.review import Sample, Verdict
from mpi.domain.roles import Permission, check_actor
from mpi.matching.quality import Agreement, Quality, SampledPair, Worked, agreement, estimate
from mpi.store.quality import AnsweredPair, Draw
from mpi.store.unit_of_work import Store, UnitOfWork

_TRUTH = {Verdict.SAME: True, Verdict.DIFFERENT: False}


@dataclass(frozen=True, slots=True)
class IndexQuality:
    """The estimates, how far readers agree, and when samples were drawn last (None: never)."""

    quality: Quality
    two_readers: Agreement
    three_readers: Agreement
    drawn: int
    last_links: Draw | None
    last_non_links: Draw | None


class Estimates:
    """Figures out of verdicts; they name no patient."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def now(self, actor: Actor) -> IndexQuality:
        """What is known now. Raises `NotAllowed`."""
        check_actor(actor, Permission.VIEW_QUALITY)
        with self._store.reading() as unit:
            pairs = [_sampled(pair) for pair in unit.quality.answered()]
            draws = {kind: unit.quality.latest(kind) for kind in Sample}
            votes = unit.quality.votes()
            worked = _worked(unit)
        sizes = {(kind, band): float(size) for kind, draw in draws.items() if draw for band, size in draw.sizes.items()}
        return IndexQuality(
            estimate(pairs, sizes, worked),
            agreement(votes, 2),
            agreement(votes, 3),
            len(pairs),
            draws[Sample.LINK],
            draws[Sample.NON_LINK],
        )


def _sampled(pair: AnsweredPair) -> SampledPair:
    truth = _TRUTH.get(pair.verdict) if pair.verdict else None
    return SampledPair(pair.kind, pair.band, pair.site, pair.said, truth)


def _worked(unit: UnitOfWork) -> Worked:
    found = unit.quality.worked()
    return Worked(
        same=found.get((True, Verdict.SAME), 0),
        different=found.get((True, Verdict.DIFFERENT), 0),
        waiting=sum(n for (closed, _), n in found.items() if not closed),
    )
