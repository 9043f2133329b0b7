"""Matters that time opens: one per unit of the item's level and period, whatever was down in between."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from sqlalchemy import Connection, Row, func, insert, select

from engine.bpmn.expressions import resolve
from engine.bpmn.schedule import Schedule
from engine.clock import local_date, start_of
from engine.errors import Refused
from engine.identifiers import new_id
from engine.services import messages, parameters, starting, timers
from engine.services.deployed import Deployed
from engine.services.environment import functions
from engine.services.permission import Directory
from engine.services.reconcile import Act
from engine.services.repository import Repository
from engine.services.unit_of_work import Transaction
from engine.store.job_queue import TakenJob
from engine.store.tables import job, org_unit, process_definition, process_instance


def plan(repository: Repository, transaction: Transaction, row: TakenJob) -> None:
    """Queue the openings of an item's latest period; come back at the next one.

    Periods that passed while nothing ran are not made up for one by one: the latest one only.
    """
    connection, item_id = transaction.connection, row.payload["item_id"]
    newest = _newest(connection, item_id)
    if not newest.start_timer:
        return
    definition = repository.loaded(connection, newest)
    schedule = _schedule(transaction, definition)
    latest = schedule.latest(transaction.now)
    if latest is not None and latest >= _first_in_force(connection, item_id):
        _queue(transaction, definition, latest)
    upcoming = schedule.next(transaction.now)
    if upcoming is not None:
        timers.move(connection, row.id, upcoming)


def _schedule(transaction: Transaction, definition: Deployed) -> Schedule:
    text = starting.start_event(definition).timer
    param = parameters.reader(transaction.connection, None, transaction.today)
    said = str(resolve(text, {}, functions(param, transaction.now)))
    try:
        return Schedule.read(said)
    except ValueError as error:
        raise Refused("timer_invalid", f"〈{definition.facts.name}〉的发起时间“{said}”看不懂") from error


def _newest(connection: Connection, item_id: str) -> Row:
    of_item = select(process_definition).where(process_definition.c.item_id == item_id)
    return connection.execute(of_item.order_by(process_definition.c.version.desc()).limit(1)).one()


def _first_in_force(connection: Connection, item_id: str) -> datetime:
    """Return since when time opens this item: what came before was nobody's to open."""
    return connection.scalar(
        select(func.min(process_definition.c.deployed_at)).where(
            process_definition.c.item_id == item_id, process_definition.c.start_timer.is_(True)
        )
    )


def _queue(transaction: Transaction, definition: Deployed, moment: datetime) -> None:
    connection, item_id = transaction.connection, definition.facts.id
    period = local_date(moment).isoformat()
    units = connection.scalars(select(org_unit.c.id).where(org_unit.c.level == definition.facts.level)).all()
    keys = {f"start:{item_id}:{unit_id}:{period}": unit_id for unit_id in units}
    known = set(
        connection.scalars(select(job.c.key).where(job.c.kind == "start", job.c.key.like(f"start:{item_id}:%")))
    )
    opened = set(
        connection.scalars(
            select(process_instance.c.unit_id).where(
                process_instance.c.item_id == item_id, process_instance.c.period == period
            )
        )
    )
    spread = int(parameters.reader(connection, None, transaction.today)("start.spread"))
    new = [
        {
            "id": new_id(),
            "kind": "start",
            "key": key,
            "payload": {"item_id": item_id, "unit_id": unit_id, "moment": moment.isoformat(), "period": period},
            "priority": timers.BEHIND,
            "state": "open",
            "due_at": _spread(transaction.now, moment, unit_id, item_id, spread),
        }
        for key, unit_id in keys.items()
        if key not in known and unit_id not in opened
    ]
    if new:
        connection.execute(insert(job), new)


def _spread(now: datetime, moment: datetime, unit_id: str, item_id: str, minutes: int) -> datetime:
    """Return when a unit's turn is: always the same for the unit, and within the day the period begins on."""
    share = int(hashlib.sha256(f"{item_id}:{unit_id}".encode()).hexdigest()[:8], 16) / 2**32
    begins = moment if now - moment < timedelta(minutes=minutes) else now
    day_ends = start_of(local_date(begins) + timedelta(days=1))
    return begins + min(timedelta(minutes=minutes), day_ends - begins) * share


def open_one(repository: Repository, transaction: Transaction, row: TakenJob) -> None:
    """Open the matter of one unit and period, unless it is there.

    Its promise runs from the moment the period began and the data holds ``period``: neither the turn the unit had
    nor a downtime moves a statutory end.
    """
    connection, payload = transaction.connection, row.payload
    there = select(process_instance.c.id).where(
        process_instance.c.item_id == payload["item_id"],
        process_instance.c.unit_id == payload["unit_id"],
        process_instance.c.period == payload["period"],
    )
    newest = _newest(connection, payload["item_id"])
    if connection.scalar(there) is not None or not newest.start_timer:
        return
    definition = repository.loaded(connection, newest)
    directory = Directory(connection, payload["unit_id"], transaction.today)
    opened = starting.insert_row(
        transaction,
        newest.id,
        definition,
        payload["unit_id"],
        period=payload["period"],
        started_at=datetime.fromisoformat(payload["moment"]),
    )
    data = {**starting.blank(definition), "period": payload["period"]}
    matter = starting.begin(transaction, opened, definition, directory, data)
    messages.settle(repository, transaction, matter, Act(by=None, origin="timer"))
