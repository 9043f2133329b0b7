"""What lint says of files of other software: what is not run is named once, in Chinese, with a way to mend it."""

from __future__ import annotations

import re

import pytest

from engine.bpmn.content_model import CONTENT_MODEL
from engine.bpmn.document import BPMN
from engine.bpmn.lint import lint
from engine.bpmn.package import read_file, read_files
from engine.bpmn.rules import instead, subject
from tests.bpmn.rule_examples import package_of
from tests.bpmn.test_lint import WORLD, check_shape

#: everything the standard has beside what lint looks into: what is not run has a word for people all the same
NOT_RUN = (
    "choreography choreographyTask subChoreography callChoreography globalChoreographyTask conversation "
    "globalConversation subConversation callConversation conversationLink conversationAssociation "
    "participantAssociation messageFlowAssociation correlationKey correlationProperty correlationSubscription "
    "participantMultiplicity globalTask globalUserTask globalManualTask globalBusinessRuleTask globalScriptTask "
    "implicitThrowEvent resourceRole performer humanPerformer potentialOwner rendering ioSpecification ioBinding "
    "dataInput dataOutput inputSet outputSet assignment transformation complexBehaviorDefinition transaction "
    "adHocSubProcess complexGateway childLaneSet messageFlow"
).split()


def found_in(example: str, *rules: str) -> list:
    found = lint(package_of(example)[0], WORLD)
    check_shape(found)
    return [each for each in found if each.rule in rules]


def found_in_file(content: str) -> list:
    found = lint(read_files("trial", "", {"trial.bpmn": content.encode()}), WORLD)
    check_shape(found)
    return found


@pytest.mark.parametrize("tag", NOT_RUN)
def test_what_is_not_run_has_a_chinese_name(tag):
    assert re.search("[\u4e00-\u9fff]", subject._KINDS[tag])


def test_what_to_draw_instead_differs_by_what_is_drawn():
    hints = {tag: instead.of_element(tag) for tag in NOT_RUN}
    assert {hints["messageFlow"], hints["potentialOwner"], hints["ioSpecification"], hints["childLaneSet"]}.isdisjoint(
        {instead.DELETE}
    )
    assert len(set(hints.values())) > 10
    assert all(tag in CONTENT_MODEL for tag in instead._OF_EVENTS)


@pytest.mark.parametrize(
    ("written", "about"),
    [
        ('flowable:assignee="${initiator}"', "泳道"),
        ('activiti:dueDate="P3D"', "期限"),
        ('operaton:formKey="a"', "表单"),
        ('camunda:taskPriority="5"', "连接器"),
        ('drools:ruleFlowGroup="a"', "决策表"),
        ('flowable:calledElementVersion="2"', "calledElement"),
        ('pm:screenRef="7"', "删去"),
    ],
)
def test_a_setting_of_another_engine_is_not_obeyed_and_the_mend_is_about_it(written, about):
    spaces = (
        'xmlns:flowable="http://flowable.org/bpmn" xmlns:activiti="http://activiti.org/bpmn" '
        'xmlns:operaton="http://operaton.org/schema/1.0/bpmn" xmlns:drools="http://www.jboss.org/drools" '
        'xmlns:pm="http://processmaker.com/BPMN/2.0/Schema.xsd"'
    )
    (found,) = found_in(f'<userTask id="Task_a" name="办" {spaces} {written} />', "ignored-attribute")
    assert found.severity == "error"
    assert about in found.hint
    assert found.fixable


def test_what_the_modeler_of_jbpm_writes_everywhere_is_no_fault_but_its_programs_are():
    step = (
        '<userTask id="Task_a" name="办" xmlns:drools="http://www.jboss.org/drools" drools:selectable="true">'
        '<extensionElements><drools:metaData name="elementname"><drools:metaValue>办</drools:metaValue>'
        "</drools:metaData>{}</extensionElements></userTask>"
    )
    assert found_in(step.format(""), "ignored-attribute") == []
    for lost in (
        "<drools:onEntry-script><drools:script>go()</drools:script></drools:onEntry-script>",
        '<drools:metaData name="customSLADueDate"><drools:metaValue>2d</drools:metaValue></drools:metaData>',
    ):
        assert len(found_in(step.format(lost), "ignored-attribute")) == 1


