"""Rules of what is calculated: the language of expressions, conditions that decide nothing, times and repetitions."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from engine.bpmn.expressions import EvaluationError, ExpressionError, parse
from engine.bpmn.feel.tokens import read_tokens
from engine.bpmn.rules import package_rule, rule
from engine.bpmn.rules.subject import Diagram, Place, Subject, bpmn, camunda, condition, kind, title
from engine.bpmn.rules.written import Written, written_in

_COMPARING = set("= != < <= > >= in between and or not some every true false if contains".split()) | {"list contains"}
_SHORTEST = "PT1M"


@package_rule("expression-language")
def expressions_are_feel(subject: Subject) -> Iterator[Place]:
    """Expressions are written in the FEEL subset; those of other engines are not read."""
    for diagram in subject.diagrams:
        said = diagram.root.get("expressionLanguage", "feel")
        asked = next((flow for flow in diagram.flows if condition(flow)), None)
        if "feel" not in said.lower() and asked is not None:
            message = f"图里写着条件用 {said} 语言，这里只认 FEEL。"
            yield diagram.at(diagram.root, message, "请删去 expressionLanguage 这一项，条件写成 copies > 10 这样。")
    hint = "请去掉 ${ } 直接写，例如 copies > 10；相等写一个等号，文字加英文双引号。"
    for written in written_in(subject):
        if written.is_foreign:
            yield written.say(f"{written.where}“{written.text}”是别的软件的写法。", hint)


@package_rule("expression-not-boolean")
def conditions_are_true_or_false(subject: Subject) -> Iterator[Place]:
    """A condition is answered by yes or no; a number or a text is no answer."""
    types = {field.key: field.type for form in subject.forms.values() for field in form.fields}
    for written in _conditions(subject):
        tokens = [token.text for token in read_tokens(written.text, 0) if token.text]
        plain = "".join(tokens) if all(token == "." or token.isidentifier() for token in tokens) else ""
        if not plain and not _COMPARING.intersection(tokens):
            message = f"{written.where}“{written.text}”算出来不是“是”或“否”。"
            yield written.say(message, '请写成比较，例如 copies > 10 或者 kind = "contract"。')
        elif plain and (plain in written.given or types.get(plain, "checkbox") != "checkbox"):
            message = f"{written.where}只写了 {plain}，它不是打勾的项目，算不出“是”或“否”。"
            yield written.say(message, f'请写成比较，例如 {plain} = "agree"。')


@package_rule("constant-condition")
def conditions_depend_on_something(subject: Subject) -> Iterator[Place]:
    """A condition that always comes out the same chooses nothing."""
    for written in _conditions(subject):
        is_loop = written.condition != "conditionExpression"
        if not is_loop and not written.parsed.names and not written.parsed.calls:
            message = f"{written.where}“{written.text}”不看任何内容，每次结果都一样。"
            yield written.say(message, "请写上要看的内容；总是要走的这一条，设成默认箭头。")


def _conditions(subject: Subject) -> Iterator[Written]:
    """Return the readable conditions of flows and repetitions."""
    return (written for written in written_in(subject) if written.condition and written.parsed is not None)


@rule("timer-too-fast", "warning")
def timers_leave_time(diagram: Diagram) -> Iterator[Place]:
    """A wait of seconds is over before anybody can have done anything."""
    for element in diagram.drawn("timeDuration"):
        text = (element.text or "").strip().removeprefix("=").strip()
        if text and _is_short(text):
            owner = element.getparent().getparent()
            message = f"{title(owner)}的时间“{(element.text or '').strip()}”不到一分钟，谁也来不及办。"
            yield diagram.at(element, message, "请写按天算的时长，例如 P3D 或 =due(3)。")


def _is_short(text: str) -> bool:
    quoted = text if "(" in text or '"' in text else f'duration("{text}")'
    try:
        return parse(f'({quoted}) < duration("{_SHORTEST}")').evaluate({}) is True
    except (ExpressionError, EvaluationError):
        # A time that is no duration is said by timer-invalid, one that is calculated is known only later.
        return False


@rule("loop-cardinality-invalid")
def repetitions_are_counted(diagram: Diagram) -> Iterator[Place]:
    """How often a step is repeated is a whole number from 1, or an expression that gives one."""
    for element in diagram.drawn("loopCardinality"):
        text = (element.text or "").strip()
        if _is_count(text):
            continue
        message = f"{title(_owner(element))}要重复的次数“{text}”不是从 1 起的整数。"
        yield diagram.at(element, message, "请写整数，例如 2，或者写算得出整数的表达式，例如 count(signers)。")


def _is_count(text: str) -> bool:
    text = text.removeprefix("=").strip()
    try:
        parsed = parse(text)
        return bool(parsed.names or parsed.calls) or _is_positive(parsed.evaluate({}))
    except (ExpressionError, EvaluationError):
        return False


def _is_positive(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


@rule("multi-instance-unbounded")
def repetitions_are_bounded(diagram: Diagram) -> Iterator[Place]:
    """A repeated step says for whom or how often: otherwise nobody knows when it is done."""
    for element in diagram.drawn("multiInstanceLoopCharacteristics"):
        if element.get(camunda("collection")):
            continue
        if not {"loopCardinality", "loopDataInputRef"} & {kind(child) for child in element.iterchildren(bpmn("*"))}:
            message = f"{title(_owner(element))}要重复办，却没有写办几次、给谁办。"
            hint = "请写名单（camunda:collection，例如 roll.members）或者次数（loopCardinality）。"
            yield diagram.at(element, message, hint)


def _owner(element: etree._Element) -> etree._Element:
    return next(each for each in element.iterancestors(bpmn("*")) if not kind(each).endswith("LoopCharacteristics"))
