"""notify.send: a message into the person's own pages; a channel outside is an outbox row, never a claim."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select

from engine.connectors.call import Call
from engine.connectors.outbox import tell
from engine.store.tables import notification


def send(call: Call, inputs: Mapping[str, object]) -> dict[str, object]:
    """Tell ``to`` (``applicant`` or ``role:<lane>``) the ``text``.

    Returns ``{notice_id, channel}``. Without a configured gateway the channel is ``pages``: the text stands in the
    person's own pages (the applicant's progress page) and nothing is said to have been delivered.
    """
    to = str(inputs["to"])
    receivers: tuple[str | None, ...] = (None,) if to == "applicant" else call.holders(to.removeprefix("role:"))
    for position, person_id in enumerate(receivers):
        tell(
            call.connection,
            call.now,
            instance_id=call.matter.id,
            person_id=person_id,
            text=str(inputs["text"]),
            key=f"{call.key}:{position}",
        )
    first = select(notification.c.id).where(notification.c.call_key == f"{call.key}:0")
    return {"notice_id": call.connection.scalar(first) or "", "channel": "pages"}
