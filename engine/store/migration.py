"""Bringing a database to this version's tables with Alembic."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from engine.store.session import Database

SCRIPTS = Path(__file__).resolve().parent.parent / "migrations"


def migrate(database: Database) -> None:
    """Apply what is missing, all or nothing; a database that is up to date costs one select."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    head = ScriptDirectory.from_config(config).get_current_head()
    with database.read() as connection:
        if MigrationContext.configure(connection).get_current_revision() == head:
            return
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
