"""Time limits: when a step is due, and the card it earns (DOMAIN §4.2 D1), computed when read."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Row

from engine.clock import end_of, local_date
from engine.views import Clock
from engine.workdays import add_workdays, is_known, workdays_between


@dataclass(frozen=True)
class Moments:
    """When a limit says something; reckoned when the step opens, with the parameters of its matter."""

    warn_at: datetime
    due_at: datetime
    red_at: datetime
    #: the calendar of that year is not published yet
    provisional: bool


def reckon(start: datetime, value: int, unit: str, param: Callable[[str], object]) -> Moments:
    """Return the moments of a limit that starts to run."""
    due, red, is_certain = ends(local_date(start), value, unit, int(param("card.red_after")))
    warn = start + (due - start) * float(param("card.warn_share"))
    return Moments(warn, due, red, provisional=not is_certain)


@functools.lru_cache(1_024)
def ends(day: date, value: int, unit: str, red_after: int) -> tuple[datetime, datetime, bool]:
    """Return when a limit that begins on a day is over, when it turns red, and whether the calendar is known till then.

    On one day many steps begin with the same few limits; the calendar is read once, too.
    """
    last = _last_day(day, value, unit)
    return end_of(last), end_of(add_workdays(last, red_after)), is_known(last)


def due_at(start: datetime, value: int, unit: str) -> datetime:
    """Return the end of the last day within the limit; days count from the day after ``start``."""
    return end_of(_last_day(local_date(start), value, unit))


def _last_day(day: date, value: int, unit: str) -> date:
    return add_workdays(day, value) if unit == "wd" else day + timedelta(days=value)


def promised_at(start: datetime, value: int, unit: str, held_days: int) -> datetime:
    """Return the end of a promise; the working days it waited for the applicant are added."""
    due = due_at(start, value, unit)
    return end_of(add_workdays(last_day_of(due), held_days)) if held_days else due


def last_day_of(due: datetime) -> date:
    """Return the last local day within a limit that ends at ``due``."""
    return local_date(due - timedelta(seconds=1))


def of(row: Row, now: datetime) -> Clock:
    """Return the clock of an open task's row."""
    return running(
        row.created_at,
        row.due_at,
        row.limit_value,
        row.limit_unit,
        now,
        warn_at=row.warn_at,
        red_at=row.red_at,
        provisional=row.provisional,
    )


def running(
    start: datetime,
    due: datetime | None,
    value: int | None,
    unit: str,
    now: datetime,
    *,
    warn_at: datetime | None = None,
    red_at: datetime | None = None,
    provisional: bool = False,
) -> Clock:
    """Return a clock that runs; without ``red_at`` (a promise, not a step) it never turns red."""
    elapsed = (local_date(now) - local_date(start)).days
    if due is None:
        return Clock("none", None, 0, unit, elapsed_days=elapsed)
    last_day = last_day_of(due)
    if now >= due:
        state, count = ("yellow" if red_at is None or now < red_at else "red"), _between(last_day, now, unit)
    else:
        near = local_date(now) >= last_day or (warn_at is not None and now >= warn_at)
        state, count = ("warn" if near else "on"), _until(now, last_day, unit)
    return Clock(state, due, count, unit, value, red_at=red_at, elapsed_days=elapsed, provisional=provisional)


def _between(last_day: date, now: datetime, unit: str) -> int:
    today = local_date(now)
    # A rest day after the limit is already past it: at least one unit over.
    return max(workdays_between(last_day, today) if unit == "wd" else (today - last_day).days, 1)


def _until(now: datetime, last_day: date, unit: str) -> int:
    today = local_date(now)
    return workdays_between(today, last_day) if unit == "wd" else (last_day - today).days


def ended(start: datetime, end: datetime, good: bool, due: datetime | None = None) -> Clock:
    """Return the clock of a finished matter: working days used, and how many days it took in the calendar."""
    first, last = local_date(start), local_date(end)
    used = max(workdays_between(first, last), 1)
    return Clock("ok" if good else "no", due, used, "wd", elapsed_days=(last - first).days)


def held(reason: str, since: datetime, now: datetime) -> Clock:
    """Return a clock that stands still."""
    return Clock("hold", None, 0, "wd", hold=reason, elapsed_days=(local_date(now) - local_date(since)).days)


def limit_text(value: int | None, unit: str) -> str:
    """Return a limit as people read it: 2 个工作日, 当天."""
    if value is None:
        return ""
    if value == 0:
        return "当天"
    return f"{value} 个工作日" if unit == "wd" else f"{value} 天"
