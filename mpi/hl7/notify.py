"""The PIX update notification of IHE (ITI-10): ADT^A31 with all identifiers of a person, and how it is delivered."""

import ssl
from collections.abc import Iterable
from datetime import datetime

from mpi.config import Config, Subscriber
from mpi.domain.errors import TemporaryFailure
from mpi.domain.person import NHS
from mpi.hl7.sender import Sender
from mpi.hl7.tls import client_context
from mpi.hl7.writer import escaped
from mpi.services.courier import Answer, Connect, Line, Reply
from mpi.store.outbox import Name, StoredNotification

_TAKEN = ("AA", "CA")
_REFUSED = ("AE", "AR", "CE", "CR")


def write(config: Config, subscriber: Subscriber, one: StoredNotification) -> bytes:
    """The message (v2.5, UTF-8). The same notification gives the same bytes each time.

    ITI TF-2: 3.10.4.1: PID-3 holds every identifier in the subscriber's domains, PID-5 one space, PV1-2 `N`.
    """
    at = datetime.fromisoformat(one.created_at).astimezone().strftime("%Y%m%d%H%M%S%z")
    receiver = "|".join(escaped(text) for text in (subscriber.application or subscriber.name, subscriber.facility))
    segments = (
        f"MSH|^~\\&|MPI|MPI|{receiver}|{at}||ADT^A31^ADT_A05|{one.control_id}|P|2.5|||||GBR|UNICODE UTF-8|||ITI-10^IHE",
        f"EVN|A31|{at}",
        f"PID|1||{_identifiers(config, one.told.identifiers)}|| |",  # the last mark keeps the space from being trimmed
        "PV1|1|N",
    )
    return "".join(f"{segment}\r" for segment in segments).encode()


def _identifiers(config: Config, names: Iterable[Name]) -> str:
    return "~".join(_identifier(config, *name) for name in names)


def _identifier(config: Config, code: str, value: str) -> str:
    """One CX; the authority with all its parts where it has an OID."""
    authority = config.authority(code)
    issuer = escaped(code)
    if authority is not None and authority.oid:
        issuer = f"{issuer}&{authority.oid}&ISO"
    hospital = authority is None or authority.kind == "hospital"
    type_ = "NH" if code == NHS else "MR" if hospital else ""
    return f"{escaped(value)}^^^{issuer}^{type_}".rstrip("^")


class _Line:
    """A line to a subscriber, over MLLP."""

    def __init__(self, config: Config, subscriber: Subscriber, tls: ssl.SSLContext | None) -> None:
        self._config = config
        self._subscriber = subscriber
        self._sender = Sender(subscriber.host, subscriber.port, tls=tls, timeout=subscriber.timeout)

    def send(self, notification: StoredNotification) -> Answer:
        """What the subscriber says to a notification. Raises `TemporaryFailure` when it gives no answer to it."""
        message = write(self._config, self._subscriber, notification)
        found = self._sender.send(message, control_id=notification.control_id)
        if found.code in _TAKEN:
            return Answer(Reply.TAKEN)
        if found.code in _REFUSED:
            # The texts of the answer are left alone: they may repeat what was sent.
            return Answer(Reply.REFUSED, f"{found.code} {found.error}".strip())
        raise TemporaryFailure("no acknowledgement (the answer has an unknown code)")

    def close(self) -> None:
        """End the connection."""
        self._sender.close()


def connector(config: Config) -> Connect:
    """What couriers connect with. Raises `InvalidConfiguration` when a subscriber's certificates cannot be used."""
    contexts = {
        one.name: client_context(one.tls_ca, one.tls_cert, one.tls_key) for one in config.subscribers if one.tls
    }

    def connect(subscriber: Subscriber) -> Line:
        return _Line(config, subscriber, contexts.get(subscriber.name))

    return connect
