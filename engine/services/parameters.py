"""Reading parameters: the township's value before the county's, as in force on a day (FORMATS §4)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from sqlalchemy import Connection, select

from engine.errors import NotFound
from engine.services.kept import kept, version
from engine.store.tables import org_unit, parameter


def values(connection: Connection, unit_id: str | None, on: date) -> dict[str, object]:
    """Return every parameter in force for a unit on a day."""
    chain = _chain(connection, unit_id)
    rows = connection.execute(
        select(parameter.c.key, parameter.c.org_unit, parameter.c.value)
        .where(parameter.c.effective_on <= on, parameter.c.org_unit.in_(["", *chain]))
        .order_by(parameter.c.effective_on)
    ).all()
    # Later rows replace earlier ones; nearer units replace wider ones.
    rank = {"": -1, **{unit: depth for depth, unit in enumerate(reversed(chain))}}
    return {row.key: row.value for row in sorted(rows, key=lambda row: rank[row.org_unit])}


def reader(connection: Connection, unit_id: str | None, on: date, lists: str | None = None) -> Callable[[str], object]:
    """Return ``param(name)`` for expressions; an unknown name raises NotFound."""

    def param(key: str) -> object:
        as_of = lists or version(connection)
        known = kept(as_of, "parameters", unit_id, on, read=lambda: values(connection, unit_id, on))
        if key not in known:
            raise NotFound("参数", key)
        return known[key]

    return param


def _chain(connection: Connection, unit_id: str | None) -> list[str]:
    """Return the unit and those above it, nearest first."""
    chain: list[str] = []
    while unit_id:
        chain.append(unit_id)
        unit_id = connection.scalar(select(org_unit.c.parent_id).where(org_unit.c.id == unit_id))
    return chain
