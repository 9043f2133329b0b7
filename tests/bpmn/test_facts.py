"""Facts: what a diagram says about its item and its steps."""

from __future__ import annotations

import pytest

from engine.bpmn.facts import FactsError, read_facts
from engine.bpmn.package import read_files
from engine.model import Flow, LegalBasis, Material, RiskPoint, TimeLimit

HEAD = """<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"
 xmlns:camunda="http://camunda.org/schema/1.0/bpmn" xmlns:power="urn:sihua:power:1">"""

SEAL_USE = """
<process id="seal_use" name="用印" isExecutable="true">
<documentation>盖公章。</documentation>
<extensionElements>
<power:item code="E01" category="E" scope="证明" excludes="空白介绍信" publish="Po" promise="5wd" level="village"
 publicStart="true" applicant="applicant" applicantName="applicant_name" relatives="relatives" subject="=title"/>
<power:legalBasis law="村规" version="2026" article="全文" url="https://example.org" confirm="true"/>
<power:disclose fields="kind copies" level="village"/>
</extensionElements>
<laneSet id="Lanes">
<lane id="Lane_1" name="村文书"><flowNodeRef>Start_apply</flowNodeRef><flowNodeRef>Task_register</flowNodeRef>
<flowNodeRef>Gateway_complete</flowNodeRef></lane>
<lane id="Lane_2" name="申请人"><flowNodeRef>Boundary_withdraw</flowNodeRef>
<flowNodeRef>Receive_papers</flowNodeRef></lane>
</laneSet>
<endEvent id="End_refused"><errorEventDefinition errorRef="Error_refused"/></endEvent>
<endEvent id="End_done"/>
<endEvent id="End_withdrawn"/>
<task id="Task_lost"/>
<receiveTask id="Receive_papers" messageRef="Message_supplement">
<extensionElements><power:hold reason="等申请人补材料"/></extensionElements></receiveTask>
<serviceTask id="Service_enter" camunda:type="external" camunda:topic="register.enter"/>
<businessRuleTask id="Rule_refusal" camunda:decisionRef="seal_refusal"/>
<callActivity id="Call_meeting" calledElement="meeting"/>
<boundaryEvent id="Boundary_withdraw" attachedToRef="Task_register">
<messageEventDefinition messageRef="Message_withdraw"/></boundaryEvent>
<exclusiveGateway id="Gateway_complete" name="材料齐全？"/>
<userTask id="Task_register" name="登记核对" camunda:formKey="seal_register.form">
<documentation>看身份证。</documentation>
<documentation>一次说全。</documentation>
<extensionElements>
<power:legalBasis law="村规" article="第三条"/>
<power:material name="身份证" required="true" keep="see"/>
<power:material name="照片" required="false" kind="photo"/>
<power:timeLimit value="2" unit="wd"/>
<power:riskPoint grade="H" text="冒名" control="m2  m8"/>
<power:separate from="Start_apply Gateway_complete"/>
<power:disclose fields="kind"/>
</extensionElements></userTask>
<startEvent id="Start_apply" name="申请用印" camunda:formKey="seal_request.form"/>
<sequenceFlow id="Flow_1" sourceRef="Start_apply" targetRef="Task_register"/>
<sequenceFlow id="Flow_2" sourceRef="Boundary_withdraw" targetRef="End_withdrawn"/>
<sequenceFlow id="Flow_3" sourceRef="Task_register" targetRef="Gateway_complete"/>
<sequenceFlow id="Flow_4" name="齐全" sourceRef="Gateway_complete" targetRef="Call_meeting">
<conditionExpression> papers = "complete" </conditionExpression></sequenceFlow>
<sequenceFlow id="Flow_5" sourceRef="Gateway_complete" targetRef="Receive_papers"/>
<sequenceFlow id="Flow_6" sourceRef="Gateway_complete" targetRef="Rule_refusal"/>
<sequenceFlow id="Flow_7" sourceRef="Call_meeting" targetRef="Service_enter"/>
<sequenceFlow id="Flow_8" sourceRef="Service_enter" targetRef="End_done"/>
<sequenceFlow id="Flow_9" sourceRef="Receive_papers" targetRef="Task_register"/>
<sequenceFlow id="Flow_10" sourceRef="Rule_refusal" targetRef="End_refused"/>
</process>
<message id="Message_supplement" name="supplement"/>
<message id="Message_withdraw" name="withdraw"/>
<error id="Error_refused" name="不予用印" errorCode="=refusal.code"/>
"""


