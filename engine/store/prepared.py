"""Statements that every step sends: compiled once, then handed to the driver as they are.

SQLAlchemy compiles each statement once, too, but builds a context, a parameter set and a result around each sending,
which costs several times what the database needs for it. Here its compiler, types and rows are used and the rest is
left out. Everything else stays as it was: the same connection and transaction, the same converted values, faults
raised as SQLAlchemy raises them; :meth:`engine.store.session.Database.statements` hears of both kinds.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import itemgetter

from sqlalchemy import BindParameter, Compiled, Connection, Dialect, Executable, Row, UpdateBase
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import ArgumentError

from engine.store.faults import wrapped
from engine.store.session import HEARD, must_hold

Values = Mapping[str, object]
_Processor = Callable[[object], object]


class Prepared:
    """One statement with named parameters (``bindparam``), the columns of an insert or update being parameters too.

    Lists of any length (``in_``) cannot be prepared.

    :param hold: a writer holds the rows a select finds until he has ended (see :func:`engine.store.session.locked`).
    """

    def __init__(self, statement: Executable, *, hold: bool = False) -> None:
        self._statement = statement
        self._hold = hold
        #: by dialect and by what is given; all databases of a dialect are opened alike
        self._sendings: dict[tuple[str, ...], _Sending] = {}

    def all(self, connection: Connection, values: Values) -> list[Row]:
        """Return the rows it finds."""
        sending = self._sending(connection, values)
        cursor = _send(connection, sending.text, sending.bound(values))
        rows = [sending.row(found) for found in cursor.fetchall()]
        cursor.close()
        return rows

    def first(self, connection: Connection, values: Values) -> Row | None:
        """Return the first row it finds, None when there is none."""
        rows = self.all(connection, values)
        return rows[0] if rows else None

    def scalar(self, connection: Connection, values: Values) -> object:
        """Return the first column of the first row, None when there is none."""
        row = self.first(connection, values)
        return row[0] if row else None

    def run(self, connection: Connection, values: Values) -> int:
        """Write; return how many rows it met."""
        sending = self._sending(connection, values)
        return _finished(_send(connection, sending.text, sending.bound(values)))

    def run_each(self, connection: Connection, rows: Sequence[Values]) -> int:
        """Write each of these rows, all given the same columns; return how many it met."""
        if not rows:
            return 0
        sending = self._sending(connection, rows[0])
        bound = [sending.bound(values) for values in rows]
        if len(bound) == 1:
            return _finished(_send(connection, sending.text, bound[0]))
        return _finished(_send(connection, sending.text, bound, many=True))

    def _sending(self, connection: Connection, values: Values) -> _Sending:
        hold = self._hold and must_hold(connection)
        key = (connection.dialect.name, "hold" if hold else "", *values)
        if key not in self._sendings:
            statement = self._statement.with_for_update(key_share=True) if hold else self._statement
            self._sendings[key] = _Sending.of(statement, connection.dialect, list(values))
        return self._sendings[key]


class _Sending:
    """A statement as one driver wants it."""

    def __init__(
        self,
        text: str,
        names: Sequence[str],
        constants: Values,
        given: Mapping[str, _Processor],
        positional: bool,
        columns: Sequence[tuple[str, _Processor | None]],
    ) -> None:
        self.text = text
        self._constants = constants
        self._given = tuple(given.items())
        self._in_order = itemgetter(*names) if positional and len(names) > 1 else None
        self._names = names
        self._positional = positional
        #: by place
        self._to_convert = [(index, given[name]) for index, name in enumerate(names) if name in given]
        self.row = _row_maker(columns)

    @classmethod
    def of(cls, statement: Executable, dialect: Dialect, given: list[str]) -> _Sending:
        """Compile a statement for the parameters that will be given."""
        compiled = statement.compile(dialect=dialect, column_keys=given if isinstance(statement, UpdateBase) else None)
        binds = compiled.binds
        if any(bind.expanding for bind in binds.values()):
            raise ArgumentError("a list of any length cannot be prepared")
        unsaid = {key: bind for key, bind in binds.items() if key not in given}
        processors = {key: bind.type.dialect_impl(dialect).bind_processor(dialect) for key, bind in binds.items()}
        constants = _constants(compiled, unsaid, processors)
        columns = [
            (column.key, column.type.dialect_impl(dialect).result_processor(dialect, None))
            for column in statement.exported_columns
        ]
        names = compiled.positiontup if compiled.positional else list(binds)
        told = {key: process for key, process in processors.items() if process and key not in unsaid}
        return cls(str(compiled), names, constants, told, compiled.positional, columns)

    def bound(self, values: Values) -> Sequence[object] | dict:
        """Return the parameters as the driver takes them: in order or by name, converted."""
        known = {**self._constants, **values} if self._constants else values
        if not self._positional:
            return {**known, **{name: process(known[name]) for name, process in self._given}}
        bound = self._in_order(known) if self._in_order else tuple(known[name] for name in self._names)
        if not self._to_convert:
            return bound
        converted = list(bound)
        for index, process in self._to_convert:
            converted[index] = process(converted[index])
        return converted


def _row_maker(columns: Sequence[tuple[str, _Processor | None]]) -> Callable[[Sequence[object]], Row]:
    """Return what makes a named tuple, its values converted, out of a row of the driver.

    It is read as a row of SQLAlchemy is, but a column costs a tenth: that finds each name by failing to find it first.
    """
    make = partial(tuple.__new__, namedtuple("Row", [name for name, _ in columns]))
    to_convert = [(place, process) for place, (_, process) in enumerate(columns) if process]
    if not to_convert:
        return make

    def convert(found: Sequence[object]) -> Row:
        values = list(found)
        for place, process in to_convert:
            values[place] = process(values[place])
        return make(values)

    return convert


def _constants(
    compiled: Compiled, unsaid: Mapping[str, BindParameter], processors: Mapping[str, _Processor | None]
) -> dict[str, object]:
    """Return what stands, converted, where nothing is given: values of the statement, defaults of an insert."""
    defaults = {column.key: column.default for column in getattr(compiled, "insert_prefetch", ())}
    constants: dict[str, object] = {}
    for key, bind in unsaid.items():
        default = defaults.get(key)
        if default is not None:
            value = default.arg(None) if default.is_callable else default.arg
        elif bind.required:
            raise ArgumentError(f"the statement needs a value for {key}")
        else:
            value = bind.effective_value
        constants[key] = processors[key](value) if processors[key] else value
    return constants


def _send(connection: Connection, text: str, bound: object, *, many: bool = False) -> DBAPICursor:
    if not connection.in_transaction():
        connection.begin()
    cursor = connection.connection.cursor()
    for sent in connection.get_execution_options().get(HEARD, ()):
        sent.append(text)
    try:
        (cursor.executemany if many else cursor.execute)(text, bound)
    except connection.dialect.loaded_dbapi.Error as fault:
        raise wrapped(connection, fault, text, bound, many=many) from fault
    return cursor


def _finished(cursor: DBAPICursor) -> int:
    count = cursor.rowcount
    cursor.close()
    return count
