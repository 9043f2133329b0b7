"""Both databases alike: moments, values, what only grows, several processes at the start, faults told apart."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, make_url, select, text, update
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError

from engine.clock import Clock
from engine.errors import InvalidForm, Unavailable
from engine.identifiers import new_id
from engine.services.unit_of_work import PAUSES, UnitOfWork, retried
from engine.store import postgresql as on_server
from engine.store import sqlite as embedded
from engine.store.faults import Collision, translate
from engine.store.migration import migrate
from engine.store.session import Database, locked
from engine.store.tables import (
    APPEND_ONLY,
    attempt,
    chain_head,
    event_log,
    metadata,
    org_unit,
    register,
    register_entry,
    setting,
)

ROOT = Path(__file__).resolve().parents[2]
NOON_IN_CHINA = datetime(2026, 3, 16, 12, 0, 0, 123456, timezone(timedelta(hours=8)))


@pytest.fixture
def url(databases, migrated, database_kind) -> str:
    return databases.copy(migrated(database_kind))


@pytest.fixture
def database(url):
    opened = Database(url)
    yield opened
    opened.close()


def note(database: Database, key: str, at: datetime = NOON_IN_CHINA) -> None:
    with database.write() as connection:
        connection.execute(insert(attempt).values(id=new_id(), key=key, at=at))


def keys(database: Database) -> list[str]:
    with database.read() as connection:
        return sorted(connection.scalars(select(attempt.c.key)))


def add_entry(database: Database) -> None:
    with database.write() as connection:
        connection.execute(insert(org_unit).values(id="u", name="石桥村", level="village"))
        connection.execute(insert(register).values(code="r", definition={}))
        connection.execute(
            insert(register_entry).values(
                id="e", register="r", unit_id="u", year=2026, number=1, data={}, call_key="k", entered_at=NOON_IN_CHINA
            )
        )
        connection.execute(
            insert(event_log).values(unit_id="u", number=1, kind="started", at=NOON_IN_CHINA, data={}, prev="", hash="")
        )


def test_a_moment_comes_back_the_same_and_in_utc(database):
    note(database, "noon")
    with database.read() as connection:
        kept = connection.scalar(select(attempt.c.at))
    assert kept == NOON_IN_CHINA and kept.tzinfo is UTC


@pytest.mark.parametrize("value", [None, [], {"乙": 1, "甲": [1.5, -0.1, 10**15, True, None, "引号\"' \\ 😀"]}, "", 0])
def test_a_value_comes_back_as_it_was(database, value):
    with database.write() as connection:
        connection.execute(insert(setting).values(key="k", value=value))
    with database.read() as connection:
        assert connection.scalar(select(setting.c.value).where(setting.c.key == "k")) == value


@pytest.mark.parametrize("name", APPEND_ONLY)
@pytest.mark.parametrize("change", ["update", "delete"])
def test_what_only_grows_cannot_be_changed(database, name, change):
    add_entry(database)
    table = metadata.tables[name]
    statement = update(table).values(data={"a": 1}) if change == "update" else delete(table)
    with pytest.raises(IntegrityError, match="only grows"), database.write() as connection:
        connection.execute(statement)
    with database.read() as connection:
        assert connection.execute(select(table)).one().data == {}


def test_the_tables_are_those_the_code_knows(database):
    with database.read() as connection:
        for table in metadata.sorted_tables:
            known = {"lists"} if table is setting else set()
            assert {row[0] for row in connection.execute(select(table))} == known


def test_several_processes_may_start_on_an_empty_database(databases, database_kind):
    url = databases.empty(database_kind)
    code = (
        "import sys; from engine.store.session import Database; from engine.store.migration import migrate;"
        "database = Database(sys.argv[1]); migrate(database); print(database.is_alive())"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", code, url], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    ended = [process.communicate(timeout=60) for process in started]
    assert [process.returncode for process in started] == [0] * 3, [error.decode() for _, error in ended]
    assert [out.strip() for out, _ in ended] == [b"True"] * 3


def test_a_database_of_a_later_release_is_left_alone(database):
    with database.write() as connection:
        connection.execute(text("update alembic_version set version_num = '9999'"))
    with pytest.raises(Unavailable) as refused:
        migrate(database)
    assert refused.value.cause == "newer" and "更新程序" in str(refused.value)


def test_a_reader_sees_one_state_until_it_ends(database):
    note(database, "before")
    with database.read() as connection:
        assert connection.scalars(select(attempt.c.key)).all() == ["before"]
        note(database, "meanwhile")
        assert connection.scalars(select(attempt.c.key)).all() == ["before"]
    assert keys(database) == ["before", "meanwhile"]


def test_a_write_that_fails_leaves_nothing(database):
    with pytest.raises(RuntimeError), database.write() as connection:
        connection.execute(insert(attempt).values(id=new_id(), key="half", at=NOON_IN_CHINA))
        raise RuntimeError
    assert keys(database) == []


def test_what_a_writer_holds_a_second_writer_waits_for_and_then_sees(database):
    with database.write() as connection:
        connection.execute(insert(chain_head).values(unit_id="u", number=0, hash=""))
    begun = threading.Barrier(2)
    seen = []

    def count() -> None:
        begun.wait()
        for _ in range(20):
            with database.write() as connection:
                head = locked(connection, select(chain_head.c.number).where(chain_head.c.unit_id == "u"))
                number = connection.scalar(head)
                seen.append(number)
                connection.execute(update(chain_head).values(number=number + 1))

    threads = [threading.Thread(target=count) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(seen) == list(range(40))


# --- trying again ---------------------------------------------------------------------------------------------------


def test_a_row_somebody_else_wrote_first_is_a_collision_and_given_up_after_four_tries(database, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    work = UnitOfWork(database, Clock())
    tries = []

    @retried
    def take_the_same_name() -> None:
        tries.append(1)
        with work.write() as transaction:
            transaction.connection.execute(insert(setting).values(key="taken", value=1))

    take_the_same_name()
    with pytest.raises(IntegrityError):
        take_the_same_name()
    assert len(tries) == 1 + 1 + len(PAUSES)


@pytest.mark.only_on("postgresql")
def test_who_runs_into_a_deadlock_tries_again_and_both_get_through(database):
    work = UnitOfWork(database, Clock())
    with work.write() as transaction:
        for unit in ("a", "b"):
            transaction.connection.execute(insert(chain_head).values(unit_id=unit, number=0, hash=""))
    both_hold_one = threading.Barrier(2)
    tries = {"ab": 0, "ba": 0}

    @retried
    def raise_both(order: str) -> None:
        tries[order] += 1
        with work.write() as transaction:
            for position, unit in enumerate(order):
                raised = update(chain_head).where(chain_head.c.unit_id == unit)
                transaction.connection.execute(raised.values(number=chain_head.c.number + 1))
                if position == 0 and tries[order] == 1:
                    both_hold_one.wait(30)

    threads = [threading.Thread(target=raise_both, args=(order,)) for order in tries]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(tries.values()) == [1, 2]
    with database.read() as connection:
        assert connection.scalars(select(chain_head.c.number)).all() == [2, 2]


@pytest.mark.only_on("postgresql")
def test_who_cannot_be_put_in_a_row_with_others_tries_again(database):
    """A serialization failure of the server's own, in a transaction that is stricter than ours."""
    with database.write() as connection:
        connection.execute(insert(setting).values(key="counted", value=1))
    tries: list[int] = []

    @retried
    def count_up() -> None:
        strict = database.engine.execution_options(isolation_level="REPEATABLE READ")
        counted = setting.c.key == "counted"
        try:
            with strict.connect() as connection, connection.begin():
                tries.append(connection.scalar(select(setting.c.value).where(counted)))
                if len(tries) == 1:
                    with database.write() as other:
                        other.execute(update(setting).where(counted).values(value=11))
                connection.execute(update(setting).where(counted).values(value=tries[-1] + 1))
        except DBAPIError as fault:
            raise translate(fault) from fault

    count_up()
    with database.read() as connection:
        assert connection.scalar(select(setting.c.value).where(setting.c.key == "counted")) == 12
    assert tries == [1, 11]


