"""The frozen values that pass between the layers: findings and the facts of a diagram."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True)
class Finding:
    """One thing lint has to say about one place of one file."""

    #: id of the rule, as in the rule catalogue
    rule: str
    severity: Severity
    #: file name inside the package
    file: str
    #: 1-based line; 1 when the whole file is meant
    line: int
    #: id of the element, "" when the file as a whole is meant
    element: str
    #: name of the element as people read it
    name: str
    #: what is wrong, one Chinese sentence
    message: str
    #: how to mend it, one Chinese sentence
    hint: str
    #: the rule's names elsewhere (bpmnlint, OMG)
    aliases: tuple[str, ...] = ()
    #: how it comes to that: ids of the nodes and flows passed one after the other, () where no run is needed to see it
    path: tuple[str, ...] = ()
    #: the file as a tool can open it, "" for a version that comes out of the database
    source: str = ""
    #: ``sihua lint --fix`` mends it by itself
    fixable: bool = False


@dataclass(frozen=True)
class RuleText:
    """One rule as the rule page tells it, in one language."""

    id: str
    #: name of its group, and that name as people read it
    group: str
    group_title: str
    severity: Severity
    #: its names elsewhere (bpmnlint, OMG)
    aliases: tuple[str, ...]
    #: what is asked, why, and how to mend it
    what: str
    why: str
    mend: str
    #: drawn wrongly and rightly, as it stands in the file; "" where no short example can be given
    invalid: str
    valid: str
    #: ``sihua lint --fix`` mends it, wholly or in part
    fixable: bool
    #: an error that no setting can lower
    firm: bool


@dataclass(frozen=True)
class LegalBasis:
    law: str
    version: str
    article: str
    url: str = ""
    #: the local rule has still to be confirmed
    confirm: bool = False

    def __str__(self) -> str:
        return f"{self.law}（{self.version}）{self.article}" if self.version else f"{self.law} {self.article}".strip()


@dataclass(frozen=True)
class Material:
    name: str
    required: bool
    #: "copy": a copy is kept; "see": it is looked at and given back
    keep: str = "copy"
    kind: str = ""


@dataclass(frozen=True)
class TimeLimit:
    """``value`` ``unit`` (``wd`` working days, ``d`` calendar days), or the parameter that gives the value."""

    value: int | None
    unit: str = "wd"
    param: str = ""


@dataclass(frozen=True)
class RiskPoint:
    #: H, M or L
    grade: str
    text: str
    #: m1 … m15 of DOMAIN §3
    controls: tuple[str, ...] = ()


@dataclass(frozen=True)
class Activity:
    """A node of the diagram with everything the picture says about it."""

    id: str
    #: local BPMN tag: userTask, serviceTask, exclusiveGateway, startEvent, …
    kind: str
    name: str
    #: lane name = role name
    lane: str
    #: position in the text form: 0, 1, 2 … along the flow
    position: int
    line: int
    documentation: str = ""
    #: name of the form's file inside the package
    form: str = ""
    #: id of the decision of a businessRuleTask
    decision: str = ""
    #: connector of a serviceTask
    topic: str = ""
    #: variable that takes the answer of a decision or a connector; of a call, all that it hands back, by blank
    result: str = ""
    #: process id called by a callActivity
    called: str = ""
    #: name of the message waited for or thrown
    message: str = ""
    #: an event that time opens: its text, ``P3D``, ``2026-11-20``, ``=due(2)``, at a start also ``R/2026-01-01/P1M``
    timer: str = ""
    #: id of the activity a boundary event hangs on
    attached_to: str = ""
    #: an error end: its error code (an expression when it starts with "=")
    error_code: str = ""
    #: while the flow waits here the promise clock stands still; the text is the reason shown
    hold: str = ""
    legal_basis: tuple[LegalBasis, ...] = ()
    materials: tuple[Material, ...] = ()
    time_limit: TimeLimit | None = None
    risk_points: tuple[RiskPoint, ...] = ()
    #: ids of the steps that another person must have completed
    separate: tuple[str, ...] = ()
    #: field names that may be disclosed at this step
    disclose: tuple[str, ...] = ()
    #: folder of its diagram inside the package, "" for the main diagram
    folder: str = ""

    @property
    def instruction(self) -> str:
        """What to do, for the person who does it: the first paragraph of the documentation."""
        return self.documentation.partition("\n\n")[0].strip()

    @property
    def explanation(self) -> str:
        """What it means, for the public: what follows the first paragraph, or else that paragraph."""
        return self.documentation.partition("\n\n")[2].strip() or self.instruction

    @property
    def is_task(self) -> bool:
        """A person does it: it will appear in an inbox."""
        return self.kind in ("userTask", "manualTask")


@dataclass(frozen=True)
class Flow:
    """A sequence flow with its answer and condition."""

    id: str
    source: str
    target: str
    name: str = ""
    condition: str = ""
    line: int = 0
    legal_basis: tuple[LegalBasis, ...] = ()


@dataclass(frozen=True)
class ProcessFacts:
    """What one diagram says: the power item and its steps, in document terms."""

    #: process id = folder name without its code
    id: str
    name: str
    documentation: str
    #: E01
    code: str
    #: class of the power list: A … H (S = support)
    category: str
    scope: str
    excludes: str
    #: P, Pm or Po
    publish: str
    #: promise in working days
    promise: TimeLimit | None
    #: data key that holds the person id of the applicant, "" when there is none
    applicant: str
    #: data key that holds the person ids of declared relatives, "" when there is none
    relatives: str
    #: data key that holds the applicant's name as written, "" when there is none
    applicant_name: str
    #: expression for the one line that names a matter
    subject: str
    #: village people may ask for it on the public pages
    public_start: bool
    #: level of the unit it runs in: village, township, county
    level: str
    lanes: tuple[str, ...]
    activities: tuple[Activity, ...]
    flows: tuple[Flow, ...]
    legal_basis: tuple[LegalBasis, ...] = ()
    start_form: str = ""
    disclose: tuple[str, ...] = field(default=())
    #: the processes it calls, and those that they call
    called: tuple[ProcessFacts, ...] = ()

    def activity(self, id: str) -> Activity:
        """Return the activity with that id, also of a called process; KeyError when no diagram has one."""
        return self._by_id[id][0]

    def owner(self, id: str) -> ProcessFacts:
        """Return the process, this or a called one, in whose diagram that id stands; KeyError."""
        return self._by_id[id][1]

    @cached_property
    def _by_id(self) -> Mapping[str, tuple[Activity, ProcessFacts]]:
        return {activity.id: (activity, process) for process in self.processes for activity in process.activities}

    @property
    def folder(self) -> str:
        """Folder of its diagram inside the package, "" for the item itself."""
        return self.activities[0].folder if self.activities else ""

    @property
    def processes(self) -> tuple[ProcessFacts, ...]:
        """This and all called processes."""
        return (self, *self.called)

    def process_called_by(self, activity: Activity) -> ProcessFacts | None:
        """Return the process a call activity calls; None for every other node."""
        return next((each for each in self.called if activity.called and each.id == activity.called), None)

    def in_order(self) -> Iterator[Activity]:
        """Yield the nodes as a person would tell them: a called process once, behind its first call."""
        told: set[str] = set()
        todo = list(reversed(self.activities))
        while todo:
            activity = todo.pop()
            yield activity
            inner = self.process_called_by(activity)
            if inner is not None and inner.id not in told:
                told.add(inner.id)
                todo.extend(reversed(inner.activities))
