"""Draw out in full what BPMN lets a diagram leave out or abbreviate, and SpiffWorkflow would lose.

Links become flows; a process without start or end event gets one; conditions on the flows out of a task become an
inclusive gateway; two flows from one node into the same join become two ways; an event sub-process becomes a boundary
event on what it watches. What is made here carries no drawn id, so it is never told as a step; ``OF`` names the drawn
element it serves.
"""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from engine.bpmn.document import BPMN
from engine.bpmn.normal_form import Ids

_B = f"{{{BPMN}}}"
_MADE = "{urn:sihua:made}"
#: on what is made: the id of the drawn element it serves, "" when there is none
OF = _MADE + "of"
#: on a drawn node that had to be renamed: the id people know
DRAWN_ID = _MADE + "id"
#: on a drawn node that had to become another: the tag people know
DRAWN_KIND = _MADE + "kind"
#: on a sub-process whose ends are ends of the scope around it
FRAME = _MADE + "frame"

_ACTIVITIES = [
    _B + tag
    for tag in (
        "task userTask manualTask serviceTask sendTask receiveTask businessRuleTask scriptTask callActivity "
        "subProcess transaction adHocSubProcess"
    ).split()
]
_EVENTS = [
    _B + tag for tag in "startEvent endEvent intermediateCatchEvent intermediateThrowEvent boundaryEvent".split()
]
_GATEWAYS = [
    _B + tag for tag in "exclusiveGateway inclusiveGateway parallelGateway eventBasedGateway complexGateway".split()
]
#: tags of everything a sequence flow may join
NODES = frozenset((*_ACTIVITIES, *_EVENTS, *_GATEWAYS))
ACTIVITIES = frozenset(_ACTIVITIES)
#: wait for all that may come
_JOINS = (_B + "parallelGateway", _B + "inclusiveGateway")
_SCOPES = (_B + "process", _B + "subProcess", _B + "transaction")

#: SpiffWorkflow keeps its own specs under these names: a task called ``End`` would silently finish the matter
_RESERVED_IDS = {"Start", "End", "Root", "StartEventSplit", "StartEventJoin"}
_RESERVED_ENDINGS = (".EndJoin", ".BoundaryEventSplit", ".BoundaryEventJoin", " [child]")


def lift(root: etree._Element) -> None:
    """Change a normalised tree in place; every element keeps its line."""
    ids = Ids(root)
    _rename_reserved(root, ids)
    # The innermost first: what is around a sub-process may be moved with it.
    for element in reversed([*root.iter(*_SCOPES)]):
        scope = _Scope(element, ids)
        scope.join_links()
        scope.add_start()
        scope.add_end()
        scope.split_conditions()
        scope.part_twins()
        scope.watch()


def is_event_sub_process(node: etree._Element) -> bool:
    return node.tag == _B + "subProcess" and node.get("triggeredByEvent") == "true"


def links_of(scope: etree._Element) -> Iterator[tuple[str, etree._Element]]:
    """Return name and event of every link directly in a process or sub-process."""
    for event in scope.iterchildren(_B + "intermediateThrowEvent", _B + "intermediateCatchEvent"):
        definition = event.find(_B + "linkEventDefinition")
        if definition is not None:
            yield " ".join((definition.get("name") or event.get("name") or "").split()), event


def _is_conditional(flow: etree._Element) -> bool:
    return flow.find(_B + "conditionExpression") is not None


def _rename_reserved(root: etree._Element, ids: Ids) -> None:
    renamed = {}
    for node in root.iter(*NODES):
        id = node.get("id") or ""
        if id in _RESERVED_IDS or id.endswith(_RESERVED_ENDINGS):
            node.set(DRAWN_ID, id)
            renamed[id] = ids.unused(f"{id}.Drawn")
            node.set("id", renamed[id])
    for node in root.iter(f"{_B}*") if renamed else ():
        for name in ("sourceRef", "targetRef", "attachedToRef"):
            if node.get(name) in renamed:
                node.set(name, renamed[node.get(name)])
        if node.tag == _B + "flowNodeRef" and node.text in renamed:
            node.text = renamed[node.text]


