"""Opening the database: one short read or write transaction at a time."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NoReturn

import orjson
from sqlalchemy import Connection, Select, event, make_url, text
from sqlalchemy.exc import SQLAlchemyError

from engine.errors import Unavailable
from engine.store import sqlite as embedded
from engine.store.faults import translate
from engine.store.postgresql import open_postgresql, schema_of
from engine.store.sqlite import WRITES

#: what an address, a driver or a file raises that is no database of ours, or that fails under way
DATABASE_FAULTS = (SQLAlchemyError, ModuleNotFoundError, Unavailable)
#: execution option of every connection: lists that each take down the prepared statements sent meanwhile
HEARD = "sihua_heard"


class Database:
    """The database of one county; hands out transactions and nothing else.

    Faults of the database come out as :class:`engine.errors.Unavailable`; those that trying again may mend as
    :class:`engine.store.faults.Collision`.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        address = make_url(url)
        #: whether the county is a file of this machine
        self.is_embedded = address.get_backend_name() == "sqlite"
        opening = embedded.open_sqlite if self.is_embedded else open_postgresql
        self.engine = opening(address, _json)
        self.schema = "" if self.is_embedded else schema_of(address)
        # On PostgreSQL each statement would otherwise see a state of its own.
        consistent = {} if self.is_embedded else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        self._heard: list[list[str]] = []
        self._reading = self.engine.execution_options(**consistent, **{HEARD: self._heard})
        self._writing = self.engine.execution_options(**{WRITES: True, HEARD: self._heard})
        self._line = threading.Lock()
        self._kept: Connection | None = None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view; nothing it does is kept."""
        with _own_faults(), self._reading.connect() as connection:
            yield connection
            connection.rollback()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """All or nothing; on SQLite it holds the write lock from its first statement."""
        if self.is_embedded:
            with self._turn() as connection, connection.begin():
                yield connection
        else:
            with _own_faults(), self._writing.connect() as connection, connection.begin():
                yield connection

    @contextmanager
    def _turn(self) -> Iterator[Connection]:
        """SQLite has one writer at a time and lets others sleep in growing steps: threads had better queue here.

        So one connection is enough for all of them; it stays open between two turns, until it meets a fault.
        """
        if not self._line.acquire(timeout=embedded.BUSY_SECONDS):
            raise Unavailable("busy", "another writer has not ended")
        try:
            if self._kept is not None and not embedded.is_on_its_file(self._kept):
                self._drop_kept()
            if self._kept is None:
                self._kept = self._writing.connect()
            yield self._kept
        except SQLAlchemyError as fault:
            self._drop_kept()
            _raise_own(fault)
        finally:
            self._line.release()

    def _drop_kept(self) -> None:
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.invalidate()
            kept.close()

    @contextmanager
    def statements(self) -> Iterator[list[str]]:
        """Collect the statements sent meanwhile; beginning and ending a transaction are none."""
        sent: list[str] = []

        def note(_connection, _cursor, statement: str, *_rest) -> None:
            sent.append(statement)

        event.listen(self.engine, "before_cursor_execute", note)
        self._heard.append(sent)
        try:
            yield sent
        finally:
            self._heard.remove(sent)
            event.remove(self.engine, "before_cursor_execute", note)

    def is_alive(self) -> bool:
        """Tell whether the database answers."""
        try:
            with self.read() as connection:
                return connection.scalar(text("select 1")) == 1
        except Unavailable:
            return False

    def replace_by(self, path: Path) -> None:
        """Put the contents of another SQLite file in place of this one's, all at once."""
        with closing(sqlite3.connect(path)) as source, self.engine.connect() as connection:
            source.backup(connection.connection.driver_connection)

    def close(self) -> None:
        """Give all connections back."""
        self._drop_kept()
        self.engine.dispose()


@contextmanager
def _own_faults() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as fault:
        _raise_own(fault)


def _raise_own(fault: SQLAlchemyError) -> NoReturn:
    own = translate(fault)
    if own is fault:
        raise fault
    raise own from fault


_STRICT = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_SUBCLASS
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def _json(value: object) -> str:
    """Return JSON as it is kept: a Chinese character takes 3 bytes then, escaped it would take 6."""
    try:
        return orjson.dumps(value, option=_STRICT).decode()
    except TypeError:
        # What orjson does not know, a number of more than 64 bits for one, the slower one may.
        return _ENCODER.encode(value)


def locked(connection: Connection, statement: Select) -> Select:
    """Let a writer hold the rows until it has ended: whoever else wants them waits, and then sees them as they are.

    A reader only reads them. SQLite has one writer at a time and needs no such words. Rows that point to them may
    still be written meanwhile (``FOR NO KEY UPDATE``).
    """
    return statement.with_for_update(key_share=True) if must_hold(connection) else statement


def must_hold(connection: Connection) -> bool:
    """Tell whether this is a writer among others."""
    return connection.dialect.name != "sqlite" and bool(connection.get_execution_options().get(WRITES))
