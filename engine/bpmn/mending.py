"""Mechanical mends: what can be put right without a question, written into the file and nothing else with it.

A mend is safe when the diagram means the same afterwards, or when what it takes away was never obeyed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from lxml import etree

from engine.bpmn.document import XmlRefused, read_xml
from engine.bpmn.package import Package, read_files
from engine.bpmn.rules import RULES, World
from engine.bpmn.rules.flows import differing_ends, duplicate_flows, named_ends
from engine.bpmn.rules.naming import named_elements, tidy_name
from engine.bpmn.rules.subject import Diagram, Subject, bpmn, has_condition, is_true, kind
from engine.bpmn.rules.support import ignored_attributes
from engine.bpmn.source_text import Change, SourceText

#: how often a file is looked at again: a mend may bring another fault to light
_ROUNDS = 5
_ID_PREFIXES = {
    "startEvent": "Start",
    "endEvent": "End",
    "boundaryEvent": "Boundary",
    "intermediateCatchEvent": "Event",
    "intermediateThrowEvent": "Event",
    "callActivity": "Call",
    "subProcess": "Sub",
    "lane": "Lane",
    "message": "Message",
    "error": "Error",
}


@dataclass(frozen=True)
class Mend:
    """What one rule changes at one element; several changes belong together."""

    rule: str
    line: int
    changes: tuple[Change, ...]


_Mender = Callable[[Diagram, SourceText], Iterator[tuple[etree._Element, Iterable[Change | None]]]]
#: rule id → what mends its findings
MENDERS: dict[str, _Mender] = {}


def mends_of(subject: Subject) -> dict[str, list[Mend]]:
    """Return file → the mends of everything in it that can be mended; rules that are off mend nothing."""
    found, levels = {}, subject.world.levels
    for diagram in subject.diagrams:
        try:
            source = SourceText(subject.package.files[diagram.file], diagram.root)
        except ValueError:
            # An encoding in which bytes cannot be cut; the findings stay, a person mends them.
            continue
        mends = []
        for rule_id, mender in MENDERS.items():
            rule = RULES.get(rule_id)
            if rule is not None and levels.of(rule) != "off":
                for element, changes in mender(diagram, source):
                    made = tuple(change for change in changes if change is not None)
                    if made:
                        mends.append(Mend(rule_id, element.sourceline or 1, made))
        found[diagram.file] = mends
    return found


def mended(package: Package, world: World) -> dict[str, bytes]:
    """Return file → its content with everything mended that can be; only files that change.

    Mending the result again changes nothing.
    """
    files = dict(package.files)
    for _ in range(_ROUNDS):
        subject = Subject.read(read_files(package.id, package.code, files), world)
        changed = False
        for file, mends in mends_of(subject).items():
            diagram = next(each for each in subject.diagrams if each.file == file)
            source = SourceText(files[file], diagram.root)
            data = source.with_changes(change for mend in _apart(mends) for change in mend.changes)
            if data != files[file] and _is_whole(data):
                files[file], changed = data, True
        if not changed:
            break
    return {name: data for name, data in files.items() if data != package.files[name]}


def _apart(mends: Iterable[Mend]) -> Iterator[Mend]:
    """Return the mends that do not meet; what one of them has in common with another waits for the next round."""
    taken: list[Change] = []
    for mend in mends:
        if not any(_meet(change, other) for change in mend.changes for other in taken):
            taken += mend.changes
            yield mend


def _meet(one: Change, other: Change) -> bool:
    if one.start == one.end or other.start == other.end:
        return one.start <= other.end and other.start <= one.end
    return one.start < other.end and other.start < one.end


def _is_whole(data: bytes) -> bool:
    try:
        read_xml(data)
    except XmlRefused:
        return False
    return True


def _mender(rule_id: str) -> Callable[[_Mender], _Mender]:
    def enter(mender: _Mender) -> _Mender:
        MENDERS[rule_id] = mender
        return mender

    return enter


@_mender("process-not-executable")
def _executable(diagram: Diagram, source: SourceText) -> Iterator[tuple[etree._Element, Iterable[Change]]]:
    for process in diagram.processes[:1]:
        if not is_true(process, "isExecutable"):
            yield process, [source.set_attribute(process, "isExecutable", "true")]


@_mender("id-missing")
def _ids(diagram: Diagram, source: SourceText) -> Iterator[tuple[etree._Element, Iterable[Change]]]:
    taken = _taken(diagram)
    named = [element for element in diagram.elements if kind(element) in ("lane", "message", "error")]
    for element in [*diagram.nodes, *named]:
        if not element.get("id"):
            name = kind(element)
            prefix = _ID_PREFIXES.get(name, "Gateway" if name.endswith("Gateway") else "Task")
            yield element, [source.set_attribute(element, "id", _free(f"{prefix}_1", taken))]


@_mender("flow-id-missing")
def _flow_ids(diagram: Diagram, source: SourceText) -> Iterator[tuple[etree._Element, Iterable[Change]]]:
    taken = _taken(diagram)
    for flow in diagram.flows:
        if not flow.get("id"):
            ends = [flow.get(end, "").partition("_")[2] or flow.get(end, "") for end in ("sourceRef", "targetRef")]
            wanted = re.sub(r"[^\w.-]", "_", "_".join(("Flow", *ends)))
            yield flow, [source.set_attribute(flow, "id", _free(wanted, taken))]


def _taken(diagram: Diagram) -> dict[str, int]:
    """Return every id of the package → 0."""
    return dict.fromkeys((id for each in diagram.subject.diagrams for id in each.root.xpath("//@id")), 0)


def _free(wanted: str, taken: dict[str, int]) -> str:
    """Return the id, or the first one after it that nothing has; it is taken then."""
    stem, number = re.fullmatch(r"(.*?)(?:_(\d{1,9}))?", wanted).groups()
    id, next_number = wanted, taken.get(stem) or int(number or 1)
    while id in taken:
        next_number += 1
        id = f"{stem}_{next_number}"
    # Where the search for this stem goes on, for a file with thousands of them.
    taken[id], taken[stem] = 0, next_number
    return id


@_mender("naming-convention")
def _names(diagram: Diagram, source: SourceText) -> Iterator[tuple[etree._Element, Iterable[Change]]]:
    for element in named_elements(diagram):
        name = element.get("name")
        if name != tidy_name(name):
            yield element, [source.set_attribute(element, "name", tidy_name(name))]


@_mender("ignored-attribute")
def _ignored(diagram: Diagram, source: SourceText) -> Iterator[tuple[etree._Element, Iterable[Change | None]]]:
    for element in diagram.elements:
        for attribute in ignored_attributes(element):
            name = etree.QName(attribute)
            prefix = next((prefix for prefix, uri in element.nsmap.items() if uri == name.namespace and prefix), "")
            yield element, [source.remove_attribute(element, f"{prefix}:{name.localname}")]


@_mender("no-duplicate-sequence-flows")
def _duplicates(diagram: Diagram, source: SourceText) -> Iterator[tuple[etree._Element, Iterable[Change]]]:
    """Take out a second flow, where it is named in its ends, and its line in the picture."""
    twice = duplicate_flows(diagram)
    defaults = {node.get("default") for node in diagram.nodes}
    ids = Counter(diagram.root.xpath("//@id")) if twice else Counter()
    naming = _naming(diagram) if twice else {}
    for flow in twice:
        id = flow.get("id", "")
        # The default of a gateway is the one to keep; a person sees which.
        if id not in defaults and ids[id] < 2:
            yield flow, [source.remove(element) for element in (flow, *naming.get(id, ()))]


def _naming(diagram: Diagram) -> dict[str, list[etree._Element]]:
    """Return flow id → the elements that are there for its sake alone."""
    named: dict[str, list[etree._Element]] = {}
    for element in diagram.root.iter(etree.Element):
        if kind(element) in ("incoming", "outgoing", "flowElementRef") and (element.text or "").strip():
            named.setdefault(element.text.strip(), []).append(element)
        elif kind(element) == "BPMNEdge":
            named.setdefault(element.get("bpmnElement", "").rpartition(":")[2], []).append(element)
    return named


@_mender("condition-empty")
def _empty_conditions(diagram: Diagram, source: SourceText) -> Iterator[tuple[etree._Element, Iterable[Change]]]:
    """Take out an empty condition where none is asked for: on a default flow, or where nothing is chosen."""
    for flow in diagram.flows:
        node = diagram.by_id.get(flow.get("sourceRef", ""))
        chooses = node is not None and kind(node) in ("exclusiveGateway", "inclusiveGateway")
        needless = node is not None and (not chooses or (flow.get("id") and node.get("default") == flow.get("id")))
        if needless and has_condition(flow):
            for expression in flow.iterchildren(bpmn("conditionExpression")):
                if not (expression.text or "").strip() and not len(expression):
                    yield flow, [source.remove(expression)]


@_mender("dangling-reference")
def _lane_references(diagram: Diagram, source: SourceText) -> Iterator[tuple[etree._Element, Iterable[Change]]]:
    """Take out what a lane still names though it is no longer drawn."""
    for element in diagram.elements:
        if kind(element) == "flowNodeRef" and (element.text or "").strip().rpartition(":")[2] not in diagram.by_id:
            yield element, [source.remove(element)]


@_mender("incoming-outgoing-mismatch")
def _ends(diagram: Diagram, source: SourceText) -> Iterator[tuple[etree._Element, Iterable[Change]]]:
    """Let each node name the flows that say they enter or leave it."""
    for node in diagram.nodes:
        changes = []
        for tag in ("incoming", "outgoing"):
            wrong, missing = differing_ends(diagram, node, tag)
            changes += [source.remove(element) for element, id in named_ends(node, tag) if id in wrong]
            if missing:
                changes.append(_placed(node, tag, [source.tag(node, tag, id) for id in missing], source))
        if changes:
            yield node, changes


def _placed(node: etree._Element, tag: str, tags: list[bytes], source: SourceText) -> Change:
    """Write ``incoming`` or ``outgoing`` where the schema has it: behind its like, incoming before outgoing."""
    before = named_ends(node, tag) or (named_ends(node, "incoming") if tag == "outgoing" else [])
    if before:
        return source.insert_after(before[-1][0], tags)
    front = [each for each in node if kind(each) in ("documentation", "extensionElements", "auditing", "monitoring")]
    return source.insert_after(front[-1], tags) if front else source.insert_first(node, tags)
