"""Read what a diagram says about its item and its steps, in document terms."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from lxml import etree

from engine.bpmn.document import BPMN, CAMUNDA, POWER, read_xml
from engine.bpmn.normal_form import join_texts, spell_out
from engine.bpmn.package import Package
from engine.errors import EngineError
from engine.model import Activity, Flow, LegalBasis, Material, ProcessFacts, RiskPoint, TimeLimit

_EVENTS = ("startEvent", "intermediateCatchEvent", "intermediateThrowEvent", "boundaryEvent", "endEvent")
_TASKS = "task userTask manualTask serviceTask sendTask receiveTask businessRuleTask scriptTask callActivity".split()
_GATEWAYS = ("exclusiveGateway", "parallelGateway", "inclusiveGateway", "eventBasedGateway", "complexGateway")
_SUB_PROCESSES = ("subProcess", "transaction", "adHocSubProcess")
#: local names of everything a sequence flow may join
FLOW_NODES = frozenset((*_EVENTS, *_TASKS, *_GATEWAYS, *_SUB_PROCESSES))

_PROMISE = re.compile(r"([0-9]{1,3}) ?(wd|d)")


class FactsError(EngineError):
    """The facts cannot be read; ``message`` is a Chinese sentence, ``element`` an id or ""."""

    def __init__(self, message: str, line: int, element: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.element = element


def read_all_facts(package: Package) -> ProcessFacts:
    """Return the facts of the package's main diagram with those of every called one; raises as read_facts does."""
    roots = {name: _read(data) for name, data in package.files.items() if name.endswith(".bpmn")}
    main = facts_in(roots[package.main], package)
    called = tuple(facts_in(root, package, name) for name, root in roots.items() if name != package.main)
    apart = _hands_of_callers(roots.values())
    return replace(_kept_apart(main, apart), called=tuple(_kept_apart(each, apart) for each in called))


def _hands_of_callers(roots: Iterable[etree._Element]) -> Mapping[str, tuple[str, ...]]:
    """Return step → steps whose hands a caller keeps out of it: only the caller knows what was decided before."""
    apart: dict[str, tuple[str, ...]] = {}
    for root in roots:
        for fact in root.iter(f"{{{POWER}}}separate"):
            for step in _words(fact.get("of", "")):
                apart[step] = tuple(dict.fromkeys((*apart.get(step, ()), *_words(fact.get("from", "")))))
    return apart


def _kept_apart(process: ProcessFacts, apart: Mapping[str, tuple[str, ...]]) -> ProcessFacts:
    if not any(activity.id in apart for activity in process.activities):
        return process
    activities = (
        replace(each, separate=tuple(dict.fromkeys((*each.separate, *apart.get(each.id, ())))))
        for each in process.activities
    )
    return replace(process, activities=tuple(activities))


def read_facts(package: Package, file: str | None = None) -> ProcessFacts:
    """Return the facts of the package's main diagram, or of the called one in ``file``.

    What a fact should say but does not is lint's affair and comes back empty.

    :raises FactsError: there is no process, or a limit is not written like one.
    :raises XmlRefused: the file is no XML.
    """
    return facts_in(_read(package.files[file or package.main]), package, file)


def _read(data: bytes) -> etree._Element:
    root = read_xml(data).getroot()
    join_texts(root)
    spell_out(root)
    return root


def facts_in(root: etree._Element, package: Package, file: str | None = None) -> ProcessFacts:
    """Return the facts of a diagram that is read already; otherwise as ``read_facts``."""
    process = _main_process(root, PurePosixPath(file).parent.name if file else package.id)
    folder = PurePosixPath(file).parent.as_posix() if file else ""
    diagram = _Diagram(root, process, folder)
    item = next(_power(process, "item"), None)
    said: Mapping[str, str] = {} if item is None else item.attrib
    start = next((node for node in process.iterchildren(_bpmn("startEvent"))), None)
    return ProcessFacts(
        id=process.get("id", ""),
        name=process.get("name", ""),
        documentation=_documentation(process),
        code=said.get("code", "" if file else package.code),
        category=said.get("category", ""),
        scope=said.get("scope", ""),
        excludes=said.get("excludes", ""),
        publish=said.get("publish", ""),
        promise=_promise(said.get("promise", ""), process if item is None else item, process),
        applicant=said.get("applicant", ""),
        relatives=said.get("relatives", ""),
        applicant_name=said.get("applicantName", ""),
        subject=said.get("subject", ""),
        public_start=said.get("publicStart") == "true",
        level=said.get("level", "village"),
        lanes=tuple(dict.fromkeys(lane.get("name", "") for lane in process.iter(_bpmn("lane")))),
        activities=diagram.activities(),
        flows=tuple(diagram.flows),
        legal_basis=_legal_basis(process),
        start_form="" if start is None else _form(start, folder),
        disclose=_disclose(process),
    )


