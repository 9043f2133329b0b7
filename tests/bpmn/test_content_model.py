"""What BPMN lets stand where: our table says the same as the one that bpmn.io's editors write files by."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.bpmn.content_model import CONTENT_MODEL
from webui import assets

ROOT = Path(__file__).resolve().parents[2]
MODDLE = ROOT / assets.FRONTEND / "node_modules" / "bpmn-moddle" / "resources" / "bpmn" / "json" / "bpmn.json"
#: known to an editor while it runs, never written to a file
NEVER_WRITTEN = {
    "boundaryEventRefs", "categorizedFlowElements", "diagrams", "extensionDefinitions", "incomingConversationLinks",
    "lanes", "outgoingConversationLinks",
}  # fmt: skip
#: texts are one type there, and of these it names the class, not the element
NAMED_OTHERWISE = {"lane": "partitionElement", "participant": "endPointRef"}


class Types:
    """The types of the descriptor, by name."""

    def __init__(self) -> None:
        self.types = {each["name"]: each for each in json.loads(MODDLE.read_text("utf-8"))["types"]}

    def properties(self, name: str) -> list[dict]:
        above = (each for each in self.types[name].get("superClass", ()) if each in self.types)
        return [*(each for base in above for each in self.properties(base)), *self.types[name].get("properties", ())]

    def elements(self, name: str) -> set[str]:
        """Return the elements that are of this type or of one that builds on it."""
        below = [other for other, type in self.types.items() if name in type.get("superClass", ())]
        own = set() if self.types[name].get("isAbstract") else {name[0].lower() + name[1:]}
        return own.union(*(self.elements(each) for each in below))

    def children(self, name: str) -> set[str]:
        found: set[str] = set()
        for each in self.properties(name):
            if each.get("isAttr"):
                continue
            plain = each.get("isReference") or each["type"] not in self.types or each.get("xml", {}).get("serialize")
            found |= {each["name"].rpartition(":")[2]} if plain else self.elements(each["type"])
        return found


def judged() -> list[tuple[str, str]]:
    """Return our elements with the name of their type there."""
    if not MODDLE.is_file():
        return []
    types = Types().types
    # Of what stands in an extension nothing can be said.
    named = [(element, element[0].upper() + element[1:]) for element in CONTENT_MODEL if element != "extensionElements"]
    return [(element, name) for element, name in named if name in types and not types[name].get("isAbstract")]


@pytest.mark.parametrize(("element", "name"), judged())
def test_an_element_may_hold_what_editors_write(element: str, name: str):
    types, ours = Types(), CONTENT_MODEL[element]
    attributes = {each["name"].rpartition(":")[2] for each in types.properties(name) if each.get("isAttr")}
    assert attributes <= set(ours.attributes)
    if element == "documentation":
        return
    if element in NAMED_OTHERWISE:
        assert NAMED_OTHERWISE[element] in ours.children
        return
    assert types.children(name) - NEVER_WRITTEN <= ours.children


def test_the_descriptor_is_there_where_all_is_installed():
    assert len(judged()) > 45 or not MODDLE.parents[3].exists()


def test_an_expression_may_be_explained_and_a_plain_text_may_not():
    beside = {"documentation", "extensionElements"}
    for element in ("conditionExpression", "timeDate", "loopCondition", "completionCondition", "condition"):
        assert CONTENT_MODEL[element].children == beside
    for element in ("documentation", "text", "script", "incoming", "outgoing", "flowNodeRef"):
        assert not CONTENT_MODEL[element].children
