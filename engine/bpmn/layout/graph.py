"""The flow of one process or sub-process as the layout sees it: nodes in lanes, and the flows between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lxml import etree

from engine.bpmn.document import BPMN
from engine.bpmn.facts import FLOW_NODES

#: event definitions that say: this did not come out as wanted
_UNHAPPY_ENDS = ("error", "terminate", "escalation", "cancel")
SUB_PROCESSES = ("subProcess", "transaction", "adHocSubProcess")
_SUFFIX = "EventDefinition"
_ACTIVITIES = frozenset(kind for kind in FLOW_NODES if not kind.endswith(("Event", "Gateway")))
_BPMN = f"{{{BPMN}}}*"


@dataclass(frozen=True)
class Node:
    """A flow node; ``lane`` is None where the process has no lanes."""

    id: str
    kind: str
    name: str
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
        return self.kind in SUB_PROCESSES

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


@dataclass(frozen=True)
class Frame:
    """A pool or a lane."""

    id: str
    name: str


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


def read_graph(scopes: Sequence[etree._Element], pool: etree._Element | None = None, *, deep: bool = False) -> Graph:
    """Return what stands directly in processes or sub-processes, ``deep`` with what stands inside sub-processes.

    Flows that lead out of it are left out.
    """
    lanes = [lane for scope in scopes for lane in scope.iterchildren(_bpmn("laneSet"))]
    lanes = [lane for holder in lanes for lane in holder.iterchildren(_bpmn("lane"))]
    lane_of = {
        (reference.text or "").strip(): lane.get("id", "")
        for lane in reversed(lanes)
        for reference in lane.iter(_bpmn("flowNodeRef"))
    }
    inside = [each for scope in scopes for each in _inside(scope, deep)]
    nodes = {node.id: node for node in _nodes(inside, lane_of)}
    flows = tuple(
        Flow(flow.get("id", ""), flow.get("sourceRef", ""), flow.get("targetRef", ""), name_of(flow))
        for flow in inside
        if flow.tag == _bpmn("sequenceFlow")
        and flow.get("id")
        and flow.get("sourceRef") in nodes
        and flow.get("targetRef") in nodes
    )
    return Graph(nodes, flows, tuple(map(_frame, lanes)), None if pool is None else _frame(pool))


def _inside(scope: etree._Element, deep: bool) -> Iterator[etree._Element]:
    for each in scope.iterchildren(_BPMN):
        yield each
        if deep and etree.QName(each).localname in SUB_PROCESSES:
            yield from _inside(each, deep)


def _nodes(inside: Sequence[etree._Element], lane_of: Mapping[str, str]) -> Iterator[Node]:
    # A boundary event hangs on an activity; whatever else it names is no host.
    hosts = {each.get("id") for each in inside if etree.QName(each).localname in _ACTIVITIES}
    for each in inside:
        kind = etree.QName(each).localname
        id = each.get("id")
        if id and kind in FLOW_NODES:
            host = each.get("attachedToRef", "") if kind == "boundaryEvent" else ""
            host = host if host in hosts else ""
            lane = lane_of.get(host or id)
            yield Node(id, kind, name_of(each), lane, host, _ends_unhappily(each))


def _ends_unhappily(node: etree._Element) -> bool:
    names = [etree.QName(child).localname for child in node.iterchildren(_BPMN)]
    kinds = [name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX)]
    return any(kind in _UNHAPPY_ENDS for kind in kinds)


def _frame(element: etree._Element) -> Frame:
    return Frame(element.get("id", ""), name_of(element))


def name_of(element: etree._Element) -> str:
    """Return the name on one line."""
    return " ".join(element.get("name", "").split())


def _bpmn(tag: str) -> str:
    return f"{{{BPMN}}}{tag}"
