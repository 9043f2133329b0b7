"""Reading one task page: what is decided, on what papers, by whom, and whether this person may."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, Row, select

from engine.bpmn.expressions import ExpressionError, resolve
from engine.bpmn.forms.form import Field, Form
from engine.clock import local_date
from engine.errors import NotAllowed, NotFound
from engine.model import Activity
from engine.services import ballots, choices, course, given, inbox, matters, objections
from engine.services.course import Course
from engine.services.permission import Bars, acts_for
from engine.services.reconcile import Matter
from engine.services.repository import Repository
from engine.services.unit_of_work import Transaction
from engine.store.tables import draft, person, task
from engine.views import Ballot, Choice, TaskView

attachment_view = course.attachment_view


def read(
    transaction: Transaction,
    repository: Repository,
    task_id: str,
    by: str,
    typed: Mapping[str, Sequence[str]] | None = None,
) -> TaskView:
    """Return a task page; ``blocked`` says why the viewer may not act.

    :param typed: what stands in the form on his screen, for figures that are reckoned while he fills it in.
    :raises NotFound: no such task, or the viewer has no post around its unit and no part in it.
    """
    connection = transaction.connection
    row = connection.execute(
        inbox.card_columns()
        .add_columns(draft.c.at.label("draft_at"), draft.c.data.label("draft"))
        .outerjoin(draft, (draft.c.task_id == task.c.id) & (draft.c.person_id == by))
        .where(task.c.id == task_id)
    ).one_or_none()
    if row is None:
        raise NotFound("待办", task_id)
    matter = matters.load(transaction, repository, row.instance_id)
    story = Course.read(connection, matter.definition, matter.row, matter.directory, transaction.now)
    took_part = story.has_part(connection, by)
    if not (matter.directory.sees_matters(by) or took_part):
        raise NotFound("待办", task_id)
    activity = matter.definition.facts.activity(row.element)
    bars = matter.bars(transaction)
    steps = story.steps(automatic=False)
    number, count = story.position(steps)
    form = matter.definition.form_of(activity)
    known = matter.workflow.task_data(row.id) if row.state == "open" else {}
    blocked = _blocked(matter, bars, row, activity, by)
    sees_papers = took_part or matter.directory.sees_papers(by)
    brought, _ = course.papers(connection, matter.id, matter.directory.lists) if sees_papers else ((), ())
    answered = given.about(connection, [row.instance_id] if row.item_id == given.PROCEDURE else [])
    named = bool(row.unmanned) and by in matter.directory.holders("TG")
    return TaskView(
        card=inbox.card(row, transaction.now, about=answered.get(row.instance_id)),
        activity=activity,
        form=form,
        # Who may only look gets no roll to choose from and nothing that was filled in.
        values={} if blocked else _values(form, row, known),
        choices={} if blocked else choices.of(connection, form, row.unit_id, activity, matter.definition.facts, known),
        summaries=(
            *course.summaries(connection, story, unmasked=not blocked),
            *(() if blocked else objections.beside(connection, matter.definition, form, known)),
        ),
        attachments=brought,
        steps=steps,
        step_number=number,
        step_count=count,
        blocked=blocked,
        claimable=row.assignee_id is None and not row.unmanned and not blocked,
        delegates=_delegate_choices(connection, matter, activity, bars, named, by, blocked),
        revision=matter.revision,
        comments=course.comments(connection, matter.id),
        earliest_on=local_date(matter.row.last_acted_at),
        ballot=None if blocked else _ballot(matter, form, known, row.draft if typed is None else typed),
        next_step=matter.definition.next_step(activity.id),
        sees_matters=matter.directory.sees_matters(by),
    )


def _ballot(
    matter: Matter, form: Form | None, known: Mapping[str, object], typed: Mapping[str, Sequence[str]] | None
) -> Ballot | None:
    return ballots.of(form, matter.definition.definition.tables, known, typed or {}, matter.environment.functions)


def _blocked(matter: Matter, bars: Bars, row: Row, activity: Activity, by: str) -> str:
    if row.state != "open":
        return "这一步已经办过了"
    try:
        acts_for(matter.directory, bars, row, activity, by)
    except NotAllowed as refused:
        return refused.reason
    return ""


def _values(form: Form | None, row: Row, known: Mapping[str, object]) -> dict[str, object]:
    """The draft as typed; else what the matter already knows under the same name; else the form's default."""
    if form is None:
        return {}
    if row.draft:
        fields = {field.key: field for field in form.fields}
        return {key: values if _is_many(fields.get(key)) else (values or [""])[0] for key, values in row.draft.items()}
    values = {}
    for field in form.fields:
        value = course.value_at(known, field.key)
        if value is not None and field.type != "filepicker" and not _is_decision(field):
            values[field.key] = value
        elif field.default is not None:
            values[field.key] = _default(field, known)
    return values


def _default(field: Field, known: Mapping[str, object]) -> object:
    """Return a field's default; one that is calculated from what is not there yet is none."""
    try:
        return resolve(field.default, known, {}) if isinstance(field.default, str) else field.default
    except ExpressionError:
        return None


def _is_decision(field) -> bool:
    """A decision is taken anew each time the step comes round."""
    return field.type == "radio"


def _is_many(field) -> bool:
    return field is not None and (
        field.rows is not None or field.type in ("checklist", "filepicker") or bool(field.properties.get("multiple"))
    )


def role_of(matter: Matter, activity: Activity, person_id: str) -> str:
    """Return the post in which a delegate takes a step over: the lane's own or the next of its succession."""
    role = matter.directory.role_of_lane(activity.lane)
    return next(code for code in (role.code, *role.succession) if person_id in matter.directory.holders(code))


def delegates(connection: Connection, matter: Matter, activity: Activity, bars: Bars, named: bool) -> tuple[str, ...]:
    """Return who may take a task over: holders of the post and its successors.

    With ``named`` (the township appoints for this one task) anybody on the village's roll whom nothing bars.
    """
    role = matter.directory.role_of_lane(activity.lane)
    codes = (role.code, *role.succession) if role else ()
    people = [person_id for code in codes for person_id in matter.directory.holders(code)]
    if named:
        people += connection.scalars(
            select(person.c.id).where(person.c.unit_id == matter.row.unit_id).order_by(person.c.name, person.c.id)
        )
    return tuple(each for each in dict.fromkeys(people) if not bars.reason(each, activity))


def _delegate_choices(connection, matter, activity, bars, named, by, blocked) -> tuple[Choice, ...]:
    if blocked and not named:
        return ()
    people = [each for each in delegates(connection, matter, activity, bars, named) if each != by]
    if not people:
        return ()
    names = dict(connection.execute(select(person.c.id, person.c.name).where(person.c.id.in_(people))).all())
    return tuple(Choice(each, f"{matter.directory.post_of(each)} {names[each]}".strip()) for each in people)
