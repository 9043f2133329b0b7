"""Rules of flows: what may be joined to what, and what nothing leads to."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from engine.bpmn.facts import FLOW_NODES
from engine.bpmn.rules import rule
from engine.bpmn.rules.subject import (
    OTHER_STEPS,
    Diagram,
    Place,
    bpmn,
    condition,
    definition_type,
    full_title,
    is_true,
    kind,
    listed,
    title,
)

#: what may be joined by a sequence or message flow besides a step, event or gateway
_POOLS = ("participant", "process")
_ONE = ("startQuantity", "completionQuantity")


@rule("flow-crosses-scope", aliases=("EXT.152",))
def flows_stay_inside(diagram: Diagram) -> Iterator[Place]:
    """A flow joins two nodes of the same process or sub-process; SpiffWorkflow loses any other."""
    for flow, source, target in _joined(diagram):
        if {source.get("id"), target.get("id")} & diagram.twice:
            # Which of the two is meant nobody knows; duplicate-id says so.
            continue
        same_process = _process(source) is _process(target)
        if same_process and any(node.getparent() is not flow.getparent() for node in (source, target)):
            message = f"从{title(source)}到{title(target)}的箭头穿过了子流程的边界。"
            yield diagram.at(flow, message, "请让箭头留在同一层里：进出子流程，由子流程本身的箭头来连。")


@rule("flow-crosses-pool", aliases=("EXT.028",))
def flows_stay_in_their_pool(diagram: Diagram) -> Iterator[Place]:
    """A sequence flow stays in its pool; what goes to another process is a message."""
    for flow, source, target in _joined(diagram):
        if _process(source) is not _process(target):
            message = f"从{title(source)}到{title(target)}的箭头从一个流程连到了另一个流程。"
            yield diagram.at(flow, message, "请改成发消息和等消息，或者把两步画在同一个流程里。")


def _joined(diagram: Diagram) -> Iterator[tuple[etree._Element, etree._Element, etree._Element]]:
    for flow in diagram.flows:
        source, target = (diagram.by_id.get(flow.get(end, "")) for end in ("sourceRef", "targetRef"))
        if source is not None and target is not None and {kind(source), kind(target)} <= FLOW_NODES:
            yield flow, source, target


def _process(element: etree._Element) -> etree._Element | None:
    return next(element.iterancestors(bpmn("process")), None)


@rule("message-flow-same-pool", aliases=("EXT.031",))
def messages_leave_the_pool(diagram: Diagram) -> Iterator[Place]:
    """A message flow goes from one pool to another; inside a pool a sequence flow leads on."""
    for flow in _message_flows(diagram):
        ends = [diagram.by_id.get(flow.get(end, "")) for end in ("sourceRef", "targetRef")]
        if None in ends:
            continue
        pools = [_pool(diagram, end) for end in ends]
        if ends[0] is ends[1] or (pools[0] is not None and pools[0] is pools[1]):
            message = f"从{title(ends[0])}到{title(ends[1])}的消息流两头在同一个泳池里。"
            yield diagram.at(flow, message, "同一个泳池里请用箭头（实线箭头）；消息流只连两个泳池。")


@rule("message-flow-end", aliases=("EXT.102", "EXT.103", "EXT.108", "EXT.109", "EXT.119"))
def messages_are_sent_and_taken(diagram: Diagram) -> Iterator[Place]:
    """A message flow comes from what sends and goes to what waits."""
    hint = "请把消息流接到发消息或者等消息的事件、任务上。"
    for flow in _message_flows(diagram):
        source, target = (diagram.by_id.get(flow.get(end, "")) for end in ("sourceRef", "targetRef"))
        if source is not None and _cannot(source, ("startEvent", "intermediateCatchEvent"), ("endEvent",)):
            yield diagram.at(flow, f"消息流从{full_title(source)}出来，它不发消息。", hint)
        if target is not None and _cannot(target, ("endEvent", "intermediateThrowEvent"), ("startEvent",)):
            yield diagram.at(flow, f"消息流通到{full_title(target)}，它不等消息。", hint)


def _cannot(node: etree._Element, never: tuple[str, ...], with_message: tuple[str, ...]) -> bool:
    return kind(node) in never or (kind(node) in with_message and definition_type(node) != "message")


def _message_flows(diagram: Diagram) -> list[etree._Element]:
    return diagram.drawn("messageFlow")


def _pool(diagram: Diagram, element: etree._Element) -> etree._Element | None:
    """Return the process a pool or a node belongs to."""
    if kind(element) == "participant":
        return diagram.by_id.get(element.get("processRef", ""))
    return _process(element)


@rule(
    "artifact-flow",
    aliases=("EXT.006", "EXT.007", "EXT.008", "EXT.009", "EXT.021", "EXT.022"),
    instead_of="dangling-reference",
)
def flows_join_steps(diagram: Diagram) -> Iterator[Place]:
    """A flow joins steps, events and gateways; a note or a data object is joined by an association."""
    for flow in [*diagram.flows, *_message_flows(diagram)]:
        allowed = FLOW_NODES if kind(flow) == "sequenceFlow" else FLOW_NODES.union(_POOLS)
        for end in ("sourceRef", "targetRef"):
            joined = diagram.by_id.get(flow.get(end, ""))
            if joined is not None and kind(joined) not in allowed.union(OTHER_STEPS):
                message = f"{full_title(flow)}接到了{full_title(joined)}，它不是一个步骤。"
                yield diagram.at(flow, message, "说明和数据请用关联线（虚线）来连；箭头只连步骤、事件和网关。")


@rule("no-disconnected", aliases=("no-disconnected",))
def is_connected(diagram: Diagram) -> Iterator[Place]:
    """A node without any flow is not part of the process."""
    for node in diagram.nodes:
        alone = not diagram.entering(node) and not diagram.leaving(node)
        if alone and kind(node) != "boundaryEvent" and not _stands_alone(node):
            yield diagram.at(node, f"{title(node)}没有接上任何箭头，永远不会办到。", "请连上箭头，或者删去它。")


@rule("no-implicit-start", "info", aliases=("no-implicit-start", "EXT.107", "EXT.115", "EXT.150"))
def begins_at_a_start_event(diagram: Diagram) -> Iterator[Place]:
    """What nothing leads to would begin by itself, without a start event that says so."""
    for node in diagram.nodes:
        link = kind(node) == "intermediateCatchEvent" and definition_type(node) == "link"
        begins = kind(node) in ("startEvent", "boundaryEvent") or link or _stands_alone(node)
        if not begins and not diagram.entering(node):
            message = f"没有箭头通到{title(node)}。"
            yield diagram.at(node, message, "请从开始事件或者前一步连过来。")


@rule("no-implicit-end", "info", aliases=("no-implicit-end", "EXT.101", "EXT.116", "EXT.151"))
def ends_at_an_end_event(diagram: Diagram) -> Iterator[Place]:
    """A way that stops without an end event leaves open how the matter came out."""
    for node in diagram.nodes:
        link = kind(node) == "intermediateThrowEvent" and definition_type(node) == "link"
        ends = kind(node) in ("endEvent", "boundaryEvent") or link or _stands_alone(node)
        if not ends and not diagram.leaving(node):
            message = f"{title(node)}后面没有箭头，走不到结束事件，看不出办成了没有。"
            yield diagram.at(node, message, "请连到下一步，或者连到一个结束事件。")


def _stands_alone(node: etree._Element) -> bool:
    """Tell whether something needs no flow: it is begun by an event, undoes another step or has no order."""
    return (
        is_true(node, "triggeredByEvent")
        or is_true(node, "isForCompensation")
        or kind(node.getparent()) == "adHocSubProcess"
    )


@rule("no-duplicate-sequence-flows", aliases=("no-duplicate-sequence-flows",))
def flows_are_drawn_once(diagram: Diagram) -> Iterator[Place]:
    """Two flows of the same condition between the same nodes: what follows would be done twice."""
    for flow in duplicate_flows(diagram):
        source, target = (diagram.by_id[flow.get(end)] for end in ("sourceRef", "targetRef"))
        message = f"从{title(source)}到{title(target)}的箭头画了两次。"
        yield diagram.at(flow, message, "请删去一条，不然后面的步骤会办两次。")


def duplicate_flows(diagram: Diagram) -> list[etree._Element]:
    """Return the flows that say what an earlier one has said."""
    seen: set[tuple[str, str, str]] = set()
    twice = []
    for flow, source, target in _joined(diagram):
        key = (source.get("id"), target.get("id"), condition(flow))
        if key in seen:
            twice.append(flow)
        seen.add(key)
    return twice


@rule("incoming-outgoing-mismatch", "warning", aliases=("EXT.023",))
def steps_name_their_flows(diagram: Diagram) -> Iterator[Place]:
    """What a node says of the flows that enter and leave it agrees with what the flows say; the flows are run."""
    for node in diagram.nodes:
        faults = [
            f"{word}{what}{listed(ids)}"
            for tag, word in (("incoming", "进来的"), ("outgoing", "出去的"))
            for what, ids in zip(("多记了 ", "少记了 "), differing_ends(diagram, node, tag), strict=True)
            if ids
        ]
        if faults:
            message = f"{title(node)}记的箭头和图上画的不一样：{listed(faults)}。"
            yield diagram.at(node, message, "系统照箭头来办；请在编辑器里重新保存，让两处一致。")


def differing_ends(diagram: Diagram, node: etree._Element, tag: str) -> tuple[list[str], list[str]]:
    """Return the flows a node names wrongly as ``incoming`` or ``outgoing``, and those it leaves out.

    A node that names no flow at all leaves it to the flows, which is as clear.
    """
    flows = diagram.entering(node) if tag == "incoming" else diagram.leaving(node)
    real = [flow.get("id") for flow in flows if flow.get("id")]
    named = [id for _, id in named_ends(node, tag)]
    silent = not named_ends(node, "incoming") and not named_ends(node, "outgoing")
    return [id for id in named if id not in real], [] if silent else [id for id in real if id not in named]


def named_ends(node: etree._Element, tag: str) -> list[tuple[etree._Element, str]]:
    """Return the ``incoming`` or ``outgoing`` elements of a node, each with the flow it names."""
    return [(each, (each.text or "").strip().rpartition(":")[2]) for each in node.iterchildren(bpmn(tag))]


@rule("token-quantity", aliases=("EXT.037",), instead_of="unsupported-element")
def steps_are_done_once(diagram: Diagram) -> Iterator[Place]:
    """A step begins once it is reached and goes on once it is done; other quantities are not run."""
    for node in diagram.nodes:
        for attribute in _ONE:
            if node.get(attribute, "1").strip() != "1":
                what = "开始" if attribute == "startQuantity" else "继续"
                message = f"{title(node)}要来 {node.get(attribute)} 次才{what}（{attribute}），这里不支持。"
                yield diagram.at(node, message, "请删去这一项；要等齐几路的，前面画一个并行网关。")
