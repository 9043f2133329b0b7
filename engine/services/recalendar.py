"""Days of limits and drawn timers, counted before the holidays of a year were published, are counted again."""

from __future__ import annotations

from datetime import date

from sqlalchemy import Row, select, update

from engine.clock import local_date
from engine.services import limits, matters, messages, parameters, timers
from engine.services.reconcile import Act
from engine.services.repository import Repository
from engine.services.unit_of_work import Transaction, UnitOfWork
from engine.store.tables import job, process_instance, task
from engine.workdays import is_known


def reckon_again(work: UnitOfWork, repository: Repository) -> int:
    """Count anew what waits for days that the calendar now reaches; return how many limits and matters."""
    return _reckon_limits(work) + _reckon_timers(work, repository)


def _reckon_timers(work: UnitOfWork, repository: Repository) -> int:
    day = job.c.payload[timers.PROVISIONAL].as_string()
    with work.read() as connection:
        rows = connection.execute(
            select(job.c.instance_id, day.label("day")).where(job.c.kind == "timer", day.is_not(None))
        ).all()
    settled = [row.instance_id for row in rows if is_known(date.fromisoformat(row.day))]
    for instance_id in settled:
        with work.write() as transaction:
            _count_again(transaction, repository, instance_id)
    return len(settled)


def _count_again(transaction: Transaction, repository: Repository, instance_id: str) -> None:
    """Move the drawn timers of one matter; its job follows when what has become is written down."""
    matter = matters.load(transaction, repository, instance_id)
    for element in matter.workflow.count_again():
        transaction.log(matter.row.unit_id, "reckoned", instance_id=instance_id, element=element)
    messages.settle(repository, transaction, matter, Act(by=None, origin="timer"))


def _reckon_limits(work: UnitOfWork) -> int:
    with work.read() as connection:
        rows = connection.execute(
            select(task.c.id, task.c.due_at).where(task.c.state == "open", task.c.provisional.is_(True))
        ).all()
    settled = [row.id for row in rows if is_known(limits.last_day_of(row.due_at))]
    for task_id in settled:
        with work.write() as transaction:
            _reckon(transaction, task_id)
    return len(settled)


def _reckon(transaction: Transaction, task_id: str) -> None:
    connection = transaction.connection
    row = connection.execute(
        select(task, process_instance.c.started_at)
        .join(process_instance, process_instance.c.id == task.c.instance_id)
        .where(task.c.id == task_id, task.c.state == "open")
    ).one_or_none()
    if row is None:
        return
    param = parameters.reader(connection, row.unit_id, local_date(row.started_at))
    moments = limits.reckon(row.created_at, row.limit_value, row.limit_unit, param)
    connection.execute(
        update(task)
        .where(task.c.id == task_id)
        .values(
            due_at=moments.due_at,
            warn_at=moments.warn_at,
            red_at=moments.red_at,
            provisional=moments.provisional,
        )
    )
    transaction.log(row.unit_id, "reckoned", instance_id=row.instance_id, element=row.element)
    _move_job(transaction, row, moments)


def _move_job(transaction: Transaction, row: Row, moments: limits.Moments) -> None:
    known = select(job.c.id).where(job.c.key == f"limit:{row.id}")
    job_id = transaction.connection.scalar(known)
    upcoming = (at for at in (moments.warn_at, moments.due_at, moments.red_at) if at > transaction.now)
    if job_id is not None:
        timers.move(transaction.connection, job_id, next(upcoming, transaction.now))
