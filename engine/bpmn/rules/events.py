"""Rules of events: where a process begins and ends, and what may happen beside the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from lxml import etree

from engine.bpmn.rules import rule
from engine.bpmn.rules.subject import (
    EVENT_NAMES,
    SCOPES,
    Diagram,
    Place,
    bpmn,
    definition_type,
    definitions,
    full_title,
    is_true,
    kind,
    listed,
    title,
)

_SUB_PROCESSES = tuple(scope for scope in SCOPES if scope != "process")
_ACTIVITIES = ("callActivity", *_SUB_PROCESSES)
_EVENTS = ("startEvent", "endEvent", "boundaryEvent", "intermediateCatchEvent", "intermediateThrowEvent")
#: what BPMN lets an event wait for or send, by where it stands; "" is a blank event
_ALLOWED = {
    "startEvent": {"", "message", "timer", "conditional", "signal"},
    "eventSubProcess": {"", "message", "timer", "conditional", "signal", "error", "escalation", "compensate"},
    "intermediateCatchEvent": {"message", "timer", "conditional", "link", "signal"},
    "intermediateThrowEvent": {"", "message", "escalation", "link", "compensate", "signal"},
    "boundaryEvent": {"", "message", "timer", "escalation", "error", "cancel", "compensate", "conditional", "signal"},
    "endEvent": {"", "message", "escalation", "error", "cancel", "compensate", "signal", "terminate"},
}
#: what BPMN allows and is not carried out here, wherever it stands
_NOT_RUN = {"conditional", "compensate", "cancel"}
#: what stops a step cannot at the same time leave it running
_INTERRUPTING = ("error", "cancel", "compensate")


@rule("start-event-missing", aliases=("start-event-required", "EXT.097"))
def starts(diagram: Diagram) -> Iterator[Place]:
    """Every process and sub-process begins at a start event."""
    for scope in _flowing(diagram):
        if not _starts(diagram.children(scope)):
            yield diagram.at(scope, f"{full_title(scope)}里没有开始事件。", "请画一个开始事件，连到第一步。")


@rule("end-event-missing", aliases=("end-event-required", "EXT.105"))
def ends(diagram: Diagram) -> Iterator[Place]:
    """Every process and sub-process comes to an end event."""
    for scope in _flowing(diagram):
        if not any(kind(node) == "endEvent" for node in diagram.children(scope)):
            yield diagram.at(scope, f"{full_title(scope)}里没有结束事件。", "请在最后一步后面画一个结束事件。")


@rule("single-blank-start-event", aliases=("single-blank-start-event",))
def starts_once(diagram: Diagram) -> Iterator[Place]:
    """Two blank start events would both begin at once."""
    for scope in diagram.scopes:
        blank = [node for node in _starts(diagram.children(scope)) if not definitions(node)]
        for node in blank[1:]:
            message = f"{full_title(scope)}里有 {len(blank)} 个空白的开始事件，会同时开始。"
            yield diagram.at(node, message, "请只留一个开始事件。")


@rule("sub-process-blank-start-event", aliases=("sub-process-blank-start-event", "EXT.100"))
def starts_blank_inside(diagram: Diagram) -> Iterator[Place]:
    """A sub-process begins when its turn comes, not at a message or a time."""
    for node in diagram.of_kind("startEvent"):
        scope = node.getparent()
        if kind(scope) in _SUB_PROCESSES and not is_true(scope, "triggeredByEvent") and definitions(node):
            message = f"子流程里的{full_title(node)}不能等消息或时间，轮到这个子流程它就开始。"
            yield diagram.at(node, message, "请改成空白的开始事件；要等的，在子流程前面画一个中间事件来等。")


@rule("event-sub-process-typed-start-event", aliases=("event-sub-process-typed-start-event", "EXT.058", "EXT.059"))
def starts_by_an_event(diagram: Diagram) -> Iterator[Place]:
    """An event sub-process begins when something happens, so its one start event says what."""
    for scope in diagram.of_kind("subProcess"):
        if not is_true(scope, "triggeredByEvent"):
            continue
        found = _starts(diagram.children(scope))
        for node in found:
            if not definitions(node):
                message = f"事件子流程里的{full_title(node)}没有写等什么，永远不会开始。"
                yield diagram.at(node, message, "请写上等哪个消息、什么时间或者哪个错误。")
        for node in found[1:]:
            message = f"{full_title(scope)}里有 {len(found)} 个开始事件。"
            yield diagram.at(node, message, "请只留一个；等另一件事的，另画一个事件子流程。")


@rule("event-sub-process-flow", aliases=("EXT.021", "EXT.022", "EXT.057"))
def event_sub_processes_stand_alone(diagram: Diagram) -> Iterator[Place]:
    """An event sub-process is begun by its event; no flow leads to it or away from it."""
    for scope in diagram.of_kind("subProcess"):
        flows = [*diagram.entering(scope), *diagram.leaving(scope)]
        if is_true(scope, "triggeredByEvent") and flows:
            message = f"{full_title(scope)}接了箭头，它只由里面的开始事件来启动。"
            yield diagram.at(flows[0], message, "请删去这条箭头；要按顺序办的，改成普通的子流程。")


@rule("start-event-incoming", aliases=("EXT.096",))
def start_is_not_entered(diagram: Diagram) -> Iterator[Place]:
    """No flow leads back to a start event."""
    for node in diagram.of_kind("startEvent"):
        if diagram.entering(node):
            message = f"有箭头通到{full_title(node)}，开始只有一次。"
            yield diagram.at(node, message, "请把这条箭头改接到开始后面的那一步。")


@rule("end-event-outgoing", aliases=("EXT.104",))
def end_is_not_left(diagram: Diagram) -> Iterator[Place]:
    """No flow leaves an end event."""
    for node in diagram.of_kind("endEvent"):
        if diagram.leaving(node):
            message = f"{full_title(node)}后面还有箭头，到这里已经结束了。"
            yield diagram.at(node, message, "请删去这条箭头，或者把它改成中间的一步。")


@rule("boundary-event-incoming", aliases=("EXT.112",))
def boundary_is_not_entered(diagram: Diagram) -> Iterator[Place]:
    """A boundary event happens; no flow leads to it."""
    for node in diagram.of_kind("boundaryEvent"):
        if diagram.entering(node):
            message = f"有箭头通到{full_title(node)}，它是自己发生的，不能按顺序走到。"
            yield diagram.at(node, message, "请把这条箭头改接到别的步骤。")


@rule("boundary-no-outgoing", aliases=("no-implicit-end", "no-disconnected", "EXT.113"))
def boundary_leads_on(diagram: Diagram) -> Iterator[Place]:
    """A boundary event says what happens then."""
    for node in diagram.of_kind("boundaryEvent"):
        if not diagram.leaving(node) and definition_type(node) != "compensate":
            message = f"{full_title(node)}后面没有箭头，发生了以后不知道办什么。"
            yield diagram.at(node, message, "请连到发生以后要办的那一步，或者连到结束事件。")


@rule("boundary-no-definition", aliases=("EXT.110",), instead_of="unsupported-element")
def boundary_waits_for_something(diagram: Diagram) -> Iterator[Place]:
    """A boundary event says what it waits for; a blank one can never happen."""
    for node in diagram.of_kind("boundaryEvent"):
        if not definitions(node):
            message = f"{full_title(node)}没有写等什么，永远不会发生。"
            yield diagram.at(node, message, "请改成等消息、等时间或者等错误的边界事件，或者删去它。")


@rule(
    "event-type-not-allowed-here",
    aliases=("EXT.059", "EXT.098", "EXT.110", "EXT.122", "EXT.146"),
    instead_of="unsupported-element",
)
def events_fit_their_place(diagram: Diagram) -> Iterator[Place]:
    """Not every kind of event can stand everywhere: a start cannot wait for an error, an end for a time."""
    for node in diagram.of_kind(*_EVENTS):
        where = kind(node)
        if where == "startEvent" and is_true(node.getparent(), "triggeredByEvent"):
            where = "eventSubProcess"
        elif where == "startEvent" and kind(node.getparent()) in _SUB_PROCESSES:
            continue
        type = definition_type(node)
        if type not in _ALLOWED[where]:
            message = f"{full_title(node)}不能是{EVENT_NAMES.get(type, type)}事件。"
            allowed = listed(EVENT_NAMES[each] for each in EVENT_NAMES if each in _ALLOWED[where] - _NOT_RUN)
            yield diagram.at(node, message, f"请改成这个位置可以用的一种：{allowed}。")
        elif type in _INTERRUPTING and "false" in (node.get("cancelActivity"), node.get("isInterrupting")):
            message = f"{full_title(node)}是{EVENT_NAMES[type]}事件，发生了原来的步骤就停了，不能设成“不打断”。"
            yield diagram.at(node, message, "请改成打断的事件（实线圆圈）。")


@rule("boundary-on-activity")
def boundaries_hang_on_steps(diagram: Diagram) -> Iterator[Place]:
    """A boundary event interrupts a step; on an event or a gateway there is nothing to interrupt."""
    for node in diagram.of_kind("boundaryEvent"):
        host = diagram.by_id.get(node.get("attachedToRef", ""))
        if host is not None and not (kind(host).lower().endswith("task") or kind(host) in _ACTIVITIES):
            message = f"{full_title(node)}挂在{full_title(host)}上，那不是一个步骤。"
            yield diagram.at(node, message, "请把它挂到一个步骤的边上。")


@rule("single-event-definition", aliases=("single-event-definition",), instead_of="unsupported-element")
def events_are_one_thing(diagram: Diagram) -> Iterator[Place]:
    """An event waits for one thing: which of several it was could not be told afterwards."""
    for node in diagram.of_kind(*_EVENTS):
        if len(definitions(node)) > 1:
            names = [EVENT_NAMES.get(each, each) for each in _types(node)]
            several = f"写了 {len(definitions(node))} 个{names[0]}"
            message = f"{full_title(node)}{several if len(names) == 1 else f'同时是{listed(names)}几种事件'}。"
            yield diagram.at(node, message, "请只留一个；要等几件事里先到的一件，用事件网关。")


@rule("conditional-event", aliases=("conditional-event", "EXT.123"))
def conditional_events_say_when(diagram: Diagram) -> Iterator[Place]:
    """A conditional event without a condition never happens."""
    for node in diagram.of_kind(*_EVENTS):
        process = next(node.iterancestors(bpmn("process")), None)
        if process is None or not is_true(process, "isExecutable"):
            continue
        for definition in definitions(node):
            text = "".join(each.text or "" for each in definition.iterchildren(bpmn("condition")))
            if kind(definition) == "conditionalEventDefinition" and not text.strip():
                message = f"{full_title(node)}是条件事件，却没有写条件，永远不会发生。"
                yield diagram.at(definition, message, "请写上什么时候发生，例如 copies > 10。")


@rule("cancel-outside-transaction", aliases=("EXT.106", "EXT.111"))
def cancels_only_transactions(diagram: Diagram) -> Iterator[Place]:
    """Only a transaction can be cancelled: a cancel event stands in one, or on its edge."""
    for node in diagram.of_kind("endEvent", "boundaryEvent"):
        if "cancel" not in _types(node):
            continue
        host = diagram.by_id.get(node.get("attachedToRef", ""))
        inside = kind(node) == "endEvent" and next(node.iterancestors(bpmn("transaction")), None) is not None
        if not inside and (host is None or kind(host) != "transaction"):
            message = f"{full_title(node)}是取消事件，却不在事务子流程里，也不在它的边上。"
            yield diagram.at(node, message, "请改成错误事件（不予办理）或者消息事件（撤回）。")


@rule("compensation-target", aliases=("EXT.114",))
def compensation_undoes_something(diagram: Diagram) -> Iterator[Place]:
    """What undoes a step is joined to it by an association, never by a flow."""
    linked = {end for each in diagram.drawn("association") for end in _ends(each)}
    for node in diagram.of_kind("boundaryEvent"):
        if definition_type(node) == "compensate" and diagram.leaving(node):
            message = f"{full_title(node)}是补偿事件，不能用箭头连出去。"
            yield diagram.at(node, message, "请用关联线（虚线）连到用来挽回的那一步。")
        elif definition_type(node) == "compensate" and node.get("id") not in linked:
            message = f"{full_title(node)}是补偿事件，却没有连到用来挽回的那一步。"
            yield diagram.at(node, message, "请用关联线（虚线）连到那一步，并把那一步设成补偿步骤。")
    for node in diagram.nodes:
        if is_true(node, "isForCompensation") and (diagram.entering(node) or diagram.leaving(node)):
            message = f"{title(node)}是用来挽回的补偿步骤，不能接箭头。"
            yield diagram.at(node, message, "请删去它的箭头，用关联线（虚线）从补偿事件连过来。")
    for definition in diagram.drawn("compensateEventDefinition"):
        target = definition.get("activityRef", "")
        if target and target not in diagram.by_id:
            message = f"{title(definition.getparent())}要挽回的步骤 {target} 不存在。"
            yield diagram.at(definition, message, "请选图里有的步骤。")


@rule("instantiate-with-incoming", aliases=("EXT.142",))
def openers_are_not_entered(diagram: Diagram) -> Iterator[Place]:
    """What opens a matter by itself is its beginning: no flow can lead there."""
    for node in diagram.of_kind("receiveTask", "eventBasedGateway"):
        if is_true(node, "instantiate") and diagram.entering(node):
            message = f"{full_title(node)}设成了“自己发起事项”，前面却接了箭头。"
            yield diagram.at(node, message, "请删去前面的箭头，或者不设“自己发起事项”（instantiate）。")


@rule("ad-hoc-sub-process", aliases=("ad-hoc-sub-process", "EXT.061", "EXT.062"))
def ad_hoc_has_no_order(diagram: Diagram) -> Iterator[Place]:
    """In an ad-hoc sub-process nothing has an order, so nothing is its start or its end."""
    for scope in diagram.of_kind("adHocSubProcess"):
        inside = diagram.children(scope)
        for node in inside:
            if kind(node) in ("startEvent", "endEvent"):
                message = f"{full_title(scope)}里有{full_title(node)}，里面的步骤没有先后，不分开始和结束。"
                yield diagram.at(node, message, "请删去它；要有先后的，改成普通的子流程。")


@rule("superfluous-termination", "info", aliases=("superfluous-termination",))
def terminates_only_to_stop_others(diagram: Diagram) -> Iterator[Place]:
    """A terminate end calls off what still runs; where it is the only end, there is nothing to call off."""
    for scope in diagram.scopes:
        last = [node for node in diagram.children(scope) if not diagram.leaving(node)]
        stopping = [node for node in last if kind(node) == "endEvent" and "terminate" in _types(node)]
        only_end = len(stopping) == 1 and all(node in stopping or _interrupts(diagram, node) for node in last)
        for node in stopping if only_end or not _runs_beside_itself(diagram, scope) else ():
            message = f"{full_title(node)}用终止没有必要，走到这里没有别的步骤要停。"
            yield diagram.at(node, message, "请改成普通的结束事件。")


def _runs_beside_itself(diagram: Diagram, scope: etree._Element) -> bool:
    """Tell whether two things can go on at once, as far as the shapes tell."""
    nodes = diagram.children(scope)
    begins = [
        node
        for node in nodes
        if not diagram.entering(node)
        and kind(node) not in ("boundaryEvent", "startEvent")
        and not is_true(node, "triggeredByEvent")
    ]
    splits = (
        len(diagram.leaving(node)) > 1 and kind(node) not in ("exclusiveGateway", "eventBasedGateway") for node in nodes
    )
    aside = (node.get("cancelActivity") == "false" or _stays_beside(diagram, node) for node in nodes)
    return len(begins) + bool(_starts(nodes)) > 1 or any(splits) or any(aside)


def _stays_beside(diagram: Diagram, node: etree._Element) -> bool:
    return is_true(node, "triggeredByEvent") and not _interrupts(diagram, node)


def _interrupts(diagram: Diagram, node: etree._Element) -> bool:
    if kind(node) not in _SUB_PROCESSES or not is_true(node, "triggeredByEvent"):
        return False
    return any(start.get("isInterrupting", "true") in ("true", "1") for start in _starts(diagram.children(node)))


def _flowing(diagram: Diagram) -> list[etree._Element]:
    """Return the scopes in which steps have an order."""
    return [scope for scope in diagram.scopes if kind(scope) != "adHocSubProcess"]


def _starts(nodes: Iterable[etree._Element]) -> list[etree._Element]:
    return [node for node in nodes if kind(node) == "startEvent"]


def _types(event: etree._Element) -> list[str]:
    return list(Counter(kind(each).removesuffix("EventDefinition") for each in definitions(event)))


def _ends(association: etree._Element) -> tuple[str, str]:
    return association.get("sourceRef", ""), association.get("targetRef", "")
