"""Answers to queries: RSP^K23 (PIX), RSP^K22 (PDQ) and the ACK of a cancelling."""

from collections.abc import Sequence

from mpi.config import Config
from mpi.domain.messages import AckCode, ErrorCode, MessageError
from mpi.domain.queries import Found, IdentifierAnswer, PersonAnswer, PersonRefusal, QueryFault
from mpi.hl7.ack import COMMIT_ACCEPTED, MAX_ERRORS, Answering, clean
from mpi.hl7.enhanced import wanted
from mpi.hl7.query import Asked
from mpi.hl7.query_persons import person_segments, written

_KINDS = {"Q23": ("RSP", "K23", "RSP_K23"), "Q22": ("RSP", "K22", "RSP_K21")}
NOT_NOW = MessageError(ErrorCode.INTERNAL, "the question could not be answered now; ask again")
_NO_IDENTIFIERS = {
    Found.NOBODY: "the identifier is not known",
    Found.SEVERAL: "the identifier stands on more than one person; a reviewer must look before anybody is told",
}
_FAULTS = {
    QueryFault.TOO_LITTLE: (101, "a name, an identifier, a postcode, a telephone number or an e-mail is needed"),
    QueryFault.TOO_MANY: (ErrorCode.INTERNAL, "more people match than can be answered; say more about the person"),
    QueryFault.POINTER: (204, "the continuation pointer was not given for this query, or is too old; ask afresh"),
    QueryFault.UNUSABLE: (102, "the value cannot be read"),
}


def accepted(asked: Asked) -> list[bytes]:
    """The accept acknowledgement that an enhanced-mode query asks for: the query came in; its answer follows."""
    conditions = wanted(asked.header)
    if conditions is None or not conditions.accepts(success=True):
        return []
    answer = Answering(asked.header, asked.codec)
    msa = answer.msa(COMMIT_ACCEPTED, (), accepted=True)
    return [answer.encoded([_ack_msh(asked, answer), *msa])]


def refusal(asked: Asked) -> bytes:
    """The answer to a query that `asked.errors` speak against."""
    return _respond(asked, asked.ack, asked.errors, asked.ack.value)


def failure(asked: Asked) -> bytes:
    """The answer when the index cannot be asked at the moment."""
    return _respond(asked, AckCode.REJECTED, (NOT_NOW,), AckCode.REJECTED.value)


def cancelled(asked: Asked) -> bytes:
    """The acknowledgement of a cancelling: nothing more is kept for the query."""
    return _respond(asked, AckCode.ACCEPTED, (), "")


def identifiers(asked: Asked, answer: IdentifierAnswer, config: Config) -> bytes:
    """RSP^K23 by the cases of IHE ITI TF-2 3.9.4.2.2."""
    if answer.found is not Found.ONE:
        error = MessageError(204, _NO_IDENTIFIERS[answer.found], location="QPD^1^3^1^1")
        return _respond(asked, AckCode.ERROR, (error,), "AE")
    if not answer.identifiers:
        return _respond(asked, AckCode.ACCEPTED, (), "NF")
    marks = Answering(asked.header, asked.codec).marks
    listed = marks.repetition.join(written(one, config, marks) for one in answer.identifiers)
    # PID-5: no name is said (the blank first), of type S, "coded pseudo-name to ensure anonymity".
    nobody = f"{marks.repetition}{marks.component * 6}S"
    pid = marks.field.join(["PID", "", "", listed, "", nobody])
    return _respond(asked, AckCode.ACCEPTED, (), "OK", [pid])


def persons(asked: Asked, answer: PersonAnswer | PersonRefusal, config: Config) -> bytes:
    """RSP^K22: a page of candidates, DSC when there are more."""
    marks = Answering(asked.header, asked.codec).marks
    if isinstance(answer, PersonRefusal):
        code, text = _FAULTS[answer.fault]
        place = "DSC^1^1" if answer.fault is QueryFault.POINTER else asked.places.get(answer.field or "", "QPD^1^3")
        return _respond(asked, AckCode.ERROR, (MessageError(code, text, location=place),), "AE")
    if not answer.total:
        return _respond(asked, AckCode.ACCEPTED, (), "NF", hits=(0, 0, 0))
    segments = person_segments(answer.persons, config, marks)
    if answer.pointer:
        segments.append(marks.field.join(["DSC", answer.pointer, "I"]))
    hits = (answer.total, len(answer.persons), answer.remaining)
    return _respond(asked, AckCode.ACCEPTED, (), "OK", segments, hits)


def _respond(
    asked: Asked,
    ack: AckCode,
    errors: Sequence[MessageError],
    status: str,
    rest: Sequence[str] = (),
    hits: tuple[int, int, int] | None = None,
) -> bytes:
    """MSH MSA [ERR] QAK QPD and `rest`; an ACK for what is no query that could be answered."""
    answer = Answering(asked.header, asked.codec)
    msa = answer.msa(ack.value, errors[:MAX_ERRORS], accepted=ack == AckCode.ACCEPTED)
    kind = _KINDS.get(asked.event)
    if kind is None:
        return answer.encoded([_ack_msh(asked, answer), *msa])
    qak = ["QAK", asked.tag, status]
    if hits is not None:
        qak += ["", *(str(number) for number in hits)]
    echo = [answer.plain(asked.qpd.written)] if asked.qpd else []
    segments = [answer.msh(*kind), *msa, answer.plain(answer.marks.field.join(qak)), *echo, *rest]
    return answer.encoded(segments, new_text=True)


def _ack_msh(asked: Asked, answer: Answering) -> str:
    event = [clean(asked.event, answer.marks)] if asked.event else []
    return answer.msh("ACK", *event, *(["ACK"] if event and answer.coded_errors else []))
