"""The flow of one process or sub-process as the layout sees it: nodes in lanes, and the flows between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lxml import etree

from engine.bpmn.document import BPMN
from engine.bpmn.facts import FLOW_NODES

#: event definitions that say: this did not come out as wanted
_UNHAPPY_ENDS = ("error", "terminate", "escalation", "cancel")
_SUB_PROCESSES = ("subProcess", "transaction", "adHocSubProcess")
_SUFFIX = "EventDefinition"


@dataclass(frozen=True)
class Node:
    """A flow node; ``lane`` is None where the process has no lanes."""

    id: str
    kind: str
    name: str
    line: int
    lane: str | None
    #: id of the activity a boundary event hangs on, "" for every other node
    host: str
    ends_unhappily: bool

    @property
    def is_event(self) -> bool:
        return self.kind.endswith("Event")

    @property
    def is_gateway(self) -> bool:
        return self.kind.endswith("Gateway")

    @property
    def is_small(self) -> bool:
        """Its name stands outside."""
        return self.is_event or self.is_gateway

    @property
    def is_sub_process(self) -> bool:
        return self.kind in _SUB_PROCESSES

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, the modelers' defaults."""
        return (36, 36) if self.is_event else (50, 50) if self.is_gateway else (100, 80)


@dataclass(frozen=True)
class Flow:
    id: str
    source: str
    target: str
    name: str
    line: int


@dataclass(frozen=True)
class Frame:
    """A pool or a lane."""

    id: str
    name: str
    line: int


@dataclass(frozen=True)
class Graph:
    """Everything of one scope in document order."""

    nodes: Mapping[str, Node]
    flows: tuple[Flow, ...]
    lanes: tuple[Frame, ...]
    #: None in a process without a pool and in a sub-process
    pool: Frame | None

    def carrier(self, id: str) -> str:
        """Return the node that stands in a cell: a boundary event hangs on it."""
        return self.nodes[id].host or id

    @property
    def standing(self) -> list[Node]:
        """Return the nodes that have a cell of their own."""
        return [node for node in self.nodes.values() if not node.host]


def read_graph(scope: etree._Element, pool: etree._Element | None = None) -> Graph:
    """Return what stands directly in a process or sub-process; flows that lead out of it are left out."""
    lanes = [lane for lane in scope.iterchildren(_bpmn("laneSet")) for lane in lane.iterchildren(_bpmn("lane"))]
    lane_of = {
        (reference.text or "").strip(): lane.get("id", "")
        for lane in reversed(lanes)
        for reference in lane.iter(_bpmn("flowNodeRef"))
    }
    nodes = {node.id: node for node in _nodes(scope, lane_of)}
    flows = tuple(
        Flow(flow.get("id", ""), flow.get("sourceRef", ""), flow.get("targetRef", ""), _name(flow), flow.sourceline)
        for flow in scope.iterchildren(_bpmn("sequenceFlow"))
        if flow.get("id") and flow.get("sourceRef") in nodes and flow.get("targetRef") in nodes
    )
    return Graph(nodes, flows, tuple(map(_frame, lanes)), None if pool is None else _frame(pool))


def _nodes(scope: etree._Element, lane_of: Mapping[str, str]) -> Iterator[Node]:
    inside = [each for each in scope.iterchildren(f"{{{BPMN}}}*") if etree.QName(each).localname in FLOW_NODES]
    ids = {each.get("id") for each in inside}
    for each in inside:
        if id := each.get("id"):
            kind = etree.QName(each).localname
            host = each.get("attachedToRef", "") if kind == "boundaryEvent" else ""
            host = host if host in ids else ""
            lane = lane_of.get(host or id)
            yield Node(id, kind, _name(each), each.sourceline or 1, lane, host, _ends_unhappily(each))


def _ends_unhappily(node: etree._Element) -> bool:
    names = [etree.QName(child).localname for child in node.iterchildren(f"{{{BPMN}}}*")]
    kinds = [name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX)]
    return any(kind in _UNHAPPY_ENDS for kind in kinds)


def _frame(element: etree._Element) -> Frame:
    return Frame(element.get("id", ""), _name(element), element.sourceline or 1)


def _name(element: etree._Element) -> str:
    return " ".join(element.get("name", "").split())


def _bpmn(tag: str) -> str:
    return f"{{{BPMN}}}{tag}"
