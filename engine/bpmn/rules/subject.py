"""A package as the lint rules see it: every file read once, every element with its name and line."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import PurePosixPath

from lxml import etree

from engine.bpmn.content_model import EXPRESSIONS
from engine.bpmn.decisions import DecisionError, DecisionTable, read_decisions
from engine.bpmn.document import BPMN, CAMUNDA, POWER, XmlRefused, read_xml
from engine.bpmn.facts import FLOW_NODES, FactsError, facts_in
from engine.bpmn.forms.form import Form, FormError
from engine.bpmn.layout.picture import Picture
from engine.bpmn.layout.quality import Quality
from engine.bpmn.layout.scene import Scene, rate_all, read_scenes
from engine.bpmn.lifting import links_of
from engine.bpmn.normal_form import join_texts, normalise, spell_out
from engine.bpmn.package import Package
from engine.bpmn.proof.feasibility import Sources
from engine.bpmn.proof.soundness import Flaw, Prover
from engine.bpmn.proof.unfolding import Unfolding
from engine.bpmn.refusals import Refusal, refusals
from engine.bpmn.rules import World
from engine.model import Activity, ProcessFacts

#: nodes and flows of one diagram
MAX_NODES, MAX_FLOWS = 2_000, 3_000
#: nodes of one id: each is asked about all the flows of the others
MAX_SAME_ID = 100
#: steps that are refused as such: a flow may lead to them all the same
OTHER_STEPS = ("implicitThrowEvent", "event", "choreographyTask", "subChoreography", "callChoreography")
SCOPES = ("process", "subProcess", "transaction", "adHocSubProcess")

_KINDS = {
    "startEvent": "开始事件",
    "endEvent": "结束事件",
    "intermediateCatchEvent": "中间事件",
    "intermediateThrowEvent": "中间事件",
    "boundaryEvent": "边界事件",
    "task": "任务",
    "userTask": "用户任务",
    "manualTask": "手工任务",
    "serviceTask": "服务任务",
    "scriptTask": "脚本任务",
    "sendTask": "发送任务",
    "receiveTask": "接收任务",
    "businessRuleTask": "规则任务",
    "callActivity": "调用活动",
    "subProcess": "子流程",
    "exclusiveGateway": "排他网关",
    "parallelGateway": "并行网关",
    "inclusiveGateway": "包容网关",
    "eventBasedGateway": "事件网关",
    "sequenceFlow": "箭头",
    "process": "流程",
    "lane": "泳道",
    "participant": "泳池",
    "message": "消息",
    "error": "错误",
    "transaction": "事务子流程",
    "adHocSubProcess": "特设子流程",
    "complexGateway": "复杂网关",
    "multiInstanceLoopCharacteristics": "多实例",
    "standardLoopCharacteristics": "循环",
    "ioSpecification": "输入输出定义",
    "potentialOwner": "指定的办理人",
    "humanPerformer": "指定的办理人",
    "performer": "指定的办理人",
    "dataStore": "数据存储",
    "dataStoreReference": "数据存储",
    "signal": "信号",
    "escalation": "升级",
    "messageFlow": "消息流",
    "group": "分组",
    "textAnnotation": "文字注释",
    "association": "关联线",
    "dataObjectReference": "数据对象",
    "dataObject": "数据对象",
    "childLaneSet": "第二层泳道",
    "collaboration": "协作图",
    "definitions": "流程图",
    "extensionElements": "扩展内容",
    "assignment": "数据赋值",
    "operationRef": "服务接口",
    "correlationKey": "消息对号的依据",
    "correlationProperty": "消息对号的依据",
    "correlationSubscription": "消息对号的依据",
    "complexBehaviorDefinition": "复杂的完成条件",
    "choreography": "编排图",
    "globalChoreographyTask": "编排任务",
    "choreographyTask": "编排任务",
    "subChoreography": "子编排",
    "callChoreography": "调用编排",
    "choreographyRef": "引用的编排图",
    "conversation": "会话",
    "globalConversation": "会话",
    "subConversation": "子会话",
    "callConversation": "调用会话",
    "conversationLink": "会话连线",
    "conversationAssociation": "会话的对应",
    "participantAssociation": "泳池的对应",
    "messageFlowAssociation": "消息流的对应",
    "participantMultiplicity": "泳池的份数",
    "globalTask": "全局任务",
    "globalUserTask": "全局用户任务",
    "globalManualTask": "全局手工任务",
    "globalBusinessRuleTask": "全局规则任务",
    "globalScriptTask": "全局脚本任务",
    "implicitThrowEvent": "隐含的抛出事件",
    "resourceRole": "指定的办理人",
    "rendering": "界面设置",
    "auditing": "审计设置",
    "monitoring": "监控设置",
    "dataInput": "输入数据",
    "dataOutput": "输出数据",
    "inputSet": "输入数据的分组",
    "outputSet": "输出数据的分组",
    "transformation": "数据换算",
    "dataInputAssociation": "数据连线",
    "dataOutputAssociation": "数据连线",
    "ioBinding": "输入输出的对应",
    "partitionElement": "泳道的划分依据",
    "supports": "支持的流程",
    "condition": "条件",
    "conditionExpression": "条件",
    "categoryValue": "分组的名称",
    "resource": "岗位",
    "interface": "服务接口",
    "operation": "服务操作",
    "itemDefinition": "数据类型",
    "partnerEntity": "合作方",
    "partnerRole": "合作方的角色",
    "endPoint": "服务地址",
    "laneSet": "泳道组",
    "property": "属性",
    "import": "引用",
    "category": "分组的类别",
    "extension": "扩展声明",
    "event": "没有类型的事件",
}


EVENT_NAMES = {
    "": "空白",
    "message": "消息",
    "timer": "定时",
    "error": "错误",
    "terminate": "终止",
    "signal": "信号",
    "escalation": "升级",
    "compensate": "补偿",
    "cancel": "取消",
    "conditional": "条件",
    "link": "链接",
}


@dataclass(frozen=True)
class Place:
    """What a rule says about one place."""

    file: str
    line: int
    #: id and name of the element, "" when the file as a whole is meant
    element: str
    name: str
    message: str
    hint: str
    #: ids of the nodes and flows that lead there
    path: tuple[str, ...] = ()
    #: tag of what is meant, which may be a part of the element
    part: str = ""


_B = f"{{{BPMN}}}"
#: what stands in these is no part of a process; that a choreography is not run is said of it as a whole
_HIDDEN = (_B + "extensionElements", _B + "choreography", _B + "globalChoreographyTask")


def bpmn(name: str) -> str:
    return f"{{{BPMN}}}{name}"


def camunda(name: str) -> str:
    return f"{{{CAMUNDA}}}{name}"


def kind(element: etree._Element) -> str:
    """Return the local tag, "" of a comment."""
    return _local(element.tag)


@lru_cache(maxsize=1024)
def _local(tag: object) -> str:
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def extensions(element: etree._Element, namespace: str, name: str = "*") -> Iterator[etree._Element]:
    """Return the elements of a namespace directly inside ``extensionElements``."""
    for holder in element.iterchildren(bpmn("extensionElements")):
        yield from holder.iterchildren(f"{{{namespace}}}{name}")


def facts_of(element: etree._Element, name: str) -> list[etree._Element]:
    return list(extensions(element, POWER, name))


def kind_name(element: etree._Element) -> str:
    """Return the kind of an element in Chinese, its tag where there is no word."""
    name = kind(element)
    if name in SCOPES and is_true(element, "triggeredByEvent"):
        return "事件子流程"
    if name.endswith("EventDefinition"):
        return f"{EVENT_NAMES.get(name.removesuffix('EventDefinition'), '')}事件的内容"
    return _KINDS.get(name, name)


def title(element: etree._Element | None) -> str:
    """Return how people call an element: its name in brackets, else its kind and id; None is what has no place."""
    if element is None:
        return "放错地方的内容"
    if name := " ".join(element.get("name", "").split()):
        return f"〈{name}〉"
    called = kind_name(element)
    if element.get("id"):
        return f"{called} {element.get('id')}"
    # A part is known by what it is part of, and needs no id.
    return f"一个{called}" if is_part(element) else f"一个没有编号的{called}"


def definitions(event: etree._Element) -> list[etree._Element]:
    """Return what an event waits for or sends."""
    return [child for child in event.iterchildren(bpmn("*")) if kind(child).endswith("EventDefinition")]


def definition_type(event: etree._Element) -> str:
    """Return message, timer, error …, "" for a blank event; of several the first."""
    found = definitions(event)
    return kind(found[0]).removesuffix("EventDefinition") if found else ""


def condition(flow: etree._Element) -> str:
    """Return the condition written on a flow, "" when there is none or it is empty."""
    return "".join((each.text or "").strip() for each in flow.iterchildren(bpmn("conditionExpression")))


def has_condition(flow: etree._Element) -> bool:
    """Tell whether a flow carries a condition, be it an empty one."""
    return next(flow.iterchildren(bpmn("conditionExpression")), None) is not None


def is_true(element: etree._Element, attribute: str) -> bool:
    return element.get(attribute, "").strip() in ("true", "1")


def full_title(element: etree._Element) -> str:
    """Return kind and name: 排他网关〈同意用印？〉."""
    called = title(element)
    return f"{kind_name(element)}{called}" if called.startswith("〈") else called


def is_part(element: etree._Element) -> bool:
    """Tell whether an element says something about the one around it and has no shape of its own."""
    inside = kind(element).endswith(("EventDefinition", "LoopCharacteristics")) or kind(element) in EXPRESSIONS
    return inside and element.getparent() is not None and kind(element.getparent()) != "definitions"


@dataclass
class Diagram:
    """One BPMN file."""

    file: str
    root: etree._Element
    subject: Subject = field(repr=False)
    #: the paper its picture must be legible on
    sheet: str = "A3"

    def at(self, element: etree._Element, message: str, hint: str) -> Place:
        """Say something about an element; what is not drawn, or has no id, is shown at the element around it."""
        owner = element
        while owner is not None and not (owner.get("id") and owner.tag.startswith(_B) and not is_part(owner)):
            owner = owner.getparent()
        id, name = ("", "") if owner is None else (owner.get("id", ""), owner.get("name", ""))
        return Place(self.file, element.sourceline or 1, id, name, message, hint, part=kind(element))

    @property
    def is_main(self) -> bool:
        return self.file == self.subject.main

    @cached_property
    def elements(self) -> list[etree._Element]:
        """All elements of the standard, without the picture, the extensions and what stands in a choreography."""
        return [
            element for element in self.root.iter(f"{{{BPMN}}}*") if next(element.iterancestors(*_HIDDEN), None) is None
        ]

    def drawn(self, kind: str) -> list[etree._Element]:
        """Return the elements of one kind, whatever they are, in the order of the file."""
        return self._elements_by_kind.get(kind, [])

    @cached_property
    def _elements_by_kind(self) -> Mapping[str, list[etree._Element]]:
        return _by_kind(self.elements)

    @cached_property
    def processes(self) -> list[etree._Element]:
        return list(self.root.iterchildren(bpmn("process")))

    @cached_property
    def scopes(self) -> list[etree._Element]:
        """Every process and embedded sub-process."""
        return [element for element in self.elements if kind(element) in SCOPES]

    @cached_property
    def nodes(self) -> list[etree._Element]:
        return [element for element in self.elements if kind(element) in FLOW_NODES]

    @cached_property
    def flows(self) -> list[etree._Element]:
        return self.drawn("sequenceFlow")

    @cached_property
    def by_id(self) -> Mapping[str, etree._Element]:
        return {element.get("id"): element for element in reversed(self.elements) if element.get("id")}

    @cached_property
    def twice(self) -> frozenset[str]:
        """The ids that several elements have."""
        counts = Counter(element.get("id") for element in self.elements if element.get("id"))
        return frozenset(id for id, count in counts.items() if count > 1)

    @cached_property
    def outgoing(self) -> Mapping[str, list[etree._Element]]:
        """Node id → the flows that leave it."""
        return self._grouped("sourceRef")

    @cached_property
    def incoming(self) -> Mapping[str, list[etree._Element]]:
        """Node id → the flows that enter it."""
        return self._grouped("targetRef")

    @cached_property
    def lanes(self) -> Mapping[str, str]:
        """Node id → name of its lane."""
        references = self.root.iter(bpmn("flowNodeRef"))
        return {(each.text or "").strip(): each.getparent().get("name", "") for each in references}

    @cached_property
    def flaws(self) -> list[Flaw]:
        """What the proof of each process in the diagram has found."""
        return [flaw for process in self.processes for flaw in self.subject.prover.prove(process).flaws]

    def _grouped(self, end: str) -> dict[str, list[etree._Element]]:
        flows: dict[str, list[etree._Element]] = {}
        for flow in self.flows:
            flows.setdefault(flow.get(end, ""), []).append(flow)
        return flows

    def of_kind(self, *kinds: str) -> list[etree._Element]:
        if len(kinds) == 1:
            return self._nodes_by_kind.get(kinds[0], [])
        return [node for node in self.nodes if kind(node) in kinds]

    @cached_property
    def _nodes_by_kind(self) -> Mapping[str, list[etree._Element]]:
        return _by_kind(self.nodes)

    def entering(self, node: etree._Element) -> list[etree._Element]:
        """Return the flows that lead to a node."""
        return self.incoming.get(node.get("id", ""), []) if node.get("id") else []

    def leaving(self, node: etree._Element) -> list[etree._Element]:
        """Return the flows that leave a node."""
        return self.outgoing.get(node.get("id", ""), []) if node.get("id") else []

    def children(self, scope: etree._Element) -> list[etree._Element]:
        """Return the nodes directly in a process or sub-process."""
        return self._by_scope.get(scope, [])

    @cached_property
    def _by_scope(self) -> Mapping[etree._Element, list[etree._Element]]:
        nodes: dict[etree._Element, list[etree._Element]] = {}
        for node in self.nodes:
            nodes.setdefault(node.getparent(), []).append(node)
        return nodes

    @cached_property
    def hanging(self) -> Mapping[str, list[etree._Element]]:
        """Node id → the boundary events on its edge."""
        events: dict[str, list[etree._Element]] = {}
        for event in self.of_kind("boundaryEvent"):
            events.setdefault(event.get("attachedToRef", ""), []).append(event)
        return events

    def successors(self, scope: etree._Element) -> dict[str, list[str]]:
        """Return node id → ids of the nodes that may come next; a boundary event comes after what it hangs on.

        A link leads to the link of its name.
        """
        inside = [node.get("id") for node in self.children(scope) if node.get("id")]
        after = {
            id: [flow.get("targetRef", "") for flow in self.outgoing.get(id, ()) if flow.getparent() is scope]
            for id in inside
        }
        for node in self.children(scope):
            if kind(node) == "boundaryEvent" and node.get("attachedToRef", "") in after:
                after[node.get("attachedToRef")].append(node.get("id", ""))  # only ids of this scope are kept below
        links = [(name, node) for name, node in links_of(scope) if node.get("id")]
        for name, node in links:
            if kind(node) == "intermediateThrowEvent":
                caught = [other.get("id") for same, other in links if same == name and other.tag != node.tag]
                after[node.get("id")] += caught
        return {id: [target for target in targets if target in after] for id, targets in after.items()}

    def declared(self, tag: str, reference: str) -> etree._Element | None:
        """Return the message or error a reference names; it may carry a prefix."""
        return self._declared.get((tag, reference.rpartition(":")[2]))

    @cached_property
    def _declared(self) -> Mapping[tuple[str, str], etree._Element]:
        known: dict[tuple[str, str], etree._Element] = {}
        for each in self.root.iterchildren(etree.Element):
            if each.get("id") and each.tag == bpmn(kind(each)):
                known.setdefault((kind(each), each.get("id")), each)
        return known

    def sibling(self, name: str) -> str:
        """Return the name inside the package of a file that the diagram names."""
        return _beside(self.file, name)

    @cached_property
    def normalised(self) -> etree._ElementTree:
        """The diagram as the engine reads it: a copy, which it may change."""
        root = copy.deepcopy(self.root)
        normalise(root)
        return root.getroottree()

    @cached_property
    def refusals(self) -> list[Refusal]:
        """What the engine does not carry out as drawn, in the normalised diagram."""
        return list(refusals(self.normalised.getroot()))

    @cached_property
    def scenes(self) -> list[Scene]:
        """Every picture of the file with what it shows."""
        return read_scenes(self.root)

    @cached_property
    def pictures(self) -> list[tuple[Picture, Quality]]:
        """Every picture that is drawn, with what it is worth."""
        return rate_all(self.scenes, self.sheet)

    @cached_property
    def facts(self) -> ProcessFacts | FactsError | None:
        """What the diagram says, or why it cannot be read; None without a process."""
        if not self.processes:
            return None
        try:
            return facts_in(self.root, self.subject.package, None if self.is_main else self.file)
        except FactsError as error:
            return error

    @cached_property
    def activities(self) -> Mapping[etree._Element, Activity]:
        """Node → what the facts say of it; nothing when they cannot be read."""
        said = self.facts.activities if isinstance(self.facts, ProcessFacts) else ()
        return {self.by_id[activity.id]: activity for activity in said if activity.id in self.by_id}


@dataclass
class Subject:
    """A package with everything in it that can be read."""

    package: Package
    world: World
    diagrams: list[Diagram] = field(default_factory=list)
    refused: list[tuple[str, XmlRefused]] = field(default_factory=list)
    tables: dict[str, DecisionTable] = field(default_factory=dict)
    #: decision id → name of its file
    table_files: dict[str, str] = field(default_factory=dict)
    #: ids of decisions that stand in a second file: (id, file, line)
    tables_twice: list[tuple[str, str, int]] = field(default_factory=list)
    wrong_tables: list[tuple[str, DecisionError]] = field(default_factory=list)
    forms: dict[str, Form] = field(default_factory=dict)
    wrong_forms: list[tuple[str, FormError]] = field(default_factory=list)
    #: what several rules ask for, worked out once: name → value
    shared: dict[str, object] = field(default_factory=dict)

    @classmethod
    def read(cls, package: Package, world: World) -> Subject:
        """Read every file; what cannot be read is kept with the reason."""
        subject = cls(package, world)
        for name, data in package.files.items():
            match PurePosixPath(name).suffix.lower():
                case ".dmn":
                    subject._read_tables(name, data)
                case ".form":
                    subject._read_form(name, data)
                case ".typ" | ".md":
                    pass
                case _:
                    # Whatever else somebody asks about can only be a diagram, as some engines name them.
                    subject._read_diagram(name, data)
        return subject

    @cached_property
    def main(self) -> str:
        """Name of the item's own diagram, "" when there is none."""
        own = [name for name in self.package.files if name.endswith(".bpmn") and "/" not in name]
        return self.package.main if own else ""

    @cached_property
    def process_ids(self) -> Mapping[str, Diagram]:
        """Process id → the diagram it is drawn in."""
        return {p.get("id", ""): diagram for diagram in self.diagrams for p in diagram.processes}

    @cached_property
    def processes(self) -> Mapping[str, etree._Element]:
        """Process id → process."""
        return {process.get("id", ""): process for diagram in self.diagrams for process in diagram.processes}

    @cached_property
    def unfolding(self) -> Unfolding:
        """The item's own process with all that it calls."""
        main = next((diagram for diagram in self.diagrams if diagram.is_main and diagram.processes), None)
        process = etree.Element(bpmn("process")) if main is None else main.processes[0]
        return Unfolding(process, self.processes)

    @cached_property
    def drawn_together(self) -> Mapping[str, Unfolding]:
        """Process id → the other processes of the item's own diagram."""
        main = (diagram for diagram in self.diagrams if diagram.is_main)
        others = (process for diagram in main for process in diagram.processes[1:])
        return {process.get("id", ""): Unfolding(process, self.processes) for process in others}

    def diagram_of(self, element: etree._Element) -> Diagram:
        """Return the diagram an element is drawn in."""
        root = element.getroottree().getroot()
        return next(diagram for diagram in self.diagrams if diagram.root is root)

    def lane_of(self, node: etree._Element) -> str:
        """Return the name of a node's lane, else of the sub-process around it; "" without one."""
        lanes = self.diagram_of(node).lanes
        around = (lanes[each.get("id")] for each in (node, *node.iterancestors()) if each.get("id") in lanes)
        return next(around, "")

    @cached_property
    def prover(self) -> Prover:
        """Proves the processes of the package, each once."""
        sources = {
            diagram.root: Sources(
                self.forms, self.tables, PurePosixPath(diagram.file).parent.as_posix(), self.world.parameters
            )
            for diagram in self.diagrams
        }
        return Prover(self.processes, sources)

    @cached_property
    def node_ids(self) -> frozenset[str]:
        return frozenset(node.get("id", "") for diagram in self.diagrams for node in diagram.nodes)

    def in_file(self, file: str, line: int, message: str, hint: str) -> Place:
        """Say something about a file rather than an element."""
        return Place(file, max(line, 1), "", "", message, hint)

    def _read_diagram(self, name: str, data: bytes) -> None:
        try:
            root = read_xml(data).getroot()
            if root.tag != bpmn("definitions"):
                raise XmlRefused("not-bpmn", _other_kind(etree.QName(root)), root.sourceline or 1)
            _refuse_size(root)
            join_texts(root)
            spell_out(root)
            self.diagrams.append(Diagram(name, root, self))
        except XmlRefused as error:
            self.refused.append((name, error))

    def _read_tables(self, name: str, data: bytes) -> None:
        try:
            tables = read_decisions(data)
        except DecisionError as error:
            self.wrong_tables.append((name, error))
            return
        for id, table in tables.items():
            if id in self.tables:
                self.tables_twice.append((id, name, table.line))
            else:
                self.tables[id] = table
                self.table_files[id] = name

    def _read_form(self, name: str, data: bytes) -> None:
        try:
            self.forms[name] = Form.read(data)
        except FormError as error:
            self.wrong_forms.append((name, error))


