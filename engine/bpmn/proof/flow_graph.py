"""The nodes and sequence flows of one process or embedded sub-process, as they are drawn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from lxml import etree

from engine.bpmn.document import BPMN
from engine.bpmn.facts import FLOW_NODES

_B = f"{{{BPMN}}}"
_TAGS = {_B + name: name for name in FLOW_NODES}
_FLOW = _B + "sequenceFlow"
SUB_PROCESSES = ("subProcess", "transaction", "adHocSubProcess")
#: steps with more steps inside
SCOPES = (*SUB_PROCESSES, "callActivity")


@dataclass(eq=False, slots=True)
class Node:
    """A flow node with what enters and leaves it."""

    #: "" when the diagram gives none
    id: str
    #: local BPMN tag
    kind: str
    element: etree._Element
    #: names of its event definitions, without the ending: message, timer, terminate …
    events: tuple[str, ...] = ()
    incoming: list[Flow] = field(default_factory=list)
    outgoing: list[Flow] = field(default_factory=list)
    #: the boundary events that hang on it
    attached: list[Node] = field(default_factory=list)
    #: of a boundary event: what it hangs on
    host: Node | None = None

    def __repr__(self) -> str:
        return f"<{self.kind} {self.id}>"

    @property
    def interrupts(self) -> bool:
        """Of a boundary event: it calls off what it hangs on; of the start of an event sub-process: what is around."""
        said = self.element.get("isInterrupting" if self.is_start else "cancelActivity", "true")
        return said.strip() not in ("false", "0")

    @property
    def is_start(self) -> bool:
        return self.kind == "startEvent"

    @property
    def is_event_sub_process(self) -> bool:
        return self.kind == "subProcess" and self.element.get("triggeredByEvent") == "true"

    @property
    def ahead(self) -> Iterator[Node]:
        """The nodes that may come next; a boundary event comes after what it hangs on."""
        yield from (flow.target for flow in self.outgoing)
        yield from self.attached

    def definition(self, event: str) -> etree._Element | None:
        return self.element.find(f"{_B}{event}EventDefinition")


@dataclass(eq=False, slots=True)
class Flow:
    """A sequence flow between two nodes of the same scope; a pair of link events is joined by one without an id."""

    id: str
    source: Node
    target: Node
    condition: str = ""
    default: bool = False


class FlowGraph:
    """One process or sub-process without what is inside its own sub-processes."""

    def __init__(self, scope: etree._Element) -> None:
        self.scope = scope
        self.nodes = [_node(element, _TAGS[element.tag]) for element in scope if element.tag in _TAGS]
        self.by_id: Mapping[str, Node] = {node.id: node for node in reversed(self.nodes) if node.id}
        self._attach()
        self._connect()
        self._join_links()

    @property
    def starts(self) -> list[Node]:
        return [node for node in self.nodes if node.is_start]

    @property
    def inner(self) -> list[Node]:
        """The embedded sub-processes."""
        return [node for node in self.nodes if node.kind in SUB_PROCESSES]

    def entries(self) -> list[list[Node]]:
        """Return the ways in which the scope may begin: at one of its start events, else wherever nothing leads to."""
        if self.starts:
            return [[start] for start in self.starts]
        free = [node for node in self.nodes if not node.incoming and node.host is None and not _stands_apart(node)]
        return [free] if free else []

    def reached(self, first: Iterable[Node], without: Node | None = None) -> set[Node]:
        """Return the nodes that can be reached from these, themselves included, on ways that spare ``without``."""
        found: set[Node] = set()
        ahead = list(first)
        while ahead:
            node = ahead.pop()
            if node not in found and node is not without:
                found.add(node)
                ahead.extend(node.ahead)
        return found

    def ranks(self) -> dict[Node, int]:
        """Number the nodes so that each comes behind those that lead to it; flows that lead back do not count."""
        order: list[Node] = []
        seen: set[Node] = set()
        for first in (*self.starts, *self.nodes):
            stack = [] if first in seen else [(first, first.ahead)]
            seen.add(first)
            while stack:
                node, ahead = stack[-1]
                following = next((each for each in ahead if each not in seen), None)
                if following is None:
                    order.append(node)
                    stack.pop()
                else:
                    seen.add(following)
                    stack.append((following, following.ahead))
        return {node: rank for rank, node in enumerate(reversed(order))}

    def _attach(self) -> None:
        for node in self.nodes:
            host = self.by_id.get(_local(node.element.get("attachedToRef"))) if node.kind == "boundaryEvent" else None
            if host is not None and host is not node:
                node.host = host
                host.attached.append(node)

    def _connect(self) -> None:
        for element in self.scope.iterchildren(_FLOW):
            source = self.by_id.get(_local(element.get("sourceRef")))
            target = self.by_id.get(_local(element.get("targetRef")))
            if source is not None and target is not None:
                condition = element.find(f"{_B}conditionExpression")
                text = "" if condition is None else (condition.text or "").strip()
                id = element.get("id", "")
                default = bool(id) and _local(source.element.get("default")) == id
                self._add(Flow(id, source, target, text, default))

    def _join_links(self) -> None:
        links: dict[tuple[str, str], list[Node]] = {}
        for node in self.nodes:
            if "link" in node.events:
                name = node.definition("link").get("name") or node.element.get("name", "")
                links.setdefault((node.kind, name), []).append(node)
        for (kind, name), sources in links.items():
            if kind == "intermediateThrowEvent":
                for source in sources:
                    for target in links.get(("intermediateCatchEvent", name), ())[:1]:
                        self._add(Flow("", source, target))

    def _add(self, flow: Flow) -> None:
        flow.source.outgoing.append(flow)
        flow.target.incoming.append(flow)


def _node(element: etree._Element, kind: str) -> Node:
    events = ()
    if kind.endswith("Event"):
        tags = (child.tag for child in element.iterchildren(f"{_B}*"))
        events = tuple(_event(tag) for tag in tags if tag.endswith(("EventDefinition", "eventDefinitionRef")))
    return Node(element.get("id", ""), kind, element, events)


def _event(tag: str) -> str:
    return tag.removeprefix(_B).removesuffix("EventDefinition")


def _local(reference: str | None) -> str:
    """Return a reference without its prefix."""
    return (reference or "").rpartition(":")[2]


def _stands_apart(node: Node) -> bool:
    """Tell whether no flow is meant to lead to a node."""
    return node.is_event_sub_process or node.kind == "boundaryEvent" or node.element.get("isForCompensation") == "true"