@dataclass
class _Diagram:
    """The flow nodes of one process, sub-processes included, and what stands between them."""

    root: etree._Element
    process: etree._Element
    #: inside the package
    folder: str

    def __post_init__(self) -> None:
        self.nodes = {
            node.get("id", ""): node
            for node in self.process.iterdescendants(*(_bpmn(kind) for kind in sorted(FLOW_NODES)))
        }
        self.flows = [_flow(flow) for flow in self.process.iter(_bpmn("sequenceFlow"))]
        declared = [
            element for element in self.root.iterchildren(*map(_bpmn, ("message", "error"))) if element.get("id")
        ]
        self.declared = {(_kind(element), element.get("id")): element for element in reversed(declared)}
        self.lanes = {
            (reference.text or "").strip(): lane.get("name", "")
            for lane in self.process.iter(_bpmn("lane"))
            for reference in lane.iterchildren(_bpmn("flowNodeRef"))
        }

    def activities(self) -> tuple[Activity, ...]:
        return tuple(self._activity(id, position) for position, id in enumerate(self._order()))

    def _order(self) -> list[str]:
        """Depth first along the flows, as a person would tell it; what no flow reaches comes last."""
        order: dict[str, None] = {}
        boundaries, targets = self._boundaries(), self._targets()
        starts = [id for id, node in self.nodes.items() if _kind(node) == "startEvent" and self._is_top(node)]
        for root in (*starts, *self.nodes):
            stack = [root]
            while stack:
                id = stack.pop()
                if id in order or id not in self.nodes:
                    continue
                events = boundaries.get(id, [])
                order.update(dict.fromkeys((id, *events)))
                inner = [node.get("id", "") for node in self.nodes[id].iterchildren(_bpmn("startEvent"))]
                following = [target for source in (id, *events) for target in targets.get(source, ())]
                stack.extend(reversed(inner + following))
        return list(order)

    def _is_top(self, node: etree._Element) -> bool:
        return node.getparent() is self.process

    def _boundaries(self) -> dict[str, list[str]]:
        attached: dict[str, list[str]] = {}
        for id, node in self.nodes.items():
            if _kind(node) == "boundaryEvent":
                attached.setdefault(node.get("attachedToRef", ""), []).append(id)
        return attached

    def _targets(self) -> dict[str, list[str]]:
        targets: dict[str, list[str]] = {}
        for flow in self.flows:
            targets.setdefault(flow.source, []).append(flow.target)
        return targets

    def _activity(self, id: str, position: int) -> Activity:
        node = self.nodes[id]
        hold = next(_power(node, "hold"), None)
        return Activity(
            id=id,
            kind=_kind(node),
            name=node.get("name", ""),
            lane=self._lane(node),
            position=position,
            line=node.sourceline or 1,
            documentation=_documentation(node),
            form=_form(node, self.folder),
            decision=node.get(_camunda("decisionRef"), ""),
            topic=node.get(_camunda("topic"), ""),
            result=_result(node),
            called=node.get("calledElement", ""),
            message=self._message(node),
            timer=_timer(node),
            attached_to=node.get("attachedToRef", ""),
            error_code=self._error_code(node),
            hold="" if hold is None else hold.get("reason", ""),
            legal_basis=_legal_basis(node),
            materials=tuple(_material(fact) for fact in _power(node, "material")),
            time_limit=next((_time_limit(fact, node) for fact in _power(node, "timeLimit")), None),
            risk_points=tuple(_risk_point(fact) for fact in _power(node, "riskPoint")),
            separate=_separate(node),
            disclose=_disclose(node),
            folder=self.folder,
        )

    def _lane(self, node: etree._Element) -> str:
        """Return the name of the node's lane, else of the sub-process around it."""
        while node is not self.process:
            if node.get("id", "") in self.lanes:
                return self.lanes[node.get("id", "")]
            node = node.getparent()
        return ""

    def _message(self, node: etree._Element) -> str:
        definition = node.find(_bpmn("messageEventDefinition"))
        message = self._declared("message", (node if definition is None else definition).get("messageRef", ""))
        return "" if message is None else message.get("name", "")

    def _error_code(self, node: etree._Element) -> str:
        definition = node.find(_bpmn("errorEventDefinition"))
        if definition is None or _kind(node) != "endEvent":
            return ""
        error = self._declared("error", definition.get("errorRef", ""))
        return "" if error is None else error.get("errorCode", "")

    def _declared(self, kind: str, reference: str) -> etree._Element | None:
        """Return the message or error a reference names; it may carry a prefix."""
        return self.declared.get((kind, reference.rpartition(":")[2]))


# Elements.


def _main_process(root: etree._Element, id: str) -> etree._Element:
    processes = list(root.iterchildren(_bpmn("process")))
    if not processes:
        raise FactsError("文件里没有流程。", root.sourceline or 1)
    executable = [process for process in processes if process.get("isExecutable", "").strip() in ("true", "1")]
    named = [process for process in processes if process.get("id") == id]
    return (*named, *executable, *processes)[0]


