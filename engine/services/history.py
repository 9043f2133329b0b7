"""Where is it stuck, who did what: search, trace, progress, diary, verification. Rows only, no state is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from functools import partial

from sqlalchemy import Connection, Row, or_, select, update

from engine.clock import end_of, local_date, start_of
from engine.errors import NotFound
from engine.masking import mask_text
from engine.model import Activity
from engine.services import course, given, limits, pictures, standing, stuck
from engine.services.course import Course
from engine.services.identity import check_code
from engine.services.matters import row_by_receipt
from engine.services.permission import Directory, has_part, taken_part, unit_of, units_of
from engine.services.repository import Repository
from engine.services.unit_of_work import UnitOfWork, retried
from engine.store import event_log as log
from engine.store.files import FileStore
from engine.store.tables import (
    attachment,
    comment,
    document,
    event_log,
    notification,
    org_unit,
    person,
    process_definition,
    process_instance,
    role,
    subscription,
    task,
)
from engine.views import (
    Board,
    Clock,
    DiaryLine,
    MatterRow,
    Notification,
    Progress,
    Stop,
    Trace,
    Verification,
)

#: kinds of events that are a line of the diary
DIARY_KINDS = {
    "started": "受理",
    "completed": "办理",
    "received": "代收材料",
    "interrupted": "代为撤回",
    "delegated": "转办",
    "appointed": "指定专人",
    "recused": "申报回避",
    "reminded": "催办",
    "commented": "写监督意见",
    "post_given": "任命",
    "post_ended": "免去",
    "deployed": "启用流程",
}


class History:
    """Readers; each is one consistent view."""

    def __init__(self, unit_of_work: UnitOfWork, repository: Repository, files: FileStore) -> None:
        self._work = unit_of_work
        self._repository = repository
        self._files = files

    # --- finding ----------------------------------------------------------------------------------------------------

    def find(
        self, query: str = "", *, by: str, unit_id: str | None = None, state: str | None = None, limit: int = 50
    ) -> tuple[MatterRow, ...]:
        """Return matters of the units the person has a post over, newest first."""
        with self._work.read() as connection:
            units = units_of(connection, by, self._work.clock.today())
            wanted = process_instance.c.unit_id.in_([unit_id] if unit_id in units else ([] if unit_id else units))
            conditions = [wanted]
            if state:
                conditions.append(process_instance.c.state == state)
            if query.strip():
                text = query.strip()
                conditions.append(
                    or_(
                        process_instance.c.receipt.icontains(text.upper(), autoescape=True),
                        process_instance.c.subject.icontains(text, autoescape=True),
                        process_instance.c.applicant_name.icontains(text, autoescape=True),
                        process_definition.c.name.icontains(text, autoescape=True),
                    )
                )
            return self._rows(connection, conditions, limit)

    def mine(self, *, by: str, limit: int = 100) -> tuple[MatterRow, ...]:
        """Return the matters a person started or took part in."""
        with self._work.read() as connection:
            took_part = taken_part(by)
            mine = or_(process_instance.c.id.in_(took_part), process_instance.c.started_by == by)
            return self._rows(connection, [mine], limit)

    def _rows(self, connection: Connection, conditions: list, limit: int) -> tuple[MatterRow, ...]:
        rows = connection.execute(
            select(process_instance, process_definition.c.code, process_definition.c.name, org_unit)
            .join(process_definition, process_definition.c.id == process_instance.c.definition_id)
            .join(org_unit, org_unit.c.id == process_instance.c.unit_id)
            .where(*conditions)
            .order_by(process_instance.c.started_at.desc())
            .limit(limit)
        ).all()
        stops = _first_stops(connection, [row[0] for row in rows], self._work.clock.now())
        return tuple(_matter_row(row, stops.get(row[0])) for row in rows)

    def stuck(self, *, by: str) -> Board:
        """Return the board of stops 卡点看板 over the villages a person has a post over."""
        with self._work.read() as connection:
            drawn = partial(self._activity, connection)
            return stuck.read(connection, by, self._work.clock.now(), drawn)

    def _activity(self, connection: Connection, definition_id: str, element: str) -> Activity:
        return self._repository.of(connection, definition_id).facts.activity(element)

    # --- the matter page --------------------------------------------------------------------------------------------

    def trace(self, receipt: str, *, by: str, call: str | None = None) -> Trace:
        """Return the matter page for somebody with a post over its unit or a part in it.

        :param call: call activity whose diagram is shown; the one in which the matter stops when not given.
        :raises NotFound: no such matter, or not this person's affair: which of the two is not said; no such call.
        """
        with self._work.read() as connection:
            now = self._work.clock.now()
            row = row_by_receipt(connection, receipt)
            directory = Directory(connection, row.unit_id, local_date(now), row.lists)
            definition = self._repository.row(connection, row.definition_id)
            story = Course.read(connection, self._repository.of(connection, definition.id), row, directory, now)
            took_part = story.has_part(connection, by)
            if not (directory.sees_matters(by) or took_part):
                raise NotFound("事项", receipt)
            sees_papers = took_part or directory.sees_papers(by)
            steps = story.steps()
            number, count = story.position(steps)
            stops = story.stops()
            promise = standing.promise(row, now)
            timeline = story.timeline()
            brought, made = course.papers(connection, row.id, row.lists) if sees_papers else ((), ())
            return Trace(
                matter=_plain_matter(directory, row, definition, stops),
                answer=standing.answer(row, stops),
                follows=standing.follows(row, stops),
                stops=stops,
                promise=promise,
                steps=steps,
                step_number=number,
                step_count=count,
                timeline=timeline,
                contacts=standing.contacts(story, stops),
                summaries=course.summaries(connection, story, unmasked=took_part),
                attachments=brought,
                documents=made,
                picture=pictures.taken(story, stops, call),
                definition_id=definition.id,
                version=definition.version,
                deployed_at=definition.deployed_at,
                first_entry=story.events[0].number if story.events else 0,
                last_entry=story.events[-1].number if story.events else 0,
                whole=log.entries_hold(story.events),
                refusal=standing.refusal(row),
                may_remind=any(stop.task_id for stop in stops),
                may_comment=True,
                about=given.about(connection, [row.id]).get(row.id) if row.item_id == given.PROCEDURE else None,
                cards=given.of(connection, row.id),
                sees_matters=directory.sees_matters(by),
            )

    # --- the applicant ----------------------------------------------------------------------------------------------

    def progress(self, receipt: str, *, code: str, call: str | None = None) -> Progress:
        """Return what an applicant sees of his own matter.

        :raises NotFound, Refused: see :func:`engine.services.identity.check_code`.
        """
        check_code(self._work, receipt, code)
        with self._work.read() as connection:
            now = self._work.clock.now()
            row = row_by_receipt(connection, receipt)
            directory = Directory(connection, row.unit_id, local_date(now), row.lists)
            definition = self._repository.row(connection, row.definition_id)
            story = Course.read(connection, self._repository.of(connection, definition.id), row, directory, now)
            steps = story.steps(automatic=False)
            number, count = story.position(steps)
            stops = story.stops()
            waits = set(connection.scalars(select(subscription.c.message).where(subscription.c.instance_id == row.id)))
            promise = standing.promise(row, now)
            return Progress(
                receipt=row.receipt,
                item_name=definition.name,
                subject=mask_text(row.subject, (row.applicant_name,)),
                unit=directory.units[story.deployed.facts.level],
                answer=standing.public_answer(row, stops, number),
                follows=standing.public_follows(row, promise),
                clock=_pressing(stops, promise),
                steps=steps,
                step_number=number,
                step_count=count,
                state=row.state,
                refusal=standing.refusal(row),
                documents=course.papers(connection, row.id, row.lists)[1],
                supplement=_lack(connection, row) if "supplement" in waits else "",
                may_withdraw="withdraw" in waits and row.state == "open",
                may_remind=row.state == "open" and "supplement" not in waits and not _reminded(connection, row, now),
                contacts=standing.contacts(story, stops)[:2],
                definition_id=definition.id,
                picture=pictures.taken(story, stops, call),
            )

    def messages_to_applicant(self, receipt: str, *, code: str) -> tuple[Notification, ...]:
        """Return what the village has told the applicant."""
        row = check_code(self._work, receipt, code)
        with self._work.read() as connection:
            return _notifications(connection, notification.c.instance_id == row.id, notification.c.person_id.is_(None))

    # --- papers -----------------------------------------------------------------------------------------------------

    def attachment(self, attachment_id: str, *, by: str) -> tuple[str, str, bytes]:
        """Return (name, media type, bytes) of a paper for somebody with a post over the matter's unit."""
        with self._work.read() as connection:
            row = self._attachment_row(connection, attachment_id, by)
            return row.name, row.media_type, self._files.read(row.sha256)

    def preview(self, attachment_id: str, *, by: str) -> bytes:
        """Return the cleaned picture of a paper: no position, no comment; NotFound until it is made."""
        with self._work.read() as connection:
            row = self._attachment_row(connection, attachment_id, by)
            if row.preview_sha256 is None:
                raise NotFound("预览", attachment_id)
            return self._files.read(row.preview_sha256)

    def _attachment_row(self, connection: Connection, attachment_id: str, by: str) -> Row:
        row = connection.execute(
            select(attachment, process_instance.c.unit_id)
            .join(process_instance, process_instance.c.id == attachment.c.instance_id)
            .where(attachment.c.id == attachment_id)
        ).one_or_none()
        if row is None or not self._may_read(connection, row.unit_id, row.instance_id, by):
            raise NotFound("材料", attachment_id)
        return row

    def _may_read(self, connection: Connection, unit_id: str, instance_id: str, by: str) -> bool:
        today = self._work.clock.today()
        return Directory(connection, unit_id, today).sees_papers(by) or has_part(connection, instance_id, by, today)

    def document(
        self, document_id: str, *, by: str | None = None, receipt: str = "", code: str = ""
    ) -> tuple[str, bytes]:
        """Return (title, PDF) for a person near the matter, or for the applicant with receipt and code."""
        own = check_code(self._work, receipt, code).id if by is None else None
        with self._work.read() as connection:
            row = connection.execute(
                select(document, process_instance.c.unit_id)
                .join(process_instance, process_instance.c.id == document.c.instance_id)
                .where(document.c.id == document_id)
            ).one_or_none()
            allowed = row is not None and (
                row.instance_id == own if by is None else self._may_read(connection, row.unit_id, row.instance_id, by)
            )
            if not allowed or row.sha256 is None:
                raise NotFound("文书", document_id)
            return row.title, self._files.read(row.sha256)

    # --- diary ------------------------------------------------------------------------------------------------------

    def diary(self, *, by: str, day: date | None = None, person_id: str | None = None) -> tuple[DiaryLine, ...]:
        """Return 行权日志 of a day, generated from completed steps; another person's for who oversees the unit."""
        with self._work.read() as connection:
            today = day or self._work.clock.today()
            whose = person_id or by
            units = units_of(connection, by, self._work.clock.today())
            rows = connection.execute(
                select(
                    event_log,
                    process_instance.c.receipt,
                    process_instance.c.subject,
                    process_instance.c.definition_id,
                    process_definition.c.name.label("item_name"),
                )
                .outerjoin(process_instance, process_instance.c.id == event_log.c.instance_id)
                .outerjoin(process_definition, process_definition.c.id == process_instance.c.definition_id)
                .where(event_log.c.actor_id == whose, event_log.c.at >= start_of(today), event_log.c.at < end_of(today))
                .where(event_log.c.unit_id.in_(units) if person_id else event_log.c.actor_id == by)
                .order_by(event_log.c.at, event_log.c.number)
            ).all()
            names = _names(connection, {row.actor_id for row in rows} | {row.on_behalf_of for row in rows})
            return tuple(self._diary_line(connection, row, names) for row in rows if row.kind in DIARY_KINDS)

    def _diary_line(self, connection: Connection, row: Row, names: Mapping[str, str]) -> DiaryLine:
        step = ""
        if row.element and row.definition_id:
            deployed = self._repository.of(connection, row.definition_id)
            step = deployed.facts.activity(row.element).name
        return DiaryLine(
            row.at,
            row.acted_at,
            names.get(row.actor_id, ""),
            row.item_name or "",
            step,
            DIARY_KINDS[row.kind],
            row.receipt or "",
            row.subject or "",
            names.get(row.on_behalf_of or "", ""),
        )

    # --- messages to persons ----------------------------------------------------------------------------------------

    def notifications(self, *, by: str) -> tuple[Notification, ...]:
        """Return what was sent to a person's own pages, newest first."""
        with self._work.read() as connection:
            return _notifications(connection, notification.c.person_id == by)

    @retried
    def mark_seen(self, *, by: str) -> None:
        """Note that the person has opened the messages."""
        with self._work.write() as transaction:
            transaction.connection.execute(
                update(notification)
                .where(notification.c.person_id == by, notification.c.seen_at.is_(None))
                .values(seen_at=transaction.now)
            )

    # --- evidence ---------------------------------------------------------------------------------------------------

    def verify(self, against: Mapping[str, Mapping[str, object]] | None = None) -> Verification:
        """Recompute every chain; ``against`` are heads published earlier."""
        with self._work.read() as connection:
            return log.verify(connection, against)


