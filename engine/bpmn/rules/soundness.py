"""Rules of the token game: no way through a process may hang, do a step twice or leave work over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from engine.bpmn.proof.flow_graph import FlowGraph, Node
from engine.bpmn.proof.soundness import MAX_MARKINGS, Flaw
from engine.bpmn.proof.token_game import trigger_of
from engine.bpmn.rules import rule
from engine.bpmn.rules.subject import Diagram, Place, full_title, listed, title

_MOST_NAMED = 4
#: findings of one rule in one diagram; most of the others come of the same mistake
_MOST_SAID = 3


@rule("deadlock")
def never_hangs(diagram: Diagram) -> Iterator[Place]:
    """A join that waits for a branch which does not come holds the matter up for ever."""
    hint = "前面是选择（只走其中一路）的，这里要用排他网关合并；要几路都到齐的，前面要用并行网关分开。"
    for flaw in _flaws(diagram, "deadlock"):
        missing = _named(flaw.others)
        waited = f"它要等{missing}那一路，那一路却不会来" if missing else "后面的一路永远等不到"
        yield _place(diagram, flaw, f"走到{_title(flaw)}就停住了：{waited}。", hint)


@rule("or-join-circle")
def inclusive_joins_do_not_wait_for_each_other(diagram: Diagram) -> Iterator[Place]:
    """Two inclusive joins, each waiting for what is behind the other, never open."""
    hint = "请改画成一层套一层：一个包容网关分开的几路，只在一个包容网关合并。"
    for flaw in _flaws(diagram, "or-join-circle"):
        others = f"和{_named(flaw.others)}互相等" if flaw.others else "等的是它自己后面才来的一路"
        yield _place(diagram, flaw, f"{_title(flaw)}{others}，谁也走不下去。", hint)


@rule("lack-of-sync")
def does_nothing_twice(diagram: Diagram) -> Iterator[Place]:
    """Parallel branches that run into each other without a join do everything behind it twice."""
    hint = "请在它前面画一个并行网关，等分开的几路到齐再往下走；本来只该走一路的，把前面分开的地方改成排他网关。"
    for flaw in _flaws(diagram, "lack-of-sync"):
        yield _place(diagram, flaw, f"{_title(flaw)}会同时办两次：前面同时走的几路没有合并，各自走到了这里。", hint)


@rule("unbounded")
def does_not_grow(diagram: Diagram) -> Iterator[Place]:
    """A circle that leaves something open in each round makes more and more work."""
    hint = "请检查绕圈的那一段：在圈里分开的几路，要在圈里合并，再回到前面。"
    for flaw in _flaws(diagram, "unbounded"):
        yield _place(diagram, flaw, f"{_title(flaw)}会越积越多：每绕一圈就多出一份，没有尽头。", hint)


@rule("improper-completion")
def ends_once(diagram: Diagram) -> Iterator[Place]:
    """An end that is reached twice in one matter says that it was done twice."""
    hint = "请在这个结束前面画一个并行网关，等分开的几路到齐；本来只该走一路的，把前面分开的地方改成排他网关。"
    for flaw in _flaws(diagram, "improper-completion"):
        yield _place(diagram, flaw, f"同一件事会两次走到{_title(flaw)}：前面同时走的几路没有合并。", hint)


@rule("livelock")
def comes_to_an_end(diagram: Diagram) -> Iterator[Place]:
    """A way that only goes round in circles never comes to an end."""
    hint = "请给圈里的一步画一条通到结束事件的箭头。"
    for flaw in _flaws(diagram, "livelock"):
        circle = _named(flaw.others) or _title(flaw)
        yield _place(diagram, flaw, f"{circle}一直绕圈，走不到结束事件。", hint)


@rule("dead-activity")
def is_reached(diagram: Diagram) -> Iterator[Place]:
    """What its turn never comes for is never done; SpiffWorkflow drops what no flow leads to without a word."""
    for scope in diagram.scopes:
        yield from _lost(diagram, FlowGraph(scope))
    for flaw in _flaws(diagram, "dead-activity"):
        if flaw.node.host is not None and not flaw.node.events:
            # That it waits for nothing is said by boundary-no-definition.
            continue
        if flaw.node.is_event_sub_process:
            message = f"{_title(flaw)}永远不会发生：{_never_begun(flaw)}。"
            yield _place(diagram, flaw, message, "请删去它，或者在它外面画出会引起它的事、要等人办的步骤。")
        elif flaw.node.host is not None:
            message = f"{_title(flaw)}永远不会发生：{_never(flaw.node)}。"
            yield _place(diagram, flaw, message, "请删去它，或者挂到会引起它的步骤上。")
        elif flaw.others:
            message = f"永远轮不到{_title(flaw)}：一到{_named(flaw.others)}，这一段就被中断了。"
            hint = "要接着办的，请画到接住它的那个事件后面；不该中断的，请把那个事件改成不中断的。"
            yield _place(diagram, flaw, message, hint)
        else:
            message = f"永远轮不到{_title(flaw)}：通到它的路，哪一种情况都走不到。"
            yield _place(diagram, flaw, message, "请看它前面的步骤和条件，让它走得到，或者删去它。")


def _lost(diagram: Diagram, graph: FlowGraph) -> Iterator[Place]:
    """Say which nodes no flow leads to from a start; what follows a lost node is said with it."""
    if not graph.starts:
        return
    reached = graph.reached(graph.starts)
    lost = [node for node in graph.nodes if node not in reached and not node.is_event_sub_process]
    followers = {following for node in lost for following in node.ahead if following is not node}
    for node in [node for node in lost if node not in followers] or lost[:1]:
        if node.incoming or node.outgoing:
            message = f"从开始事件走不到{title(node.element)}，它和只接在它后面的步骤永远不会执行。"
            yield diagram.at(node.element, message, "请从前面的步骤连过来，或者删去它。")


#: kind of event → what a scope must hold for it to happen
_CAUSES = {"error": "这个出错结束", "escalation": "这个升级", "cancel": "取消结束"}


def _never(event: Node) -> str:
    cause = next((_CAUSES[kind] for kind in event.events if kind in _CAUSES), "")
    if cause:
        return f"{title(event.host.element)}里面没有{cause}，或者已经在里面处理了"
    return f"{title(event.host.element)}由系统当场办完，中间没有等的时候"


def _never_begun(flaw: Flaw) -> str:
    start = trigger_of(flaw.node)
    cause = next((_CAUSES[kind] for kind in start.events if kind in _CAUSES), "") if start else ""
    around = full_title(flaw.scope)
    return f"{around}里面没有{cause}" if cause else f"{around}由系统当场办完，中间没有等的时候"


@rule("gateway-gap")
def every_answer_has_a_way_out(diagram: Diagram) -> Iterator[Place]:
    """An answer for which no condition holds cannot be given: whoever gives it is stopped."""
    for flaw in _flaws(diagram, "gateway-gap"):
        message = f"{_case(diagram, flaw)}，{_title(flaw)}后面没有一条箭头可走，办的人会被挡住。"
        yield _place(diagram, flaw, message, "请给这种情况画一条箭头，或者把其中一条设成默认箭头。")


@rule("default-flow-missing", "warning")
def the_rest_has_a_way_out(diagram: Diagram) -> Iterator[Place]:
    """Where not all values are known beforehand, a default flow takes what nobody has thought of."""
    for flaw in _flaws(diagram, "default-flow-missing"):
        message = f"万一{_case(diagram, flaw)}，{_title(flaw)}后面没有一条箭头可走。"
        yield _place(diagram, flaw, message, "请把其中一条设成默认箭头，剩下的情况都走它。")


def _case(diagram: Diagram, flaw: Flaw) -> str:
    """Return the data that lead there, as people know them: 〈您的决定〉是“不予用印”."""
    fields = {field.key: field for form in diagram.subject.forms.values() for field in form.fields}
    said = []
    for key, value in flaw.gap.case.items():
        asked = fields.get(key)
        options = {option.value: option.label for option in asked.options} if asked else {}
        shown = options.get(value) or {True: "是", False: "否", None: "空着"}.get(value, str(value))
        said.append(f"〈{asked.label if asked else key}〉是“{shown}”")
    return "、".join(said) or "这些条件都不成立"


@rule("terminate-kills-parallel-branch", "warning")
def calls_nothing_off(diagram: Diagram) -> Iterator[Place]:
    """A terminate or error end reached while other branches are open calls their work off."""
    hint = "要等别的几路办完的，请先用并行网关合并再结束；就是要取消它们的，请在说明里写清楚。"
    for flaw in _flaws(diagram, "terminate-kills-parallel-branch"):
        message = f"一到{_title(flaw)}，同时在办的{_named(flaw.others)}还没有办完就被取消。"
        yield _place(diagram, flaw, message, hint)


@rule("soundness-inconclusive", "warning")
def is_proved(diagram: Diagram) -> Iterator[Place]:
    """What is too large to be looked at as a whole is not proved, and nobody says that it was."""
    for flaw in _flaws(diagram, "soundness-inconclusive"):
        if flaw.node is not None:
            message = f"{_title(flaw)}往下怎么走判断不了，没有证明这个流程走得到结束。"
            yield _place(diagram, flaw, message, "请改用排他网关、并行网关，每个网关最多分六路。")
        else:
            seen = f"看了 {MAX_MARKINGS:,} 种情况还没有看完"
            message = f"{full_title(flaw.scope)}同时走的路太多，{seen}，没有证明它走得到结束。"
            yield diagram.at(flaw.scope, message, "请把同时走的几段各画成一个子流程。")


def _flaws(diagram: Diagram, rule_id: str) -> list[Flaw]:
    return [flaw for flaw in diagram.flaws if flaw.rule == rule_id][:_MOST_SAID]


def _place(diagram: Diagram, flaw: Flaw, message: str, hint: str) -> Place:
    element = flaw.scope if flaw.node is None else flaw.node.element
    return replace(diagram.at(element, message, hint), path=flaw.path)


def _title(flaw: Flaw) -> str:
    return full_title(flaw.scope if flaw.node is None else flaw.node.element)


def _named(nodes: Iterable[Node]) -> str:
    names = [title(node.element) for node in nodes]
    more = "等" if len(names) > _MOST_NAMED else ""
    return listed(names[:_MOST_NAMED]) + more
