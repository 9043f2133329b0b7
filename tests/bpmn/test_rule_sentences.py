"""What lint says of diagrams that other software drew: each mistake once, at its place, in words people know."""

from __future__ import annotations

import re

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


MESSAGE = '<messageEventDefinition id="Definition_1" {} />'


@pytest.mark.parametrize(
    ("element", "word"),
    [
        ('<sendTask id="Node_a" name="甲" {} />', "发"),
        ('<receiveTask id="Node_a" name="甲" {} />', "等"),
        (f'<intermediateThrowEvent id="Node_a" name="甲">{MESSAGE}</intermediateThrowEvent>', "发"),
        (f'<endEvent id="Node_a" name="甲">{MESSAGE}</endEvent>', "发"),
        (f'<intermediateCatchEvent id="Node_a" name="甲">{MESSAGE}</intermediateCatchEvent>', "等"),
    ],
)
def test_who_sends_a_message_is_not_told_that_it_waits(element, word):
    about = "message-ref-missing", "engine-refuses"
    assert said(element.format(""), *about) == [("Node_a", f"〈甲〉没有写{word}哪个消息。")]
    gone = said(element.format('messageRef="Gone"'), *about)
    assert gone == [("Node_a", f"〈甲〉{word}的消息 Gone 不存在。")]
    process = f'<process id="trial">{element}</process><message id="Message_a" />'
    assert said(process.format('messageRef="Message_a"'), "message-ref-missing") == [
        ("Message_a", f"〈甲〉{word}的消息 Message_a 没有名称。")
    ]


def test_a_signal_at_the_edge_of_a_step_is_named():
    step = (
        '<subProcess id="Sub_a" name="办" /><boundaryEvent id="Boundary_a" name="汛情" attachedToRef="Sub_a">'
        '<signalEventDefinition id="Definition_1" /></boundaryEvent>'
    )
    assert said(step, "signal-ref", "engine-refuses") == [("Boundary_a", "〈汛情〉没有写是哪个信号。")]


REACTION = (
    '<subProcess id="Sub_a" triggeredByEvent="true">'
    '<startEvent id="Start_a" name="甲"><messageEventDefinition messageRef="M" /></startEvent>'
    '<startEvent id="Start_b" name="乙"><messageEventDefinition messageRef="M" /></startEvent></subProcess>'
)


def test_what_a_rule_has_said_of_a_place_the_fallback_does_not_repeat():
    about = "event-sub-process-typed-start-event", "engine-refuses"
    assert said(REACTION, *about) == [("Start_b", "事件子流程 Sub_a里有 2 个开始事件。")]
    for scope in ("adHocSubProcess", "transaction"):
        inside = '<userTask id="Task_a" name="办"><ioSpecification id="Io_1" /></userTask>'
        found = said(f'<{scope} id="Sub_a" name="随便">{inside}</{scope}>', "unsupported-element", "engine-refuses")
        assert [element for element, _ in found] == ["Sub_a"]


DECLARED = """<itemDefinition id="Item_1" structureRef="String" itemKind="Information" />
<relationship type="BPSimData"><source>trial</source><target>trial</target></relationship>
<interface id="Interface_1" name="窗口"><operation id="Operation_1" name="收件">
  <inMessageRef>Message_1</inMessageRef><outMessageRef>Message_1</outMessageRef><errorRef>Error_1</errorRef>
</operation></interface>
<resource id="Resource_1" name="村文书"><resourceParameter id="Parameter_1" name="级别" type="Item_1" /></resource>
<message id="Message_1" name="apply" itemRef="Item_1" /><error id="Error_1" name="错" errorCode="no" />
"""


def test_a_declaration_that_does_nothing_is_no_fault():
    process = (
        '<process id="trial"><auditing /><monitoring /><supportedInterfaceRef>Interface_1</supportedInterfaceRef>'
        '<startEvent id="Start_a" name="申请"><messageEventDefinition messageRef="Message_1" /></startEvent></process>'
    )
    assert said(process + DECLARED, "unsupported-element", "engine-refuses", "schema-invalid") == []
    watched = process.replace("<auditing />", "<auditing><extensionElements><x /></extensionElements></auditing>")
    assert said(watched + DECLARED, "unsupported-element")
    named = '<collaboration id="C"><correlationKey id="Key_1" name="谁的" /></collaboration>'
    assert said(process + DECLARED + named, "unsupported-element") == [
        ("Key_1", "〈谁的〉是消息对号的依据，这里不支持，画了也不会执行。")
    ]


