"""The embedded database: one file, one writer at a time."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DisconnectionError

from engine.store.faults import wrapped

#: a writer that meets a lock waits this long before it gives up; a person waits no longer for a page
BUSY_SECONDS = 10
#: pages of 4 KB in the journal until they are moved into the file: a step writes some 25, mostly the same ones
CHECKPOINT_PAGES = 4_000
#: execution option of a connection that will write
WRITES = "sihua_write"


def open_sqlite(url: URL, to_json: Callable[[object], str]) -> Engine:
    """Open, or make, the database file."""
    # isolation_level None: the driver must not begin transactions of its own before ours.
    connecting = {"timeout": BUSY_SECONDS, "isolation_level": None}
    # The decoder itself: json.loads looks each time for the encoding of a text that has none.
    from_json = json.JSONDecoder().decode
    engine = create_engine(url, json_serializer=to_json, json_deserializer=from_json, connect_args=connecting)
    if url.database and url.database != ":memory:":
        _stay_with_the_file(engine, Path(url.database))

    @event.listens_for(engine, "connect")
    def configure(connection, _record) -> None:
        cursor = connection.cursor()
        cursor.execute(f"pragma busy_timeout = {BUSY_SECONDS * 1000}")
        cursor.execute("pragma journal_mode = wal")
        cursor.execute("pragma synchronous = full")
        cursor.execute(f"pragma wal_autocheckpoint = {CHECKPOINT_PAGES}")
        cursor.execute("pragma foreign_keys = on")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # Without IMMEDIATE two writers that both read first cannot both go on: 617 of 800 failed when tried.
        writes = connection.get_execution_options().get(WRITES)
        text = "begin immediate" if writes else "begin"
        try:
            connection.connection.driver_connection.execute(text)
        except sqlite3.Error as fault:
            raise wrapped(connection, fault, text) from fault

    return engine


def _stay_with_the_file(engine: Engine, path: Path) -> None:
    """Never write to a file that was taken away, nor make an empty one in its place (a disk that is not mounted)."""
    was_there = False

    @event.listens_for(engine, "do_connect")
    def reopen(_dialect, _record, _cargs, cparams):
        if not was_there:
            return None
        return sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True, **cparams)

    @event.listens_for(engine, "connect")
    def remember(_connection, record) -> None:
        nonlocal was_there
        was_there = True
        record.info["file"] = _identity(path)

        record.info["path"] = path

    @event.listens_for(engine, "checkout")
    def compare(_connection, record, _proxy) -> None:
        if _identity(path) != record.info["file"]:
            raise DisconnectionError("the database file is another one now")


def is_on_its_file(connection: Connection) -> bool:
    """Tell whether the file that an open connection writes to still stands where it was opened."""
    info = connection.info
    return "path" not in info or _identity(info["path"]) == info["file"]


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
