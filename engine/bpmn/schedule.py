"""When time opens a matter: the days a timer at a start event names."""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from engine.clock import LOCAL
from engine.workdays import is_workday

_REPEATS = re.compile(
    r"R/(?:(?P<first>\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2})?)?)/)?P(?P<count>\d{1,3})(?P<unit>[DWMY])"
    r"(?P<workday>/wd)?"
)
#: a Monday, the first of a month, of a quarter and of a year: where a repetition without beginning is counted from
_ANCHOR = datetime(2024, 1, 1, tzinfo=LOCAL)
_MONTHS = {"M": 1, "Y": 12}
_DAYS = {"D": 1, "W": 7}


@dataclass(frozen=True)
class Schedule:
    """``R/P1M`` (the first of each month), ``R/2026-01-31/P3M``, or one day or moment, by clocks in China.

    With ``/wd`` behind a repetition by months or years a day off gives way to the last working day before it:
    ``R/2026-03-31/P3M/wd`` is the last working day of each quarter.
    """

    first: datetime
    #: 0: only once
    count: int
    unit: str
    on_workday: bool = False

    @classmethod
    def read(cls, text: str) -> Schedule:
        """Read the text of a timer; ValueError when it is none of these."""
        match = _REPEATS.fullmatch(text.strip())
        if match is None:
            return cls(_moment(text.strip()), 0, "")
        on_workday = match["workday"] is not None
        if not int(match["count"]) or (on_workday and match["unit"] in _DAYS):
            raise ValueError(text)
        first = _moment(match["first"]) if match["first"] else _ANCHOR
        return cls(first, int(match["count"]), match["unit"], on_workday)

    def latest(self, now: datetime) -> datetime | None:
        """Return the last moment up to ``now``; None when there is none yet."""
        if now < self._at(0):
            return None
        return self._at(self._index(now)).astimezone(UTC)

    def next(self, now: datetime) -> datetime | None:
        """Return the first moment after ``now``; None when there is none any more."""
        if now < self._at(0):
            return self._at(0).astimezone(UTC)
        return self._at(self._index(now) + 1).astimezone(UTC) if self.count else None

    def _index(self, now: datetime) -> int:
        """Return the number of the last repetition up to ``now``."""
        if not self.count:
            return 0
        local = now.astimezone(LOCAL)
        if self.unit in _DAYS:
            return (local - self.first) // timedelta(days=self.count * _DAYS[self.unit])
        months = (local.year - self.first.year) * 12 + local.month - self.first.month
        index = months // (self.count * _MONTHS[self.unit])
        # A day off early in a month gives way to a day of the month before.
        return next(each for each in (index + 1, index, index - 1) if self._at(each) <= now)

    def _at(self, index: int) -> datetime:
        if self.unit in _DAYS:
            return self.first + timedelta(days=index * self.count * _DAYS[self.unit])
        if not self.unit:
            return self.first
        month = self.first.month - 1 + index * self.count * _MONTHS[self.unit]
        year, month = self.first.year + month // 12, month % 12 + 1
        # The 31st of a shorter month is its last day.
        moment = self.first.replace(year=year, month=month, day=min(self.first.day, monthrange(year, month)[1]))
        while self.on_workday and not is_workday(moment.date()):
            moment -= timedelta(days=1)
        return moment


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text) if "T" in text else datetime.combine(datetime.fromisoformat(text), time())
    return moment if moment.tzinfo else moment.replace(tzinfo=LOCAL)
