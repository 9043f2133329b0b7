"""The queue of jobs: taken by one worker at a time, on loan, so that a worker that died costs only time."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, delete, literal_column, select, update

from engine.identifiers import new_id
from engine.store.tables import job

#: far longer than any job takes
LEASE = timedelta(minutes=2)
#: written out, since a database cannot match a partial index with a value it does not know yet
IS_OPEN = job.c.state == literal_column("'open'")


@dataclass(frozen=True)
class TakenJob:
    """A job on loan to one worker."""

    id: str
    kind: str
    payload: Mapping[str, object]
    #: tries before this one
    attempts: int
    #: proves that the loan is still ours
    taken_by: str


def is_due(connection: Connection, now: datetime, kinds: Collection[str] = ()) -> bool:
    """Tell whether a job is due that nobody holds."""
    first = select(job.c.id).where(*_free(now, kinds)).order_by(*ORDER).limit(1)
    return connection.scalar(first) is not None


def take_due(
    connection: Connection, now: datetime, *, limit: int = 1, kinds: Collection[str] = ()
) -> tuple[TakenJob, ...]:
    """Take due jobs on loan, what people wait for first, then oldest first, past those that other workers hold.

    Call it in a short transaction. ``kinds``: only these; all when empty.
    """
    due = (
        select(job.c.id)
        .where(*_free(now, kinds))
        .order_by(*ORDER)
        .limit(limit)
        # SQLite has one writer at a time and needs no such words.
        .with_for_update(skip_locked=True)
    )
    ids = connection.scalars(due).all()
    if not ids:
        return ()
    loan = new_id()
    taken = connection.execute(
        update(job).where(job.c.id.in_(ids)).values(taken_by=loan, taken_until=now + LEASE).returning(job)
    )
    rows = sorted(taken, key=lambda row: (row.priority, row.due_at, row.id))
    return tuple(TakenJob(row.id, row.kind, row.payload, row.attempts, loan) for row in rows)


#: as the index has it
ORDER = (job.c.priority, job.c.due_at, job.c.id)


def _free(now: datetime, kinds: Collection[str]) -> tuple[ColumnElement[bool], ...]:
    on_loan = and_(job.c.taken_until.is_not(None), job.c.taken_until > now)
    wanted = (job.c.kind.in_(kinds),) if kinds else ()
    return IS_OPEN, job.c.due_at <= now, ~on_loan, *wanted


def holds(connection: Connection, taken: TakenJob) -> bool:
    """Tell whether the loan is still ours, and keep it so until the transaction ends."""
    own = select(job.c.id).where(IS_OPEN, job.c.id == taken.id, job.c.taken_by == taken.taken_by)
    return connection.scalar(own.with_for_update()) is not None


def remove(connection: Connection, taken: TakenJob) -> None:
    """Take away a job whose doing stands in a matter's own log, unless doing it has moved it to a later moment."""
    connection.execute(delete(job).where(job.c.id == taken.id, job.c.taken_by == taken.taken_by))


def finish(connection: Connection, taken: TakenJob) -> bool:
    """Mark a job done; False when the loan ran out and somebody else has it: then this transaction must undo itself.

    Called in the transaction that writes what the job has made, the job has its effect exactly once.
    """
    return _give_back(connection, taken, state="done", error="")


def put_off(connection: Connection, taken: TakenJob, *, due_at: datetime | None, error: str) -> bool:
    """Give a job back that failed: to be tried again at ``due_at``, or given up (None)."""
    values: dict[str, object] = {"attempts": taken.attempts + 1, "error": error[:500]}
    values |= {"state": "failed"} if due_at is None else {"due_at": due_at}
    return _give_back(connection, taken, **values)


def _give_back(connection: Connection, taken: TakenJob, **values: object) -> bool:
    own = update(job).where(job.c.id == taken.id, job.c.state == "open", job.c.taken_by == taken.taken_by)
    return connection.execute(own.values(taken_by=None, taken_until=None, **values)).rowcount == 1
