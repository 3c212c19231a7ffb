"""Two records in, a decision and the hard rule behind it out: with the model that ships."""

import pytest

from mpi.domain.decision import Outcome
from mpi.matching.decide import decide_pair
from mpi.matching.model import load_default
from mpi.matching.prepare import prepare
from tests.spec.tables import cases, person

A = "9990000018"
B = "9990000026"

TABLE = """
| case | left | right | outcome | rule |
|---|---|---|---|---|
| the same in everything | SMITH, DAVID, 1980-01-17, M, LS6 4QB | Smith, David, 19800117, 1, ls64qb | link | |
| a slip of the keyboard in a rare family name | WAKEGRAVE, DAVID, 1980-01-17, M, LS6 4QB | WAKGERAVE, DAVID, 1980-01-17, M, LS6 4QB | link | |
| a short form of the given name | ASHWORTH, WILLIAM, 1961-05-30, M, LS6 4QB | ASHWORTH, BILL, 1961-05-30, M, LS6 4QB | link | |
| names in each other's place | ASHWORTH, WILLIAM, 1961-05-30, M, LS6 4QB | WILLIAM, ASHWORTH, 1961-05-30, M, LS6 4QB | link | |
| day and month exchanged | ASHWORTH, WILLIAM, 1961-05-03, M, LS6 4QB | ASHWORTH, WILLIAM, 1961-03-05, M, LS6 4QB | link | |
| a married name, the former one recorded | ASHWORTH, HELEN, 1961-05-30, F, LS6 4QB | FENTHORPE, HELEN, 1961-05-30, F, LS6 4QB, previous=ASHWORTH | link | |
| moved house, rare family name | WAKEGRAVE, HELEN, 1961-05-30, F, LS6 4QB | WAKEGRAVE, HELEN, 1961-05-30, F, EX4 9ZZ, nhs=- | link | |
| strangers | SMITH, DAVID, 1980-01-17, M, LS6 4QB | PATEL, NISHA, 1991-09-02, F, EX4 9ZZ | apart | |
| namesakes in two towns, years apart | SMITH, DAVID, 1980-01-17, M, LS6 4QB | SMITH, DAVID, 1949-06-30, M, EX4 9ZZ | apart | |
| only a name is known of one | SMITH, DAVID, 1980-01-17, M, LS6 4QB | SMITH, DAVID, -, -, - | apart | |
| the same verified number, all agrees | SMITH, DAVID, 1980-01-17, M, LS6 4QB, nhs=9990000018, status=01 | SMITH, DAVID, 1980-01-17, M, LS6 4QB, nhs=999 000 0018, status=1 | link | |
| two verified numbers, all else agrees | SMITH, DAVID, 1980-01-17, M, LS6 4QB, nhs=9990000018, status=01 | SMITH, DAVID, 1980-01-17, M, LS6 4QB, nhs=9990000026, status=01 | review | verified-nhs-numbers-differ |
| two numbers, one unverified, all else agrees | SMITH, DAVID, 1980-01-17, M, LS6 4QB, nhs=9990000018, status=01 | SMITH, DAVID, 1980-01-17, M, LS6 4QB, nhs=9990000026, status=02 | review | valid-nhs-numbers-differ |
| two numbers, one in conflict (05), all else agrees | SMITH, DAVID, 1980-01-17, M, LS6 4QB, nhs=9990000018, status=05 | SMITH, DAVID, 1980-01-17, M, LS6 4QB, nhs=9990000026, status=01 | review | valid-nhs-numbers-differ |
| two verified numbers, nothing agrees | SMITH, DAVID, 1980-01-17, M, LS6 4QB, nhs=9990000018, status=01 | PATEL, NISHA, 1991-09-02, F, EX4 9ZZ, nhs=9990000026, status=01 | apart | |
| the same number on clearly another name | SMITH, DAVID, 1980-01-17, M, LS6 4QB, nhs=9990000018, status=01 | SMITH, THOMAS, 1980-01-17, M, LS6 4QB, nhs=9990000018, status=01 | review | same-nhs-number-person-differs |
| the same number on clearly another birth date | SMITH, DAVID, 1980-01-17, M, LS6 4QB, nhs=9990000018, status=01 | SMITH, DAVID, 1951-06-30, M, LS6 4QB, nhs=9990000018, status=01 | review | same-nhs-number-person-differs |
| the same number on another sex | ASHWORTH, ROBIN, 1980-01-17, M, LS6 4QB, nhs=9990000018, status=01 | ASHWORTH, ROBIN, 1980-01-17, F, LS6 4QB, nhs=9990000018, status=01 | review | same-nhs-number-person-differs |
| the same number, nothing else agrees | SMITH, DAVID, 1980-01-17, M, LS6 4QB, nhs=9990000018, status=01 | PATEL, NISHA, 1991-09-02, F, EX4 9ZZ, nhs=9990000018, status=01 | review | same-nhs-number-person-differs |
| the same number, a woman's changed family name | SMITH, HELEN, 1980-01-17, F, LS6 4QB, nhs=9990000018, status=01 | PATEL, HELEN, 1980-01-17, F, EX4 9ZZ, nhs=9990000018, status=01 | link | |
| a number in conflict (05), too little else | SMITH, DAVID, 1980-01-17, M, -, nhs=9990000018, status=05 | SMITH, DAVID, -, M, -, nhs=9990000018, status=01 | review | nhs-number-status-unresolved |
| a number in conflict (05), the rest links by itself | WAKEGRAVE, DAVID, 1980-01-17, M, LS6 4QB, nhs=9990000018, status=05 | WAKEGRAVE, DAVID, 1980-01-17, M, LS6 4QB, nhs=9990000018, status=01 | link | |
| twins, two names | SMITH, EMMA, 2015-03-02, F, LS6 4QB | SMITH, GRACE, 2015-03-02, F, LS6 4QB | apart | twins |
| twins, two names, a rare family name | WAKEGRAVE, EMMA, 2015-03-02, F, LS6 4QB, address=14 Quarry Bank | WAKEGRAVE, GRACE, 2015-03-02, F, LS6 4QB, address=14 Quarry Bank | review | twins |
| twins, a girl and a boy | SMITH, EMMA, 2015-03-02, F, LS6 4QB | SMITH, JACK, 2015-03-02, M, LS6 4QB | apart | twins |
| twins, two names and two numbers | SMITH, EMMA, 2015-03-02, F, LS6 4QB, nhs=9990000018 | SMITH, GRACE, 2015-03-02, F, LS6 4QB, nhs=9990000026 | apart | twins |
| twins, much the same name | SMITH, ELLA, 2015-03-02, F, LS6 4QB | SMITH, BELLA, 2015-03-02, F, LS6 4QB | review | twins |
| twins, much the same name, shared telephone only | SMITH, ANNA, 2015-03-02, F, -, phone=01632960001 | SMITH, HANNAH, 2015-03-02, F, -, phone=01632 960001 | review | twins |
| twins or a slip, who can say | WAKEGRAVE, AISHA, 2015-03-02, F, LS6 4QB | WAKEGRAVE, ANISHA, 2015-03-02, F, LS6 4QB | review | twins |
| a slip in the given name, one number on both | WAKEGRAVE, AISHA, 2015-03-02, F, LS6 4QB, nhs=9990000018, status=01 | WAKEGRAVE, ANISHA, 2015-03-02, F, LS6 4QB, nhs=9990000018, status=01 | link | |
| twins, only an initial of one | WAKEGRAVE, R, 2015-03-02, M, LS6 4QB | WAKEGRAVE, RYAN, 2015-03-02, M, LS6 4QB | review | twins |
| twins, only the initial of both | WAKEGRAVE, R, 2015-03-02, M, LS6 4QB | WAKEGRAVE, R, 2015-03-02, M, LS6 4QB | review | twins |
| an initial, moved house | WAKEGRAVE, R, 1975-03-02, M, LS6 4QB, other=EX4711022 | WAKEGRAVE, RYAN, 1975-03-02, M, EX4 9ZZ, other=EX4711022 | link | |
| twins, two names of two words | SMITH, MUHAMMAD HASSAN, 2015-03-02, M, LS6 4QB | SMITH, MUHAMMAD HUSSAIN, 2015-03-02, M, LS6 4QB | review | twins |
| twins, no names but a mark that runs together | SMITH, BABYBOY, 2025-03-02, M, LS6 4QB | SMITH, BABYBOY, 2025-03-02, M, LS6 4QB | review | newborn-without-given-name |
| twins, no names but sex and place | SMITH, BOY A, 2025-03-02, M, LS6 4QB | SMITH, BOY B, 2025-03-02, M, LS6 4QB | apart | twins |
| twins, a title where a name should stand | SMITH, MASTER, 2025-03-02, M, LS6 4QB | SMITH, MASTER, 2025-03-02, M, LS6 4QB | review | |
| twins, much the same name, nothing known of their homes | WAKEGRAVE, ELLA, 2015-03-02, F, - | WAKEGRAVE, BELLA, 2015-03-02, F, - | review | twins |
| twins, much the same name, the mother's e-mail address | WAKEGRAVE, ELLA, 2015-03-02, F, -, email=m@example.org | WAKEGRAVE, BELLA, 2015-03-02, F, -, email=m@example.org | review | twins |
| twins, a boy's and a girl's form of a name, two homes | WAKEGRAVE, FRANCIS, 2015-03-02, M, LS6 4QB | WAKEGRAVE, FRANCES, 2015-03-02, F, LS6 4QD | review | twins |
| twins, much the same name, a slip in one birth date | WAKEGRAVE, JEAN, 2015-03-02, F, LS6 4QB, address=14 Quarry Bank | WAKEGRAVE, JOHN, 2014-03-02, -, LS6 4QB, address=14 Quarry Bank | review | twins |
| twins or a slip, the other number with a slip within | WAKEGRAVE, AISHA, 2015-03-02, F, LS6 4QB, other=6046888 | WAKEGRAVE, ANISHA, 2015-03-02, F, LS6 4QB, other=6046848 | link | |
| twins or a slip, the other numbers given out together | WAKEGRAVE, AISHA, 2015-03-02, F, LS6 4QB, other=6046888 | WAKEGRAVE, ANISHA, 2015-03-02, F, LS6 4QB, other=6046889 | review | twins |
| twins, two names, the other number with a slip within | WAKEGRAVE, EMMA, 2015-03-02, F, LS6 4QB, other=6046888 | WAKEGRAVE, GRACE, 2015-03-02, F, LS6 4QB, other=6046848 | review | twins |
| no given name, the other number with a slip within | WAKEGRAVE, AISHA, 2015-03-02, F, LS6 4QB, address=14 Quarry Bank, other=6046888 | WAKEGRAVE, -, 2015-03-02, F, LS6 4QB, address=14 Quarry Bank, other=6046848 | link | |
| twins, two short forms of one name | SMITH, LISA, 2015-03-02, F, LS6 4QB | SMITH, BETTY, 2015-03-02, F, LS6 4QB | review | twins |
| twins, only an initial of one, which says nothing of its home | WAKEGRAVE, JOHN, 2011-03-01, M, LS6 4QB | WAKEGRAVE, J, 2011-03-01, M, - | review | same-household-only |
| twins, much the same name, one moved to the other parent | WAKEGRAVE, NISHA, 2018-02-28, F, LS6 4QB | WAKEGRAVE, AISHA, 2018-02-28, F, LS8 1AA | review | same-household-only |
| twins, a short form that stands for both their names | WAKEGRAVE, EMMA, 2015-03-02, F, LS6 4QB | WAKEGRAVE, EMMIE, 2015-03-02, F, LS6 4QB | review | twins |
| a short form that stands for one name only | WAKEGRAVE, THOMAS, 2015-03-02, M, LS6 4QB | WAKEGRAVE, TOM, 2015-03-02, M, LS6 4QB | link | |
| twins, the name of one missing, one middle name | WAKEGRAVE, -, 2015-03-02, F, -, middle=JACQUELINE | WAKEGRAVE, CERYS, 2015-03-02, F, -, middle=JACQUELINE | review | same-household-only |
| one given name and birthday at one address, another family name, a boy's | DHILLON, HARPREET, 2018-01-31, M, LS6 4QB, address=14 Quarry Bank, phone=01632960001 | KAUR, HARPREET, 2018-01-31, M, LS6 4QB, address=14 Quarry Bank, phone=01632960001 | review | same-household-only |
| twins, names of both in each other's place, told by their order | JENNIFER, WAKEGRAVE, 2012-05-10, F, LS6 4QB, order=2, address=14 Quarry Bank | JESSICA, WAKEGRAVE, 2012-05-10, F, LS6 4QB, order=1, address=14 Quarry Bank | apart | twins |
| an initial, moved house, one number | WAKEGRAVE, J, 2011-03-01, M, EX4 9ZZ, nhs=9990000018 | WAKEGRAVE, JOHN, 2011-03-01, M, LS6 4QB, nhs=9990000018 | link | |
| twins, the name of one missing and the number of the other written by it | WAKEGRAVE, -, 2008-10-10, M, LS6 4QB, nhs=9990000018, status=02 | WAKEGRAVE, WAYNE, 2008-10-10, M, LS6 4QB, nhs=9990000018, status=01 | review | same-household-only |
| a given name missing, one verified number | WAKEGRAVE, -, 2008-10-10, M, LS6 4QB, nhs=9990000018, status=01 | WAKEGRAVE, WAYNE, 2008-10-10, M, LS6 4QB, nhs=9990000018, status=01 | link | |
| twins, much the same name and the number of the other written by one | WAKEGRAVE, EWAN, 2015-02-18, M, LS6 4QB, order=2, nhs=9990000018, status=01 | WAKEGRAVE, EVAN, 2015-02-18, -, LS6 4QB, nhs=9990000018, status=02 | review | twins |
| twins, the same and a slip in one birth date | WAKEGRAVE, EWAN, 2015-02-18, M, LS6 4QB, order=2, nhs=9990000018, status=01 | WAKEGRAVE, EVAN, 2015-02-13, -, LS6 4QB, nhs=9990000018, status=02 | review | twins |
| a slip in the name of a twin, one verified number | WAKEGRAVE, EWAN, 2015-02-18, M, LS6 4QB, order=2, nhs=9990000018, status=01 | WAKEGRAVE, EVAN, 2015-02-18, -, LS6 4QB, nhs=9990000018, status=01 | link | |
| a slip in the name of nobody's twin, one number | WAKEGRAVE, EWAN, 2015-02-18, M, LS6 4QB, nhs=9990000018, status=01 | WAKEGRAVE, EVAN, 2015-02-18, -, LS6 4QB, nhs=9990000018, status=02 | link | |
| twins, one known by a form of the other's name, one moved | WAKEGRAVE, CATHERINE, 2019-01-29, F, LS6 4QB | WAKEGRAVE, KATIE, 2019-01-29, F, EX4 9ZZ, order=2 | review | same-household-only |
| a form of the name of nobody's twin, moved house | WAKEGRAVE, CATHERINE, 2019-01-29, F, LS6 4QB | WAKEGRAVE, KATIE, 2019-01-29, F, LS6 8ZZ | link | |
| twins, a girl and a boy of one insurance | WAKEGRAVE, EMMA, 2015-03-02, F, -, other=POL12345 | WAKEGRAVE, JACK, 2015-03-02, M, -, other=POL12345 | review | same-household-only |
| twins without names, the mother's e-mail address | SMITH, -, 2025-03-02, F, LS6 4QB, email=m@example.org | SMITH, -, 2025-03-02, F, LS6 4QB, email=m@example.org | review | same-household-only |
| two men who know only their year, one hostel | TESFAYE, DAWIT, 1990-01-01, M, LS6 4QB | TESFAYE, DAWIT, 1990-01-01, M, LS6 4QB | review | same-household-only |
| born on 1 January, one number | TESFAYE, DAWIT, 1990-01-01, M, LS6 4QB, nhs=9990000018 | TESFAYE, DAWIT, 1990-01-01, M, EX4 9ZZ, nhs=9990000018 | link | |
| twins by their order of birth, no names yet | SMITH, TWIN 1, 2025-03-02, F, LS6 4QB | SMITH, TWIN 2, 2025-03-02, F, LS6 4QB | apart | twins |
| father and son of one name at one address | SMITH, DAVID, 1980-01-17, M, LS6 4QB, address=14 Quarry Bank | SMITH, DAVID, 2011-08-30, M, LS6 4QB, address=14 Quarry Bank | apart | same-household-only |
| father and son of one birthday | WAKEGRAVE, DAVID, 1977-07-05, M, LS6 4QB, address=14 Quarry Bank | WAKEGRAVE, DAVID, 2013-07-05, M, LS6 4QB, address=14 Quarry Bank | review | same-household-only |
| mother and daughter | SMITH, HELEN, 1980-01-17, F, LS6 4QB, address=14 Quarry Bank | SMITH, EMMA, 2011-08-30, F, LS6 4QB, address=14 Quarry Bank | apart | |
| one name at one address, a birth date unknown | WAKEGRAVE, DAVID, 1980-01-17, M, LS6 4QB, address=14 Quarry Bank | WAKEGRAVE, DAVID, -, M, LS6 4QB, address=14 Quarry Bank | review | same-household-only |
| one name at one address, a filler birth date | WAKEGRAVE, DAVID, 1980-01-17, M, LS6 4QB, address=14 Quarry Bank | WAKEGRAVE, DAVID, 1900-01-01, M, LS6 4QB, address=14 Quarry Bank | review | same-household-only |
| a baby before and after its naming | SMITH, BABY OF HELEN, 2025-03-02, F, LS6 4QB | SMITH, EMMA, 2025-03-02, F, LS6 4QB | review | newborn-without-given-name |
| a baby before and after its naming, one verified number | SMITH, BABY GIRL, 2025-03-02, F, LS6 4QB, nhs=9990000018, status=01 | SMITH, EMMA, 2025-03-02, F, LS6 4QB, nhs=9990000018, status=01 | link | |
| a baby, the number not verified | SMITH, BABY GIRL, 2025-03-02, F, LS6 4QB, nhs=9990000018, status=02 | SMITH, EMMA, 2025-03-02, F, LS6 4QB, nhs=9990000018, status=01 | review | newborn-without-given-name |
| a baby, the same other identifier and all agrees | SMITH, BABY GIRL, 2025-03-02, F, LS6 4QB, other=EX4711022 | SMITH, EMMA, 2025-03-02, F, LS6 4QB, other=EX4711022 | link | |
| two unknown men | UNKNOWN, MALE, 1980-01-17, M, LS6 4QB | UNKNOWN, MALE, 1980-01-17, M, LS6 4QB | apart | placeholder-person |
| two test patients with one number | ZZZTEST, PATIENT, 1980-01-17, M, LS6 4QB, nhs=9990000018, status=01 | ZZZTEST, PATIENT, 1980-01-17, M, LS6 4QB, nhs=9990000018, status=01 | apart | placeholder-person |
"""  # noqa: E501 - one case a line


@pytest.mark.parametrize("row", cases(TABLE))
def test_two_records_are(row: dict[str, str]) -> None:
    left, _ = prepare(person(row["left"]), allow_test_numbers=True)
    right, _ = prepare(person(row["right"]), allow_test_numbers=True)
    found = decide_pair(load_default(), left, right)
    assert (found.outcome, found.rule.value if found.rule else "") == (Outcome(row["outcome"]), row["rule"])
    again = decide_pair(load_default(), right, left)
    assert (again.outcome, again.rule, again.weight) == (found.outcome, found.rule, found.weight)
    assert len(found.evidence) == len(load_default().comparisons)
    assert sum((e.bits for e in found.evidence), load_default().prior_bits) == found.weight
