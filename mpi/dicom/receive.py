"""What is answered to an object that came in: success only when it is safe on disk and written down.

Statuses by PS3.7 annex C and PS3.4 section B.2.3.
"""

import logging
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from mpi.dicom.attributes import SOP_CLASS, SOP_INSTANCE, one, study_header
from mpi.dicom.datasets import read_object
from mpi.dicom.folder import Folder, Landing
from mpi.domain.errors import BadInput, MpiError, TemporaryFailure
from mpi.domain.quarantine import Custody, NewObject
from mpi.services.quarantine import Quarantine, machine

_log = logging.getLogger(__name__)


class Status(IntEnum):
    """The statuses of a C-STORE response that the node gives."""

    SUCCESS = 0x0000
    NOT_AUTHORISED = 0x0124
    """Refused: the gate refused this study."""
    OUT_OF_RESOURCES = 0xA700
    """Refused: nothing was kept; sending again later may help."""
    MISMATCH = 0xA900
    """Error: the data set is not the object that the request names."""
    CANNOT_UNDERSTAND = 0xC000
    """Error: the data set cannot be read, or names no study."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the request says of the object, and who sends it on which association."""

    sop_class: str
    sop_uid: str
    transfer_syntax: str
    partner: str
    association: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and what is said beside it (Error Comment, at most 64 characters, no patient's value)."""

    status: Status
    comment: str | None = None


SUCCESS = Answer(Status.SUCCESS)


class Receiver:
    """Takes objects into quarantine."""

    def __init__(self, folder: Folder, quarantine: Quarantine) -> None:
        self._folder = folder
        self._quarantine = quarantine

    def receive(self, landing: Landing, request: Request) -> Answer:
        """The answer to an object that was received into `landing`."""
        try:
            return self._receive(landing, request)
        except BadInput as error:
            return self._turned_away(request, Answer(Status.CANNOT_UNDERSTAND, str(error)[:64]))
        except (TemporaryFailure, OSError) as error:
            _log.warning("object not kept", extra={"facts": {"reason": type(error).__name__}})
            return Answer(Status.OUT_OF_RESOURCES, "cannot be kept now")
        except MpiError:
            _log.exception("object not kept")
            return Answer(Status.OUT_OF_RESOURCES, "cannot be kept")
        finally:
            landing.discard()  # what was kept has another name by now

    def _receive(self, landing: Landing, request: Request) -> Answer:
        digest = landing.finish()
        if digest is None:
            facts = {"reason": landing.fault, "partner": request.partner}
            _log.error("object not kept", extra={"facts": facts})
            return Answer(Status.OUT_OF_RESOURCES, "cannot be kept")
        with Path(landing.name).open("rb") as file:
            _, attributes = read_object(file)
        header = study_header(attributes, request.partner)
        if (one(attributes, SOP_CLASS), one(attributes, SOP_INSTANCE)) != (request.sop_class, request.sop_uid):
            return self._turned_away(request, Answer(Status.MISMATCH, "data set and request name different objects"))
        new = NewObject(
            sop_uid=request.sop_uid,
            sop_class=request.sop_class,
            transfer_syntax=request.transfer_syntax,
            digest=digest,
            size=landing.size,
            header=header,
            node=self._folder.node,
            partner=request.partner,
            association=request.association,
        )
        with self._folder.holding(digest):
            return self._keep(landing, new)

    def _keep(self, landing: Landing, new: NewObject) -> Answer:
        """The file first, then the row: a row without a file would be an object lost.

        When the row cannot be written the file stays: the database may have it all the same, and the sweep removes
        what no row needs.
        """
        self._folder.keep(landing, new.digest)
        kept = self._quarantine.take(machine(new.partner), new)
        if kept.node != self._folder.node and not self._quarantine.needed(self._folder.node, [new.digest]):
            self._folder.remove(new.digest)
        if kept.custody is Custody.REFUSED:
            return Answer(Status.NOT_AUTHORISED, "the study was refused")
        return SUCCESS

    def _turned_away(self, request: Request, answer: Answer) -> Answer:
        facts = {"status": f"{answer.status:04X}", "reason": answer.comment, "partner": request.partner}
        _log.warning("object turned away", extra={"facts": facts})
        return answer
