"""Cards: what a limit earns when it is nearly or wholly over (DOMAIN §4.2 D1), each once, told to whom it concerns."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, Row, insert, select

from engine.connectors.outbox import tell
from engine.identifiers import new_id
from engine.services import given, messages, timers
from engine.services.limits import Moments
from engine.services.messages import Sending
from engine.services.permission import Directory
from engine.services.repository import Repository
from engine.services.unit_of_work import Transaction
from engine.store.job_queue import TakenJob
from engine.store.tables import card, process_instance, task

#: level → posts told besides whoever has the step: the superior, for red the discipline inspection too
TOLD = {"warn": (), "yellow": ("TG",), "red": ("TG", "TD")}
TEXTS = {
    "warn": "〈{step}〉快到期了：{subject}",
    "yellow": "黄牌：〈{step}〉超期了，请尽快办理并说明原因：{subject}",
    "red": "红牌：〈{step}〉超期太久，已报乡镇纪委：{subject}",
}
#: the message that opens the drawn procedure in which a card is answered
MESSAGE = "card"


def look(repository: Repository, transaction: Transaction, job: TakenJob) -> None:
    """Write the card a running limit has earned by now; the job then waits for the next moment of that limit.

    After a downtime only the gravest is written: nobody is warned of what has long happened.
    """
    row = transaction.connection.execute(select(task).where(task.c.id == job.payload["task_id"])).one()
    if row.state != "open" or row.due_at is None:
        return
    moments = Moments(row.warn_at, row.due_at, row.red_at, row.provisional)
    level = _level(moments, transaction.now)
    if level:
        _give(repository, transaction, row, level)
    upcoming = _next(moments, transaction.now)
    if upcoming is not None:
        timers.move(transaction.connection, job.id, upcoming)


def _level(moments: Moments, now: datetime) -> str:
    if now >= moments.red_at:
        return "red"
    if now >= moments.due_at:
        return "yellow"
    return "warn" if now >= moments.warn_at else ""


def _next(moments: Moments, now: datetime) -> datetime | None:
    return next((at for at in (moments.warn_at, moments.due_at, moments.red_at) if at > now), None)


def _give(repository: Repository, transaction: Transaction, row: Row, level: str) -> None:
    connection = transaction.connection
    matter = connection.execute(select(process_instance).where(process_instance.c.id == row.instance_id)).one()
    directory = Directory(connection, row.unit_id, transaction.today)
    if _is_given(connection, row.id, level):
        return
    card_id = new_id()
    connection.execute(insert(card).values(_values(transaction, row, level, card_id)))
    transaction.log(row.unit_id, level, instance_id=matter.id, element=row.element, data={"origin": "limit"})
    _tell(transaction, directory, matter, row, level)
    if level != "warn":
        _open_procedure(repository, transaction, matter, row, level, card_id)


def _values(transaction: Transaction, row: Row, level: str, card_id: str) -> dict[str, object]:
    return {
        "id": card_id,
        "instance_id": row.instance_id,
        "task_id": row.id,
        "unit_id": row.unit_id,
        "element": row.element,
        "step": row.step,
        "level": level,
        "person_id": row.assignee_id,
        "at": transaction.now,
        "state": "open",
    }


def _is_given(connection: Connection, task_id: str, level: str) -> bool:
    given = select(card.c.id).where(card.c.task_id == task_id, card.c.level == level)
    return connection.scalar(given) is not None


def _tell(transaction: Transaction, directory: Directory, matter: Row, row: Row, level: str) -> None:
    text = TEXTS[level].format(step=row.step, subject=matter.subject)
    for person_id in dict.fromkeys((*_actors(directory, row), *_posts(directory, TOLD[level]))):
        tell(
            transaction.connection,
            transaction.now,
            instance_id=matter.id,
            person_id=person_id,
            text=text,
            key=f"card:{row.id}:{level}:{person_id}",
        )


def _actors(directory: Directory, row: Row) -> tuple[str, ...]:
    """Return who has the step: its assignee, all who may claim it, or the township that must appoint somebody."""
    if row.assignee_id:
        return (row.assignee_id,)
    return directory.holders("TG" if row.unmanned else row.role)


def _posts(directory: Directory, codes: Iterable[str]) -> list[str]:
    return [person_id for code in codes for person_id in directory.holders(code)]


def _open_procedure(
    repository: Repository, transaction: Transaction, matter: Row, row: Row, level: str, card_id: str
) -> None:
    """Open the drawn procedure for a card where one is in force; without it the row and the messages stand alone.

    So they do when the procedure of a card is itself late: whoever leaves one unanswered would only be asked by ever
    more of them.
    """
    if matter.item_id == given.PROCEDURE:
        return
    payload = {
        "matter": matter.receipt,
        "matter_id": matter.id,
        "task": row.id,
        "step": row.step,
        "level": level,
        "card": card_id,
        "cause": "overdue",
        "person": row.assignee_id,
    }
    sending = Sending(MESSAGE, payload, f"card:{card_id}", row.unit_id, matter.receipt, matter.id)
    opened = messages.open_by_message(repository, transaction, sending)
    if opened is not None:
        transaction.connection.execute(card.update().where(card.c.id == card_id).values(matter_id=opened))