class _Scope:
    """One process or sub-process while it is drawn out."""

    def __init__(self, element: etree._Element, ids: Ids) -> None:
        self.element = element
        self.id = element.get("id")
        self.ids = ids

    def nodes(self) -> list[etree._Element]:
        return [*self.element.iterchildren(*NODES)]

    def flows(self) -> list[etree._Element]:
        return [*self.element.iterchildren(_B + "sequenceFlow")]

    def make(self, tag: str, id: str, of: str = "", near: etree._Element | None = None, **said: str) -> etree._Element:
        made = etree.SubElement(self.element, _B + tag, id=self.ids.unused(id), **said)
        made.set(OF, of)
        made.sourceline = (self.element if near is None else near).sourceline
        return made

    def connect(self, source: etree._Element, target: etree._Element) -> None:
        ends = {"sourceRef": source.get("id"), "targetRef": target.get("id")}
        self.make("sequenceFlow", f"{ends['sourceRef']}.{ends['targetRef']}", near=source, **ends)

    def join_links(self) -> None:
        links = [*links_of(self.element)]
        arrivals = {name: event for name, event in links if event.tag == _B + "intermediateCatchEvent"}
        for name, event in links:
            event.remove(event.find(_B + "linkEventDefinition"))
            if event.tag == _B + "intermediateThrowEvent":
                self.connect(event, arrivals[name])
        for event in arrivals.values():
            event.set(DRAWN_KIND, "intermediateCatchEvent")
            event.tag = _B + "intermediateThrowEvent"

    def add_start(self) -> None:
        """A process without start event begins wherever no flow leads to, everywhere at once."""
        if self.element.find(_B + "startEvent") is not None:
            return
        entered = {flow.get("targetRef") for flow in self.flows()}
        first = [node for node in self.nodes() if node.get("id") not in entered and not _begins_otherwise(node)]
        if first:
            start = self.make("startEvent", f"{self.id}.Begin")
            for node in first:
                self.connect(start, node)

    def add_end(self) -> None:
        """A way that stops without end event comes to its end there."""
        left = {flow.get("sourceRef") for flow in self.flows()}
        last = [node for node in self.nodes() if node.get("id") not in left and not _ends_otherwise(node)]
        if last:
            end = self.make("endEvent", f"{self.id}.Finish")
            for node in last:
                self.connect(node, end)

    def split_conditions(self) -> None:
        """Put an inclusive gateway behind every activity that chooses between its own flows."""
        leaving: dict[str, list[etree._Element]] = {}
        for flow in self.flows():
            leaving.setdefault(flow.get("sourceRef"), []).append(flow)
        for activity in [*self.element.iterchildren(*ACTIVITIES)]:
            if any(map(_is_conditional, leaving.get(activity.get("id"), ()))):
                self._split(activity, leaving[activity.get("id")])

    def _split(self, activity: etree._Element, leaving: list[etree._Element]) -> None:
        default = activity.attrib.pop("default", None)
        split = self.make("inclusiveGateway", f"{activity.get('id')}.Split", activity.get("id"), activity)
        for flow in leaving:
            always = not _is_conditional(flow) and flow.get("id") != default
            if always and default:
                # Taken anyhow, and the default flow besides when no condition holds.
                continue
            if always:
                etree.SubElement(flow, _B + "conditionExpression").text = "true"
            flow.set("sourceRef", split.get("id"))
        if default:
            split.set("default", default)
        self.connect(activity, split)

    def part_twins(self) -> None:
        """Lead each further flow between the same two nodes into a join by a way of its own.

        SpiffWorkflow knows a way into a join by the node it comes from; what comes by the second flow would be another
        round to it.
        """
        joins = {node.get("id") for node in self.nodes() if node.tag in _JOINS}
        known: set[tuple[str | None, str | None]] = set()
        for flow in self.flows():
            ends = flow.get("sourceRef"), flow.get("targetRef")
            if ends in known and ends[1] in joins:
                passed = self.make("intermediateThrowEvent", f"{flow.get('id')}.Way", near=flow)
                self.make(
                    "sequenceFlow", f"{flow.get('id')}.On", near=flow, sourceRef=passed.get("id"), targetRef=ends[1]
                )
                flow.set("targetRef", passed.get("id"))
            known.add(ends)

    def watch(self) -> None:
        """Make event sub-processes boundary events of a frame around everything else in their scope.

        SpiffWorkflow would rewire the specs, which all matters share, when one of them is triggered.
        """
        watching = [node for node in self.nodes() if is_event_sub_process(node)]
        if not watching:
            return
        inside = [node for node in (*self.nodes(), *self.flows()) if node not in watching]
        body = self.make("subProcess", f"{self.id}.Body", self.id)
        body.extend(inside)
        for frame in (body, *watching):
            frame.set(FRAME, "true")
        start = self.make("startEvent", f"{self.id}.Begin")
        end = self.make("endEvent", f"{self.id}.Finish")
        self.connect(start, body)
        self.connect(body, end)
        for reaction in watching:
            trigger = self._trigger(reaction, body)
            self.connect(trigger, reaction)
            self.connect(reaction, end)

    def _trigger(self, reaction: etree._Element, body: etree._Element) -> etree._Element:
        """Move what the event sub-process waits for to the border of the frame."""
        # It may itself be framed by now; only its own start still waits for something.
        start = next(each for each in reaction.iter(_B + "startEvent") if any(map(_is_definition, each)))
        boundary = self.make(
            "boundaryEvent",
            f"{reaction.get('id')}.Trigger",
            start.get(DRAWN_ID) or start.get("id"),
            start,
            attachedToRef=body.get("id"),
            cancelActivity=start.get("isInterrupting", "true"),
        )
        boundary.extend([*filter(_is_definition, start)])
        reaction.attrib.pop("triggeredByEvent")
        return boundary


def _is_definition(node: etree._Element) -> bool:
    return etree.QName(node).localname.endswith("EventDefinition")


def _begins_otherwise(node: etree._Element) -> bool:
    return node.tag == _B + "boundaryEvent" or is_event_sub_process(node)


def _ends_otherwise(node: etree._Element) -> bool:
    return node.tag == _B + "endEvent" or is_event_sub_process(node)
