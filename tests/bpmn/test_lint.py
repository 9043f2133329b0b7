"""What lint says: nothing about a good package, one clear finding about each thing that would run wrongly."""

from __future__ import annotations

import io
import json
import os
import re
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from engine.bpmn.facts import read_facts
from engine.bpmn.lint import World
from engine.bpmn.lint import lint as all_findings
from engine.bpmn.package import Package, read_files, read_folder
from engine.connectors import REQUIRED_INPUTS
from engine.model import Finding

ROOT = Path(__file__).resolve().parents[2]
#: public diagrams beside the repository, no part of it
CORPORA = Path(os.environ.get("SIHUA_TEST_CORPORA", ROOT.parent / "shared" / "corpora"))

DIAGRAM = """<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"
    xmlns:bpmndi="http://www.omg.org/spec/BPMN/20100524/DI" xmlns:camunda="http://camunda.org/schema/1.0/bpmn"
    xmlns:power="urn:sihua:power:1" xmlns:zeebe="http://camunda.org/schema/zeebe/1.0"
    xmlns:xi="http://www.w3.org/2001/XInclude" id="Definitions_1" targetNamespace="urn:test">
  <collaboration id="Collaboration_1">
    <participant id="Participant_1" name="测试" processRef="trial" />
  </collaboration>
  <process id="trial" name="测试事项" isExecutable="true">
    <extensionElements>
      <power:item code="T01" category="T 测试" scope="都管" excludes="都不管"
        publish="P" promise="5wd" level="village" />
    </extensionElements>
    <laneSet id="LaneSet_1">
      <lane id="Lane_clerk" name="村文书">
        <flowNodeRef>Start_apply</flowNodeRef>
        <flowNodeRef>Task_register</flowNodeRef>
        <flowNodeRef>Boundary_withdraw</flowNodeRef>
        <flowNodeRef>Gateway_complete</flowNodeRef>
        <flowNodeRef>Receive_papers</flowNodeRef>
        <flowNodeRef>Rule_route</flowNodeRef>
        <flowNodeRef>Service_find</flowNodeRef>
        <flowNodeRef>End_withdrawn</flowNodeRef>
        <flowNodeRef>End_refused</flowNodeRef>
      </lane>
      <lane id="Lane_keeper" name="印章保管员">
        <flowNodeRef>Task_stamp</flowNodeRef>
        <flowNodeRef>Service_enter</flowNodeRef>
        <flowNodeRef>Service_paper</flowNodeRef>
        <flowNodeRef>Service_tell</flowNodeRef>
        <flowNodeRef>End_done</flowNodeRef>
      </lane>
    </laneSet>
    <startEvent id="Start_apply" name="申请" camunda:formKey="request.form" />
    <userTask id="Task_register" name="登记核对" camunda:formKey="request.form">
      <extensionElements>
        <power:legalBasis law="规定" version="1" article="第一条" />
        <power:material name="身份证" required="true" keep="see" />
        <power:timeLimit param="register_limit" unit="wd" />
        <power:riskPoint grade="H" text="冒名" control="m8 m15" />
      </extensionElements>
    </userTask>
    <boundaryEvent id="Boundary_withdraw" name="撤回" attachedToRef="Task_register">
      <messageEventDefinition id="Withdrawal" messageRef="Message_withdraw" />
    </boundaryEvent>
    <endEvent id="End_withdrawn" name="已撤回" />
    <exclusiveGateway id="Gateway_complete" name="材料齐全？" default="Flow_refused" />
    <receiveTask id="Receive_papers" name="等补材料" messageRef="Message_supplement">
      <extensionElements><power:hold reason="等申请人补材料" /></extensionElements>
    </receiveTask>
    <endEvent id="End_refused" name="不予">
      <errorEventDefinition id="Refusal" errorRef="Error_refused" />
    </endEvent>
    <businessRuleTask id="Rule_route" name="定权限" camunda:decisionRef="route" camunda:resultVariable="approval" />
    <serviceTask id="Service_find" name="查人" camunda:type="external" camunda:topic="post.find">
      <extensionElements><camunda:inputOutput>
        <camunda:inputParameter name="steps">Task_register Task_stamp</camunda:inputParameter>
        <camunda:outputParameter name="signer">=result</camunda:outputParameter>
      </camunda:inputOutput></extensionElements>
    </serviceTask>
    <userTask id="Task_stamp" name="盖章留痕" camunda:formKey="request.form">
      <extensionElements>
        <power:legalBasis law="规定" version="1" article="第二条" />
        <power:material name="文件" required="true" keep="see" />
        <power:timeLimit value="3" unit="wd" />
        <power:separate from="Task_register" />
      </extensionElements>
    </userTask>
    <serviceTask id="Service_enter" name="记台账" camunda:type="external" camunda:topic="register.enter">
      <extensionElements><camunda:inputOutput>
        <camunda:inputParameter name="register">seal</camunda:inputParameter>
        <camunda:inputParameter name="purpose">=purpose</camunda:inputParameter>
      </camunda:inputOutput></extensionElements>
    </serviceTask>
    <serviceTask id="Service_paper" name="出文书" camunda:type="external" camunda:topic="document.render">
      <extensionElements><camunda:inputOutput>
        <camunda:inputParameter name="template">letter</camunda:inputParameter>
        <camunda:inputParameter name="route">=approval.route</camunda:inputParameter>
        <camunda:inputParameter name="signer">=signer.found</camunda:inputParameter>
      </camunda:inputOutput></extensionElements>
    </serviceTask>
    <serviceTask id="Service_tell" name="通知" camunda:type="external" camunda:topic="notify.send">
      <extensionElements><camunda:inputOutput>
        <camunda:inputParameter name="to">role:村文书</camunda:inputParameter>
        <camunda:inputParameter name="text">办好了。</camunda:inputParameter>
      </camunda:inputOutput></extensionElements>
    </serviceTask>
    <endEvent id="End_done" name="已盖章" />
    <sequenceFlow id="Flow_apply" sourceRef="Start_apply" targetRef="Task_register" />
    <sequenceFlow id="Flow_register" sourceRef="Task_register" targetRef="Gateway_complete" />
    <sequenceFlow id="Flow_withdrawn" sourceRef="Boundary_withdraw" targetRef="End_withdrawn" />
    <sequenceFlow id="Flow_complete" name="齐全" sourceRef="Gateway_complete" targetRef="Rule_route">
      <conditionExpression>papers = "complete"</conditionExpression>
    </sequenceFlow>
    <sequenceFlow id="Flow_papers" name="补正" sourceRef="Gateway_complete" targetRef="Receive_papers">
      <conditionExpression>times("Gateway_complete") &lt; param("return.max")</conditionExpression>
    </sequenceFlow>
    <sequenceFlow id="Flow_refused" name="不予" sourceRef="Gateway_complete" targetRef="End_refused" />
    <sequenceFlow id="Flow_back" sourceRef="Receive_papers" targetRef="Task_register" />
    <sequenceFlow id="Flow_route" sourceRef="Rule_route" targetRef="Service_find" />
    <sequenceFlow id="Flow_find" sourceRef="Service_find" targetRef="Task_stamp" />
    <sequenceFlow id="Flow_stamp" sourceRef="Task_stamp" targetRef="Service_enter" />
    <sequenceFlow id="Flow_enter" sourceRef="Service_enter" targetRef="Service_paper" />
    <sequenceFlow id="Flow_paper" sourceRef="Service_paper" targetRef="Service_tell" />
    <sequenceFlow id="Flow_tell" sourceRef="Service_tell" targetRef="End_done" />
  </process>
  <message id="Message_supplement" name="supplement" />
  <message id="Message_withdraw" name="withdraw" />
  <error id="Error_refused" name="不予" errorCode="=refusal.code" />
</definitions>
"""
FORM = """{"id": "request", "type": "default", "components": [
  {"id": "F1", "key": "purpose", "type": "textfield", "label": "用途", "validate": {"required": true}},
  {"id": "F2", "key": "copies", "type": "number", "label": "份数",
   "properties": {"limit.max": "=param(\\"copies_max\\")"}},
  {"id": "F3", "key": "papers", "type": "textfield", "label": "材料"},
  {"id": "F4", "key": "refusal.code", "type": "textfield", "label": "原因"}
]}
"""
DECISION = """<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="D" name="D" namespace="urn:test">
  <decision id="route" name="权限表">
    <decisionTable id="T" hitPolicy="FIRST">
      <input id="I"><inputExpression id="E"><text>copies</text></inputExpression></input>
      <output id="O" name="route" />
      <rule id="R1"><inputEntry id="a"><text>&lt;= param("copies_max")</text></inputEntry>
        <outputEntry id="b"><text>"director"</text></outputEntry></rule>
      <rule id="R2"><inputEntry id="c"><text>-</text></inputEntry>
        <outputEntry id="d"><text>"refuse"</text></outputEntry></rule>
    </decisionTable>
  </decision>
</definitions>
"""
FILES = {"trial.bpmn": DIAGRAM, "request.form": FORM, "route.dmn": DECISION, "letter.typ": "信"}