def facts_of(body: str, **others: str):
    files = {"seal_use.bpmn": f"{HEAD}{body}</definitions>".encode()}
    files |= {name: f"{HEAD}{text}</definitions>".encode() for name, text in others.items()}
    return read_facts(read_files("seal_use", "E01", files))


@pytest.fixture(scope="module")
def facts():
    return facts_of(SEAL_USE)


def test_the_item_is_read_from_the_process(facts):
    assert (facts.id, facts.name, facts.documentation) == ("seal_use", "用印", "盖公章。")
    assert (facts.code, facts.category, facts.publish, facts.level) == ("E01", "E", "Po", "village")
    assert (facts.scope, facts.excludes, facts.public_start) == ("证明", "空白介绍信", True)
    assert facts.promise == TimeLimit(5, "wd")
    assert (facts.applicant, facts.applicant_name, facts.relatives) == ("applicant", "applicant_name", "relatives")
    assert (facts.subject, facts.start_form) == ("=title", "seal_request.form")
    assert facts.legal_basis == (LegalBasis("村规", "2026", "全文", "https://example.org", confirm=True),)
    assert facts.disclose == ("kind", "copies")
    assert facts.lanes == ("村文书", "申请人")


def test_a_step_carries_everything_the_picture_says_about_it(facts):
    step = facts.activity("Task_register")
    assert (step.kind, step.name, step.lane, step.is_task) == ("userTask", "登记核对", "村文书", True)
    assert (step.form, step.documentation) == ("seal_register.form", "看身份证。\n\n一次说全。")
    assert step.legal_basis == (LegalBasis("村规", "", "第三条"),)
    assert step.materials == (Material("身份证", True, "see"), Material("照片", False, "copy", "photo"))
    assert step.time_limit == TimeLimit(2, "wd")
    assert step.risk_points == (RiskPoint("H", "冒名", ("m2", "m8")),)
    assert step.separate == ("Start_apply", "Gateway_complete")
    assert step.disclose == ("kind",)


def test_bindings_are_read_by_kind(facts):
    assert facts.activity("Service_enter").topic == "register.enter"
    assert facts.activity("Rule_refusal").decision == "seal_refusal"
    assert facts.activity("Call_meeting").called == "meeting"
    assert facts.activity("Receive_papers").message == "supplement"
    assert facts.activity("Receive_papers").hold == "等申请人补材料"
    assert facts.activity("End_refused").error_code == "=refusal.code"


def test_the_variable_of_an_answer_is_read_from_decisions_and_connectors():
    output = """<extensionElements><camunda:inputOutput>
    <camunda:inputParameter name="register">seal</camunda:inputParameter>
    <camunda:outputParameter name="entry">=result</camunda:outputParameter></camunda:inputOutput></extensionElements>"""
    facts = facts_of(f"""<process id="seal_use">
    <businessRuleTask id="Rule" camunda:decisionRef="seal_refusal" camunda:resultVariable="refusal"/>
    <serviceTask id="Service" camunda:topic="register.enter">{output}</serviceTask>
    <serviceTask id="Silent" camunda:topic="notify.send" camunda:resultVariable="ignored"/>
    <userTask id="Task" camunda:resultVariable="ignored">{output}</userTask></process>""")
    results = {activity.id: activity.result for activity in facts.activities}
    assert results == {"Rule": "refusal", "Service": "entry", "Silent": "", "Task": ""}


