"""Reading ledgers (台账)."""

from __future__ import annotations

from datetime import date

from sqlalchemy import select

from engine.connectors.registers import serial_text
from engine.errors import NotFound
from engine.masking import mask_text
from engine.services.permission import own_units, unit_of, units_of
from engine.services.unit_of_work import UnitOfWork
from engine.store.tables import org_unit, process_instance, register, register_entry
from engine.views import Fact, Register, RegisterEntry

PAGE = 500


class Registers:
    """Readers; entries are written by ``register.enter`` only."""

    def __init__(self, unit_of_work: UnitOfWork) -> None:
        self._work = unit_of_work

    def list(self, *, by: str) -> tuple[tuple[str, str], ...]:
        """Return (code, title) of the ledgers for somebody with a post over a village."""
        with self._work.read() as connection:
            if not units_of(connection, by, self._work.clock.today()):
                return ()
            rows = connection.execute(select(register).order_by(register.c.code))
            return tuple((row.code, str(row.definition.get("title", row.code))) for row in rows)

    def entries(self, code: str, *, by: str, unit_id: str | None = None) -> Register:
        """Return a ledger's entries, newest first; values marked ``x-personal`` are masked outside the village."""
        with self._work.read() as connection:
            definition = connection.scalar(select(register.c.definition).where(register.c.code == code))
            units = units_of(connection, by, self._work.clock.today())
            if definition is None or not units:
                raise NotFound("台账", code)
            wanted = units if unit_id is None else [each for each in units if each == unit_id]
            rows = connection.execute(
                select(register_entry, org_unit, process_instance.c.receipt)
                .join(org_unit, org_unit.c.id == register_entry.c.unit_id)
                .outerjoin(process_instance, process_instance.c.id == register_entry.c.instance_id)
                .where(register_entry.c.register == code, register_entry.c.unit_id.in_(wanted))
                .order_by(register_entry.c.entered_at.desc(), register_entry.c.number.desc())
                .limit(PAGE)
            )
            fields = definition.get("properties", {})
            own = own_units(connection, by, self._work.clock.today())
            return Register(
                code,
                str(definition.get("title", code)),
                tuple(str(field.get("title", key)) for key, field in fields.items()),
                tuple(_entry(row, definition, unmasked=row.unit_id in own) for row in rows),
            )


def _entry(row, definition: dict, *, unmasked: bool) -> RegisterEntry:
    mapping = row._mapping
    data = mapping[register_entry.c.data]
    personal = set(definition.get("x-personal", ()))
    facts = []
    for key, field in definition.get("properties", {}).items():
        text = _text(data.get(key), field)
        if key in personal and not unmasked:
            text = mask_text(text, (text,))
        facts.append(Fact(str(field.get("title", key)), text, key in personal))
    return RegisterEntry(
        mapping[register_entry.c.id],
        serial_text(row.year, row.number),
        unit_of(mapping),
        row.entered_at,
        row.receipt or "",
        tuple(facts),
        row.corrects or "",
    )


def _text(value: object, field: dict) -> str:
    """Return a value of an entry as people read it."""
    if value is None:
        return ""
    if isinstance(value, list):
        return f"{len(value)} 份"
    if field.get("x-unit") == "fen":
        return f"{int(value) / 100:,.2f} 元"
    if field.get("format") == "date":
        on = date.fromisoformat(str(value))
        return f"{on.year}年{on.month}月{on.day}日"
    labels = {each["const"]: each.get("title", each["const"]) for each in field.get("oneOf", ()) if "const" in each}
    return str(labels.get(value, value))