@dataclass(frozen=True)
class Role:
    code: str
    incompatible: tuple[str, ...] = ()
    succession: tuple[str, ...] = ()


WORLD = World(
    roles={"申请人": Role("V"), "村文书": Role("CL", ("SK",)), "印章保管员": Role("SK", ("CL",))},
    parameters={"register_limit": 2, "return.max": 2, "copies_max": 20, "waiver": True},
    registers={"seal": {"title": "用印台账", "properties": {"purpose": {}, "scan": {}}, "required": ["purpose"]}},
    topics={
        "document.render": ("template",),
        "notify.send": ("to", "text"),
        "post.find": ("steps",),
        "register.enter": ("register",),
        "register.find": ("register", "field", "value"),
    },
)


def drawn(diagram: str) -> str:
    """Add a picture in which everything with an id has its place."""
    shapes = "".join(f'<bpmndi:BPMNShape bpmnElement="{id}" />' for id in re.findall(r'\bid="([^"]+)"', diagram))
    picture = f"<bpmndi:BPMNDiagram><bpmndi:BPMNPlane>{shapes}</bpmndi:BPMNPlane></bpmndi:BPMNDiagram></definitions>"
    return diagram.replace("</definitions>", picture)


def trial(changes: dict[str, str | bytes | None] | None = None) -> Package:
    """Return the good package with other files; None takes one away."""
    files = {**FILES, "trial.bpmn": drawn(DIAGRAM), **(changes or {})}
    kept = {name: text.encode() if isinstance(text, str) else text for name, text in files.items() if text is not None}
    return read_files("trial", "T01", kept)


