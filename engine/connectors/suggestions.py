"""suggestion.*: what stands in the village's 建议箱 is gathered once a month, and every entry gets an answer."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select, update

from engine.connectors.call import Call
from engine.store.tables import suggestion


def gather(call: Call, inputs: Mapping[str, object]) -> dict[str, object]:
    """Take every suggestion of this village that no collection has taken yet: ``{suggestions, count}``."""
    fresh = suggestion.c.state == "open", suggestion.c.unit_id == call.matter.unit_id
    own = suggestion.c.instance_id == call.matter.id
    call.connection.execute(update(suggestion).where(*fresh).values(state="gathered", instance_id=call.matter.id))
    rows = call.connection.execute(
        select(suggestion).where(own, suggestion.c.state == "gathered").order_by(suggestion.c.at, suggestion.c.id)
    ).all()
    listed = [{"id": row.id, "text": row.text, "group": row.group_name, "channel": row.channel} for row in rows]
    return {"suggestions": listed, "count": len(listed)}


def answer(call: Call, inputs: Mapping[str, object]) -> dict[str, object]:
    """Answer one ``suggestion``: its author reads ``kind`` and ``text``. Returns ``{answered}``."""
    done = call.connection.execute(
        update(suggestion)
        .where(suggestion.c.id == str(inputs["suggestion"]), suggestion.c.instance_id == call.matter.id)
        .values(state="answered", kind=str(inputs["kind"]), answer=str(inputs["text"]), answered_at=call.now)
    )
    return {"answered": done.rowcount == 1}
