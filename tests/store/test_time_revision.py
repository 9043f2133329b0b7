"""The revision that brings time: what was open before it goes on with the moments later tasks get at once."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, select, text

from engine.store.migration import SCRIPTS, migrate
from engine.store.session import Database
from engine.store.tables import job, metadata, parameter, process_instance, task

BEFORE = """
insert into org_unit values ('u', '石桥村', 'village', null, '', '', 0);
insert into process_definition values ('d', 'seal_use', 1, 'E01', '用印', 'E', 'x', 0, '2026-03-01 00:00:00', null);
insert into process_instance (id, receipt, definition_id, item_id, unit_id, subject, applicant_name, relatives,
  code_salt, code_hash, state, started_at, promise_unit, held_days, ahead, last_acted_at)
  values ('i', 'ABCDEFGH', 'd', 'seal_use', 'u', '', '', '[]', '', '', 'open', '2026-03-16 01:00:00', 'wd', 0, '[]',
  '2026-03-16 01:00:00');
insert into task (id, instance_id, unit_id, element, step, lane, role, unmanned, named, state, created_at, due_at,
  limit_value, limit_unit, handed_by)
  values ('t', 'i', 'u', 'Task_approve', '审批用印', '村委会主任', 'VD', 0, 0, 'open', '2026-03-16 01:00:00',
  '2026-03-18 16:00:00', 2, 'wd', '');
insert into parameter values ('offline.max', '', '2026-01-01', '5', 'wd', '', 'K', 1);
"""


@pytest.fixture
def database(tmp_path):
    """A database of the first revision with one open task."""
    found = Database(f"sqlite:///{tmp_path}/county.db")
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    with found.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    with found.write() as connection:
        for statement in filter(str.strip, BEFORE.split(";\n")):
            connection.execute(text(statement))
    yield found
    found.close()


def test_an_open_task_gets_its_moments_and_its_job(database):
    migrate(database)
    with database.read() as connection:
        row = connection.execute(select(task)).one()
        limit = connection.execute(select(job)).one()
        keys = set(connection.scalars(select(parameter.c.key)))
        matter = connection.execute(select(process_instance)).one()
    assert row.red_at == datetime(2026, 3, 20, 16, tzinfo=UTC)
    assert row.warn_at == row.created_at + (row.due_at - row.created_at) * 0.8
    assert (limit.key, limit.due_at, limit.instance_id, limit.state) == ("limit:t", row.warn_at, "i", "open")
    assert (matter.business_key, row.provisional) == ("ABCDEFGH", False)
    assert {"card.warn_share", "card.red_after", "start.spread", "board.idle"} <= keys


def test_the_revisions_lead_to_the_tables_of_the_program(database):
    migrate(database)
    with database.read() as connection:
        found = compare_metadata(MigrationContext.configure(connection), metadata)
        assert [each for each in found if "server_default" not in str(each)] == []
        indexes = {each["name"] for each in inspect(connection).get_indexes("job")}
    assert {"ix_job_due_open", "ix_job_instance_id"} <= indexes