def changed(file: str, *pairs: tuple[str, str]) -> Package:
    """Return the package with one file changed; every text to replace must be there."""
    text = FILES[file]
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    return trial({file: drawn(text) if file == "trial.bpmn" else text})


def lint(package: Package, world: World) -> list[Finding]:
    """Return the faults; what BPMN allows and is merely discouraged is left out."""
    return [finding for finding in all_findings(package, world) if finding.severity != "info"]


def rules(findings: list[Finding]) -> set[str]:
    return {finding.rule for finding in findings}


def check_shape(findings: list[Finding]) -> None:
    """Every finding has a place and says in Chinese what is wrong and what to do."""
    for finding in findings:
        assert finding.line >= 1 and finding.file
        assert re.search("[\u4e00-\u9fff]", finding.message) and finding.message.endswith("。"), finding
        assert re.search("[\u4e00-\u9fff]", finding.hint) and finding.hint.endswith("。"), finding
    assert findings == sorted(findings, key=lambda found: (found.file, found.line, found.rule, found.message))


def test_nothing_is_wrong_with_a_good_package():
    # The step that papers are handed in to again has two flows leading to it.
    assert rules(all_findings(trial(), WORLD)) == {"fake-join"}
    assert lint(trial(), WORLD) == []


START = '<startEvent id="Start_apply" name="申请" camunda:formKey="request.form" />'
STAMP = '<userTask id="Task_stamp" name="盖章留痕" camunda:formKey="request.form">'
END = '<endEvent id="End_done" name="已盖章" />'
LANE_END = "<flowNodeRef>End_done</flowNodeRef>"
TIMER = (
    '<messageEventDefinition id="Withdrawal" messageRef="Message_withdraw" />',
    "<timerEventDefinition><timeDuration>P3D</timeDuration></timerEventDefinition>",
)
SUB_PROCESS = """<subProcess id="Sub_tell" name="通知一遍">
  <startEvent id="Start_sub" name="开始"/><endEvent id="End_sub" name="完"/>
  <sequenceFlow id="Flow_sub" sourceRef="Start_sub" targetRef="End_sub"/></subProcess>"""
IN_SUB_PROCESS = (
    (END, END + SUB_PROCESS),
    (LANE_END, LANE_END + "<flowNodeRef>Sub_tell</flowNodeRef>"),
    ('sourceRef="Service_tell" targetRef="End_done"', 'sourceRef="Service_tell" targetRef="Sub_tell"'),
    ("</process>", '<sequenceFlow id="Flow_s" sourceRef="Sub_tell" targetRef="End_done" /></process>'),
)
CALL = (
    (
        '<serviceTask id="Service_tell" name="通知" camunda:type="external" camunda:topic="notify.send">',
        '<callActivity id="Service_tell" name="通知" calledElement="nobody"><!--',
    ),
    (
        "办好了。</camunda:inputParameter>\n      </camunda:inputOutput></extensionElements>\n    </serviceTask>",
        "--></callActivity>",
    ),
)


def after(anchor: str, more: str) -> tuple[str, str]:
    return anchor, anchor + more


