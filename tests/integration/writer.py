"""A writer process for the tests: registers the same people as its brothers, and says what was acknowledged.

Run as `python -m tests.integration.writer URL AUTHORITY PEOPLE ROUND`; prints control ids of messages answered AA.
"""

import sys

from mpi.domain.messages import AckCode, Register
from tests.builders import a_record, nhs_number
from tests.index import message, open_index

_FAMILIES = ("Ashworth", "Oyelaran", "Bielska", "Chaudhry", "Pemberton", "Quigley", "Rasmussen", "Szabo", "Tomlin")
_GIVEN = ("Maria", "Tunde", "Agnieszka", "Imran", "Florence", "Declan", "Ingrid", "Zoltan", "Harriet", "Osian", "Priya")


def person(n: int) -> dict[str, str | None]:
    """The n-th of the people whom all writers register; no two of them are alike."""
    return {
        "family_name": _FAMILIES[n % len(_FAMILIES)],
        "given_name": _GIVEN[n % len(_GIVEN)],
        "birth_date": f"19{30 + n % 70:02d}-{1 + n % 12:02d}-{1 + n % 28:02d}",
        "postcode": f"LS{1 + n % 20} {n % 10}AA",
        "address_line": f"{n + 1} Quarry Bank",
        "nhs_number": nhs_number(100 + n),
        "nhs_number_status": "01",
    }


def main() -> None:
    """Register, batch by batch, until every message was answered AA."""
    url, authority, people, round_ = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
    app = open_index(url)
    waiting = [
        message(
            Register(a_record(authority, f"{authority}-{n}", **(person(n) | {"phone": f"0113 4960{int(round_):03d}"}))),
            f"{authority}-{round_}-{n}",
        )
        for n in range(people)
    ]
    while waiting:
        batch, rest = waiting[:4], waiting[4:]
        again = []
        for sent, outcome in zip(batch, app.inbox.process(batch), strict=True):
            if outcome.ack is AckCode.ACCEPTED:
                sys.stdout.write(sent.control_id + "\n")
            else:
                again.append(sent)
        sys.stdout.flush()
        waiting = rest + again
    app.close()


if __name__ == "__main__":
    main()
