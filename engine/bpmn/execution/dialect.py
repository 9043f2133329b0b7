"""Read the diagrams of a package into SpiffWorkflow specs; what SpiffWorkflow would drop is lifted or refused."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lxml import etree
from SpiffWorkflow.bpmn.parser.ValidationException import ValidationException

from engine.bpmn.document import BPMN, XmlRefused, read_xml
from engine.bpmn.execution.diagram_parser import DiagramParser
from engine.bpmn.execution.gateways import ProcessSpec
from engine.bpmn.expressions import Expression
from engine.bpmn.lifting import DRAWN_ID, NODES, lift
from engine.bpmn.normal_form import REFERENCES, normalise, referring
from engine.bpmn.refusals import refusals
from engine.errors import EngineError

if TYPE_CHECKING:
    from engine.bpmn.package import Package

#: goes up whenever the same package would be read into other specs
DIALECT_VERSION = 2

_B = f"{{{BPMN}}}"


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


def load_specs(
    package: Package, decisions: Collection[str] = (), accepted: Mapping[str, etree._ElementTree] | None = None
) -> Specs:
    """Return the specs of the package's process in force; ``decisions`` are the ids of its decision tables.

    ``accepted`` are its diagrams by file where the caller has normalised them and nothing in them is refused; they are
    changed. Raises DialectError, or XmlRefused for a file that is no proper XML.
    """
    parser = DiagramParser(set(decisions))
    trees = accepted
    if trees is None:
        trees = {name: _accepted(name, data) for name, data in package.files.items() if name.endswith(".bpmn")}
    for name, tree in trees.items():
        _keep_apart(tree.getroot(), name)
        lift(tree.getroot())
    _refuse_missing_calls(trees)
    try:
        for name, tree in trees.items():
            parser.add_bpmn_xml(tree, filename=name)
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


def _accepted(file: str, data: bytes) -> etree._ElementTree:
    """Read a diagram and refuse what SpiffWorkflow would drop."""
    tree = _read(file, data)
    root = tree.getroot()
    normalise(root)
    for node, message in refusals(root):
        place = node if node.get("id") else node.getparent()
        place = node if place is None else place
        raise DialectError(message, file=file, element=place.get("id") or "", line=node.sourceline or 0)
    return tree


def _keep_apart(root: etree._Element, file: str) -> None:
    """Let each file declare messages and errors of its own: SpiffWorkflow has one list for all, the last one wins."""
    for tag in REFERENCES.values():
        for declared in root.iterchildren(_B + tag):
            declared.set("id", f"{file} {declared.get('id')}")
    for node in referring(root):
        for attribute in REFERENCES:
            if node.get(attribute) is not None:
                node.set(attribute, f"{file} {node.get(attribute)}" if node.get(attribute) else "")


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


def _refuse_missing_calls(trees: Mapping[str, etree._ElementTree]) -> None:
    known = {process.get("id") for tree in trees.values() for process in tree.iter(_B + "process")}
    for file, tree in trees.items():
        for call in tree.iter(_B + "callActivity"):
            called = call.get("calledElement", "")
            if called not in known:
                message = f"要调用的流程 {called} 没有" if called else "没有写调用哪个流程"
                id = call.get(DRAWN_ID) or call.get("id") or ""
                raise DialectError(message, file=file, element=id, line=call.sourceline)


def _refuse_dropped_nodes(specs: Specs, trees: Mapping[str, etree._ElementTree]) -> None:
    """Refuse nodes that no flow leads to: SpiffWorkflow leaves them out without a word."""
    running = {specs.main.name: specs.main, **specs.called}
    for file, tree in trees.items():
        for node in tree.iter(*NODES):
            spec = running.get(node.getparent().get("id"))
            if spec is not None and node.get("id") not in spec.task_specs:
                message = "没有箭头通到这里，它永远不会执行"
                id = node.get(DRAWN_ID) or node.get("id") or ""
                raise DialectError(message, file=file, element=id, line=node.sourceline)


def _refuse_unknown_times(specs: Specs, file: str) -> None:
    everything = (specs.main, *specs.called.values())
    known = {each.bpmn_id or name for spec in everything for name, each in spec.task_specs.items()}
    for text, expression in specs.expressions.items():
        for element in expression.literals_of("times"):
            if element not in known:
                raise DialectError(f"表达式“{text}”里的 {element} 不是图中的步骤", file=file)
