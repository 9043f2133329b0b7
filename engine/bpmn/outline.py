"""Any diagram as text, a line per fact: what reviews and ``git diff`` show of a file.

::

    process seal_use 用印
      · power:item code=E01 …
    lane Lane_clerk 村文书
      user Task_register 登记核对
        → Gateway_complete
        · documentation: 看身份证 …
      boundary:message Boundary_withdraw @Task_register 申请人撤回
        → End_withdrawn
"""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from engine.bpmn.document import BPMN, XmlRefused, read_xml
from engine.bpmn.layout.graph import name_of

#: word of the outline → tag
KINDS = {
    "start": "startEvent",
    "end": "endEvent",
    "catch": "intermediateCatchEvent",
    "throw": "intermediateThrowEvent",
    "boundary": "boundaryEvent",
    "alongside": "boundaryEvent",
    "task": "task",
    "user": "userTask",
    "manual": "manualTask",
    "service": "serviceTask",
    "rule": "businessRuleTask",
    "receive": "receiveTask",
    "send": "sendTask",
    "script": "scriptTask",
    "call": "callActivity",
    "sub": "subProcess",
    "transaction": "transaction",
    "adhoc": "adHocSubProcess",
    "xor": "exclusiveGateway",
    "and": "parallelGateway",
    "or": "inclusiveGateway",
    "event": "eventBasedGateway",
    "complex": "complexGateway",
}
#: a boundary event that does not interrupt what it hangs on
ALONGSIDE = "alongside"
LEADS_TO, FACT = "→", "·"
DEFINITION = "EventDefinition"

_WORDS = {tag: word for word, tag in KINDS.items() if word != ALONGSIDE}
_STEP = "  "
#: said by the place of a line or by what stands in it
_TOLD = {"id", "name", "sourceRef", "targetRef", "attachedToRef", "cancelActivity"}
_TOLD_CHILDREN = {"incoming", "outgoing", "flowNodeRef", "laneSet", "sequenceFlow", "extensionElements", *_WORDS}


def outline(data: bytes) -> str:
    """Return a file as text; one that cannot be read as BPMN comes as it is, behind a line that says why."""
    try:
        root = read_xml(data).getroot()
    except XmlRefused as refused:
        return f"# {refused.message}\n{data.decode('utf-8', 'replace')}"
    return "\n".join([*_file(root), ""])


def flow_id(source: str, target: str) -> str:
    """Return how a flow is called when nobody says otherwise: Flow_register_complete."""
    return f"Flow_{source.partition('_')[2] or source}_{target.partition('_')[2] or target}"


def _file(root: etree._Element) -> Iterator[str]:
    for process in root.iterchildren(_bpmn("process")):
        yield f"process {_title(process)}"
        yield from _facts(process, _STEP)
        for pool in root.iter(_bpmn("participant")):
            if pool.get("processRef") == process.get("id"):
                yield f"pool {_title(pool)}"
        yield from _scope(process, "")
    for element in root.iterchildren(etree.Element):
        told = element.tag in (_bpmn("process"), _bpmn("collaboration"))
        if not told and etree.QName(element).localname != "BPMNDiagram":
            yield from _fact(element, "")


def _scope(scope: etree._Element, indent: str) -> Iterator[str]:
    nodes = [each for each in scope.iterchildren(f"{{{BPMN}}}*") if etree.QName(each).localname in _WORDS]
    told: set[str] = set()
    lanes = [lane for holder in scope.iterchildren(_bpmn("laneSet")) for lane in holder.iter(_bpmn("lane"))]
    for lane in lanes:
        inside = {(each.text or "").strip() for each in lane.iterchildren(_bpmn("flowNodeRef"))} - told
        told |= inside
        yield f"{indent}lane {_title(lane)}"
        yield from _nodes([node for node in nodes if node.get("id") in inside], indent + _STEP)
    rest = [node for node in nodes if node.get("id") not in told]
    if lanes and rest:
        yield f"{indent}lane"
    yield from _nodes(rest, indent + (_STEP if lanes else ""))


def _nodes(nodes: list[etree._Element], indent: str) -> Iterator[str]:
    for node in nodes:
        host = f" @{node.get('attachedToRef')}" if node.get("attachedToRef") else ""
        name = f" {name_of(node)}" if name_of(node) else ""
        yield f"{indent}{_kind(node)} {node.get('id', '?')}{host}{name}"
        for flow in node.getparent().iterchildren(_bpmn("sequenceFlow")):
            if node.get("id") and flow.get("sourceRef") == node.get("id"):
                yield from _flow(flow, indent + _STEP)
        yield from _facts(node, indent + _STEP)
        yield from _scope(node, indent + _STEP)


def _kind(node: etree._Element) -> str:
    word = _WORDS[etree.QName(node).localname]
    if node.get("cancelActivity") == "false":
        word = ALONGSIDE
    kinds = [etree.QName(each).localname.removesuffix(DEFINITION) for each in _definitions(node)]
    return ":".join([word, *kinds])


def _definitions(node: etree._Element) -> list[etree._Element]:
    return [each for each in node.iterchildren(f"{{{BPMN}}}*") if etree.QName(each).localname.endswith(DEFINITION)]


def _flow(flow: etree._Element, indent: str) -> Iterator[str]:
    source, target, id = flow.get("sourceRef", ""), flow.get("targetRef", "?"), flow.get("id", "")
    called = "" if id == flow_id(source, target) else f" ({id})"
    yield f"{indent}{LEADS_TO} {target}{called}" + (f": {name_of(flow)}" if name_of(flow) else "")
    yield from _facts(flow, indent + _STEP)


def _title(element: etree._Element) -> str:
    return f"{element.get('id', '?')} {name_of(element)}".strip()


# --- facts: whatever else a file says -------------------------------------------------------------------------------


def _facts(element: etree._Element, indent: str) -> Iterator[str]:
    for key, value in element.attrib.items():
        if key not in _TOLD:
            yield f"{indent}{FACT} {_prefixed(element, key)}={_line(value)}"
    for holder in (*element.iterchildren(_bpmn("extensionElements")), element):
        for child in holder.iterchildren(etree.Element):
            if etree.QName(child).namespace != BPMN or etree.QName(child).localname not in _TOLD_CHILDREN:
                yield from _fact(child, indent)


def _fact(element: etree._Element, indent: str) -> Iterator[str]:
    attributes = "".join(f" {_prefixed(element, key)}={_line(value)}" for key, value in element.attrib.items())
    lines = (element.text or "").strip().splitlines()
    first = f": {lines[0]}" if lines else ""
    yield f"{indent}{FACT} {_prefixed(element, element.tag)}{attributes}{first}"
    for line in lines[1:]:
        yield f"{indent}{FACT} {_STEP}{line}".rstrip()
    for child in element.iterchildren(etree.Element):
        yield from _fact(child, indent + _STEP)


def _prefixed(element: etree._Element, key: str) -> str:
    """Return a name as the file writes it; standard names without their prefix."""
    name = etree.QName(key)
    prefix = next((prefix for prefix, uri in element.nsmap.items() if uri == name.namespace), None)
    return f"{prefix}:{name.localname}" if prefix and name.namespace != BPMN else name.localname


def _line(value: str) -> str:
    return " ".join(value.split())


def _bpmn(tag: str) -> str:
    return f"{{{BPMN}}}{tag}"
