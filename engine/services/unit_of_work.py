"""One public method, one transaction: connection, moment and the events to log at its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property, wraps
from typing import ParamSpec, TypeVar

from sqlalchemy import Connection

from engine.clock import Clock, local_date
from engine.services.live import LiveMatters
from engine.store import event_log
from engine.store.event_log import Event
from engine.store.faults import Collision
from engine.store.session import Database

P = ParamSpec("P")
R = TypeVar("R")

#: seconds to wait before the second, third and fourth try: whoever was in the way has ended by then
PAUSES = (0.02, 0.1, 0.5)


def retried(method: Callable[P, R]) -> Callable[P, R]:
    """Let a method of one transaction run again from its beginning when others' transactions undid it.

    Deadlocks, serialization failures and rows that somebody else wrote first: up to three times more. Nothing of a
    try that failed is left, so whatever the method does outside its transaction must be harmless to repeat.
    """

    @wraps(method)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        for pause in PAUSES:
            try:
                return method(*args, **kwargs)
            except Collision:
                time.sleep(pause)
        try:
            return method(*args, **kwargs)
        except Collision as collision:
            raise collision.given_up() from collision

    return run


@dataclass
class Transaction:
    """What one write works with; events are appended last, so chains are locked for the shortest time."""

    connection: Connection
    now: datetime
    live: LiveMatters = field(default_factory=LiveMatters)
    events: list[Event] = field(default_factory=list)
    #: done once everything is kept for good, not at all otherwise
    after_commit: list[Callable[[], None]] = field(default_factory=list)
    #: writes what the step has made of its own task: at its end, in one go, or before anybody looks for it
    unwritten: Callable[[], None] | None = None

    def write_down(self) -> None:
        """Let the database show what the step has done so far."""
        if self.unwritten is not None:
            self.unwritten()
            self.unwritten = None

    @cached_property
    def today(self) -> date:
        return local_date(self.now)

    def log(self, unit_id: str, kind: str, **facts: object) -> None:
        """Note an event for the log; see :class:`engine.store.event_log.Event`."""
        self.events.append(Event(unit_id=unit_id, kind=kind, at=self.now, **facts))


class UnitOfWork:
    """Opens transactions on the county's database at the county's time."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database = database
        self.clock = clock
        self.live = LiveMatters()

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """All of it is kept, with its events, or nothing."""
        with self.database.write() as connection:
            transaction = Transaction(connection, self.clock.now(), self.live)
            yield transaction
            event_log.append(connection, transaction.events)
        for act in transaction.after_commit:
            act()

    @contextmanager
    def look(self) -> Iterator[Transaction]:
        """A consistent view that takes workflows in hand without moving them; nothing it writes is kept."""
        with self.database.read() as connection:
            transaction = Transaction(connection, self.clock.now(), self.live)
            yield transaction
        for act in transaction.after_commit:
            act()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view."""
        with self.database.read() as connection:
            yield connection
