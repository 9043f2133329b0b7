"""What readers of the engine get back: plain frozen values, already masked for the person who asked."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import TYPE_CHECKING

from engine.model import Activity, Finding, LegalBasis, Material, ProcessFacts, RiskPoint

if TYPE_CHECKING:
    from engine.bpmn.forms.form import Form


@dataclass(frozen=True)
class Unit:
    id: str
    name: str
    #: county, township, village or group
    level: str
    parent_id: str | None = None
    service_phone: str = ""
    supervision_phone: str = ""


@dataclass(frozen=True)
class Post:
    """An appointment in force."""

    id: str
    #: role code: CL, VD …
    role: str
    #: role name = lane name: 村文书
    lane: str
    unit: Unit
    from_on: date
    until_on: date | None


@dataclass(frozen=True)
class Actor:
    """A person with an account and the posts in force now."""

    person_id: str
    name: str
    posts: tuple[Post, ...]
    #: what the person may use: cadre, supervisor, designer, administrator
    sides: frozenset[str]
    #: the unit shown in the page head
    home: Unit
    #: changes when the password changes or the account is closed: old sessions end
    session_key: str

    @property
    def title(self) -> str:
        """Post names, 村委会主任、村党支部书记."""
        return "、".join(dict.fromkeys(post.lane for post in self.posts))


@dataclass(frozen=True)
class Person:
    id: str
    name: str
    unit: Unit
    group_name: str
    phone: str
    has_account: bool
    posts: tuple[Post, ...] = ()


@dataclass(frozen=True)
class Clock:
    """Time left of a limit; a card is computed when read (DOMAIN D1)."""

    #: on, warn, yellow, red, hold, ok (done), no (refused or withdrawn), none (no limit)
    state: str
    #: last moment within the limit, aware UTC
    due_at: datetime | None
    #: whole units left (on, warn) or over (yellow, red), or used (ok)
    count: int
    #: wd or d
    unit: str
    #: the limit itself in ``unit``
    limit: int | None = None
    #: why the clock stands still
    hold: str = ""
    #: yellow: the moment it turns red
    red_at: datetime | None = None
    #: calendar days since the step began
    elapsed_days: int = 0
    #: reckoned beyond the published calendar: the day may still move
    provisional: bool = False


@dataclass(frozen=True)
class Contact:
    """An office-holder to call."""

    label: str
    title: str
    name: str
    phone: str


@dataclass(frozen=True)
class GivenCard:
    """A yellow or red card and what it was given for."""

    #: yellow, red
    level: str
    step: str
    #: the matter in which that step was late
    item_name: str
    subject: str
    receipt: str
    at: datetime
    #: open, answered, voided
    state: str
    #: receipt of the procedure in which it is answered, "" when there is none
    answered_in: str


@dataclass(frozen=True)
class TaskCard:
    """One line of an inbox."""

    id: str
    element: str
    step: str
    item_code: str
    item_name: str
    receipt: str
    subject: str
    applicant: str
    unit: Unit
    lane: str
    clock: Clock
    created_at: datetime
    #: who completed the step before: 村文书 李文清
    handed_by: str
    draft_at: datetime | None
    #: name of the person it waits for, "" when nobody has it (claimable or 没人办)
    assignee: str
    #: the viewer is substitute of this person
    on_behalf_of: str = ""
    #: the card that is answered here
    about: GivenCard | None = None


@dataclass(frozen=True)
class Inbox:
    overdue: tuple[TaskCard, ...]
    today: tuple[TaskCard, ...]
    later: tuple[TaskCard, ...]
    #: tasks of the viewer's post that several persons may take
    claimable: tuple[TaskCard, ...]
    #: 没人办: shown to the township that must appoint somebody
    unmanned: tuple[TaskCard, ...]
    #: matters the viewer took part in that are still open elsewhere
    handed_on: int
    #: diary lines of today
    diary_today: int
    #: messages in the own pages that are not read yet
    unread: int = 0

    @property
    def count(self) -> int:
        return len(self.overdue) + len(self.today) + len(self.later)


@dataclass(frozen=True)
class Attachment:
    id: str
    name: str
    #: form field it was given for, "" when it was added besides
    field: str
    media_type: str
    size: int
    #: name of the step
    step: str
    by: str
    added_at: datetime
    #: ready, pending (not decoded yet), failed
    state: str
    has_preview: bool = False
    #: the task it was given with, "" for none: the same step may come round again
    task_id: str = ""


@dataclass(frozen=True)
class Fact:
    """One submitted value as people read it."""

    label: str
    text: str
    personal: bool = False


@dataclass(frozen=True)
class Summary:
    """What was submitted in one step."""

    title: str
    by: str
    at: datetime
    facts: tuple[Fact, ...]


@dataclass(frozen=True)
class StepLine:
    """One entry of the 流程线 and of the text form of the diagram."""

    element: str
    name: str
    #: userTask, serviceTask, businessRuleTask, receiveTask, exclusiveGateway, startEvent, endEvent …
    kind: str
    lane: str
    #: done, now, late, todo, pass (not needed here)
    state: str
    person: str
    at: datetime | None
    limit: str
    documentation: str = ""
    #: branch sentences of a gateway: 要会签 → 〈会签用印〉
    branches: tuple[str, ...] = ()
    #: its place among the steps that are counted, 0 for what is not: what a call leads to counts as one step
    number: int = 0
    #: in how many calls it stands
    depth: int = 0
    #: a call that is running: the steps of the process it calls follow
    opened: bool = False

    @property
    def is_current(self) -> bool:
        """The matter stands in this very step, not in one that it leads to."""
        return self.state in ("now", "late") and not self.opened


@dataclass(frozen=True)
class Choice:
    """An option for a field whose source is a list of the engine (person, resolution, legalBasis, unit)."""

    value: str
    label: str


@dataclass(frozen=True)
class TaskView:
    """Everything a task page shows."""

    card: TaskCard
    activity: Activity
    form: Form | None
    #: field key → stored value (draft, else default), dotted keys flat
    values: dict[str, object]
    choices: dict[str, tuple[Choice, ...]]
    summaries: tuple[Summary, ...]
    attachments: tuple[Attachment, ...]
    steps: tuple[StepLine, ...]
    step_number: int
    step_count: int
    #: "" when the viewer may act, else the sentence why not and who may
    blocked: str
    #: nobody has it yet: the viewer may take it first
    claimable: bool
    #: persons it may be handed to: value = person id
    delegates: tuple[Choice, ...]
    revision: int
    comments: tuple[Comment, ...] = ()
    #: earliest date this step may have happened on paper
    earliest_on: date | None = None
    #: what the figures of a meeting come to so far
    ballot: Ballot | None = None
    #: name of the step that comes next whatever is filled in, "" where that depends
    next_step: str = ""
    #: the viewer may open other matters of this unit
    sees_matters: bool = False


@dataclass(frozen=True)
class Ballot:
    """A meeting in figures; totals only, never who chose what."""

    entitled: int
    recused: int
    absent: int
    present: int
    #: persons the shares are taken of
    base: int
    voting: int
    #: None while they have not been filled in
    yes: int | None
    no: int | None
    abstain: int | None
    #: fewest persons with whom the meeting may vote
    quorum: int | None
    #: fewest votes in favour with which it passes; None when not even all of them would do
    needed: int | None
    #: what the decision table says; None when it does not say yet
    enough: bool | None
    passed: bool | None
    #: 3 × 22 = 66 > 2 × 30 = 60
    formula: str
    #: why the figures cannot be right, ""
    problem: str
    #: this step is about the vote, not only about who is there
    decides: bool

    @property
    def unfilled(self) -> int:
        """Persons of whom the sheet does not say yet whether they are there."""
        return self.entitled - self.present - self.recused - self.absent


@dataclass(frozen=True)
class Comment:
    by: str
    at: datetime
    text: str
    #: comment, reminded or delegated
    kind: str = "comment"


@dataclass(frozen=True)
class Done:
    """What completing a task led to; the success page is made of it."""

    matter_id: str
    receipt: str
    step: str
    #: names of the steps now open with their person: 〈核对批件〉 印章保管员 陈守印
    next_steps: tuple[str, ...]
    finished: bool
    #: code of the refusal when the matter ended so
    refused: str = ""
    #: the same form was sent before; nothing happened twice
    repeated: bool = False


@dataclass(frozen=True)
class Started:
    matter_id: str
    receipt: str
    #: 6 digits, shown this once; "" for matters without applicant
    code: str
    next_steps: tuple[str, ...]
    #: the matter ended at once
    refused: str = ""


@dataclass(frozen=True)
class TimelineEntry:
    number: int
    #: started, completed, decided, called, arrived, reminded, commented, delegated, withdrawn, refused, finished …
    kind: str
    title: str
    detail: str
    at: datetime
    acted_at: datetime | None
    by: str
    #: time since the entry before, in words
    dwell: str = ""


@dataclass(frozen=True)
class Document:
    id: str
    title: str
    template: str
    at: datetime
    #: ready once the file is made
    ready: bool


@dataclass(frozen=True)
class Stop:
    """Where an open matter stands."""

    step: str
    element: str
    task_id: str | None
    who: str
    since: datetime
    clock: Clock


@dataclass(frozen=True)
class MatterRow:
    id: str
    receipt: str
    item_code: str
    item_name: str
    subject: str
    applicant: str
    unit: Unit
    #: open, done, refused, withdrawn, suspended
    state: str
    started_at: datetime
    ended_at: datetime | None
    stop: Stop | None


#: why a matter stands on the board, gravest first; what has no limit stands by how long it has not moved
BOARD_STATES = ("red", "yellow", "unmanned", "warn", "idle", "hold")


@dataclass(frozen=True)
class BoardRow:
    """One stop on the board 卡点看板."""

    #: one of BOARD_STATES: unmanned is 没人办, idle has no limit and does not move
    state: str
    unit_id: str
    unit_name: str
    step: str
    item_name: str
    subject: str
    applicant: str
    receipt: str
    clock: Clock
    #: whom to call: post and name
    who: str
    phone: str
    unmanned: bool
    since: datetime
    #: length of the bar and place of the limit on it, in percent of the longest on the board
    length: int = 0
    mark: int | None = None

    @property
    def limit_days(self) -> int | None:
        """Calendar days from the beginning of the step to its limit: the unit of the bar."""
        return None if self.clock.due_at is None else (self.clock.due_at - self.since).days

    def scaled(self, longest: int) -> BoardRow:
        """Return the row with its bar on a scale of so many days."""
        mark = None if self.limit_days is None else round(self.limit_days * 100 / longest)
        return replace(self, length=round(self.clock.elapsed_days * 100 / longest), mark=mark)


@dataclass(frozen=True)
class OftenStuck:
    """A step that was late again and again."""

    item_name: str
    step: str
    times: int


@dataclass(frozen=True)
class Board:
    """Where matters are stuck over the villages of a viewer; villages are never ranked."""

    villages: int
    open_matters: int
    rows: tuple[BoardRow, ...]
    #: state → number of stops, of all of them
    counts: dict[str, int]
    longest_days: int
    #: names of the villages where nothing is stuck
    quiet: tuple[str, ...]
    often: tuple[OftenStuck, ...]
    #: messages in the viewer's own pages that are not read yet
    unread: int = 0


@dataclass(frozen=True)
class Trace:
    """The matter page; its first sentence is ``answer``."""

    matter: MatterRow
    #: 停在〈审批用印〉3 天（限 2 个工作日）— 村委会主任 王长河
    answer: str
    #: what follows from it, one sentence
    follows: str
    stops: tuple[Stop, ...]
    promise: Clock
    steps: tuple[StepLine, ...]
    step_number: int
    step_count: int
    timeline: tuple[TimelineEntry, ...]
    contacts: tuple[Contact, ...]
    summaries: tuple[Summary, ...]
    attachments: tuple[Attachment, ...]
    documents: tuple[Document, ...]
    picture: Picture
    definition_id: str
    version: int
    deployed_at: datetime
    #: first and last entry number and whether the chain holds
    first_entry: int
    last_entry: int
    whole: bool
    refusal: Refusal | None = None
    may_remind: bool = False
    may_comment: bool = False
    #: the card that is answered in this matter
    about: GivenCard | None = None
    #: the cards this matter has been given
    cards: tuple[GivenCard, ...] = ()
    #: the viewer may open other matters of this unit
    sees_matters: bool = False


@dataclass(frozen=True)
class Refusal:
    code: str
    reason: str
    basis: str
    remedy: str


@dataclass(frozen=True)
class Picture:
    """One diagram of an item: its own, or that of a process it calls, with what one run has taken of it."""

    #: the process drawn
    process_id: str
    #: (id of the call activity, name) on the way down to it; the item itself first, its id ""
    path: tuple[tuple[str, str], ...]
    #: call activities in it: id → name
    calls: dict[str, str] = field(default_factory=dict)
    #: element id → done, now, late
    marks: dict[str, str] = field(default_factory=dict)
    #: element id → text under the element
    badges: dict[str, str] = field(default_factory=dict)
    #: element to look at first, "" for none
    focus: str = ""


@dataclass(frozen=True)
class Progress:
    """What an applicant sees with receipt and code: own data masked, names of office-holders only."""

    receipt: str
    item_name: str
    subject: str
    unit: Unit
    answer: str
    follows: str
    clock: Clock
    steps: tuple[StepLine, ...]
    step_number: int
    step_count: int
    state: str
    refusal: Refusal | None
    documents: tuple[Document, ...]
    #: text of what is missing, "" when nothing is asked of the applicant
    supplement: str
    may_withdraw: bool
    may_remind: bool
    contacts: tuple[Contact, ...]
    definition_id: str
    picture: Picture


@dataclass(frozen=True)
class Item:
    """A power item in force: one line of the power list."""

    id: str
    code: str
    name: str
    category: str
    definition_id: str
    version: int
    deployed_at: datetime
    facts: ProcessFacts
    #: lanes whose holders may start it
    starting_lanes: tuple[str, ...] = ()
    warnings: int = 0


@dataclass(frozen=True)
class GuideStep:
    name: str
    lane: str
    person: str
    limit: str
    documentation: str
    materials: tuple[Material, ...]
    legal_basis: tuple[LegalBasis, ...]
    risk_points: tuple[RiskPoint, ...]
    branches: tuple[str, ...] = ()


@dataclass(frozen=True)
class Guide:
    """办事指南 of one item in one village: 找谁办 · 怎么办 · 何时办结."""

    item: Item
    unit: Unit
    #: who takes it in first
    first: Contact
    promise: str
    #: what is usual, from finished matters; "" below 5 of them
    usual: str
    materials: tuple[Material, ...]
    steps: tuple[GuideStep, ...]
    excludes: tuple[str, ...]
    legal_basis: tuple[LegalBasis, ...]
    start_form: Form | None
    picture: Picture


@dataclass(frozen=True)
class Version:
    definition_id: str
    version: int
    deployed_at: datetime
    deployed_by: str
    digest: str
    open_matters: int


@dataclass(frozen=True)
class PictureScore:
    """How good the picture of one diagram is; its faults are findings of the rules ``layout-…``."""

    #: name of the diagram inside the package
    file: str
    #: 0 … 100
    score: float
    #: no fault, and enough points
    passes: bool
    #: mm; height of a character on A3
    character: float
    #: the smallest sheet it is legible on, "" when on none
    sheet: str


@dataclass(frozen=True)
class Definition:
    """A process definition for the designer: diagram, facts, findings, versions."""

    item: Item
    facts: ProcessFacts
    findings: tuple[Finding, ...]
    versions: tuple[Version, ...]
    files: tuple[str, ...]
    #: element id → time limit as people read it, with today's county parameters
    limits: dict[str, str] = field(default_factory=dict)
    picture: Picture | None = None
    scores: tuple[PictureScore, ...] = ()


@dataclass(frozen=True)
class Checked:
    """What lint says of a file that is not deployed."""

    #: main diagram as text, "" when it cannot be shown
    diagram: str
    #: main diagram and called ones; None when they cannot be read
    facts: ProcessFacts | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class RegisterEntry:
    id: str
    serial: str
    unit: Unit
    entered_at: datetime
    receipt: str
    facts: tuple[Fact, ...]
    corrects: str = ""


@dataclass(frozen=True)
class Register:
    code: str
    title: str
    columns: tuple[str, ...]
    entries: tuple[RegisterEntry, ...]


@dataclass(frozen=True)
class DiaryLine:
    """One line of 行权日志, generated from a completed step."""

    at: datetime
    acted_at: datetime | None
    by: str
    title: str
    step: str
    what: str
    receipt: str
    subject: str
    on_behalf_of: str = ""


@dataclass(frozen=True)
class Notification:
    id: str
    text: str
    at: datetime
    receipt: str
    #: pages (own pages only, 未配置通道), sent, failed
    channel: str
    seen: bool


@dataclass(frozen=True)
class Broken:
    """A place where the record does not hold."""

    unit: str
    number: int
    reason: str


@dataclass(frozen=True)
class Verification:
    chains: int
    entries: int
    broken: tuple[Broken, ...]
    #: unit id → {"number": n, "hash": "…"}: publish it, verify against it later
    heads: dict[str, dict[str, object]]

    @property
    def whole(self) -> bool:
        return not self.broken


@dataclass(frozen=True)
class Incident:
    """A job that was given up after several tries."""

    id: str
    kind: str
    error: str
    due_at: datetime
    attempts: int
    #: of the matter it belongs to, "" for none
    receipt: str = ""


@dataclass(frozen=True)
class Notice:
    """A notice as everybody may read it."""

    id: str
    title: str
    #: masked
    text: str
    item_name: str
    #: 回执号 of the matter
    receipt: str
    unit: Unit
    channels: tuple[str, ...]
    posted_on: date
    ends_on: date
    #: shown, ended, withdrawn, replaced
    state: str
    reason: str
    clock: Clock
    #: objections are still taken
    is_open: bool
    #: it only tells how far things are: objections are never taken
    tells: bool
    #: (outcome, answer, when) of the objections answered so far
    answers: tuple[tuple[str, str, datetime], ...]


@dataclass(frozen=True)
class Filed:
    """An objection or a suggestion has been taken; the code is shown once."""

    receipt: str
    code: str


@dataclass(frozen=True)
class Voice:
    """What became of an objection or a suggestion."""

    #: objection, suggestion
    kind: str
    receipt: str
    text: str
    at: datetime
    state: str
    outcome: str
    answer: str
    answered_at: datetime | None
