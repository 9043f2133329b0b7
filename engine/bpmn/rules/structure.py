"""Rules of structure: what is never reached, and what never ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from lxml import etree

from engine.bpmn.rules import rule
from engine.bpmn.rules.subject import Diagram, Place, kind, listed, title


@rule("dead-activity")
def is_reached(diagram: Diagram) -> Iterator[Place]:
    """What cannot be reached from a start event is never done; SpiffWorkflow drops it without a word."""
    for scope in diagram.scopes:
        first = [node.get("id", "") for node in _starts(diagram.children(scope))]
        if not first:
            continue
        after = diagram.successors(scope)
        lost = after.keys() - _reached(first, after)
        nodes = [node for node in diagram.children(scope) if node.get("id") in lost]
        followers = {target for id in lost for target in after[id]}
        # What follows a lost node is lost with it; it is said once, where it begins.
        for node in [node for node in nodes if node.get("id") not in followers] or nodes[:1]:
            if diagram.entering(node) or diagram.leaving(node):
                message = f"从开始事件走不到{title(node)}，它和只接在它后面的步骤永远不会执行。"
                yield diagram.at(node, message, "请从前面的步骤连过来，或者删去它。")


@rule("livelock")
def comes_to_an_end(diagram: Diagram) -> Iterator[Place]:
    """A way that only goes round in circles never comes to an end."""
    for scope in diagram.scopes:
        after = diagram.successors(scope)
        before: dict[str, list[str]] = {id: [] for id in after}
        for id, targets in after.items():
            for target in targets:
                before[target].append(id)
        finite = _reached([id for id, targets in after.items() if not targets], before)
        circling = [node for node in diagram.children(scope) if node.get("id") in after.keys() - finite]
        if circling:
            message = f"{listed(map(title, circling))}一直绕圈，走不到结束事件。"
            yield diagram.at(circling[0], message, "请给其中一步画一条通到结束事件的箭头。")


def _starts(nodes: Iterable[etree._Element]) -> list[etree._Element]:
    return [node for node in nodes if kind(node) == "startEvent"]


def _reached(first: Iterable[str], ways: Mapping[str, list[str]]) -> set[str]:
    reached: set[str] = set()
    ahead = list(first)
    while ahead:
        id = ahead.pop()
        if id not in reached:
            reached.add(id)
            ahead.extend(ways.get(id, ()))
    return reached
