"""The one source of time: real time, shifted by a stored offset in a demo county."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

#: villages keep Beijing time
LOCAL = ZoneInfo("Asia/Shanghai")


class Clock:
    """Real time plus ``offset``."""

    def __init__(self, offset: timedelta = timedelta()) -> None:
        self.offset = offset

    def now(self) -> datetime:
        """Return the current moment, aware, in UTC."""
        return datetime.now(UTC) + self.offset

    def today(self) -> date:
        """Return the current date where the villages are."""
        return local_date(self.now())


class FrozenClock(Clock):
    """A clock that stands until it is set; for tests and scenarios."""

    def __init__(self, at: datetime) -> None:
        super().__init__()
        self.at = at.astimezone(UTC)

    def now(self) -> datetime:
        return self.at + self.offset


# A step asks four times for the day of its own moment.
@lru_cache(maxsize=256)
def local_date(moment: datetime) -> date:
    """Return the local calendar date of an aware moment."""
    return moment.astimezone(LOCAL).date()


def end_of(day: date) -> datetime:
    """Return the moment at which a local day is over, in UTC."""
    return datetime.combine(day + timedelta(days=1), datetime.min.time(), LOCAL).astimezone(UTC)


def start_of(day: date) -> datetime:
    """Return the first moment of a local day, in UTC."""
    return datetime.combine(day, datetime.min.time(), LOCAL).astimezone(UTC)