def test_a_flow_carries_its_own_legal_basis():
    facts = facts_of("""<process id="seal_use"><userTask id="A"/><userTask id="B"/>
    <sequenceFlow id="F1" sourceRef="A" targetRef="B"><extensionElements>
    <power:legalBasis law="村规" version="2026" article="第五条"/>
    <power:legalBasis law="通知" article="二" confirm="true"/>
    </extensionElements></sequenceFlow>
    <sequenceFlow id="F2" sourceRef="B" targetRef="A"/></process>""")
    told, silent = facts.flows
    assert told.legal_basis == (LegalBasis("村规", "2026", "第五条"), LegalBasis("通知", "", "二", confirm=True))
    assert silent.legal_basis == ()


def test_a_boundary_event_knows_host_message_and_its_own_lane(facts):
    event = facts.activity("Boundary_withdraw")
    assert (event.attached_to, event.message, event.lane) == ("Task_register", "withdraw", "申请人")


def test_the_order_follows_the_flows_and_not_the_file(facts):
    assert [activity.id for activity in facts.activities] == [
        "Start_apply",
        "Task_register",
        "Boundary_withdraw",
        "Gateway_complete",
        "Call_meeting",
        "Service_enter",
        "End_done",
        "Receive_papers",
        "Rule_refusal",
        "End_refused",
        "End_withdrawn",
        "Task_lost",
    ]
    assert [activity.position for activity in facts.activities] == list(range(12))


def test_flows_keep_the_order_of_the_file_with_their_conditions(facts):
    assert [flow.id for flow in facts.flows] == [f"Flow_{number}" for number in range(1, 11)]
    flow = facts.flows[3]
    assert flow == Flow("Flow_4", "Gateway_complete", "Call_meeting", "齐全", 'papers = "complete"', flow.line)


def test_lines_are_those_of_the_file(facts):
    lines = f"{HEAD}{SEAL_USE}".splitlines()
    step = facts.activity("Task_register")
    assert 'id="Task_register"' in lines[step.line - 1]


def test_steps_inside_a_sub_process_follow_it_and_share_its_lane():
    facts = facts_of("""<process id="seal_use">
    <laneSet id="L"><lane id="Lane_1" name="村文书"><flowNodeRef>Sub_1</flowNodeRef></lane></laneSet>
    <startEvent id="Start_1"/><endEvent id="End_1"/>
    <subProcess id="Sub_1"><endEvent id="End_in"/><startEvent id="Start_in"/>
    <sequenceFlow id="F3" sourceRef="Start_in" targetRef="End_in"/></subProcess>
    <sequenceFlow id="F1" sourceRef="Start_1" targetRef="Sub_1"/>
    <sequenceFlow id="F2" sourceRef="Sub_1" targetRef="End_1"/></process>""")
    assert [activity.id for activity in facts.activities] == ["Start_1", "Sub_1", "Start_in", "End_in", "End_1"]
    assert facts.activity("End_in").lane == "村文书"


def test_a_chain_longer_than_pythons_stack_is_ordered():
    count = 3_000
    nodes = "".join(f'<task id="T{n}"/>' for n in range(count))
    flows = "".join(f'<sequenceFlow id="F{n}" sourceRef="T{n}" targetRef="T{n + 1}"/>' for n in range(count - 1))
    facts = facts_of(f'<process id="seal_use">{nodes}{flows}</process>')
    assert [activity.id for activity in facts.activities] == [f"T{n}" for n in range(count)]


def test_a_loop_is_told_once():
    facts = facts_of("""<process id="seal_use"><startEvent id="S"/><task id="A"/><task id="B"/>
    <sequenceFlow id="F1" sourceRef="S" targetRef="A"/><sequenceFlow id="F2" sourceRef="A" targetRef="B"/>
    <sequenceFlow id="F3" sourceRef="B" targetRef="A"/></process>""")
    assert [activity.id for activity in facts.activities] == ["S", "A", "B"]


