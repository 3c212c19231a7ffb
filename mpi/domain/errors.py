"""The errors a caller can do something about, one branch for each thing they can do.

Each branch maps once to an HTTP status, an HL7 acknowledgement and an exit code. No error text carries a
patient's value: the message names things by field, authority or internal id.
"""


class MpiError(Exception):
    """Base of everything this software raises on purpose. `code` is stable and safe to show."""

    code = "error"
    exit_code = 1


class BadInput(MpiError):
    """What came in cannot be used; the sender mends it. `field` names the place, never the value."""

    code = "bad-input"
    exit_code = 4

    def __init__(self, message: str, *, code: str | None = None, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field
        if code is not None:
            self.code = code


class NotFound(MpiError):
    """The thing asked for is not in the index."""

    code = "not-found"
    exit_code = 5


class NotAllowed(MpiError):
    """This actor's role or sites do not permit the action. `person_id` is whom it was about, for the audit."""

    code = "not-allowed"
    exit_code = 6

    def __init__(self, message: str, *, person_id: int | None = None) -> None:
        super().__init__(message)
        self.person_id = person_id


class Conflict(MpiError):
    """The state of things does not allow the action now (somebody else was faster, already closed, circular)."""

    code = "conflict"
    exit_code = 7


class TemporaryFailure(MpiError):
    """A repeat may help: the database is gone, locked or full. Nothing was stored."""

    code = "temporary"
    exit_code = 75  # EX_TEMPFAIL of sysexits.h


class StoreFailure(MpiError):
    """The database refused a statement, and a repeat would not help: a fault of this software."""

    code = "internal"
    exit_code = 1


class MissingExtra(MpiError):
    """An optional library is not installed; the message says which extra brings it."""

    code = "missing-extra"
    exit_code = 8
