"""The configuration files that ship are ones that the software takes."""

from pathlib import Path

import pytest

from mpi import config

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("name", ["mpi.example.toml", "data/synthetic/mpi.toml"])
def test_an_example_configuration_is_read(name: str) -> None:
    found = config.load(ROOT / name)
    assert len(found.sources) >= 2
    assert all(found.authority(source.feeds) for source in found.sources)


def test_only_the_demonstration_admits_test_numbers() -> None:
    assert config.load(ROOT / "data/synthetic/mpi.toml").any_test_authority
    assert not config.load(ROOT / "mpi.example.toml").any_test_authority