ITEM = (
    'code="T01" ',
    'category="T 测试" ',
    'scope="都管" ',
    'excludes="都不管"',
    'publish="P" ',
    'promise="5wd" ',
    'level="village" ',
)
#: rule, what is changed in the diagram, other rules that rightly speak too
BROKEN: list[tuple[str, list[tuple[str, str]], set[str]]] = [
    ("xml-not-well-formed", [("</process>", "")], set()),
    ("xml-bad-encoding", [('encoding="UTF-8"', 'encoding="klingon"')], set()),
    ("xml-xinclude-forbidden", [(END, END + '<xi:include href="/etc/passwd" parse="text"/>')], set()),
    (
        "import-refused",
        [("<collaboration ", '<import namespace="u" location="x" importType="y"/><collaboration ')],
        set(),
    ),
    ("process-not-executable", [('isExecutable="true"', 'isExecutable="false"')], set()),
    (
        "process-not-executable",
        [after("</process>", '<process id="other" isExecutable="true"/>')],
        {"process-empty", "start-event-missing", "end-event-missing"},
    ),
    ("id-missing", [('<lane id="Lane_clerk" ', "<lane ")], set()),
    ("id-invalid", [("trial", "trail")], set()),
    ("id-invalid", [("Task_stamp", "9")], set()),
    ("duplicate-id", [('id="Flow_tell"', 'id="Flow_paper"')], set()),
    ("dangling-reference", [('targetRef="End_withdrawn"', 'targetRef="Nowhere"')], {"no-disconnected"}),
    ("dangling-reference", [('attachedToRef="Task_register"', 'attachedToRef="Nowhere"')], {"dead-activity"}),
    (
        "dangling-reference",
        [("<flowNodeRef>End_done", "<flowNodeRef>Nowhere</flowNodeRef><flowNodeRef>End_done")],
        set(),
    ),
    ("dangling-reference", [('default="Flow_refused"', 'default="Nowhere"')], {"conditional-flows"}),
    ("fact-invalid", [('value="3"', 'value="bald"')], set()),
    ("fact-invalid", [('promise="5wd"', 'promise="bald"')], set()),
    (
        "start-event-missing",
        [
            (START, ""),
            ("<flowNodeRef>Start_apply</flowNodeRef>", ""),
            ('<sequenceFlow id="Flow_apply" sourceRef="Start_apply" targetRef="Task_register" />', ""),
        ],
        set(),
    ),
    (
        "end-event-missing",
        [("endEvent", "manualTask"), ('<errorEventDefinition id="Refusal" errorRef="Error_refused" />', "")],
        set(),
    ),
    (
        "single-blank-start-event",
        [
            (START, START + START.replace("Start_apply", "Start_2")),
            after("<flowNodeRef>Start_apply</flowNodeRef>", "<flowNodeRef>Start_2</flowNodeRef>"),
            after("</laneSet>", '<sequenceFlow id="Flow_2" sourceRef="Start_2" targetRef="Task_register" />'),
        ],
        set(),
    ),
    (
        "sub-process-blank-start-event",
        [
            *IN_SUB_PROCESS,
            (
                '<startEvent id="Start_sub" name="开始"/>',
                '<startEvent id="Start_sub" name="开始">'
                '<messageEventDefinition messageRef="Message_withdraw"/></startEvent>',
            ),
        ],
        set(),
    ),
    (
        "start-event-incoming",
        [
            (
                'sourceRef="Receive_papers" targetRef="Task_register"',
                'sourceRef="Receive_papers" targetRef="Start_apply"',
            )
        ],
        set(),
    ),
    (
        "end-event-outgoing",
        [after("</laneSet>", '<sequenceFlow id="Flow_2" sourceRef="End_done" targetRef="End_withdrawn" />')],
        set(),
    ),
    (
        "boundary-event-incoming",
        [('targetRef="Gateway_complete"', 'targetRef="Boundary_withdraw"')],
        {"dead-activity", "data-read-before-write"},
    ),
    (
        "boundary-no-outgoing",
        [
            (
                'sourceRef="Boundary_withdraw" targetRef="End_withdrawn"',
                'sourceRef="Service_tell" targetRef="End_withdrawn"',
            )
        ],
        set(),
    ),
    (
        "flow-crosses-scope",
        [
            *IN_SUB_PROCESS,
            ('sourceRef="Service_tell" targetRef="Sub_tell"', 'sourceRef="Service_tell" targetRef="End_sub"'),
        ],
        {"dead-activity"},
    ),
    (
        "no-disconnected",
        [
            (END, END + '<manualTask id="Task_odd" name="闲着" />'),
            after(LANE_END, "<flowNodeRef>Task_odd</flowNodeRef>"),
        ],
        set(),
    ),
    ("dead-activity", [('targetRef="Task_stamp"', 'targetRef="Service_enter"')], set()),
    (
        "livelock",
        [
            ('sourceRef="Service_tell" targetRef="End_done"', 'sourceRef="Service_tell" targetRef="Service_enter"'),
            (END, ""),
            (LANE_END, ""),
        ],
        set(),
    ),
    ("default-flow-invalid", [('default="Flow_refused"', 'default="Flow_tell"')], {"conditional-flows"}),
    ("default-flow-invalid", [(STAMP, STAMP[:-1] + ' default="Flow_stamp">')], set()),
    ("conditional-flows", [(' default="Flow_refused"', "")], set()),
    ("condition-empty", [('papers = "complete"', " ")], set()),
    (
        "condition-ignored",
        [
            (
                'sourceRef="Start_apply" targetRef="Task_register" />',
                'sourceRef="Start_apply" targetRef="Task_register" name="好"><conditionExpression>papers = "x"'
                "</conditionExpression></sequenceFlow>",
            )
        ],
        set(),
    ),
    (
        "condition-ignored",
        [
            ('default="Flow_refused"', 'default="Flow_papers"'),
            (
                'targetRef="End_refused" />',
                'targetRef="End_refused"><conditionExpression>papers = "x"</conditionExpression></sequenceFlow>',
            ),
        ],
        set(),
    ),
    (
        "event-gateway-target",
        [
            (
                '<receiveTask id="Receive_papers" name="等补材料" messageRef="Message_supplement">',
                '<eventBasedGateway id="Receive_papers" name="等">',
            ),
            ("</receiveTask>", "</eventBasedGateway>"),
        ],
        {"superfluous-gateway"},
    ),
    ("label-required", [('id="Task_stamp" name="盖章留痕"', 'id="Task_stamp"')], set()),
    ("label-required", [('id="Flow_papers" name="补正"', 'id="Flow_papers"')], set()),
    (
        "unsupported-element",
        [('<receiveTask id="Receive_papers"', '<task id="Receive_papers"'), ("</receiveTask>", "</task>")],
        set(),
    ),
    (
        "unsupported-element",
        [
            (
                '<endEvent id="End_done" name="已盖章" />',
                '<endEvent id="End_done" name="已盖章"><compensateEventDefinition/></endEvent>',
            )
        ],
        set(),
    ),
    (
        "signal-unmatched",
        [
            (END, '<endEvent id="End_done" name="已盖章"><signalEventDefinition id="S" signalRef="Sig" /></endEvent>'),
            ("</process>", '</process><signal id="Sig" name="已盖章" />'),
        ],
        set(),
    ),
    ("engine-refuses", [(STAMP, STAMP + '<standardLoopCharacteristics id="L" />')], set()),
    (
        "unsupported-element",
        [(STAMP, STAMP + '<potentialOwner id="O"><resourceRef>x</resourceRef></potentialOwner>')],
        set(),
    ),
    ("unsupported-element", [(STAMP, STAMP[:-1] + ' isForCompensation="true">')], {"compensation-target"}),
    ("unsupported-element", [(STAMP, STAMP + "<zeebe:userTask />")], set()),
    ("ignored-attribute", [(STAMP, STAMP[:-1] + ' camunda:assignee="zhang">')], set()),
    ("ignored-attribute", [(STAMP, STAMP[:-1] + ' camunda:candidateGroups="a">')], set()),
    ("ignored-attribute", [(STAMP, STAMP[:-1] + ' camunda:dueDate="P3D">')], set()),
    (
        "ignored-attribute",
        [
            (
                '<power:separate from="Task_register" />',
                '<power:separate from="Task_register" /><camunda:taskListener event="create" class="x.Y" />',
            )
        ],
        set(),
    ),
    (
        "ignored-attribute",
        [
            (
                '<power:separate from="Task_register" />',
                '<power:separate from="Task_register" /><zeebe:assignmentDefinition assignee="x" />',
            )
        ],
        set(),
    ),
    (
        "unknown-element",
        [('power:material name="文件"', 'power:materials name="文件"')],
        {"user-task-has-basis-material-limit"},
    ),
    (
        "unknown-element",
        [('keep="see" />\n        <power:timeLimit value', 'keeps="see" />\n        <power:timeLimit value')],
        set(),
    ),
    ("script-forbidden", [("businessRuleTask", "scriptTask")], {"ignored-attribute"}),
    ("script-forbidden", [("<conditionExpression>papers", '<conditionExpression language="javascript">papers')], set()),
    (
        "script-forbidden",
        [("=purpose<", '<camunda:script scriptFormat="python">open("canary", "w")</camunda:script><')],
        set(),
    ),
    ("expression-syntax", [('papers = "complete"', 'papers == "complete"')], set()),
    ("expression-syntax", [("=purpose<", "=purpose +<")], set()),
    ("expression-syntax", [("=refusal.code", "=refusal.")], set()),
    ("unknown-parameter", [('param("return.max")', 'param("return.most")')], set()),
    ("unknown-parameter", [('param="register_limit"', 'param="register.limit"')], set()),
    ("unknown-parameter", [('param="register_limit"', 'param="waiver"')], set()),
    ("unknown-step", [('times("Gateway_complete")', 'times("Gateway_completed")')], set()),
    ("unknown-step", [("Task_register Task_stamp<", "Task_register Task_stamps<")], set()),
    ("decision-missing", [('decisionRef="route"', 'decisionRef="rout"')], set()),
    ("decision-missing", [(' camunda:resultVariable="approval"', "")], {"unknown-variable"}),
    ("form-missing", [(STAMP, STAMP.replace("request.form", "stamp.form"))], set()),
    ("form-missing", [(STAMP, STAMP.replace(' camunda:formKey="request.form"', ""))], set()),
    ("service-without-handler", [("notify.send", "notify.shout")], set()),
    ("service-without-handler", [('<camunda:inputParameter name="text">办好了。</camunda:inputParameter>', "")], set()),
    ("service-without-handler", [('camunda:type="external" camunda:topic="notify.send"', "")], set()),
    ("register-unknown", [('name="register">seal<', 'name="register">seals<')], set()),
    (
        "register-unknown",
        [('<camunda:inputParameter name="purpose">', '<camunda:inputParameter name="reason">')],
        set(),
    ),
    ("template-missing", [(">letter<", ">letters<")], set()),
    ("recipient-unknown", [("role:村文书", "role:村会计")], set()),
    ("message-ref-missing", [(' messageRef="Message_supplement"', "")], set()),
    ("message-ref-missing", [('messageRef="Message_withdraw"', 'messageRef="Message_x"')], set()),
    ("message-ref-missing", [(' name="withdraw"', "")], set()),
    ("error-ref", [(' errorRef="Error_refused"', "")], set()),
    ("error-ref", [(' errorCode="=refusal.code"', "")], set()),
    ("called-element-missing", list(CALL), set()),
    ("timer-invalid", [TIMER, ("P3D", "3 Tage")], set()),
    ("timer-invalid", [TIMER, ("<timeDuration>P3D</timeDuration>", "")], set()),
    ("known-lane", [('name="印章保管员"', 'name="印章管理员"')], set()),
    ("node-in-lane", [(LANE_END, "")], set()),
    ("node-in-lane", [(LANE_END, LANE_END + "<flowNodeRef>End_refused</flowNodeRef>")], set()),
    ("node-in-lane", [('name="印章保管员"', 'name="申请人"')], set()),
    (
        "user-task-has-basis-material-limit",
        [('<power:legalBasis law="规定" version="1" article="第二条" />', "")],
        set(),
    ),
    ("user-task-has-basis-material-limit", [('<power:material name="文件" required="true" keep="see" />', "")], set()),
    ("user-task-has-basis-material-limit", [('<power:timeLimit value="3" unit="wd" />', "")], set()),
    *(("item-complete", [(said, "")], set()) for said in ITEM),
    ("item-complete", [('publish="P"', 'publish="X"')], set()),
    ("item-complete", [('code="T01"', 'code="T02"')], set()),
    ("high-risk-has-control", [(' control="m8 m15"', "")], set()),
    ("high-risk-has-control", [('control="m8 m15"', 'control="m16"')], set()),
    ("high-risk-has-control", [('grade="H"', 'grade="High"')], set()),
    ("separation-possible", [('separate from="Task_register"', 'separate from="Task_gone"')], set()),
    ("separation-possible", [('separate from="Task_register"', 'separate from="Task_stamp"')], set()),
    ("limit-sum-within-promise", [('value="3"', 'value="4"')], set()),
    ("no-literal-threshold", [('param("return.max")', "3")], set()),
]


