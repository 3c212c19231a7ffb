"""Statements built at import as plain SQL: made once for each database, then run by its driver alone.

What SQLAlchemy does for a statement each time it is run costs more than SQLite takes to carry it out. Here the text is
kept, and of a row only what the driver does not know itself is converted.
"""

from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import Dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import Delete, Insert, Update
from sqlalchemy.sql.elements import TextClause
from sqlalchemy.sql.selectable import SelectBase

Values = Mapping[str, Any]
Parameters = Sequence[Any] | Values
_KEPT = 4096
"""Longest list for which a text is kept; longer ones are rare, and SQLite takes 32,766 values at most."""
_Built = SelectBase | Insert | Update | Delete | TextClause


class Rows(list[Any]):
    """What a look-up found: named tuples, already fetched."""

    def first(self) -> Any:
        """The first row; None when there is none."""
        return self[0] if self else None

    def scalar(self) -> Any:
        """The first column of the first row; None when there is none."""
        return self[0][0] if self else None

    def scalars(self) -> Iterator[Any]:
        """The first column of each row."""
        return (row[0] for row in self)


class Form(NamedTuple):
    """A statement for one database. `bind` makes what the driver is given out of values by name."""

    sql: str
    bind: Callable[[Values], Parameters]
    rows: Callable[[Sequence[str], Sequence[Any]], Rows]
    """Rows out of the names of the columns and what the driver has fetched."""


class Fixed:
    """A statement built at import. A parameter that stands for a list may have any length but none."""

    def __init__(self, statement: _Built) -> None:
        self._statement = statement
        self._lists = [name for name, bind in _compiled(statement).binds.items() if bind.expanding]
        self._forms: dict[tuple[str, int], Form] = {}

    def form(self, dialect: Dialect, values: Values) -> tuple[Form, Values]:
        """The statement for this database, and the values as it takes them."""
        length = 0
        if self._lists:
            values, length = self._spread(values)
        found = self._forms.get((dialect.name, length))
        if found is None:
            found = self._make(dialect, length)
            if length <= _KEPT:
                self._forms[dialect.name, length] = found
        return found, values

    def _spread(self, values: Values) -> tuple[Values, int]:
        """Lists with a value for each place: a few lengths are enough, for the last value may stand there again."""
        longest = max(len(values[name]) for name in self._lists)
        length = 1 << (longest - 1).bit_length() if longest <= _KEPT else longest
        spread = dict(values)
        for name in self._lists:
            given = spread.pop(name)
            spread |= {f"{name}_{place}": one for place, one in enumerate(given, 1)}
            spread |= {f"{name}_{place}": given[-1] for place in range(len(given) + 1, length + 1)}
        return spread, length

    def _make(self, dialect: Dialect, length: int) -> Form:
        compiled = _compiled(self._statement, dialect=dialect)
        if length:
            expanded = compiled.construct_expanded_state(
                {**compiled.params, **{name: [0] * length for name in self._lists}}
            )
            return _form(dialect, compiled, expanded.statement, expanded.parameters, expanded.positiontup)
        return _form(dialect, compiled, str(compiled), compiled.params, compiled.positiontup)


def writing(statement: Insert | Update, dialect: Dialect, names: Sequence[str]) -> Form:
    """A write for one database, given values of these names."""
    compiled = _compiled(statement, dialect=dialect, column_keys=sorted(names))
    constants = {name: value for name, value in compiled.params.items() if name not in names}
    return _form(dialect, compiled, str(compiled), constants, compiled.positiontup)


def _compiled(statement: _Built, **how: Any) -> SQLCompiler:
    return statement.compile(**how)


def _form(
    dialect: Dialect, compiled: SQLCompiler, sql: str, constants: Values, positions: Sequence[str] | None
) -> Form:
    constants = {name: value for name, value in constants.items() if value is not None}
    return Form(sql, _binding(constants, positions), _reading(dialect, compiled))


def _binding(constants: Values, positions: Sequence[str] | None) -> Callable[[Values], Parameters]:
    """By name for PostgreSQL, by place for SQLite."""
    if positions is None:
        return (lambda values: {**constants, **values}) if constants else (lambda values: values)
    if len(positions) < 2:
        return lambda values: [{**constants, **values}[name] for name in positions]
    pick = itemgetter(*positions)
    return (lambda values: pick({**constants, **values})) if constants else pick


def _reading(dialect: Dialect, compiled: SQLCompiler) -> Callable[[Sequence[str], Sequence[Any]], Rows]:
    """Makes named tuples; SQLite's driver gives yes and no as numbers, which are converted."""
    converters = [
        (place, convert)
        for place, column in enumerate(compiled._result_columns)
        if dialect.name == "sqlite"
        and (convert := column.type.dialect_impl(dialect).result_processor(dialect, None)) is not None
    ]
    made: list[Any] = []

    def rows(names: Sequence[str], found: Sequence[Any]) -> Rows:
        if not made:
            made.append(namedtuple("Row", names, rename=True))
        if converters:
            found = [_converted(row, converters) for row in found]
        return Rows(map(made[0]._make, found))

    return rows


def _converted(row: Sequence[Any], converters: Sequence[tuple[int, Callable[[Any], Any]]]) -> list[Any]:
    values = list(row)
    for place, convert in converters:
        values[place] = convert(values[place])
    return values
