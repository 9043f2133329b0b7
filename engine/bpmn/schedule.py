"""When time opens a matter: the days a timer at a start event names."""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from engine.clock import LOCAL

_REPEATS = re.compile(
    r"R/(?:(?P<first>\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2})?)?)/)?P(?P<count>\d{1,3})(?P<unit>[DWMY])"
)
#: a Monday, the first of a month, of a quarter and of a year: where a repetition without beginning is counted from
_ANCHOR = datetime(2024, 1, 1, tzinfo=LOCAL)
_MONTHS = {"M": 1, "Y": 12}
_DAYS = {"D": 1, "W": 7}


@dataclass(frozen=True)
class Schedule:
    """``R/P1M`` (the first of each month), ``R/2026-01-31/P3M``, or one day or moment, by clocks in China."""

    first: datetime
    #: 0: only once
    count: int
    unit: str

    @classmethod
    def read(cls, text: str) -> Schedule:
        """Read the text of a timer; ValueError when it is none of these."""
        match = _REPEATS.fullmatch(text.strip())
        if match is None:
            return cls(_moment(text.strip()), 0, "")
        if not int(match["count"]):
            raise ValueError(text)
        return cls(_moment(match["first"]) if match["first"] else _ANCHOR, int(match["count"]), match["unit"])

    def latest(self, now: datetime) -> datetime | None:
        """Return the last moment up to ``now``; None when there is none yet."""
        if now < self.first:
            return None
        return self._at(self._index(now)).astimezone(UTC)

    def next(self, now: datetime) -> datetime | None:
        """Return the first moment after ``now``; None when there is none any more."""
        if now < self.first:
            return self.first.astimezone(UTC)
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
        return index if self._at(index) <= now else index - 1

    def _at(self, index: int) -> datetime:
        if self.unit in _DAYS:
            return self.first + timedelta(days=index * self.count * _DAYS[self.unit])
        if not self.unit:
            return self.first
        month = self.first.month - 1 + index * self.count * _MONTHS[self.unit]
        year, month = self.first.year + month // 12, month % 12 + 1
        # The 31st of a shorter month is its last day.
        return self.first.replace(year=year, month=month, day=min(self.first.day, monthrange(year, month)[1]))


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text) if "T" in text else datetime.combine(datetime.fromisoformat(text), time())
    return moment if moment.tzinfo else moment.replace(tzinfo=LOCAL)
