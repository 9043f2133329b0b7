"""notify.send: a message into the person's own pages; a channel outside is an outbox row, never a claim."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import insert, select

from engine.connectors.call import Call
from engine.identifiers import new_id
from engine.store.tables import notification


def send(call: Call, inputs: Mapping[str, object]) -> dict[str, object]:
    """Tell ``to`` (``applicant`` or ``role:<lane>``) the ``text``.

    Returns ``{notice_id, channel}``. Without a configured gateway the channel is ``pages``: the text stands in the
    person's own pages (the applicant's progress page) and nothing is said to have been delivered.
    """
    to = str(inputs["to"])
    receivers: tuple[str | None, ...] = (None,) if to == "applicant" else call.holders(to.removeprefix("role:"))
    notice_id = ""
    for position, person_id in enumerate(receivers):
        key = f"{call.key}:{position}"
        known = call.connection.scalar(select(notification.c.id).where(notification.c.call_key == key))
        notice_id = notice_id or known or ""
        if known:
            continue
        row_id = new_id()
        notice_id = notice_id or row_id
        call.connection.execute(
            insert(notification).values(
                id=row_id,
                instance_id=call.matter.id,
                person_id=person_id,
                text=str(inputs["text"]),
                channel="pages",
                at=call.now,
                call_key=key,
            )
        )
    return {"notice_id": notice_id, "channel": "pages"}
