"""Prepared statements: the same values, rows, holds and faults as SQLAlchemy's own sending, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.exc import ArgumentError

from engine.errors import Unavailable
from engine.store.faults import Collision
from engine.store.prepared import Prepared
from engine.store.session import Database
from engine.store.tables import job, setting

AT = datetime(2026, 4, 1, 8, 30, 0, 250, tzinfo=timezone(timedelta(hours=8)))
ADD = Prepared(insert(job))
JOB = Prepared(select(job).where(job.c.id == bindparam("job")))


@pytest.fixture
def database(databases, migrated, database_kind):
    opened = Database(databases.copy(migrated(database_kind)))
    yield opened
    opened.close()


def row(id: str, **more: object) -> dict[str, object]:
    return {"id": id, "kind": "limit", "key": id, "payload": {"村": [1, None]}, "state": "open", "due_at": AT, **more}


def test_values_come_back_as_sqlalchemy_reads_them(database):
    with database.write() as connection:
        assert ADD.run_each(connection, [row("a"), row("b")]) == 2
        assert ADD.run(connection, row("c", taken_until=None)) == 1
    with database.read() as connection:
        plain = connection.execute(select(job).order_by(job.c.id)).all()
        assert [JOB.first(connection, {"job": id}) for id in "abc"] == plain
    assert plain[0].due_at == AT and plain[0].due_at.tzinfo is UTC
    # defaults of the table, for what is not given
    assert (plain[0].attempts, plain[0].error, plain[0].priority, plain[0].taken_until) == (0, "", 0, None)
    assert plain[0]._mapping[job.c.key.name] == "a"


def test_what_is_not_given_stays_null_and_null_is_not_json_null(database):
    with database.write() as connection:
        Prepared(insert(setting)).run(connection, {"key": "k", "value": None})
        assert connection.scalar(select(setting.c.value.is_(None)).where(setting.c.key == "k")) in (False, 0)


def test_an_update_tells_how_many_rows_it_met(database):
    move = Prepared(update(job).where(job.c.id == bindparam("job")).values(state="done", error=bindparam("error")))
    with database.write() as connection:
        ADD.run(connection, row("a"))
        assert move.run(connection, {"job": "a", "error": "x"}) == 1
        assert move.run(connection, {"job": "z", "error": "x"}) == 0
        assert (JOB.first(connection, {"job": "a"}).state, JOB.first(connection, {"job": "z"})) == ("done", None)


def test_a_value_that_is_missing_is_refused(database):
    with database.read() as connection, pytest.raises(ArgumentError, match="job"):
        JOB.all(connection, {})


def test_nothing_is_kept_of_a_write_that_failed(database):
    with pytest.raises(Collision), database.write() as connection:
        ADD.run(connection, row("a"))
        ADD.run(connection, row("a"))
    with database.read() as connection:
        assert JOB.first(connection, {"job": "a"}) is None


@pytest.mark.only_on("postgresql")
def test_a_connection_that_broke_is_given_up(database):
    with pytest.raises(Unavailable) as fault, database.read() as connection:
        JOB.all(connection, {"job": "a"})
        connection.connection.driver_connection.close()
        JOB.all(connection, {"job": "a"})
    assert fault.value.cause == "gone"
    with database.read() as connection:
        assert JOB.all(connection, {"job": "a"}) == []


def test_who_counts_statements_hears_of_prepared_and_other_ones(database):
    with database.statements() as heard, database.write() as connection:
        JOB.all(connection, {"job": "a"})
        connection.execute(select(job.c.state)).all()
    assert len([statement for statement in heard if "FROM job" in statement]) == 2
    with database.read() as connection:
        JOB.all(connection, {"job": "a"})
    assert len([statement for statement in heard if "FROM job" in statement]) == 2


@pytest.mark.only_on("postgresql")
def test_a_writer_holds_what_he_reads_and_a_reader_does_not(database):
    held = Prepared(select(job.c.id).where(job.c.id == bindparam("job")), hold=True)
    with database.statements() as heard:
        for opening in (database.read, database.write):
            with opening() as connection:
                held.all(connection, {"job": "a"})
    assert ["FOR NO KEY UPDATE" in statement for statement in heard if "FROM job" in statement] == [False, True]


def test_a_list_of_any_length_is_refused(database):
    several = Prepared(select(job.c.id).where(job.c.kind.in_(["limit", "timer"])))
    with database.read() as connection, pytest.raises(ArgumentError, match="list"):
        several.all(connection, {})
