"""Rules of references: links, calls, and the messages, errors, signals and escalations a diagram declares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from lxml import etree

from engine.bpmn.rules import package_rule, rule
from engine.bpmn.rules.subject import (
    Diagram,
    Place,
    Subject,
    bpmn,
    definition_type,
    definitions,
    full_title,
    kind,
    kind_name,
    listed,
    title,
)

_DECLARED = ("message", "error", "signal", "escalation")
_REFERENCES = tuple(f"{each}Ref" for each in _DECLARED)


@rule("link-event", aliases=("link-event", "EXT.117"))
def links_are_named(diagram: Diagram) -> Iterator[Place]:
    """A link jumps to the link of the same name, so it has one."""
    for event in _links(diagram.nodes):
        if not _link_name(event):
            message = f"{full_title(event)}是链接事件，没有链接名称，不知道跳到哪里。"
            yield diagram.at(event, message, "请给链接起一个名称，跳出和跳入两头一样。")
        flows = diagram.leaving(event) if kind(event) == "intermediateThrowEvent" else diagram.entering(event)
        if flows:
            side = "后面" if kind(event) == "intermediateThrowEvent" else "前面"
            message = f"{full_title(event)}是链接事件，{side}不能再接箭头。"
            yield diagram.at(event, message, "请删去这条箭头：跳出的一头只进不出，跳入的一头只出不进。")


@rule("link-unmatched", aliases=("link-event", "EXT.118", "EXT.124", "EXT.125", "EXT.126"))
def links_have_a_partner(diagram: Diagram) -> Iterator[Place]:
    """Every link that jumps out has exactly one that jumps in, in the same process or sub-process."""
    for scope in diagram.scopes:
        links = [event for event in _links(diagram.children(scope)) if _link_name(event)]
        into = Counter(_link_name(event) for event in links if kind(event) == "intermediateCatchEvent")
        out = {_link_name(event) for event in links if kind(event) == "intermediateThrowEvent"}
        for event in links:
            name, jumps_out = _link_name(event), kind(event) == "intermediateThrowEvent"
            if jumps_out and not into[name]:
                message = f"链接“{name}”跳出以后没有跳入的一头，流程会断在这里。"
                yield diagram.at(event, message, "请在同一层里画一个同名的跳入链接，或者直接用箭头连过去。")
            elif not jumps_out and name not in out:
                message = f"链接“{name}”没有从哪里跳过来。"
                yield diagram.at(event, message, "请画一个同名的跳出链接，或者删去这一个。")
            elif not jumps_out and into[name] > 1:
                message = f"链接“{name}”有 {into[name]} 个跳入的一头，不知道跳到哪一个。"
                yield diagram.at(event, message, "请只留一个，别的改名。")


def _links(nodes: Iterable[etree._Element]) -> list[etree._Element]:
    events = (node for node in nodes if kind(node) in ("intermediateCatchEvent", "intermediateThrowEvent"))
    return [event for event in events if definition_type(event) == "link"]


def _link_name(event: etree._Element) -> str:
    names = (each.get("name", "").strip() for each in definitions(event) if kind(each) == "linkEventDefinition")
    return next(names, "")


@rule("called-process-none-start", aliases=("EXT.099",))
def called_processes_start_plainly(diagram: Diagram) -> Iterator[Place]:
    """A called process begins because it is called: it has a start event that waits for nothing."""
    for node in diagram.of_kind("callActivity"):
        called = diagram.subject.process_ids.get(node.get("calledElement", ""))
        if called is None:
            continue
        process = next(each for each in called.processes if each.get("id") == node.get("calledElement"))
        starts = [each for each in called.children(process) if kind(each) == "startEvent"]
        if starts and all(definitions(start) for start in starts):
            message = f"{title(node)}要调用的{full_title(process)}没有空白的开始事件，调用了也不会开始。"
            yield diagram.at(node, message, "请在被调用的流程里画一个空白的开始事件。")


@package_rule("call-recursion")
def calls_do_not_go_round(subject: Subject) -> Iterator[Place]:
    """A process that calls itself, directly or through others, would never come to an end."""
    calls: dict[str, list[tuple[str, Diagram, etree._Element]]] = {}
    for diagram in subject.diagrams:
        for node in diagram.of_kind("callActivity"):
            process = next(node.iterancestors(bpmn("process")), None)
            if process is not None:
                calls.setdefault(process.get("id", ""), []).append((node.get("calledElement", ""), diagram, node))
    for caller, made in calls.items():
        for called, diagram, node in made:
            if way := _way_back(called, caller, calls):
                names = " → ".join((caller, *way))
                message = f"{title(node)}的调用绕回了自己：{names}，永远办不完。"
                yield diagram.at(node, message, "请断开这个圈：要重办的，在流程里画一条退回的箭头。")


def _way_back(start: str, goal: str, calls: dict[str, list[tuple[str, Diagram, etree._Element]]]) -> tuple[str, ...]:
    """Return the processes called from ``start`` up to ``goal``; () when that is never called."""
    ways, seen = [(start,)], {start}
    for way in ways:
        if way[-1] == goal:
            return way
        for called, _, _ in calls.get(way[-1], ()):
            if called not in seen:
                seen.add(called)
                ways.append((*way, called))
    return ()


@rule("signal-ref")
def signals_are_named(diagram: Diagram) -> Iterator[Place]:
    """An event of a signal says which one."""
    yield from _unresolved(diagram, "signal", "信号")


@rule("escalation-ref", aliases=("EXT.011",))
def escalations_are_named(diagram: Diagram) -> Iterator[Place]:
    """An event of an escalation says which one, and one that is thrown has a code."""
    yield from _unresolved(diagram, "escalation", "升级")
    for definition in diagram.drawn("escalationEventDefinition"):
        escalation = diagram.declared("escalation", definition.get("escalationRef", ""))
        thrown = kind(definition.getparent()) in ("endEvent", "intermediateThrowEvent")
        if thrown and escalation is not None and not escalation.get("escalationCode", "").strip():
            message = f"{title(definition.getparent())}用的{full_title(escalation)}没有代码，接的一头认不出它。"
            yield diagram.at(escalation, message, "请写 escalationCode，例如 overdue。")


def _unresolved(diagram: Diagram, tag: str, word: str) -> Iterator[Place]:
    for definition in diagram.drawn(f"{tag}EventDefinition"):
        reference = definition.get(f"{tag}Ref", "")
        # At the edge of a step an escalation without a reference is any escalation.
        is_any = tag == "escalation" and not reference and kind(definition.getparent()) == "boundaryEvent"
        if diagram.declared(tag, reference) is None and not is_any:
            what = f"用的{word} {reference} 不存在" if reference else f"没有写是哪个{word}"
            message = f"{title(definition.getparent())}{what}。"
            yield diagram.at(definition, message, f"请选一个{word}，或者先在图里新建一个。")


@rule("global", "info", aliases=("global",))
def declared_things_are_used(diagram: Diagram) -> Iterator[Place]:
    """A message, error, signal or escalation has a name of its own and is used somewhere."""
    declared = [element for tag in _DECLARED for element in diagram.root.iterchildren(bpmn(tag))]
    names = Counter((kind(element), element.get("name", "").strip()) for element in declared)
    used = {
        (attribute, value.rpartition(":")[2])
        for element in diagram.elements
        for attribute, value in element.attrib.items()
        if attribute in _REFERENCES
    }
    for element in declared:
        what, name = kind_name(element), element.get("name", "").strip()
        faults = []
        if not name:
            faults.append("没有名称")
        elif names[kind(element), name] > 1:
            faults.append("和别的重名")
        if element.get("id") and (f"{kind(element)}Ref", element.get("id")) not in used:
            faults.append("没有用到")
        if faults:
            called = title(element)
            message = f"{what if called.startswith('〈') else ''}{called}{listed(faults)}。"
            yield diagram.at(element, message, f"请给每个{what}起一个不重复的名称，没有用的删去。")
