"""Bring the many legal spellings of one diagram to the one that SpiffWorkflow reads rightly."""

from __future__ import annotations

import copy
from itertools import islice

from lxml import etree

from engine.bpmn.content_model import EXPRESSIONS
from engine.bpmn.document import BPMN, BPMNDI, CAMUNDA

_B = f"{{{BPMN}}}"
_C = f"{{{CAMUNDA}}}"

#: attribute → what it refers to; XML Schema allows a prefix before these
REFERENCES = {"messageRef": "message", "signalRef": "signal", "errorRef": "error", "escalationRef": "escalation"}
_PREFIXED = frozenset((*REFERENCES, "attachedToRef", "calledElement", "processRef", "dataObjectRef", "default"))
_BOOLEANS = frozenset(
    (
        "isExecutable cancelActivity isInterrupting triggeredByEvent isSequential testBefore parallelMultiple "
        "instantiate isForCompensation isClosed isImmediate isExpanded isHorizontal isMarkerVisible"
    ).split()
)
#: elements of an event definition that several events refer to
_MOST_COPIED = 50
#: everything that refers to a message, a signal, an error or an escalation
referring = etree.XPath(f"//*[{' or '.join(f'@{name}' for name in REFERENCES)}]")
#: elements whose text is a name, a reference or an expression: white space around it is the editor's
_TEXTS = [
    _B + tag
    for tag in (
        "flowNodeRef eventDefinitionRef loopDataInputRef loopDataOutputRef loopCardinality completionCondition "
        "loopCondition incoming outgoing"
    ).split()
]
_EXPRESSIONS = [_B + tag for tag in EXPRESSIONS]
# Data objects are drawn for people; SpiffWorkflow would write None into the data and take variables away.
_DATA = [
    _B + tag
    for tag in "dataInputAssociation dataOutputAssociation dataObject dataObjectReference dataStore".split()
    + ["dataStoreReference"]
]


def normalise(root: etree._Element) -> None:
    """Change a tree in place to mean the same: names for what has none, references resolved, nothing said twice."""
    join_texts(root)
    for holder in root.iter(_B + "extensionElements"):
        # Nothing of BPMN has a meaning there, yet a search through the tree would find it.
        for child in [*holder.iterchildren(f"{_B}*")]:
            holder.remove(child)
    # Where a shape lies changes nothing of what happens, and the picture is half of the file.
    for picture in [*root.iterchildren(f"{{{BPMNDI}}}BPMNDiagram")]:
        if next(picture.iter(f"{_B}*"), None) is None:
            root.remove(picture)
    spell_out(root)
    for node in root.iter(*_TEXTS):
        node.text = (node.text or "").strip()
    ids = Ids(root)
    _name_flows(root, ids)
    _declare(root)
    for node in [*root.iter(*_DATA)]:
        node.getparent().remove(node)
    for node in root.iter(_B + "multiInstanceLoopCharacteristics"):
        _write_collection(node)


def join_texts(root: etree._Element) -> None:
    """Let the text of an expression stand in one piece: a comment or an element inside would end it for every reader.

    What stands inside stays there, behind the text; comments go.
    """
    etree.strip_elements(root, etree.Comment, etree.ProcessingInstruction, with_tail=False)
    for node in root.iter(*_EXPRESSIONS):
        for child in node:
            node.text, child.tail = (node.text or "") + (child.tail or ""), None


class Ids:
    """The ids in use in a file, so that what is added gets another."""

    def __init__(self, root: etree._Element) -> None:
        self._taken = {node.get("id") for node in root.iter(etree.Element)}

    def unused(self, wanted: str) -> str:
        """Return ``wanted``, or the first of ``wanted_2``, ``wanted_3`` … that is free, and take it."""
        id, count = wanted, 1
        while id in self._taken:
            count += 1
            id = f"{wanted}_{count}"
        self._taken.add(id)
        return id


