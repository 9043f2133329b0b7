"""What lint says of diagrams that other software drew: each mistake once, at its place, in words people know."""

from __future__ import annotations

import pytest

from engine.bpmn.lint import lint
from tests.bpmn.rule_examples import package_of
from tests.bpmn.test_lint import WORLD, check_shape

#: the form that asks for what the conditions below look at
FORM = """
--- request.form
{"id": "request", "type": "default", "components": [
  {"id": "F1", "key": "copies", "type": "number", "label": "份数"},
  {"id": "F2", "key": "more", "type": "checkbox", "label": "还有"},
  {"id": "F3", "key": "people", "type": "textfield", "label": "名单"}]}"""
START = '<startEvent id="Start_apply" name="申请" camunda:formKey="request.form" />'


def said(example: str, *rules: str) -> list[tuple[str, str]]:
    """Return element and sentence of what some rules say."""
    found = lint(package_of(example)[0], WORLD)
    check_shape(found)
    return [(each.element, each.message) for each in found if each.rule in rules]


EXPRESSIONS = ("expression-language", "expression-syntax", "expression-not-boolean", "unknown-variable")
COUNTED = (
    "multiInstanceLoopCharacteristics",
    "<loopCardinality>3</loopCardinality><completionCondition>{}</completionCondition>",
)
REPEATED = "standardLoopCharacteristics", "<loopCondition>{}</loopCondition>"


def looped(loop: tuple[str, str], condition: str) -> str:
    tag, inside = loop
    step = f'<userTask id="Task_a" name="签字"><{tag} id="Loop_1">{inside.format(condition)}</{tag}></userTask>'
    return START + step + '<sequenceFlow id="Flow_0" sourceRef="Start_apply" targetRef="Task_a" />' + FORM


@pytest.mark.parametrize(
    ("loop", "condition", "rule"),
    [
        (COUNTED, "${nrOfCompletedInstances/nrOfInstances &gt;= 1.0}", "expression-language"),
        (COUNTED, "a b c", "expression-syntax"),
        (COUNTED, "", "expression-syntax"),
        (COUNTED, "nrOfCompletedInstances", "expression-not-boolean"),
        (COUNTED, "nrOfCompletedInstances + 1", "expression-not-boolean"),
        (COUNTED, "nrOfActiveInstances = 0", "unknown-variable"),
        (REPEATED, "${more}", "expression-language"),
        (REPEATED, "more !!", "expression-syntax"),
        (REPEATED, "copies", "expression-not-boolean"),
        (REPEATED, "nrOfCompletedInstances &lt; 2", "unknown-variable"),
    ],
)
def test_the_condition_of_a_repetition_is_read_like_any_other(loop, condition, rule):
    ((element, message),) = said(looped(loop, condition), *EXPRESSIONS)
    assert element == "Task_a" and message.startswith("〈签字〉")
    assert said(looped(loop, condition), rule)


@pytest.mark.parametrize(
    ("loop", "condition"),
    [
        (COUNTED, "nrOfCompletedInstances = 2 and nrOfInstances = 3"),
        (COUNTED, "copies &gt; 1"),
        (REPEATED, "more"),
    ],
)
def test_what_a_repetition_itself_counts_is_known_there(loop, condition):
    assert said(looped(loop, condition), *EXPRESSIONS, "data-read-before-write") == []


def test_what_a_repetition_gathers_is_known_to_its_condition():
    inside = (
        "<loopDataInputRef>people</loopDataInputRef><loopDataOutputRef>votes</loopDataOutputRef>"
        '<inputDataItem id="person" /><outputDataItem id="copies" />'
        "<completionCondition>{}</completionCondition>"
    )
    loop = "multiInstanceLoopCharacteristics", inside
    assert said(looped(loop, "count(votes) &gt;= 2"), *EXPRESSIONS) == []
    assert said(looped(loop, "count(vote) &gt;= 2"), "unknown-variable")


def test_the_number_of_a_repetition_names_what_is_known():
    step = (
        '<userTask id="Task_a" name="签字"><multiInstanceLoopCharacteristics>'
        "<loopCardinality>{}</loopCardinality></multiInstanceLoopCharacteristics></userTask>"
    )
    assert said(START + step.format("copies") + FORM, *EXPRESSIONS) == []
    assert said(START + step.format("copys") + FORM, *EXPRESSIONS)[0][0] == "Task_a"
    assert said(START + step.format("${copies}") + FORM, *EXPRESSIONS, "loop-cardinality-invalid") == [
        ("Task_a", "〈签字〉要重复的次数“${copies}”不是从 1 起的整数。")
    ]


