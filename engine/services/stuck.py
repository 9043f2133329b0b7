"""Where matters are stuck over the villages of a viewer: everything the board shows, in one statement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import (
    CTE,
    ColumnElement,
    Connection,
    Row,
    ScalarSelect,
    Select,
    and_,
    bindparam,
    false,
    func,
    literal,
    literal_column,
    null,
    or_,
    select,
    true,
    type_coerce,
    union_all,
)

from engine.clock import end_of, local_date
from engine.model import Activity
from engine.services import course, limits
from engine.services.permission import SYSTEM_POSTS, in_force
from engine.store.membership import among
from engine.store.prepared import Prepared
from engine.store.tables import (
    Moment,
    appointment,
    card,
    notification,
    org_unit,
    parameter,
    person,
    process_definition,
    process_instance,
    role,
    subscription,
    task,
)
from engine.views import BOARD_STATES, Board, BoardRow, Clock, OftenStuck

#: days the list of steps that are often stuck looks back, and how many it names
LOOK_BACK, MOST_OFTEN = 90, 5
#: more stops than anybody can act on; the counts are of all
MOST_ROWS = 100

HOLDER, SUPERIOR, POST_HOLDER = person.alias("holder"), person.alias("superior"), person.alias("post_holder")


def read(connection: Connection, by: str, now: datetime, activity_of: Callable[[str, str], Activity]) -> Board:
    """Return the board of a viewer; system posts see no villages.

    :param activity_of: (definition id, element id) → what is drawn there.
    """
    today = local_date(now)
    asked = {
        "person": by,
        "now": now,
        "today": today,
        "tonight": end_of(today),
        "since": now - timedelta(days=LOOK_BACK),
    }
    rows = _BOARD.all(connection, asked)
    stops, often = [], []
    for row in rows:
        if row.kind == "often":
            often.append(OftenStuck(row.hold, row.step, row.limit_value))
        elif row.kind == "wait":
            activity = activity_of(row.definition_id, row.step)
            # What hangs on a step waits beside it.
            if activity.kind != "boundaryEvent":
                stops.append(replace(_row(row, now), step=activity.name))
        elif row.kind is not None:
            stops.append(_row(row, now))
    stuck = [each for each in stops if each.state]
    stuck.sort(key=lambda each: (BOARD_STATES.index(each.state), -each.clock.elapsed_days, each.receipt))
    touched = {each.unit_id for each in stuck}
    villages = {row.unit_id: row.unit_name for row in rows if row.level == "village"}
    return Board(
        villages=len(villages),
        open_matters=rows[0].open_matters if rows else 0,
        rows=_with_bars(stuck)[:MOST_ROWS],
        counts={state: sum(each.state == state for each in stuck) for state in BOARD_STATES},
        longest_days=max((each.clock.elapsed_days for each in stuck), default=0),
        quiet=tuple(name for unit_id, name in villages.items() if unit_id not in touched),
        often=tuple(sorted(often, key=lambda each: -each.times)),
        unread=rows[0].unread if rows else 0,
    )


# --- the statement --------------------------------------------------------------------------------------------------


_NOW, _TODAY, _BY = bindparam("now"), bindparam("today"), bindparam("person")


def _statement() -> Select:
    area = _area()
    stops = union_all(_tasks(area), _holds(area), _waits(area), _often(area)).subquery("stops")
    return (
        select(
            area.c.id.label("unit_id"),
            area.c.name.label("unit_name"),
            area.c.level,
            *(column for column in stops.c if column.name != "unit_id"),
            process_instance.c.receipt,
            process_instance.c.subject,
            process_instance.c.applicant_name,
            process_definition.c.name.label("item_name"),
            process_definition.c.id.label("definition_id"),
            HOLDER.c.name.label("holder_name"),
            HOLDER.c.phone.label("holder_phone"),
            role.c.lane.label("post"),
            _post_holder(area, stops.c.role, POST_HOLDER.c.name).label("post_name"),
            _post_holder(area, stops.c.role, POST_HOLDER.c.phone).label("post_phone"),
            _superior(area, SUPERIOR.c.name).label("superior_name"),
            _superior(area, SUPERIOR.c.phone).label("superior_phone"),
            _idle_days().label("idle_days"),
            _open_matters(area).label("open_matters"),
            _unread().label("unread"),
        )
        .outerjoin(stops, stops.c.unit_id == area.c.id)
        .outerjoin(process_instance, process_instance.c.id == stops.c.instance_id)
        .outerjoin(process_definition, process_definition.c.id == process_instance.c.definition_id)
        .outerjoin(HOLDER, HOLDER.c.id == stops.c.assignee_id)
        .outerjoin(role, role.c.code == stops.c.role)
        .order_by(area.c.position, area.c.id)
    )


def _area() -> CTE:
    """The units a person has a post in and every unit below them."""
    columns = (org_unit.c.id, org_unit.c.name, org_unit.c.level, org_unit.c.parent_id, org_unit.c.position)
    own = select(appointment.c.unit_id).where(
        appointment.c.person_id == _BY, *(appointment.c.role != post for post in SYSTEM_POSTS), *in_force(_TODAY)
    )
    area = select(*columns).where(org_unit.c.id.in_(own)).cte("area", recursive=True)
    return area.union(select(*columns).join(area, org_unit.c.parent_id == area.c.id))


def _within(column, area: CTE):
    return among(column, select(area.c.id))


def _tasks(area: CTE) -> Select:
    """Open tasks that are late or nearly so, that nobody has, or that no limit watches."""
    speaking = or_(
        task.c.due_at.is_(None),
        task.c.warn_at <= _NOW,
        task.c.due_at <= bindparam("tonight"),
        task.c.unmanned.is_(true()),
    )
    return select(
        literal("task").label("kind"),
        task.c.unit_id,
        task.c.instance_id,
        task.c.step,
        task.c.lane,
        task.c.role,
        task.c.assignee_id,
        task.c.unmanned,
        task.c.created_at,
        task.c.due_at,
        task.c.warn_at,
        task.c.red_at,
        task.c.provisional,
        task.c.limit_value,
        task.c.limit_unit,
        literal("").label("hold"),
    ).where(task.c.state == literal_column("'open'"), _within(task.c.unit_id, area), speaking)


def _holds(area: CTE) -> Select:
    """Waits that stop the clock, and the matter with it: for the applicant, or for a day."""
    return _subscribed(area, "hold", subscription.c.hold).where(subscription.c.hold != "")


def _waits(area: CTE) -> Select:
    """Waits for another matter's message where nobody has a step meanwhile."""
    meanwhile = select(task.c.id).where(
        task.c.instance_id == subscription.c.instance_id, task.c.state == literal_column("'open'")
    )
    return _subscribed(area, "wait", subscription.c.element).where(subscription.c.hold == "", ~meanwhile.exists())


