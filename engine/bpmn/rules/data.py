"""Rules of data: what is read was written before, and nothing is written twice at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cached_property

from lxml import etree

from engine.bpmn.document import CAMUNDA
from engine.bpmn.rules import package_rule, rule
from engine.bpmn.rules.subject import (
    Diagram,
    Place,
    Subject,
    bpmn,
    camunda,
    definition_type,
    extensions,
    is_true,
    kind,
    listed,
    title,
)
from engine.bpmn.rules.written import Written, parameters_of, written_in

#: names the engine itself hands in: a connector's answer, the day a timer start stands for
_GIVEN = frozenset(("result", "period"))
#: connectors that only look something up: an answer nobody reads was asked for in vain
_LOOKING = ("find", "look", "check", "compare", "members", "next")
#: steps of earlier branches that a step is held against
_MOST_WRITERS = 100
_FORMS = ("startEvent", "userTask", "intermediateCatchEvent", "boundaryEvent", "receiveTask")


class _Writes:
    """Which node of which diagram writes which data, as dotted keys."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject

    @classmethod
    def of(cls, subject: Subject) -> _Writes:
        return subject.shared.setdefault("writes", cls(subject))

    @cached_property
    def of_node(self) -> Mapping[tuple[str, str], frozenset[str]]:
        """(file, node id) → keys."""
        return {
            (diagram.file, node.get("id", "")): frozenset(self._keys(diagram, node))
            for diagram in self.subject.diagrams
            for node in diagram.nodes
        }

    @cached_property
    def lasting(self) -> Mapping[tuple[str, str], frozenset[str]]:
        """(file, node id) → keys that are still there when the step is done."""
        nodes = ((diagram.file, node) for diagram in self.subject.diagrams for node in diagram.nodes)
        return {at: self.of_node[at] - set(_own(node)) for file, node in nodes for at in [(file, node.get("id", ""))]}

    @cached_property
    def names(self) -> frozenset[str]:
        """Every name at the top of the data that anything writes."""
        return frozenset(key.partition(".")[0] for keys in self.of_node.values() for key in keys) | _GIVEN

    @cached_property
    def keys(self) -> frozenset[str]:
        return frozenset(key for keys in self.of_node.values() for key in keys)

    def _keys(self, diagram: Diagram, node: etree._Element) -> Iterator[str]:
        form = diagram.subject.forms.get(diagram.sibling(_form(node))) if kind(node) in _FORMS and _form(node) else None
        for field in form.fields if form else ():
            yield field.key
        yield from parameters_of(node, "output")
        if node.get(camunda("resultVariable")):
            yield node.get(camunda("resultVariable"))
        for mapping in (*extensions(node, CAMUNDA, "in"), *extensions(node, CAMUNDA, "out")):
            if mapping.get("target"):
                yield mapping.get("target")
        yield from _own(node)
        for loop in node.iterchildren(bpmn("multiInstanceLoopCharacteristics")):
            gathered = (each.text or "" for each in loop.iterchildren(bpmn("loopDataOutputRef")))
            yield from filter(None, map(str.strip, gathered))


def _form(node: etree._Element) -> str:
    return node.get(camunda("formKey")) or node.get(camunda("formRef")) or ""


def _own(node: etree._Element) -> Iterator[str]:
    """Return where a repeated step puts the part of each instance: it is gone when the instance is done."""
    for loop in node.iterchildren(bpmn("multiInstanceLoopCharacteristics")):
        items = (item.get("id") for item in loop.iterchildren(bpmn("inputDataItem")))
        yield from filter(None, (loop.get(camunda("elementVariable")), *items))


def written_keys(subject: Subject) -> frozenset[str]:
    """Return the dotted keys of all data that a package writes."""
    return _Writes.of(subject).keys


def names_written(subject: Subject) -> frozenset[str]:
    """Return every name at the top of the data that a form, a table, a connector or a call writes."""
    return _Writes.of(subject).names