@pytest.mark.parametrize(
    ("inside", "rule"),
    [
        ("<spiff:preScript>x = 1</spiff:preScript>", "script-forbidden"),
        ('<spiff:serviceTaskOperator id="http/Get" />', "script-forbidden"),
        ("<spiff:instructionsForEndUser>请看</spiff:instructionsForEndUser>", "ignored-attribute"),
        ('<spiff:properties><spiff:property name="a" value="b" /></spiff:properties>', "ignored-attribute"),
    ],
)
def test_only_a_program_of_spiffworkflow_is_called_one(inside, rule):
    step = (
        '<userTask id="Task_a" name="办" xmlns:spiff="http://spiffworkflow.org/bpmn/schema/1.0/core">'
        f"<extensionElements>{inside}</extensionElements></userTask>"
    )
    found = found_in(step, "script-forbidden", "ignored-attribute", "engine-refuses")
    assert [each.rule for each in found] == [rule]


@pytest.mark.parametrize(
    ("mapping", "lost"),
    [
        ('businessKey="${order.id}"', ["businessKey"]),
        ('businessKey="#{execution.processBusinessKey}"', []),
        ('variables="all" local="true"', ["local"]),
        ('variables="all" local="false"', []),
    ],
)
def test_what_a_call_hands_on_in_vain_is_named(mapping, lost):
    call = (
        '<callActivity id="Call_a" name="调" calledElement="notice"><extensionElements>'
        f"<camunda:in {mapping} /></extensionElements></callActivity>"
    )
    assert [each.message.split()[-2] for each in found_in(call, "ignored-attribute")] == lost


@pytest.mark.parametrize(
    ("example", "rule"),
    [
        (
            '<userTask id="Task_a" name="办" /><boundaryEvent id="Event_a" name="等" attachedToRef="Task_a" />',
            "boundary-no-definition",
        ),
        (
            '<intermediateThrowEvent id="Event_a"><linkEventDefinition name="" /></intermediateThrowEvent>'
            '<intermediateCatchEvent id="Event_b"><linkEventDefinition name="" /></intermediateCatchEvent>',
            "link-event",
        ),
    ],
)
def test_one_mistake_is_one_error(example, rule):
    about = ("unsupported-element", "engine-refuses", rule)
    by_element: dict[str, list[str]] = {}
    for each in found_in(example, *about):
        by_element.setdefault(each.element, []).append(each.rule)
    assert by_element
    assert all(rules == [rule] for rules in by_element.values())


def test_a_choreography_is_refused_as_a_whole():
    inside = (
        '<participant id="A" name="甲" /><participant id="B" name="乙" /><startEvent id="S" />'
        '<choreographyTask id="T" initiatingParticipantRef="A"><participantRef>A</participantRef></choreographyTask>'
        '<exclusiveGateway id="G" /><sequenceFlow id="F" sourceRef="S" targetRef="T" />'
        '<sequenceFlow id="F2" sourceRef="T" targetRef="G" />'
    )
    found = found_in_file(
        f'<definitions xmlns="{BPMN}"><choreography id="C" name="问答">{inside}</choreography></definitions>'
    )
    assert {(each.rule, each.element) for each in found if each.element} == {("unsupported-element", "C")}
    assert "编排图" in next(each.message for each in found if each.element == "C")


def test_a_flow_to_a_step_that_is_refused_is_not_called_wrong():
    flow = (
        '<userTask id="Task_a" name="办" /><implicitThrowEvent id="Event_a" name="抛" />'
        '<sequenceFlow id="Flow_1" sourceRef="Task_a" targetRef="Event_a" />'
    )
    found = found_in(flow, "artifact-flow", "dangling-reference", "unsupported-element", "engine-refuses")
    assert [(each.rule, each.element) for each in found] == [("unsupported-element", "Event_a")]