def _subscribed(area: CTE, kind: str, step: ColumnElement[str]) -> Select:
    """Return what open matters wait for, in the columns of :func:`_tasks`; nobody's, and without a limit."""
    never = type_coerce(null(), Moment)
    return (
        select(
            literal(kind),
            process_instance.c.unit_id,
            subscription.c.instance_id,
            step,
            subscription.c.message,
            literal(""),
            null(),
            false(),
            subscription.c.created_at,
            never,
            never,
            never,
            false(),
            null(),
            literal("wd"),
            subscription.c.hold,
        )
        .join(process_instance, process_instance.c.id == subscription.c.instance_id)
        .where(process_instance.c.state == "open", _within(process_instance.c.unit_id, area))
    )


def _often(area: CTE) -> Select:
    """The steps that earned most yellow and red cards lately; they hang on one unit only to come along."""
    never = type_coerce(null(), Moment)
    counted = (
        select(process_definition.c.name.label("item"), card.c.step, func.count(card.c.task_id.distinct()).label("n"))
        .join(process_instance, process_instance.c.id == card.c.instance_id)
        .join(process_definition, process_definition.c.id == process_instance.c.definition_id)
        .where(_within(card.c.unit_id, area), card.c.level != "warn", card.c.state != "voided")
        .where(card.c.at > bindparam("since"))
        .group_by(process_definition.c.name, card.c.step)
        .order_by(func.count(card.c.task_id.distinct()).desc(), card.c.step)
        .limit(MOST_OFTEN)
        .subquery("counted")
    )
    return select(
        literal("often"),
        select(func.min(area.c.id)).scalar_subquery(),
        null(),
        counted.c.step,
        literal(""),
        literal(""),
        null(),
        false(),
        never,
        never,
        never,
        never,
        false(),
        counted.c.n,
        literal(""),
        counted.c.item,
    )


