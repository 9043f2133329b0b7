"""The log only grows, and whoever writes into it behind the engine's back is named."""

from __future__ import annotations

import shutil
import sqlite3

import pytest
from sqlalchemy import text

from engine import ProcessEngine
from engine.clock import FrozenClock
from engine.store.tables import APPEND_ONLY
from tests.conftest import MONDAY, CountyForTest


def opened(place, people):
    clock = FrozenClock(MONDAY)
    engine = ProcessEngine(f"sqlite:///{place}/county.db", files=place / "files", clock=clock)
    return CountyForTest(engine, people, clock, place)


@pytest.fixture(scope="module")
def told_template(county_template, tmp_path_factory):
    """Two villages with a few entries each, on disk."""
    place = tmp_path_factory.mktemp("told")
    for path in county_template.place.glob("county.db*"):
        shutil.copy(path, place / path.name)
    county = opened(place, county_template.people)
    for village in ("石桥村", "双井村"):
        matter = county.ask(village)
        county.register(matter, village)
        county.approve(matter, village)
    county.engine.close()
    return county


@pytest.fixture
def told(told_template, tmp_path):
    """A copy of the two villages that may be tampered with."""
    shutil.copytree(told_template.place, tmp_path, dirs_exist_ok=True)
    county = opened(tmp_path, told_template.people)
    yield county
    county.engine.close()


def tamper(county, *statements):
    """Do what somebody with the file can do: drop the triggers, then write."""
    with sqlite3.connect(county.place / "county.db") as connection:
        for table in APPEND_ONLY:
            for act in ("update", "delete"):
                connection.execute(f"drop trigger {table}_no_{act}")
        for statement in statements:
            assert connection.execute(statement.format(unit=county.people.unit("石桥村"))).rowcount > 0, statement
    connection.close()


def broken(county, against=None):
    return [(each.unit, each.number, each.reason) for each in county.engine.history.verify(against).broken]


def heads(county):
    return county.engine.history.verify().heads


OWN = "unit_id = '{unit}'"


def test_an_untouched_log_holds_against_its_own_heads(told):
    result = told.engine.history.verify(heads(told))
    assert result.whole and result.chains == 3 and result.entries > 20


def test_the_log_still_holds_against_older_heads_when_it_has_grown(told):
    before = heads(told)
    told.ask()
    assert told.engine.history.verify(before).whole


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("statement", ["update {table} set unit_id = unit_id", "delete from {table}"])
def test_the_database_refuses_to_change_what_only_grows(told, table, statement):
    keeper = told.post("SK")
    matter = told.ask()
    told.register(matter)
    told.approve(matter)
    told.complete(matter, keeper, {"compare.decision": "agree"})
    told.complete(matter, keeper, {"stamped_copies": "1"}, files=("scan",))
    connection = sqlite3.connect(told.place / "county.db")
    with pytest.raises(sqlite3.IntegrityError, match="only grows"):
        connection.execute(statement.format(table=table))
    connection.close()


@pytest.mark.parametrize(
    "change",
    [
        "actor_id = 'somebody'",
        "kind = 'ended'",
        "element = 'Task_other'",
        "at = '2026-03-01 00:00:00.000000'",
        "acted_at = '2026-03-01 00:00:00.000000'",
        "data = '{{}}'",
        "submission_id = null",
        "digest = ''",
        "prev = hash",
        "prev = 'not a hash'",
        "hash = prev",
        "instance_id = null",
        "on_behalf_of = 'somebody'",
        "at = 'yesterday'",
        "data = 'no json'",
    ],
)
@pytest.mark.parametrize("with_heads", [False, True])
def test_a_changed_entry_is_named(told, change, with_heads):
    before = heads(told) if with_heads else None
    tamper(told, f"update event_log set {change} where {OWN} and number = 2")
    assert [(unit, number) for unit, number, _ in broken(told, before)] == [("石桥村", 2)]


def test_a_changed_entry_is_named_even_if_its_hash_was_made_to_fit(told):
    tamper(
        told,
        f"update event_log set hash = (select hash from event_log where {OWN} and number = 4) "
        f"where {OWN} and number = 3",
    )
    assert [(unit, number) for unit, number, _ in broken(told)] == [("石桥村", 3)]


@pytest.mark.parametrize("with_heads", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        "data = json_set(data, '$.copies', 9)",
        "data = '{{}}'",
        "salt = ''",
        "salt = 'zz'",
        "salt = '00000000000000000000000000000000'",
    ],
)
def test_what_was_filled_in_cannot_be_rewritten(told, change, with_heads):
    before = heads(told) if with_heads else None
    tamper(told, f"update submission set {change} where element = 'Start_apply'")
    reason = "这一步填写的内容被改动过"
    assert sorted(broken(told, before)) == sorted([("石桥村", 1, reason), ("双井村", 1, reason)])


def test_what_was_erased_with_its_salt_leaves_the_log_whole(told):
    tamper(told, "update submission set data = '{{}}', salt = '' where element = 'Start_apply'")
    assert broken(told) == []


