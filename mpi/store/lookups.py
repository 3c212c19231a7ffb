"""The look-ups of the hot path, written once for each database: whom to compare a record with, and what they carry."""

from collections.abc import Mapping

from sqlalchemy import text

from mpi.store.plain import Fixed


def _fixed(statements: Mapping[str, str]) -> dict[str, Fixed]:
    return {dialect: Fixed(text(sql)) for dialect, sql in statements.items()}


# One statement asks for all keys, each bounded by `cap`, so that a key which has grown too common costs no more
# than the cap. SQLite has no LATERAL: a correlated scalar subquery does the same.
BLOCK = _fixed(
    {
        "sqlite": (
            "SELECT k.value AS key, (SELECT json_group_array(record_id) FROM"
            " (SELECT record_id FROM blocking_key WHERE key = k.value LIMIT :cap)) AS ids FROM json_each(:keys) AS k"
        ),
        "postgresql": (
            "SELECT k.key AS key, b.ids AS ids FROM json_array_elements_text(CAST(:keys AS json)) AS k(key)"
            " CROSS JOIN LATERAL (SELECT json_agg(s.record_id) AS ids FROM"
            " (SELECT record_id FROM blocking_key WHERE key = k.key LIMIT :cap) AS s) AS b"
        ),
    }
)
# A number stays its person's when the record that carried it was merged into another: records merged into a member
# are asked too. The order of the joins is written down (CROSS JOIN, and + against the index on the authority): left to
# itself SQLite starts from all NHS numbers, and the look-up grows with the index. So does PostgreSQL while a table is
# new and has no statistics: OFFSET 0 keeps what is asked inside, and leaves one index that can answer it.
_NUMBERS = {
    "sqlite": (
        "WITH RECURSIVE own(person_id, record_id) AS (SELECT l.person_id, l.record_id FROM json_each(:ids) AS k"
        " CROSS JOIN link AS l ON l.person_id = k.value AND l.valid_to IS NULL"
        " UNION ALL SELECT o.person_id, r.id FROM own AS o"
        " CROSS JOIN source_record AS r ON r.merged_into = o.record_id)"
        " SELECT o.person_id, i.value, i.verified FROM own AS o"
        " CROSS JOIN identifier AS i ON i.record_id = o.record_id"
        " WHERE +i.authority = 'NHS' AND i.valid_to IS NULL"
    ),
    "postgresql": (
        "WITH RECURSIVE own(person_id, record_id) AS ("
        "SELECT k.id, l.record_id FROM unnest(CAST(:ids AS bigint[])) AS k(id)"
        " CROSS JOIN LATERAL (SELECT record_id, valid_to FROM link WHERE person_id = k.id OFFSET 0) AS l"
        " WHERE l.valid_to IS NULL"
        " UNION ALL SELECT o.person_id, r.id FROM own AS o CROSS JOIN LATERAL"
        " (SELECT id FROM source_record WHERE merged_into = o.record_id OFFSET 0) AS r)"
        " SELECT o.person_id, i.value, i.verified FROM own AS o CROSS JOIN LATERAL (SELECT value, verified"
        " FROM identifier WHERE record_id = o.record_id AND authority = 'NHS' AND valid_to IS NULL OFFSET 0) AS i"
    ),
}
NUMBERS = _fixed(_NUMBERS)
CANDIDATES = _fixed(
    {
        "sqlite": (
            "SELECT r.id, r.prepared, l.person_id FROM json_each(:ids) AS k"
            " CROSS JOIN source_record AS r ON r.id = k.value"
            " JOIN link AS l ON l.record_id = r.id AND l.valid_to IS NULL"
        ),
        "postgresql": (
            "SELECT r.id, r.prepared, l.person_id FROM unnest(CAST(:ids AS bigint[])) AS k(id)"
            " CROSS JOIN LATERAL (SELECT id, prepared FROM source_record WHERE id = k.id OFFSET 0) AS r"
            " CROSS JOIN LATERAL (SELECT person_id, valid_to FROM link WHERE record_id = k.id OFFSET 0) AS l"
            " WHERE l.valid_to IS NULL"
        ),
    }
)
# Whether any record of a person, or one merged into it, is restricted: one address stands on all of them.
RESTRICTED = _fixed(
    {
        name: (
            numbers[: numbers.index(" SELECT o.person_id, i.value")]  # noqa: S608 - our own constants
            + " SELECT DISTINCT o.person_id FROM own AS o CROSS JOIN source_record AS r"
            " WHERE r.id = o.record_id AND r.restricted"
        )
        for name, numbers in _NUMBERS.items()
    }
)

# PostgreSQL waits for each statement's answer on its way to another process and back: keys, candidates and the numbers
# of their persons are asked for in one. `what` says which a row is: c a candidate, n a number, s how many were skipped.
AROUND = Fixed(
    text(
        "WITH RECURSIVE block AS MATERIALIZED (SELECT b.ids"
        " FROM json_array_elements_text(CAST(:keys AS json)) AS k(key)"
        " CROSS JOIN LATERAL (SELECT array_agg(s.record_id) AS ids FROM"
        " (SELECT record_id FROM blocking_key WHERE key = k.key LIMIT :cap) AS s) AS b),"
        " found AS MATERIALIZED (SELECT DISTINCT u.id FROM block CROSS JOIN LATERAL unnest(block.ids) AS u(id)"
        " WHERE cardinality(block.ids) < :cap),"
        " candidate AS MATERIALIZED (SELECT r.id, r.prepared, l.person_id FROM found AS k"
        " CROSS JOIN LATERAL (SELECT id, prepared FROM source_record WHERE id = k.id OFFSET 0) AS r"
        " CROSS JOIN LATERAL (SELECT person_id, valid_to FROM link WHERE record_id = k.id OFFSET 0) AS l"
        " WHERE l.valid_to IS NULL),"
        " own(person_id, record_id) AS (SELECT k.person_id, l.record_id"
        " FROM (SELECT DISTINCT person_id FROM candidate) AS k"
        " CROSS JOIN LATERAL (SELECT record_id, valid_to FROM link WHERE person_id = k.person_id OFFSET 0) AS l"
        " WHERE l.valid_to IS NULL"
        " UNION ALL SELECT o.person_id, r.id FROM own AS o CROSS JOIN LATERAL"
        " (SELECT id FROM source_record WHERE merged_into = o.record_id OFFSET 0) AS r)"
        " SELECT 'c' AS what, id, prepared AS value, person_id, NULL AS verified FROM candidate"
        " UNION ALL SELECT 'n', NULL, i.value, o.person_id, i.verified FROM own AS o CROSS JOIN LATERAL"
        " (SELECT value, verified FROM identifier"
        " WHERE record_id = o.record_id AND authority = 'NHS' AND valid_to IS NULL OFFSET 0) AS i"
        " UNION ALL SELECT 's', count(*), NULL, NULL, NULL FROM block WHERE cardinality(block.ids) >= :cap"
    )
)