@pytest.mark.parametrize(("rule", "changes", "others"), BROKEN, ids=[row[0] for row in BROKEN])
def test_a_change_that_breaks_a_diagram_is_found(rule, changes, others):
    findings = lint(changed("trial.bpmn", *changes), WORLD)
    assert rules(findings) == {rule, *others}
    check_shape(findings)


def test_a_finding_names_the_element_and_its_line():
    package = changed("trial.bpmn", (STAMP, STAMP[:-1] + ' camunda:assignee="zhang">'))
    (finding,) = lint(package, WORLD)
    lines = package.files["trial.bpmn"].decode().splitlines()
    assert "camunda:assignee" in lines[finding.line - 1]
    assert (finding.element, finding.name) == ("Task_stamp", "盖章留痕")
    assert "〈盖章留痕〉" in finding.message


def test_the_longest_way_is_named_when_the_promise_is_too_short():
    (finding,) = lint(changed("trial.bpmn", ('promise="5wd"', 'promise="4wd"')), WORLD)
    assert finding.message == "承诺 4 个工作日办结，最长的一条路要 5 个工作日：〈登记核对〉 → 〈盖章留痕〉。"


def test_waiting_for_the_applicant_does_not_count_against_the_promise():
    hold = '<power:hold reason="等申请人补材料" />'
    slow = (hold, hold + '<power:timeLimit value="90" unit="d" />')
    onward = (
        'sourceRef="Receive_papers" targetRef="Task_register"',
        'sourceRef="Receive_papers" targetRef="Rule_route"',
    )
    assert lint(changed("trial.bpmn", slow, onward), WORLD) == []
    assert rules(lint(changed("trial.bpmn", slow, onward, (hold, "")), WORLD)) == {"limit-sum-within-promise"}