def test_what_is_not_said_is_empty_and_left_to_lint():
    facts = facts_of('<process id="seal_use"><userTask id="T"/><sequenceFlow/></process>')
    assert (facts.code, facts.category, facts.promise, facts.lanes) == ("E01", "", None, ())
    assert facts.activity("T").lane == ""
    assert facts.activity("T").time_limit is None


def test_dangling_references_raise_nothing():
    facts = facts_of("""<process id="seal_use"><receiveTask id="T" messageRef="nowhere"/>
    <endEvent id="E"><errorEventDefinition/></endEvent>
    <boundaryEvent id="B" attachedToRef="nowhere"/>
    <sequenceFlow id="F" sourceRef="T" targetRef="nowhere"/></process>""")
    assert facts.activity("T").message == ""
    assert facts.activity("E").error_code == ""
    assert {activity.id for activity in facts.activities} == {"T", "E", "B"}


def test_a_limit_may_be_a_parameter():
    facts = facts_of("""<process id="seal_use"><userTask id="T"><extensionElements>
    <power:timeLimit unit="d" param="seal.limit"/></extensionElements></userTask></process>""")
    assert facts.activity("T").time_limit == TimeLimit(None, "d", "seal.limit")


def test_what_is_said_by_reference_or_with_a_prefix_is_known():
    facts = facts_of("""<timerEventDefinition id="TD"><timeCycle>R/P1M</timeCycle></timerEventDefinition>
    <message id="M" name="withdraw"/><messageEventDefinition id="MD" messageRef="M"/>
    <process id="seal_use" xmlns:t="urn:t"><startEvent id="S"><eventDefinitionRef>TD</eventDefinitionRef></startEvent>
    <userTask id="T"/><boundaryEvent id="B" attachedToRef="t:T"><eventDefinitionRef>t:MD</eventDefinitionRef>
    </boundaryEvent></process>""")
    assert facts.activity("S").timer == "R/P1M"
    assert (facts.activity("B").message, facts.activity("B").attached_to) == ("withdraw", "T")


def test_of_several_processes_the_one_named_like_the_folder_counts():
    facts = facts_of('<process id="other" isExecutable="true"/><process id="seal_use"/>')
    assert facts.id == "seal_use"


def test_a_called_diagram_has_facts_of_its_own():
    called = f'{HEAD}<process id="meeting" name="开会"><userTask id="T"/></process></definitions>'.encode()
    main = f'{HEAD}<process id="seal_use"/></definitions>'.encode()
    package = read_files("seal_use", "E01", {"seal_use.bpmn": main, "common/meeting/meeting.bpmn": called})
    facts = read_facts(package, "common/meeting/meeting.bpmn")
    assert (facts.id, facts.name, facts.code) == ("meeting", "开会", "")
    assert facts.activity("T").is_task


def test_a_file_without_process_is_refused():
    with pytest.raises(FactsError) as caught:
        facts_of("<collaboration id='C'/>")
    # The root's tag has two lines; libxml2 counts where a tag ends.
    assert (caught.value.message, caught.value.line) == ("文件里没有流程。", 2)


@pytest.mark.parametrize("promise", ["5", "wd", "5 weeks", "-1wd", "五个工作日"])
def test_a_promise_that_cannot_be_read_is_refused_with_its_line(promise):
    with pytest.raises(FactsError) as caught:
        facts_of(f"""<process id="seal_use"><extensionElements>
        <power:item promise="{promise}"/></extensionElements></process>""")
    assert (caught.value.line, caught.value.element) == (3, "seal_use")
    assert promise in caught.value.message


@pytest.mark.parametrize("attributes", ['value="two"', 'value="2" unit="week"', ""])
def test_a_limit_that_cannot_be_read_is_refused_with_its_step(attributes):
    with pytest.raises(FactsError) as caught:
        facts_of(f"""<process id="seal_use"><userTask id="T"><extensionElements>
        <power:timeLimit {attributes}/></extensionElements></userTask></process>""")
    assert (caught.value.line, caught.value.element) == (3, "T")