def chosen(condition: str, flow: str = 'id="Flow_1" name="多"', id: str = "") -> str:
    return (
        f'{START}<exclusiveGateway id="Gateway_a" name="多不多？" /><endEvent id="End_a" name="办完" />'
        f'<sequenceFlow {flow} sourceRef="Gateway_a" targetRef="End_a">'
        f"<conditionExpression {id}>{condition}</conditionExpression></sequenceFlow>{FORM}"
    )


@pytest.mark.parametrize("id", ["", 'id="Condition_1"'])
def test_one_mistake_in_a_condition_is_said_once(id):
    for condition, rule in (
        ("${copies &gt; 10}", "expression-language"),
        ("copies &gt;&gt; 10", "expression-syntax"),
        ("copies + 1", "expression-not-boolean"),
        ("copys &gt; 1", "unknown-variable"),
        ("true", "constant-condition"),
    ):
        found = said(chosen(condition, id=id), *EXPRESSIONS, "constant-condition")
        assert [element for element, _ in found] == ["Flow_1"] and said(chosen(condition, id=id), rule) == found, (
            condition,
            found,
        )


def test_a_text_that_looks_foreign_is_a_text():
    assert said(chosen('people = "${x}"'), *EXPRESSIONS) == []


def test_a_flow_without_a_name_is_called_once():
    ((_, message),) = said(chosen("copys = 1", 'id="Flow_1"'), "unknown-variable")
    assert message.startswith("箭头 Flow_1的条件用了 copys")


def test_a_brace_alone_is_no_foreign_expression():
    ((_, message),) = said(chosen("{ a: copies }.a &gt; 10"), *EXPRESSIONS)
    assert "花括号" in message and "${" not in message
    ((_, message),) = said(chosen("$copies &gt; 10"), *EXPRESSIONS)
    assert "不写 $" in message


def beside(loop: str) -> str:
    steps = "".join(f'<userTask id="Task_{name}" name="{name}">{loop}</userTask>' for name in "ab")
    ways = "".join(f'<sequenceFlow id="Flow_{n}" sourceRef="Gateway_s" targetRef="Task_{n}" />' for n in "ab")
    ends = "".join(f'<sequenceFlow id="Flow_{n}_j" sourceRef="Task_{n}" targetRef="Gateway_j" />' for n in "ab")
    return f'<parallelGateway id="Gateway_s" />{steps}<parallelGateway id="Gateway_j" />{ways}{ends}'


REPEATING = '<multiInstanceLoopCharacteristics camunda:collection="people" {}>{}</multiInstanceLoopCharacteristics>'


def test_only_what_lasts_can_be_overwritten_in_parallel():
    for attribute, inside in (
        ("", ""),
        ('camunda:elementVariable=""', ""),
        ('camunda:elementVariable="person"', ""),
        ("", '<inputDataItem id="person" />'),
        ("", "<loopDataOutputRef/>"),
    ):
        assert said(beside(REPEATING.format(attribute, inside)), "data-overwritten-in-parallel") == []
    ((_, message),) = said(
        beside(REPEATING.format("", "<loopDataOutputRef>votes</loopDataOutputRef>")), "data-overwritten-in-parallel"
    )
    assert "都写 votes，" in message


def test_a_call_that_hands_on_everything_writes_no_nameless_data():
    calls = beside('<extensionElements><camunda:in variables="all" /></extensionElements>').replace(
        "userTask", "callActivity"
    )
    assert said(calls, "data-overwritten-in-parallel") == []


def test_the_condition_of_an_ad_hoc_sub_process_is_no_repetition():
    example = (
        '<adHocSubProcess id="Sub_a" name="随便"><completionCondition>done()</completionCondition></adHocSubProcess>'
    )
    assert said(example, *EXPRESSIONS) == []


def test_a_condition_in_a_programming_language_is_a_program():
    for loop in (COUNTED, REPEATED):
        example = looped(loop, "more").replace("Condition>more", 'Condition language="groovy">more')
        assert said(example, "script-forbidden") == [("Task_a", "〈签字〉有用 groovy 写的条件，流程图里不允许有程序。")]
