"""Working days of the Chinese calendar, with holidays and make-up days."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path

import chinese_calendar

ONE_DAY = timedelta(days=1)
#: years the library does not know yet, or got wrong: {"2027": {"off": [days off], "on": [rest days worked]}}
CALENDAR = Path(__file__).resolve().parent.parent / "processes" / "calendar.json"


@lru_cache(maxsize=1)
def published() -> Mapping[int, tuple[frozenset[date], frozenset[date]]]:
    """Return year → (days off, rest days worked) of the file beside the parameters; read once."""
    if not CALENDAR.exists():
        return {}
    years = json.loads(CALENDAR.read_text("utf-8"))
    return {int(year): (_days(plan["off"]), _days(plan["on"])) for year, plan in years.items()}


def _days(texts: list[str]) -> frozenset[date]:
    return frozenset(map(date.fromisoformat, texts))


def is_workday(day: date) -> bool:
    """Tell whether offices work on that day; beyond the published calendar Monday to Friday."""
    if day.year in published():
        off, on = published()[day.year]
        return day in on or (day.weekday() < 5 and day not in off)
    known = _in_library(day)
    return day.weekday() < 5 if known is None else known


def is_known(day: date) -> bool:
    """Tell whether the State Council's holiday plan for that year is in the file or in the library's data."""
    return day.year in published() or _in_library(day) is not None


@lru_cache(maxsize=4_096)
def _in_library(day: date) -> bool | None:
    """Tell whether the library takes the day for a working day; None when it does not know the year."""
    try:
        return chinese_calendar.is_workday(day)
    except NotImplementedError:
        return None


def add_workdays(day: date, count: int) -> date:
    """Return the ``count``-th working day after ``day``; 0 gives the day itself or the next working day."""
    if not count:
        return _workday_from(day)
    for _ in range(count):
        day = _workday_from(day + ONE_DAY)
    return day


def _workday_from(day: date) -> date:
    while not is_workday(day):
        day += ONE_DAY
    return day


def workdays_between(start: date, end: date) -> int:
    """Count the working days after ``start`` up to and including ``end``; negative when ``end`` is earlier."""
    if end < start:
        return -workdays_between(end, start)
    return sum(is_workday(start + timedelta(days=offset)) for offset in range(1, (end - start).days + 1))
