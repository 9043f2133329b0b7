"""Planted faults: an item's package with one thing drawn, decided or asked wrongly."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, pairwise

from lxml import etree

from engine.bpmn.document import read_xml
from engine.bpmn.package import Package, read_files

_BPMN = "{http://www.omg.org/spec/BPMN/20100524/MODEL}"
_BPMNDI = "{http://www.omg.org/spec/BPMN/20100524/DI}"
_DMN = "{https://www.omg.org/spec/DMN/20191111/MODEL/}"
_POWER = "{urn:sihua:power:1}"
_CAMUNDA = "{http://camunda.org/schema/1.0/bpmn}"

Element = etree._Element
#: what stands before the arrows in a node, in the order of the schema
_BEFORE_ARROWS = ("documentation", "extensionElements", "incoming")
#: what a decision cell becomes when it says the opposite
_OPPOSITES = {"true": "false", "false": "true"}
#: what a comparison becomes when it also holds, or no longer holds, where both sides are equal
_SHIFTED = {"<=": "<", ">=": ">", "<": "<=", ">": ">="}
_COMPARISON = re.compile(r"<=|>=|<|>")
#: what moves a moment by a day
_A_DAY_MORE = '{} + duration("P1D")'


@dataclass(frozen=True)
class Mutant:
    """One fault in one file of a package."""

    kind: str
    #: the flow, task, row or field that is drawn otherwise, and how
    name: str
    #: name inside the package, ``common/meeting/meeting.bpmn``
    file: str
    #: flows and decision rows on which a matter meets the fault; empty: any matter may
    touches: frozenset[str]
    #: changes the parsed file: root element, or dict for a form
    change: Callable[[Element | dict], None]

    @property
    def id(self) -> str:
        return f"{self.kind}: {self.name}"

    def plant(self, package: Package) -> Package:
        """Return a version of the package that holds the fault."""
        content = package.files[self.file]
        if self.file.endswith(".form"):
            parsed = json.loads(content)
            self.change(parsed)
            changed = json.dumps(parsed, ensure_ascii=False).encode()
        else:
            root = _root(content)
            self.change(root)
            changed = etree.tostring(root, encoding="UTF-8", xml_declaration=True)
        return read_files(package.id, package.code, {**package.files, self.file: changed})


def mutants_of(package: Package) -> Iterator[Mutant]:
    """Yield every fault there is to plant in an item and in what it calls."""
    users: dict[str, frozenset[str]] = {}
    for file, content in package.files.items():
        if file.endswith(".bpmn"):
            users |= _users(_root(content), file.rpartition("/")[0])
    for file, content in package.files.items():
        if file.endswith(".bpmn"):
            yield from _Diagram(file, _root(content)).mutants()
        elif file.endswith(".dmn"):
            yield from _in_table(file, _root(content))
        elif file.endswith(".form"):
            yield from _in_form(file, json.loads(content), users.get(file, frozenset()))


def _root(content: bytes) -> Element:
    return read_xml(content).getroot()


def _users(root: Element, folder: str) -> dict[str, frozenset[str]]:
    """Form name inside the package → the flows that lead to where it is filled in."""
    found: dict[str, frozenset[str]] = {}
    for each in root.iter(f"{_BPMN}userTask", f"{_BPMN}startEvent"):
        form = each.get(f"{_CAMUNDA}formKey")
        if form:
            name = f"{folder}/{form}" if folder else form
            found[name] = found.get(name, frozenset()) | {flow.text for flow in each.iterchildren(f"{_BPMN}incoming")}
    return found


def _by_id(root: Element, id: str) -> Element:
    return next(each for each in root.iter("*") if each.get("id") == id)


# --- the diagram ----------------------------------------------------------------------------------------------------


class _Diagram:
    """One diagram and the faults that can be drawn into it."""

    def __init__(self, file: str, root: Element) -> None:
        self._file = file
        self._root = root
        self._flows = {flow.get("id"): flow for flow in root.iter(f"{_BPMN}sequenceFlow")}
        self._around: dict[str, set[str]] = {}
        for id, flow in self._flows.items():
            for end in (flow.get("sourceRef"), flow.get("targetRef")):
                self._around.setdefault(end, set()).add(id)

    def mutants(self) -> Iterator[Mutant]:
        for flow in self._flows:
            yield self._at("flow dropped", flow, [flow], lambda r, f=flow: _drop_flow(r, f))
        for flow, target in self._further_targets():
            yield self._at(
                "flow redirected", f"{flow} to {target}", [flow], lambda r, f=flow, t=target: _redirect(r, f, t)
            )
        for one, other in self._answers():
            yield self._at(
                "answers exchanged", f"{one} and {other}", [one, other], lambda r, a=one, b=other: _exchange(r, a, b)
            )
        yield from self._roles()
        yield from self._conditions()
        yield from self._separations()
        yield from self._limits()

    def _at(self, kind: str, name: str, flows: list[str], change: Callable[[Element], None]) -> Mutant:
        """A fault met by whoever comes to where one of these flows begins."""
        nodes = {self._flows[flow].get("sourceRef") for flow in flows}
        return Mutant(kind, name, self._file, self._touching(nodes), change)

    def _on(self, kind: str, name: str, node: str, change: Callable[[Element], None]) -> Mutant:
        return Mutant(kind, name, self._file, self._touching({node}), change)

    def _touching(self, nodes: set[str]) -> frozenset[str]:
        return frozenset().union(*(self._around.get(node, ()) for node in nodes))

    def _conditioned(self) -> dict[str, str]:
        conditions = {id: flow.findtext(f"{_BPMN}conditionExpression") for id, flow in self._flows.items()}
        return {id: text for id, text in conditions.items() if text}

    def _further_targets(self) -> Iterator[tuple[str, str]]:
        """Pair each flow with the nodes right after its target; with the other ends when it goes to an end."""
        outgoing: dict[str, list[str]] = {}
        for flow in self._flows.values():
            outgoing.setdefault(flow.get("sourceRef"), []).append(flow.get("targetRef"))
        ends = sorted({flow.get("targetRef") for flow in self._flows.values()} - set(outgoing))
        for id, flow in self._flows.items():
            target = flow.get("targetRef")
            for further in outgoing.get(target) or [end for end in ends if end != target]:
                if further != flow.get("sourceRef"):
                    yield id, further

    def _answers(self) -> Iterator[tuple[str, str]]:
        asked: dict[str, list[str]] = {}
        for id in self._conditioned():
            asked.setdefault(self._flows[id].get("sourceRef"), []).append(id)
        for ids in asked.values():
            yield from combinations(ids, 2)

    def _roles(self) -> Iterator[Mutant]:
        lanes = {lane.get("id"): [ref.text for ref in lane] for lane in self._root.iter(f"{_BPMN}lane")}
        for task in (each.get("id") for each in self._root.iter(f"{_BPMN}userTask")):
            for lane in (each for each, nodes in lanes.items() if task not in nodes):
                yield self._on("role swapped", f"{task} to {lane}", task, lambda r, n=task, to=lane: _move(r, n, to))

    def _conditions(self) -> Iterator[Mutant]:
        for flow in self._conditioned():
            yield self._at("condition negated", flow, [flow], lambda r, f=flow: _rewrite(r, [f], "not({})".format))
        limited = [id for id, text in self._conditioned().items() if "times(" in text]
        for name, change in (("one more", _one_more), ("without limit", _without_limit)) if limited else ():
            name = f"{name} in {self._file.rpartition('/')[2]}"
            yield self._at("returns loosened", name, limited, lambda r, c=change: _rewrite(r, limited, c))
        # A bound is drawn at every flow that it divides: it moves at all of them together, so that one stays open.
        for node in {self._flows[id].get("sourceRef"): None for id, text in self._conditioned().items()}:
            bounded = [
                id
                for id, text in self._conditioned().items()
                if self._flows[id].get("sourceRef") == node and "times(" not in text and _COMPARISON.search(text)
            ]
            if bounded:
                yield self._at("bound shifted", node, bounded, lambda r, b=bounded: _rewrite(r, b, _shifted))

    def _separations(self) -> Iterator[Mutant]:
        for fact in self._root.iter(f"{_POWER}separate"):
            task, others = fact.getparent().getparent().get("id"), fact.get("from").split()
            yield self._on("separate removed", task, task, lambda r, n=task: _separate(r, n, None))
            for other in others if len(others) > 1 else ():
                name = f"{task} from {other}"
                yield self._on("separate removed", name, task, lambda r, n=task, o=other: _separate(r, n, o))

    def _limits(self) -> Iterator[Mutant]:
        for fact in self._root.iter(f"{_POWER}timeLimit"):
            step = fact.getparent().getparent()
            if step.tag == f"{_BPMN}userTask":
                id = step.get("id")
                yield self._on("limit changed", id, id, lambda r, n=id: _change_limit(r, n))
        for event in self._root.iter(f"{_BPMN}timerEventDefinition"):
            holder = event.getparent().get("id")
            date = event.find(f"{_BPMN}timeDate")
            if date is not None and (date.text or "").startswith("="):
                yield self._on("date moved", holder, holder, lambda r, n=holder: _move_date(r, n))


def _drop_flow(root: Element, id: str) -> None:
    """Take a flow out as a modeler does: its two ends and its line in the picture go too."""
    kinds = (f"{_BPMN}sequenceFlow", f"{_BPMN}incoming", f"{_BPMN}outgoing", f"{_BPMNDI}BPMNEdge")
    for each in list(root.iter(*kinds)):
        if id in (each.get("id"), each.get("bpmnElement"), each.text):
            each.getparent().remove(each)


def _redirect(root: Element, id: str, target: str) -> None:
    flow = _by_id(root, id)
    old = _by_id(root, flow.get("targetRef"))
    arrow = next(each for each in old.iterchildren(f"{_BPMN}incoming") if each.text == id)
    before = [each for each in _by_id(root, target) if etree.QName(each).localname in _BEFORE_ARROWS]
    before[-1].addnext(arrow)
    flow.set("targetRef", target)


def _exchange(root: Element, one: str, other: str) -> None:
    targets = _by_id(root, one).get("targetRef"), _by_id(root, other).get("targetRef")
    _redirect(root, one, targets[1])
    _redirect(root, other, targets[0])


def _move(root: Element, node: str, lane: str) -> None:
    reference = next(each for each in root.iter(f"{_BPMN}flowNodeRef") if each.text == node)
    _by_id(root, lane).append(reference)


def _rewrite(root: Element, flows: list[str], change: Callable[[str], str]) -> None:
    for flow in flows:
        condition = _by_id(root, flow).find(f"{_BPMN}conditionExpression")
        changed = change(condition.text)
        if changed == condition.text:
            raise ValueError(f"{flow}: nothing to change in {condition.text}")
        condition.text = changed


def _one_more(condition: str) -> str:
    return re.sub(r"(<=|>=|<|>) param", lambda found: f"{found[1]} 1 + param", condition)


def _without_limit(condition: str) -> str:
    truth = {"<": "true", "<=": "true", ">": "false", ">=": "false"}
    return re.sub(r"times\(\S+\) (<=|>=|<|>) param\(\S+\)", lambda found: truth[found[1]], condition)


def _shifted(condition: str) -> str:
    return _COMPARISON.sub(lambda found: _SHIFTED[found[0]], condition)


def _separate(root: Element, task: str, other: str | None) -> None:
    """Forget that a step must be done by somebody else than another step, or than any."""
    fact = next(_by_id(root, task).iter(f"{_POWER}separate"))
    left = [each for each in fact.get("from").split() if other not in (None, each)]
    if left:
        fact.set("from", " ".join(left))
    else:
        fact.getparent().remove(fact)


def _change_limit(root: Element, task: str) -> None:
    """Give a step a limit that nobody set."""
    fact = next(_by_id(root, task).iter(f"{_POWER}timeLimit"))
    fact.attrib.pop("param", None)
    fact.set("value", "99")


def _move_date(root: Element, holder: str) -> None:
    date = next(_by_id(root, holder).iter(f"{_BPMN}timeDate"))
    date.text = "=" + _A_DAY_MORE.format(f"({date.text[1:]})")


# --- the tables -----------------------------------------------------------------------------------------------------


def _in_table(file: str, root: Element) -> Iterator[Mutant]:
    rules = list(root.iter(f"{_DMN}rule"))
    touches = frozenset(rule.get("id") for rule in rules)

    def mutant(kind: str, name: str, change: Callable[[Element], None]) -> Mutant:
        return Mutant(kind, name, file, touches, change)

    for rule in rules:
        id = rule.get("id")
        yield mutant("row removed", id, lambda r, id=id: _by_id(r, id).getparent().remove(_by_id(r, id)))
    for one, other in pairwise(rules):
        if not _exclude_each_other(one, other) and not _answer_alike(one, other):
            ids = one.get("id"), other.get("id")
            yield mutant("rows swapped", " and ".join(ids), lambda r, ids=ids: _swap_rows(r, *ids))
    for rule in rules:
        for number, cell in enumerate(_cells(rule)):
            if cell.text != "-":
                at, name = (rule.get("id"), number), f"{rule.get('id')} {cell.text}"
                yield mutant("cell negated", name, lambda r, at=at: _in_cell(r, at, _negated))
        # In a result it is the majority that is loosened, or tightened.
        for number, cell in enumerate(_cells(rule, "inputEntry", "outputEntry")):
            if _COMPARISON.search(_without_texts(cell.text)):
                at, name = (rule.get("id"), number), f"{rule.get('id')} {cell.text}"
                yield mutant("bound shifted", name, lambda r, at=at: _in_cell(r, at, _shifted))


def _cells(rule: Element, *kinds: str) -> list[Element]:
    """Return the cells of a row: what it asks, or also what it answers."""
    kinds = kinds or ("inputEntry",)
    return [each.find(f"{_DMN}text") for each in rule.iterchildren(*(f"{_DMN}{kind}" for kind in kinds))]


def _without_texts(cell: str) -> str:
    return re.sub(r'"[^"]*"', '""', cell)


def _exclude_each_other(one: Element, other: Element) -> bool:
    """Two rows that list different words (or truth values) in one column never both match: their order says nothing."""
    for mine, theirs in zip(_cells(one), _cells(other), strict=True):
        words = [set(re.findall(r'"[^"]*"|\btrue\b|\bfalse\b', cell.text)) for cell in (mine, theirs)]
        if all(words) and not words[0] & words[1]:
            return True
    return False


def _answer_alike(one: Element, other: Element) -> bool:
    """Two neighbours with the same answer: whichever comes first, the answer is the same."""
    mine, theirs = ([cell.text for cell in _cells(rule, "outputEntry")] for rule in (one, other))
    return mine == theirs


def _swap_rows(root: Element, one: str, other: str) -> None:
    _by_id(root, one).addprevious(_by_id(root, other))


def _in_cell(root: Element, at: tuple[str, int], change: Callable[[str], str]) -> None:
    cell = _cells(_by_id(root, at[0]), "inputEntry", "outputEntry")[at[1]]
    cell.text = change(cell.text)


def _negated(cell: str) -> str:
    return cell.replace("<=", ">", 1) if cell.startswith("<=") else _OPPOSITES.get(cell, f"not({cell})")


# --- the forms ------------------------------------------------------------------------------------------------------


def _in_form(file: str, form: Mapping, touches: frozenset[str]) -> Iterator[Mutant]:
    stem = file.rpartition("/")[2].removesuffix(".form")
    for field in form["components"]:
        for option in field.get("values", ()):
            key, value = field["key"], option["value"]
            name = f"{stem} {key} {value}"
            yield Mutant("option removed", name, file, touches, lambda f, k=key, v=value: _remove_option(f, k, v))


def _remove_option(form: dict, key: str, value: str) -> None:
    field = next(each for each in form["components"] if each["key"] == key)
    field["values"] = [each for each in field["values"] if each["value"] != value]