@package_rule("unknown-variable", "warning")
def variables_are_written(subject: Subject) -> Iterator[Place]:
    """A name that nothing writes stops the matter where it is read; mostly it is a slip of the pen."""
    if _is_incomplete(subject) or subject.package.is_called:
        # What a missing or unreadable file, or a caller, has written is not known here.
        return
    known = _Writes.of(subject).names
    for written in written_in(subject):
        unknown = sorted(written.parsed.names - known - written.given) if written.parsed else ()
        if unknown:
            message = f"{written.where}用了 {listed(unknown)}，没有哪个表单、判定或者连接器写过它。"
            yield written.say(message, "请改正名称；由别的事项用消息带来的，可以不改。")


def _is_incomplete(subject: Subject) -> bool:
    named = [(d, _form(node)) for d in subject.diagrams for node in d.of_kind(*_FORMS) if _form(node)]
    missing = any(diagram.sibling(name) not in subject.package.files for diagram, name in named)
    return bool(missing or subject.refused or subject.wrong_forms or not subject.process_ids)


@package_rule("data-read-before-write", "warning")
def variables_are_written_before(subject: Subject) -> Iterator[Place]:
    """What is read is written by a step that can come before."""
    writes = _Writes.of(subject)
    for diagram in subject.diagrams:
        order = _Order(diagram)
        writers = defaultdict(set)
        for node in diagram.nodes:
            for key in writes.of_node[diagram.file, node.get("id", "")] if node.get("id") else ():
                writers[key.partition(".")[0]].add(node.get("id", ""))
        elsewhere = {
            key.partition(".")[0] for (file, _), keys in writes.of_node.items() if file != diagram.file for key in keys
        }
        for written, node in _reads(diagram):
            late = sorted(
                name
                for name in written.parsed.names & writers.keys() - elsewhere - _GIVEN
                if node not in order.from_any(frozenset(writers[name]))
            )
            if late:
                first = diagram.by_id[min(writers[late[0]])]
                message = f"{written.where}要看 {listed(late)}，到这里还没有填：它在{title(first)}才写。"
                yield written.say(message, "请把写它的步骤移到前面，或者改正名称。")


def _reads(diagram: Diagram) -> Iterator[tuple[Written, str]]:
    """Return the readable expressions of a diagram, each with the node where it is calculated."""
    nodes = {node.get("id") for node in diagram.nodes}
    for written in written_in(diagram.subject):
        if written.parsed is None or written.place.file != diagram.file:
            continue
        around = diagram.by_id.get(written.place.element)
        while around is not None and kind(around) != "sequenceFlow" and around.get("id") not in nodes:
            around = around.getparent()
        if around is not None:
            yield written, around.get("sourceRef" if kind(around) == "sequenceFlow" else "id", "")
    for task in diagram.of_kind("businessRuleTask"):
        table = diagram.subject.tables.get(task.get(camunda("decisionRef"), ""))
        for column in table.inputs if table is not None else ():
            where = f"决策表〈{table.name}〉的表头"
            yield (
                Written(column.expression.text, diagram.at(task, "", ""), where, column.expression),
                task.get("id", ""),
            )


class _Order:
    """Which node can come before which, over all levels of a diagram."""

    def __init__(self, diagram: Diagram) -> None:
        self.after: dict[str, set[str]] = defaultdict(set)
        for flow in diagram.flows:
            self.after[flow.get("sourceRef", "")].add(flow.get("targetRef", ""))
        for node in diagram.nodes:
            id, scope = node.get("id", ""), node.getparent().get("id", "")
            if kind(node) == "boundaryEvent":
                self.after[node.get("attachedToRef", "")].add(id)
                host = diagram.by_id.get(node.get("attachedToRef", ""))
                for inside in diagram.children(host) if host is not None else ():
                    self.after[inside.get("id", "")].add(id)
            elif kind(node) == "startEvent" and scope in diagram.by_id:
                self.after[scope].add(id)
                around = node.getparent().getparent()
                if is_true(node.getparent(), "triggeredByEvent") and around is not None:
                    for each in diagram.children(around):
                        self.after[each.get("id", "")].add(id)
            elif kind(node) == "endEvent":
                self.after[id] |= {flow.get("targetRef", "") for flow in diagram.outgoing.get(scope, ())}
            elif definition_type(node) == "link":
                self.after[id] |= set(_same_link(diagram, node))
        self._reached: dict[frozenset[str], set[str]] = {}

    def from_any(self, starts: frozenset[str]) -> set[str]:
        """Return the nodes themselves and all that can come after one of them.

        A call hands in what its mappings calculate, a form what is filled in: there the writer may read itself.
        """
        if starts not in self._reached:
            found: set[str] = set()
            ahead = list(starts)
            while ahead:
                id = ahead.pop()
                if id not in found:
                    found.add(id)
                    ahead.extend(self.after.get(id, ()))
            self._reached[starts] = found
        return self._reached[starts]


