"""Small diagrams as lines of text, and every walk that the engine may take through one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from engine.bpmn.definition import Definition
from engine.bpmn.document import BPMN, read_xml
from engine.bpmn.execution.script_engine import StepFailed
from engine.bpmn.package import Package
from engine.bpmn.proof.soundness import Proof, Prover
from tests.bpmn.diagrams import flows, package, process
from tests.bpmn.engine_walk import Walk

#: walks tried through one sketch, and steps of each
MOST_WALKS = 200
MOST_STEPS = 10
_TAGS = {
    "start": "startEvent",
    "end": "endEvent",
    "task": "userTask",
    "service": "serviceTask",
    "send": "sendTask",
    "receive": "receiveTask",
    "call": "callActivity",
    "throw": "intermediateThrowEvent",
    "catch": "intermediateCatchEvent",
    "on": "boundaryEvent",
    "xor": "exclusiveGateway",
    "and": "parallelGateway",
    "or": "inclusiveGateway",
    "race": "eventBasedGateway",
    "sub": "subProcess",
    "handler": "subProcess",
    "transaction": "transaction",
}
_SCOPES = ("sub", "handler", "transaction")
_CHOOSING = ("xor", "or")
_DECLARED = (
    '<error id="E" errorCode="e"/><error id="F" errorCode="f"/><signal id="S" name="S"/><signal id="T" name="T"/>'
    '<escalation id="U" escalationCode="u"/><escalation id="V" escalationCode="v"/>'
)
_SEVERAL = (
    "<multiInstanceLoopCharacteristics{}><loopCardinality>{}</loopCardinality></multiInstanceLoopCharacteristics>"
)


@dataclass
class Sketch:
    """A diagram written as lines: ``task t``, ``on:message b @t beside``, ``sub p {`` … ``}``, ``s -> t -> e``.

    A word behind a colon is the event, with ``=`` and the id of what it means where that is not its own message. Words
    behind the id: ``@host``, ``beside`` for what interrupts nothing, ``=process`` of a call, ``2x`` for instances side
    by side, ``2>`` for one after the other. Gateways choose freely.
    """

    text: str
    #: process id → lines, of what is called
    called: dict[str, str] = field(default_factory=dict)
    #: gateway → ids of its flows in the order in which they are tried
    choices: dict[str, list[str]] = field(default_factory=dict)
    #: sub-process → everything inside it
    inside: dict[str, set[str]] = field(default_factory=dict)
    #: what may be open several times at once, as drawn
    repeated: set[str] = field(default_factory=set)
    #: all but the ends and what has something inside
    steps: set[str] = field(default_factory=set)
    #: event that catches an error or hears an escalation → the sub-process it comes out of
    hosts: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._messages: set[str] = set()
        written = {
            id: self._scope(iter(text.split("\n")), set()) for id, text in [("p", self.text), *self.called.items()]
        }
        messages = "".join(f'<message id="{id}" name="{id}"/>' for id in sorted(self._messages))
        made = {id: process(inner, "", id=id, declared=_DECLARED + messages) for id, inner in written.items()}
        self.package: Package = package(made.pop("p"), **{f"{id}_bpmn": diagram for id, diagram in made.items()})

    def prove(self) -> Proof:
        roots = [read_xml(data).getroot() for data in self.package.files.values()]
        processes = {each.get("id"): each for root in roots for each in root.iterchildren(f"{{{BPMN}}}process")}
        return Prover(processes).prove(processes["p"])

    def walks(self) -> Iterator[EveryWalk]:
        """Walk in every way there is, each from the start."""
        definition = Definition.read(self.package)
        ahead: list[int] | None = []
        for _ in range(MOST_WALKS):
            if ahead is None:
                return
            answers = Answers(ahead)
            yield EveryWalk(definition, self, answers)
            ahead = answers.next()

    # Writing.

    def _scope(self, lines: Iterator[str], around: set[str]) -> str:
        kinds: dict[str, str] = {}
        ways: list[tuple[str, str]] = []
        elements, within = "", set()
        for line in map(str.strip, lines):
            if line == "}":
                break
            if "->" in line:
                ids = re.split(r"\s*->\s*", line)
                ways += zip(ids, ids[1:], strict=False)
            elif line:
                kind, id, *more = line.removesuffix("{").split()
                kinds[id] = kind.partition(":")[0]
                within.add(id)
                inner = self._scope(lines, self.inside.setdefault(id, set())) if kind in _SCOPES else ""
                within |= self.inside.get(id, set())
                if kind == "handler" and self.inside[id] & self.repeated:
                    self.repeated |= {id, *self.inside[id]}
                elements += self._element(kind, id, more, inner)
        self._note_repeated(kinds, ways)
        self.steps |= {id for id, kind in kinds.items() if kind not in (*_SCOPES, "end")}
        around |= within
        return elements + flows("\n".join(self._line(kinds, ways, *way) for way in ways))

    def _element(self, kind: str, id: str, more: list[str], inner: str) -> str:
        kind, _, event = kind.partition(":")
        said = [f'id="{id}"']
        for word in more:
            if word.startswith("@"):
                said.append(f'attachedToRef="{word[1:]}"')
                self.hosts |= {id: word[1:]} if event.startswith(("error", "escalation")) else {}
            elif word.startswith("="):
                said.append(f'calledElement="{word[1:]}"')
            elif word == "beside":
                said += ['cancelActivity="false"'] if kind == "on" else ['isInterrupting="false"']
                self.repeated.add(id)
            else:
                inner += _SEVERAL.format(' isSequential="true"' if word[-1] == ">" else "", word[:-1])
                self.repeated.add(id)
        if kind == "handler":
            said.append('triggeredByEvent="true"')
        if kind == "service":
            said.append('camunda:type="external" camunda:topic="t"')
        if kind in ("receive", "send"):
            message = event or f"M_{id}"
            self._messages.add(message)
            said.append(f'messageRef="{message}"')
        elif event:
            inner += self._event(*event.partition("=")[::2], id)
        return f"<{_TAGS[kind]} {' '.join(said)}>{inner}</{_TAGS[kind]}>"

    def _event(self, kind: str, meant: str, id: str) -> str:
        if kind == "timer":
            return f"<timerEventDefinition><timeDuration>{meant or 'PT1H'}</timeDuration></timerEventDefinition>"
        if kind == "link":
            return f'<linkEventDefinition name="{meant}"/>'
        if kind == "message":
            meant = meant or f"M_{id}"
            self._messages.add(meant)
        reference = f' {kind}Ref="{meant}"' if meant else ""
        return f"<{kind}EventDefinition{reference}/>"

    def _line(self, kinds: dict[str, str], ways: list[tuple[str, str]], source: str, target: str) -> str:
        if kinds[source] not in _CHOOSING or sum(each == source for each, _ in ways) < 2:
            return f"{source} -> {target}"
        self.choices.setdefault(source, []).append(f"{source}_{target}")
        return f'{source} -> {target} [param("{source}_{target}")]'

    def _note_repeated(self, kinds: dict[str, str], ways: list[tuple[str, str]]) -> None:
        """What lies behind an event that interrupts nothing may be open several times."""
        found = {id for id in kinds if id in self.repeated and kinds[id] == "on"}
        while True:
            more = {target for source, target in ways if source in found} - found
            if not more:
                break
            found |= more
        self.repeated |= found


class Answers:
    """Takes the place of chance: the answers of one walk, then those of the next, until all have been given."""

    def __init__(self, ahead: list[int]) -> None:
        self._ahead = ahead
        self._given: list[tuple[int, int]] = []

    def choice(self, among):
        among = list(among)
        return among[self._pick(len(among))]

    def random(self) -> float:
        return self._pick(2) * 0.9

    def _pick(self, count: int) -> int:
        number = len(self._given)
        answer = self._ahead[number] if number < len(self._ahead) else 0
        self._given.append((answer, count))
        return answer

    def next(self) -> list[int] | None:
        """Return how the next walk begins, None after the last."""
        while self._given and self._given[-1][0] == self._given[-1][1] - 1:
            self._given.pop()
        if not self._given:
            return None
        return [answer for answer, _ in self._given[:-1]] + [self._given[-1][0] + 1]


class EveryWalk(Walk):
    """A walk on which time passes too, taken to its end."""

    def __init__(self, definition: Definition, sketch: Sketch, answers: Answers) -> None:
        self._hours = 0
        self.twice: set[str] = set()
        super().__init__(definition, sketch, answers)
        for _ in range(MOST_STEPS):
            actions = [] if self.over else self.actions()
            if not actions:
                break
            self.act(*answers.choice(actions))
            self.twice |= set() if self.failed else self.doubled()

    def now(self) -> str:
        return (datetime.now(UTC) + timedelta(hours=self._hours)).isoformat()

    def actions(self) -> list[tuple[str, str]]:
        timers = self.workflow.next_due is not None
        return super().actions() + ([("", "time")] if timers else [])

    def act(self, element: str, task: str) -> None:
        if task != "time":
            super().act(element, task)
            return
        self._hours += 4
        try:
            self.workflow.fire_timers()
        except StepFailed as error:
            self.failed = error
        self._note()
