"""The gate: whether an outside study may be attached to a person, and what becomes of it afterwards."""

from mpi.services.gate.check import Gate, is_uid, load_policy
from mpi.services.gate.decisions import StudyDecisions
from mpi.services.gate.overrides import Overrides
from mpi.services.gate.rechecks import Rechecks

__all__ = ["Gate", "Overrides", "Rechecks", "StudyDecisions", "is_uid", "load_policy"]
