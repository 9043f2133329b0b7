"""Reading an inbox: what waits for a person, by urgency."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from sqlalchemy import Connection, Row, Select, and_, false, func, or_, select

from engine.clock import local_date, start_of
from engine.services import limits
from engine.services.permission import in_force, unit_of
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
from engine.views import Inbox, TaskCard

#: more than anybody can do; the rest follows when these are done
INBOX_LIMIT = 200

HOLDER = person.alias("holder")
TOWNSHIP = org_unit.alias("township")


def read(connection: Connection, person_id: str, now: datetime) -> Inbox:
    """Return the inbox of a person with everything counted."""
    absent = _absent(connection, person_id, local_date(now))
    mine: list[TaskCard] = []
    claimable: list[TaskCard] = []
    unmanned: list[TaskCard] = []
    for row in connection.execute(_cards(person_id, [person_id, *absent], local_date(now))):
        kind = mine if row.assignee_id else unmanned if row.unmanned else claimable
        kind.append(card(row, now, on_behalf_of=absent.get(row.assignee_id, "")))
    overdue = [each for each in mine if each.clock.state in ("yellow", "red")]
    today = [each for each in mine if each not in overdue and _is_due_on(each, local_date(now))]
    later = [each for each in mine if each not in overdue and each not in today]
    return Inbox(
        tuple(overdue),
        tuple(today),
        tuple(later),
        tuple(claimable),
        tuple(unmanned),
        _handed_on(connection, person_id),
        _diary_count(connection, person_id, now),
        _unread(connection, person_id),
    )


def card_columns() -> Select:
    """Return the select of everything a task card shows, before its conditions."""
    return (
        select(
            task,
            process_instance.c.receipt,
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


def card(row: Row, now: datetime, *, on_behalf_of: str = "", draft_at: datetime | None = None) -> TaskCard:
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
    )


def _absent(connection: Connection, person_id: str, today: date) -> dict[str, str]:
    """Return id → name of the persons this one stands in for today."""
    rows = connection.execute(
        select(person.c.id, person.c.name)
        .join(substitution, substitution.c.person_id == person.c.id)
        .where(
            substitution.c.substitute_id == person_id,
            substitution.c.from_on <= today,
            substitution.c.until_on >= today,
        )
    )
    return dict(rows.all())


def _cards(person_id: str, people: list[str], today: date) -> Select:
    holds = (
        select(appointment.c.id)
        .where(appointment.c.person_id == person_id, *in_force(today))
        .where(
            or_(
                # a pool task of one's post
                and_(
                    task.c.unmanned.is_(false()),
                    appointment.c.role == task.c.role,
                    appointment.c.unit_id.in_([task.c.unit_id, org_unit.c.parent_id, TOWNSHIP.c.parent_id]),
                ),
                # nobody left: the township appoints
                and_(
                    task.c.unmanned.is_not(false()),
                    appointment.c.role == "TG",
                    appointment.c.unit_id == org_unit.c.parent_id,
                ),
            )
        )
        .exists()
    )
    return (
        card_columns()
        .add_columns(draft.c.at.label("draft_at"))
        .outerjoin(TOWNSHIP, TOWNSHIP.c.id == org_unit.c.parent_id)
        .outerjoin(draft, and_(draft.c.task_id == task.c.id, draft.c.person_id == person_id))
        .where(task.c.state == "open")
        .where(or_(task.c.assignee_id.in_(people), and_(task.c.assignee_id.is_(None), holds)))
        .order_by(task.c.due_at.is_(None), task.c.due_at, task.c.created_at, task.c.id)
        .limit(INBOX_LIMIT)
    )


def _is_due_on(each: TaskCard, today: date) -> bool:
    due = each.clock.due_at
    return due is not None and local_date(due - timedelta(seconds=1)) <= today


def _handed_on(connection: Connection, person_id: str) -> int:
    took_part = select(task.c.instance_id).where(task.c.completed_by == person_id)
    return connection.scalar(
        select(func.count())
        .select_from(process_instance)
        .where(process_instance.c.state == "open", process_instance.c.id.in_(took_part))
    )


def _unread(connection: Connection, person_id: str) -> int:
    unread = select(func.count()).select_from(notification)
    return connection.scalar(unread.where(notification.c.person_id == person_id, notification.c.seen_at.is_(None)))


def _diary_count(connection: Connection, person_id: str, now: datetime) -> int:
    return connection.scalar(
        select(func.count())
        .select_from(event_log)
        .where(
            event_log.c.actor_id == person_id,
            event_log.c.kind == "completed",
            event_log.c.at >= start_of(local_date(now)),
        )
    )
