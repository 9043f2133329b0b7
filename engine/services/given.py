"""Reading the cards that were given: what the procedure of one is about, and which ones a matter has."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, Row, Select, select

from engine.store.tables import card, process_definition, process_instance
from engine.views import GivenCard

#: the item in which a card is answered
PROCEDURE = "card"
#: the field of its opening in which the system notes which card it is
CARD_KEY = "card"

_PROCEDURE = process_instance.alias("procedure")


def about(connection: Connection, procedures: Collection[str]) -> dict[str, GivenCard]:
    """Return for each procedure (id of its matter) the card it answers; of several the gravest, which came last."""
    if not procedures:
        return {}
    rows = connection.execute(_cards().where(card.c.matter_id.in_(procedures)))
    return {row.matter_id: _card(row) for row in rows}


def of(connection: Connection, matter_id: str) -> tuple[GivenCard, ...]:
    """Return the cards of a matter, oldest first; a mere warning is none."""
    return tuple(_card(row) for row in connection.execute(_cards().where(card.c.instance_id == matter_id)))


def _cards() -> Select:
    return (
        select(
            card.c.level,
            card.c.step,
            card.c.at,
            card.c.state,
            card.c.matter_id,
            process_instance.c.receipt,
            process_instance.c.subject,
            process_definition.c.name.label("item_name"),
            _PROCEDURE.c.receipt.label("answered_in"),
        )
        .join(process_instance, process_instance.c.id == card.c.instance_id)
        .join(process_definition, process_definition.c.id == process_instance.c.definition_id)
        .outerjoin(_PROCEDURE, _PROCEDURE.c.id == card.c.matter_id)
        .where(card.c.level != "warn")
        .order_by(card.c.at, card.c.level.desc(), card.c.id)
    )


def _card(row: Row) -> GivenCard:
    return GivenCard(
        row.level, row.step, row.item_name, row.subject, row.receipt, row.at, row.state, row.answered_in or ""
    )
