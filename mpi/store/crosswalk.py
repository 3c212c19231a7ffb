"""The crosswalk in one statement: from any identifier to all that is known of its person. The hot path of PIX queries.

Identities that were left behind (`protected`) lead nowhere and are not shown; records that their source deleted lead
nowhere.
"""

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import TextClause, bindparam, select, text

from mpi.store.statements import Statements
from mpi.store.tables import blocking_key

# The order of the joins is written down, as in `mpi.store.lookups`: each step goes by an index.
_ENDS = (
    "WITH RECURSIVE chain(id, next) AS ({start} UNION"
    " SELECT r.id, r.merged_into FROM chain AS c CROSS JOIN source_record AS r WHERE r.id = c.next),"
    " own(person_id) AS (SELECT DISTINCT l.person_id FROM chain AS c CROSS JOIN link AS l"
    " WHERE c.next IS NULL AND l.record_id = c.id AND l.valid_to IS NULL),"
)
_LOCAL = (
    "SELECT id, merged_into FROM source_record WHERE authority = :authority AND local_id = :value"
    " AND status <> 'deleted' AND NOT protected"
)
_NATIONAL = (
    "SELECT r.id, r.merged_into FROM identifier AS i CROSS JOIN source_record AS r WHERE i.authority = :authority"
    " AND i.value = :value AND i.valid_to IS NULL AND r.id = i.record_id AND r.status <> 'deleted' AND NOT r.protected"
)
_OF_PERSONS = "WITH RECURSIVE own(person_id) AS (SELECT {ids}),"
_TREE = {
    "sqlite": (
        " tree(person_id, record_id) AS (SELECT l.person_id, l.record_id FROM own AS o CROSS JOIN link AS l"
        " WHERE l.person_id = o.person_id AND l.valid_to IS NULL"
        " UNION SELECT t.person_id, r.id FROM tree AS t CROSS JOIN source_record AS r"
        " WHERE r.merged_into = t.record_id)"
        " SELECT t.person_id, r.id, r.authority, r.local_id, r.status, r.restricted, i.authority AS number_authority,"
        " i.value FROM tree AS t CROSS JOIN source_record AS r LEFT JOIN identifier AS i"
        " ON i.record_id = r.id AND i.valid_to IS NULL WHERE r.id = t.record_id AND NOT r.protected"
        " ORDER BY t.person_id, r.id, i.id"
    ),
    "postgresql": (
        " tree(person_id, record_id) AS (SELECT l.person_id, l.record_id FROM own AS o CROSS JOIN LATERAL"
        " (SELECT person_id, record_id, valid_to FROM link WHERE person_id = o.person_id OFFSET 0) AS l"
        " WHERE l.valid_to IS NULL UNION SELECT t.person_id, r.id FROM tree AS t CROSS JOIN LATERAL"
        " (SELECT id FROM source_record WHERE merged_into = t.record_id OFFSET 0) AS r)"
        " SELECT t.person_id, r.id, r.authority, r.local_id, r.status, r.restricted, i.authority AS number_authority,"
        " i.value FROM tree AS t CROSS JOIN LATERAL (SELECT id, authority, local_id, status, restricted, protected"
        " FROM source_record WHERE id = t.record_id OFFSET 0) AS r LEFT JOIN LATERAL (SELECT id, authority, value"
        " FROM identifier WHERE record_id = t.record_id AND valid_to IS NULL OFFSET 0) AS i ON true"
        " WHERE NOT r.protected ORDER BY t.person_id, r.id, i.id"
    ),
}
_BY_LOCAL = {name: text(_ENDS.format(start=_LOCAL) + tree) for name, tree in _TREE.items()}
_BY_NATIONAL = {name: text(_ENDS.format(start=_NATIONAL) + tree) for name, tree in _TREE.items()}
_BY_PERSON = {
    "sqlite": text(_OF_PERSONS.format(ids="value FROM json_each(:ids)") + _TREE["sqlite"]),
    "postgresql": text(
        _OF_PERSONS.format(ids="CAST(value AS bigint) FROM json_array_elements_text(CAST(:ids AS json)) AS k(value)")
        + _TREE["postgresql"]
    ),
}
_by_beginning = (
    select(blocking_key.c.record_id)
    .distinct()
    .where(
        blocking_key.c.key >= bindparam("low"),
        blocking_key.c.key < bindparam("high"),
        blocking_key.c.key.like(bindparam("pattern"), escape="\\"),
    )
    .limit(bindparam("most"))
)


class CrosswalkRow(NamedTuple):
    """A record of a person, whatever its status, with one national number; `number_authority` None: it has none."""

    person_id: int
    record_id: int
    authority: str
    local_id: str
    status: str
    restricted: bool
    number_authority: str | None
    value: str | None


class Crosswalks:
    """Look-ups of identifiers inside one transaction."""

    def __init__(self, connection: Statements) -> None:
        self._connection = connection
        self._dialect = connection.dialect.name

    def by_local(self, authority: str, value: str) -> list[CrosswalkRow]:
        """The records of whomever `authority` knows by this number, now or before a merge; none when nobody is."""
        values = {"authority": authority, "value": value}
        return self._rows(_BY_LOCAL, values)

    def by_national(self, authority: str, value: str) -> list[CrosswalkRow]:
        """The records of all persons on one of whose records this number of a national authority stands."""
        values = {"authority": authority, "value": value}
        return self._rows(_BY_NATIONAL, values)

    def of_persons(self, ids: list[int]) -> list[CrosswalkRow]:
        """The records of these persons."""
        if not ids:
            return []
        values = {"ids": "[" + ",".join(str(one) for one in ids) + "]"}
        return self._rows(_BY_PERSON, values)

    def with_beginning(self, beginning: str, end: str, most: int) -> list[int]:
        """The ids of at most `most` records with a blocking key that begins and ends so."""
        values = {
            "low": beginning,
            "high": beginning[:-1] + chr(ord(beginning[-1]) + 1),
            "pattern": _escaped(beginning) + "%" + _escaped(end),
            "most": most,
        }
        return list(self._connection.execute(_by_beginning, values).scalars())

    def _rows(self, statements: Mapping[str, TextClause], values: Mapping[str, str]) -> list[CrosswalkRow]:
        return [CrosswalkRow(*row) for row in self._connection.execute(statements[self._dialect], values)]


def _escaped(beginning: str) -> str:
    for mark in "\\%_":
        beginning = beginning.replace(mark, "\\" + mark)
    return beginning
