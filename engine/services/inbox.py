"""Reading an inbox: what waits for a person, by urgency."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from sqlalchemy import (
    CompoundSelect,
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    false,
    func,
    literal,
    literal_column,
    select,
    union,
    union_all,
)

from engine.clock import local_date, start_of
from engine.services import given, limits
from engine.services.permission import in_force, taken_part, unit_of
from engine.store.membership import among
from engine.store.tables import (
    appointment,
    draft,
    event_log,
    notification,
    org_unit,
    person,
    process_definition,
    process_instance,
    substitution,
    task,
)
from engine.views import GivenCard, Inbox, TaskCard

#: more than anybody can do; the rest follows when these are done
INBOX_LIMIT = 200

HOLDER = person.alias("holder")


def read(connection: Connection, person_id: str, now: datetime) -> Inbox:
    """Return the inbox of a person with everything counted."""
    asked = {"person": person_id, "today": local_date(now), "since": start_of(local_date(now))}
    rows = connection.execute(_CARDS, asked).all()
    answered = given.about(connection, {row.instance_id for row in rows if row.item_id == given.PROCEDURE})
    mine: list[TaskCard] = []
    claimable: list[TaskCard] = []
    unmanned: list[TaskCard] = []
    for row in rows:
        kind = mine if row.assignee_id else unmanned if row.unmanned else claimable
        absent = row.assignee if row.assignee_id not in (None, person_id) else ""
        kind.append(card(row, now, on_behalf_of=absent, about=answered.get(row.instance_id)))
    overdue = [each for each in mine if each.clock.state in ("yellow", "red")]
    rest = [each for each in mine if each.clock.state not in ("yellow", "red")]
    counts = rows[0] if rows else connection.execute(select(*_COUNTS), asked).one()
    return Inbox(
        tuple(overdue),
        tuple(each for each in rest if _is_due_on(each, asked["today"])),
        tuple(each for each in rest if not _is_due_on(each, asked["today"])),
        tuple(claimable),
        tuple(unmanned),
        counts.handed_on,
        counts.diary_today,
        counts.unread,
    )


def card_columns() -> Select:
    """Return the select of everything a task card shows, before its conditions."""
    return (
        select(
            task,
            process_instance.c.receipt,
            process_instance.c.item_id,
            process_instance.c.subject,
            process_instance.c.applicant_name,
            process_definition.c.code.label("item_code"),
            process_definition.c.name.label("item_name"),
            HOLDER.c.name.label("assignee"),
            org_unit,
        )
        .join(process_instance, process_instance.c.id == task.c.instance_id)
        .join(process_definition, process_definition.c.id == process_instance.c.definition_id)
        .join(org_unit, org_unit.c.id == task.c.unit_id)
        .outerjoin(HOLDER, HOLDER.c.id == task.c.assignee_id)
    )


def card(
    row: Row,
    now: datetime,
    *,
    on_behalf_of: str = "",
    draft_at: datetime | None = None,
    about: GivenCard | None = None,
) -> TaskCard:
    """Return a row of :func:`card_columns` as a card."""
    mapping = row._mapping
    return TaskCard(
        id=mapping[task.c.id],
        element=row.element,
        step=row.step,
        item_code=row.item_code,
        item_name=row.item_name,
        receipt=row.receipt,
        subject=row.subject,
        applicant=row.applicant_name,
        unit=unit_of(mapping),
        lane=row.lane,
        clock=limits.of(row, now),
        created_at=row.created_at,
        handed_by=row.handed_by,
        draft_at=mapping.get("draft_at", draft_at),
        assignee=row.assignee or "",
        on_behalf_of=on_behalf_of,
        about=about,
    )


def _is_due_on(each: TaskCard, today: date) -> bool:
    due = each.clock.due_at
    return due is not None and local_date(due - timedelta(seconds=1)) <= today


def _posts(depth: int) -> Select:
    """Return (role, unit) of a person's posts and the units so many levels below them."""
    units = [org_unit.alias() for _ in range(depth)]
    unit_id = units[-1].c.id if units else appointment.c.unit_id
    posts = select(appointment.c.role, unit_id.label("unit_id"), literal(depth).label("depth"))
    above = appointment.c.unit_id
    for unit in units:
        posts = posts.join(unit, unit.c.parent_id == above)
        above = unit.c.id
    return posts.where(appointment.c.person_id == bindparam("person"), *in_force(bindparam("today")))


def _visible() -> CompoundSelect:
    """Return the ids of the open tasks a person sees, each kind found by an index of its own."""
    is_open = task.c.state == OPEN
    # Not "is null": the planner would then begin with everything in the county that is nobody's yet.
    nobodys = func.coalesce(task.c.assignee_id, "") == ""
    absent = select(substitution.c.person_id).where(
        substitution.c.substitute_id == bindparam("person"),
        substitution.c.from_on <= bindparam("today"),
        substitution.c.until_on >= bindparam("today"),
    )
    # a village post, a township's, a county's
    posts = union_all(*map(_posts, range(3))).subquery()
    in_post = select(task.c.id).join(posts, posts.c.unit_id == task.c.unit_id)
    in_post = in_post.where(among(task.c.unit_id, select(posts.c.unit_id)))
    return union(
        select(task.c.id).where(is_open, task.c.assignee_id == bindparam("person")),
        select(task.c.id).where(is_open, task.c.assignee_id.in_(absent)),
        # one of those who may take it
        in_post.where(is_open, task.c.role == posts.c.role, nobodys, task.c.unmanned.is_(false())),
        # nobody left: the township appoints
        in_post.where(is_open, posts.c.role == "TG", posts.c.depth == 1, task.c.unmanned.is_not(false())),
    )


#: written out, since SQLite uses a partial index only for the very condition it was made with
OPEN = literal_column("'open'")
_COUNTS = (
    select(func.count())
    .select_from(process_instance)
    .where(
        process_instance.c.state == OPEN,
        process_instance.c.id.in_(taken_part(bindparam("person"))),
    )
    .scalar_subquery()
    .label("handed_on"),
    select(func.count())
    .select_from(event_log)
    .where(
        event_log.c.actor_id == bindparam("person"),
        event_log.c.kind == "completed",
        event_log.c.at >= bindparam("since"),
    )
    .scalar_subquery()
    .label("diary_today"),
    select(func.count())
    .select_from(notification)
    .where(notification.c.person_id == bindparam("person"), notification.c.seen_at.is_(None))
    .scalar_subquery()
    .label("unread"),
)
_CARDS = (
    card_columns()
    .add_columns(draft.c.at.label("draft_at"), *_COUNTS)
    .outerjoin(draft, and_(draft.c.task_id == task.c.id, draft.c.person_id == bindparam("person")))
    .where(task.c.id.in_(_visible()))
    .order_by(task.c.due_at.is_(None), task.c.due_at, task.c.created_at, task.c.id)
    .limit(INBOX_LIMIT)
)
