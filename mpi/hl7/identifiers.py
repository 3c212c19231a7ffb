"""Whose number is it? Reads identifier lists (PID-3, MRG-1 and their older places) against the configured authorities.

A CX names its assigning authority in CX.4 by code or alias (HD.1), by OID (HD.2), or not at all, when the feed's own
is meant (IHE ITI TF-2 3.8.4.1.3: one source feeds one domain). CX.5 `NH` means an NHS number wherever it stands.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from mpi.config import Config, Source
from mpi.domain.messages import MessageError, Severity
from mpi.domain.person import NHS, NOT_A_PERSONS_NUMBER, Identifier
from mpi.hl7.reader import ERASED, Repeat, Segment

MAX_LENGTH = 250
"""Longer identifiers are refused: nobody issues them, and indexes cannot hold them."""

_NHS_TYPES = frozenset({"NH", "NHS"})


@dataclass(frozen=True, slots=True)
class Listed:
    """One identifier of a list, at its place; `authority` is a configured code."""

    authority: str
    value: str
    place: str
    """As ERR-2 writes it: `PID^1^3^2`."""

    @property
    def identifier(self) -> Identifier:
        """The number with its authority, as the services know it."""
        return Identifier(self.authority, self.value)


@dataclass(frozen=True, slots=True)
class IdentifierList:
    """The identifiers of one place that can be read, and what is wrong with the others."""

    listed: tuple[Listed, ...]
    problems: tuple[MessageError, ...]
    nhs_erased: bool = False
    """The NHS number was sent as null: the stored one goes."""

    def of(self, authority: str | None) -> tuple[Listed, ...]:
        """Those of one authority, in their order."""
        return tuple(one for one in self.listed if one.authority == authority)

    def own(self, source: Source) -> Listed | None:
        """The number of the authority that the source feeds: the first one that is there."""
        return next(iter(self.of(source.feeds)), None)


def read_list(segment: Segment, fields: Iterable[int], source: Source, config: Config) -> IdentifierList:
    """The identifiers in these fields of `segment`. Only the first field may leave the authority out."""
    listed: dict[tuple[str, str], Listed] = {}
    problems: list[MessageError] = []
    nhs_erased = False
    for position, field in enumerate(fields):
        for number, repeat in enumerate(segment.repeats(field), 1):
            place = f"{segment.name}^{segment.sequence}^{field}^{number}"
            authority = _authority(repeat, place, source if position == 0 else None, config)
            value = repeat.value(1)
            if authority is None or value is None:
                continue
            if isinstance(authority, MessageError):
                problems.append(authority)
            elif value == ERASED:
                nhs_erased = nhs_erased or authority == NHS
            elif len(value) > MAX_LENGTH:
                problems.append(
                    MessageError(102, f"an identifier is longer than {MAX_LENGTH} characters", location=f"{place}^1")
                )
            else:
                listed.setdefault((authority, value), Listed(authority, value, place))
    return IdentifierList(tuple(listed.values()), tuple(problems), nhs_erased)


def _authority(repeat: Repeat, place: str, filled_from: Source | None, config: Config) -> str | MessageError | None:
    """The code of the authority; None when it is not ours to know; an error when it is named but unknown."""
    kind = (repeat.filled(5) or "").upper()
    if kind in _NHS_TYPES:
        return NHS
    if kind in NOT_A_PERSONS_NUMBER:
        return None
    namespace, oid = repeat.filled(4, 1), repeat.filled(4, 2)
    if namespace is None and oid is None:
        return filled_from.feeds if filled_from else None
    found = {known.code for spelling in (namespace, oid) if (known := config.authority(spelling))}
    if len(found) == 1:
        return found.pop()
    text = "the assigning authority is not known" if not found else "namespace and OID name different authorities"
    return MessageError(204, text, location=f"{place}^4")


def own_or_refusal(
    found: IdentifierList, source: Source, segment: Segment, field: int, config: Config
) -> Listed | MessageError:
    """The feed's own number in `found`, or the reason why there is none to work with."""
    own = found.own(source)
    if own is not None:
        return own
    too_long = [problem for problem in found.problems if problem.code == 102]
    if too_long or found.problems:
        return (too_long or list(found.problems))[0]
    others = [one for one in found.listed if _registers(one.authority, config)]
    if others:
        return MessageError(
            204, "this source does not feed the authority of the identifier", location=f"{others[0].place}^4"
        )
    place = f"{segment.name}^{segment.sequence}^{field}"
    return MessageError(101, "no identifier of the authority that this source feeds", location=place)


def _registers(code: str, config: Config) -> bool:
    """Whether the authority is one that sources feed, so that its number asks for a record of its own."""
    authority = config.authority(code)
    return authority is not None and authority.kind == "hospital"


def notes(found: IdentifierList, source: Source) -> tuple[MessageError, ...]:
    """What to tell a sender whose message is taken although part of its identifier list is not."""
    remarks = [
        MessageError(p.code, f"{p.text}; ignored", Severity.WARNING, location=p.location) for p in found.problems
    ]
    own = found.of(source.feeds)
    if len(own) > 1:
        text = "more than one number of the feed's own authority; the first one is used"
        remarks.append(MessageError(102, text, Severity.WARNING, location=own[1].place))
    nhs = found.of(NHS)
    if len(nhs) > 1:
        text = "more than one NHS number; the first one is used"
        remarks.append(MessageError(102, text, Severity.WARNING, location=nhs[1].place))
    return tuple(remarks)
