"""Planted faults: copies of an item folder with one thing drawn, decided or asked wrongly."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations, pairwise
from pathlib import Path

from lxml import etree

BPMN = "{http://www.omg.org/spec/BPMN/20100524/MODEL}"
BPMNDI = "{http://www.omg.org/spec/BPMN/20100524/DI}"
DMN = "{https://www.omg.org/spec/DMN/20191111/MODEL/}"
POWER = "{urn:sihua:power:1}"

Tree = etree._ElementTree
Element = etree._Element
#: what stands before the arrows in a node, in the order of the schema
BEFORE_ARROWS = ("documentation", "extensionElements", "incoming")
#: what a decision cell becomes when it says the opposite
OPPOSITES = {"true": "false", "false": "true"}


@dataclass(frozen=True)
class Mutant:
    """One fault; ``plant`` changes the parsed file."""

    kind: str
    name: str
    file: str
    plant: Callable[[Tree | dict], None]

    @property
    def id(self) -> str:
        return f"{self.kind}: {self.name}"

    def copy(self, folder: Path, place: Path) -> Path:
        """Return a copy of the folder, under the same name in ``place``, that holds the fault."""
        copied = Path(shutil.copytree(folder, place / folder.name))
        path = copied / self.file
        if path.suffix == ".form":
            form = json.loads(path.read_text("utf-8"))
            self.plant(form)
            path.write_text(json.dumps(form, ensure_ascii=False), "utf-8")
        else:
            tree = etree.parse(path)
            self.plant(tree)
            tree.write(path, encoding="UTF-8", xml_declaration=True)
        return copied


def mutants_of(folder: Path) -> Iterator[Mutant]:
    """Yield every fault there is to plant in an item."""
    for path in sorted(folder.glob("*.bpmn")):
        yield from _in_diagram(path)
    for path in sorted(folder.glob("*.dmn")):
        yield from _in_table(path)
    for path in sorted(folder.glob("*.form")):
        yield from _in_form(path)


# --- the diagram ----------------------------------------------------------------------------------------------------


def _in_diagram(path: Path) -> Iterator[Mutant]:
    tree = etree.parse(path)
    flows = {flow.get("id"): flow for flow in tree.iter(f"{BPMN}sequenceFlow")}
    for flow in flows:
        yield Mutant("flow dropped", flow, path.name, lambda t, flow=flow: drop_flow(t, flow))
    for flow, target in _further_targets(flows):
        name = f"{flow} to {target}"
        yield Mutant("flow redirected", name, path.name, lambda t, f=flow, to=target: redirect_flow(t, f, to))
    for one, other in _answers(flows):
        name = f"{one} and {other}"
        yield Mutant("answers exchanged", name, path.name, lambda t, a=one, b=other: exchange_targets(t, a, b))
    lanes = {lane.get("id"): [ref.text for ref in lane] for lane in tree.iter(f"{BPMN}lane")}
    for task in (each.get("id") for each in tree.iter(f"{BPMN}userTask")):
        for lane in (each for each, nodes in lanes.items() if task not in nodes):
            yield Mutant("role swapped", f"{task} to {lane}", path.name, lambda t, n=task, to=lane: move(t, n, to))
    for flow in (id for id, each in flows.items() if each.find(f"{BPMN}conditionExpression") is not None):
        yield Mutant("condition negated", flow, path.name, lambda t, flow=flow: rewrite(t, flow, "not({})".format))
    for task, others in _separations(tree):
        yield Mutant("separate removed", task, path.name, lambda t, n=task: separate(t, n, None))
        for other in others if len(others) > 1 else ():
            name = f"{task} from {other}"
            yield Mutant("separate removed", name, path.name, lambda t, n=task, o=other: separate(t, n, o))
    yield from _returns(path.name, flows)


def _returns(file: str, flows: dict[str, Element]) -> Iterator[Mutant]:
    limited = [id for id, flow in flows.items() if "times(" in "".join(flow.itertext())]
    for loosened in (_one_more, _without_limit):
        name = loosened.__name__.strip("_").replace("_", " ")
        yield Mutant("returns loosened", name, file, lambda t, change=loosened: rewrite_all(t, limited, change))


def _one_more(condition: str) -> str:
    return re.sub(r"(<|>=) param", lambda found: {"<": "<= param", ">=": "> param"}[found[1]], condition)


def _without_limit(condition: str) -> str:
    return re.sub(r"times\(\S+\) (<|>=) param\(\S+\)", lambda found: {"<": "true", ">=": "false"}[found[1]], condition)


def _further_targets(flows: dict[str, Element]) -> Iterator[tuple[str, str]]:
    """Pair each flow with the nodes right after its target; with the other ends when it goes to an end."""
    outgoing: dict[str, list[str]] = {}
    for flow in flows.values():
        outgoing.setdefault(flow.get("sourceRef"), []).append(flow.get("targetRef"))
    ends = sorted({flow.get("targetRef") for flow in flows.values()} - set(outgoing))
    for id, flow in flows.items():
        target = flow.get("targetRef")
        for further in outgoing.get(target) or [end for end in ends if end != target]:
            if further != flow.get("sourceRef"):
                yield id, further


def _answers(flows: dict[str, Element]) -> Iterator[tuple[str, str]]:
    asked: dict[str, list[str]] = {}
    for id, flow in flows.items():
        if flow.find(f"{BPMN}conditionExpression") is not None:
            asked.setdefault(flow.get("sourceRef"), []).append(id)
    for ids in asked.values():
        yield from combinations(ids, 2)


def _separations(tree: Tree) -> Iterator[tuple[str, list[str]]]:
    for fact in tree.iter(f"{POWER}separate"):
        yield fact.getparent().getparent().get("id"), fact.get("from").split()


def by_id(tree: Tree, id: str) -> Element:
    return next(each for each in tree.iter("*") if each.get("id") == id)


def drop_flow(tree: Tree, id: str) -> None:
    """Take a flow out as a modeler does: its two ends and its line in the picture go too."""
    for each in list(tree.iter(f"{BPMN}sequenceFlow", f"{BPMN}incoming", f"{BPMN}outgoing", f"{BPMNDI}BPMNEdge")):
        if id in (each.get("id"), each.get("bpmnElement"), each.text):
            each.getparent().remove(each)


def redirect_flow(tree: Tree, id: str, target: str) -> None:
    flow = by_id(tree, id)
    old = by_id(tree, flow.get("targetRef"))
    arrow = next(each for each in old.iterchildren(f"{BPMN}incoming") if each.text == id)
    before = [each for each in by_id(tree, target) if etree.QName(each).localname in BEFORE_ARROWS]
    before[-1].addnext(arrow)
    flow.set("targetRef", target)


def exchange_targets(tree: Tree, one: str, other: str) -> None:
    targets = by_id(tree, one).get("targetRef"), by_id(tree, other).get("targetRef")
    redirect_flow(tree, one, targets[1])
    redirect_flow(tree, other, targets[0])


def move(tree: Tree, node: str, lane: str) -> None:
    reference = next(each for each in tree.iter(f"{BPMN}flowNodeRef") if each.text == node)
    by_id(tree, lane).append(reference)


def rewrite(tree: Tree, flow: str, change: Callable[[str], str]) -> None:
    condition = by_id(tree, flow).find(f"{BPMN}conditionExpression")
    changed = change(condition.text)
    if changed == condition.text:
        raise ValueError(f"{flow}: nothing to change in {condition.text}")
    condition.text = changed


def rewrite_all(tree: Tree, flows: list[str], change: Callable[[str], str]) -> None:
    for flow in flows:
        rewrite(tree, flow, change)


def separate(tree: Tree, task: str, other: str | None) -> None:
    """Forget that a step must be done by somebody else than another step, or than any."""
    fact = next(by_id(tree, task).iter(f"{POWER}separate"))
    left = [each for each in fact.get("from").split() if other not in (None, each)]
    if left:
        fact.set("from", " ".join(left))
    else:
        fact.getparent().remove(fact)


# --- the tables -----------------------------------------------------------------------------------------------------


def _in_table(path: Path) -> Iterator[Mutant]:
    rules = list(etree.parse(path).iter(f"{DMN}rule"))
    for rule in rules:
        id = rule.get("id")
        yield Mutant("row removed", id, path.name, lambda t, id=id: by_id(t, id).getparent().remove(by_id(t, id)))
    for one, other in pairwise(rules):
        if not exclude_each_other(one, other):
            ids = one.get("id"), other.get("id")
            yield Mutant("rows swapped", " and ".join(ids), path.name, lambda t, ids=ids: swap_rows(t, *ids))
    for rule in rules:
        for number, cell in enumerate(cells(rule)):
            if cell.text != "-":
                name = f"{rule.get('id')} {cell.text}"
                yield Mutant("cell negated", name, path.name, lambda t, r=rule, n=number: negate(t, r.get("id"), n))


def cells(rule: Element) -> list[Element]:
    return [each.find(f"{DMN}text") for each in rule.iterchildren(f"{DMN}inputEntry")]


def exclude_each_other(one: Element, other: Element) -> bool:
    """Two rows that list different words (or truth values) in one column never both match: their order says nothing."""
    for mine, theirs in zip(cells(one), cells(other), strict=True):
        words = [set(re.findall(r'"[^"]*"|\btrue\b|\bfalse\b', cell.text)) for cell in (mine, theirs)]
        if all(words) and not words[0] & words[1]:
            return True
    return False


def swap_rows(tree: Tree, one: str, other: str) -> None:
    by_id(tree, one).addprevious(by_id(tree, other))


def negate(tree: Tree, rule: str, number: int) -> None:
    cell = cells(by_id(tree, rule))[number]
    if cell.text.startswith("<="):
        cell.text = cell.text.replace("<=", ">", 1)
    else:
        cell.text = OPPOSITES.get(cell.text, f"not({cell.text})")


# --- the forms ------------------------------------------------------------------------------------------------------


def _in_form(path: Path) -> Iterator[Mutant]:
    for field in json.loads(path.read_text("utf-8"))["components"]:
        for option in field.get("values", ()):
            key, value = field["key"], option["value"]
            name = f"{path.stem} {key} {value}"
            yield Mutant("option removed", name, path.name, lambda f, k=key, v=value: remove_option(f, k, v))


def remove_option(form: dict, key: str, value: str) -> None:
    field = next(each for each in form["components"] if each["key"] == key)
    field["values"] = [each for each in field["values"] if each["value"] != value]
