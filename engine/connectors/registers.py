"""register.enter, register.find: ledgers that only grow, with a serial per unit and year."""

from __future__ import annotations

from collections.abc import Mapping

import jsonschema
from sqlalchemy import func, insert, select

from engine.clock import local_date
from engine.connectors.call import Call
from engine.errors import Refused
from engine.identifiers import new_id
from engine.store.event_log import entry_digest, new_salt
from engine.store.tables import register, register_entry

_Validator = jsonschema.Draft202012Validator


def enter(call: Call, inputs: Mapping[str, object]) -> dict[str, object]:
    """Write one entry into ``register``; every other input is a field of it.

    Returns ``{serial, entry_id}``. The entry must fit the register's JSON Schema.

    :raises Refused: ``entry_invalid``, naming the field.
    """
    code = str(inputs["register"])
    written = call.connection.execute(select(register_entry).where(register_entry.c.call_key == call.key)).one_or_none()
    if written is not None:
        return {"serial": serial_text(written.year, written.number), "entry_id": written.id}
    schema = _schema(call, code)
    entry = _hands(call, schema) | {
        key: value for key, value in inputs.items() if key not in ("register", "corrects") and value is not None
    }
    _check(schema, entry)
    if inputs.get("corrects"):
        _check_correctable(call, code, str(inputs["corrects"]))
    year = local_date(call.now).year
    number = _next_number(call, code, year)
    entry_id, salt = new_id(), new_salt()
    call.connection.execute(
        insert(register_entry).values(
            id=entry_id,
            register=code,
            unit_id=call.matter.unit_id,
            year=year,
            number=number,
            data=entry,
            salt=salt,
            instance_id=call.matter.id,
            call_key=call.key,
            corrects=inputs.get("corrects"),
            entered_at=call.now,
        )
    )
    call.log("entered", {"register": code, "entry": entry_id}, entry_digest(salt, year, number, entry))
    return {"serial": serial_text(year, number), "entry_id": entry_id}


def _schema(call: Call, code: str) -> Mapping[str, object]:
    schema = call.connection.scalar(select(register.c.definition).where(register.c.code == code))
    if schema is None:
        raise Refused("register_unknown", f"没有〈{code}〉这本台账", remedy="请流程设计员核对台账代码")
    return schema


def _hands(call: Call, schema: Mapping) -> dict[str, object]:
    """Return who did which step, for the fields marked ``x-completed-by``: nobody types his own name."""
    steps = {key: field["x-completed-by"] for key, field in schema["properties"].items() if "x-completed-by" in field}
    return {key: who for key, step in steps.items() if (who := call.completed_by(step))}


def _check(schema: Mapping[str, object], entry: Mapping[str, object]) -> None:
    try:
        jsonschema.validate(entry, schema, cls=_Validator, format_checker=_Validator.FORMAT_CHECKER)
    except jsonschema.ValidationError as error:
        field = ".".join(map(str, error.absolute_path)) or str(schema.get("title", ""))
        raise Refused("entry_invalid", f"台账内容不合要求：{field}", remedy="请核对这一步填写的内容") from error


def _check_correctable(call: Call, code: str, entry_id: str) -> None:
    """Only an entry of the same ledger of the same village can be corrected, and only once."""
    own = select(register_entry.c.id).where(
        register_entry.c.id == entry_id,
        register_entry.c.register == code,
        register_entry.c.unit_id == call.matter.unit_id,
    )
    again = select(register_entry.c.id).where(register_entry.c.corrects == entry_id)
    if call.connection.scalar(own) is None or call.connection.scalar(again) is not None:
        raise Refused("entry_invalid", "要更正的这一条不在本村台账里，或者已经更正过", remedy="请核对要更正的编号")


def _next_number(call: Call, code: str, year: int) -> int:
    last = call.connection.scalar(
        select(func.max(register_entry.c.number)).where(
            register_entry.c.register == code,
            register_entry.c.unit_id == call.matter.unit_id,
            register_entry.c.year == year,
        )
    )
    return (last or 0) + 1


def find(call: Call, inputs: Mapping[str, object]) -> dict[str, object]:
    """Find the newest entry of this unit whose ``field`` equals ``value``; a corrected entry no longer counts.

    Returns ``{found, entry}``; ``entry`` is None when nothing was found or no value was given.
    """
    value = inputs.get("value")
    if value in (None, ""):
        return {"found": False, "entry": None}
    corrected = select(register_entry.c.corrects).where(register_entry.c.corrects.is_not(None))
    rows = call.connection.execute(
        select(register_entry)
        .where(
            register_entry.c.register == str(inputs["register"]),
            register_entry.c.unit_id == call.matter.unit_id,
            register_entry.c.data[str(inputs["field"])].as_string() == str(value).strip(),
            register_entry.c.id.not_in(corrected),
        )
        .order_by(register_entry.c.entered_at.desc())
        .limit(1)
    )
    row = rows.one_or_none()
    if row is None:
        return {"found": False, "entry": None}
    return {"found": True, "entry": {**row.data, "serial": serial_text(row.year, row.number)}}


def serial_text(year: int, number: int) -> str:
    """Return a serial as it is written: 2026-0417."""
    return f"{year}-{number:04d}"
