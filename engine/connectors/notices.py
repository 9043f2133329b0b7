"""notice.*: put masked facts on show, count the days, take them back, and see to the objections against them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

from sqlalchemy import insert, select, update

from engine.clock import end_of, local_date
from engine.connectors.call import Call
from engine.errors import Refused
from engine.identifiers import new_id
from engine.masking import has_personal_number
from engine.store.tables import notice, objection
from engine.workdays import add_workdays

#: the board on the wall: everybody can read it, whatever telephone he has
WALL = "wall"
#: state of a notice that only tells how far things are
TOLD = "told"


def last_day(posted: date, days: int) -> date:
    """Return the last day of a notice: counted from the day after posting; a rest day extends it (DOMAIN, N7)."""
    return add_workdays(posted + timedelta(days=days), 0)


def publish(call: Call, inputs: Mapping[str, object]) -> dict[str, object]:
    """Put ``title`` and ``text`` on show for ``days`` days on ``channels``; an earlier one of the matter is replaced.

    With ``objections`` false it only tells how far things are: nobody waits for objections to it, it stands beside the
    others, and the pages alone may be its channel. Returns ``{notice_id, ends_on, ends_at}``.

    :raises Refused: ``personal_data``: a number of a person stands in it; ``channels``: too few of them.
    """
    known = call.connection.execute(select(notice).where(notice.c.call_key == call.key)).one_or_none()
    if known is not None:
        return _answer(known.id, known.ends_on)
    text, channels = str(inputs["text"]), list(inputs.get("channels") or [])
    if has_personal_number(f"{inputs['title']}\n{text}"):
        remedy = "请删去身份证号、电话号码和银行卡号，再公示"
        raise Refused("personal_data", "公示的内容里有个人的号码", remedy=remedy)
    takes_objections = inputs.get("objections") is not False
    least = int(call.param("notice.channels_min"))
    if takes_objections and (WALL not in channels or len(set(channels)) < least):
        raise Refused("channels", f"公示要用到 {least} 种以上的渠道，其中要有公示栏", remedy="请补上渠道再公示")
    posted = local_date(call.now)
    ends_on = last_day(posted, int(inputs["days"]))
    if takes_objections:
        call.connection.execute(
            update(notice)
            .where(notice.c.instance_id == call.matter.id, notice.c.state == "shown")
            .values(state="replaced", closed_at=call.now)
        )
    notice_id = new_id()
    call.connection.execute(
        insert(notice).values(
            id=notice_id,
            instance_id=call.matter.id,
            unit_id=call.matter.unit_id,
            title=str(inputs["title"]),
            text=text,
            channels=channels,
            posted_on=posted,
            ends_on=ends_on,
            state="shown" if takes_objections else TOLD,
            reason="",
            call_key=call.key,
            posted_at=call.now,
        )
    )
    return _answer(notice_id, ends_on)


def _answer(notice_id: str, ends_on: date) -> dict[str, object]:
    return {"notice_id": notice_id, "ends_on": ends_on.isoformat(), "ends_at": end_of(ends_on).isoformat()}


def withdraw(call: Call, inputs: Mapping[str, object]) -> dict[str, object]:
    """Take a ``notice`` back with its ``reason``: what it announced does not hold. Returns ``{notice_id}``.

    Objections to it that nobody has come to are closed with ``answer``, or with the reason: none stays unanswered.
    """
    call.connection.execute(
        update(objection)
        .where(
            objection.c.notice_id == str(inputs["notice"]),
            objection.c.instance_id == call.matter.id,
            objection.c.state == "open",
        )
        .values(
            state="answered",
            outcome="answered",
            answer=str(inputs.get("answer") or inputs["reason"]),
            answered_at=call.now,
        )
    )
    return _close(call, inputs, "withdrawn", str(inputs["reason"]))


def close(call: Call, inputs: Mapping[str, object]) -> dict[str, object]:
    """Note that a ``notice`` has ended without an objection that was upheld. Returns ``{notice_id}``."""
    return _close(call, inputs, "ended", "")


def _close(call: Call, inputs: Mapping[str, object], state: str, reason: str) -> dict[str, object]:
    notice_id = str(inputs["notice"])
    call.connection.execute(
        update(notice)
        .where(notice.c.id == notice_id, notice.c.instance_id == call.matter.id)
        .values(state=state, reason=reason[:500], closed_at=call.now)
    )
    return {"notice_id": notice_id}


def next_objection(call: Call, inputs: Mapping[str, object]) -> dict[str, object]:
    """Return the oldest objection to a ``notice`` that nobody has answered: ``{found, id, text}``."""
    row = call.connection.execute(
        select(objection)
        .where(objection.c.notice_id == str(inputs["notice"]), objection.c.state == "open")
        .order_by(objection.c.at, objection.c.id)
        .limit(1)
    ).one_or_none()
    if row is None:
        return {"found": False, "id": None, "text": None}
    return {"found": True, "id": row.id, "text": row.text}


def answer_objection(call: Call, inputs: Mapping[str, object]) -> dict[str, object]:
    """Close an ``objection`` with its written ``answer`` and ``outcome``. Returns ``{outcome}``."""
    outcome = str(inputs["outcome"])
    call.connection.execute(
        update(objection)
        .where(objection.c.id == str(inputs["objection"]), objection.c.instance_id == call.matter.id)
        .values(state="answered", outcome=outcome, answer=str(inputs["answer"]), answered_at=call.now)
    )
    return {"outcome": outcome}
