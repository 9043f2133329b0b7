"""Rules of what the engine does not run: an allow-list, so that nothing is silently left out."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import etree

from engine.bpmn.content_model import is_misplaced
from engine.bpmn.decisions import DecisionError
from engine.bpmn.document import BPMN, BPMNDI, CAMUNDA, POWER
from engine.bpmn.execution.dialect import DialectError, load_specs
from engine.bpmn.proof.message_waits import never_heard
from engine.bpmn.rules import Rule, instead, package_rule, rule
from engine.bpmn.rules.subject import (
    EVENT_NAMES,
    OTHER_STEPS,
    Diagram,
    Place,
    Subject,
    bpmn,
    camunda,
    definition_type,
    definitions,
    extensions,
    full_title,
    is_part,
    is_true,
    kind,
    kind_name,
    title,
)
from engine.bpmn.rules.written import CONDITIONS
from engine.errors import EngineError

#: what they say of a step is about what it uses, not about how it is drawn
_OF_OTHER_FILES = ("form-missing", "form-invalid", "decision-missing", "decision-invalid", "service-without-handler")
#: heard where no other rule has found an error at the same element
FALLBACK = "engine-refuses"
#: asked when no other rule has found an error
LAST_WORD = "engine-fails"

_NODES = set(
    "startEvent endEvent boundaryEvent intermediateCatchEvent intermediateThrowEvent userTask manualTask serviceTask "
    "businessRuleTask receiveTask sendTask callActivity subProcess exclusiveGateway inclusiveGateway parallelGateway "
    "eventBasedGateway".split()
)
_PARTS = set(
    "definitions process collaboration participant laneSet lane flowNodeRef documentation extensionElements incoming "
    "outgoing sequenceFlow conditionExpression message error signal escalation messageEventDefinition "
    "timerEventDefinition errorEventDefinition terminateEventDefinition signalEventDefinition linkEventDefinition "
    "escalationEventDefinition eventDefinitionRef timeDate timeDuration timeCycle "
    "multiInstanceLoopCharacteristics loopCardinality loopDataInputRef loopDataOutputRef inputDataItem outputDataItem "
    "completionCondition standardLoopCharacteristics loopCondition".split()
)
#: drawn for people, without effect
_DRAWN = set(
    "textAnnotation text association group category categoryValue dataObject dataObjectReference dataStore "
    "dataStoreReference dataState dataInputAssociation dataOutputAssociation sourceRef targetRef source target "
    "property".split()
)
#: declared for other software: kinds of data, services and posts that no step here is carried out by
_DECLARED = set(
    "itemDefinition relationship interface operation inMessageRef outMessageRef errorRef interfaceRef "
    "supportedInterfaceRef resource resourceParameter partnerEntity partnerRole participantRef endPoint".split()
)
#: without effect as long as nothing stands inside
_WHEN_EMPTY = ("auditing", "monitoring")
#: refused by rules of their own
_ELSEWHERE = {"scriptTask", "script", "import"}
_KNOWN = frozenset(_NODES | _PARTS | _DRAWN | _DECLARED | _ELSEWHERE)
_EVENTS = {
    "startEvent": ("", "message", "timer"),
    "endEvent": ("", "message", "error", "terminate", "signal", "escalation"),
    "boundaryEvent": ("message", "timer", "error", "signal", "escalation"),
    "intermediateCatchEvent": ("message", "timer", "signal", "link"),
    "intermediateThrowEvent": ("", "message", "signal", "escalation", "link"),
}
#: what an event sub-process may begin with; a blank one is said by a rule of its own
_TRIGGERS = ("", "message", "timer", "error", "signal", "escalation")
#: what has a sentence of its own
_SAID = {
    "task": "{}没有说由谁来办，系统不知道派给谁。",
    "transaction": "{}办到一半要一起退回，这里不支持。",
    "adHocSubProcess": "{}里面的步骤没有先后，这里不支持。",
}
#: attribute → the values that change nothing
_PLAIN_VALUES = {
    "isForCompensation": ("false", "0"),
    "startQuantity": ("1",),
    "completionQuantity": ("1",),
    "instantiate": ("false", "0"),
    "eventGatewayType": ("Exclusive",),
    "parallelMultiple": ("false", "0"),
    "isImmediate": ("true", "1"),
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
    "inputOutput": ("serviceTask", "sendTask", "intermediateThrowEvent", "endEvent"),
    "in": ("callActivity",),
    "out": ("callActivity",),
}
_CODE_ATTRIBUTES = ("class", "delegateExpression", "expression", "scriptFormat", "resource")
_CODE = {name: camunda(name) for name in _CODE_ATTRIBUTES}
_OWN = (f"{{{BPMN}}}", f"{{{BPMNDI}}}")
_SPIFF = "http://spiffworkflow.org/bpmn/schema/1.0/core"
_DROOLS = "http://www.jboss.org/drools"
_OTHER_ENGINES = {
    "http://camunda.org/schema/zeebe/1.0",
    "http://flowable.org/bpmn",
    "http://activiti.org/bpmn",
    "http://operaton.org/schema/1.0/bpmn",
    "http://processmaker.com/BPMN/2.0/Schema.xsd",
    "http://www.imixs.org/bpmn2",
    _DROOLS,
    _SPIFF,
}
#: what the modeler of jBPM writes at everything, and what changes nothing
_DROOLS_HARMLESS = set("packageName version selectable dtype metaValue import global".split())
#: elements of SpiffWorkflow's own that are programs
_SPIFF_SCRIPTS = ("preScript", "postScript", "serviceTaskOperator")
_FACTS = {
    "item": "code category scope excludes publish promise level publicStart applicant applicantName relatives subject",
    "legalBasis": "law version article url confirm",
    "material": "name required keep kind",
    "timeLimit": "param value unit",
    "riskPoint": "grade text control",
    "disclose": "fields level",
    "separate": "from of",
    "after": "from",
    "hold": "reason",
}
_MAPPINGS = (camunda("in"), camunda("out"))
#: how Camunda writes that a call has the key of its caller
_OWN_KEY = re.compile(r"[$#]\{\s*execution\.(process)?[bB]usinessKey\s*\}")
_ID = re.compile(r"[^\W\d][\w.\-]*")


@rule("unsupported-element")
def uses_what_is_run(diagram: Diagram) -> Iterator[Place]:
    """Whatever the engine does not carry out as drawn is refused, not skipped."""
    unsupported: set[etree._Element] = set()
    for element in diagram.elements:
        # What stands in a wrong place is said to stand there.
        around = element.getparent()
        misplaced = around is not None and is_misplaced(kind(element), kind(around))
        wrong, hint = ("", "") if misplaced else _unsupported(element)
        if wrong and not any(ancestor in unsupported for ancestor in element.iterancestors()):
            unsupported.add(element)
            yield diagram.at(element, wrong, hint)
    for element in _foreign(diagram):
        message = f"图里有不认识的内容 {etree.QName(element).localname}，不会执行。"
        yield diagram.at(element, message, "请删去它；附加的说明要写在扩展元素（extensionElements）里。")


def _is_plain_loop(element: etree._Element) -> bool:
    """A call for each entry of a list, all at once: each runs in a process of its own."""
    given = {etree.QName(name).localname for name in element.attrib}
    return (
        kind(element.getparent()) == "callActivity" and not len(element) and given == {"collection", "elementVariable"}
    )


def _unsupported(element: etree._Element) -> tuple[str, str]:
    """Return what is wrong with an element and what to do about it; "" when it is run as drawn."""
    name = kind(element)
    if name == "multiInstanceLoopCharacteristics" and _is_plain_loop(element):
        return "", ""
    if name in _SAID:
        return _SAID[name].format(full_title(element)), instead.of_element(name)
    if name in _WHEN_EMPTY and not len(element):
        return "", ""
    if name not in _KNOWN:
        return _unknown(element), instead.of_element(name)
    for attribute, plain in _PLAIN_VALUES.items() if not _PLAIN_VALUES.keys().isdisjoint(element.keys()) else ():
        if element.get(attribute, plain[0]).strip() not in plain:
            message = f"{title(element)}写了 {attribute}={element.get(attribute)}，这里不支持，写了也不起作用。"
            return message, instead.of_attribute(attribute)
    if name in _EVENTS and (wrong := _unsupported_event(element)):
        return wrong, instead.of_event(name, definition_type(element))
    return "", ""


def _unknown(element: etree._Element) -> str:
    if element.get("name", "").strip():
        return f"{title(element)}是{kind_name(element)}，这里不支持，画了也不会执行。"
    if element.get("id"):
        return f"{title(element)}这里不支持，画了也不会执行。"
    word = kind_name(element)
    what = f" {word} 这一项" if word.isascii() else word
    return f"{title(_named(element))}里有{what}，这里不支持，写了也不起作用。"


def _unsupported_event(event: etree._Element) -> str:
    said = definitions(event)
    if len(said) > 1:
        return f"{title(event)}同时等几样东西，不支持。"
    type = definition_type(event)
    if event.find(bpmn("eventDefinitionRef")) is not None:
        # It is copied into the event; what is wrong with it then is said by the engine.
        return f"{title(event)}同时等几样东西，不支持。" if said else ""
    if type not in (_TRIGGERS if _is_trigger(event) else _EVENTS[kind(event)]):
        return f"{title(event)}是{EVENT_NAMES.get(type, type)}事件，这里不支持，画了也不会执行。"
    return ""


def _is_trigger(event: etree._Element) -> bool:
    return kind(event) == "startEvent" and is_true(event.getparent(), "triggeredByEvent")


def _foreign(diagram: Diagram) -> Iterator[etree._Element]:
    """Return elements of other namespaces that stand where BPMN elements should."""
    for element in diagram.elements:
        if kind(element) not in ("extensionElements", "documentation", "text"):
            for child in element.iterchildren(etree.Element):
                if not child.tag.startswith(_OWN):
                    yield child


@package_rule("signal-unmatched")
def signals_are_heard_and_sent(subject: Subject) -> Iterator[Place]:
    """A signal is heard within its matter only: one that nobody there hears, or sends, does nothing for ever."""
    uses = [(diagram, event, name) for diagram in subject.diagrams for event, name in _signals(diagram)]
    for throws, what, hint in (
        (True, "发出的信号“{}”，同一个事项里没有哪里在等。", "请画一个等它的事件；要告诉别的事项的，改用消息。"),
        (False, "等的信号“{}”，同一个事项里没有哪里发出。", "请画一个发出它的事件；等别的事项的，改用消息。"),
    ):
        known = {name for _, event, name in uses if _throws(event) is not throws}
        for diagram, event, name in uses:
            if _throws(event) is throws and name not in known:
                yield diagram.at(event, f"{title(event)}{what.format(name)}", hint)
    for step in never_heard(subject.unfolding):
        message = f"{title(step.node.element)}等的信号，发的时候从来没有在等：信号不会留着，错过就等不到了。"
        hint = "请把发信号的一步和等信号的一步画在同时走的两路上，或者改用消息。"
        yield subject.diagram_of(step.node.element).at(step.node.element, message, hint)


def _throws(event: etree._Element) -> bool:
    return kind(event) in ("endEvent", "intermediateThrowEvent")


def _signals(diagram: Diagram) -> Iterator[tuple[etree._Element, str]]:
    """Return each event of a signal that is named, with the name of the signal."""
    for event in diagram.of_kind(*_EVENTS):
        for definition in definitions(event):
            reference = definition.get("signalRef", "").rpartition(":")[2]
            if kind(definition) == "signalEventDefinition" and reference:
                signal = diagram.declared("signal", reference)
                yield event, reference if signal is None else signal.get("name") or reference


@rule("ignored-attribute")
def says_nothing_in_vain(diagram: Diagram) -> Iterator[Place]:
    """A setting for another engine is not obeyed here, and the diagram must not pretend it is."""
    for element in diagram.elements:
        for attribute in ignored_attributes(element):
            name = etree.QName(attribute).localname
            yield diagram.at(element, f"{title(_named(element))}的 {name} 不起作用。", instead.of_setting(name))
        for extension in extensions(element, "*"):
            wrong = [kind(extension)] if _is_ignored_element(extension, kind(element)) else _ignored_in_call(extension)
            for name in wrong:
                message = f"{title(_named(element))}的 {name} 不起作用。"
                yield diagram.at(extension, message, instead.of_setting(name))


def ignored_attributes(element: etree._Element) -> list[str]:
    """Return the attributes, with their namespaces, that only another engine obeys."""
    # Most have no namespace, and QName is slow.
    names = [(attribute, etree.QName(attribute)) for attribute in element.attrib.keys() if attribute[0] == "{"]
    return [attribute for attribute, name in names if _is_ignored(name.namespace, name.localname, kind(element))]


def _is_ignored(namespace: str | None, name: str, place: str) -> bool:
    if namespace == CAMUNDA:
        known = name in _HARMLESS or name in _CODE_ATTRIBUTES or place == "multiInstanceLoopCharacteristics"
        return not known and place not in _OBEYED.get(name, ())
    if namespace == _DROOLS:
        return name not in _DROOLS_HARMLESS
    return namespace in _OTHER_ENGINES


def _is_ignored_element(extension: etree._Element, place: str) -> bool:
    namespace, name = extension.tag[1:].rpartition("}")[0], kind(extension)
    if namespace == CAMUNDA:
        return name != "script" and place not in _OBEYED_ELEMENTS.get(name, ())
    if namespace == _DROOLS:
        # The name of a step, once more.
        return name not in _DROOLS_HARMLESS and extension.get("name") != "elementname"
    if namespace == _SPIFF:
        return name not in _SPIFF_SCRIPTS
    return namespace in _OTHER_ENGINES


def _ignored_in_call(extension: etree._Element) -> list[str]:
    """Return what is said in vain of the data handed to a call: the key is the caller's, and no data is local."""
    if extension.tag not in _MAPPINGS:
        return []
    other_key = _OWN_KEY.fullmatch(extension.get("businessKey", "").strip()) is None
    wrong = {
        "businessKey": extension.get("businessKey") is not None and other_key,
        "local": is_true(extension, "local"),
    }
    return [name for name, is_wrong in wrong.items() if is_wrong]


