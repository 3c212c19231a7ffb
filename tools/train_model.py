"""Train the shipped linkage model again: makes the population and estimates on it. Same result on every machine."""

import subprocess
import sys
import tempfile
from pathlib import Path

MODEL = Path("mpi/matching/models/default.json")
PERSONS, SEED = "20000", "20001"
POPULATION = "1000000"
"""Records in the index that the shipped model is meant for: a prior for many strangers links with more care."""


def main() -> None:
    """Run `mpi synth` and `mpi train` as a user would."""
    mpi = [sys.executable, "-m", "mpi.cli.main"]
    with tempfile.TemporaryDirectory() as folder:
        people = str(Path(folder) / "people.parquet")
        subprocess.run([*mpi, "synth", "--persons", PERSONS, "--seed", SEED, "--out", people], check=True)
        options = ["--seed", "1", "--name", "default", "--population", POPULATION, "--out", str(MODEL)]
        subprocess.run([*mpi, "train", people, *options], check=True)


if __name__ == "__main__":
    main()
