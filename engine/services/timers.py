"""The jobs by which time moves a matter: one for its next timer, one for each limit that runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from engine.identifiers import new_id
from engine.store.prepared import Prepared
from engine.store.tables import job

#: jobs that belong to a matter and go with it
KINDS = ("timer", "limit")
#: priority of what waits for its time: behind everything a person waits for
BEHIND = 1
#: in the payload of a timer's job: the earliest day of that matter that lies beyond the published calendar
PROVISIONAL = "provisional"

#: as if it had never been tried, nor lent to a worker
_UNTRIED = {"state": "open", "attempts": 0, "error": "", "taken_by": None, "taken_until": None}
_TIMER = Prepared(select(job.c.id, job.c.due_at, job.c.state, job.c.payload).where(job.c.key == bindparam("timer")))
_ADD, _DELETE = Prepared(insert(job)), Prepared(delete(job).where(job.c.key == bindparam("ended")))
_TAKE_OVER = Prepared(
    update(job)
    .where(job.c.key == bindparam("ended"))
    .values(key=bindparam("key"), payload=bindparam("payload"), due_at=bindparam("due_at"), **_UNTRIED)
)


def follow_limits(
    connection: Connection, instance_id: str, ended: Iterable[str], begun: Mapping[str, datetime]
) -> None:
    """Bring the jobs of a matter's limits into line after a step; one that begins takes the place of one that ended.

    :param ended: ids of the tasks whose limit runs no more.
    :param begun: task id → moment its limit first says something.
    """
    over = [f"limit:{task_id}" for task_id in ended]
    new = [_row(instance_id, f"limit:{task_id}", at, {}) for task_id, at in begun.items()]
    left = [row for row in new if not (over and _take_over(connection, over.pop(), row))]
    _DELETE.run_each(connection, [{"ended": key} for key in over])
    _ADD.run_each(connection, left)


def _take_over(connection: Connection, ended: str, row: Mapping[str, object]) -> bool:
    """Give a job's row to another limit, away from the worker that may have it on loan; False when it is gone."""
    moved = {key: row[key] for key in ("key", "payload", "due_at")}
    return _TAKE_OVER.run(connection, {"ended": ended, **moved}) == 1


def follow_timer(
    connection: Connection, instance_id: str, next_due: datetime | None, provisional_day: date | None = None
) -> None:
    """Bring the job of a matter's drawn timers into line.

    :param next_due: earliest moment one of them can act.
    :param provisional_day: earliest day one of them waits for and the published calendar does not reach.
    """
    payload = {"instance_id": instance_id} | ({PROVISIONAL: provisional_day.isoformat()} if provisional_day else {})
    key = f"timer:{instance_id}"
    known = _TIMER.first(connection, {"timer": key})
    if next_due is None:
        _DELETE.run(connection, {"ended": key})
    elif known is None:
        _ADD.run(connection, _row(instance_id, key, next_due, payload))
    elif (known.due_at, known.state, known.payload) != (next_due, "open", payload):
        move(connection, known.id, next_due, payload=payload)


def move(connection: Connection, job_id: str, due_at: datetime, **more: object) -> None:
    """Let a job come due at another moment, as if it had never been tried; ``more`` are further columns."""
    connection.execute(update(job).where(job.c.id == job_id).values(due_at=due_at, **_UNTRIED, **more))


def _row(instance_id: str, key: str, due_at: datetime, timer: Mapping[str, str]) -> dict[str, object]:
    kind, _, id = key.partition(":")
    return {
        "id": new_id(),
        "kind": kind,
        "key": key,
        "payload": {"task_id": id} if kind == "limit" else dict(timer),
        "instance_id": instance_id,
        "priority": BEHIND,
        "state": "open",
        "due_at": due_at,
    }
