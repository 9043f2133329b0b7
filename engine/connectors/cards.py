"""card.*: a yellow or red card given by hand, counted, raised, and what became of it (DOMAIN §4.2 D1)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Row, func, insert, or_, select, update

from engine.bpmn.execution.timers import moment_of
from engine.connectors.call import Call
from engine.connectors.outbox import tell
from engine.errors import Refused
from engine.identifiers import new_id
from engine.store.tables import card, event_log, person, process_instance, task

#: posts told of a red card
TOLD = ("TG", "TD")


def give(call: Call, inputs: Mapping[str, object]) -> dict[str, object]:
    """Find the ``card`` a limit has earned, or write the one given by hand to a ``step`` of a ``matter`` (receipt).

    By hand it goes to the ``person`` (id) named, else to who did the step, or has it; of a step that was skipped, to
    who did the one before. Returns ``{card, person}``.

    :raises Refused: ``no_such_matter``: this village has no such matter, or nobody has had a step in it;
        ``no_such_person``: the one named does not stand in the county's roll;
        ``card_given``: that person has a card of that colour for the step.
    """
    if inputs.get("card"):
        row = _card(call, str(inputs["card"]))
        return {"card": row.id, "person": row.person_id}
    done, step, level = _step_of(call, str(inputs["matter"]), str(inputs["step"])), str(inputs["step"]), inputs["level"]
    person_id = _named(call, inputs.get("person")) or done.completed_by or done.assignee_id
    known = select(card).where(card.c.task_id == done.id, card.c.level == level)
    row = call.connection.execute(known).one_or_none()
    task_id = done.id if row is None else _own_step(call, row, person_id)
    return {"card": _write(call, task_id, done, step, str(level), person_id), "person": person_id}


def count(call: Call, inputs: Mapping[str, object]) -> dict[str, object]:
    """Count the cards of the person who has this ``card``, itself included, without those that were voided.

    :returns: ``{yellow, red, matter}``: those of the last ``yellow_within`` and ``red_within`` (durations as ``P90D``),
        and the yellow ones of all steps of the same matter, whoever had them.
    """
    row = _card(call, str(inputs["card"]))
    mine = {
        level: _given(call, row, level, _ago(call.now, str(inputs[f"{level}_within"]))) for level in ("yellow", "red")
    }
    return mine | {"matter": _count(call, card.c.instance_id == row.instance_id, card.c.level == "yellow")}


def lift(call: Call, inputs: Mapping[str, object]) -> dict[str, object]:
    """Make a yellow ``card`` a red one: it is written beside it, and told to whom it concerns. Returns ``{card}``."""
    row = _card(call, str(inputs["card"]))
    known = call.connection.scalar(select(card.c.id).where(card.c.task_id == row.task_id, card.c.level == "red"))
    if known is not None:
        return {"card": known}
    red = _write(call, row.task_id, row, row.step, "red", row.person_id)
    superiors = (person_id for code in TOLD for person_id in call.post_holders(code))
    for person_id in dict.fromkeys(filter(None, (row.person_id, *superiors))):
        tell(
            call.connection,
            call.now,
            instance_id=row.instance_id,
            person_id=person_id,
            text=f"黄牌升为红牌：〈{row.step}〉",
            key=f"{call.key}:{person_id}",
        )
    return {"card": red}


def settle(call: Call, inputs: Mapping[str, object]) -> dict[str, object]:
    """Close a ``card``, and the red one it became, with an ``answer``.

    ``outcome`` is ``answered``, or ``voided`` where the cause was accepted. Returns ``{settled}``.
    """
    mine = or_(card.c.id == str(inputs["card"]), card.c.matter_id == call.matter.id)
    done = call.connection.execute(
        update(card)
        .where(mine, card.c.unit_id == call.matter.unit_id)
        .values(state=str(inputs["outcome"]), answer=str(inputs["answer"]), closed_at=call.now)
    )
    return {"settled": done.rowcount > 0}


def _card(call: Call, id: str) -> Row:
    row = call.connection.execute(
        select(card).where(card.c.id == id, card.c.unit_id == call.matter.unit_id)
    ).one_or_none()
    if row is None:
        raise Refused("no_such_card", "这个村没有这张牌", remedy="请核对牌的编号；当面亮牌的，编号空着")
    return row


def _own_step(call: Call, row: Row, person_id: str | None) -> str:
    """Return the task for a card of somebody else than who has the one ``row`` of that step and colour.

    A task holds one card of a colour: a second person's hangs on the last step he did himself.

    :raises Refused: ``card_given``: it would be the same person's again, or he has done no step.
    """
    carded = select(card.c.task_id).where(card.c.level == row.level)
    own = select(task.c.id).where(
        task.c.completed_by == person_id, task.c.unit_id == call.matter.unit_id, task.c.id.not_in(carded)
    )
    if person_id not in (None, row.person_id):
        found = call.connection.scalar(own.order_by(task.c.completed_at.desc(), task.c.id).limit(1))
        if found is not None:
            return found
    colour = {"yellow": "黄牌", "red": "红牌"}[row.level]
    receipt = call.connection.scalar(select(process_instance.c.receipt).where(process_instance.c.id == row.matter_id))
    where = f"说明和核定见回执号 {receipt}；" if receipt else ""
    raise Refused(
        "card_given",
        f"〈{row.step}〉已经亮过{colour}，一步一个人只亮一张",
        remedy=f"{where}还有别的事要亮牌的，写那一步，选那一个人",
    )


def _named(call: Call, person_id: object) -> str | None:
    if person_id in (None, ""):
        return None
    if call.connection.scalar(select(person.c.id).where(person.c.id == str(person_id))) is None:
        raise Refused("no_such_person", "名册上没有这个人", remedy="请在名册里选牌给谁")
    return str(person_id)


def _step_of(call: Call, receipt: str, step: str) -> Row:
    """Return the last task of that name in the matter, else its last task."""
    rows = call.connection.execute(
        select(task)
        .join(process_instance, process_instance.c.id == task.c.instance_id)
        .where(
            process_instance.c.receipt == "".join(receipt.split()).upper(),
            process_instance.c.unit_id == call.matter.unit_id,
        )
        .order_by(task.c.created_at.desc(), task.c.id)
    ).all()
    if not rows:
        raise Refused("no_such_matter", f"这个村没有回执号是 {receipt} 的事", remedy="请核对回执号，再亮牌")
    # Steps of one moment are told apart by the record.
    last = call.connection.scalar(
        select(event_log.c.element)
        .where(event_log.c.instance_id == rows[0].instance_id, event_log.c.kind == "completed")
        .order_by(event_log.c.number.desc())
        .limit(1)
    )
    named = (row for row in rows if row.step == step)
    return next(named, None) or next((row for row in rows if row.element == last), rows[0])


def _write(call: Call, task_id: str, about: Row, step: str, level: str, person_id: str | None) -> str:
    card_id = new_id()
    call.connection.execute(
        insert(card).values(
            id=card_id,
            instance_id=about.instance_id,
            task_id=task_id,
            unit_id=about.unit_id,
            element=about.element,
            step=step,
            level=level,
            person_id=person_id,
            at=call.now,
            state="open",
            matter_id=call.matter.id,
        )
    )
    return card_id


def _given(call: Call, row: Row, level: str, since: datetime) -> int:
    # A step that nobody had is nobody's repeated fault.
    whose = card.c.person_id == row.person_id if row.person_id else card.c.id == row.id
    return _count(call, whose, card.c.level == level, card.c.at > since)


def _count(call: Call, *conditions: ColumnElement[bool]) -> int:
    return call.connection.scalar(select(func.count()).where(*conditions, card.c.state != "voided"))


def _ago(now: datetime, duration: str) -> datetime:
    later: timedelta = moment_of(duration, now) - now
    return now - later
