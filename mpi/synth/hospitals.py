"""The hospitals that keep the registers, each with its habits."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hospital:
    """One hospital's habits. Rates are chances per record; `care` scales the slips of its clerks."""

    code: str
    share: float
    """Of all records."""
    missing_nhs: float
    care: float
    short_forms: float
    capitals: bool
    accents: bool
    """Marks of other alphabets are kept as their bearers write them."""
    titles: float
    default_birth: float
    default_phone: float
    no_phone: float
    sparse: float
    """Records with a name, a birth date and little else, as an emergency department makes them."""


HOSPITALS: tuple[Hospital, ...] = (
    Hospital("RXA", 0.40, 0.05, 1.0, 0.02, True, False, 0.00, 0.001, 0.000, 0.15, 0.02),
    Hospital("RXB", 0.25, 0.10, 1.5, 0.08, False, True, 0.03, 0.004, 0.010, 0.30, 0.06),
    Hospital("RXC", 0.20, 0.18, 2.4, 0.05, True, False, 0.01, 0.012, 0.030, 0.50, 0.25),
    Hospital("RXD", 0.15, 0.13, 1.8, 0.05, False, False, 0.06, 0.003, 0.005, 0.20, 0.08),
)
