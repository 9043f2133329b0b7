"""The options of form fields whose source is a list of the county: the roll, legal bases, units."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, select

from engine.bpmn.form import Form
from engine.errors import InvalidForm
from engine.model import Activity, ProcessFacts
from engine.store.tables import org_unit, person
from engine.views import Choice


def of(
    connection: Connection, form: Form | None, unit_id: str, activity: Activity, facts: ProcessFacts
) -> dict[str, tuple[Choice, ...]]:
    """Return field key → options, for the fields that have a source."""
    sources = {
        "person": lambda: _roll(connection, unit_id),
        "legalBasis": lambda: _bases(activity, facts),
        "unit": lambda: _units(connection),
    }
    return {field.key: sources[field.source]() for field in (form.fields if form else ()) if field.source in sources}


def check(options: Mapping[str, tuple[Choice, ...]], form: Form, values: Mapping[str, object]) -> None:
    """Check that what was chosen stands among the options.

    :raises InvalidForm: somebody sent a value that was never offered.
    """
    wrong = {}
    for field in form.fields:
        chosen = _value(values, field.key)
        given = set(chosen) if isinstance(chosen, list) else {chosen} - {None}
        if field.key in options and given - {choice.value for choice in options[field.key]}:
            wrong[field.key] = f"请从“{field.label}”的选项里选"
    if wrong:
        raise InvalidForm(wrong)


def _value(values: object, key: str) -> object:
    for part in key.split("."):
        values = values.get(part) if isinstance(values, Mapping) else None
    return values


def _roll(connection: Connection, unit_id: str) -> tuple[Choice, ...]:
    rows = connection.execute(
        select(person.c.id, person.c.name, person.c.group_name)
        .where(person.c.unit_id == unit_id)
        .order_by(person.c.group_name, person.c.name, person.c.id)
    )
    return tuple(Choice(row.id, f"{row.name}（{row.group_name}）" if row.group_name else row.name) for row in rows)


def _bases(activity: Activity, facts: ProcessFacts) -> tuple[Choice, ...]:
    texts = dict.fromkeys(str(basis) for basis in (*activity.legal_basis, *facts.legal_basis))
    return tuple(Choice(text, text) for text in texts)


def _units(connection: Connection) -> tuple[Choice, ...]:
    rows = connection.execute(select(org_unit.c.id, org_unit.c.name).order_by(org_unit.c.position, org_unit.c.id))
    return tuple(Choice(row.id, row.name) for row in rows)
