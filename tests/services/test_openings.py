"""Matters that time opens: once per village and period, spread, caught up once, with ends that never move."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import insert, select, update

from engine.clock import LOCAL
from engine.store.tables import job, parameter, process_instance
from tests.services.drawn import enforce, item, jobs, timer

MONTHLY = (
    f'<startEvent id="s">{timer("R/2026-01-01T08:00/P1M", "timeCycle")}</startEvent><userTask id="a"/>'
    f'<boundaryEvent id="over" attachedToRef="a">{timer("=date(period) + duration(&quot;P25D&quot;)", "timeDate")}'
    '</boundaryEvent><endEvent id="e"/><endEvent id="f"/>'
)
FLOWS = "s -> a\na -> e\nover -> f"


def monthly(county):
    enforce(county, item("monthly", MONTHLY, FLOWS, about='level="village" promise="10wd"'))
    county.engine.jobs.run_due()


def at(county, text: str) -> None:
    county.clock.at = datetime.fromisoformat(text).replace(tzinfo=LOCAL)


def opened(county):
    with county.engine.database.read() as connection:
        rows = connection.execute(
            select(process_instance).where(process_instance.c.item_id == "monthly").order_by(process_instance.c.period)
        )
        return [(row.unit_id, row.period, row.started_at) for row in rows]


def run_all(county):
    while county.engine.jobs.run_due():
        pass


def open_all(county, text: str) -> None:
    """Let the plan be made at a moment and every village have had its turn."""
    at(county, text)
    run_all(county)
    county.clock.at += timedelta(hours=2)
    run_all(county)


def test_a_period_that_began_before_the_item_was_in_force_is_not_opened(county):
    monthly(county)
    at(county, "2026-03-31T20:00")
    run_all(county)
    assert opened(county) == []


def test_each_village_gets_one_matter_within_the_spread(county):
    monthly(county)
    at(county, "2026-04-01T08:00")
    run_all(county)
    villages = {unit.id for unit in county.engine.identity.units(level="village")}
    turns = {job.due_at for job in jobs(county, "start")}
    assert len(turns) > 1
    assert max(turns) <= county.clock.now() + timedelta(minutes=120) and min(turns) >= county.clock.now()
    at(county, "2026-04-01T10:00")
    run_all(county)
    assert {unit for unit, _, _ in opened(county)} == villages
    assert {period for _, period, _ in opened(county)} == {"2026-04-01"}
    assert len(opened(county)) == len(villages)
    run_all(county)
    assert (len(opened(county)), jobs(county, "start")) == (len(villages), [])


def test_after_a_downtime_the_latest_period_is_opened_once(county):
    monthly(county)
    open_all(county, "2026-07-20T09:00")
    assert {period for _, period, _ in opened(county)} == {"2026-07-01"}
    open_all(county, "2026-08-01T12:00")
    assert {period for _, period, _ in opened(county)} == {"2026-07-01", "2026-08-01"}


def test_neither_spread_nor_downtime_moves_a_statutory_end(county):
    monthly(county)
    open_all(county, "2026-04-09T12:00")
    ends = {timer.due_at for timer in jobs(county, "timer")}
    assert ends == {datetime(2026, 4, 26, tzinfo=LOCAL)}
    begun = {started for _, _, started in opened(county)}
    assert begun == {datetime(2026, 4, 1, 8, tzinfo=LOCAL)}


def test_the_same_period_cannot_be_opened_twice_whatever_runs(county):
    monthly(county)
    open_all(county, "2026-04-01T12:00")
    with county.engine.database.read() as connection:
        row = connection.execute(select(process_instance).where(process_instance.c.item_id == "monthly")).first()
    twin = {**row._mapping, "id": "twin", "receipt": "TWIN"}
    with pytest.raises(Exception, match="(?i)unique"), county.engine.database.write() as connection:
        connection.execute(insert(process_instance).values(**twin))


def test_a_new_village_is_opened_from_the_next_period_on_and_a_new_version_keeps_the_plan(county):
    monthly(county)
    open_all(county, "2026-04-01T12:00")
    enforce(county, item("monthly", MONTHLY + "<!-- 2 -->", FLOWS, about='level="village"'), version=2)
    run_all(county)
    before = len(opened(county))
    open_all(county, "2026-05-01T12:00")
    assert len(opened(county)) == 2 * before
    assert len(jobs(county, "start.plan")) == 1


def test_the_spread_is_a_parameter(county):
    monthly(county)
    with county.engine.database.write() as connection:
        connection.execute(update(parameter).where(parameter.c.key == "start.spread").values(value=0))
    at(county, "2026-04-01T08:00")
    run_all(county)
    assert len(opened(county)) == len(county.engine.identity.units(level="village"))
    with county.engine.database.read() as connection:
        assert connection.scalars(select(job.c.id).where(job.c.kind == "start")).all() == []
