"""The course of one matter as rows tell it: steps, submissions, papers, timeline; no state is loaded."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, Row, bindparam, literal, null, select, union_all

from engine.bpmn.forms.form import Form
from engine.masking import mask_numbers, mask_personal
from engine.model import Activity, ProcessFacts
from engine.services import limits
from engine.services.deployed import Deployed
from engine.services.forecast import refusing
from engine.services.given import CARD_KEY, PROCEDURE
from engine.services.limits import limit_text
from engine.services.permission import Directory, absents_of, names
from engine.store.tables import (
    attachment,
    comment,
    document,
    event_log,
    person,
    submission,
    subscription,
    task,
)
from engine.views import Attachment, Comment, Document, Fact, StepLine, Stop, Summary, TimelineEntry

#: kinds of nodes that are a step to people
STEP_KINDS = ("userTask", "manualTask", "businessRuleTask", "serviceTask", "receiveTask", "callActivity")
#: those of them that tell people something
PEOPLES_KINDS = ("userTask", "manualTask", "businessRuleTask", "receiveTask", "callActivity")
#: events that say a node has been passed
PASSED_KINDS = (
    "started",
    "begun",
    "completed",
    "decided",
    "called",
    "received",
    "branched",
    "interrupted",
    "fired",
    "passed",
    "ended",
)

#: the message by which an applicant adds papers
SUPPLEMENT = "supplement"
#: for whom a matter waits that waits for no person
TO_ITS_TIME, OTHER_MATTER = "不用找人，到时候自己往下走", "等别的事办完发来消息"

TITLES = {
    "started": "受理",
    "completed": "{step}",
    "decided": "{step}",
    "called": "{step}",
    "received": "{step}",
    "interrupted": "{step}",
    "fired": "{step}",
    "sent": "发出消息〈{step}〉",
    "ended": "{step}",
    "warn": "提醒〈{step}〉快到期",
    "yellow": "〈{step}〉超期，黄牌",
    "red": "〈{step}〉红牌",
    "claimed": "领办〈{step}〉",
    "released": "放回〈{step}〉",
    "delegated": "转办〈{step}〉",
    "appointed": "指定专人办〈{step}〉",
    "assigned": "〈{step}〉换人办",
    "recused": "申报回避〈{step}〉",
    "registered": "记入台账",
    "reminded": "催办",
    "commented": "监督意见",
}


@dataclass(frozen=True)
class Course:
    """Everything the log and the rows say of one matter, read once."""

    deployed: Deployed
    row: Row
    directory: Directory
    events: list[Row]
    tasks: list[Row]
    holds: list[Row]
    names: Mapping[str, str]
    now: datetime

    @classmethod
    def read(cls, connection: Connection, deployed: Deployed, row: Row, directory: Directory, now: datetime) -> Course:
        """Read the course in three selects at most."""
        events = connection.execute(_EVENTS, {"matter": row.id}).all()
        tasks = connection.execute(_TASKS, {"matter": row.id}).all()
        may_hold = row.state == "open" and deployed.takes_messages
        holds = connection.execute(_HOLDS, {"matter": row.id}).all() if may_hold else []
        people = {id for event in events for id in (event.actor_id, event.on_behalf_of, event.submitted_by)}
        people |= {id for each in tasks for id in (each.assignee_id, each.completed_by, each.on_behalf_of)}
        known = names(connection, {*people, row.started_by}, directory.lists)
        return cls(deployed, row, directory, events, tasks, holds, known, now)

    def has_part(self, connection: Connection, person_id: str) -> bool:
        """Tell whether a step of the matter is or was the person's: assigned, done, or he stands in for who has it."""
        if any(person_id in (each.assignee_id, each.completed_by) for each in self.tasks):
            return True
        absents = absents_of(connection, person_id, self.directory.on, self.directory.lists)
        return any(each.state == "open" and each.assignee_id in absents for each in self.tasks)

    # --- steps ------------------------------------------------------------------------------------------------------

    def steps(self, *, automatic: bool = True) -> tuple[StepLine, ...]:
        """Return the steps in the order of the diagram: done, now, late, to come, or not needed here.

        Without ``automatic`` only what people do, what is waited for and what a table decides, and no branches:
        enough for who only wants to know how far it is.
        """
        kinds = STEP_KINDS if automatic else PEOPLES_KINDS
        lines = self._steps_of(self.deployed.facts, kinds, refusing(self.deployed), 0, 0, with_branches=automatic)
        counted = itertools.count(1)
        return tuple(replace(line, number=next(counted)) if _counts(line) else line for line in lines)

    def _steps_of(
        self,
        process: ProcessFacts,
        kinds: Sequence[str],
        aside: Collection[str],
        since: int,
        depth: int,
        *,
        with_branches: bool,
    ) -> Iterator[StepLine]:
        """Yield the steps of one diagram; behind a call that is running, those of the process it calls.

        :param since: number of the event with which this run of the process began.
        :param depth: in how many calls the diagram stands.
        """
        for activity in process.activities:
            if activity.kind not in kinds:
                continue
            inner = process.process_called_by(activity) or self.deployed.facts.process_called_by(activity)
            opened = inner is not None and self._is_running(activity)
            line = replace(self._step(activity, since, with_branches=with_branches), depth=depth, opened=opened)
            if line.state in ("done", "now", "late") or not (line.element in aside or line.kind == "receiveTask"):
                yield line
            if opened:
                entered = self._entered(inner)
                yield from self._steps_of(inner, kinds, aside, entered, depth + 1, with_branches=with_branches)

    def _is_running(self, activity: Activity) -> bool:
        return self.row.state == "open" and activity.id in (self.row.calls or ())

    def _entered(self, process: ProcessFacts) -> int:
        """Return the number of the event with which a called process was entered last: it may run several times."""
        starts = {activity.id for activity in process.activities if activity.kind == "startEvent"}
        entered = (event.number for event in self.events if event.kind == "begun" and event.element in starts)
        return max(entered, default=0)

    def _step(self, activity: Activity, since: int, *, with_branches: bool) -> StepLine:
        events = [e for e in self.events if e.number >= since and e.element == activity.id and e.kind in PASSED_KINDS]
        event = events[-1] if events else None
        tasks = [t for t in self.tasks if t.element == activity.id]
        current = next((t for t in tasks if t.state == "open"), None)
        done = next((t for t in reversed(tasks) if t.state == "completed"), None) if event else None
        held = any(hold.element == activity.id for hold in self.holds)
        shown = current or done
        return StepLine(
            activity.id,
            activity.name,
            activity.kind,
            activity.lane,
            self._state(activity, current, event, held),
            self._who(shown),
            event.at if event and not current else None,
            limit_text(shown.limit_value, shown.limit_unit) if shown else self._planned_limit(activity),
            activity.explanation,
            self.deployed.branches(activity.id) if with_branches else (),
        )

    def _state(self, activity: Activity, current: Row | None, event: Row | None, held: bool) -> str:
        if current is not None:
            clock = limits.of(current, self.now)
            return "late" if clock.state in ("yellow", "red") else "now"
        if held or self._is_running(activity):
            return "now"
        if activity.id in (self.row.ahead or ()) and self.row.state == "open":
            return "todo"
        return "done" if event else "pass"

    def _who(self, row: Row | None) -> str:
        if row is None:
            return ""
        name = self.names.get(row.completed_by or row.assignee_id or "", "")
        absent = self.names.get(row.on_behalf_of or "", "")
        return f"{name}（代 {absent}）" if absent else name

    def _planned_limit(self, activity: Activity) -> str:
        limit = activity.time_limit
        return limit_text(limit.value, limit.unit) if limit and limit.value is not None else ""

    def position(self, steps: tuple[StepLine, ...]) -> tuple[int, int]:
        """Return (number of the step the matter is at, steps this matter takes)."""
        taken = [line for line in steps if line.number]
        at = next((line.number for line in taken if line.state in ("now", "late")), 0)
        # While it waits for papers nobody has it: it stands before the next step to come.
        at = at or next((line.number for line in taken if line.state == "todo"), 0)
        return at or len(taken), len(taken)

    def marks(self, call: str = "") -> dict[str, str]:
        """Return element id → done, now, late for colouring a diagram: the item's own, or as a call last ran it."""
        run = self._last_run(call) if call else range(sys.maxsize)
        events = [event for event in self.events if event.number in run]
        marks = {event.element: "done" for event in events if event.kind in PASSED_KINDS}
        marks |= {flow: "done" for event in events for flow in str(event.data.get("flow") or "").split()}
        if run.stop < sys.maxsize:
            return marks
        return marks | {line.element: line.state for line in self.steps() if line.state in ("now", "late")}

    def _last_run(self, call: str) -> range:
        """Return the numbers of the events of a call's last run: several calls may lead to the same process."""
        facts = self.deployed.facts
        called = facts.process_called_by(facts.activity(call))
        starts = {activity.id for activity in called.activities if activity.kind == "startEvent"}
        rivals = {
            flow.id: flow.target
            for process in facts.processes
            for flow in process.flows
            if facts.activity(flow.target).called == called.id
        }
        entered, run = "", range(0)
        for event in self.events:
            if event.kind == "begun" and event.element in starts and entered == call:
                run = range(event.number, sys.maxsize)
            elif event.element == call and event.kind in PASSED_KINDS:
                run = range(run.start, event.number)
            for flow in str(event.data.get("flow") or "").split():
                entered = rivals.get(flow, entered)
        return run

    def call_around(self, element: str) -> str:
        """Return the call that is running and in whose diagram that element stands, "" for the item's own."""
        facts = self.deployed.facts
        if not element or facts.owner(element) is facts:
            return ""
        owner = facts.owner(element).id
        return next((id for id in self.row.calls or () if facts.activity(id).called == owner), "")

    # --- where it stands --------------------------------------------------------------------------------------------

    def stops(self) -> tuple[Stop, ...]:
        """Return where an open matter stands: open tasks, waits for a message, else waits for a day."""
        stops = [
            Stop(
                each.step,
                each.element,
                each.id,
                self._holder(each),
                each.created_at,
                limits.of(each, self.now),
            )
            for each in self.tasks
            if each.state == "open"
        ]
        waits = [self._wait(each) for each in self.holds if self._kind(each.element) != "boundaryEvent"]
        return (*stops, *waits) or tuple(self._waits_for_days())

    def _kind(self, element: str) -> str:
        return self.deployed.facts.activity(element).kind

    def _wait(self, row: Row) -> Stop:
        who = whom_awaited(row.message, held=bool(row.hold))
        if row.hold:
            clock = limits.held(row.hold, row.created_at, self.now)
        else:
            clock = limits.running(row.created_at, None, None, "wd", self.now)
        return Stop(self.deployed.facts.activity(row.element).name, row.element, None, who, row.created_at, clock)

    def _waits_for_days(self) -> Iterator[Stop]:
        """Yield the timers the flow has come to and not passed: no row says so, but the log does."""
        if self.row.state != "open":
            return
        targets = {flow.id: flow.target for process in self.deployed.facts.processes for flow in process.flows}
        come: dict[str, datetime] = {}
        for event in self.events:
            if event.kind in PASSED_KINDS:
                come.pop(event.element, None)
            for flow in str(event.data.get("flow") or "").split():
                come[targets.get(flow, "")] = event.at
        for element, since in come.items():
            activity = self.deployed.facts.activity(element) if element else None
            if activity is not None and activity.kind == "intermediateCatchEvent" and activity.timer:
                clock = limits.running(since, None, None, "wd", self.now)
                yield Stop(activity.name, element, None, TO_ITS_TIME, since, clock)

    def _holder(self, row: Row) -> str:
        if row.unmanned:
            return f"{row.lane}空缺，没人办"
        return self.directory.title(row.assignee_id, row.lane)

    # --- what happened ----------------------------------------------------------------------------------------------

    def timeline(self) -> tuple[TimelineEntry, ...]:
        """Return what happened, newest first; how the diagram branched is left to the picture."""
        entries: list[TimelineEntry] = []
        before: datetime | None = None
        for event in self.events:
            if event.kind not in TITLES:
                continue
            entries.append(self._entry(event, before))
            before = event.at
        return tuple(reversed(entries))

    def _entry(self, event: Row, before: datetime | None) -> TimelineEntry:
        step = self.step_name(event.element)
        return TimelineEntry(
            event.number,
            event.kind,
            TITLES[event.kind].format(step=step) or step,
            self._detail(event),
            event.at,
            event.acted_at,
            self._actor(event),
            _dwell(before, event.at),
        )

    def _actor(self, event: Row) -> str:
        if event.actor_id is None and event.data.get("origin"):
            return "系统"
        if event.actor_id is None:
            return "申请人" if event.kind in ("started", "received", "interrupted", "reminded") else "系统"
        name = self.names.get(event.actor_id, "")
        post = str(event.data.get("post", "")) or self.directory.title(event.actor_id).partition(" ")[0]
        absent = self.names.get(event.on_behalf_of or "", "")
        return f"{post} {name}（代 {absent}）" if absent else f"{post} {name}".strip()

    def _detail(self, event: Row) -> str:
        rows = event.data.get("rows")
        if rows:
            return self._rule_text(event.element, str(rows[0]))
        return ""

    def _rule_text(self, element: str, rule_id: str) -> str:
        table = self.deployed.definition.tables.get(self.deployed.facts.activity(element).decision)
        if table is None:
            return ""
        ids = [rule.id for rule in table.rules]
        return f"《{table.name}》第 {ids.index(rule_id) + 1} 行" if rule_id in ids else f"《{table.name}》"

    def form_of(self, element: str) -> Form | None:
        """Return the form of a step, or of the start."""
        return self.deployed.form_of(self.deployed.facts.activity(element))

    def step_name(self, element: str) -> str:
        """Return the name of an element as people read it."""
        if not element:
            return ""
        return self.deployed.facts.activity(element).name or element