def _post_holder(area: CTE, code, column) -> ScalarSelect:
    """Who has the post a step fell to, when several may take it."""
    return (
        select(column)
        .join(appointment, appointment.c.person_id == POST_HOLDER.c.id)
        .where(appointment.c.role == code, appointment.c.unit_id.in_([area.c.id, area.c.parent_id]), *in_force(_TODAY))
        .order_by(appointment.c.from_on, appointment.c.id)
        .limit(1)
        .correlate_except(POST_HOLDER, appointment)
        .scalar_subquery()
    )


def _superior(area: CTE, column) -> ScalarSelect:
    """The township's head over a village: whoever appoints when nobody has a step."""
    return (
        select(column)
        .join(appointment, appointment.c.person_id == SUPERIOR.c.id)
        .where(and_(appointment.c.role == "TG", appointment.c.unit_id.in_([area.c.id, area.c.parent_id])))
        .where(*in_force(_TODAY))
        .order_by(appointment.c.from_on, appointment.c.id)
        .limit(1)
        .correlate(area)
        .scalar_subquery()
    )


def _idle_days() -> ScalarSelect:
    return (
        select(parameter.c.value)
        .where(parameter.c.key == "board.idle", parameter.c.org_unit == "", parameter.c.effective_on <= _TODAY)
        .order_by(parameter.c.effective_on.desc())
        .limit(1)
        .scalar_subquery()
    )


def _unread() -> ScalarSelect:
    unread = select(func.count()).select_from(notification)
    return unread.where(notification.c.person_id == _BY, notification.c.seen_at.is_(None)).scalar_subquery()


def _open_matters(area: CTE) -> ScalarSelect:
    counted = select(func.count()).select_from(process_instance)
    still_open = counted.where(process_instance.c.state == "open", _within(process_instance.c.unit_id, area))
    return still_open.scalar_subquery()


_BOARD = Prepared(_statement())


# --- the rows -------------------------------------------------------------------------------------------------------


def _row(row: Row, now: datetime) -> BoardRow:
    clock = limits.held(row.hold, row.created_at, now) if row.kind == "hold" else limits.of(row, now)
    label, who, phone = _whom(row)
    return BoardRow(
        state=_state(row, clock),
        unit_id=row.unit_id,
        unit_name=row.unit_name,
        step=row.step,
        item_name=row.item_name,
        subject=row.subject,
        applicant=row.applicant_name,
        receipt=row.receipt,
        clock=clock,
        who=f"{label} {who}".strip(),
        phone=phone,
        unmanned=bool(row.unmanned),
        since=row.created_at,
    )


def _state(row: Row, clock: Clock) -> str:
    """Return why a row stands on the board; "" when it is not stuck after all."""
    if clock.state in ("red", "yellow", "hold"):
        return clock.state
    if row.unmanned:
        return "unmanned"
    if clock.state == "none":
        return "idle" if clock.elapsed_days >= int(row.idle_days or 0) else ""
    return clock.state if clock.state == "warn" else ""


def _whom(row: Row) -> tuple[str, str, str]:
    """Return post, name and telephone of whom to call: who has it, who may take it, else who must appoint."""
    if row.kind in ("hold", "wait"):
        awaited = course.whom_awaited(row.lane, held=row.kind == "hold")
        return awaited, (row.applicant_name or "") if row.lane == course.SUPPLEMENT else "", ""
    if row.assignee_id:
        return row.post or row.lane, row.holder_name or "", row.holder_phone or ""
    if not row.unmanned and row.post_name:
        return row.post or row.lane, row.post_name, row.post_phone or ""
    return "乡镇政府", row.superior_name or "", row.superior_phone or ""


def _with_bars(rows: list[BoardRow]) -> tuple[BoardRow, ...]:
    """Give every row its bar: length is the time stopped, the mark the limit, all on one scale."""
    longest = max((max(each.clock.elapsed_days, each.limit_days or 0) for each in rows), default=0) or 1
    return tuple(each.scaled(longest) for each in rows)
