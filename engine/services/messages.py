"""Messages between matters of one county: to who waits, to a start, or kept until somebody waits for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, Row, func, insert, select, update

from engine.bpmn.workflow import StepFailed
from engine.identifiers import new_id
from engine.services import matters, starting
from engine.services.deployed import Deployed
from engine.services.permission import Directory
from engine.services.reconcile import Act, Matter, open_steps, reconcile
from engine.services.repository import Repository
from engine.services.unit_of_work import Transaction
from engine.store.tables import message, process_definition, process_instance, subscription

#: payload keys that address a message instead of being told
BUSINESS_KEY, UNIT = "businessKey", "unit"
#: messages that matters exchange within one step; more is two diagrams that answer each other for ever
MOST_ROUNDS = 50


@dataclass(frozen=True)
class Sending:
    """One message on its way."""

    name: str
    payload: Mapping[str, object]
    #: the same whenever the same sending is tried again
    key: str
    #: unit of the matter that sent it; a start looks for its own unit from here
    unit_id: str
    business_key: str
    #: null when the system sends it
    source_id: str | None


def settle(
    repository: Repository, transaction: Transaction, matter: Matter, act: Act, moving: frozenset[str] = frozenset()
) -> tuple[str, ...]:
    """Write down what a step has made of a matter, and hand its messages on; return its open steps as sentences.

    :param moving: matters further up that are in the middle of a step: what is sent to them is kept for its end.
    :raises Conflict: see :func:`engine.services.reconcile.reconcile`.
    """
    steps = reconcile(transaction, matter, act)
    moving |= {matter.id}
    went_on = False
    for _ in range(MOST_ROUNDS):
        thrown = matter.workflow.take_thrown()
        if thrown:
            transaction.write_down()
        for number, each in enumerate(thrown):
            sending = _sending(matter, each.message, each.payload, each.key or f"{matter.revision}:{number}")
            _hand_on(repository, transaction, sending, moving, each.element)
        kept = _kept_for(transaction.connection, matter)
        if kept is None:
            return open_steps(transaction, matter.row) if thrown or went_on else steps
        went_on = True
        transaction.write_down()
        _take_up(transaction, matter, kept)
    raise StepFailed("", f"两个事项的消息来回超过 {MOST_ROUNDS} 次")


def _sending(matter: Matter, name: str, payload: Mapping[str, object], key: str) -> Sending:
    told = {name: value for name, value in payload.items() if name not in (BUSINESS_KEY, UNIT)}
    return Sending(
        name,
        told,
        f"{matter.id}:{key}",
        str(payload.get(UNIT) or matter.row.unit_id),
        str(payload.get(BUSINESS_KEY) or matter.row.business_key),
        matter.id,
    )


def _hand_on(
    repository: Repository, transaction: Transaction, sending: Sending, moving: frozenset[str], element: str
) -> None:
    """Deliver a message, open a matter with it, or keep it; each sending once."""
    connection = transaction.connection
    if connection.scalar(select(message.c.id).where(message.c.call_key == sending.key)) is not None:
        return
    source = connection.execute(select(process_instance).where(process_instance.c.id == sending.source_id)).one()
    target = _waiting(connection, sending)
    transaction.log(
        source.unit_id, "sent", instance_id=source.id, element=element, data={"message": sending.name, "origin": "flow"}
    )
    if target is not None and target not in moving:
        _keep(transaction, sending, delivered_to=target)
        receiver = matters.load(transaction, repository, target)
        if not receiver.workflow.receive(sending.name, sending.payload):
            raise StepFailed(element, f"消息〈{sending.name}〉没有送到：对方已经不等了")
        settle(repository, transaction, receiver, Act(by=None, origin="message"), moving)
        return
    opened = None if target is not None else open_by_message(repository, transaction, sending, moving)
    if opened is None:
        _keep(transaction, sending)


def _waiting(connection: Connection, sending: Sending) -> str | None:
    """Return the matter that has waited longest for this message under this business key."""
    return connection.scalar(
        select(subscription.c.instance_id)
        .join(process_instance, process_instance.c.id == subscription.c.instance_id)
        .where(
            subscription.c.message == sending.name,
            process_instance.c.business_key == sending.business_key,
            process_instance.c.id != sending.source_id,
        )
        .order_by(subscription.c.created_at, subscription.c.id)
        .limit(1)
    )


def _keep(transaction: Transaction, sending: Sending, delivered_to: str | None = None) -> None:
    transaction.connection.execute(
        insert(message).values(
            id=new_id(),
            name=sending.name,
            business_key=sending.business_key,
            source_id=sending.source_id,
            unit_id=sending.unit_id,
            payload={} if delivered_to else dict(sending.payload),
            at=transaction.now,
            target_id=delivered_to,
            delivered_at=transaction.now if delivered_to else None,
            call_key=sending.key,
        )
    )


def _kept_for(connection: Connection, matter: Matter) -> Row | None:
    """Return the oldest kept message that the matter waits for now."""
    names = {wait.message for wait in matter.workflow.waits() if wait.message}
    if not names or matter.workflow.finished:
        return None
    return connection.execute(
        select(message)
        .where(
            message.c.delivered_at.is_(None),
            message.c.name.in_(names),
            message.c.business_key == matter.row.business_key,
            message.c.source_id.is_distinct_from(matter.id),
        )
        .order_by(message.c.at, message.c.id)
        .limit(1)
    ).one_or_none()


def _take_up(transaction: Transaction, matter: Matter, kept: Row) -> None:
    """Give a matter a message that came before it waited for it."""
    transaction.connection.execute(
        update(message)
        .where(message.c.id == kept.id)
        .values(payload={}, target_id=matter.id, delivered_at=transaction.now)
    )
    if not matter.workflow.receive(kept.name, kept.payload):
        raise StepFailed("", f"消息〈{kept.name}〉没有送到")
    reconcile(transaction, matter, Act(by=None, origin="message"))


# --- a message that opens a matter ----------------------------------------------------------------------------------


def open_by_message(
    repository: Repository, transaction: Transaction, sending: Sending, moving: frozenset[str] = frozenset()
) -> str | None:
    """Open a matter of the item whose start event carries this message; return its id, None when there is no such item.

    It runs in the unit of the item's level around the sender's, and is found by the sender's business key.
    """
    connection = transaction.connection
    opens = _item_opened_by(connection, sending.name)
    if opens is None:
        return None
    definition = repository.loaded(connection, opens)
    directory = Directory(connection, sending.unit_id, transaction.today)
    unit = directory.units.get(definition.facts.level)
    if unit is None:
        raise StepFailed("", f"消息〈{sending.name}〉要在{definition.facts.level}一级发起事项，这里没有这样的单位")
    row = starting.insert_row(transaction, opens.id, definition, unit.id, business_key=sending.business_key)
    _keep(transaction, sending, delivered_to=row.id)
    data = {**starting.blank(definition), **sending.payload}
    own = directory if unit.id == sending.unit_id else Directory(connection, unit.id, transaction.today)
    start = starting.start_event(definition)
    submission_id, digest = matters.submit(
        transaction, row.id, start.id, start.name, _filled(definition, data), by=None, task_id=None
    )
    matter = starting.begin(transaction, row, definition, own, data)
    act = Act(by=None, origin="message", submission_id=submission_id, digest=digest)
    settle(repository, transaction, matter, act, moving)
    return matter.id


def _filled(definition: Deployed, data: Mapping[str, object]) -> dict[str, object]:
    """Return what of the data the start form shows."""
    form = definition.start_form
    tops = {field.key.partition(".")[0] for field in form.fields} if form else set()
    return {key: value for key, value in data.items() if key in tops}


def _item_opened_by(connection: Connection, name: str) -> Row | None:
    """Return the definition in force of the item that this message opens."""
    newest = (
        select(process_definition.c.item_id, func.max(process_definition.c.version).label("version"))
        .group_by(process_definition.c.item_id)
        .subquery()
    )
    return connection.execute(
        select(process_definition)
        .join(
            newest,
            (newest.c.item_id == process_definition.c.item_id) & (newest.c.version == process_definition.c.version),
        )
        .where(process_definition.c.start_message == name)
        .order_by(process_definition.c.code, process_definition.c.item_id)
        .limit(1)
    ).one_or_none()
