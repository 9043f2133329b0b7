"""A due day beyond the published calendar is marked, and moves when the calendar comes."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from sqlalchemy import select

from engine import workdays
from engine.clock import LOCAL, end_of
from engine.services import limits
from engine.store.tables import job, task
from tests.services.drawn import begin, enforce, item, jobs, stops, timer


@pytest.fixture
def calendar(tmp_path, monkeypatch):
    """Publish the holidays of 2027 when called."""
    path = tmp_path / "calendar.json"
    monkeypatch.setattr(workdays, "CALENDAR", path)
    forget()

    def publish():
        path.write_text('{"2027": {"off": ["2027-01-01", "2027-01-04"], "on": ["2027-01-09"]}}')
        forget()

    yield publish
    forget()


def forget():
    """Let the calendar be read again, as by a process that begins."""
    workdays.published.cache_clear()
    limits.ends.cache_clear()


def test_a_provisional_limit_is_marked_and_reckoned_again_with_the_calendar(county, calendar):
    county.clock.at = datetime(2026, 12, 31, 9, tzinfo=LOCAL)
    matter = county.ask()
    clock = county.engine.history.trace(matter.receipt, by=county.post("SB")).stops[0].clock
    assert (clock.due_at, clock.provisional) == (end_of(date(2027, 1, 1)), True)
    calendar()
    county.engine.jobs.run_due()
    with county.engine.database.read() as connection:
        row = connection.execute(select(task)).one()
        due = connection.scalar(select(job.c.due_at).where(job.c.kind == "limit"))
    assert (row.due_at, row.provisional) == (end_of(date(2027, 1, 5)), False)
    assert row.red_at == end_of(date(2027, 1, 7))
    assert due == row.warn_at


def test_the_file_knows_days_off_and_rest_days_worked(calendar):
    assert not workdays.is_known(date(2027, 1, 4)) and workdays.is_workday(date(2027, 1, 4))
    calendar()
    assert workdays.is_known(date(2027, 1, 4))
    days = [date(2027, 1, day) for day in (1, 4, 5, 9, 10)]
    assert [workdays.is_workday(day) for day in days] == [False, False, True, True, False]


DUE = (
    '<startEvent id="s"/><userTask id="a"/><boundaryEvent id="late" attachedToRef="a">{}</boundaryEvent>'
    '<endEvent id="e"/><endEvent id="f"/>'
).format(timer("=due(1)", "timeDate"))
DUE_FLOWS = "s -> a\na -> e\nlate -> f"


def test_a_drawn_timer_beyond_the_calendar_moves_with_it_counted_from_where_the_flow_came(county, calendar):
    enforce(county, item("lateness", DUE, DUE_FLOWS))
    county.clock.at = datetime(2026, 12, 31, 9, tzinfo=LOCAL)
    matter = begin(county, "lateness")
    (before,) = jobs(county, "timer")
    assert before.due_at == end_of(date(2027, 1, 1))
    assert before.payload["provisional"] == "2027-01-01"
    county.clock.at = datetime(2027, 1, 1, 9, tzinfo=LOCAL)
    calendar()
    county.engine.jobs.run_due()
    (after,) = jobs(county, "timer")
    assert (after.id, after.due_at, after.payload) == (
        before.id,
        end_of(date(2027, 1, 5)),
        {"instance_id": matter.matter_id},
    )
    county.clock.at = datetime(2027, 1, 4, 9, tzinfo=LOCAL)
    county.engine.jobs.run_due()
    assert stops(county, matter.receipt) == ["a"]
    county.clock.at = end_of(date(2027, 1, 5))
    county.engine.jobs.run_due()
    trace = county.engine.history.trace(matter.receipt, by=county.post("SB"))
    assert (trace.matter.state, jobs(county, "timer")) == ("done", [])
    assert county.engine.history.verify().whole


def test_a_timer_that_counts_no_working_days_stays_where_it_is(county, calendar):
    enforce(county, item("lateness", DUE.replace("=due(1)", "2027-01-02"), DUE_FLOWS))
    county.clock.at = datetime(2026, 12, 31, 9, tzinfo=LOCAL)
    begin(county, "lateness")
    calendar()
    county.engine.jobs.run_due()
    (there,) = jobs(county, "timer")
    assert (there.due_at, set(there.payload)) == (datetime(2027, 1, 2, tzinfo=LOCAL), {"instance_id"})
