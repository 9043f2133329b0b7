"""A rejected text rests, however it is put again, to the end of its last day, unless enough representatives ask."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from sqlalchemy import delete, select

from engine.clock import start_of
from engine.connectors.motions import _months_after, text_hash
from engine.errors import InvalidForm, Refused
from engine.store.tables import appointment, motion
from tests.services.motion import PLAN, Motion

WRITTEN = PLAN + "桥边装路灯两盏。"


def propose(county, text: str, asked_by: int = 0, files: tuple[str, ...] = ()) -> Motion:
    """Let a new motion of this text come to the director."""
    started = county.engine.runtime.start(
        "dev_plan",
        unit_id=county.people.unit("石桥村"),
        data={"motion_title": ["修便民桥"], "plan_reason": ["还是要修"]},
        by=county.post("CL"),
    )
    again = Motion(county, started)
    again.do("CL", ("survey_sheet",), survey_households=40, survey_summary="大家要修桥")
    budget = {"motion_budget": 60000, "motion_fund": "集体收入", "motion_affected": "全村"}
    again.do("VD", files, motion_title="修便民桥", motion_text=text, asked_by=asked_by, **budget)
    return again


def is_barred(county, again: Motion) -> bool:
    refusal = county.engine.history.trace(again.started.receipt, by=county.post("CL")).refusal
    return refusal is not None and refusal.code == "barred" and bool(refusal.basis and refusal.remedy)


@pytest.fixture
def rejected(motion_) -> Motion:
    """A motion whose plan, not word by word what was proposed, the Party members have rejected."""
    motion_.propose()
    motion_.vote(motion_.meet(5), 5, 5)
    motion_.minutes()
    motion_.do("CL", plan_text=WRITTEN)
    motion_.do("PS", reviewed__decision="agree")
    motion_.vote(motion_.meet(12), 12, 1)
    motion_.minutes()
    return motion_


@pytest.mark.parametrize(
    "text", [PLAN, WRITTEN, f" {WRITTEN}\n", WRITTEN.replace("4", "４"), WRITTEN[:5] + "\u200b" + WRITTEN[5:]]
)
def test_neither_what_was_proposed_nor_what_was_voted_on_comes_again(county, rejected, text):
    assert is_barred(county, propose(county, text))


def test_another_text_may_come_at_once(county, rejected):
    assert propose(county, PLAN.replace("4", "5")).open_elements() == ["Task_check_motion"]


@pytest.mark.parametrize(("days", "barred"), [(-1, True), (0, True), (1, False)])
def test_it_rests_to_the_end_of_its_last_day(county, rejected, days, barred):
    until = rejected.rows(select(motion.c.barred_until))[0].barred_until
    county.clock.at = start_of(until + timedelta(days=days)) + timedelta(hours=9)
    assert is_barred(county, propose(county, PLAN)) is barred


@pytest.mark.parametrize(
    ("day", "last"),
    [
        ("2026-04-14", "2026-10-14"),
        ("2026-08-31", "2027-02-28"),
        ("2027-08-31", "2028-02-29"),
        ("2024-02-29", "2024-08-29"),
        ("2026-12-31", "2027-06-30"),
    ],
)
def test_six_months_end_on_the_same_day_or_the_last_of_the_month(day, last):
    assert _months_after(date.fromisoformat(day), 6) == date.fromisoformat(last)


def test_a_fifth_of_the_representatives_may_ask_with_their_signatures(county, rejected):
    assert is_barred(county, propose(county, PLAN, 5, ("motion_joint",)))
    assert propose(county, PLAN, 6, ("motion_joint",)).open_elements() == ["Task_check_motion"]
    with pytest.raises(InvalidForm) as unsigned:
        propose(county, PLAN, 6)
    assert list(unsigned.value.fields) == ["motion_joint"]
    with pytest.raises(Refused) as too_many:
        propose(county, PLAN, 31, ("motion_joint",))
    assert too_many.value.code == "asked_by" and "全村只有 30 人" in too_many.value.reason and too_many.value.remedy


def test_where_there_are_no_representatives_nobody_has_asked(county, rejected):
    with county.engine.database.write() as connection:
        connection.execute(delete(appointment).where(appointment.c.role == "VR"))
    assert is_barred(county, propose(county, PLAN))


def test_a_character_nobody_sees_makes_no_other_text():
    assert text_hash("修\u200b桥，宽\ufeff 4 米") == text_hash("修桥，宽4米")
