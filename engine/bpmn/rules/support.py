"""Rules of what the engine does not run: an allow-list, so that nothing is silently left out."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import etree

from engine.bpmn.decisions import DecisionError
from engine.bpmn.definition import Definition
from engine.bpmn.dialect import RESERVED_ENDINGS, RESERVED_IDS, DialectError
from engine.bpmn.document import BPMN, BPMNDI, CAMUNDA, POWER
from engine.bpmn.rules import package_rule, rule
from engine.bpmn.rules.subject import SCOPES, Diagram, Place, Subject, bpmn, camunda, extensions, kind, kind_name, title
from engine.errors import EngineError

#: asked when no other rule has found an error
LAST_WORD = "engine-refuses"

_NODES = set(
    "startEvent endEvent boundaryEvent intermediateCatchEvent intermediateThrowEvent userTask manualTask serviceTask "
    "businessRuleTask receiveTask callActivity subProcess exclusiveGateway parallelGateway eventBasedGateway".split()
)
_PARTS = set(
    "definitions process collaboration participant laneSet lane flowNodeRef documentation extensionElements incoming "
    "outgoing sequenceFlow conditionExpression message error messageEventDefinition timerEventDefinition "
    "errorEventDefinition terminateEventDefinition timeDate timeDuration timeCycle "
    "multiInstanceLoopCharacteristics loopCardinality loopDataInputRef inputDataItem completionCondition".split()
)
#: drawn for people, without effect
_DRAWN = set(
    "textAnnotation text association dataObject dataObjectReference dataState dataInputAssociation "
    "dataOutputAssociation sourceRef targetRef property".split()
)
#: refused by rules of their own
_ELSEWHERE = {"scriptTask", "script", "import"}
_EVENTS = {
    "startEvent": ("", "message", "timer"),
    "endEvent": ("", "message", "error", "terminate"),
    "boundaryEvent": ("message", "timer", "error"),
    "intermediateCatchEvent": ("message", "timer"),
    "intermediateThrowEvent": ("message",),
}
_EVENT_NAMES = {
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
#: attribute → the value that changes nothing
_PLAIN_VALUES = {
    "triggeredByEvent": "false",
    "isForCompensation": "false",
    "startQuantity": "1",
    "completionQuantity": "1",
    "instantiate": "false",
    "eventGatewayType": "Exclusive",
    "parallelMultiple": "false",
}
#: camunda: attribute → where it is obeyed
_OBEYED = {
    "formKey": ("startEvent", "userTask", "intermediateCatchEvent"),
    "formRef": ("startEvent", "userTask", "intermediateCatchEvent"),
    "decisionRef": ("businessRuleTask",),
    "resultVariable": ("businessRuleTask",),
    "mapDecisionResult": ("businessRuleTask",),
    "type": ("serviceTask",),
    "topic": ("serviceTask",),
}
#: camunda: attributes about storage and the modeler: leaving them out changes nothing that people see
_HARMLESS = set(
    "historyTimeToLive versionTag isStartableInTasklist asyncBefore asyncAfter exclusive diagramRelationId "
    "modelerTemplate modelerTemplateVersion modelerTemplateIcon formRefBinding decisionRefBinding "
    "calledElementBinding".split()
)
_OBEYED_ELEMENTS = {
    "inputOutput": ("serviceTask", "intermediateThrowEvent", "endEvent"),
    "in": ("callActivity",),
    "out": ("callActivity",),
}
_CODE_ATTRIBUTES = ("class", "delegateExpression", "expression", "scriptFormat", "resource")
_SPIFF = "http://spiffworkflow.org/bpmn/schema/1.0/core"
_OTHER_ENGINES = {
    "http://camunda.org/schema/zeebe/1.0": "Camunda 8",
    "http://flowable.org/bpmn": "Flowable",
    "http://activiti.org/bpmn": "Activiti",
}
_FACTS = {
    "item": "code category scope excludes publish promise level publicStart applicant applicantName relatives subject",
    "legalBasis": "law version article url confirm",
    "material": "name required keep kind",
    "timeLimit": "param value unit",
    "riskPoint": "grade text control",
    "disclose": "fields level",
    "separate": "from",
    "after": "from",
    "hold": "reason",
}
_ID = re.compile(r"[^\W\d][\w.\-]*")


@rule("unsupported-element", aliases=("no-inclusive-gateway", "no-complex-gateway"))
def uses_what_is_run(diagram: Diagram) -> Iterator[Place]:
    """Whatever the engine does not carry out as drawn is refused, not skipped."""
    unsupported: set[etree._Element] = set()
    for element in diagram.elements:
        if any(ancestor in unsupported for ancestor in element.iterancestors()):
            continue
        if wrong := _unsupported(element):
            unsupported.add(element)
            yield diagram.at(element, wrong, "请改用支持的画法，见 processes/README.md 第 1 节。")
    for element in _foreign(diagram):
        message = f"图里有不认识的内容 {etree.QName(element).localname}，不会执行。"
        yield diagram.at(element, message, "请删去它；附加的说明要写在扩展元素（extensionElements）里。")


def _is_plain_loop(element: etree._Element) -> bool:
    """A call for each entry of a list, all at once: each runs in a process of its own."""
    given = {etree.QName(name).localname for name in element.attrib}
    return (
        kind(element.getparent()) == "callActivity" and not len(element) and given == {"collection", "elementVariable"}
    )


def _unsupported(element: etree._Element) -> str:
    """Return what is wrong with an element in one sentence, "" when it is run as drawn."""
    name = kind(element)
    if name == "multiInstanceLoopCharacteristics" and _is_plain_loop(element):
        return ""
    if name not in _NODES | _PARTS | _DRAWN | _ELSEWHERE:
        if element.get("name") or element.get("id"):
            return f"{title(element)}是{kind_name(element)}，这里不支持，画了也不会执行。"
        return f"{title(_named(element))}里的 {kind_name(element)} 不支持，写了也不起作用。"
    if name in _NODES and kind(element.getparent()) not in SCOPES:
        return f"{title(element)}没有画在流程里。"
    for attribute, plain in _PLAIN_VALUES.items():
        if element.get(attribute, plain) != plain:
            return f"{title(element)}不支持 {attribute}={element.get(attribute)}。"
    return _unsupported_event(element) if name in _EVENTS else ""


def _unsupported_event(event: etree._Element) -> str:
    definitions = [child for child in event.iterchildren(bpmn("*")) if kind(child).endswith("EventDefinition")]
    if len(definitions) > 1:
        return f"{title(event)}同时等几样东西，不支持。"
    type = kind(definitions[0]).removesuffix("EventDefinition") if definitions else ""
    if type not in _EVENTS[kind(event)]:
        return f"{title(event)}是{_EVENT_NAMES.get(type, type)}事件，这里不支持，画了也不会执行。"
    return ""


def _foreign(diagram: Diagram) -> Iterator[etree._Element]:
    """Return elements of other namespaces that stand where BPMN elements should."""
    for element in diagram.elements:
        if kind(element) not in ("extensionElements", "documentation", "text"):
            for child in element.iterchildren(etree.Element):
                if etree.QName(child).namespace not in (BPMN, BPMNDI):
                    yield child


@rule("ignored-attribute")
def says_nothing_in_vain(diagram: Diagram) -> Iterator[Place]:
    """A setting for another engine is not obeyed here, and the diagram must not pretend it is."""
    for element in diagram.elements:
        for attribute in element.attrib:
            name = etree.QName(attribute)
            if _is_ignored(name.namespace, name.localname, kind(element)):
                message = f"{title(_named(element))}的 {name.localname} 不起作用。"
                yield diagram.at(element, message, "请删去它：由谁办看泳道，期限写 power:timeLimit。")
        for extension in extensions(element, "*"):
            name = etree.QName(extension)
            if _is_ignored_element(name.namespace, name.localname, kind(element)):
                message = f"{title(_named(element))}的 {name.localname} 不起作用。"
                yield diagram.at(extension, message, "请删去它；要办的事画成步骤，看得见的才会执行。")


def _is_ignored(namespace: str | None, name: str, place: str) -> bool:
    if namespace == CAMUNDA:
        known = name in _HARMLESS or name in _CODE_ATTRIBUTES or place == "multiInstanceLoopCharacteristics"
        return not known and place not in _OBEYED.get(name, ())
    return namespace in _OTHER_ENGINES


def _is_ignored_element(namespace: str | None, name: str, place: str) -> bool:
    if namespace == CAMUNDA:
        return name != "script" and place not in _OBEYED_ELEMENTS.get(name, ())
    return namespace in _OTHER_ENGINES


def _named(element: etree._Element) -> etree._Element:
    """Return the element, or the one around it when people cannot know it by name or id."""
    while not element.get("name") and not element.get("id") and element.getparent() is not None:
        element = element.getparent()
    return element


@rule("unknown-element")
def says_known_facts(diagram: Diagram) -> Iterator[Place]:
    """A mistyped fact would be lost without a word."""
    for fact in diagram.root.iter(f"{{{POWER}}}*"):
        name = kind(fact)
        if name not in _FACTS:
            yield diagram.at(fact, f"没有叫 power:{name} 的内容，不会去读。", f"可用的有 {'、'.join(_FACTS)}。")
            continue
        for attribute in fact.attrib:
            if attribute not in _FACTS[name].split():
                message = f"power:{name} 没有 {attribute} 这一项，不会去读。"
                yield diagram.at(fact, message, f"可以写 {'、'.join(_FACTS[name].split())}。")


@rule("script-forbidden")
def has_no_script(diagram: Diagram) -> Iterator[Place]:
    """Nothing in a diagram is ever executed as code."""
    hint = "请删去脚本：计算写成表达式或决策表，其他事情用服务任务。"
    for element in diagram.elements:
        code = [name for name in _CODE_ATTRIBUTES if element.get(camunda(name)) is not None]
        language = element.get("language") or "feel"
        if kind(element) == "scriptTask":
            yield diagram.at(element, f"{title(element)}是脚本任务，流程图里不允许有脚本。", hint)
        elif code or (kind(element) == "conditionExpression" and "feel" not in language.lower()):
            what = f"camunda:{code[0]}" if code else f"用 {language} 写的条件"
            yield diagram.at(element, f"{title(_named(element))}有{what}，流程图里不允许有程序。", hint)
    for script in diagram.root.iter(camunda("script"), f"{{{_SPIFF}}}*"):
        owner = next(script.iterancestors(f"{{{BPMN}}}*"), diagram.root)
        owner = owner.getparent() if kind(owner) == "extensionElements" else owner
        yield diagram.at(script, f"{title(_named(owner))}里有脚本，流程图里不允许有脚本。", hint)


@rule("id-invalid")
def has_free_ids(diagram: Diagram) -> Iterator[Place]:
    """Some ids belong to the engine: a task called End would silently finish the matter."""
    for element in [*diagram.processes, *diagram.nodes]:
        id = element.get("id", "")
        if element.tag != bpmn("process") and (id in RESERVED_IDS or id.endswith(RESERVED_ENDINGS)):
            message = f"{title(element)}的编号 {id} 是引擎自己用的。"
            yield diagram.at(element, message, f"请换一个编号，例如 Task_{id.rpartition('.')[2].strip().lower()}。")
        elif id and not _ID.fullmatch(id):
            message = f"{title(element)}的编号“{id}”写法不对。"
            yield diagram.at(element, message, "编号以字母开头，只用字母、数字、下划线、点和减号。")
    if diagram.is_main and diagram.processes and diagram.processes[0].get("id", "") != diagram.subject.package.id:
        process = diagram.processes[0]
        message = f"流程的编号 {process.get('id', '')} 和文件夹的名称 {diagram.subject.package.id} 不一样。"
        yield diagram.at(process, message, "请让两个一样：文件夹叫“代码_流程编号”。")


@package_rule(LAST_WORD)
def is_taken_by_the_engine(subject: Subject) -> Iterator[Place]:
    """The engine itself has the last word: what it cannot load never gets into force."""
    hint = "请照这句话改；改了还不行的，把文件交给系统管理员。"
    try:
        Definition.read(subject.package)
    except (DialectError, DecisionError) as error:
        file, element = getattr(error, "file", "") or subject.main, getattr(error, "element", "")
        yield Place(file, max(error.line, 1), element, "", f"引擎打不开这个流程：{error.message.rstrip('。')}。", hint)
    except (EngineError, LookupError, TypeError, AttributeError, ValueError, RecursionError) as error:
        # SpiffWorkflow reports what it does not understand in any of these.
        yield subject.in_file(subject.main, 1, f"引擎打不开这个流程：{error}。", hint)