def test_a_diagram_without_a_picture_is_a_warning():
    (finding,) = lint(trial({"trial.bpmn": DIAGRAM}), WORLD)
    assert (finding.rule, finding.severity) == ("no-bpmndi", "warning")
    one_missing = drawn(DIAGRAM).replace('bpmnElement="Flow_tell"', 'bpmnElement="Flow_gone"')
    (finding,) = lint(trial({"trial.bpmn": one_missing}), WORLD)
    assert (finding.rule, finding.element) == ("no-bpmndi", "Flow_tell")


def test_what_stands_in_other_files_is_found_there():
    for file, change, rule, line in (
        ("request.form", ('"textfield"', '"iframe"'), "form-invalid", 2),
        ("request.form", ("copies_max", "copies_most"), "unknown-parameter", 3),
        ("route.dmn", ('"FIRST"', '"PRIORITY"'), "decision-invalid", 3),
        ("route.dmn", ("copies_max", "copies_most"), "unknown-parameter", 6),
        ("route.dmn", ('param("copies_max")', "20"), "no-literal-threshold", 6),
    ):
        findings = lint(changed(file, change), WORLD)
        assert [(found.rule, found.file, found.line) for found in findings] == [(rule, file, line)]
        check_shape(findings)


def test_a_decision_in_two_files_is_found():
    findings = lint(trial({"second.dmn": DECISION}), WORLD)
    assert [(found.rule, found.file) for found in findings] == [("duplicate-definition", "second.dmn")]


