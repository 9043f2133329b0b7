"""The jobs by which time moves a matter: one for its next timer, one for each limit that runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, datetime

from sqlalchemy import Connection, bindparam, delete, insert, or_, select, update

from engine.identifiers import new_id
from engine.store.prepared import Prepared
from engine.store.tables import job

#: jobs that belong to a matter and go with it
KINDS = ("timer", "limit")
#: priority of what waits for its time: behind everything a person waits for
BEHIND = 1
#: in the payload of a timer's job: the earliest day of that matter that lies beyond the published calendar
PROVISIONAL = "provisional"

_KNOWN = Prepared(
    select(job.c.id, job.c.key, job.c.due_at, job.c.state, job.c.payload).where(
        job.c.instance_id == bindparam("matter"), or_(*(job.c.kind == kind for kind in KINDS))
    )
)
_ADD, _DELETE = Prepared(insert(job)), Prepared(delete(job).where(job.c.id == bindparam("job")))


def follow(
    connection: Connection,
    instance_id: str,
    next_due: datetime | None,
    open_tasks: Collection[str],
    begun: Mapping[str, datetime | None],
    provisional_day: date | None = None,
) -> None:
    """Bring the jobs of a matter into line after a step.

    :param next_due: earliest moment a drawn timer can act.
    :param open_tasks: ids of the tasks that are open now; the limits of all others have ended.
    :param begun: task id → moment its limit first says something, for the tasks this step has opened.
    :param provisional_day: earliest day a drawn timer waits for and the published calendar does not reach.
    """
    known = {row.key: row for row in _KNOWN.all(connection, {"matter": instance_id})}
    timer_key = f"timer:{instance_id}"
    stays = {f"limit:{task_id}" for task_id in open_tasks} | ({timer_key} if next_due else set())
    _DELETE.run_each(connection, [{"job": row.id} for key, row in known.items() if key not in stays])
    wanted = {f"limit:{task_id}": at for task_id, at in begun.items()} | {timer_key: next_due}
    payload = {"instance_id": instance_id} | ({PROVISIONAL: provisional_day.isoformat()} if provisional_day else {})
    new = [_row(instance_id, key, at, payload) for key, at in wanted.items() if at is not None and key not in known]
    _ADD.run_each(connection, new)
    timer = known.get(timer_key)
    if timer is None or next_due is None:
        return
    if (timer.due_at, timer.state, timer.payload) != (next_due, "open", payload):
        move(connection, timer.id, next_due, payload=payload)


def move(connection: Connection, job_id: str, due_at: datetime, **more: object) -> None:
    """Let a job come due at another moment, as if it had never been tried; ``more`` are further columns."""
    values = {"due_at": due_at, "state": "open", "attempts": 0, "error": "", "taken_by": None, "taken_until": None}
    connection.execute(update(job).where(job.c.id == job_id).values(**values, **more))


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
