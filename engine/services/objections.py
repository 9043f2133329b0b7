"""The objection a step is about, laid beside it for whoever has the step; who raised it, only where that is checked."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, select

from engine.bpmn.forms.form import Form
from engine.errors import NotFound
from engine.model import Activity
from engine.services.course import facts_of
from engine.services.deployed import Deployed
from engine.store.tables import objection
from engine.views import Summary

#: the message that an objection is to the matter
MESSAGE = "objection"
#: property of a form field: what of the objection lies beside it; ``objector`` is what was said and who said it
PROPERTY, TEXT, OBJECTOR = "shows", "objection", "objector"
#: data key under which the diagram keeps which objection is dealt with
KEY = "objection_id"


def form_and_activity(deployed: Deployed) -> tuple[Form, Activity]:
    """Return the form in which an objection is raised and the event that takes it; NotFound where none is taken."""
    for process in deployed.facts.processes:
        for activity in process.activities:
            form = deployed.form_of(activity) if activity.message == MESSAGE else None
            if form is not None:
                return form, activity
    raise NotFound("异议表单", deployed.facts.id)


def beside(
    connection: Connection, deployed: Deployed, form: Form | None, known: Mapping[str, object]
) -> tuple[Summary, ...]:
    """Return the objection that a form lets its step see; nothing where it asks for none."""
    shown = {field.properties.get(PROPERTY) for field in form.fields} & {TEXT, OBJECTOR} if form else ()
    row = connection.execute(select(objection).where(objection.c.id == known.get(KEY))).one_or_none() if shown else None
    if row is None:
        return ()
    asked, activity = form_and_activity(deployed)
    facts = facts_of(asked, row._mapping, {}, unmasked=True)
    seen = facts if OBJECTOR in shown else tuple(fact for fact in facts if not fact.personal)
    return (Summary(activity.name, "异议人", row.at, seen),)
