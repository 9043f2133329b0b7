"""Opening the database: one short read or write transaction at a time."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

#: a writer that meets a lock waits this long before it gives up
BUSY_SECONDS = 30
#: what an address, a driver or a file raises that is no database of ours, or that fails under way
DATABASE_FAULTS = (SQLAlchemyError, ModuleNotFoundError)


class Database:
    """The database of one county; hands out transactions and nothing else."""

    def __init__(self, url: str) -> None:
        self.url = url
        is_sqlite = make_url(url).get_backend_name() == "sqlite"
        self.engine = _open_sqlite(url) if is_sqlite else create_engine(url, json_serializer=_json)
        #: SQLite has one writer at a time and lets the others sleep in growing steps: threads had better queue here
        self._turn = threading.Lock() if is_sqlite else nullcontext()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view; nothing it does is kept."""
        with self.engine.connect() as connection:
            yield connection
            connection.rollback()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """All or nothing; on SQLite it holds the write lock from its first statement."""
        writing = self.engine.connect().execution_options(sihua_write=True)
        with self._turn, writing as connection, connection.begin():
            yield connection

    def is_alive(self) -> bool:
        """Tell whether the database answers."""
        try:
            with self.read() as connection:
                return connection.scalar(text("select 1")) == 1
        except OperationalError:
            return False

    def replace_by(self, path: Path) -> None:
        """Put the contents of another SQLite file in place of this one's, all at once."""
        with closing(sqlite3.connect(path)) as source, self.engine.connect() as connection:
            source.backup(connection.connection.driver_connection)

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()


def _json(value: object) -> str:
    """Return JSON as it is kept: a Chinese character takes 3 bytes then, escaped it would take 6."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _open_sqlite(url: str) -> Engine:
    # isolation_level None: the driver must not begin transactions of its own before ours.
    connecting = {"timeout": BUSY_SECONDS, "isolation_level": None}
    engine = create_engine(url, json_serializer=_json, connect_args=connecting)

    @event.listens_for(engine, "connect")
    def configure(connection, _record) -> None:
        cursor = connection.cursor()
        cursor.execute(f"pragma busy_timeout = {BUSY_SECONDS * 1000}")
        cursor.execute("pragma journal_mode = wal")
        cursor.execute("pragma synchronous = full")
        cursor.execute("pragma foreign_keys = on")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # Without IMMEDIATE two writers that both read first cannot both go on: 617 of 800 failed when tried.
        writes = connection.get_execution_options().get("sihua_write")
        connection.exec_driver_sql("begin immediate" if writes else "begin")

    return engine
