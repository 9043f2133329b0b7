"""card.settle: what became of a yellow or red card after it was answered."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import update

from engine.connectors.call import Call
from engine.store.tables import card


def settle(call: Call, inputs: Mapping[str, object]) -> dict[str, object]:
    """Close a ``card`` with an ``answer``: ``answered``, or ``voided`` where the cause was accepted: ``{settled}``."""
    done = call.connection.execute(
        update(card)
        .where(card.c.id == str(inputs["card"]), card.c.unit_id == call.matter.unit_id)
        .values(state=str(inputs["outcome"]), answer=str(inputs["answer"]), closed_at=call.now)
    )
    return {"settled": done.rowcount == 1}