def _flow(element: etree._Element) -> Flow:
    condition = element.find(_bpmn("conditionExpression"))
    return Flow(
        id=element.get("id", ""),
        source=element.get("sourceRef", ""),
        target=element.get("targetRef", ""),
        name=element.get("name", ""),
        condition="" if condition is None else (condition.text or "").strip(),
        line=element.sourceline or 1,
        legal_basis=_legal_basis(element),
    )


def _kind(node: etree._Element) -> str:
    return node.tag.rpartition("}")[2]


def _form(node: etree._Element, folder: str) -> str:
    name = node.get(_camunda("formKey"), node.get(_camunda("formRef"), ""))
    return (PurePosixPath(folder) / name).as_posix() if name and folder else name


def _result(node: etree._Element) -> str:
    """Return the variable that takes the answer: a decision names it itself, a connector by its output parameter."""
    if _kind(node) == "businessRuleTask":
        return node.get(_camunda("resultVariable"), "")
    if _kind(node) == "callActivity":
        handed = node.iterfind(f"{_bpmn('extensionElements')}/{_camunda('out')}")
        return " ".join(filter(None, (each.get("target", "") for each in handed)))
    if _kind(node) != "serviceTask":
        return ""
    path = (_bpmn("extensionElements"), _camunda("inputOutput"), _camunda("outputParameter"))
    output = node.find("/".join(path))
    return "" if output is None else output.get("name", "")


def _timer(node: etree._Element) -> str:
    definition = node.find(_bpmn("timerEventDefinition"))
    texts = () if definition is None else ((child.text or "").strip() for child in definition.iterchildren(_bpmn("*")))
    return next((text for text in texts if text), "")


def _documentation(node: etree._Element) -> str:
    texts = ("".join(found.itertext()).strip() for found in node.iterchildren(_bpmn("documentation")))
    return "\n\n".join(text for text in texts if text)


def _power(node: etree._Element, name: str) -> Iterator[etree._Element]:
    for extensions in node.iterchildren(_bpmn("extensionElements")):
        yield from extensions.iterchildren(f"{{{POWER}}}{name}")


def _bpmn(name: str) -> str:
    return f"{{{BPMN}}}{name}"


def _camunda(name: str) -> str:
    return f"{{{CAMUNDA}}}{name}"


# Facts: empty elements with attributes.


def _legal_basis(node: etree._Element) -> tuple[LegalBasis, ...]:
    return tuple(
        LegalBasis(
            law=fact.get("law", ""),
            version=fact.get("version", ""),
            article=fact.get("article", ""),
            url=fact.get("url", ""),
            confirm=fact.get("confirm") == "true",
        )
        for fact in _power(node, "legalBasis")
    )


def _material(fact: etree._Element) -> Material:
    return Material(
        name=fact.get("name", ""),
        required=fact.get("required") == "true",
        keep=fact.get("keep", "copy"),
        kind=fact.get("kind", ""),
    )


def _risk_point(fact: etree._Element) -> RiskPoint:
    return RiskPoint(grade=fact.get("grade", ""), text=fact.get("text", ""), controls=_words(fact.get("control", "")))


def _disclose(node: etree._Element) -> tuple[str, ...]:
    return tuple(field for fact in _power(node, "disclose") for field in _words(fact.get("fields", "")))


def _separate(node: etree._Element) -> tuple[str, ...]:
    """Return the steps this one is kept apart from; with ``of`` a call speaks of the steps it leads to."""
    own = (fact for fact in _power(node, "separate") if "of" not in fact.attrib)
    return tuple(id for fact in own for id in _words(fact.get("from", "")))


def _time_limit(fact: etree._Element, node: etree._Element) -> TimeLimit:
    value, unit, param = fact.get("value", ""), fact.get("unit", "wd"), fact.get("param", "")
    if (value or not param) and not re.fullmatch("[0-9]{1,3}", value) or unit not in ("wd", "d"):
        message = f"期限“{value} {unit}”看不懂，要写成整数的工作日（wd）或者自然日（d），或者写参数名。"
        raise FactsError(message, fact.sourceline or 1, node.get("id", ""))
    return TimeLimit(int(value) if value else None, unit, param)


def _promise(text: str, fact: etree._Element, process: etree._Element) -> TimeLimit | None:
    if not text:
        return None
    match = _PROMISE.fullmatch(text.strip())
    if match is None:
        message = f"承诺时限“{text}”看不懂，要写成 5wd（5 个工作日）或者 5d（5 天）。"
        raise FactsError(message, fact.sourceline or 1, process.get("id", ""))
    return TimeLimit(int(match[1]), match[2])


def _words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[^\s,，、;；]+", text))
