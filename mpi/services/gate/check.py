"""The gate decides whether an imaging study that came from outside may be attached to a person of the index.

One check is one unit of work: what was read still holds when the decision, the check and its audit event are written.
Fails closed: whatever goes wrong on the way to an answer holds the study.
"""

import logging
import re
from pathlib import Path

from mpi.config import Config
from mpi.domain.audit import Actor
from mpi.domain.errors import BadInput, Conflict, NotAllowed, TemporaryFailure
from mpi.domain.roles import Permission, check_actor
from mpi.domain.study import (
    NO_ARRIVAL,
    Arrival,
    GateAnswer,
    StudyHeader,
)
from mpi.domain.study_life import Standing, StudyChange
from mpi.matching.gate_policy import GatePolicy, load, load_default
from mpi.services.gate import life
from mpi.services.gate.attached import judge_study
from mpi.services.gate.issuers import check_issuers
from mpi.services.gate.judge import UNFINISHED, Judged, answer, write_check
from mpi.services.gate.known import known
from mpi.services.gate.rechecks import Rechecks
from mpi.services.gate.standing import standing
from mpi.store.database import retrying
from mpi.store.unit_of_work import Store, UnitOfWork

_log = logging.getLogger(__name__)
_UID = re.compile(r"(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*))+", re.ASCII)
LONGEST_UID = 64
MOST_CHANGES = 1000


def load_policy(config: Config) -> GatePolicy:
    """The policy that `config` names: the shipped one, or a file (relative to mpi.toml). Raises `InvalidPolicy`."""
    if config.gate_policy == "default":
        return load_default()
    folder = config.path.parent if config.path else Path()
    return load(folder / config.gate_policy)


def is_uid(text: str) -> bool:
    """Whether `text` is a unique identifier of DICOM (PS3.5 section 9.1)."""
    return len(text) <= LONGEST_UID and _UID.fullmatch(text) is not None


class _NotJudged(TemporaryFailure):
    """The database was there, and failed while the evidence was read; when repeats do not help, the study is held."""


class Gate:
    """Checks outside studies against the index."""

    def __init__(self, store: Store, config: Config, policy: GatePolicy) -> None:
        """Raises `InvalidPolicy` when the policy trusts an authority that is not configured."""
        check_issuers(policy, config)
        self._store = store
        self._config = config
        self._policy = policy
        self._rechecks = Rechecks(store, config, policy)

    def check(self, actor: Actor, header: StudyHeader, arrival: Arrival = NO_ARRIVAL) -> GateAnswer:
        """Attach, hold or refuse, with the outcome of each rule; the check is stored with it.

        An attached study stays with its person whatever is answered; where the answer is not attach, the whole study
        waits from then on (`standing`).

        Raises `NotAllowed`, `BadInput` for a Study Instance UID that is none, and `TemporaryFailure` when nothing
        could be stored: then there is no answer, and the study must wait.
        """
        check_actor(actor, Permission.CHECK_STUDY)
        if not is_uid(header.study_uid):
            raise BadInput("the Study Instance UID is not a valid UID", field="(0020,000D)")
        try:
            return retrying(lambda: self._check(actor, header, arrival))
        except _NotJudged:
            _log.exception("gate check could not read the index")
        except TemporaryFailure:
            raise
        except Exception:
            # The answer could not be written down as judged: nothing of it was committed.
            _log.exception("gate check failed")
        try:
            return retrying(lambda: self._hold(actor, header, arrival))
        except TemporaryFailure:
            raise
        except Exception as error:
            _log.exception("gate check could not be stored")
            raise TemporaryFailure("the check could not be stored") from error

    def _check(self, actor: Actor, header: StudyHeader, arrival: Arrival) -> GateAnswer:
        with self._store.writing(identities=True) as unit:
            try:
                with unit.savepoint():
                    judged = judge_study(unit, self._config, self._policy, header, arrival)
            except TemporaryFailure as error:
                raise _NotJudged(str(error)) from error
            except Exception:
                _log.exception("gate evaluation failed")
                judged = UNFINISHED
            self._write(unit, actor, header, arrival, judged)
        return answer(self._policy, header, judged)

    def _hold(self, actor: Actor, header: StudyHeader, arrival: Arrival) -> GateAnswer:
        with self._store.writing(identities=True) as unit:
            self._write(unit, actor, header, arrival, UNFINISHED)
        return answer(self._policy, header, UNFINISHED)

    def _write(self, unit: UnitOfWork, actor: Actor, header: StudyHeader, arrival: Arrival, judged: Judged) -> None:
        study = unit.studies.get(header.study_uid)
        write_check(unit, self._policy, actor, header, judged, arrival)
        if study is not None and study.person_id is not None and judged.speaks_against:
            life.doubt(unit, actor, study, header, judged.reasons)

    def standing(self, actor: Actor, study_uid: str, domain: str | None = None) -> Standing:
        """What may be done with the objects of a study now, and for an attached one whom they are to name.

        `domain` is the code of the authority whose number they are to carry; None: the one it was attached by. A look
        at a person is audited. Raises `NotAllowed` by role, and `NotFound` for a study that the gate never checked.
        """
        check_actor(actor, Permission.VIEW_STUDY)
        with self._store.reading() as unit:
            study = known(unit, actor, study_uid)
            behind = study.person_id is not None and self._rechecks.is_behind(unit, study)
        if behind:
            # Whoever asks is told what is so now, whether or not the job that looks at studies again runs anywhere.
            self._rechecks.look_again(study_uid)
        return retrying(lambda: standing(self._store, self._config, actor, study_uid, domain))

    def changes(self, actor: Actor, after: int, limit: int = 100) -> list[StudyChange]:
        """The next steps of all studies after cursor `after` (0: from the beginning), in order; none: nothing is new.

        For a node that waits with objects of held studies: ask again with the last cursor, and look at the `standing`
        of each study named. Raises `NotAllowed` by role and for an account that is bound to sites, `BadInput`, and
        `Conflict` for a cursor that this index never gave.
        """
        check_actor(actor, Permission.VIEW_STUDY)
        if actor.sites is not None:
            raise NotAllowed("the steps of all studies concern every site, and this account is bound to some")
        if after < 0 or not 1 <= limit <= MOST_CHANGES:
            raise BadInput(f"after must not be below 0, limit must be 1 to {MOST_CHANGES}", field="limit")
        with self._store.reading() as unit:
            if after > unit.studies.head():
                raise Conflict("this cursor lies ahead of the index, which was restored perhaps; begin again at 0")
            return unit.studies.changes(after, limit)

    def history(self, actor: Actor, study_uid: str) -> list[StudyChange]:
        """All steps in the life of a study, oldest first; raises `NotAllowed` by role, and `NotFound`."""
        check_actor(actor, Permission.VIEW_STUDY)
        with self._store.reading() as unit:
            known(unit, actor, study_uid)
            return unit.studies.history(study_uid)
