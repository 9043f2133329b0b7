"""Rules of gateways: where ways part and meet, and on what condition."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from engine.bpmn.lifting import ACTIVITIES
from engine.bpmn.rules import rule
from engine.bpmn.rules.subject import (
    Diagram,
    Place,
    bpmn,
    condition,
    definition_type,
    full_title,
    has_condition,
    kind,
    title,
)

_CHOOSING = ("exclusiveGateway", "inclusiveGateway")
_GATEWAYS = (*_CHOOSING, "parallelGateway", "eventBasedGateway", "complexGateway")
#: what an event-based gateway can wait for
_WAITED_FOR = ("message", "timer", "signal", "conditional")


@rule("default-flow-invalid", aliases=("EXT.026",))
def default_leaves_here(diagram: Diagram) -> Iterator[Place]:
    """A default flow leaves the exclusive gateway that names it."""
    for node in diagram.nodes:
        flow = diagram.by_id.get(node.get("default", ""))
        if flow is None or kind(flow) != "sequenceFlow":
            continue
        if flow.get("sourceRef") != node.get("id"):
            message = f"{title(node)}的默认箭头不是从它出来的。"
            yield diagram.at(node, message, "请在它自己的箭头里选一条作默认箭头。")
        elif kind(node) not in _CHOOSING and not _chooses(diagram, node):
            message = f"{title(node)}后面没有选择，写在它上面的默认箭头不起作用。"
            yield diagram.at(node, message, "请删去默认箭头，需要选择的地方画一个排他网关。")


@rule("condition-missing")
def every_answer_has_a_condition(diagram: Diagram) -> Iterator[Place]:
    """Where an exclusive gateway chooses, every flow but the default says when it is taken."""
    for gateway in diagram.of_kind("exclusiveGateway"):
        leaving = diagram.leaving(gateway)
        # Where one flow has a condition and another has not, conditional-flows speaks.
        if len(leaving) > 1 and not _is_conditional(diagram, gateway):
            for flow in leaving:
                message = f"{title(gateway)}的{full_title(flow)}没有条件，不知道什么时候走这一条。"
                yield diagram.at(flow, message, _WHEN)


_WHEN = '请写上什么时候走这一条，例如 approve.decision = "agree"，或者设成默认箭头。'


@rule("conditional-flows", aliases=("conditional-flows",))
def all_answers_have_a_condition(diagram: Diagram) -> Iterator[Place]:
    """Where one flow has a condition or is the default, each of the others has a condition too."""
    for node in diagram.nodes:
        if kind(node) == "eventBasedGateway" or not _is_conditional(diagram, node):
            continue
        for flow in diagram.leaving(node):
            if flow.get("id", "") != node.get("default") and not has_condition(flow):
                message = f"{title(node)}的{full_title(flow)}没有条件，和它并排的箭头却有选择。"
                yield diagram.at(flow, message, _WHEN)


@rule("condition-empty")
def conditions_are_filled_in(diagram: Diagram) -> Iterator[Place]:
    """A condition that was begun but not written decides nothing."""
    for flow in diagram.flows:
        for expression in flow.iterchildren(bpmn("conditionExpression")):
            if not (expression.text or "").strip():
                message = f"{full_title(flow)}的条件是空的。"
                yield diagram.at(flow, message, '请写上条件，例如 approve.decision = "agree"，或者删去空的条件。')


@rule("condition-ignored", aliases=("EXT.025",))
def no_condition_without_a_choice(diagram: Diagram) -> Iterator[Place]:
    """A condition is only asked where ways part, and never on a default flow."""
    for flow in diagram.flows:
        source = diagram.by_id.get(flow.get("sourceRef", ""))
        if source is None or not condition(flow) or kind(source) == "eventBasedGateway":
            continue
        if kind(source) not in _CHOOSING and source.tag not in ACTIVITIES:
            message = f"从{title(source)}出来的箭头写了条件，但是不会去看。"
            yield diagram.at(flow, message, "请在它后面画一个排他网关，把条件写在网关的箭头上。")
        elif source.get("default") == flow.get("id", ""):
            message = f"{title(source)}的默认{full_title(flow)}写了条件，但是不会去看。"
            yield diagram.at(flow, message, "请删去这个条件，或者不把这一条设成默认箭头。")


@rule("event-gateway-target", aliases=("event-based-gateway", "EXT.136", "EXT.138", "EXT.139", "EXT.140", "EXT.141"))
def event_gateway_waits(diagram: Diagram) -> Iterator[Place]:
    """An event-based gateway waits for the first of two or more events right behind it."""
    for gateway in diagram.of_kind("eventBasedGateway"):
        leaving = diagram.leaving(gateway)
        if len(leaving) < 2:
            message = f"{full_title(gateway)}后面要有两个以上的事件。"
            yield diagram.at(gateway, message, "请画出要等的每一个事件；只等一个的，不用事件网关。")
        targets = [(flow, diagram.by_id.get(flow.get("targetRef", ""))) for flow in leaving]
        for flow, target in targets:
            if target is not None and not _can_be_waited_for(target):
                message = f"{full_title(gateway)}后面接了{title(target)}，它不是等消息或时间的事件。"
                yield diagram.at(flow, message, "事件网关后面只能接等消息、等时间的中间事件或者接收任务。")
            elif target is not None and len(diagram.entering(target)) > 1:
                message = f"{title(target)}是{full_title(gateway)}等的事件，却还有别的箭头通到它。"
                yield diagram.at(flow, message, "请让它前面只有事件网关这一条箭头，别处再画一个。")
            elif target is not None and kind(target) == "receiveTask" and diagram.hanging.get(target.get("id", "")):
                message = f"{title(target)}是{full_title(gateway)}等的，它的边上不能再挂事件。"
                yield diagram.at(flow, message, "请把边上的事件改成事件网关后面的另一个事件。")
        waits = {kind(target) + definition_type(target) for _, target in targets if target is not None}
        if {"receiveTask", "intermediateCatchEventmessage"} <= waits:
            message = f"{full_title(gateway)}后面既有接收任务，又有等消息的事件。"
            yield diagram.at(gateway, message, "等消息的请统一用一种，建议都用等消息的中间事件。")


def _can_be_waited_for(node: etree._Element) -> bool:
    if kind(node) == "receiveTask":
        return True
    return kind(node) == "intermediateCatchEvent" and definition_type(node) in _WAITED_FOR


@rule("event-gateway-condition", aliases=("event-based-gateway", "EXT.137"))
def event_gateway_asks_nothing(diagram: Diagram) -> Iterator[Place]:
    """Behind an event-based gateway the event decides, so a condition there is never asked."""
    for gateway in diagram.of_kind("eventBasedGateway"):
        for flow in diagram.leaving(gateway):
            if has_condition(flow):
                message = f"{full_title(gateway)}的箭头写了条件，但是不会去看。"
                yield diagram.at(flow, message, "请删去这个条件：事件网关看的是哪件事先发生。")


@rule("fake-join", "info", aliases=("fake-join",))
def steps_do_not_join(diagram: Diagram) -> Iterator[Place]:
    """A step with several incoming flows does not wait for all of them: it is done once for each."""
    for node in diagram.nodes:
        if not kind(node).endswith("Gateway") and len(diagram.entering(node)) > 1:
            message = f"有 {len(diagram.entering(node))} 条箭头通到{title(node)}，每来一次就办一次，不会等齐。"
            yield diagram.at(node, message, "只会来一条的（如退回重办）不用改；要等齐的，前面画一个并行网关。")


@rule("no-gateway-join-fork", "warning", aliases=("no-gateway-join-fork",))
def gateways_do_one_thing(diagram: Diagram) -> Iterator[Place]:
    """A gateway that joins and parts at once is hard to read; most readers see only one of the two."""
    for node in diagram.of_kind(*_GATEWAYS):
        if len(diagram.entering(node)) > 1 and len(diagram.leaving(node)) > 1:
            message = f"{full_title(node)}又合又分，看图的人容易看错。"
            yield diagram.at(node, message, "请画成两个网关，前一个合，后一个分。")


@rule("gateway-direction", "warning", aliases=("EXT.017", "EXT.018"))
def gateways_keep_their_direction(diagram: Diagram) -> Iterator[Place]:
    """A gateway that is written down as joining does not part, and the other way round."""
    for node in diagram.of_kind(*_GATEWAYS):
        said = node.get("gatewayDirection", "")
        if said == "Converging" and len(diagram.leaving(node)) > 1:
            message = f"{full_title(node)}写明只合不分（Converging），却分出了 {len(diagram.leaving(node))} 条。"
        elif said == "Diverging" and len(diagram.entering(node)) > 1:
            message = f"{full_title(node)}写明只分不合（Diverging），却有 {len(diagram.entering(node))} 条通到它。"
        else:
            continue
        yield diagram.at(node, message, "请删去 gatewayDirection 这一项，或者改正箭头。")


@rule("superfluous-gateway", "warning", aliases=("superfluous-gateway", "EXT.135"))
def gateways_are_needed(diagram: Diagram) -> Iterator[Place]:
    """A gateway with one way in and one way out decides nothing."""
    for node in diagram.of_kind(*_GATEWAYS):
        if len(diagram.entering(node)) == len(diagram.leaving(node)) == 1:
            message = f"{full_title(node)}只有一条进、一条出，没有作用。"
            yield diagram.at(node, message, "请删去它，把前后两步直接连上。")


@rule("no-inclusive-gateway", "info", aliases=("no-inclusive-gateway",))
def choices_exclude_each_other(diagram: Diagram) -> Iterator[Place]:
    """An inclusive gateway may take any number of ways, and few readers can tell which."""
    for node in diagram.of_kind("inclusiveGateway"):
        message = f"{title(node)}是包容网关，可能同时走几条路，看图的人说不准。"
        yield diagram.at(node, message, "请改用排他网关（只走一条）或者并行网关（都走）。")


@rule("no-complex-gateway", aliases=("no-complex-gateway",), instead_of="unsupported-element")
def gateways_are_plain(diagram: Diagram) -> Iterator[Place]:
    """A complex gateway has rules of its own that no picture shows; it is not run."""
    for node in diagram.of_kind("complexGateway"):
        message = f"{full_title(node)}什么时候走哪一条图上看不出来，这里不支持。"
        yield diagram.at(node, message, "请改用排他网关（只走一条）或者并行网关（都走）。")


@rule("no-implicit-split", "info", aliases=("no-implicit-split",))
def ways_part_at_gateways(diagram: Diagram) -> Iterator[Place]:
    """Two plain flows out of a step are both taken at once, which the picture hardly shows."""
    for node in diagram.nodes:
        if kind(node).endswith("Gateway"):
            continue
        plain = [
            flow
            for flow in diagram.leaving(node)
            if flow.get("id", "") != node.get("default") and not has_condition(flow)
        ]
        if len(plain) > 1:
            message = f"{title(node)}后面直接分出 {len(plain)} 条箭头，会同时都走。"
            yield diagram.at(node, message, "要同时办的，后面画一个并行网关；只走一条的，画一个排他网关。")


def _chooses(diagram: Diagram, node: etree._Element) -> bool:
    return any(has_condition(flow) for flow in diagram.leaving(node))


def _is_conditional(diagram: Diagram, node: etree._Element) -> bool:
    """Tell whether one of the flows has a condition, or one that leaves here is the default."""
    default = node.get("default")
    return _chooses(diagram, node) or any(default and flow.get("id") == default for flow in diagram.leaving(node))
