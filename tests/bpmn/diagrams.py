"""Small diagrams as text, and an outside world in memory, for the tests of running workflows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from engine.bpmn.definition import Definition
from engine.bpmn.package import Package, read_files
from engine.bpmn.workflow import Workflow

_HEAD = (
    '<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" '
    'xmlns:camunda="http://camunda.org/schema/1.0/bpmn" id="D" targetNamespace="urn:test">'
)
_FLOW = re.compile(r"^\s*(\w+)\s*->\s*(\w+)(?:\s*\[(?P<default>default)?(?P<condition>[^\]]*)\])?\s*$")


def flows(text: str) -> str:
    """Return sequence flows for lines such as ``a -> b``, ``a -> b [x > 1]`` or ``a -> b [default]``."""
    made = []
    for line in filter(str.strip, text.splitlines()):
        match = _FLOW.match(line)
        source, target = match[1], match[2]
        condition = (match["condition"] or "").replace("<", "&lt;")
        inner = f"<conditionExpression>{condition}</conditionExpression>" if condition else ""
        ends = f'id="{source}_{target}" sourceRef="{source}" targetRef="{target}"'
        made.append(f"<sequenceFlow {ends}>{inner}</sequenceFlow>")
    return "".join(made)


def process(elements: str, flow_lines: str, *, id: str = "p", declared: str = "") -> bytes:
    """Return a diagram with one process."""
    return (
        f'{_HEAD}{declared}<process id="{id}" name="流程" isExecutable="true">'
        f"{elements}{flows(flow_lines)}</process></definitions>"
    ).encode()


def package(diagram: bytes, **more: bytes) -> Package:
    """Return a package; ``more`` are further files, ``_bpmn`` and ``_dmn`` at the end of a name standing for a dot."""
    files = {"p.bpmn": diagram}
    for name, data in more.items():
        stem, _, ending = name.rpartition("_")
        files[f"common/{stem}/{stem}.{ending}" if ending == "bpmn" else f"{stem}.{ending}"] = data
    return read_files("p", "T01", files)


def definition(diagram: bytes, **more: bytes) -> Definition:
    return Definition.read(package(diagram, **more))


class Outside:
    """Answers connectors from a table and remembers who asked."""

    def __init__(self, answers: Mapping[str, object] | None = None, **functions: Callable) -> None:
        self.answers = dict(answers or {})
        self.functions: Mapping[str, Callable] = {"now": lambda: datetime.now(UTC).isoformat(), **functions}
        self.calls: list[tuple[str, str, str, dict]] = []

    def call(self, topic: str, element: str, call_key: str, inputs: Mapping[str, object]) -> object:
        self.calls.append((topic, element, call_key, dict(inputs)))
        answer = self.answers.get(topic, {})
        if isinstance(answer, Exception):
            raise answer
        return answer(inputs) if callable(answer) else answer


def start(shared: Definition, data: Mapping[str, object] | None = None, outside: Outside | None = None) -> Workflow:
    return Workflow.start(shared, data or {}, outside or Outside())


def reload(workflow: Workflow, shared: Definition, outside: Outside | None = None) -> Workflow:
    """Return the workflow as another process would find it."""
    return Workflow.load(shared, workflow.dump(), outside or Outside())


def do(workflow: Workflow, element: str, data: Mapping[str, object] | None = None) -> None:
    """Complete the open task of that element."""
    task = next(task for task in workflow.open_tasks() if task.element == element)
    workflow.complete(task.id, data or {})


def opened(workflow: Workflow) -> list[str]:
    return sorted(task.element for task in workflow.open_tasks())


class Walk:
    """A matter taken step by step; before each step it is written down and read again, on specs read afresh."""

    def __init__(self, diagram: bytes, data: Mapping[str, object] | None = None, **more: bytes) -> None:
        self._package = package(diagram, **more)
        self.outside = Outside()
        self.time = datetime(2026, 3, 16, 9, 0, tzinfo=UTC)
        self.outside.functions = {"now": lambda: self.time.isoformat()}
        self._shared = Definition.read(self._package)
        self._workflow = start(self._shared, data, self.outside)
        #: ids of the nodes passed, in order
        self.path: list[str] = []
        #: ids of the sequence flows taken
        self.flows: list[str] = []
        self._note()

    @property
    def workflow(self) -> Workflow:
        return self._workflow

    def do(self, element: str, data: Mapping[str, object] | None = None) -> Walk:
        self._restart()
        do(self._workflow, element, data)
        return self._note()

    def receive(self, message: str, **payload: object) -> bool:
        self._restart()
        caught = self._workflow.receive(message, payload)
        self._note()
        return caught

    def wait(self, **duration: float) -> Walk:
        """Let time pass and fire the timers."""
        self.time += timedelta(**duration)
        self._restart()
        self._workflow.fire_timers()
        return self._note()

    @property
    def open(self) -> list[str]:
        return opened(self._workflow)

    @property
    def end(self) -> str | None:
        """The end event of a finished matter; None while it is open."""
        return self._workflow.end_element if self._workflow.finished else None

    @property
    def data(self) -> dict[str, object]:
        return self._workflow.data

    def _restart(self) -> None:
        self._shared.check()
        self._shared = Definition.read(self._package)
        self._workflow = reload(self._workflow, self._shared, self.outside)

    def _note(self) -> Walk:
        passed = self._workflow.take_passed()
        self.path += [node.element for node in passed if node.kind != "cancelled"]
        self.flows += [flow for node in passed if node.flow for flow in node.flow.split()]
        return self
