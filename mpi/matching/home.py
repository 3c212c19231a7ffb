"""Prepared values of people whose home is withheld."""

from dataclasses import replace

from mpi.matching.prepared import Prepared


def without_home(prepared: Prepared) -> Prepared:
    """Prepared values without where the person lives or is registered: that these agree tells them, too."""
    return replace(prepared, address=None, town=None, postcode=None, phone=None, email=None, gp=None)
