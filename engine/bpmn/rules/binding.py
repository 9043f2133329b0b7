"""Rules of binding: expressions, decisions, forms, connectors, messages and errors that a diagram names."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from lxml import etree

from engine.bpmn.expressions import EvaluationError, parse
from engine.bpmn.rules import package_rule, rule
from engine.bpmn.rules.subject import Diagram, Place, Subject, bpmn, camunda, facts_of, full_title, kind, listed, title
from engine.bpmn.rules.written import parameters_of, written_in
from engine.bpmn.schedule import Schedule

_TIMERS = ("timeDate", "timeDuration", "timeCycle")
_SENDING = ("sendTask", "intermediateThrowEvent", "endEvent")
_REGISTERS = ("register.find", "register.enter")


@package_rule("expression-syntax")
def expressions_can_be_read(subject: Subject) -> Iterator[Place]:
    """An expression that cannot be read would stop the matter."""
    for written in written_in(subject):
        if written.parsed is None and not written.is_foreign:
            message = f"{written.where}“{written.text}”看不懂：{written.mistake}。"
            yield written.say(message, "请照这句话改：相等写一个等号，文字用英文双引号括起来；〈检查规则〉里有例子。")


@package_rule("unknown-parameter")
def parameters_are_known(subject: Subject) -> Iterator[Place]:
    """A number of the rules stands in the list of parameters."""
    hint = "请改正名称，或者在参数表（parameters.json）里加上它。"
    for written in written_in(subject):
        for key in written.parsed.literals_of("param") if written.parsed else ():
            if key not in subject.world.parameters:
                yield written.say(f"{written.where}用了参数 {key}，参数表里没有。", hint)
    for diagram in subject.diagrams:
        for node in diagram.nodes:
            for limit in facts_of(node, "timeLimit"):
                key = limit.get("param", "")
                value = subject.world.parameters.get(key)
                if key and key not in subject.world.parameters:
                    yield diagram.at(limit, f"{title(node)}的期限用了参数 {key}，参数表里没有。", hint)
                elif key and (isinstance(value, bool) or not isinstance(value, int)):
                    yield diagram.at(limit, f"{title(node)}的期限用了参数 {key}，它的值不是一个天数。", hint)


@package_rule("unknown-step")
def steps_are_known(subject: Subject) -> Iterator[Place]:
    """Counting a node that is not drawn always gives nought."""
    hint = "请改成图里有的编号。"
    for written in written_in(subject):
        for id in written.parsed.literals_of("times") if written.parsed else ():
            if id not in subject.node_ids:
                yield written.say(f'{written.where}里 times("{id}") 数的 {id} 不是图里的步骤。', hint)
    for diagram in subject.diagrams:
        for node in _services(diagram, "post.find"):
            for id in _literal(node, "steps").split():
                if id not in subject.node_ids:
                    yield diagram.at(node, f"{title(node)}要找人的步骤 {id} 不在图里。", hint)


@rule("decision-missing")
def decisions_are_there(diagram: Diagram) -> Iterator[Place]:
    """A business rule task names a decision table of the package and the variable for its result."""
    for node in diagram.of_kind("businessRuleTask"):
        id = node.get(camunda("decisionRef"), "")
        # A table that cannot be read is said once, by decision-invalid.
        if not id:
            yield diagram.at(node, f"{title(node)}没有写用哪张决策表。", "请填上决策表的编号（decisionRef）。")
        elif id not in diagram.subject.tables and not diagram.subject.wrong_tables:
            message = f"{title(node)}要用的决策表 {id} 不在文件夹里。"
            yield diagram.at(node, message, "请把决策表（.dmn）放进文件夹，或者改正编号。")
        if not node.get(camunda("resultVariable")):
            message = f"{title(node)}没有写结果放到哪里。"
            yield diagram.at(node, message, "请给结果起一个名称（resultVariable），例如 approval。")


@package_rule("decision-invalid")
def decisions_can_be_read(subject: Subject) -> Iterator[Place]:
    """A decision table that is not understood decides nothing."""
    for file, error in subject.wrong_tables:
        message = f"决策表用不了：{error.message.rstrip('。')}。"
        yield subject.in_file(file, error.line, message, "请在决策表里改正这一处，〈检查规则〉里有例子。")


@rule("form-missing")
def forms_are_there(diagram: Diagram) -> Iterator[Place]:
    """Every user task has a form, and every form that is named is in the package."""
    for node in diagram.of_kind("startEvent", "intermediateCatchEvent", "userTask"):
        name = node.get(camunda("formKey")) or node.get(camunda("formRef")) or ""
        if name and diagram.sibling(name) not in diagram.subject.package.files:
            message = f"{title(node)}的表单 {name} 不在文件夹里。"
            yield diagram.at(node, message, "请把表单（.form）放进文件夹，或者改正文件名。")
        elif not name and kind(node) == "userTask":
            message = f"{title(node)}没有表单，办的人没有地方填。"
            yield diagram.at(node, message, "请填上表单的文件名（formKey），例如 approve.form。")


@package_rule("form-invalid")
def forms_can_be_read(subject: Subject) -> Iterator[Place]:
    """A form that the server does not follow to the letter is refused."""
    for file, error in subject.wrong_forms:
        message = f"表单用不了：{error.message.rstrip('。')}。"
        yield subject.in_file(file, error.line, message, "请在表单里改正这一处，〈检查规则〉里有例子。")


@rule("service-without-handler")
def services_are_handled(diagram: Diagram) -> Iterator[Place]:
    """A service task calls a connector that exists, with everything it cannot do without."""
    topics = diagram.subject.world.topics
    for node in diagram.of_kind("serviceTask"):
        topic = node.get(camunda("topic"), "")
        if node.get(camunda("type")) != "external" or not topic:
            message = f"{title(node)}没有写让系统做什么（由哪个连接器来办）。"
            yield diagram.at(
                node, message, "请选一个连接器（topic），例如 notify.send（通知），类型（type）写 external。"
            )
        elif topic not in topics:
            message = f"{title(node)}要用的连接器 {topic} 没有。"
            yield diagram.at(node, message, f"可用的有 {listed(sorted(topics))}。")
        else:
            given = parameters_of(node, "input")
            missing = [name for name in topics[topic] if not given.get(name)]
            if missing:
                message = f"{title(node)}没有给连接器 {topic} 写 {listed(missing)}。"
                yield diagram.at(node, message, "请在这一步的输入里写上。")


@rule("register-unknown")
def registers_are_known(diagram: Diagram) -> Iterator[Place]:
    """A service task enters into, or looks into, a register that exists, by fields that it has."""
    registers = diagram.subject.world.registers
    for node in _services(diagram, *_REGISTERS):
        code = _literal(node, "register")
        if not code:
            continue
        if code not in registers:
            hint = f"可用的有 {listed(sorted(registers))}；新的台账放进 registers 文件夹。"
            yield diagram.at(node, f"{title(node)}要用的台账 {code} 没有。", hint)
            continue
        name = registers[code].get("title", code)
        for field in sorted(_used_fields(node) - _fields(registers[code])):
            yield diagram.at(node, f"{title(node)}用了台账〈{name}〉没有的栏目 {field}。", "请改成台账里有的栏目。")
        if node.get(camunda("topic")) == "register.enter":
            missing = [field for field in registers[code].get("required", ()) if field not in _used_fields(node)]
            if missing:
                message = f"{title(node)}没有填台账〈{name}〉必填的 {listed(missing)}。"
                yield diagram.at(node, message, "请在这一步的输入里写上。")


def _used_fields(node: etree._Element) -> set[str]:
    if node.get(camunda("topic")) == "register.enter":
        return set(parameters_of(node, "input")) - {"register", "corrects"}
    field = _literal(node, "field")
    return {field} if field else set()


def _fields(schema: dict) -> set[str]:
    return set(schema.get("properties", ()))


@rule("template-missing")
def templates_are_there(diagram: Diagram) -> Iterator[Place]:
    """A paper is made of a template that is in the package."""
    for node in _services(diagram, "document.render"):
        name = _literal(node, "template")
        if name and diagram.sibling(f"{name}.typ") not in diagram.subject.package.files:
            message = f"{title(node)}要用的文书模板 {name}.typ 不在文件夹里。"
            yield diagram.at(node, message, "请把模板放进文件夹，或者改正名称。")


@rule("recipient-unknown")
def notices_have_a_recipient(diagram: Diagram) -> Iterator[Place]:
    """A message goes to the applicant or to a post that exists."""
    for node in _services(diagram, "notify.send"):
        to = _literal(node, "to")
        prefix, _, lane = to.partition(":")
        if to and to != "applicant" and (prefix != "role" or lane not in diagram.subject.world.roles):
            message = f"{title(node)}要通知的“{to}”不存在。"
            yield diagram.at(node, message, "请写 applicant（申请人），或者 role:岗位名称，例如 role:村文书。")


@rule("message-ref-missing")
def messages_are_named(diagram: Diagram) -> Iterator[Place]:
    """Who waits for a message or sends one says which: one without a name never arrives."""
    for element in diagram.elements:
        if kind(element) not in ("receiveTask", "sendTask", "messageEventDefinition"):
            continue
        owner = element.getparent() if kind(element) == "messageEventDefinition" else element
        word = "发" if kind(owner) in _SENDING else "等"
        reference = element.get("messageRef", "")
        message = diagram.declared("message", reference)
        if message is None:
            what = f"{word}的消息 {reference} 不存在" if reference else f"没有写{word}哪个消息"
            hint = "请选一个消息，例如 supplement（补材料）；没有的，先在图里新建一个。"
            yield diagram.at(element, f"{title(owner)}{what}。", hint)
        elif not (message.get("name") or "").strip():
            yield diagram.at(message, f"{title(owner)}{word}的消息 {reference} 没有名称。", "请给消息起一个名称。")


@rule("error-ref")
def refusals_have_a_reason(diagram: Diagram) -> Iterator[Place]:
    """An error end says by its code why the matter was refused."""
    for definition in diagram.drawn("errorEventDefinition"):
        owner, reference = definition.getparent(), definition.get("errorRef", "")
        error = diagram.declared("error", reference)
        if error is None and (reference or kind(owner) == "endEvent"):
            what = f"用的错误 {reference} 不存在" if reference else "没有写是什么错误"
            yield diagram.at(definition, f"{title(owner)}{what}。", "请选一个错误，并给它写上代码。")
        elif error is not None and not (error.get("errorCode") or "").strip():
            message = f"{title(owner)}用的{full_title(error)}没有代码，说不出为什么不予办理。"
            yield diagram.at(error, message, "请写上代码（errorCode），例如 =refusal.code。")


@rule("called-element-missing")
def called_processes_are_there(diagram: Diagram) -> Iterator[Place]:
    """A call activity calls a process that is in the package."""
    for node in diagram.of_kind("callActivity"):
        called = node.get("calledElement", "")
        if called not in diagram.subject.process_ids:
            what = f"要调用的流程 {called} 没有" if called else "没有写调用哪个流程"
            yield diagram.at(
                node,
                f"{title(node)}{what}。",
                "请填上要调用的流程的编号（calledElement），就是它在 common 里的文件夹名称。",
            )


@rule("timer-invalid")
def timers_can_be_read(diagram: Diagram) -> Iterator[Place]:
    """A timer says once, in ISO 8601 or as an expression, when it fires."""
    for definition in diagram.drawn("timerEventDefinition"):
        owner = definition.getparent()
        times = [child for child in definition.iterchildren(bpmn("*")) if kind(child) in _TIMERS]
        if len(times) > 1:
            message = f"{title(owner)}写了 {len(times)} 个时间，不知道看哪一个。"
            yield diagram.at(definition, message, "请只留一个。")
        elif not times or not (times[0].text or "").strip():
            yield diagram.at(definition, f"{title(owner)}没有写什么时候到时间。", "请写时长，例如 P3D 或 =due(3)。")
        elif not _is_time(kind(times[0]), (times[0].text or "").strip()):
            message = f"{title(owner)}的时间“{(times[0].text or '').strip()}”看不懂。"
            yield diagram.at(times[0], message, "时长写 P3D（3 天），日期写 2026-11-20，要计算的以“=”开头。")


def _is_time(type: str, text: str) -> bool:
    if text.startswith("="):
        return True
    try:
        if type == "timeCycle":
            return bool(Schedule.read(text).count)
        if type == "timeDate":
            datetime.fromisoformat(text)
        elif "\\" in text or '"' in text:
            return False
        else:
            parse(f'duration("{text}")').evaluate({})
    except (ValueError, EvaluationError):
        return False
    return True


def _services(diagram: Diagram, *topics: str) -> list[etree._Element]:
    return [node for node in diagram.of_kind("serviceTask") if node.get(camunda("topic")) in topics]


def _literal(node: etree._Element, name: str) -> str:
    """Return an input that is plain text; "" when it is missing or calculated."""
    text = parameters_of(node, "input").get(name, "")
    return "" if text.startswith("=") else text