def test_partners_and_end_points_are_declared_without_effect():
    declared = (
        '<process id="trial" /><partnerRole id="R" name="供货商"><participantRef>P</participantRef></partnerRole>'
        '<partnerEntity id="E" name="某公司" /><endPoint id="W" />'
    )
    assert found_in(declared, "unsupported-element", "schema-invalid") == []


def test_a_blank_line_before_the_first_line_is_said_so():
    (found,) = found_in_file(f'\n<?xml version="1.0" encoding="UTF-8"?>\n<definitions xmlns="{BPMN}" />')
    assert (found.rule, found.line) == ("xml-not-well-formed", 2)
    assert "最开头" in found.message


def test_a_draft_of_bpmn_is_told_from_bpmn_by_its_namespace():
    (found,) = found_in_file('<definitions xmlns="http://schema.omg.org/spec/BPMN/2.0" />')
    assert found.rule == "not-bpmn"
    assert "http://schema.omg.org/spec/BPMN/2.0" in found.message


def test_shapes_on_one_spot_are_both_found_under_the_name_bpmnlint_has_for_it():
    shapes = "".join(
        f'<bpmndi:BPMNShape id="{id}_di" bpmnElement="{id}"><dc:Bounds x="{x}" y="80" width="100" height="80" />'
        "</bpmndi:BPMNShape>"
        for id, x in (("Task_a", 100), ("Task_b", 150))
    )
    content = (
        f'<definitions xmlns="{BPMN}" xmlns:bpmndi="http://www.omg.org/spec/BPMN/20100524/DI" '
        'xmlns:dc="http://www.omg.org/spec/DD/20100524/DC"><process id="trial"><userTask id="Task_a" />'
        '<userTask id="Task_b" /></process><bpmndi:BPMNDiagram id="D"><bpmndi:BPMNPlane id="P" bpmnElement="trial">'
        f"{shapes}</bpmndi:BPMNPlane></bpmndi:BPMNDiagram></definitions>"
    )
    named = [each for each in found_in_file(content) if "no-overlapping-elements" in (each.rule, *each.aliases)]
    assert {each.element for each in named} == {"Task_a", "Task_b"}


@pytest.mark.parametrize(
    ("name", "content", "rules"),
    [
        (
            "a.bpmn20.xml",
            f'<definitions xmlns="{BPMN}"><process id="a" /></definitions>',
            {"not-bpmn", "process-empty"},
        ),
        ("a.BPMN", f'<definitions xmlns="{BPMN}"><process id="a" /></definitions>', {"not-bpmn", "process-empty"}),
        ("a.DMN", "<definitions />", {"not-bpmn", "decision-invalid"}),
        ("a.Form", "[]", {"not-bpmn", "form-invalid"}),
        ("a.txt", "", {"not-bpmn", "not-xml"}),
        (".a.bpmn", "", {"not-bpmn", "not-xml"}),
    ],
)
def test_a_file_with_another_ending_is_looked_into_and_told_that_it_is_not_read(tmp_path, name, content, rules):
    (tmp_path / name).write_text(content)
    found = lint(read_file(tmp_path / name), WORLD)
    check_shape(found)
    assert rules <= {each.rule for each in found if each.file == name}


@pytest.mark.parametrize("loop", ["<loopDataInputRef>list</loopDataInputRef>", 'behavior="One"'])
def test_a_missing_form_on_the_same_line_hides_nothing(loop):
    attribute, child = ("", loop) if loop.startswith("<") else (loop, "")
    step = (
        f'<userTask id="Task_a" name="签字"><multiInstanceLoopCharacteristics {attribute}>'
        f"<loopCardinality>3</loopCardinality>{child}</multiInstanceLoopCharacteristics></userTask>"
    )
    rules = {each.rule for each in found_in(step, "form-missing", "engine-refuses")}
    assert rules == {"form-missing", "engine-refuses"}


