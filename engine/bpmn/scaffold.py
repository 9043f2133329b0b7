"""Make a new diagram of an outline; afterwards the BPMN file is the only source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from engine.bpmn.canonical import Tag, document
from engine.bpmn.document import BPMN, BPMNDI, CAMUNDA, DC, DI, POWER
from engine.bpmn.outline import ALONGSIDE, DEFINITION, FACT, KINDS, LEADS_TO, flow_id
from engine.errors import EngineError

_NAMESPACES = {
    "xmlns:bpmn": BPMN,
    "xmlns:bpmndi": BPMNDI,
    "xmlns:dc": DC,
    "xmlns:di": DI,
    "xmlns:camunda": CAMUNDA,
    "xmlns:power": POWER,
}
_ARROWS = (LEADS_TO, "->")
_EVENTS = ("timer", "message", "error", "terminate", "signal", "escalation", "conditional", "link")


class OutlineError(EngineError):
    """The outline cannot be read; ``message`` is a Chinese sentence, ``line`` counts from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"第 {line} 行：{message}")
        self.line = line
        self.message = message


@dataclass
class _Node:
    line: int
    word: str
    definitions: list[str]
    id: str
    host: str
    name: str


@dataclass
class _Flow:
    line: int
    id: str
    source: str
    target: str
    name: str


@dataclass
class _Lane:
    id: str
    name: str
    nodes: list[_Node] = field(default_factory=list)


@dataclass
class _Outline:
    process: tuple[str, str] = ("", "")
    pool: tuple[str, str] = ("", "")
    lanes: list[_Lane] = field(default_factory=list)
    nodes: dict[str, _Node] = field(default_factory=dict)
    flows: list[_Flow] = field(default_factory=list)
    #: lines with facts, which are drawn up in the diagram and not here
    skipped: int = 0


def scaffold(text: str) -> tuple[bytes, int]:
    """Return the file an outline describes, without a picture, and how many lines of facts it leaves aside.

    :raises OutlineError: a line is not understood, or leads nowhere
    """
    outline = _Reader(text).outline
    return document(_definitions(outline)).encode(), outline.skipped


class _Reader:
    """Reads an outline line by line."""

    def __init__(self, text: str) -> None:
        self.outline = _Outline()
        self.node: _Node | None = None
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip() and not line.lstrip().startswith("#"):
                self._read(number, line)
        self._check(len(text.splitlines()))

    def _read(self, number: int, line: str) -> None:
        word, _, rest = line.strip().partition(" ")
        if word == FACT:
            self.outline.skipped += 1
        elif word in _ARROWS:
            self._read_flow(number, rest.strip())
        elif word in ("process", "pool"):
            id, _, name = rest.strip().partition(" ")
            setattr(self.outline, word, (id, name.strip()))
        elif word == "lane":
            id, _, name = rest.strip().partition(" ")
            self.outline.lanes.append(_Lane(id, name.strip()))
        else:
            self._read_node(number, word, rest.strip())

    def _read_node(self, number: int, word: str, rest: str) -> None:
        kind, *definitions = word.split(":")
        if kind not in KINDS:
            raise OutlineError(number, f"不认识“{word}”。一行以 process、pool、lane、→ 或者步骤的种类开头。")
        if unknown := [each for each in definitions if each not in _EVENTS]:
            raise OutlineError(number, f"不认识事件“{unknown[0]}”，可以用 {'、'.join(_EVENTS)}。")
        id, _, name = rest.partition(" ")
        host = ""
        if KINDS[kind] == "boundaryEvent":
            host, _, name = name.strip().partition(" ")
            if not host.startswith("@"):
                raise OutlineError(number, f"边界事件 {id} 后面要写挂在哪一步，例如 @Task_register。")
        if not id or id in self.outline.nodes:
            raise OutlineError(number, f"编号 {id} 用了两次。" if id else "步骤没有编号。")
        self.node = _Node(number, kind, definitions, id, host.removeprefix("@"), name.strip())
        self.outline.nodes[id] = self.node
        if self.outline.lanes:
            self.outline.lanes[-1].nodes.append(self.node)

    def _read_flow(self, number: int, rest: str) -> None:
        if self.node is None:
            raise OutlineError(number, "流向要写在它出来的那一步下面。")
        target, _, name = rest.partition(":")
        target, _, id = target.strip().partition(" ")
        id = id.strip("() ") or flow_id(self.node.id, target)
        taken = {flow.id for flow in self.outline.flows}
        if id in taken:
            id = next(each for each in (f"{id}_{count}" for count in range(2, len(taken) + 3)) if each not in taken)
        self.outline.flows.append(_Flow(number, id, self.node.id, target, name.strip()))

    def _check(self, last: int) -> None:
        outline = self.outline
        if not outline.process[0]:
            raise OutlineError(max(last, 1), "少了“process <编号> <名称>”这一行。")
        for flow in outline.flows:
            if flow.target not in outline.nodes:
                raise OutlineError(flow.line, f"没有 {flow.target} 这一步。")
        for node in outline.nodes.values():
            if node.host and node.host not in outline.nodes:
                raise OutlineError(node.line, f"没有 {node.host} 这一步。")
            if outline.lanes and not any(node in lane.nodes for lane in outline.lanes):
                raise OutlineError(node.line, f"{node.id} 不在任何泳道（lane）下面。")


# --- the file -------------------------------------------------------------------------------------------------------


def _definitions(outline: _Outline) -> Tag:
    id, name = outline.process
    names = {"id": f"Definitions_{id}", "targetNamespace": f"urn:sihua:{id}"}
    root = Tag("bpmn:definitions", {**_NAMESPACES, **names})
    pool_id, pool_name = outline.pool
    collaboration = root.add("bpmn:collaboration", id="Collaboration_1")
    collaboration.add(
        "bpmn:participant", id=pool_id or f"Participant_{id}", name=(pool_name or name) or None, processRef=id
    )
    process = root.add("bpmn:process", id=id, name=name or None, isExecutable="true")
    _add_lanes(process, outline)
    for node in outline.nodes.values():
        _add_node(process, node, outline)
    for flow in outline.flows:
        process.add(
            "bpmn:sequenceFlow", id=flow.id, name=flow.name or None, sourceRef=flow.source, targetRef=flow.target
        )
    return root


def _add_lanes(process: Tag, outline: _Outline) -> None:
    if not outline.lanes:
        return
    lanes = process.add("bpmn:laneSet", id="LaneSet_1")
    for each in outline.lanes:
        lane = lanes.add("bpmn:lane", id=each.id, name=each.name or None)
        for node in each.nodes:
            lane.add("bpmn:flowNodeRef").text = node.id


def _add_node(process: Tag, node: _Node, outline: _Outline) -> None:
    tag = process.add(
        f"bpmn:{KINDS[node.word]}",
        id=node.id,
        name=node.name or None,
        cancelActivity="false" if node.word == ALONGSIDE else None,
        attachedToRef=node.host or None,
    )
    for end, flows in _ends(node, outline):
        for flow in flows:
            tag.add(f"bpmn:{end}").text = flow.id
    for kind in node.definitions:
        tag.add(f"bpmn:{kind}{DEFINITION}", id=f"{node.id}_{kind}")


def _ends(node: _Node, outline: _Outline) -> Iterator[tuple[str, list[_Flow]]]:
    yield "incoming", [flow for flow in outline.flows if flow.target == node.id]
    yield "outgoing", [flow for flow in outline.flows if flow.source == node.id]