def _same_link(diagram: Diagram, event: etree._Element) -> Iterator[str]:
    names = {each.get("name") for each in event.iterchildren("{*}linkEventDefinition")}
    for other in diagram.of_kind("intermediateCatchEvent"):
        if kind(event) == "intermediateThrowEvent" and definition_type(other) == "link":
            if names & {each.get("name") for each in other.iterchildren("{*}linkEventDefinition")}:
                yield other.get("id", "")


@rule("data-overwritten-in-parallel", "warning")
def branches_write_apart(diagram: Diagram) -> Iterator[Place]:
    """Two branches that run at the same time and write the same data: the later one wins, whichever that is."""
    parting = [gateway for gateway in diagram.of_kind("parallelGateway") if len(diagram.leaving(gateway)) > 1]
    writes, order = _Writes.of(diagram.subject), _Order(diagram) if parting else None
    said: set[str] = set()
    for gateway in parting:
        ways = [order.from_any(frozenset((id,))) for id in sorted(order.after.get(gateway.get("id", ""), ()))]
        # What every branch comes to lies behind the join.
        joined = set.intersection(*ways) if len(ways) > 1 else set()
        before: dict[str, list[tuple[str, str]]] = {}
        for way in ways:
            here = [(id, key) for id in sorted(way - joined) for key in writes.lasting.get((diagram.file, id), ())]
            for id, key in here:
                clash = next((one for one, other in before.get(_top(key), ()) if one != id and _same(key, other)), None)
                if clash is not None and id not in said:
                    said.add(id)
                    first, second = diagram.by_id[clash], diagram.by_id[id]
                    message = f"{title(first)}和{title(second)}同时在办，都写 {key}，先写的会被盖掉。"
                    hint = "请让两边写不同的名称，例如 approve.decision 和 check.decision。"
                    yield diagram.at(second, message, hint)
            for id, key in here:
                # The first few tell enough; a thousand branches that write the same are one mistake.
                if len(before.setdefault(_top(key), [])) < _MOST_WRITERS:
                    before[_top(key)].append((id, key))


def _top(key: str) -> str:
    return key.partition(".")[0]


def _same(key: str, other: str) -> bool:
    """Tell whether writing both would meet: ``a`` also covers ``a.b``."""
    return f"{key}.".startswith(f"{other}.") or f"{other}.".startswith(f"{key}.")


@package_rule("data-never-read", "info")
def answers_are_read(subject: Subject) -> Iterator[Place]:
    """What a table decides or a look-up finds is asked for in order to be read."""
    read = {name for written in written_in(subject) if written.parsed for name in written.parsed.names}
    passed = {
        mapping.get("source", "").partition(".")[0]
        for diagram in subject.diagrams
        for call in diagram.of_kind("callActivity")
        for mapping in (*extensions(call, CAMUNDA, "in"), *extensions(call, CAMUNDA, "out"))
    }
    lists = {
        loop.get(camunda("collection"), "").partition(".")[0]
        for diagram in subject.diagrams
        for loop in diagram.drawn("multiInstanceLoopCharacteristics")
    }
    for diagram in subject.diagrams:
        for node in diagram.of_kind("businessRuleTask", "serviceTask"):
            for name in sorted(_answers(node) - read - passed - lists - {""}):
                message = f"{title(node)}得出的 {name} 后面没有哪一步用到。"
                yield diagram.at(node, message, "请在后面的条件或者步骤里用上它；用不上的，删去这一步。")


def _answers(node: etree._Element) -> set[str]:
    if kind(node) == "businessRuleTask":
        return {node.get(camunda("resultVariable"), "")}
    looks = node.get(camunda("topic"), "").rpartition(".")[2] in _LOOKING
    return set(parameters_of(node, "output")) if looks else set()
