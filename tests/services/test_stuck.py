"""The board of stops: every kind of stop, the right person to call, no ranking, one statement."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from engine.clock import LOCAL
from engine.store.tables import card
from tests.services.drawn import begin, enforce, item

IDLE = '<startEvent id="s"/><userTask id="a" name="整理"/><endEvent id="e"/>'


def at(county, text: str) -> None:
    county.clock.at = datetime.fromisoformat(text).replace(tzinfo=LOCAL)
    while county.engine.jobs.run_due(kinds=("limit",)):
        pass


def township_of(county, village: str) -> str:
    unit = county.engine.identity.unit(county.people.unit(village))
    return county.engine.identity.unit(unit.parent_id).name


@pytest.fixture
def inspection(county) -> str:
    return county.post("TD", township_of(county, "石桥村"))


def board(county, by):
    return county.engine.history.stuck(by=by)


def test_nothing_stuck_is_said_with_every_village_named_as_quiet(county, inspection):
    county.ask()
    shown = board(county, inspection)
    assert (shown.rows, shown.open_matters, len(shown.quiet)) == ((), 1, shown.villages)
    assert not any(shown.counts.values())


@pytest.mark.parametrize(
    ("moment", "state"),
    [
        ("2026-03-16T12:00", None),
        ("2026-03-17T00:00", "warn"),
        ("2026-03-17T16:12", "warn"),
        ("2026-03-18T00:00", "yellow"),
        ("2026-03-20T00:00", "red"),
    ],
)
def test_a_step_comes_onto_the_board_when_its_limit_speaks(county, inspection, moment, state):
    county.ask()
    at(county, moment)
    assert [row.state for row in board(county, inspection).rows] == ([state] if state else [])


def test_a_stop_names_village_step_matter_and_whom_to_call(county, inspection):
    matter = county.ask()
    at(county, "2026-03-18T09:00")
    (row,) = board(county, inspection).rows
    clerk = county.engine.identity.actor(county.post("CL"))
    assert (row.unit_name, row.step, row.receipt) == ("石桥村", "登记核对", matter.receipt)
    assert row.who == f"村文书 {clerk.name}" and row.phone
    assert (row.length, row.mark) == (100, 50)


def test_what_nobody_has_names_the_township_that_must_appoint(county):
    village = "桑园村"
    matter = county.ask(village)
    county.register(matter, village)
    county.approve(matter, village)
    shown = board(county, county.post("TD", township_of(county, village)))
    (row,) = shown.rows
    head = county.engine.identity.actor(county.post("TG", township_of(county, village)))
    assert (row.state, row.unmanned, row.who) == ("unmanned", True, f"乡镇政府 {head.name}")


def test_a_held_matter_and_one_without_limit_that_does_not_move_are_there_too(county, inspection):
    held = county.ask()
    values = {"applicant": county.people.id("张秀英"), "kind": "proof", "papers": "supplement", "lack": "缺名单"}
    county.complete(held, county.post("CL"), values)
    enforce(county, item("idle", IDLE, "s -> a\na -> e"))
    begin(county, "idle")
    assert [row.state for row in board(county, inspection).rows] == ["hold"]
    county.clock.at += timedelta(days=5)
    assert [row.state for row in board(county, inspection).rows] == ["idle", "hold"]
    idle, hold = board(county, inspection).rows
    assert (idle.mark, hold.who.split()[0]) == (None, "申请人")


def test_the_gravest_stands_first_and_villages_are_not_ranked(county, inspection):
    at(county, "2026-03-16T09:00")
    county.ask()
    at(county, "2026-03-18T09:00")
    county.ask("柳湾村")
    at(county, "2026-03-20T09:00")
    shown = board(county, inspection)
    assert [(row.unit_name, row.state) for row in shown.rows] == [("石桥村", "red"), ("柳湾村", "yellow")]
    assert shown.counts["red"] == shown.counts["yellow"] == 1
    assert shown.longest_days == 4
    assert not {"石桥村", "柳湾村"} & set(shown.quiet)


def test_what_is_often_stuck_is_counted_by_step_without_voided_cards(county, inspection):
    at(county, "2026-03-16T09:00")
    for _ in range(2):
        county.ask()
    at(county, "2026-03-20T09:00")
    (often,) = board(county, inspection).often
    assert (often.item_name, often.step, often.times) == ("用印", "登记核对", 2)
    with county.engine.database.write() as connection:
        first = connection.scalar(select(card.c.id).limit(1))
        connection.execute(card.update().where(card.c.id == first).values(state="voided"))
    assert board(county, inspection).often[0].times == 1


@pytest.mark.parametrize("role", ["SA", "PD"])
def test_who_keeps_the_system_running_sees_no_villages(county, role):
    county.ask()
    at(county, "2026-03-20T09:00")
    person = next(id for (_, code), id in county.people.posts.items() if code == role)
    shown = board(county, person)
    assert (shown.villages, shown.rows, shown.open_matters, shown.often) == (0, (), 0, ())


def test_a_village_sees_itself_and_the_county_sees_all(county):
    county.ask()
    county.ask("双井村")
    at(county, "2026-03-18T09:00")
    assert {row.unit_name for row in board(county, county.post("SB")).rows} == {"石桥村"}
    county_wide = next(id for (_, code), id in county.people.posts.items() if code == "CDI")
    assert {row.unit_name for row in board(county, county_wide).rows} == {"石桥村", "双井村"}


def test_the_board_is_one_statement(county, inspection):
    county.ask()
    at(county, "2026-03-18T09:00")
    with county.engine.database.statements() as sent:
        assert board(county, inspection).rows
    assert len(sent) == 1
