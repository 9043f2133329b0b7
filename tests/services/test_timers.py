"""Time moves a matter: its job comes due, its timers fire, the next one is queued, all in one transaction."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from engine.store.tables import event_log
from tests.services.drawn import begin, enforce, item, jobs, stops, timer

LATE = (
    '<startEvent id="s"/><userTask id="a"/><boundaryEvent id="late" attachedToRef="a">{0}</boundaryEvent>'
    '<userTask id="b"/><boundaryEvent id="later" attachedToRef="b">{0}</boundaryEvent>'
    '<endEvent id="e"/><endEvent id="f"/><endEvent id="g"/>'
).format(timer("P3D"))
LATE_FLOWS = "s -> a\na -> e\nlate -> b\nb -> f\nlater -> g"


def test_each_matter_has_one_job_for_its_next_timer_and_it_moves(county):
    enforce(county, item("lateness", LATE, LATE_FLOWS))
    matter = begin(county, "lateness")
    (first,) = jobs(county, "timer")
    assert first.due_at == county.clock.now() + timedelta(days=3)
    county.clock.at += timedelta(days=3)
    assert county.engine.jobs.run_due() == 1
    assert stops(county, matter.receipt) == ["b"]
    (second,) = jobs(county, "timer")
    assert (second.id, second.due_at) == (first.id, county.clock.now() + timedelta(days=3))
    county.clock.at += timedelta(days=3)
    county.engine.jobs.run_due()
    trace = county.engine.history.trace(matter.receipt, by=county.post("SB"))
    assert (trace.matter.state, jobs(county, "timer")) == ("done", [])


def test_a_step_done_in_time_ends_the_job(county):
    enforce(county, item("lateness", LATE, LATE_FLOWS))
    matter = begin(county, "lateness")
    county.complete(matter, county.post("CL"), {})
    assert jobs(county, "timer") == []


def test_nothing_happens_before_its_time(county):
    enforce(county, item("lateness", LATE, LATE_FLOWS))
    matter = begin(county, "lateness")
    county.clock.at += timedelta(days=2, hours=23)
    assert (county.engine.jobs.run_due(), stops(county, matter.receipt)) == (0, ["a"])


def test_what_time_has_opened_stands_in_the_log_as_the_systems(county):
    enforce(county, item("lateness", LATE, LATE_FLOWS))
    matter = begin(county, "lateness")
    county.clock.at += timedelta(days=3)
    county.engine.jobs.run_due()
    with county.engine.database.read() as connection:
        rows = connection.execute(select(event_log).where(event_log.c.element == "late")).all()
    assert [(row.kind, row.actor_id, row.data["origin"]) for row in rows] == [("fired", None, "timer")]
    newest = county.engine.history.trace(matter.receipt, by=county.post("SB")).timeline[0]
    assert newest.by == "系统"
    assert county.engine.history.verify().whole