# --- faults ---------------------------------------------------------------------------------------------------------


def test_a_database_that_somebody_holds_is_busy_and_goes_on_afterwards(url, monkeypatch):
    monkeypatch.setattr(embedded, "BUSY_SECONDS", 0.2)
    monkeypatch.setattr(on_server, "LOCK_SECONDS", 0.2)
    database, other = Database(url), Database(url)
    with other.write() as connection:
        connection.execute(insert(setting).values(key="held", value=1))
        with pytest.raises(Unavailable) as refused, database.write() as second:
            second.execute(insert(setting).values(key="held", value=2))
        assert refused.value.cause == "busy" and not isinstance(refused.value, Collision)
    note(database, "after")
    assert keys(database) == ["after"]
    database.close()
    other.close()


@pytest.mark.only_on("sqlite")
def test_a_file_that_was_taken_away_is_gone_and_no_empty_one_is_made(database, url):
    note(database, "before")
    place = Path(make_url(url).database)
    away = place.with_suffix(".away")
    # All of it, as when a disk is not mounted; a database that nobody has open is one file.
    database.engine.dispose()
    place.rename(away)
    for _ in range(2):
        with pytest.raises(Unavailable) as refused:
            note(database, "into nothing")
        assert refused.value.cause == "gone"
        assert not database.is_alive() and not place.exists()
    away.rename(place)
    note(database, "after")
    assert keys(database) == ["after", "before"]


