"""How often somebody may try or send in within an hour: passwords, codes, and what comes from one address."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NoReturn

from sqlalchemy import Connection, Row, delete, func, insert, select

from engine.clock import LOCAL
from engine.errors import NotFound, Refused
from engine.identifiers import code_hash, new_id
from engine.services import parameters
from engine.services.permission import unit_view
from engine.services.unit_of_work import Transaction, UnitOfWork, retried
from engine.store.tables import attempt, org_unit

PERIOD = timedelta(hours=1)
#: wrong passwords or codes within the period
TRIES = 5
#: what an address may send in as often as the parameter ``objection.tries`` says
KINDS = {"objection": "异议", "suggestion": "建议"}


def check_tries(work: UnitOfWork, key: str, most: int, headline: str) -> None:
    """Refuse when there were that many failed tries.

    :raises Refused: ``too_many_tries``.
    """
    with work.read() as connection:
        since = work.clock.now() - PERIOD
        tries = connection.scalar(
            select(func.count()).select_from(attempt).where(attempt.c.key == key, attempt.c.at > since)
        )
    if tries >= most:
        raise Refused("too_many_tries", headline, remedy="请过一小时再试，或者到村便民服务室问")


@retried
def note_tries(work: UnitOfWork, *keys: str) -> None:
    """Count a failed try under each of these keys."""
    with work.write() as transaction:
        for key in keys:
            transaction.connection.execute(insert(attempt).values(id=new_id(), key=key, at=transaction.now))
        old = transaction.now - timedelta(days=1)
        transaction.connection.execute(delete(attempt).where(attempt.c.at < old))


@retried
def forget_tries(work: UnitOfWork, key: str) -> None:
    """Begin to count anew."""
    with work.read() as connection:
        if connection.scalar(select(attempt.c.id).where(attempt.c.key == key)) is None:
            return
    with work.write() as transaction:
        transaction.connection.execute(delete(attempt).where(attempt.c.key == key))


def row_for_code(
    work: UnitOfWork, receipt: str, code: str, kind: str, find: Callable[[Connection, str], Row | None]
) -> Row:
    """Return what ``find`` has under a 回执号, for who knows its 查询码.

    :raises Refused: ``too_many_tries``: five wrong codes within an hour.
    :raises NotFound: the pair does not fit; never says which of the two.
    """
    plain = "".join(receipt.split()).upper().replace("-", "")[:20]
    key = f"code:{plain}"
    check_tries(work, key, TRIES, "查询码输错次数太多")
    with work.read() as connection:
        row = find(connection, plain)
    given = "".join(code.split())
    if row is None or not row.code_hash or not secrets.compare_digest(code_hash(row.code_salt, given), row.code_hash):
        note_tries(work, key)
        raise NotFound(kind, plain)
    return row


def count_sent(transaction: Transaction, kind: str, address: str, unit_id: str) -> None:
    """Count one more of a kind from an address, once nothing else stands in its way.

    What is refused after this is undone with the rest of the transaction: only what was taken in counts.

    :raises Refused: ``too_many_tries``: says how many were taken in, when the next will be, and where to go till then.
    """
    if not address:
        return
    connection, key = transaction.connection, f"{kind}:{address}"
    most = int(parameters.reader(connection, None, transaction.today)("objection.tries"))
    since = transaction.now - PERIOD
    counted = select(attempt.c.at).where(attempt.c.key == key, attempt.c.at > since).order_by(attempt.c.at.desc())
    taken = connection.scalars(counted.limit(most)).all()
    if len(taken) >= most:
        _refuse(connection, kind, unit_id, most, taken[-1] + PERIOD)
    connection.execute(insert(attempt).values(id=new_id(), key=key, at=transaction.now))


def _refuse(connection: Connection, kind: str, unit_id: str, most: int, again_at: datetime) -> NoReturn:
    unit = unit_view(connection.execute(select(org_unit).where(org_unit.c.id == unit_id)).one())
    again = again_at.astimezone(LOCAL)
    room = "村便民服务室" + (f"（电话 {unit.service_phone}）" if unit.service_phone else "")
    raise Refused(
        "too_many_tries",
        f"从这里上网的人，一小时里已经提了 {most} 条{KINDS[kind]}，最多收这些",
        remedy=f"{again.month}月{again.day}日 {again:%H:%M} 以后再提；等不及的，到{room}当面说",
    )