@pytest.mark.parametrize(
    ("drawn", "declared"),
    [
        (
            '<dataObject id="There" /><dataObjectReference id="Data_a" name="材料" dataObjectRef="{}" />',
            '<dataStore id="Other" />',
        ),
        ('<dataStoreReference id="Data_a" name="台账" dataStoreRef="{}" />', '<dataStore id="There" />'),
        (
            '<group id="Group_a" categoryValueRef="{}" />',
            '<category id="C"><categoryValue id="There" value="一" /></category>',
        ),
    ],
)
def test_what_is_drawn_for_people_refers_to_what_is_there(drawn, declared):
    for wanted, number in (("There", 0), ("Gone", 1)):
        example = f'<process id="trial">{drawn.format(wanted)}</process>{declared}'
        assert len(found_in(example, "dangling-reference")) == number


@pytest.mark.parametrize("value", ["true", "1", "false", "0"])
def test_only_a_flow_that_is_not_immediate_is_refused(value):
    flow = (
        '<userTask id="Task_a" name="办" /><userTask id="Task_b" name="审" />'
        f'<sequenceFlow id="Flow_1" sourceRef="Task_a" targetRef="Task_b" isImmediate="{value}" />'
    )
    assert bool(found_in(flow, "unsupported-element")) is (value in ("false", "0"))


def test_text_between_the_elements_is_lost_and_said_so():
    (found,) = found_in('<userTask id="Task_a" name="办" />\n顺便说一句<!-- 不算 -->', "schema-invalid")
    assert (found.rule, found.element) == ("schema-invalid", "trial")
    assert "顺便说一句" in found.message
    assert found_in('<userTask id="Task_a" name="办"><!-- 不算 --></userTask>', "schema-invalid") == []


def test_two_times_are_not_called_none():
    times = "<timeDate>2026-11-20</timeDate><timeDuration>P3D</timeDuration>"
    timer = f"<timerEventDefinition>{times}</timerEventDefinition>"
    event = f'<intermediateCatchEvent id="Event_a">{timer}</intermediateCatchEvent>'
    (found,) = found_in(event, "timer-invalid", "engine-refuses")
    assert "写了 2 个时间" in found.message


def test_an_event_is_not_sent_to_a_kind_that_is_refused_too():
    (found,) = found_in(
        '<intermediateCatchEvent id="Event_a" name="等"><errorEventDefinition /></intermediateCatchEvent>',
        "event-type-not-allowed-here",
    )
    assert "消息" in found.hint
    assert "条件" not in found.hint


def test_what_stands_in_a_wrong_place_is_said_once():
    flow = (
        '<userTask id="Task_a" name="办" /><userTask id="Task_b" name="审" />'
        '<sequenceFlow id="Flow_1" sourceRef="Task_a" targetRef="Task_b"><condition>x</condition></sequenceFlow>'
    )
    found = found_in(flow, "schema-invalid", "unsupported-element", "engine-refuses")
    assert [each.rule for each in found] == ["schema-invalid"]


def test_a_process_without_an_id_is_said_once():
    found = found_in('<process name="事项" isExecutable="true" />', "id-missing", "id-invalid")
    assert [(each.rule, each.message) for each in found] == [("id-missing", "〈事项〉没有编号（id）。")]


def test_ids_that_are_there_twice_do_not_make_flows_cross_a_border():
    inside = '<startEvent id="S" /><endEvent id="E" /><sequenceFlow id="{}" sourceRef="S" targetRef="E" />'
    process = inside.format("F1") + f'<subProcess id="P">{inside.format("F2")}</subProcess>'
    assert {each.rule for each in found_in(process, "duplicate-id", "flow-crosses-scope")} == {"duplicate-id"}


def test_a_boundary_event_that_leads_nowhere_is_disconnected_too():
    event = (
        '<userTask id="Task_a" name="办" /><boundaryEvent id="Event_a" name="超时" attachedToRef="Task_a">'
        "<timerEventDefinition><timeDuration>P3D</timeDuration></timerEventDefinition></boundaryEvent>"
    )
    found = lint(package_of(event)[0], WORLD)
    assert any(each.element == "Event_a" and "no-disconnected" in each.aliases for each in found)


