"""The options of form fields whose source is a list of the county: the roll, legal bases, units."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, select

from engine.bpmn.forms.form import Field, Form
from engine.errors import InvalidForm
from engine.model import Activity, ProcessFacts
from engine.store.tables import org_unit, person
from engine.views import Choice


def of(
    connection: Connection,
    form: Form | None,
    unit_id: str,
    activity: Activity,
    facts: ProcessFacts,
    data: Mapping[str, object] | None = None,
) -> dict[str, tuple[Choice, ...]]:
    """Return field key → options, for the fields that have a source."""
    sources = {
        "person": lambda: _roll(connection, unit_id),
        "legalBasis": lambda: _bases(activity, facts),
        "unit": lambda: _units(connection),
    }
    fields = form.fields if form else ()
    found = {field.key: sources[field.source]() for field in fields if field.source in sources}
    return found | {field.key: _entitled(field, data or {}) for field in fields if field.rows is not None}


def check(options: Mapping[str, tuple[Choice, ...]], form: Form, values: Mapping[str, object]) -> None:
    """Check that what was chosen stands among the options.

    :raises InvalidForm: somebody sent a value that was never offered.
    """
    wrong = {}
    for field in form.fields:
        if field.rows is not None:
            continue
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


def _entitled(field: Field, data: Mapping[str, object]) -> tuple[Choice, ...]:
    """Return the persons a field has a row for: the list was frozen in an earlier step."""
    rows = field.rows.evaluate(data, {})
    return tuple(Choice(row["id"], _named(row["name"], row.get("group"))) for row in rows)


def _named(name: str, group: str | None) -> str:
    return f"{name}（{group}）" if group else name


def _roll(connection: Connection, unit_id: str) -> tuple[Choice, ...]:
    rows = connection.execute(
        select(person.c.id, person.c.name, person.c.group_name)
        .where(person.c.unit_id == unit_id)
        .order_by(person.c.group_name, person.c.name, person.c.id)
    )
    return tuple(Choice(row.id, _named(row.name, row.group_name)) for row in rows)


def _bases(activity: Activity, facts: ProcessFacts) -> tuple[Choice, ...]:
    texts = dict.fromkeys(str(basis) for basis in (*activity.legal_basis, *facts.legal_basis))
    return tuple(Choice(text, text) for text in texts)


def _units(connection: Connection) -> tuple[Choice, ...]:
    rows = connection.execute(select(org_unit.c.id, org_unit.c.name).order_by(org_unit.c.position, org_unit.c.id))
    return tuple(Choice(row.id, row.name) for row in rows)