def _named(element: etree._Element) -> etree._Element:
    """Return the element, or the one around it when people cannot know it by name or id."""
    while element.getparent() is not None and (is_part(element) or not (element.get("name") or element.get("id"))):
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
        code = [name for name in _CODE_ATTRIBUTES if element.get(_CODE[name]) is not None]
        language = element.get("language") or "feel"
        if kind(element) == "scriptTask":
            yield diagram.at(element, f"{title(element)}是脚本任务，流程图里不允许有脚本。", hint)
        elif code:
            message = f"{title(_named(element))}有camunda:{code[0]}，流程图里不允许有程序。"
            yield diagram.at(element, message, hint)
        elif kind(element) in CONDITIONS and "feel" not in language.lower():
            message = f"{title(_named(element))}有用 {language} 写的条件，流程图里不允许有程序。"
            yield diagram.at(element, message, "请删去 language 这一项，条件写成 copies > 10 这样。")
    for script in diagram.root.iter(camunda("script"), *(f"{{{_SPIFF}}}{name}" for name in _SPIFF_SCRIPTS)):
        owner = next(script.iterancestors(f"{{{BPMN}}}*"), diagram.root)
        owner = owner.getparent() if kind(owner) == "extensionElements" else owner
        yield diagram.at(script, f"{title(_named(owner))}里有脚本，流程图里不允许有脚本。", hint)