def _counts(line: StepLine) -> bool:
    """Tell whether a line is a step of its own to people: what they do, and as one step what a call leads to."""
    return line.kind in ("userTask", "manualTask", "callActivity") and line.depth == 0 and line.state != "pass"


def _dwell(before: datetime | None, at: datetime) -> str:
    if before is None:
        return ""
    minutes = int((at - before).total_seconds() // 60)
    days, hours = minutes // 1440, minutes % 1440 // 60
    if days:
        return f"{days} 天 {hours} 小时" if hours else f"{days} 天"
    if hours:
        return f"{hours} 小时 {minutes % 60} 分" if minutes % 60 else f"{hours} 小时"
    return f"{minutes} 分" if minutes else ""


_EVENTS = (
    select(
        event_log,
        submission.c.title.label("submitted_title"),
        submission.c.data.label("submitted"),
        submission.c.at.label("submitted_at"),
        submission.c.by.label("submitted_by"),
    )
    .outerjoin(submission, submission.c.id == event_log.c.submission_id)
    .where(event_log.c.instance_id == bindparam("matter"))
    .order_by(event_log.c.number)
)
_TASKS = select(task).where(task.c.instance_id == bindparam("matter")).order_by(task.c.created_at, task.c.id)
_HOLDS = select(subscription).where(subscription.c.instance_id == bindparam("matter"))


def whom_awaited(message: str, *, held: bool) -> str:
    """Return for whom or what a matter waits that waits for a message."""
    if message == SUPPLEMENT:
        return "申请人"
    return TO_ITS_TIME if held else OTHER_MATTER


def summaries(connection: Connection, story: Course, *, unmasked: bool) -> tuple[Summary, ...]:
    """Return what was submitted in each step, oldest first; personal values masked unless ``unmasked``."""
    submitted = [(event, story.form_of(event.element)) for event in story.events if event.submitted_title is not None]
    chosen = names(connection, _people_named(submitted), story.directory.lists)
    # Which card it is: an id of the system, which the page says in words.
    without = (CARD_KEY,) if story.row.item_id == PROCEDURE else ()
    return tuple(
        Summary(event.submitted_title, _submitter(event, story.names), event.submitted_at, facts)
        for event, form in submitted
        if (facts := facts_of(form, event.submitted, chosen, unmasked=unmasked, without=without))
    )


def _submitter(event: Row, people: Mapping[str, str]) -> str:
    # What another matter or time has opened brings its facts along.
    return people.get(event.submitted_by, "系统" if event.data.get("origin") else "申请人")


def facts_of(
    form: Form | None,
    data: Mapping[str, object],
    people: Mapping[str, str],
    *,
    unmasked: bool,
    without: Collection[str] = (),
) -> tuple[Fact, ...]:
    """Return submitted values as people read them; files are listed with the papers, ``without`` are keys left out."""
    if form is None:
        note = str(data.get("note") or "")
        return (Fact("说明", note if unmasked else mask_numbers(note)),) if note else ()
    facts = []
    for label, text, field in form.display(data):
        if field.type == "filepicker" or field.key in without:
            continue
        if field.source == "person":
            text = "、".join(people.get(part, part) for part in text.split("、"))
        if not unmasked:
            # Inside the offices names stand in full, numbers do not (DOMAIN §5).
            text = mask_personal(text) if field.personal else mask_numbers(text)
        facts.append(Fact(label, text, field.personal))
    return tuple(facts)


def _people_named(given: Iterable[tuple[Row, Form | None]]) -> set[str | None]:
    """Return the ids of the persons chosen in fields whose source is the roll."""
    ids: set[str | None] = set()
    for event, form in given:
        for field in form.fields if form else ():
            if field.source == "person":
                value = value_at(event.submitted, field.key)
                ids |= set(value) if isinstance(value, list) else {value}
    return ids


def value_at(data: Mapping[str, object], key: str) -> object:
    """Return the value under a dotted key; None where there is none."""
    for part in key.split("."):
        data = data.get(part) if isinstance(data, Mapping) else None  # type: ignore[assignment]
    return data


_ATTACHMENT = (
    "id", "name", "field", "media_type", "size", "step", "by", "at", "state", "preview_sha256", "task_id",
)  # fmt: skip
_PAPERS = union_all(
    select(literal("attachment").label("kind"), *(attachment.c[name] for name in _ATTACHMENT)).where(
        attachment.c.instance_id == bindparam("matter")
    ),
    select(
        literal("document"), document.c.id, document.c.title, document.c.template, literal(""), literal(0),
        literal(""), null(), document.c.at, literal(""), document.c.sha256, null(),
    ).where(document.c.instance_id == bindparam("matter")),
).order_by("at", "id")  # fmt: skip


def papers(
    connection: Connection, instance_id: str, lists: str | None
) -> tuple[tuple[Attachment, ...], tuple[Document, ...]]:
    """Return the papers brought to a matter and the documents made in it, each in the order they came."""
    rows = connection.execute(_PAPERS, {"matter": instance_id}).all()
    people = names(connection, {row.by for row in rows}, lists)
    brought = (row for row in rows if row.kind == "attachment")
    made = (row for row in rows if row.kind == "document")
    return (
        tuple(attachment_view(row, people.get(row.by, "申请人")) for row in brought),
        tuple(Document(row.id, row.name, row.field, row.at, row.preview_sha256 is not None) for row in made),
    )


def attachment_view(row: Row, by: str) -> Attachment:
    """Return an attachment row as people see it."""
    return Attachment(
        row.id,
        row.name,
        row.field,
        row.media_type,
        row.size,
        row.step,
        by,
        row.at,
        row.state,
        row.preview_sha256 is not None,
        row.task_id or "",
    )


def comments(connection: Connection, instance_id: str) -> tuple[Comment, ...]:
    """Return what was said beside a matter, newest first."""
    rows = connection.execute(
        select(comment, person.c.name.label("person"))
        .outerjoin(person, person.c.id == comment.c.by)
        .where(comment.c.instance_id == instance_id)
        .order_by(comment.c.at.desc())
    )
    return tuple(Comment(row.person or "申请人", row.at, row.text, row.kind) for row in rows)
