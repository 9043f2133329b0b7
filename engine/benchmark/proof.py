"""What it costs to check and prove an item before it may run: CPU milliseconds, the least of several runs."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.bpmn.lint import World, lint
from engine.bpmn.package import Package, read_files

#: the most that each may take
TARGETS_MS = {"lint_proof_40_nodes": 30.0, "lint_proof_17_branches": 50.0}
_ROUNDS = 15
_LANES = ("村文书", "村委会主任", "村监委")
_ITEM = (
    '<power:item code="{code}" category="基准" scope="测速" excludes="其他一切" publish="P" promise="60wd"'
    ' level="village" publicStart="false" subject="=subject" applicantName="applicant_name" />'
    '<power:legalBasis law="基准规定" version="1" article="全文" />'
)
_FACTS = (
    '<extensionElements><power:legalBasis law="基准规定" version="1" article="全文" />'
    '<power:material name="单据" required="false" keep="see" /><power:timeLimit unit="wd" value="1" />'
    "</extensionElements>"
)
_ROUTE = """<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="D" name="D" namespace="urn:bench">
<decision id="route" name="权限表"><decisionTable id="T" hitPolicy="FIRST">
<input id="I1"><inputExpression id="E1"><text>amount</text></inputExpression></input>
<input id="I2"><inputExpression id="E2"><text>urgent</text></inputExpression></input><output id="O" name="route" />
{}</decisionTable></decision></definitions>"""


@dataclass(frozen=True)
class _Role:
    code: str
    incompatible: tuple[str, ...] = ()
    succession: tuple[str, ...] = ()


WORLD = World({name: _Role(name) for name in _LANES}, {f"limit.{n}": 1_000 * n for n in range(1, 9)}, {}, {})


def costs() -> dict[str, float]:
    """Return what each item takes, lint and proof together, every file read afresh each time."""
    packages = {"lint_proof_40_nodes": forty_nodes(), "lint_proof_17_branches": branches(17, 3)}
    return {name: _least_ms(package) for name, package in packages.items()}


def forty_nodes() -> Package:
    """Return an item of 40 nodes in three lanes, with a form for each step and a decision table.

    Four times the same: a step that may be called off and done again, then two steps side by side.
    """
    drawn = _Drawn({"request": [_number("amount"), _choice("urgent")]})
    drawn.node("startEvent", "begin", ' camunda:formKey="request.form"')
    drawn.node("businessRuleTask", "route", ' camunda:decisionRef="route" camunda:resultVariable="approval"')
    drawn.flow("begin", "route")
    last = "route"
    for n in range(4):
        drawn.gateways("exclusiveGateway", f"again_{n}")
        drawn.task(f"ask_{n}", _choice(f"ask_{n}.again"))
        event = f'<messageEventDefinition id="withdrawal_{n}" messageRef="withdraw" />'
        drawn.node("boundaryEvent", f"withdraw_{n}", f' attachedToRef="ask_{n}"', event)
        drawn.node("endEvent", f"withdrawn_{n}")
        drawn.gateways("exclusiveGateway", f"answer_{n}", f' default="ask_on_{n}"')
        drawn.gateways("parallelGateway", f"part_{n}", "", f"join_{n}")
        drawn.task(f"check_{n}"), drawn.task(f"count_{n}")
        drawn.flow(last, f"again_{n}"), drawn.flow(f"again_{n}", f"ask_{n}"), drawn.flow(f"ask_{n}", f"answer_{n}")
        condition = f'ask_{n}.again = "yes" and approval.route != "{n}"'
        drawn.flow(f"answer_{n}", f"again_{n}", condition)
        drawn.flow(f"answer_{n}", f"part_{n}", id=f"ask_on_{n}")
        for step in (f"check_{n}", f"count_{n}"):
            drawn.flow(f"part_{n}", step), drawn.flow(step, f"join_{n}")
        drawn.flow(f"withdraw_{n}", f"withdrawn_{n}")
        last = f"join_{n}"
    drawn.task("close")
    drawn.node("endEvent", "done")
    drawn.flow(last, "close"), drawn.flow("close", "done")
    return drawn.package("forty_nodes", "Z40", {"route.dmn": _table()})


def branches(count: int, tasks: int) -> Package:
    """Return an item of parallel branches with tasks one after the other."""
    drawn = _Drawn({"request": []})
    drawn.node("startEvent", "begin", ' camunda:formKey="request.form"')
    drawn.gateways("parallelGateway", "part", "", "join")
    drawn.node("endEvent", "done")
    drawn.flow("begin", "part"), drawn.flow("join", "done")
    for n in range(count):
        steps = [f"step_{n}_{k}" for k in range(tasks)]
        for step in steps:
            drawn.task(step)
        for source, target in zip(["part", *steps], [*steps, "join"], strict=True):
            drawn.flow(source, target)
    return drawn.package("branches", "Z17", {})


def _table() -> str:
    cells = "<inputEntry><text>{}</text></inputEntry>" * 2 + "<outputEntry><text>{}</text></outputEntry>"
    rows = [(f'&lt;= param("limit.{n}")', f'"{way}"', f'"{n}"') for n in range(1, 9) for way in ("yes", "no")]
    rows.append(("-", "-", '"9"'))
    return _ROUTE.format("".join(f"<rule>{cells.format(*row)}</rule>" for row in rows))


class _Drawn:
    """An item while it is drawn: each node with its shape, each step with its form."""

    def __init__(self, forms: Mapping[str, Sequence[Mapping]]) -> None:
        asked = [_text("subject"), _text("applicant_name")]
        self.forms = {name: [*asked, *fields] for name, fields in forms.items()}
        self.nodes: dict[str, str] = {}
        self.flows: dict[str, str] = {}
        #: node → number of its lane
        self.lanes: dict[str, int] = {}

    def node(self, tag: str, id: str, attributes: str = "", inner: str = "", lane: int = 0) -> None:
        self.nodes[id] = f'<{tag} id="{id}" name="{id}"{attributes}>{inner}</{tag}>'
        self.lanes[id] = lane

    def gateways(self, tag: str, id: str, attributes: str = "", other: str = "") -> None:
        for each in filter(None, (id, other)):
            self.node(tag, each, attributes)

    def task(self, id: str, *asked: Mapping) -> None:
        """Draw a step of the next lane with a form that asks a note, an amount and what else is given."""
        self.node("userTask", id, f' camunda:formKey="{id}.form"', _FACTS, len(self.nodes) % len(_LANES))
        self.forms[id] = [_text(f"{id}.note"), _number(f"{id}.amount"), *asked]

    def flow(self, source: str, target: str, condition: str = "", id: str = "") -> None:
        id = id or f"{source}_to_{target}"
        inner = f"<conditionExpression>{condition}</conditionExpression>" if condition else ""
        self.flows[id] = (
            f'<sequenceFlow id="{id}" name="{target}" sourceRef="{source}" targetRef="{target}">{inner}</sequenceFlow>'
        )

    def package(self, id: str, code: str, files: Mapping[str, str]) -> Package:
        forms = {f"{name}.form": json.dumps(_form(name, asked), indent=2) for name, asked in self.forms.items()}
        texts = {f"{id}.bpmn": self._diagram(id, code), **forms, **files}
        return read_files(id, code, {name: text.encode() for name, text in texts.items()})

    def _diagram(self, id: str, code: str) -> str:
        return (
            '<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"'
            ' xmlns:camunda="http://camunda.org/schema/1.0/bpmn" xmlns:power="urn:sihua:power:1"'
            ' xmlns:bpmndi="http://www.omg.org/spec/BPMN/20100524/DI" xmlns:dc="http://www.omg.org/spec/DD/20100524/DC"'
            ' xmlns:di="http://www.omg.org/spec/DD/20100524/DI" id="Definitions" targetNamespace="urn:bench">'
            f'<message id="withdraw" name="withdraw" /><process id="{id}" name="{id}" isExecutable="true">'
            f"<extensionElements>{_ITEM.format(code=code)}</extensionElements>{self._lane_set()}"
            f"{''.join(self.nodes.values())}{''.join(self.flows.values())}</process>{self._picture(id)}</definitions>"
        )

    def _lane_set(self) -> str:
        lanes = ""
        for number, name in enumerate(_LANES):
            inside = "".join(f"<flowNodeRef>{id}</flowNodeRef>" for id, lane in self.lanes.items() if lane == number)
            lanes += f'<lane id="lane_{number}" name="{name}">{inside}</lane>'
        return f'<laneSet id="lanes">{lanes}</laneSet>'

    def _picture(self, id: str) -> str:
        shapes = "".join(
            f'<bpmndi:BPMNShape id="shape_{node}" bpmnElement="{node}"><dc:Bounds x="{150 * number}" y="{90 * lane}"'
            ' width="100" height="80" /></bpmndi:BPMNShape>'
            for number, (node, lane) in enumerate(self.lanes.items())
        )
        edges = "".join(
            f'<bpmndi:BPMNEdge id="edge_{flow}" bpmnElement="{flow}"><di:waypoint x="0" y="{400 + 20 * number}" />'
            f'<di:waypoint x="900" y="{400 + 20 * number}" /></bpmndi:BPMNEdge>'
            for number, flow in enumerate(self.flows)
        )
        plane = f'<bpmndi:BPMNPlane id="plane" bpmnElement="{id}">{shapes}{edges}</bpmndi:BPMNPlane>'
        return f'<bpmndi:BPMNDiagram id="diagram">{plane}</bpmndi:BPMNDiagram>'


def _form(id: str, components: Sequence[Mapping]) -> Mapping:
    return {"id": id, "type": "default", "schemaVersion": 16, "components": components}


def _text(key: str) -> Mapping:
    return _field(key, "textfield")


def _number(key: str) -> Mapping:
    return _field(key, "number")


def _choice(key: str) -> Mapping:
    return {**_field(key, "radio"), "values": [{"label": "是", "value": "yes"}, {"label": "否", "value": "no"}]}


def _field(key: str, type: str) -> Mapping:
    id = f"Field_{key.replace('.', '_')}"
    return {"id": id, "type": type, "key": key, "label": key, "validate": {"required": True}}


def _least_ms(package: Package) -> float:
    """Return the least time: what else runs on the machine can only add to it."""
    times = []
    for _ in range(_ROUNDS):
        begun = time.process_time()
        lint(package, WORLD)
        times.append((time.process_time() - begun) * 1000)
    return min(times)
