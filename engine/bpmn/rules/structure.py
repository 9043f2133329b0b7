"""Rules of structure: where flows may start, lead and end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lxml import etree

from engine.bpmn.rules import rule
from engine.bpmn.rules.subject import Diagram, Place, bpmn, full_title, kind, title

_NAMELESS = ("parallelGateway", "eventBasedGateway", "subProcess")
_WAITING = ("intermediateCatchEvent", "receiveTask")


@rule("start-event-missing", aliases=("start-event-required",))
def starts(diagram: Diagram) -> Iterator[Place]:
    """Every process and sub-process begins at a start event."""
    for scope in diagram.scopes:
        nodes = diagram.children(scope)
        if not _starts(nodes):
            yield diagram.at(scope, f"{full_title(scope)}里没有开始事件。", "请画一个开始事件，连到第一步。")


@rule("end-event-missing", aliases=("end-event-required",))
def ends(diagram: Diagram) -> Iterator[Place]:
    """Every process and sub-process comes to an end event."""
    for scope in diagram.scopes:
        nodes = diagram.children(scope)
        if not any(kind(node) == "endEvent" for node in nodes):
            yield diagram.at(scope, f"{full_title(scope)}里没有结束事件。", "请在最后一步后面画一个结束事件。")


@rule("single-blank-start-event", aliases=("single-blank-start-event",))
def starts_once(diagram: Diagram) -> Iterator[Place]:
    """Two blank start events would both begin at once."""
    for scope in diagram.scopes:
        blank = [node for node in _starts(diagram.children(scope)) if not _definitions(node)]
        for node in blank[1:]:
            message = f"{full_title(scope)}里有 {len(blank)} 个空白的开始事件，会同时开始。"
            yield diagram.at(node, message, "请只留一个开始事件。")


@rule("sub-process-blank-start-event", aliases=("sub-process-blank-start-event",))
def starts_blank_inside(diagram: Diagram) -> Iterator[Place]:
    """A sub-process begins when its turn comes, not at a message or a time."""
    for node in diagram.of_kind("startEvent"):
        if kind(node.getparent()) == "subProcess" and _definitions(node):
            message = f"子流程里的{full_title(node)}不能等消息或时间。"
            yield diagram.at(node, message, "请改成空白的开始事件，在子流程外面等。")


@rule("start-event-incoming")
def start_is_not_entered(diagram: Diagram) -> Iterator[Place]:
    """No flow leads back to a start event."""
    for node in diagram.of_kind("startEvent"):
        if _entering(diagram, node):
            message = f"有流向通到{full_title(node)}。"
            yield diagram.at(node, message, "请把这条流向改接到开始后面的那一步。")


@rule("end-event-outgoing")
def end_is_not_left(diagram: Diagram) -> Iterator[Place]:
    """No flow leaves an end event."""
    for node in diagram.of_kind("endEvent"):
        if _leaving(diagram, node):
            message = f"{full_title(node)}后面还有流向。"
            yield diagram.at(node, message, "请删去这条流向，或者把它改成中间的一步。")


@rule("boundary-event-incoming")
def boundary_is_not_entered(diagram: Diagram) -> Iterator[Place]:
    """A boundary event happens; no flow leads to it."""
    for node in diagram.of_kind("boundaryEvent"):
        if _entering(diagram, node):
            message = f"有流向通到{full_title(node)}。"
            yield diagram.at(node, message, "请把这条流向改接到别的步骤。")


@rule("boundary-no-outgoing", aliases=("no-implicit-end",))
def boundary_leads_on(diagram: Diagram) -> Iterator[Place]:
    """A boundary event says what happens then."""
    for node in diagram.of_kind("boundaryEvent"):
        if not _leaving(diagram, node):
            message = f"{full_title(node)}后面没有流向。"
            yield diagram.at(node, message, "请连到发生以后要办的那一步，或者连到结束事件。")


@rule("flow-crosses-scope")
def flows_stay_inside(diagram: Diagram) -> Iterator[Place]:
    """A flow joins two nodes of the same process or sub-process; SpiffWorkflow loses any other."""
    for flow in diagram.flows:
        ends = [diagram.by_id.get(flow.get(end, "")) for end in ("sourceRef", "targetRef")]
        if None not in ends and any(node.getparent() is not flow.getparent() for node in ends):
            message = f"从{title(ends[0])}到{title(ends[1])}的流向穿过了子流程或者流程的边界。"
            yield diagram.at(flow, message, "请让流向留在同一个流程里，进出子流程由子流程自己的流向来连。")


@rule("no-disconnected", aliases=("no-disconnected",))
def is_connected(diagram: Diagram) -> Iterator[Place]:
    """A node without any flow is not part of the process."""
    for node in diagram.nodes:
        if kind(node) != "boundaryEvent" and not _entering(diagram, node) and not _leaving(diagram, node):
            yield diagram.at(node, f"{title(node)}没有接上任何流向。", "请连上流向，或者删去它。")


@rule("no-implicit-end", aliases=("no-implicit-end",))
def ends_at_an_end_event(diagram: Diagram) -> Iterator[Place]:
    """A way that stops without an end event leaves open how the matter came out."""
    for node in diagram.nodes:
        stops = kind(node) not in ("endEvent", "boundaryEvent") and not _leaving(diagram, node)
        if stops and _entering(diagram, node):
            message = f"{title(node)}后面没有流向，走不到结束事件。"
            yield diagram.at(node, message, "请连到下一步，或者连到一个结束事件。")


@rule("default-flow-invalid")
def default_leaves_here(diagram: Diagram) -> Iterator[Place]:
    """A default flow leaves the exclusive gateway that names it."""
    for node in diagram.nodes:
        flow = diagram.by_id.get(node.get("default", ""))
        if flow is None or kind(flow) != "sequenceFlow":
            continue
        if kind(node) not in ("exclusiveGateway", "inclusiveGateway"):
            message = f"{title(node)}不是排他网关，写在它上面的默认流向不起作用。"
            yield diagram.at(node, message, "请删去默认流向，需要选择的地方画一个排他网关。")
        elif flow.get("sourceRef") != node.get("id"):
            message = f"{title(node)}的默认流向不是从它出来的。"
            yield diagram.at(node, message, "请在它自己的流向里选一条作默认流向。")


@rule("condition-missing", aliases=("conditional-flows",))
def every_answer_has_a_condition(diagram: Diagram) -> Iterator[Place]:
    """Where an exclusive gateway chooses, every flow but the default says when it is taken."""
    for gateway in diagram.of_kind("exclusiveGateway"):
        leaving = _leaving(diagram, gateway)
        for flow in leaving if len(leaving) > 1 else ():
            if flow.get("id", "") != gateway.get("default") and not _condition(flow):
                message = f"{title(gateway)}的{full_title(flow)}没有条件。"
                hint = '请写上什么时候走这一条，例如 approve.decision = "agree"，或者设成默认流向。'
                yield diagram.at(flow, message, hint)


@rule("condition-ignored", aliases=("conditional-flows",))
def no_condition_without_a_choice(diagram: Diagram) -> Iterator[Place]:
    """A condition is only asked at an exclusive gateway, and never on its default flow."""
    for flow in diagram.flows:
        source = diagram.by_id.get(flow.get("sourceRef", ""))
        if source is None or not _condition(flow):
            continue
        if kind(source) == "eventBasedGateway":
            message = f"{full_title(source)}的流向写了条件，但是不会去看。"
            yield diagram.at(flow, message, "请删去这个条件：事件网关看的是哪件事先发生。")
        elif kind(source) not in ("exclusiveGateway", "inclusiveGateway"):
            message = f"从{title(source)}出来的流向写了条件，但是不会去看。"
            yield diagram.at(flow, message, "请在它后面画一个排他网关，把条件写在网关的流向上。")
        elif source.get("default") == flow.get("id", ""):
            message = f"{title(source)}的默认{full_title(flow)}写了条件，但是不会去看。"
            yield diagram.at(flow, message, "请删去这个条件，或者不把这一条设成默认流向。")


@rule("event-gateway-target", aliases=("event-based-gateway",))
def event_gateway_waits(diagram: Diagram) -> Iterator[Place]:
    """An event-based gateway waits for the first of two or more events right behind it."""
    for gateway in diagram.of_kind("eventBasedGateway"):
        leaving = _leaving(diagram, gateway)
        if len(leaving) < 2:
            message = f"{full_title(gateway)}后面要有两个以上的事件。"
            yield diagram.at(gateway, message, "请画出要等的每一个事件；只等一个的，不用事件网关。")
        for flow in leaving:
            target = diagram.by_id.get(flow.get("targetRef", ""))
            if target is not None and kind(target) not in _WAITING:
                message = f"{full_title(gateway)}后面接了{title(target)}，它不是等消息或时间的事件。"
                yield diagram.at(flow, message, "事件网关后面只能接中间事件或者接收任务。")


@rule("label-required", aliases=("label-required",))
def has_name(diagram: Diagram) -> Iterator[Place]:
    """People read names: steps, events, questions, answers, lanes and pools have one."""
    frames = [element for element in diagram.elements if kind(element) in ("lane", "participant")]
    for element in [*frames, *diagram.nodes, *diagram.flows]:
        if _wants_name(diagram, element) and not (element.get("name") or "").strip():
            hint = "请给它起一个名称：步骤是动词加事情，网关是一句问话，流向是回答。"
            yield diagram.at(element, f"{title(element)}没有名称。", hint)


def _wants_name(diagram: Diagram, element: etree._Element) -> bool:
    if kind(element) == "sequenceFlow":
        return bool(_condition(element))
    if kind(element).endswith("Gateway") and len(_leaving(diagram, element)) < 2:
        return False
    return kind(element) not in _NAMELESS


@rule("no-bpmndi", "warning", aliases=("no-bpmndi",))
def is_drawn(diagram: Diagram) -> Iterator[Place]:
    """What has no place in the picture cannot be seen by anybody."""
    drawn = {reference.rpartition(":")[2] for reference in diagram.root.xpath("//@bpmnElement")}
    if diagram.processes and not drawn:
        yield diagram.at(diagram.processes[0], "图里只有内容，没有画面。", "请在流程图编辑器里打开，整理版面以后保存。")
        return
    framed = [element for element in diagram.elements if kind(element) in ("participant", "lane")]
    for element in [*framed, *diagram.nodes, *diagram.flows]:
        if element.get("id") and element.get("id") not in drawn:
            yield diagram.at(element, f"{title(element)}没有画出来。", "请在流程图编辑器里把它画上。")


def _starts(nodes: Iterable[etree._Element]) -> list[etree._Element]:
    return [node for node in nodes if kind(node) == "startEvent"]


def _definitions(event: etree._Element) -> list[str]:
    return [kind(child) for child in event.iterchildren(bpmn("*")) if kind(child).endswith("EventDefinition")]


def _entering(diagram: Diagram, node: etree._Element) -> list[etree._Element]:
    return diagram.incoming.get(node.get("id", ""), []) if node.get("id") else []


def _leaving(diagram: Diagram, node: etree._Element) -> list[etree._Element]:
    return diagram.outgoing.get(node.get("id", ""), []) if node.get("id") else []


def _condition(flow: etree._Element) -> str:
    return "".join((each.text or "").strip() for each in flow.iterchildren(bpmn("conditionExpression")))