def _names(connection: Connection, ids: set) -> dict[str, str]:
    rows = connection.execute(select(person.c.id, person.c.name).where(person.c.id.in_(ids - {None})))
    return dict(rows.all())


def _first_stops(connection: Connection, instance_ids: list[str], now: datetime) -> dict[str, Stop]:
    """Return where each matter stands: its most pressing open task, else the wait that holds it."""
    stops: dict[str, Stop] = {}
    holds = connection.execute(
        select(subscription).where(subscription.c.instance_id.in_(instance_ids), subscription.c.hold != "")
    )
    for row in holds:
        held = limits.held(row.hold, row.created_at, now)
        who = course.whom_awaited(row.message, held=True)
        stops[row.instance_id] = Stop(row.hold, row.element, None, who, row.created_at, held)
    rows = connection.execute(
        select(task, person.c.name.label("assignee"), role.c.lane.label("post"))
        .outerjoin(person, person.c.id == task.c.assignee_id)
        .outerjoin(role, role.c.code == task.c.role)
        .where(task.c.instance_id.in_(instance_ids), task.c.state == "open")
        .order_by(task.c.due_at.desc(), task.c.id)
    )
    for row in rows:
        who = f"{row.lane}空缺，没人办" if row.unmanned else f"{row.post or row.lane} {row.assignee or ''}".strip()
        clock = limits.of(row, now)
        stops[row.instance_id] = Stop(row.step, row.element, row.id, who, row.created_at, clock)
    return stops