def test_lanes_without_a_name_are_called_by_their_id():
    lanes = "".join(f'<lane id="{id}"><flowNodeRef>Task_a</flowNodeRef></lane>' for id in ("Lane_1", "Lane_2"))
    process = f'<laneSet id="Lanes">{lanes}</laneSet><userTask id="Task_a" name="办" />'
    (found,) = found_in(process, "node-in-lane")
    assert "泳道 Lane_1、泳道 Lane_2" in found.message


def test_what_an_event_holds_has_a_chinese_name():
    step = '<userTask id="Task_a" name="办"><errorEventDefinition /></userTask>'
    (found,) = found_in(step, "schema-invalid")
    assert found.message.startswith("一个错误事件的内容放在用户任务〈办〉里")


def test_a_blank_event_at_the_edge_is_not_said_to_come_too_late():
    step = '<startEvent id="S" /><manualTask id="Task_a" /><boundaryEvent id="Event_a" attachedToRef="Task_a" />'
    flow = '<sequenceFlow id="F" sourceRef="S" targetRef="Task_a" />'
    found = [
        each for each in found_in(step + flow, "dead-activity", "boundary-no-definition") if each.element == "Event_a"
    ]
    assert [each.rule for each in found] == ["boundary-no-definition"]


def test_a_condition_in_another_language_is_mended_by_a_condition():
    condition = '<conditionExpression language="http://www.w3.org/1999/XPath">a</conditionExpression>'
    step = '<userTask id="Task_a" name="办" /><userTask id="Task_b" name="审" />'
    flow = f'<sequenceFlow id="F" sourceRef="Task_a" targetRef="Task_b">{condition}</sequenceFlow>'
    (found,) = found_in(step + flow, "script-forbidden")
    assert "copies > 10" in found.hint


def flow(source: str, target: str) -> str:
    return f'<sequenceFlow id="{source}_{target}" sourceRef="{source}" targetRef="{target}" />'


MESSAGE = '<messageEventDefinition messageRef="M" />'
DEFINED = (
    '<message id="M" name="papers" /><messageEventDefinition id="MD" messageRef="M" />'
    '<terminateEventDefinition id="TD" /><error id="R" name="no" errorCode="no" />'
    '<errorEventDefinition id="ED" errorRef="R" />'
)
LINE = '<startEvent id="S" /><userTask id="T" /><endEvent id="E" />' + flow("S", "T")
BESIDE = (
    LINE
    + flow("T", "E")
    + f'<boundaryEvent id="B" attachedToRef="T" cancelActivity="false">{MESSAGE}</boundaryEvent>'
    + '<userTask id="U" />'
    + flow("B", "U")
    + flow("U", "E")
)
REACTION = (
    LINE
    + flow("T", "E")
    + '<subProcess id="P" triggeredByEvent="true"><startEvent id="X" isInterrupting="false">'
    + f'{MESSAGE}</startEvent><userTask id="Y" /><endEvent id="Z" />{flow("X", "Y")}{flow("Y", "Z")}</subProcess>'
)
STOPPED = LINE + flow("T", "E") + '<endEvent id="F"><terminateEventDefinition /></endEvent>' + flow("S", "F")
THROWN = (
    '<startEvent id="S" /><endEvent id="E" /><subProcess id="P"><startEvent id="X" /><userTask id="Y" />'
    '<endEvent id="Z"><errorEventDefinition errorRef="R" /></endEvent>'
    + flow("X", "Y")
    + flow("Y", "Z")
    + '</subProcess><boundaryEvent id="B" attachedToRef="P"><errorEventDefinition errorRef="R" /></boundaryEvent>'
    + flow("S", "P")
    + flow("P", "E")
    + flow("B", "E")
)
EITHER = (
    '<startEvent id="S" /><eventBasedGateway id="G" /><endEvent id="E" />'
    f'<intermediateCatchEvent id="C">{MESSAGE}</intermediateCatchEvent><intermediateCatchEvent id="D">'
    "<timerEventDefinition><timeDuration>P3D</timeDuration></timerEventDefinition></intermediateCatchEvent>"
    + flow("S", "G")
    + flow("G", "C")
    + flow("G", "D")
    + flow("C", "E")
    + flow("D", "E")
)
LINKED = (
    LINE
    + flow("T", "A")
    + flow("B", "E")
    + '<intermediateThrowEvent id="A"><linkEventDefinition name="下一页" /></intermediateThrowEvent>'
    + '<intermediateCatchEvent id="B"><linkEventDefinition name="下一页" /></intermediateCatchEvent>'
)


