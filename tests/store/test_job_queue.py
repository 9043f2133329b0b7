"""Jobs are lent to one worker at a time; a loan that ran out proves nothing any more."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, select

from engine.store import job_queue
from engine.store.job_queue import LEASE
from engine.store.session import Database
from engine.store.tables import job

NOW = datetime(2026, 3, 16, 1, 0, tzinfo=UTC)


@pytest.fixture
def database(databases, migrated, database_kind):
    opened = Database(databases.copy(migrated(database_kind)))
    yield opened
    opened.close()


def queue(database: Database, *due: datetime) -> None:
    with database.write() as connection:
        rows = [
            {"id": f"j{number:04}", "kind": "k", "key": str(number), "payload": {}, "state": "open", "due_at": at}
            for number, at in enumerate(due)
        ]
        connection.execute(insert(job), rows)


def take(database: Database, now: datetime = NOW, limit: int = 1) -> list[job_queue.TakenJob]:
    with database.write() as connection:
        return list(job_queue.take_due(connection, now, limit=limit))


def test_due_jobs_are_lent_oldest_first_and_only_once(database):
    queue(database, NOW, NOW - timedelta(hours=1), NOW + timedelta(seconds=1))
    assert [taken.id for taken in take(database, limit=5)] == ["j0001", "j0000"]
    assert take(database, limit=5) == []
    with database.read() as connection:
        assert not job_queue.is_due(connection, NOW)
        assert job_queue.is_due(connection, NOW + timedelta(seconds=1))


def test_workers_side_by_side_never_hold_the_same_job(database):
    queue(database, *[NOW] * 60)
    held: list[str] = []
    begin = threading.Barrier(4)

    def work() -> None:
        begin.wait()
        while lent := take(database, limit=3):
            held.extend(each.id for each in lent)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(held) == [f"j{number:04}" for number in range(60)]


@pytest.mark.only_on("postgresql")
def test_a_worker_does_not_wait_for_jobs_that_another_is_just_taking(database):
    queue(database, NOW, NOW)
    with database.write() as connection:
        first = job_queue.take_due(connection, NOW)
        # The other one has not committed yet: on a server nobody waits for it.
        second = take(database)
    assert {each.id for each in (*first, *second)} == {"j0000", "j0001"}


def test_a_job_of_a_worker_that_never_came_back_is_lent_again(database):
    queue(database, NOW)
    lost = take(database)[0]
    later = NOW + LEASE
    assert take(database, later - timedelta(seconds=1)) == []
    again = take(database, later)[0]
    assert again.id == lost.id and again.taken_by != lost.taken_by
    with database.write() as connection:
        assert not job_queue.finish(connection, lost)
        assert not job_queue.put_off(connection, lost, due_at=None, error="too late")
        assert job_queue.finish(connection, again)
        assert not job_queue.finish(connection, again)


def test_a_job_that_failed_comes_back_when_it_said_and_one_given_up_never(database):
    queue(database, NOW)
    with database.write() as connection:
        assert job_queue.put_off(connection, *job_queue.take_due(connection, NOW), due_at=NOW + LEASE, error="x" * 900)
    assert take(database) == []
    again = take(database, NOW + LEASE)[0]
    assert again.attempts == 1
    with database.write() as connection:
        assert job_queue.put_off(connection, again, due_at=None, error="given up")
    assert take(database, NOW + timedelta(days=9)) == []
    with database.read() as connection:
        row = connection.execute(select(job)).one()
    assert (row.state, row.attempts, row.error, row.taken_by) == ("failed", 2, "given up", None)
