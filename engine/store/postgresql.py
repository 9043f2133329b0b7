"""A county on PostgreSQL: a database, or a schema of it (``?schema=name``), shared by any number of processes."""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlalchemy import URL, Engine, create_engine
from sqlalchemy.exc import ArgumentError

#: a writer that meets a lock waits this long before it gives up; a person waits no longer for a page
LOCK_SECONDS = 10
#: a host that froze inside a transaction must not hold a village's chain for ever
FROZEN_SECONDS = 60
#: of the TCP connection; a host that is cut off is noticed after about a minute
_NETWORK = {
    "connect_timeout": 5,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
_SCHEMA = re.compile(r"(?!pg_)[a-z_][a-z0-9_]{0,62}")


def open_postgresql(url: URL, to_json: Callable[[object], str]) -> Engine:
    """Open a pool on the server; every connection in it sees one county only."""
    settings = {
        "lock_timeout": f"{LOCK_SECONDS}s",
        "idle_in_transaction_session_timeout": f"{FROZEN_SECONDS}s",
        "timezone": "UTC",
    }
    schema = schema_of(url)
    if schema:
        # Not schema_translate_map: triggers and migrations are written as text and must stay in the county, too.
        settings["search_path"] = schema
    given = str(url.query.get("options", ""))
    options = " ".join([*(f"-c {name}={value}" for name, value in settings.items()), given])
    plain = url.set(drivername="postgresql+psycopg").difference_update_query(["schema", "options"])
    return create_engine(
        plain,
        json_serializer=to_json,
        connect_args={**_NETWORK, "options": options.strip()},
        isolation_level="READ COMMITTED",
        # A server that was restarted is met by a new connection, not by a failed request.
        pool_pre_ping=True,
        pool_timeout=LOCK_SECONDS,
    )


def schema_of(url: URL) -> str:
    """Return the schema a URL names, "" for the server's default."""
    schema = str(url.query.get("schema", ""))
    if schema and not _SCHEMA.fullmatch(schema):
        raise ArgumentError(f"schema={schema} 不能用作县的名字，请只用小写字母、数字和下划线，例如 ?schema=qinghe")
    return schema