@rule("id-invalid")
def has_free_ids(diagram: Diagram) -> Iterator[Place]:
    """An id is a plain word, for expressions and the log name steps by it; the process is called like its folder."""
    for element in [*diagram.processes, *diagram.nodes]:
        id = element.get("id", "")
        if id and not _ID.fullmatch(id):
            message = f"{title(element)}的编号“{id}”写法不对。"
            yield diagram.at(element, message, "编号以字母开头，只用字母、数字、下划线、点和减号。")
    process = diagram.processes[0] if diagram.is_main and diagram.processes else None
    # One without an id is said by id-missing.
    if process is not None and process.get("id") and process.get("id") != diagram.subject.package.id:
        message = f"流程的编号 {process.get('id', '')} 和文件夹的名称 {diagram.subject.package.id} 不一样。"
        yield diagram.at(
            process, message, "请把两个改成一样：文件夹的名称是代码、下划线、流程的编号，例如 E01_seal_use。"
        )


def speaks(rule: Rule) -> bool:
    """Tell whether a rule says why something is not run, so that the fallback need not say it again."""
    says_why = rule.severity == "error" and rule.group not in (
        "naming",
        "picture",
        "data",
        "domain",
        "decisions",
        "forms",
    )
    return says_why and rule.id not in (FALLBACK, *_OF_OTHER_FILES)