@pytest.mark.only_on("sqlite")
def test_nothing_is_written_to_a_file_that_was_replaced_under_way(database, url):
    note(database, "before")
    place = Path(make_url(url).database)
    place.rename(place.with_suffix(".away"))
    with pytest.raises(Unavailable):
        note(database, "into nothing")
    place.with_suffix(".away").rename(place)
    assert keys(database) == ["before"]


@pytest.mark.only_on("postgresql")
def test_a_server_that_went_and_came_back_needs_no_restart_of_ours(postgres, database_kind):
    server = postgres.own_server()
    try:
        database = Database(server.url(server.create()))
        migrate(database)
        note(database, "before")
        server.halt(signal.SIGQUIT)
        with pytest.raises(Unavailable) as refused:
            note(database, "into nothing")
        assert refused.value.cause == "gone" and not database.is_alive()
        server.start()
        note(database, "after")
        assert keys(database) == ["after", "before"]
        database.close()
    finally:
        server.stop()


@pytest.mark.only_on("sqlite")
def test_a_full_disk_keeps_nothing_half(database):
    with database.write() as connection:
        pages = connection.scalar(text("pragma page_count"))
        connection.execute(text(f"pragma max_page_count = {pages + 2}"))
    with pytest.raises(Unavailable) as refused, database.write() as connection:
        for _ in range(200):
            connection.execute(insert(attempt).values(id=new_id(), key="x" * 200, at=NOON_IN_CHINA))
    assert refused.value.cause == "full"
    assert keys(database) == []
    with database.write() as connection:
        connection.execute(text("pragma max_page_count = 1000000"))
    note(database, "after")
    assert keys(database) == ["after"]


@pytest.mark.only_on("postgresql")
def test_a_full_disk_of_the_server_keeps_nothing_half(database):
    with database.write() as connection:
        connection.execute(
            text(
                "create function fill_up() returns trigger language plpgsql as $$ begin "
                "raise exception 'could not extend file' using errcode = 'disk_full'; end $$"
            )
        )
        connection.execute(text("create trigger full_disk before insert on setting execute function fill_up()"))
    with pytest.raises(Unavailable) as refused, database.write() as connection:
        connection.execute(insert(attempt).values(id=new_id(), key="half", at=NOON_IN_CHINA))
        connection.execute(insert(setting).values(key="k", value=1))
    assert refused.value.cause == "full"
    assert keys(database) == []


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("text_", ["x" * 201, "a\0b"])
def test_what_the_server_cannot_hold_is_a_wrong_form_and_no_fault(database, text_):
    with pytest.raises(InvalidForm):
        note(database, text_)


# --- a county is a schema -------------------------------------------------------------------------------------------


@pytest.mark.only_on("postgresql")
def test_two_counties_in_one_database_do_not_see_each_other(url):
    counties = [Database(f"{url}{'&' if '?' in url else '?'}schema={name}") for name in ("qinghe", "linshan")]
    for county in counties:
        migrate(county)
    note(counties[0], "清河县的")
    assert keys(counties[0]) == ["清河县的"]
    assert keys(counties[1]) == []
    add_entry(counties[1])
    with pytest.raises(IntegrityError, match="only grows"), counties[1].write() as connection:
        connection.execute(delete(event_log))
    for county in counties:
        county.close()


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("name", ["a-b", "x;drop", "A", "pg_catalog", "é", "a" * 64])
def test_a_schema_is_named_with_plain_letters(url, name):
    with pytest.raises(ArgumentError, match="不能用作县的名字"):
        Database(make_url(url).update_query_dict({"schema": name}).render_as_string(hide_password=False))