@pytest.mark.parametrize(
    ("example", "rule", "message"),
    [
        (
            '<intermediateThrowEvent id="Event_a"><cancelEventDefinition /></intermediateThrowEvent>',
            "event-type-not-allowed-here",
            "中间事件 Event_a不能是取消事件。",
        ),
        (
            '<subProcess id="Sub_a" triggeredByEvent="true" /><userTask id="Task_a" name="办" />'
            '<sequenceFlow id="Flow_1" sourceRef="Task_a" targetRef="Sub_a" />',
            "event-sub-process-flow",
            "事件子流程 Sub_a接了箭头，它只由里面的开始事件来启动。",
        ),
        (
            '<intermediateCatchEvent id="Event_a" name="等"><messageEventDefinition messageRef="M" />'
            '<messageEventDefinition messageRef="N" /></intermediateCatchEvent>',
            "single-event-definition",
            "中间事件〈等〉写了 2 个消息。",
        ),
        (
            '<userTask id="Task_a" name="办" default="Task_a" />',
            "dangling-reference",
            "〈办〉指向的用户任务〈办〉不是箭头。",
        ),
        (
            '<laneSet id="Lanes"><lane id="Lane_a" name="村文书"><flowNodeRef>Data_a</flowNodeRef></lane></laneSet>'
            '<dataObject id="Data_a" name="材料" />',
            "dangling-reference",
            "〈村文书〉指向的数据对象〈材料〉不是步骤。",
        ),
        (
            '<userTask id="Task_a" name="办"><ioSpecification id="Io_1" /></userTask>',
            "unsupported-element",
            "输入输出定义 Io_1这里不支持，画了也不会执行。",
        ),
        (
            '<userTask id="Task_a" name="办"><ioSpecification /></userTask>',
            "unsupported-element",
            "〈办〉里有输入输出定义，这里不支持，写了也不起作用。",
        ),
        (
            '<userTask id="Task_a" name="办"><endPointRef /></userTask>',
            "unsupported-element",
            "〈办〉里有 endPointRef 这一项，这里不支持，写了也不起作用。",
        ),
        ('<transaction id="Sub_a" />', "unsupported-element", "事务子流程 Sub_a办到一半要一起退回，这里不支持。"),
        (
            '<adHocSubProcess id="Sub_a" name="随便" />',
            "unsupported-element",
            "特设子流程〈随便〉里面的步骤没有先后，这里不支持。",
        ),
        (
            '<adHocSubProcess id="Sub_a"><startEvent id="Start_a" name="始" /></adHocSubProcess>',
            "ad-hoc-sub-process",
            "特设子流程 Sub_a里有开始事件〈始〉，里面的步骤没有先后，不分开始和结束。",
        ),
        (
            '<complexGateway id="Gateway_a" />',
            "no-complex-gateway",
            "复杂网关 Gateway_a什么时候走哪一条图上看不出来，这里不支持。",
        ),
        (
            '<exclusiveGateway id="Gateway_a" name="多？" /><endEvent id="End_a" name="完" /><sequenceFlow id="Flow_1" '
            'sourceRef="Gateway_a" targetRef="End_a"><conditionExpression><documentation>为什么</documentation>'
            "</conditionExpression></sequenceFlow>",
            "condition-empty",
            "箭头 Flow_1的条件是空的。",
        ),
    ],
)
def test_a_sentence_says_each_thing_once_and_in_words_people_know(example, rule, message):
    assert [sentence for _, sentence in said(example, rule)] == [message]


def test_what_no_xml_reader_understands_is_said_in_chinese():
    ((_, message),) = said('<definitions xmlns="u" xmlns:.color="v" />', "xml-not-well-formed")
    assert not re.search("[a-z]{3}", message)
