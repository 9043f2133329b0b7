"""Time limits: working days, the borders between on, warn, yellow and red, and clocks that stand still."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from engine.clock import LOCAL, end_of
from engine.services import limits
from engine.views import Clock
from engine.workdays import add_workdays, is_known, is_workday, workdays_between


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=LOCAL)


# --- calendar -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "day, works",
    [
        (date(2026, 2, 14), True),  # a Saturday made up for Spring Festival
        (date(2026, 2, 16), False),  # a Monday inside it
        (date(2026, 2, 24), True),
        (date(2026, 9, 20), True),  # a Sunday made up for the National Day
        (date(2026, 10, 1), False),
        (date(2026, 3, 21), False),  # an ordinary Saturday
        (date(2026, 3, 20), True),
    ],
)
def test_holidays_and_made_up_days_decide_what_is_a_working_day(day, works):
    assert is_workday(day) is works


def test_a_year_without_holiday_plan_counts_monday_to_friday():
    assert not is_known(date(2027, 10, 1))
    assert is_workday(date(2027, 10, 1))
    assert not is_workday(date(2027, 10, 2))


@pytest.mark.parametrize(
    "start, count, end",
    [
        (date(2026, 3, 16), 1, date(2026, 3, 17)),
        (date(2026, 3, 20), 1, date(2026, 3, 23)),
        (date(2026, 3, 16), 5, date(2026, 3, 23)),
        (date(2026, 2, 13), 1, date(2026, 2, 14)),
        (date(2026, 2, 14), 1, date(2026, 2, 24)),
        (date(2026, 9, 30), 2, date(2026, 10, 9)),
        (date(2026, 9, 30), 3, date(2026, 10, 10)),
        (date(2026, 12, 31), 1, date(2027, 1, 1)),
        (date(2026, 3, 16), 0, date(2026, 3, 16)),
        (date(2026, 3, 21), 0, date(2026, 3, 23)),
    ],
)
def test_working_days_are_counted_from_the_day_after(start, count, end):
    assert add_workdays(start, count) == end


@pytest.mark.parametrize(
    "start, end, count",
    [
        (date(2026, 3, 16), date(2026, 3, 16), 0),
        (date(2026, 3, 13), date(2026, 3, 16), 1),
        (date(2026, 3, 16), date(2026, 3, 13), -1),
        (date(2026, 2, 13), date(2026, 2, 24), 2),
        (date(2026, 3, 20), date(2026, 3, 22), 0),
    ],
)
def test_working_days_between_two_days_leave_out_rest_days(start, end, count):
    assert workdays_between(start, end) == count


# --- limits ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "start, value, unit, last_day",
    [
        ("2026-03-16T23:59:59", 2, "wd", date(2026, 3, 18)),
        ("2026-03-17T00:00:00", 2, "wd", date(2026, 3, 19)),
        ("2026-03-19T09:00:00", 2, "d", date(2026, 3, 21)),
        ("2026-03-19T09:00:00", 2, "wd", date(2026, 3, 23)),
        ("2026-03-16T09:00:00", 0, "wd", date(2026, 3, 16)),
        ("2026-03-21T09:00:00", 0, "wd", date(2026, 3, 23)),
    ],
)
def test_a_limit_ends_with_its_last_local_day(start, value, unit, last_day):
    assert limits.due_at(at(start), value, unit) == end_of(last_day)


START = at("2026-03-16T09:00:00")
PARAMETERS = {"card.warn_share": 0.8, "card.red_after": 2}


def clock_of(value: int, unit: str, now: datetime) -> Clock:
    """Return the clock of a step that began at START, as its row tells it."""
    moments = limits.reckon(START, value, unit, PARAMETERS.__getitem__)
    return limits.running(START, moments.due_at, value, unit, now, warn_at=moments.warn_at, red_at=moments.red_at)


@pytest.mark.parametrize(
    "now, state, count",
    [
        ("2026-03-16T09:00:00", "on", 4),
        ("2026-03-19T23:59:59", "on", 1),
        ("2026-03-20T00:00:00", "warn", 0),
        ("2026-03-20T23:59:59", "warn", 0),
        ("2026-03-21T00:00:00", "yellow", 1),
        ("2026-03-23T12:00:00", "yellow", 1),
        ("2026-03-24T23:59:59", "yellow", 2),
        ("2026-03-25T00:00:00", "red", 3),
    ],
)
def test_a_card_is_earned_at_the_border_and_not_before(now, state, count):
    clock = clock_of(4, "wd", at(now))
    assert (clock.state, clock.count) == (state, count)


def test_the_warning_comes_after_four_fifths_of_the_limit():
    due = limits.due_at(START, 20, "d")
    border = START + 0.8 * (due - START)
    states = [clock_of(20, "d", border + timedelta(seconds=shift)).state for shift in (-1, 0)]
    assert states == ["on", "warn"]


def test_red_is_announced_two_working_days_after_the_limit():
    clock = clock_of(4, "wd", at("2026-03-21T08:00:00"))
    assert clock.red_at == end_of(date(2026, 3, 24))


def test_a_promise_is_late_but_never_red():
    due = limits.due_at(START, 4, "wd")
    assert limits.running(START, due, 4, "wd", START + timedelta(days=300)).state == "yellow"


@pytest.mark.parametrize(
    ("start", "provisional"),
    [("2026-12-25T09:00:00", False), ("2026-12-30T09:00:00", True), ("2027-02-01T09:00:00", True)],
)
def test_a_limit_beyond_the_published_calendar_is_provisional(start, provisional):
    assert limits.reckon(at(start), 4, "wd", PARAMETERS.__getitem__).provisional is provisional


def test_a_limit_of_the_same_day_warns_at_once_and_is_yellow_on_the_next():
    due = limits.due_at(START, 0, "wd")
    states = [limits.running(START, due, 0, "wd", START + timedelta(days=days)).state for days in (0, 1)]
    assert states == ["warn", "yellow"]


def test_a_step_without_limit_earns_no_card():
    clock = limits.running(START, None, None, "wd", START + timedelta(days=300))
    assert (clock.state, clock.elapsed_days) == ("none", 300)


def test_what_has_ended_tells_the_days_people_have_waited():
    friday, tuesday = (datetime(2026, 3, day, 9, tzinfo=LOCAL) for day in (13, 17))
    assert limits.ended(friday, tuesday, True).elapsed_days == 4
    assert limits.ended(friday, friday, False).elapsed_days == 0


def test_a_calendar_day_limit_counts_calendar_days():
    due = limits.due_at(START, 7, "d")
    assert limits.running(START, due, 7, "d", at("2026-03-26T08:00:00")).count == 3


@pytest.mark.parametrize("value, text", [(None, ""), (0, "当天"), (2, "2 个工作日")])
def test_a_limit_is_read_in_words(value, text):
    assert limits.limit_text(value, "wd") == text


def test_days_waited_for_the_applicant_are_added_to_the_promise():
    assert limits.promised_at(START, 5, "wd", 2) == end_of(date(2026, 3, 25))


# --- clocks of matters ------------------------------------------------------------------------------------------------


def ask_for_papers(county):
    matter = county.ask()
    county.register(matter, papers="supplement", lack="身份证复印件")
    return matter


def promise_of(county, matter):
    return county.engine.history.trace(matter.receipt, by=county.post("SB")).promise


def test_the_promise_stands_still_while_the_applicant_is_waited_for(county):
    matter = ask_for_papers(county)
    county.later(9)
    clock = promise_of(county, matter)
    assert (clock.state, clock.due_at) == ("hold", None)


def test_the_promise_runs_on_by_the_days_it_stood(county):
    matter = ask_for_papers(county)
    county.later(9)
    county.engine.runtime.correlate(matter.receipt, message="supplement", code=matter.code, files={})
    clock = promise_of(county, matter)
    assert (clock.state, clock.due_at) == ("on", end_of(add_workdays(date(2026, 3, 16), 5 + 9)))


def test_the_paper_receipt_names_the_same_day_as_the_page(county):
    matter = ask_for_papers(county)
    county.later(9)
    county.engine.runtime.correlate(matter.receipt, message="supplement", code=matter.code, files={})
    county.register(matter)
    papers = dict((row[2], row[5]) for row in county.contents()["document"])
    last_day = add_workdays(date(2026, 3, 16), 5 + 9)
    assert papers["acceptance_receipt"]["due"] == f"{last_day.year}年{last_day.month}月{last_day.day}日"


def test_each_step_gets_its_own_limit(county):
    matter = county.ask()
    county.register(matter)
    stop = county.engine.history.trace(matter.receipt, by=county.post("SB")).stops[0]
    assert (stop.clock.limit, stop.clock.due_at) == (2, end_of(date(2026, 3, 18)))


def test_stamping_is_due_on_the_same_day(county):
    matter = county.ask()
    county.register(matter)
    county.approve(matter)
    county.complete(matter, county.post("SK"), {"compare.decision": "agree"})
    stop = county.engine.history.trace(matter.receipt, by=county.post("SB")).stops[0]
    assert (stop.step, stop.clock.state, stop.clock.due_at) == ("盖章留痕", "warn", end_of(date(2026, 3, 16)))