def _matter_row(row: Row, stop: Stop | None) -> MatterRow:
    mapping = row._mapping
    unit = unit_of(mapping)
    return MatterRow(
        mapping[process_instance.c.id],
        row.receipt,
        row.code,
        mapping[process_definition.c.name],
        row.subject,
        row.applicant_name,
        unit,
        row.state,
        row.started_at,
        row.ended_at,
        stop,
    )


def _plain_matter(directory: Directory, row: Row, definition: Row, stops: tuple[Stop, ...]) -> MatterRow:
    unit = next(unit for unit in directory.units.values() if unit.id == row.unit_id)
    return MatterRow(
        row.id,
        row.receipt,
        definition.code,
        definition.name,
        row.subject,
        row.applicant_name,
        unit,
        row.state,
        row.started_at,
        row.ended_at,
        stops[0] if stops else None,
    )


def _pressing(stops: tuple[Stop, ...], promise: Clock) -> Clock:
    """Return the clock an applicant cares about: the step's once it is late, else the promise's."""
    late = [stop.clock for stop in stops if stop.clock.state in ("yellow", "red")]
    return late[0] if late else promise


def _lack(connection: Connection, row: Row) -> str:
    """Return what the applicant was asked to add: the newest submission that names it."""
    rows = connection.scalars(
        select(course.submission.c.data)
        .where(course.submission.c.instance_id == row.id)
        .order_by(course.submission.c.at.desc(), course.submission.c.id.desc())
    )
    return next((str(data["lack"]) for data in rows if data.get("lack")), "请补材料")


def _reminded(connection: Connection, row: Row, now: datetime) -> bool:
    return (
        connection.scalar(
            select(comment.c.id).where(
                comment.c.instance_id == row.id,
                comment.c.kind == "reminded",
                comment.c.by.is_(None),
                comment.c.at > now - timedelta(days=1),
            )
        )
        is not None
    )


def _notifications(connection: Connection, *conditions) -> tuple[Notification, ...]:
    rows = connection.execute(
        select(notification, process_instance.c.receipt)
        .join(process_instance, process_instance.c.id == notification.c.instance_id)
        .where(*conditions)
        .order_by(notification.c.at.desc())
        .limit(100)
    )
    return tuple(
        Notification(row.id, row.text, row.at, row.receipt, row.channel, row.seen_at is not None) for row in rows
    )