@pytest.mark.parametrize("with_heads", [False, True])
@pytest.mark.parametrize("number", [1, 3])
def test_an_entry_dropped_from_the_middle_is_named(told, number, with_heads):
    before = heads(told) if with_heads else None
    tamper(told, f"delete from event_log where {OWN} and number = {number}")
    assert broken(told, before) == [("石桥村", number, "这一条不见了")]


def test_entries_renumbered_over_a_gap_are_named(told):
    tamper(
        told,
        f"delete from event_log where {OWN} and number = 3",
        f"update event_log set number = number - 1 where {OWN} and number > 3",
    )
    assert [(unit, number) for unit, number, _ in broken(told)] == [("石桥村", 3)]


def test_an_entry_put_in_before_the_first_is_named(told):
    tamper(
        told,
        "insert into event_log select unit_id, 0, instance_id, kind, element, actor_id, on_behalf_of, at, acted_at, "
        f"data, submission_id, digest, prev, hash from event_log where {OWN} and number = 1",
    )
    assert [unit for unit, _, _ in broken(told)] == ["石桥村"]


def test_a_cut_tail_is_named_by_the_head_of_the_chain(told):
    last = heads(told)[told.people.unit("石桥村")]["number"]
    tamper(told, f"delete from event_log where {OWN} and number = {last}")
    assert broken(told) == [("石桥村", last, "末尾的记录与链头不符，可能被截掉")]


CUT_CLEANLY = (
    f"delete from event_log where {OWN} and number > 2",
    f"update chain_head set number = 2, hash = (select hash from event_log where {OWN} and number = 2) where {OWN}",
)


def test_a_tail_cut_together_with_the_head_shows_against_published_heads(told):
    before = heads(told)
    last = before[told.people.unit("石桥村")]["number"]
    tamper(told, *CUT_CLEANLY)
    assert broken(told, before) == [("石桥村", 3, f"末尾少了记录：早先公布到第 {last} 号")]


def test_a_chain_rewritten_from_its_start_shows_against_published_heads(told):
    before = heads(told)
    unit = told.people.unit("石桥村")
    before[unit] = {**before[unit], "hash": "0" * 64}
    assert broken(told, before) == [("石桥村", before[unit]["number"], "与早先公布的校验码不符，之前的记录被改写过")]


@pytest.mark.parametrize("with_heads", [False, True])
def test_a_dropped_chain_is_named(told, with_heads):
    before = heads(told) if with_heads else None
    tamper(told, f"delete from event_log where {OWN}", f"delete from chain_head where {OWN}")
    assert broken(told, before) == [("石桥村", 0, "整条记录链不见了")]


@pytest.mark.parametrize("with_heads", [False, True])
def test_a_chain_emptied_under_its_head_is_named(told, with_heads):
    before = heads(told) if with_heads else None
    tamper(told, f"delete from event_log where {OWN}")
    assert [(unit, number) for unit, number, _ in broken(told, before)] == [("石桥村", 1)]


def test_each_broken_chain_is_named(told):
    tamper(told, "update event_log set kind = 'ended' where number = 2")
    assert sorted(unit for unit, _, _ in broken(told)) == ["双井村", "石桥村", "示范县"]


def test_the_matter_page_says_that_its_entries_no_longer_hold(told):
    receipt = told.engine.history.find(by=told.post("SB"))[0].receipt
    assert told.engine.history.trace(receipt, by=told.post("SB")).whole
    tamper(told, f"update event_log set prev = 'not a hash' where {OWN} and number = 2")
    assert not told.engine.history.trace(receipt, by=told.post("SB")).whole


def test_the_log_holds_no_personal_data(told):
    texts = " ".join(str(row) for row in told.contents()["event_log"])
    for personal in ("张秀英", "13800001001", "李文清", "办理种植业保险"):
        assert personal not in texts


def test_the_same_answers_leave_different_digests(told):
    digests = [row[11] for row in told.contents()["event_log"] if row[4] == "Start_apply"]
    assert len(digests) == 2 and len(set(digests)) == 2


def test_a_changed_register_entry_is_named(county):
    stamped(county)
    assert county.engine.history.verify().whole
    with county.engine.database.write() as connection:
        connection.execute(text("drop trigger register_entry_no_update"))
        connection.execute(text("update register_entry set data = json_set(data, '$.copies', 9)"))
    assert [broken.reason for broken in county.engine.history.verify().broken] == ["台账里这一条被改动过"]


def test_a_missing_register_entry_is_named(county):
    stamped(county)
    with county.engine.database.write() as connection:
        connection.execute(text("drop trigger register_entry_no_delete"))
        connection.execute(text("delete from register_entry"))
    assert [broken.reason for broken in county.engine.history.verify().broken] == ["台账里这一条不见了"]


def stamped(county):
    """Let one request be stamped and registered."""
    matter = county.ask()
    county.register(matter)
    county.approve(matter)
    county.complete(matter, county.post("SK"), {"compare.decision": "agree"})
    county.complete(matter, county.post("SK"), {"stamped_copies": "2"}, files=("scan",))
