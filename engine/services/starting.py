"""A matter's first row and first run, whoever or whatever opens it."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Row, insert, update

from engine.bpmn.workflow import Workflow
from engine.identifiers import new_id, new_receipt
from engine.model import Activity
from engine.services import matters
from engine.services.deployed import Deployed
from engine.services.environment import Environment
from engine.services.permission import Directory
from engine.services.reconcile import Matter
from engine.services.unit_of_work import Transaction
from engine.store.tables import process_instance


def insert_row(transaction: Transaction, definition_id: str, definition: Deployed, unit_id: str, **more: object) -> Row:
    """Insert the row of a new matter; ``more`` are further columns. It is found by its own receipt unless they say."""
    promise, receipt = definition.facts.promise, new_receipt()
    values = {
        "id": new_id(),
        "receipt": receipt,
        "business_key": receipt,
        "definition_id": definition_id,
        "item_id": definition.facts.id,
        "unit_id": unit_id,
        "relatives": [],
        "state": "open",
        "started_at": transaction.now,
        "promise": promise.value if promise else None,
        "promise_unit": promise.unit if promise else "wd",
        "last_acted_at": transaction.now,
        **more,
    }
    return transaction.connection.execute(insert(process_instance).values(**values).returning(process_instance)).one()


def begin(
    transaction: Transaction, row: Row, definition: Deployed, directory: Directory, data: Mapping[str, object]
) -> Matter:
    """Name a matter by its data and run it to its first wait; what it has become is still to be written down."""
    functions = Environment(transaction, row, definition, directory).functions
    values = matters.applicant_of(definition, data)
    values["subject"] = str(definition.subject(data, functions))
    named = update(process_instance).where(process_instance.c.id == row.id).values(**values)
    row = transaction.connection.execute(named.returning(process_instance)).one()
    environment = Environment(transaction, row, definition, directory)
    workflow = Workflow.start(definition.definition, data, environment)
    return Matter(row, definition, workflow, environment, directory, revision=0)


def start_event(definition: Deployed) -> Activity:
    """Return the start event of an item."""
    return next(activity for activity in definition.facts.activities if activity.kind == "startEvent")


def blank(definition: Deployed) -> dict[str, object]:
    """Return the data of a start form nobody has filled in: every field is there and null."""
    data: dict[str, object] = {}
    for field in definition.start_form.fields if definition.start_form else ():
        *path, last = field.key.split(".")
        inner = data
        for part in path:
            inner = inner.setdefault(part, {})
        inner[last] = None
    return data