@pytest.mark.parametrize(
    ("usual", "old", "new"),
    [
        (BESIDE, '"false"', '"0"'),
        (BESIDE, '"false"', '" false "'),
        (BESIDE, MESSAGE, "<eventDefinitionRef>MD</eventDefinitionRef>"),
        (BESIDE, MESSAGE, "<eventDefinitionRef>\n  t:MD\n</eventDefinitionRef>"),
        (BESIDE, 'attachedToRef="T"', 'attachedToRef="t:T"'),
        (BESIDE, 'messageRef="M"', 'messageRef="t:M"'),
        (REACTION, '"true"', '"1"'),
        (REACTION, '"false"', '"0"'),
        (REACTION, MESSAGE, "<eventDefinitionRef>MD</eventDefinitionRef>"),
        (STOPPED, "<terminateEventDefinition />", "<eventDefinitionRef>TD</eventDefinitionRef>"),
        (THROWN, '<errorEventDefinition errorRef="R" />', "<eventDefinitionRef>ED</eventDefinitionRef>"),
        (EITHER, MESSAGE, "<eventDefinitionRef>MD</eventDefinitionRef>"),
        (LINKED, 'name="下一页" /></intermediateThrowEvent>', 'name=" 下一页" /></intermediateThrowEvent>'),
    ],
)
def test_what_the_standard_spells_in_several_ways_is_judged_alike(usual, old, new):
    assert old in usual
    said = []
    for process in (usual, usual.replace(old, new)):
        found = found_in_file(
            f'<definitions xmlns="{BPMN}" xmlns:t="urn:t" targetNamespace="urn:t">{DEFINED}'
            f'<process id="trial" isExecutable="true">{process}</process></definitions>'
        )
        said.append({(each.rule, each.element, each.message) for each in found})
    assert said[0] == said[1]


def test_a_bulky_definition_is_not_copied_into_every_event():
    events = "".join(
        f'<startEvent id="S{number}"><eventDefinitionRef>MD</eventDefinitionRef></startEvent>'
        for number in range(1_000)
    )
    bulky = f'<messageEventDefinition id="MD">{"<documentation />" * 9_000}</messageEventDefinition>'
    found = found_in_file(f'<definitions xmlns="{BPMN}">{bulky}<process id="trial">{events}</process></definitions>')
    assert any(each.severity == "error" for each in found)


def test_a_definition_that_is_not_there_is_missed():
    event = '<startEvent id="S"><eventDefinitionRef>Gone</eventDefinitionRef></startEvent>'
    (found,) = found_in(event, "dangling-reference")
    assert "Gone" in found.message


def test_an_attribute_with_the_prefix_of_bpmn_is_not_read():
    event = (
        f'<userTask id="Task_a" name="办" /><boundaryEvent xmlns:b="{BPMN}" id="Event_a" name="超时" '
        'attachedToRef="Task_a" b:cancelActivity="false"><timerEventDefinition><timeDuration>P3D</timeDuration>'
        "</timerEventDefinition></boundaryEvent>"
    )
    (found,) = found_in(event, "schema-invalid")
    assert found.hint == '请去掉前缀，只写 cancelActivity="…"。'


def test_what_a_file_says_does_not_steer_a_terminal():
    step = '<userTask id="Task_a" name="办&#x9b;31m&#x202e;事&#10;项" />'
    found = found_in(step, "no-disconnected", "naming-convention")
    assert found
    assert all(each.message.isprintable() for each in found)
    assert any("办31m事 项" in each.message for each in found)


def test_executable_may_have_white_space_around_it():
    assert found_in('<process id="trial" isExecutable=" 1 " />', "process-not-executable", "schema-invalid") == []
