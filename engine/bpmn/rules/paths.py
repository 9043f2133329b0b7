"""Rules of the domain that are proved on the ways through an item, over all the processes it calls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lxml import etree

from engine.bpmn.expressions import ExpressionError, parse
from engine.bpmn.proof.flow_graph import Flow
from engine.bpmn.proof.message_waits import never_answered
from engine.bpmn.proof.unfolding import Reached, Step, Unfolding
from engine.bpmn.rules import package_rule
from engine.bpmn.rules.subject import Place, Subject, camunda, facts_of, title

#: connectors: the notice is posted, its time is over, it is taken down, what was decided may be carried out
_POSTED, _OVER, _WITHDRAWN, _EXECUTED = "notice.publish", "notice.close", "notice.withdraw", "motion.release"
#: functions that look at the calendar: a condition with one of them waits for the time as a timer does
_CLOCK = frozenset(("today", "now"))
_HANDWORK = ("userTask", "manualTask")


@package_rule("separation-possible")
def hands_can_be_kept_apart(subject: Subject) -> Iterator[Place]:
    """Steps that different persons must do come one after the other, and somebody else is there for the second."""
    ways = subject.unfolding
    for step, fact in _facts(subject, "separate"):
        # A call keeps hands out of the steps it leads to.
        led_to = fact.get("of", "").split() if step.node.kind == "callActivity" else []
        ids = [*fact.get("from", "").split(), *led_to]
        if not ids:
            message = f"{_title(step)}没有写要和哪几步分开。"
            yield _said(subject, fact, message, "请写上要由别人办的那几步的编号（from）。")
        inside = (*step.around, step.node)
        later = [each for each in ways.passing(led_to) if each.around[: len(inside)] == inside] if led_to else [step]
        for id in ids:
            earlier = [other for other in ways.passing([id]) if other.node.kind in _HANDWORK]
            if id == step.node.id:
                yield _said(subject, fact, f"{_title(step)}不能和自己分开。", "请写别的步骤的编号。")
            elif not earlier:
                message = f"{_title(step)}要分开的 {id} 不是由人办的步骤。"
                yield _said(subject, fact, message, "请写图里用户任务的编号。")
            elif id not in led_to:
                for each in later:
                    yield from _can_be_apart(subject, each, fact, earlier)


def _can_be_apart(subject: Subject, step: Step, fact: etree._Element, earlier: list[Step]) -> Iterator[Place]:
    ways, other = subject.unfolding, earlier[0]
    reached = ways.reached(earlier)
    if step not in reached:
        if other in ways.reached([step]):
            message = f"{_title(other)}总在{_title(step)}后面办，写在{_title(step)}上的分离不起作用。"
            yield _said(subject, fact, message, f"请把 power:separate 写到{_title(other)}上。")
        return
    lane = subject.lane_of(step.node.element)
    role = subject.world.roles.get(lane)
    if role is None or lane != subject.lane_of(other.node.element) or role.succession:
        return
    message = f"{_title(other)}和{_title(step)}要由不同的人办，却都在“{lane}”的泳道里，这个岗位没有人顶替。"
    way = _whole_way(ways, other)[:-1] + ways.way(reached, step)
    place = _said(subject, fact, message, "请把其中一步放到别的岗位的泳道里，或者在岗位表里写上由谁顶替。")
    yield replace(place, path=way)


@package_rule("step-order")
def steps_come_in_order(subject: Subject) -> Iterator[Place]:
    """A step that says what must be over before it (power:after) is reached on no other way."""
    ways = subject.unfolding
    for step, fact in _facts(subject, "after"):
        for id in fact.get("from", "").split():
            earlier = ways.passing([id])
            if not earlier or id == step.node.id:
                message = f"{_title(step)}要排在 {id} 后面，图里却没有这一步。"
                yield _said(subject, fact, message, "请写图里步骤的编号。")
                continue
            reached = ways.reached(barred=earlier)
            if step in reached:
                message = f"有一条路不经过{_title(earlier[0])}就走到了{_title(step)}。"
                place = _said(subject, fact, message, f"请让每一条路都先经过{_title(earlier[0])}。")
                yield replace(place, path=ways.way(reached, step))


@package_rule("notice-before-execution")
def notice_is_over_before_anything_is_done(subject: Subject) -> Iterator[Place]:
    """What is decided is posted, stands open to objections until its time is over, and only then is carried out."""
    if subject.package.is_called:
        # Whether its time is over is known where it is called.
        return
    ways = subject.unfolding
    posted, over, withdrawn, executed = (_calling(ways, topic) for topic in (_POSTED, _OVER, _WITHDRAWN, _EXECUTED))
    early = ways.reached(barred=[*over, *withdrawn])
    for step in executed:
        if step in early:
            message = f"有一条路没有等公示期满就走到了{_title(step)}。"
            yield _found(subject, ways, early, step, message, "请在它前面公示，等期满、没有成立的异议，再往下走。")
    # Whether an objection was upheld is told by data; where nothing asks for it, it makes no difference.
    asked = [step for step in ways.steps if step.node.kind == "exclusiveGateway" and len(step.node.outgoing) > 1]
    for taken_down in withdrawn:
        reached = ways.reached([taken_down], barred=[*posted, *asked])
        for step in [step for step in executed if step in reached][:1]:
            message = f"{_title(taken_down)}以后，不看异议成立不成立就走到了{_title(step)}。"
            yield _found(subject, ways, reached, step, message, "请在中间画一个排他网关，异议成立的退回去。")
    for post in posted:
        yield from _stands_its_time(subject, post, over)


def _stands_its_time(subject: Subject, post: Step, over: list[Step]) -> Iterator[Place]:
    ways = subject.unfolding
    open_ = ways.reached([post], barred=over)
    timers = [step for step in open_ if "timer" in step.node.events]
    hasty = ways.reached([post], barred=timers, barred_flow=_asks_the_time)
    for step in [step for step in over if step in hasty][:1]:
        message = f"{_title(post)}以后，有一条路没有等到时间就走到了{_title(step)}，公示期是空的。"
        yield _found(subject, ways, hasty, step, message, "请在中间画一个定时事件，等到公示期满那天。")
    if over and not any("message" in step.node.events or step.node.kind == "receiveTask" for step in open_):
        message = f"{_title(post)}以后到公示期满，没有地方可以提异议。"
        yield _found(subject, ways, {post: None}, post, message, "请用事件网关同时等异议（消息）和期满（定时）。")


@package_rule("message-deadlock")
def messages_come_before_they_are_waited_for(subject: Subject) -> Iterator[Place]:
    """A message that only this item sends, and only after it has come, never comes."""
    for step, reached in never_answered(subject.unfolding, subject.drawn_together):
        message = f"{_title(step)}等的消息只由这个流程自己发出，却要等它到了以后才发，永远等不到。"
        before = reached.get(step) if step in reached else None
        way = (subject.unfolding.way(reached, before) if before is not None else ()) + (step.node.id,)
        place = subject.diagram_of(step.node.element).at(step.node.element, message, _MESSAGE_HINT)
        yield replace(place, path=way)


_MESSAGE_HINT = "请把发消息的那一步画到前面，或者画在同时走的另一路上。"


def _facts(subject: Subject, name: str) -> Iterator[tuple[Step, etree._Element]]:
    """Return the first step of each node that carries such a fact; what no way leads to is nobody's turn."""
    seen = set()
    for step in subject.unfolding.steps:
        if step.node.element not in seen and not step.leaves:
            seen.add(step.node.element)
            for fact in facts_of(step.node.element, name):
                yield step, fact


def _calling(ways: Unfolding, topic: str) -> list[Step]:
    return [step for step in ways.steps if step.node.element.get(camunda("topic")) == topic]


def _asks_the_time(flow: Flow) -> bool:
    try:
        return bool(flow.condition) and bool(parse(flow.condition).calls & _CLOCK)
    except ExpressionError:
        return False


def _whole_way(ways: Unfolding, step: Step) -> tuple[str, ...]:
    reached = ways.reached()
    return ways.way(reached, step) if step in reached else (step.node.id,)


def _found(subject: Subject, ways: Unfolding, reached: Reached, step: Step, message: str, hint: str) -> Place:
    way = ways.way(reached, step)
    first = next(iter(reached))
    if first.node.id == way[0]:
        way = _whole_way(ways, first)[:-1] + way
    return replace(subject.diagram_of(step.node.element).at(step.node.element, message, hint), path=way)


def _said(subject: Subject, fact: etree._Element, message: str, hint: str) -> Place:
    return subject.diagram_of(fact).at(fact, message, hint)


def _title(step: Step) -> str:
    return title(step.node.element)
