"""Read the diagrams of a package into SpiffWorkflow specs; what SpiffWorkflow would drop is lifted or refused."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lxml import etree
from SpiffWorkflow.bpmn.parser.ValidationException import ValidationException

from engine.bpmn.diagram_parser import DiagramParser
from engine.bpmn.document import BPMN, CAMUNDA, XmlRefused, read_xml
from engine.bpmn.expressions import Expression
from engine.bpmn.gateways import ProcessSpec
from engine.errors import EngineError

if TYPE_CHECKING:
    from engine.bpmn.package import Package

#: goes up whenever the same package would be read into other specs
DIALECT_VERSION = 1

_B = f"{{{BPMN}}}"
_C = f"{{{CAMUNDA}}}"
_SPIFF = "http://spiffworkflow.org/bpmn/schema/1.0/core"
_NAMED = ("message", "signal", "error", "escalation")
_REFERENCES = {"messageRef": "message", "signalRef": "signal", "errorRef": "error", "escalationRef": "escalation"}
_GATEWAYS = ("exclusiveGateway", "inclusiveGateway")
_NODES = {
    _B + tag
    for tag in (
        "startEvent endEvent intermediateCatchEvent intermediateThrowEvent boundaryEvent task userTask manualTask "
        "serviceTask sendTask receiveTask businessRuleTask callActivity subProcess transaction exclusiveGateway "
        "inclusiveGateway parallelGateway eventBasedGateway scriptTask adHocSubProcess complexGateway"
    ).split()
}
_DATA = tuple(_B + tag for tag in ("dataInputAssociation", "dataOutputAssociation", "dataObject", "dataStore"))
#: event definitions that SpiffWorkflow really carries out, by the element they stand in
_EVENTS = {
    "startEvent": {"message", "timer"},
    "endEvent": {"message", "error", "escalation", "terminate", "cancel"},
    "intermediateCatchEvent": {"message", "signal", "timer"},
    "intermediateThrowEvent": {"message", "signal", "escalation"},
    "boundaryEvent": {"message", "signal", "timer", "error", "escalation", "cancel"},
}
#: SpiffWorkflow keeps its own specs under these names: a task called ``End`` would silently finish the matter
RESERVED_IDS = {"Start", "End", "Root", "StartEventSplit", "StartEventJoin"}
RESERVED_ENDINGS = (".EndJoin", ".BoundaryEventSplit", ".BoundaryEventJoin", " [child]")


class DialectError(EngineError):
    """A diagram cannot be run as it is drawn."""

    def __init__(self, message: str, *, file: str = "", element: str = "", line: int = 0) -> None:
        super().__init__(f"{file}:{line} {element}: {message}")
        #: one Chinese sentence
        self.message = message
        self.file = file
        #: id of the element, "" when the file as a whole is meant
        self.element = element
        #: 1-based, 0 when unknown
        self.line = line


@dataclass(frozen=True)
class Specs:
    """What SpiffWorkflow needs to run a package."""

    main: ProcessSpec
    #: process id → spec of every called process and embedded sub-process
    called: Mapping[str, ProcessSpec]
    #: text → parsed expression
    expressions: Mapping[str, Expression]


def load_specs(package: Package, decisions: Collection[str] = ()) -> Specs:
    """Return the specs of the package's process in force; ``decisions`` are the ids of its decision tables.

    Raises DialectError, or XmlRefused for a file that is no proper XML.
    """
    parser = DiagramParser(set(decisions))
    trees = {name: _read(name, data) for name, data in package.files.items() if name.endswith(".bpmn")}
    try:
        for name, tree in trees.items():
            parser.add_bpmn_xml(translate(tree, name), filename=name)
        main = parser.get_spec(_main_process(package, trees[package.main]))
        called = parser.get_subprocess_specs(main.name)
    except ValidationException as error:
        if isinstance(error.__context__, RecursionError):
            # SpiffWorkflow parses node after node in one recursion.
            raise DialectError("一条路径上的步骤太多，请把一段画成子流程", file=error.file_name) from error
        raise DialectError(
            error.args[0], file=error.file_name, element=error.id, line=int(error.line_number or 0)
        ) from error
    specs = Specs(main, called, parser.expressions)
    _refuse_dropped_nodes(specs, trees)
    _refuse_unknown_times(specs, package.main)
    return specs


def translate(tree: etree._ElementTree, file: str = "") -> etree._ElementTree:
    """Lift, in place, what is legal BPMN but lost on SpiffWorkflow, and refuse the rest of what it would drop."""
    root = tree.getroot()
    _name_flows(root)
    for tag in _NAMED:
        for node in root.iter(_B + tag):
            if node.get("name") is None and node.get("id"):
                node.set("name", node.get("id"))
    # Data objects are drawn for people; SpiffWorkflow would write None into the data and take variables away.
    for node in [*root.iter(*_DATA)]:
        node.getparent().remove(node)
    for node in root.iter(_B + "multiInstanceLoopCharacteristics"):
        _lift_collection(node)
    for node in root.iter(etree.Element):
        for check in _CHECKS:
            message = check(node)
            if message:
                place = node if node.get("id") else node.getparent()
                raise DialectError(message, file=file, element=place.get("id") or "", line=node.sourceline)
    return tree


def _read(name: str, data: bytes) -> etree._ElementTree:
    try:
        return read_xml(data)
    except XmlRefused as error:
        raise DialectError(error.message, file=name, line=error.line) from error


def _main_process(package: Package, tree: etree._ElementTree) -> str:
    processes = [node for node in tree.iter(_B + "process") if node.get("isExecutable", "true") == "true"]
    if len(processes) != 1:
        raise DialectError("主流程文件里要有且只有一个可执行的流程", file=package.main)
    return processes[0].get("id")


def _name_flows(root: etree._Element) -> None:
    """Give an id to sequence flows without one: legal BPMN, but everything behind them would vanish."""
    taken = set(root.xpath("//@id"))
    for flow in root.iter(_B + "sequenceFlow"):
        if flow.get("id") is None:
            name = base = f"Flow_{flow.get('sourceRef')}_{flow.get('targetRef')}"
            count = 1
            while name in taken:
                count += 1
                name = f"{base}_{count}"
            taken.add(name)
            flow.set("id", name)


def _lift_collection(node: etree._Element) -> None:
    """Write ``camunda:collection`` and ``camunda:elementVariable`` the standard way."""
    collection, item = node.get(_C + "collection"), node.get(_C + "elementVariable")
    if item and node.find(_B + "inputDataItem") is None:
        node.insert(0, etree.Element(_B + "inputDataItem", id=item))
    if collection and node.find(_B + "loopDataInputRef") is None:
        reference = etree.Element(_B + "loopDataInputRef")
        reference.text = collection
        node.insert(0, reference)


def _check_reserved_id(node: etree._Element) -> str | None:
    id = node.get("id") or ""
    if node.tag in _NODES and (id in RESERVED_IDS or id.endswith(RESERVED_ENDINGS)):
        return f"“{id}”是引擎自己用的编号，请换一个"
    return None


def _check_script(node: etree._Element) -> str | None:
    if node.tag in (_B + "scriptTask", _C + "script") or etree.QName(node).namespace == _SPIFF:
        return "流程图里不允许有脚本"
    return None


def _check_kind(node: etree._Element) -> str | None:
    if node.tag in (_B + "adHocSubProcess", _B + "complexGateway", _B + "ioSpecification"):
        return f"不支持 {etree.QName(node).localname}"
    if node.tag == _B + "subProcess" and node.get("triggeredByEvent") == "true":
        return "不支持事件子流程：它会改动所有事项共用的流程定义"
    if node.get("isForCompensation") == "true":
        return "不支持补偿"
    if node.get("startQuantity", "1") != "1" or node.get("completionQuantity", "1") != "1":
        return "不支持 startQuantity 和 completionQuantity"
    if node.tag == _B + "multiInstanceLoopCharacteristics" and node.get("behavior", "All") != "All":
        return "多实例只支持 behavior=All"
    return None


def _check_event(node: etree._Element) -> str | None:
    if node.tag == _B + "eventDefinitionRef":
        return "事件定义要写在事件里面，不能引用"
    name = etree.QName(node).localname
    parent = node.getparent()
    if not name.endswith("EventDefinition") or parent is None or parent.tag not in _NODES:
        return None
    kind = name.removesuffix("EventDefinition")
    if kind not in _EVENTS.get(etree.QName(parent).localname, {"message"}):
        return f"这里不支持 {kind} 事件"
    return None


def _check_event_gateway(node: etree._Element) -> str | None:
    if node.tag == _B + "eventBasedGateway":
        targets = set(node.xpath("../*[local-name()='sequenceFlow'][@sourceRef=$id]/@targetRef", id=node.get("id")))
        timers = node.xpath("../*[*[local-name()='timerEventDefinition']]/@id")
        if len(targets.intersection(timers)) > 1:
            return "一个事件网关后面只能有一个定时事件"
    return None


def _check_reference(node: etree._Element) -> str | None:
    for attribute, tag in _REFERENCES.items():
        wanted = node.get(attribute)
        if wanted and not node.getroottree().xpath(f"//*[local-name()='{tag}'][@id=$id]", id=wanted):
            return f"{attribute} 指向的 {wanted} 不存在"
    return None


def _check_flow(node: etree._Element) -> str | None:
    if node.tag != _B + "sequenceFlow":
        return None
    ends = [node.xpath("../*[@id=$id]", id=node.get(end) or "") for end in ("sourceRef", "targetRef")]
    if not all(ends):
        return "这条流向有一头没有接在步骤上"
    source = ends[0][0]
    conditional = node.find(_B + "conditionExpression") is not None
    if conditional and etree.QName(source).localname not in _GATEWAYS:
        return "条件只能写在排他网关或包容网关的流向上，写在这里不起作用"
    return None


_CHECKS: tuple[Callable[[etree._Element], str | None], ...] = (
    _check_reserved_id,
    _check_script,
    _check_kind,
    _check_event,
    _check_event_gateway,
    _check_reference,
    _check_flow,
)


def _refuse_dropped_nodes(specs: Specs, trees: Mapping[str, etree._ElementTree]) -> None:
    """Refuse nodes that no flow leads to: SpiffWorkflow leaves them out without a word."""
    running = {specs.main.name: specs.main, **specs.called}
    for file, tree in trees.items():
        for node in tree.iter(*_NODES):
            spec = running.get(node.getparent().get("id"))
            if spec is not None and node.get("id") not in spec.task_specs:
                message = "没有流向通到这里，它永远不会执行"
                raise DialectError(message, file=file, element=node.get("id") or "", line=node.sourceline)


def _refuse_unknown_times(specs: Specs, file: str) -> None:
    known = {name for spec in (specs.main, *specs.called.values()) for name in spec.task_specs}
    for text, expression in specs.expressions.items():
        for element in expression.literals_of("times"):
            if element not in known:
                raise DialectError(f"表达式“{text}”里的 {element} 不是图中的步骤", file=file)