def test_a_called_process_may_not_use_an_id_of_the_item():
    called = drawn(DIAGRAM).replace('<process id="trial"', '<process id="inner"')
    findings = lint(trial({"common/inner/inner.bpmn": called}), WORLD)
    twice = {found.element for found in findings if found.rule == "duplicate-node"}
    assert {"Task_stamp", "Flow_tell"} <= twice
    assert {found.file for found in findings if found.rule == "duplicate-node"} == {"common/inner/inner.bpmn"}


def test_a_missing_file_is_found_where_it_is_named():
    assert rules(lint(trial({"request.form": None}), WORLD)) == {"form-missing"}
    assert rules(lint(trial({"route.dmn": None}), WORLD)) == {"decision-missing"}
    assert rules(lint(trial({"letter.typ": None}), WORLD)) == {"template-missing"}
    (finding,) = lint(trial({"trial.bpmn": None}), WORLD)
    assert finding.rule == "no-process"


def test_a_step_that_lost_its_facts_is_found():
    previous = read_facts(trial())
    facts = re.compile(r"<extensionElements>\s*<power:hold[^>]*/>\s*</extensionElements>")
    package = trial({"trial.bpmn": drawn(facts.sub("", DIAGRAM))})
    assert lint(package, WORLD) == []
    (finding,) = lint(package, replace(WORLD, previous=previous))
    assert (finding.rule, finding.element, finding.severity) == ("facts-not-lost", "Receive_papers", "error")
    assert lint(trial(), replace(WORLD, previous=previous)) == []


def test_what_only_the_engine_refuses_is_a_finding_too():
    output = '<camunda:outputParameter name="signer">=result</camunda:outputParameter>'
    findings = lint(changed("trial.bpmn", (output, output + output.replace("signer", "again"))), WORLD)
    assert rules(findings) == {"engine-fails"}
    check_shape(findings)


@pytest.mark.parametrize("id", ["End", "Start", "Root", "x.EndJoin", "x.BoundaryEventSplit"])
def test_an_id_that_the_engine_uses_too_is_an_id_like_others(id):
    assert lint(changed("trial.bpmn", ("Task_stamp", id)), WORLD) == []


def _archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("trial.bpmn", DIAGRAM)
    return file.getvalue()