@rule(FALLBACK)
def is_run_as_drawn(diagram: Diagram) -> Iterator[Place]:
    """What the engine would not carry out as drawn is named, whatever else is wrong with the file."""
    for node, message in diagram.refusals:
        if any(kind(each) in _SAID or kind(each) not in _KNOWN for each in node.iterancestors(bpmn("*"))):
            # With what is around it, which is not supported, it goes.
            continue
        ends = [diagram.by_id.get(node.get(end, "")) for end in ("sourceRef", "targetRef")]
        if any(end is not None and kind(end) in OTHER_STEPS for end in ends):
            # With the step it leads to.
            continue
        said = f"{title(_named(node))}这样画不会照着执行：{message}。"
        yield diagram.at(node, said, "请换成支持的画法，〈检查规则〉里有例子。")


@package_rule(LAST_WORD)
def is_taken_by_the_engine(subject: Subject) -> Iterator[Place]:
    """The engine itself has the last word: what it cannot load never gets into force."""
    hint = "请照这句话改；改了还不行的，把文件交给系统管理员。"
    try:
        # What else a definition holds, the facts and the tables, other rules have read.
        load_specs(subject.package, subject.tables.keys(), {each.file: each.normalised for each in subject.diagrams})
    except (DialectError, DecisionError) as error:
        file, element = getattr(error, "file", "") or subject.main, getattr(error, "element", "")
        yield Place(file, max(error.line, 1), element, "", f"系统打不开这个流程：{error.message.rstrip('。')}。", hint)
    except (EngineError, LookupError, TypeError, AttributeError, ValueError, RecursionError) as error:
        # SpiffWorkflow reports what it does not understand in any of these.
        yield subject.in_file(subject.main, 1, f"系统打不开这个流程：{error}。", hint)
