"""Bringing a database to this version's tables with Alembic."""

from __future__ import annotations

import functools
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, func, select, text
from sqlalchemy.schema import CreateSchema

from engine.errors import Unavailable
from engine.store.session import Database

SCRIPTS = Path(__file__).resolve().parent.parent / "migrations"
#: another process may be migrating a large county
_WAIT = "10min"


def migrate(database: Database) -> None:
    """Apply what is missing, all or nothing; a database that is up to date costs one select.

    Several processes may start at once: one migrates, the others wait for it.

    :raises Unavailable: ``newer``: the database belongs to a later release.
    """
    scripts = _scripts()
    with database.read() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    if current == scripts.get_current_head():
        return
    if current and current not in {script.revision for script in scripts.walk_revisions()}:
        raise Unavailable("newer", f"数据库是更新的版本（{current}）建的，请先更新程序")
    with database.write() as connection:
        if not database.is_embedded:
            _wait_for_turn(connection, database.schema)
        config = _config()
        config.attributes["connection"] = connection
        # Alembic looks again what is missing: meanwhile nothing may be.
        command.upgrade(config, "head")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    return config


@functools.cache
def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _wait_for_turn(connection: Connection, schema: str) -> None:
    connection.execute(text(f"set local lock_timeout = '{_WAIT}'"))
    connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"sihua:{schema}", 0))))
    # Asked first: an account that may use the schema need not be allowed to make one.
    if schema and connection.scalar(select(func.to_regnamespace(schema))) is None:
        connection.execute(CreateSchema(schema))
