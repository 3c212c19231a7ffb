"""The gate: whether an outside study may be attached to a person, and what becomes of it afterwards."""

from mpi.services.gate.check import Gate, is_uid, load_policy
from mpi.services.gate.decisions import StudyDecisions
from mpi.services.gate.overrides import Overrides
from mpi.services.gate.rechecks import Rechecks
from mpi.services.gate.trial import PolicyTrials, differences

__all__ = [
    "Gate",
    "Overrides",
    "PolicyTrials",
    "Rechecks",
    "StudyDecisions",
    "differences",
    "is_uid",
    "load_policy",
]
