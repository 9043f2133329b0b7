"""The days on which time opens matters."""

from __future__ import annotations

from datetime import datetime

import pytest

from engine.bpmn.schedule import Schedule
from engine.clock import LOCAL


def at(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).replace(tzinfo=LOCAL)


@pytest.mark.parametrize(
    ("text", "now", "latest", "following"),
    [
        ("R/P1M", "2026-03-16T09:00", "2026-03-01", "2026-04-01"),
        ("R/P1M", "2026-03-01T00:00", "2026-03-01", "2026-04-01"),
        ("R/P3M", "2026-12-31T23:59", "2026-10-01", "2027-01-01"),
        ("R/P1Y", "2026-06-01", "2026-01-01", "2027-01-01"),
        ("R/P1W", "2026-03-18", "2026-03-16", "2026-03-23"),
        ("R/P1D", "2026-03-18T10:00", "2026-03-18", "2026-03-19"),
        ("R/2026-01-31/P1M", "2026-03-15", "2026-02-28", "2026-03-31"),
        ("R/2026-01-05T08:30/P1M", "2026-03-05T08:00", "2026-02-05T08:30", "2026-03-05T08:30"),
        ("R/2026-11-01/P1Y", "2026-03-15", None, "2026-11-01"),
        ("R/2026-03-31/P3M/wd", "2026-04-15", "2026-03-31", "2026-06-30"),
        # 31 May is a Sunday, 28 February a day of work for the holiday before it.
        ("R/2026-05-31/P1M/wd", "2026-05-30", "2026-05-29", "2026-06-30"),
        ("R/2026-01-31/P1M/wd", "2026-02-28", "2026-02-28", "2026-03-31"),
        # 1 November is a Sunday: its turn is the Friday before, in October.
        ("R/2026-10-01/P1M/wd", "2026-10-31", "2026-10-30", "2026-12-01"),
        ("2026-11-20", "2026-03-15", None, "2026-11-20"),
        ("2026-11-20", "2026-12-15", "2026-11-20", None),
    ],
)
def test_a_schedule_knows_its_last_and_its_next_moment(text, now, latest, following):
    schedule = Schedule.read(text)
    assert (schedule.latest(at(now)), schedule.next(at(now))) == (at(latest), at(following))


@pytest.mark.parametrize(
    "text", ["R/P0D", "R/P1M2D", "R/P1W/wd", "P1M", "monthly", "", "R/2026-13-01/P1M", "0 0 8 1 * ?"]
)
def test_what_is_no_schedule_is_refused(text):
    with pytest.raises(ValueError):
        Schedule.read(text)
