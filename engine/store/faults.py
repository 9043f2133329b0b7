"""What a database raises, told apart: others were in the way, it cannot be used now, it cannot hold the value."""

from __future__ import annotations

import sqlite3

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoFreeConnection

from engine.errors import InvalidForm, Unavailable

#: the same work may do when it is done again: serialization failure, deadlock, somebody else's row was first
_COLLISIONS = {"40001", "40P01", "23505"}
#: lock_timeout, statement_timeout, out of connections
_BUSY = {"55P03", "57014", "53200", "53300"}
_FULL = {"53100"}
#: connections that broke or were ended (classes 08 and 57, idle transactions ended by the server)
_GONE = ("08", "57P", "25P03", "58")

_SQLITE_COLLISIONS = {sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY}
_SQLITE_CAUSES = {
    sqlite3.SQLITE_BUSY: "busy",
    sqlite3.SQLITE_LOCKED: "busy",
    sqlite3.SQLITE_PROTOCOL: "busy",
    sqlite3.SQLITE_FULL: "full",
    sqlite3.SQLITE_IOERR: "gone",
    sqlite3.SQLITE_CANTOPEN: "gone",
    sqlite3.SQLITE_READONLY: "gone",
    sqlite3.SQLITE_CORRUPT: "gone",
    sqlite3.SQLITE_NOTADB: "gone",
}


class Collision(Unavailable):
    """Another transaction was in the way and this one was undone: done again it may well succeed."""

    def __init__(self, fault: DBAPIError) -> None:
        super().__init__("busy", _first_line(fault))
        self.fault = fault

    def given_up(self) -> Exception:
        """Return what to raise when trying again has not helped: a row that is always in the way is no accident."""
        return self.fault if isinstance(self.fault, IntegrityError) else self


def wrapped(
    connection: Connection, fault: Exception, text: str, bound: object = None, *, many: bool = False
) -> DBAPIError:
    """Return a fault of the driver as SQLAlchemy raises it; a connection that broke is given up."""
    dialect = connection.dialect
    broken = dialect.is_disconnect(fault, connection.connection.dbapi_connection, None)
    if broken:
        connection.invalidate(fault)
    return DBAPIError.instance(
        text,
        bound,
        fault,
        dialect.loaded_dbapi.Error,
        hide_parameters=connection.engine.hide_parameters,
        connection_invalidated=broken,
        dialect=dialect,
        ismulti=many,
    )


def translate(fault: SQLAlchemyError) -> Exception:
    """Return the engine's own error for a fault of the database, or the fault when it is ours."""
    if isinstance(fault, NoFreeConnection):
        return Unavailable("busy", _first_line(fault))
    if not isinstance(fault, DBAPIError):
        return fault
    if _is_collision(fault):
        return Collision(fault)
    cause = _cause(fault)
    if cause:
        return Unavailable(cause, _first_line(fault))
    if isinstance(fault, DataError):
        # Both databases shall refuse it alike, and nothing typed may end in a fault.
        return InvalidForm({"": "填的内容太长，或者有存不了的字符，请改短再办"})
    return fault


def _is_collision(fault: DBAPIError) -> bool:
    return _state(fault) in _COLLISIONS or _sqlite_code(fault) in _SQLITE_COLLISIONS


def _cause(fault: DBAPIError) -> str:
    """Return busy, full or gone; "" when the database is well and the statement was not."""
    state, code = _state(fault), _sqlite_code(fault)
    if state in _BUSY:
        return "busy"
    if state in _FULL:
        return "full"
    if state.startswith(_GONE) or fault.connection_invalidated:
        return "gone"
    if isinstance(fault.orig, sqlite3.Error):
        # The low byte names the kind, the others tell more.
        return _SQLITE_CAUSES.get(code & 0xFF, "") if code else ""
    # The driver could not even ask: no server, no answer.
    return "gone" if type(fault).__name__ == "OperationalError" and not state else ""


def _state(fault: DBAPIError) -> str:
    return getattr(fault.orig, "sqlstate", None) or ""


def _sqlite_code(fault: DBAPIError) -> int:
    return getattr(fault.orig, "sqlite_errorcode", None) or 0


def _first_line(fault: Exception) -> str:
    return str(fault).splitlines()[0] if str(fault) else type(fault).__name__