def _other_kind(root: etree.QName) -> str:
    """Return what a file is that is no diagram: drafts of BPMN call their root like BPMN 2.0 does."""
    if root.localname == "definitions":
        return f"这个文件不是正式的 BPMN 2.0 流程图，命名空间是“{root.namespace or ''}”，不是“{BPMN}”。"
    return f"这个文件不是 BPMN 2.0 流程图，最外层是 {root.localname}。"


def _by_kind(elements: Iterable[etree._Element]) -> Mapping[str, list[etree._Element]]:
    found: dict[str, list[etree._Element]] = {}
    for element in elements:
        found.setdefault(kind(element), []).append(element)
    return found


def _refuse_size(root: etree._Element) -> None:
    """Refuse what no reader could follow: rules look at pairs of nodes, and time grows with their square."""
    for tags, limit, word in ((FLOW_NODES, MAX_NODES, "步骤和事件"), (("sequenceFlow",), MAX_FLOWS, "流向")):
        found = [*root.iter(*map(bpmn, tags))]
        if len(found) > limit:
            message = f"图里有 {len(found):,} 个{word}，最多 {limit:,} 个。"
            raise XmlRefused("size-limit", message, found[limit].sourceline or 1)
    counts: Counter[str] = Counter()
    for node in root.iter(*map(bpmn, FLOW_NODES)):
        id = node.get("id", "")
        counts[id] += 1
        if id and counts[id] > MAX_SAME_ID:
            message = f"编号 {id} 用了 {MAX_SAME_ID} 次以上。"
            raise XmlRefused("size-limit", message, node.sourceline or 1)


@lru_cache(maxsize=1024)
def _beside(file: str, name: str) -> str:
    return (PurePosixPath(file).parent / name).as_posix()


def listed(words: Iterable[str]) -> str:
    """Join words as a Chinese list."""
    return "、".join(words)