def spell_out(root: etree._Element) -> None:
    """Let whoever looks at the tree find one spelling of what the standard lets people write in several.

    A boolean is ``true`` or ``false``, a reference has no prefix, an event holds its definition instead of referring to
    it, the name of a link has no white space around it. Lint and the facts look at a tree like this as the engine does.
    """
    _spell_booleans(root)
    for node in root.iter(f"{_B}*"):
        _drop_prefixes(node)
    _inline_event_definitions(root)
    for link in root.iter(_B + "linkEventDefinition"):
        if link.get("name"):
            link.set("name", " ".join(link.get("name").split()))


def _spell_booleans(root: etree._Element) -> None:
    for node in root.iter(etree.Element):
        for name in _BOOLEANS.intersection(node.keys()) if node.attrib else ():
            text = node.get(name).strip()
            node.set(name, {"1": "true", "0": "false"}.get(text, text))


def _drop_prefixes(node: etree._Element) -> None:
    for name, value in node.attrib.items():
        if ":" in value and name in _PREFIXED:
            prefix, _, rest = value.strip().rpartition(":")
            if prefix in node.nsmap:
                node.set(name, rest)


def _name_flows(root: etree._Element, ids: Ids) -> None:
    """Give an id to sequence flows without one: legal BPMN, but everything behind them would vanish."""
    for flow in root.iter(_B + "sequenceFlow"):
        if flow.get("id") is None:
            flow.set("id", ids.unused(f"Flow_{flow.get('sourceRef')}_{flow.get('targetRef')}"))


def _inline_event_definitions(root: etree._Element) -> None:
    """Copy an event definition that an event refers to into the event."""
    references = [*root.iter(_B + "eventDefinitionRef")]
    ids = Ids(root) if references else None
    declared = {each.get("id"): each for each in root.iterchildren(f"{_B}*") if _is_definition(each)}
    for reference in references:
        found = declared.get((reference.text or "").strip().rpartition(":")[2])
        # A bulky one would fill the memory by being copied; it stays a reference, which is refused.
        if found is not None and sum(1 for _ in islice(found.iter(), _MOST_COPIED + 1)) <= _MOST_COPIED:
            copied = copy.deepcopy(found)
            copied.set("id", ids.unused(f"{found.get('id')}_{reference.getparent().get('id')}"))
            copied.sourceline = reference.sourceline
            reference.getparent().replace(reference, copied)


def _is_definition(node: etree._Element) -> bool:
    return etree.QName(node).localname.endswith("EventDefinition")


def _declare(root: etree._Element) -> None:
    """Declare signals and escalations that are only referred to, and name by its id what is declared without a name.

    The reference itself is the name both sides agree on. A message or error needs more: the outside must know it.
    """
    referrers = referring(root)
    for attribute, tag in REFERENCES.items():
        declared = {each.get("id"): each for each in root.iterchildren(_B + tag)}
        for node in declared.values():
            if node.get("name") is None and node.get("id"):
                node.set("name", node.get("id"))
        if tag in ("signal", "escalation"):
            for id in dict.fromkeys(node.get(attribute) for node in referrers):
                if id and id not in declared:
                    root.insert(0, etree.Element(_B + tag, id=id, name=id))
    for escalation in root.iterchildren(_B + "escalation"):
        # Without a code SpiffWorkflow takes every escalation for the same.
        if not escalation.get("escalationCode"):
            escalation.set("escalationCode", escalation.get("id") or "")


def _write_collection(node: etree._Element) -> None:
    """Write ``camunda:collection`` and ``camunda:elementVariable`` the standard way."""
    collection, item = node.get(_C + "collection"), node.get(_C + "elementVariable")
    if item and node.find(_B + "inputDataItem") is None:
        node.insert(0, etree.Element(_B + "inputDataItem", id=item))
    if collection and node.find(_B + "loopDataInputRef") is None:
        reference = etree.Element(_B + "loopDataInputRef")
        reference.text = collection
        node.insert(0, reference)
