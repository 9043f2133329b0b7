"""What a connector is handed when a service task calls it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, Row

from engine.views import Unit


@dataclass(frozen=True)
class Call:
    """One call of one service task in one matter; runs inside the step's transaction.

    ``key`` is the same when the same service task is called again, so nothing is written twice.
    """

    connection: Connection
    now: datetime
    #: the process_instance row
    matter: Row
    element: str
    key: str
    #: level → unit around the matter
    units: Mapping[str, Unit]
    #: name → bytes of the package's files
    files: Mapping[str, bytes]
    item_name: str
    #: the promise as people read it: 5 个工作日
    promise: str
    #: last day within the promise
    due_on: date | None
    #: post and name of who did the step that led here; "" for the applicant
    actor: str
    #: id of a step → post and name of who did it last, "" when nobody has
    completed_by: Callable[[str], str]
    #: lane → ids of the persons in that post
    holders: Callable[[str], tuple[str, ...]]
    #: ids of steps → names of the lanes for which no person is left
    find_hands: Callable[[tuple[str, ...]], tuple[str, ...]]
    #: (kind, facts without personal data, salted digest) → an entry of the log, written when the step is
    log: Callable[[str, Mapping[str, object], str], None]