DOCTYPE = '<!DOCTYPE definitions [<!ENTITY canary SYSTEM "CANARY">]>\n<definitions'
HOSTILE = {
    "doctype": (
        drawn(DIAGRAM).replace("<definitions", DOCTYPE, 1).replace("办好了。", "&canary;"),
        "xml-doctype-forbidden",
    ),
    "xinclude": (
        drawn(DIAGRAM).replace(END, END + '<xi:include href="CANARY" parse="text"/>'),
        "xml-xinclude-forbidden",
    ),
    "not xml": ("Sehr geehrte Damen und Herren", "not-xml"),
    "empty": ("", "not-xml"),
    "not bpmn": ('<svg xmlns="http://www.w3.org/2000/svg"/>', "not-bpmn"),
    "no process": ('<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" id="D"/>', "no-process"),
    "archive": (_archive(), "not-xml"),
    "spaces": (" " * 3_000_000, "size-limit"),
    "nesting": ("<a>" * 10_000 + "</a>" * 10_000, "nesting-limit"),
    "cut off": (DIAGRAM[:2000], "xml-not-well-formed"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_gets_one_clear_finding_and_nothing_happens(name, tmp_path, monkeypatch):
    canary = tmp_path / "canary"
    canary.write_text("the canary's text", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    content, rule = HOSTILE[name]
    if isinstance(content, str):
        content = content.replace("CANARY", canary.as_uri()).encode()
    (finding,) = lint(trial({"trial.bpmn": content}), WORLD)
    assert (finding.rule, finding.severity, finding.file) == (rule, "error", "trial.bpmn")
    check_shape([finding])
    assert "canary's text" not in finding.message
    assert [path.name for path in tmp_path.iterdir()] == ["canary"]


def test_a_script_is_refused_and_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = 'open("canary", "w").write("x")'
    script = f'<scriptTask id="Task_stamp" name="盖章留痕"><script>{code}</script>'
    package = changed(
        "trial.bpmn", (STAMP, script), ("</userTask>\n    <serviceTask", "</scriptTask>\n    <serviceTask")
    )
    assert "script-forbidden" in rules(lint(package, WORLD))
    condition = changed("trial.bpmn", ('papers = "complete"', "__import__('os').system('touch canary')"))
    assert rules(lint(condition, WORLD)) == {"expression-syntax"}
    assert list(tmp_path.iterdir()) == []


def test_no_public_diagram_makes_lint_stumble():
    if not CORPORA.is_dir():
        pytest.skip("no public diagrams beside the repository")
    files = [path for path in sorted(CORPORA.rglob("*")) if path.suffix in (".bpmn", ".xml")]
    assert files
    for path in files:
        check_shape(lint(read_files("trial", "", {"trial.bpmn": path.read_bytes()}), WORLD))


def test_no_line_left_out_of_a_diagram_makes_lint_stumble():
    lines = drawn(DIAGRAM).splitlines()
    for number in range(len(lines)):
        check_shape(lint(trial({"trial.bpmn": "\n".join(lines[:number] + lines[number + 1 :])}), WORLD))


def _county() -> World:
    folder = ROOT / "processes"
    roles = json.loads((folder / "roles.json").read_text(encoding="utf-8"))
    parameters = json.loads((folder / "parameters.json").read_text(encoding="utf-8"))
    registers = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("registers/*.json")}
    return replace(
        WORLD,
        roles={
            role["lane"]: Role(role["code"], tuple(role["incompatible"]), tuple(role["succession"])) for role in roles
        },
        parameters={parameter["key"]: parameter["value"] for parameter in parameters},
        registers=registers,
        topics=REQUIRED_INPUTS,
    )


OWN = sorted(path.parent for path in (ROOT / "processes").glob("*/*.bpmn")) + sorted(
    path.parent for path in (ROOT / "processes" / "common").glob("*/*.bpmn")
)


@pytest.mark.parametrize("folder", OWN, ids=lambda folder: folder.name)
def test_our_own_items_and_what_they_call_have_no_fault(folder):
    # A loop back into a gateway is drawn shorter than with a gateway of its own for joining.
    assert rules(lint(read_folder(folder), _county())) <= {"no-gateway-join-fork"}


HANDED_ON = '<sequenceFlow id="Flow_tell" sourceRef="Service_tell" targetRef="End_done" />'
WITHDRAWN = (
    '<subProcess id="Sub_stop" name="撤回" triggeredByEvent="true">'
    '<startEvent id="Start_stop" name="申请人撤回"><messageEventDefinition messageRef="Message_withdraw"/></startEvent>'
    '<endEvent id="End_stop" name="已撤回"/>'
    '<sequenceFlow id="Flow_stop" sourceRef="Start_stop" targetRef="End_stop"/></subProcess>'
)
LIFTED = {
    "a pair of links": [
        (
            HANDED_ON,
            '<intermediateThrowEvent id="Link_out" name="转"><linkEventDefinition name="甲"/></intermediateThrowEvent>'
            '<intermediateCatchEvent id="Link_in" name="接上"><linkEventDefinition name="甲"/></intermediateCatchEvent>'
            '<sequenceFlow id="Flow_tell" sourceRef="Service_tell" targetRef="Link_out" />'
            '<sequenceFlow id="Flow_on" sourceRef="Link_in" targetRef="End_done" />',
        ),
        after(LANE_END, "<flowNodeRef>Link_out</flowNodeRef><flowNodeRef>Link_in</flowNodeRef>"),
    ],
    "an event sub-process": [
        (END, END + WITHDRAWN),
        after(LANE_END, "<flowNodeRef>Sub_stop</flowNodeRef>"),
    ],
    "conditions behind a step": [
        (
            HANDED_ON,
            HANDED_ON.replace(
                " />", ' name="要"><conditionExpression>copies &gt; 0</conditionExpression></sequenceFlow>'
            )
            + '<sequenceFlow id="Flow_none" name="不要" sourceRef="Service_tell" targetRef="End_withdrawn">'
            "<conditionExpression>copies = 0</conditionExpression></sequenceFlow>",
        ),
    ],
    "a flow without an id": [(HANDED_ON, HANDED_ON.replace(' id="Flow_tell"', ""))],
    "an event that nothing is sent at": [
        (
            HANDED_ON,
            '<intermediateThrowEvent id="Event_told" name="已通知" />'
            '<sequenceFlow id="Flow_tell" sourceRef="Service_tell" targetRef="Event_told" />'
            '<sequenceFlow id="Flow_on" sourceRef="Event_told" targetRef="End_done" />',
        ),
        after(LANE_END, "<flowNodeRef>Event_told</flowNodeRef>"),
    ],
}


@pytest.mark.parametrize("name", LIFTED)
def test_what_is_lifted_is_no_fault(name):
    faults = [finding for finding in lint(changed("trial.bpmn", *LIFTED[name]), WORLD) if finding.severity == "error"]
    assert faults == []
