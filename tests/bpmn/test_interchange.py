"""Reference models of other tools: each flow node runs, is lifted, or is named in a finding.

Most of these files are drawings: no conditions, no connectors, no dates. What is missing is filled in, what a finding
names is taken out, and the rest is walked on the real engine until every node that is left has been passed.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from lxml import etree

from engine.bpmn.definition import Definition
from engine.bpmn.lifting import ACTIVITIES, NODES, is_event_sub_process
from engine.bpmn.lint import lint
from engine.bpmn.package import Package, read_files
from engine.bpmn.workflow import StepFailed, Workflow
from tests.bpmn.diagrams import Outside, process
from tests.bpmn.seeds import county, public_diagrams

B = "{http://www.omg.org/spec/BPMN/20100524/MODEL}"
C = "{http://camunda.org/schema/1.0/bpmn}"
FILES = [(name, data) for name, data in public_diagrams() if name.startswith("interchange/")]
#: rules that speak of how a diagram is bound and described, not of whether it can be run
_FILLED_IN = {
    "decision-missing", "form-missing", "service-without-handler", "condition-missing", "conditional-flows",
    "timer-invalid", "node-in-lane", "known-lane", "label-required", "user-task-has-basis-material-limit",
    "message-ref-missing", "error-ref", "signal-ref", "escalation-ref", "condition-empty", "condition-ignored",
    "naming-convention", "no-bpmndi", "process-not-executable", "signal-unmatched", "expression-syntax",
    "expression-language", "called-element-missing", "ignored-attribute", "id-missing",
}  # fmt: skip
#: nodes that no walk reached, and why
_HARD_TO_REACH = {
    "_397c783e-ad6a-4cf3-8266-9b41962c83bd": "B.2.0: opens when two inclusive ways and a boundary event all run",
    "_b67ba682-c8d6-465b-b538-c287db18d1be": "B.2.0: the end behind that join",
    "_2d6586cf-81fc-4e2a-83ec-6cfff5b34bb0": "C.6.0: the step behind an error that nothing throws, as a finding says",
    "_babdfa54-b55f-463f-9341-424b42db9760": "C.6.0: the end behind that step",
}
#: a table that decides whatever it is asked
DECISION = b"""<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="D" name="D" namespace="urn:test">
  <decision id="any_decision" name="any"><decisionTable id="T" hitPolicy="FIRST">
    <input id="I"><inputExpression id="E"><text>1</text></inputExpression></input><output id="O" name="any"/>
    <rule id="R"><inputEntry id="a"><text>-</text></inputEntry><outputEntry id="b"><text>1</text></outputEntry></rule>
  </decisionTable></decision></definitions>"""

#: a called process that may fail
CALLED = process(
    '<startEvent id="any_s"/><intermediateThrowEvent id="any_x"><escalationEventDefinition escalationRef="any_late"/>'
    '</intermediateThrowEvent><userTask id="any_t"/><exclusiveGateway id="any_g" default="any_g_any_e"/>'
    '<endEvent id="any_e"/>'
    '<endEvent id="any_f"><errorEventDefinition id="any_d" errorRef="any_error"/></endEvent>',
    "any_s -> any_x\nany_x -> any_t\nany_t -> any_g\nany_g -> any_f [fails]\nany_g -> any_e [default]",
    id="any_process",
    declared='<error id="any_error" name="any" errorCode="=any_code"/>',
)


def _nodes(root: etree._Element) -> list[etree._Element]:
    return [node for process in root.iterchildren(B + "process") for node in process.iter(*NODES)]


class Sketch:
    """One process of a drawing made to run, beginning at the ``turn``-th of its start events."""

    def __init__(self, data: bytes, process: str, named: set[str], turn: int) -> None:
        self.root = etree.fromstring(data)
        kept = (B + "process", B + "error", B + "signal", B + "message", B + "escalation")
        for other in [*self.root]:
            if other.tag not in kept or (other.tag == B + "process" and other.get("id") != process):
                self.root.remove(other)
        self.messages, self.consent = 0, 0.6
        etree.SubElement(self.root, B + "error", id="any_error", name="any", errorCode="any")
        for error in self.root.iterchildren(B + "error"):
            error.set("errorCode", error.get("id"))
        self.codes = [error.get("id") for error in self.root.iterchildren(B + "error")]
        self.process = self.root.find(B + "process")
        self.process.set("isExecutable", "true")
        for unused in [*self.root.iter(B + "ioSpecification")]:
            unused.getparent().remove(unused)
        for node in [*self.process.iter(*NODES)]:
            if node.get("id") in named:
                self._replace(node)
        self.timers = 0
        self._begin_at(turn)
        self._pause()
        for node in self.process.iter(*NODES):
            self._fill_in(node)
        self.names = sorted(map(str, set(self.root.xpath("//*[local-name()='conditionExpression']/text()"))))
        self.left = {node.get("id") for node in _nodes(self.root)} - named

    def _replace(self, node: etree._Element) -> None:
        """Put something plain in the place of what a finding names, so that the way goes on."""
        for child in [*node]:
            definition = etree.QName(child).localname.endswith(("EventDefinition", "EventDefinitionRef"))
            if definition or etree.QName(child).localname.endswith("LoopCharacteristics"):
                node.remove(child)
        for name in (
            "triggeredByEvent isForCompensation instantiate parallelMultiple eventGatewayType startQuantity "
            "completionQuantity"
        ).split():
            node.attrib.pop(name, None)
        kind = etree.QName(node).localname
        if kind == "subProcess" and next(node.iterchildren(*NODES), None) is None:
            node.tag = B + "manualTask"
        elif kind == "boundaryEvent" and self._host_is_automatic(node):
            node.getparent().remove(node)
        elif kind == "boundaryEvent" or (kind == "startEvent" and is_event_sub_process(node.getparent())):
            etree.SubElement(node, B + "messageEventDefinition", messageRef=self._message())
        elif kind in ("transaction", "adHocSubProcess"):
            node.tag = B + "subProcess"
        elif kind == "complexGateway":
            node.tag = B + "exclusiveGateway"
        elif kind not in ("startEvent", "endEvent", "subProcess") and not kind.endswith("Gateway"):
            node.tag = B + "manualTask"

    def _message(self) -> str:
        """Declare one more message, known to one place only."""
        self.messages += 1
        id = f"any_message_{self.messages}"
        etree.SubElement(self.root, B + "message", id=id, name=id)
        return id

    def _host_is_automatic(self, boundary: etree._Element) -> bool:
        host = self.root.xpath("//*[@id=$id]", id=boundary.get("attachedToRef"))
        return any(each.tag in (B + "serviceTask", B + "sendTask", B + "businessRuleTask") for each in host)

    def _begin_at(self, turn: int) -> None:
        """Keep one start event of every scope, and of the rest what can be reached from it."""
        for scope in [self.process, *self.process.iter(B + "subProcess")]:
            starts = scope.findall(B + "startEvent")
            for number, start in enumerate(starts):
                if number != turn % len(starts):
                    scope.remove(start)
        while True:
            nodes = {node.get("id"): node for node in self.process.iter(*NODES)}
            flows = [*self.process.iter(B + "sequenceFlow")]
            entered = {flow.get("targetRef") for flow in flows}
            loose = [flow for flow in flows if not {flow.get("sourceRef"), flow.get("targetRef")} <= nodes.keys()]
            loose += [each for id, each in nodes.items() if id not in entered and self._is_lost(each, nodes)]
            if not loose:
                return
            for each in loose:
                each.getparent().remove(each)

    def _pause(self) -> None:
        """Let a person do one step where all is automatic, so that there is a time when something can happen."""
        waiting = (
            B + "userTask",
            B + "manualTask",
            B + "receiveTask",
            B + "callActivity",
            B + "intermediateCatchEvent",
        )
        for reaction in filter(is_event_sub_process, self.process.iter(B + "subProcess")):
            beside = [node for node in reaction.itersiblings(*NODES)] + [*reaction.itersiblings(*NODES, preceding=True)]
            automatic = [node for node in beside if node.tag in (B + "serviceTask", B + "sendTask")]
            if automatic and not any(node.tag in waiting for node in beside):
                automatic[0].tag = B + "userTask"

    @staticmethod
    def _is_lost(node: etree._Element, nodes: dict) -> bool:
        if node.tag == B + "boundaryEvent":
            return node.get("attachedToRef") not in nodes
        link = node.find(B + "linkEventDefinition") is not None
        begins = node.tag == B + "startEvent" or is_event_sub_process(node) or link
        return not begins and node.getparent().find(B + "startEvent") is not None

    def _fill_in(self, node: etree._Element) -> None:
        if node.tag == B + "serviceTask":
            node.set(C + "type", "external")
            node.set(C + "topic", "any")
        if node.tag == B + "callActivity":
            node.set("calledElement", "any_process")
        if node.tag == B + "businessRuleTask":
            node.set(C + "decisionRef", "any_decision")
            node.set(C + "resultVariable", "any")
        if node.tag in (B + "sendTask", B + "receiveTask") and not node.get("messageRef"):
            node.set("messageRef", self._message())
        for definition in node.iterchildren(f"{B}*"):
            self._define(definition)
        leaving = [flow for flow in self.process.iter(B + "sequenceFlow") if flow.get("sourceRef") == node.get("id")]
        chosen = any(flow.find(B + "conditionExpression") is not None for flow in leaving)
        if node.tag in (B + "exclusiveGateway", B + "inclusiveGateway") or chosen:
            for flow in leaving if len(leaving) > 1 or chosen else ():
                self._condition(flow, node)

    def _define(self, definition: etree._Element) -> None:
        kind = etree.QName(definition).localname.removesuffix("EventDefinition")
        if kind == "signal" and not definition.get("signalRef") and definition.getparent().tag == B + "boundaryEvent":
            # A message comes from outside: nobody here need send it.
            definition.tag, kind = B + "messageEventDefinition", "message"
        if kind == "message" and not definition.get("messageRef"):
            definition.set("messageRef", self._message())
        if kind == "error" and not definition.get("errorRef"):
            definition.set("errorRef", "any_error")
        if kind == "signal" and not definition.get("signalRef"):
            definition.set("signalRef", "any_signal")
        if kind == "timer":
            for child in [*definition]:
                definition.remove(child)
            # What interrupts nothing comes first, else it may never come.
            event = definition.getparent()
            beside = "false" in (event.get("cancelActivity"), event.get("isInterrupting"))
            self.timers += 1
            etree.SubElement(definition, B + "timeDuration").text = "PT1H" if beside else f"PT{1 + self.timers}H"

    def _condition(self, flow: etree._Element, node: etree._Element) -> None:
        for old in flow.findall(B + "conditionExpression"):
            flow.remove(old)
        chooses = node.tag in ACTIVITIES or node.tag in (B + "exclusiveGateway", B + "inclusiveGateway")
        if chooses and flow.get("id") != node.get("default"):
            number = len(list(flow.itersiblings(preceding=True)))
            etree.SubElement(flow, B + "conditionExpression").text = f"go_{number}"

    @property
    def package(self) -> Package:
        diagram = etree.tostring(self.root, encoding="UTF-8")
        called = "common/any_process/any_process.bpmn"
        return read_files("sketch", "", {"sketch.bpmn": diagram, "any.dmn": DECISION, called: CALLED})

    def walks(self) -> Iterator[set[str]]:
        """Walk at random, again and again; return what each walk has passed."""
        definition = Definition.read(self.package)
        for seed in range(400):
            yield self._walk(definition, random.Random(seed))

    def _walk(self, definition: Definition, choose: random.Random) -> set[str]:
        moment = datetime(2026, 3, 16, tzinfo=UTC)
        outside = Outside()
        outside.functions = {"now": lambda: moment.isoformat()}
        passed: set[str] = set()
        haste, ear, self.consent = choose.random(), choose.random(), choose.random() ** 0.5
        try:
            workflow = Workflow.start(definition, self._answers(choose), outside)
            for _ in range(60):
                passed |= {each.element for each in workflow.take_passed() if each.kind != "cancelled"}
                workflow.take_thrown()
                if workflow.finished:
                    break
                workflow = Workflow.load(definition, workflow.dump(), outside)
                tasks, waits = workflow.open_tasks(), workflow.waits()
                messages = [wait for wait in waits if wait.message]
                if tasks and (choose.random() < haste or not waits):
                    workflow.complete(choose.choice(tasks).id, self._answers(choose))
                elif messages and choose.random() < ear:
                    workflow.receive(choose.choice(messages).message, {})
                else:
                    moment += timedelta(hours=1)
                    workflow.fire_timers()
        except StepFailed:
            # No way chosen, or a join that cannot open: what was passed before counts.
            pass
        return passed

    def _answers(self, choose: random.Random) -> dict[str, object]:
        return {name: choose.random() < self.consent for name in self.names} | {
            "fails": choose.random() < 0.3,
            "any_code": choose.choice(self.codes),
        }


def _named(package: Package, file: str) -> set[str]:
    """Return the nodes that findings name, be it by what stands inside them."""
    faults = [found for found in lint(package, county()) if found.severity == "error" and found.file == file]
    ids = {found.element for found in faults if found.rule not in _FILLED_IN}
    named = [each for each in etree.fromstring(package.files[file]).iter(f"{B}*") if each.get("id") in ids - {""}]
    around = [each if each.tag in NODES else next(each.iterancestors(*NODES), None) for each in named]
    return {node.get("id") for node in around if node is not None}


def _mended(data: bytes, process: str, named: set[str], turn: int) -> Sketch:
    """Mend what is named, ask again, and so on, until lint names nothing more of what keeps it from running."""
    while True:
        sketch = Sketch(data, process, named, turn)
        more = (_named(sketch.package, "sketch.bpmn") & sketch.left) - named
        if not more:
            return sketch
        named |= more


@pytest.mark.skipif(not FILES, reason="no public diagrams beside the repository")
@pytest.mark.parametrize(("name", "data"), FILES, ids=[name for name, _ in FILES])
def test_every_node_runs_or_is_named(name: str, data: bytes):
    named = _named(read_files("trial", "", {"trial.bpmn": data}), "trial.bpmn")
    lost: set[str] = set()
    for drawn in etree.fromstring(data).iterchildren(B + "process"):
        nodes, passed = {node.get("id") for node in drawn.iter(*NODES)}, set()
        for turn in range(max(1, len(drawn.findall(B + "startEvent"))) if nodes - named else 0):
            sketch = _mended(data, drawn.get("id"), named, turn)
            for walk in sketch.walks():
                passed |= walk
                if sketch.left - _HARD_TO_REACH.keys() <= passed:
                    break
        lost |= nodes - named - passed
    lost -= _HARD_TO_REACH.keys()
    assert not lost, f"neither run nor named: {sorted(lost)}"
