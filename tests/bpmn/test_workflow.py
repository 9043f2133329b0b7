"""A matter runs as its diagram is drawn: people, connectors, messages, refusals."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.bpmn.definition import Definition
from engine.bpmn.execution.dialect import DialectError
from engine.bpmn.package import read_folder
from engine.bpmn.workflow import NotReady, Passed, StepFailed, Thrown, Wait, Workflow
from engine.errors import Refused
from tests.bpmn.diagrams import Outside, definition, do, opened, process, reload, start

SERVICE = """
<serviceTask id="enter" camunda:type="external" camunda:topic="register.enter"><extensionElements>
  <camunda:inputOutput>
    <camunda:inputParameter name="register">seal_use</camunda:inputParameter>
    <camunda:inputParameter name="copies">=copies + 1</camunda:inputParameter>
    <camunda:outputParameter name="entry">=result</camunda:outputParameter>
  </camunda:inputOutput></extensionElements></serviceTask>"""
ENTERING = f'<startEvent id="s"/><userTask id="a"/>{SERVICE}<endEvent id="e"/>'

LANES = """
<laneSet id="l"><lane id="l1" name="村文书"><flowNodeRef>a</flowNodeRef></lane>
<lane id="l2" name="村委会主任"><flowNodeRef>b</flowNodeRef></lane></laneSet>
<startEvent id="s"/><userTask id="a"/><manualTask id="b"/><endEvent id="e"/>"""

WITHDRAW = """
<startEvent id="s"/><userTask id="approve"/>
<boundaryEvent id="withdrawn" attachedToRef="approve"><messageEventDefinition id="m" messageRef="M"/></boundaryEvent>
<endEvent id="done"/><endEvent id="gone"/>"""
MESSAGE = '<message id="M" name="withdraw"/>'

ERROR = '<error id="E" name="不予用印" errorCode="=refusal.code"/>'
REFUSING = """
<startEvent id="s"/><userTask id="a"/>
<endEvent id="no" name="不予用印"><errorEventDefinition id="x" errorRef="E"/></endEvent>"""


def test_people_see_their_tasks_by_lane_one_after_the_other():
    shared = definition(process(LANES, "s -> a \n a -> b \n b -> e"))
    workflow = start(shared)
    assert [(task.element, task.lane) for task in workflow.open_tasks()] == [("a", "村文书")]
    do(workflow, "a")
    assert [(task.element, task.lane) for task in workflow.open_tasks()] == [("b", "村委会主任")]
    do(workflow, "b")
    assert (workflow.finished, workflow.end_element, workflow.refusal) == (True, "e", None)


def test_the_id_of_an_open_task_survives_a_restart():
    shared = definition(process(LANES, "s -> a \n a -> b \n b -> e"))
    workflow = start(shared)
    assert reload(workflow, shared).open_tasks() == workflow.open_tasks()


def test_a_task_is_completed_only_once_and_only_when_open():
    workflow = start(definition(process(LANES, "s -> a \n a -> b \n b -> e")))
    task = workflow.open_tasks()[0]
    workflow.complete(task.id, {})
    for wrong in (task.id, "0" * 32, "no id at all"):
        with pytest.raises(NotReady):
            workflow.complete(wrong, {})
    assert opened(workflow) == ["b"], "a refused completion leaves the matter usable"


def test_submitted_data_is_merged_key_by_key_and_lists_are_replaced():
    shared = definition(process(LANES, "s -> a \n a -> b \n b -> e"))
    workflow = start(shared, {"who": {"name": "王某"}, "list": [1, 2]})
    do(workflow, "a", {"who": {"phone": "1"}, "list": [2], "approve": {"decision": "agree"}})
    assert workflow.data == {
        "who": {"name": "王某", "phone": "1"},
        "list": [2],
        "approve": {"decision": "agree"},
    }


def test_a_service_task_calls_its_connector_and_keeps_the_answer():
    outside = Outside({"register.enter": {"serial": 7}})
    shared = definition(process(f'<startEvent id="s"/>{SERVICE}<endEvent id="e"/>', "s -> enter \n enter -> e"))
    workflow = start(shared, {"copies": 2}, outside)
    ((topic, element, key, inputs),) = outside.calls
    assert (topic, element, inputs) == ("register.enter", "enter", {"register": "seal_use", "copies": 3})
    assert len(key) == 32
    assert workflow.data["entry"] == {"serial": 7}


def test_a_connector_repeated_after_a_lost_step_gets_the_same_call_key():
    shared = definition(process(ENTERING, "s -> a\na -> enter\nenter -> e"))
    before = start(shared, {"copies": 1}).dump()
    keys = []
    for _ in range(2):
        outside = Outside()
        workflow = Workflow.load(shared, before, outside)
        do(workflow, "a")
        keys.append(outside.calls[0][2])
    assert keys[0] == keys[1]


def test_what_a_connector_refuses_reaches_the_caller_unchanged_and_the_object_is_spent():
    refusal = Refused("register.closed", "台账已经封存")
    diagram = process(ENTERING, "s -> a\na -> enter\nenter -> e")
    workflow = start(definition(diagram), {"copies": 1}, Outside({"register.enter": refusal}))
    with pytest.raises(Refused) as caught:
        do(workflow, "a")
    assert caught.value is refusal
    with pytest.raises(StepFailed):
        workflow.dump()


def test_an_interrupting_message_calls_off_the_task():
    shared = definition(process(WITHDRAW, "s -> approve\napprove -> done\nwithdrawn -> gone", declared=MESSAGE))
    workflow = start(shared)
    assert [(wait.element, wait.message) for wait in workflow.waits()] == [("withdrawn", "withdraw")]
    workflow.take_passed()
    workflow = reload(workflow, shared)
    assert not workflow.receive("supplement", {})
    assert workflow.receive("withdraw", {"reason": "不办了"})
    assert workflow.take_passed() == (
        Passed("withdrawn", "boundaryEvent", "withdrawn_gone", ()),
        Passed("approve", "cancelled", None, ()),
        Passed("gone", "endEvent", None, ()),
    )
    assert (workflow.finished, workflow.end_element, workflow.data) == (True, "gone", {"reason": "不办了"})


def test_an_event_that_did_not_happen_is_not_told():
    shared = definition(process(WITHDRAW, "s -> approve\napprove -> done\nwithdrawn -> gone", declared=MESSAGE))
    workflow = start(shared)
    do(workflow, "approve")
    assert [passed.element for passed in workflow.take_passed()] == ["s", "approve", "done"]
    assert workflow.waits() == ()


def test_a_receive_task_waits_for_its_message_and_merges_the_payload():
    diagram = process(
        '<startEvent id="s"/><receiveTask id="wait" messageRef="M"/><userTask id="a"/><endEvent id="e"/>',
        "s -> wait\nwait -> a\na -> e",
        declared='<message id="M" name="supplement"/>',
    )
    shared = definition(diagram)
    workflow = reload(start(shared, {"who": {"name": "王某"}}), shared)
    assert workflow.open_tasks() == ()
    assert [(wait.element, wait.message) for wait in workflow.waits()] == [("wait", "supplement")]
    assert workflow.receive("supplement", {"who": {"phone": "1"}, "self": "a field may be called self"})
    assert workflow.task_data(workflow.open_tasks()[0].id) == {
        "who": {"name": "王某", "phone": "1"},
        "self": "a field may be called self",
    }
    assert not workflow.receive("supplement", {}), "nothing waits any more"


def test_task_data_is_a_copy():
    workflow = start(definition(process(LANES, "s -> a \n a -> b \n b -> e")), {"who": {"name": "王某"}})
    task = workflow.open_tasks()[0]
    workflow.task_data(task.id)["who"]["name"] = "李某"
    workflow.data["who"]["name"] = "李某"
    assert workflow.task_data(task.id) == workflow.data == {"who": {"name": "王某"}}


def test_an_error_end_is_a_refusal_with_reason_basis_and_remedy():
    workflow = start(definition(process(REFUSING, "s -> a\na -> no", declared=ERROR)))
    refusal = {"code": "outside_scope", "text": "超出用印范围", "basis": "村级用印管理规定", "remedy": "到派出所办"}
    do(workflow, "a", {"refusal": refusal})
    assert (workflow.finished, workflow.end_element, workflow.refusal) == (True, "no", refusal)


def test_an_error_end_without_a_code_is_a_failed_step():
    workflow = start(definition(process(REFUSING, "s -> a\na -> no", declared=ERROR)))
    with pytest.raises(StepFailed):
        do(workflow, "a", {"refusal": {"text": "没有代码"}})


def test_a_refusal_closes_the_other_branches():
    diagram = process(
        REFUSING + '<parallelGateway id="both"/><userTask id="b"/><endEvent id="e"/>',
        "s -> both\nboth -> a\nboth -> b\na -> no\nb -> e",
        declared=ERROR,
    )
    workflow = start(definition(diagram))
    do(workflow, "a", {"refusal": {"code": "x"}})
    assert (workflow.finished, workflow.open_tasks(), workflow.refusal["code"]) == (True, (), "x")
    assert Passed("b", "cancelled", None, ()) in workflow.take_passed()


def test_a_refusal_in_a_called_process_ends_the_matter_unless_it_is_caught():
    called = process(REFUSING, "s -> a\na -> no", id="refusing", declared=ERROR)
    call = '<startEvent id="s"/><callActivity id="c" calledElement="refusing"/><userTask id="b"/><endEvent id="e"/>'
    shared = definition(process(call, "s -> c\nc -> b\nb -> e"), refusing_bpmn=called)
    workflow = reload(start(shared), shared)
    do(workflow, "a", {"refusal": {"code": "x", "text": "不行"}})
    assert (workflow.finished, workflow.end_element) == (True, "no")
    assert workflow.refusal == {"code": "x", "text": "不行", "basis": "", "remedy": ""}

    caught = call + (
        '<boundaryEvent id="caught" attachedToRef="c"><errorEventDefinition id="x"/></boundaryEvent>'
        '<userTask id="mend"/><endEvent id="e2"/>'
    )
    shared = definition(process(caught, "s -> c\nc -> b\nb -> e\ncaught -> mend\nmend -> e2"), refusing_bpmn=called)
    workflow = reload(start(shared), shared)
    do(workflow, "a", {"refusal": {"code": "x"}})
    assert (workflow.refusal, opened(workflow)) == (None, ["mend"])
    assert workflow.data["refusal"] == {"code": "x"}
    do(workflow, "mend")
    assert (workflow.finished, workflow.end_element) == (True, "e2")


def test_a_call_that_ended_in_an_error_hands_nothing_back():
    called = process(REFUSING, "s -> a\na -> no", id="refusing", declared=ERROR)
    call = (
        '<startEvent id="s"/><callActivity id="c" calledElement="refusing"><extensionElements>'
        '<camunda:out source="never_made" target="made"/></extensionElements></callActivity><endEvent id="e"/>'
        '<boundaryEvent id="caught" attachedToRef="c"><errorEventDefinition id="x"/></boundaryEvent>'
        '<userTask id="mend"/><endEvent id="e2"/>'
    )
    workflow = start(definition(process(call, "s -> c\nc -> e\ncaught -> mend\nmend -> e2"), refusing_bpmn=called))
    do(workflow, "a", {"refusal": {"code": "x"}})
    assert (opened(workflow), workflow.open_calls()) == (["mend"], ())
    assert "made" not in workflow.data


def test_an_error_is_caught_only_by_the_call_it_comes_from():
    called = process(REFUSING, "s -> a\na -> no", id="refusing", declared=ERROR)
    elements = '<startEvent id="s"/><parallelGateway id="g"/>' + "".join(
        f'<callActivity id="c{n}" calledElement="refusing"/><endEvent id="e{n}"/><userTask id="mend{n}"/>'
        f'<boundaryEvent id="caught{n}" attachedToRef="c{n}"><errorEventDefinition id="x{n}"/></boundaryEvent>'
        f'<endEvent id="f{n}"/>'
        for n in (1, 2)
    )
    lines = "s -> g\n" + "".join(f"g -> c{n}\nc{n} -> e{n}\ncaught{n} -> mend{n}\nmend{n} -> f{n}\n" for n in (1, 2))
    workflow = start(definition(process(elements, lines), refusing_bpmn=called))
    do(workflow, "a", {"refusal": {"code": "x"}})
    assert len([e for e in opened(workflow) if e.startswith("mend")]) == 1
    assert opened(workflow).count("a") == 1


def test_an_exclusive_gateway_without_a_true_condition_fails_loudly():
    diagram = process(
        '<startEvent id="s"/><exclusiveGateway id="g" name="同意？"/><userTask id="a"/><userTask id="b"/>'
        '<endEvent id="e"/>',
        "s -> g\ng -> a [n = 1]\ng -> b [n = 2]\na -> e\nb -> e",
    )
    shared = definition(diagram)
    assert opened(start(shared, {"n": 2})) == ["b"]
    with pytest.raises(StepFailed) as caught:
        start(shared, {"n": 3})
    assert caught.value.element == "g"
    assert "同意？" in caught.value.message


@pytest.mark.parametrize("data", [{}, {"n": None}, {"n": "1"}], ids=["missing", "null", "text"])
def test_a_condition_on_a_value_that_is_not_there_never_takes_the_default(data):
    diagram = process(
        '<startEvent id="s"/><exclusiveGateway id="g" default="g_b"/><userTask id="a"/><userTask id="b"/>'
        '<endEvent id="e"/>',
        "s -> g\ng -> a [n > 1]\ng -> b [default]\na -> e\nb -> e",
    )
    with pytest.raises(StepFailed) as caught:
        start(definition(diagram), data)
    assert caught.value.element == "g"


def test_a_condition_that_is_neither_true_nor_false_fails_loudly():
    diagram = process(
        '<startEvent id="s"/><exclusiveGateway id="g" default="g_b"/><userTask id="a"/><userTask id="b"/>'
        '<endEvent id="e"/>',
        "s -> g\ng -> a [n]\ng -> b [default]\na -> e\nb -> e",
    )
    with pytest.raises(StepFailed):
        start(definition(diagram), {"n": 1})


def test_the_functions_of_the_domain_and_times_are_at_hand():
    diagram = process(
        '<startEvent id="s"/><userTask id="a"/><exclusiveGateway id="g" default="g_e"/><endEvent id="e"/>',
        's -> a\na -> g\ng -> a [times("g") < param("return.max")]\ng -> e [default]',
    )
    shared = definition(diagram)
    workflow = start(shared, {}, Outside(param={"return.max": 2}.__getitem__))
    for expected in (["a"], ["a"], []):
        do(workflow, "a")
        assert opened(workflow) == expected
        if expected:
            workflow = reload(workflow, shared, Outside(param={"return.max": 2}.__getitem__))


def test_times_of_an_unknown_element_is_refused_when_the_diagram_is_read():
    diagram = process(
        '<startEvent id="s"/><exclusiveGateway id="g" default="g_e"/><userTask id="a"/><endEvent id="e"/>',
        's -> g\ng -> a [times("G") = 0]\ng -> e [default]\na -> e',
    )
    with pytest.raises(DialectError, match="G"):
        definition(diagram)


def test_parallel_branches_are_joined():
    shared = definition(
        process(
            '<startEvent id="s"/><parallelGateway id="split"/><userTask id="a"/><userTask id="b"/>'
            '<parallelGateway id="join"/><endEvent id="e"/>',
            "s -> split\nsplit -> a\nsplit -> b\na -> join\nb -> join\njoin -> e",
        )
    )
    workflow = start(shared, {"x": None})
    assert workflow.take_passed()[-1] == Passed("split", "parallelGateway", "split_a split_b", ())
    do(workflow, "a", {"x": 1})
    workflow = reload(workflow, shared)
    do(workflow, "b", {"y": 2})
    assert (workflow.finished, workflow.data) == (True, {"x": 1, "y": 2})
    assert [passed.element for passed in workflow.take_passed()] == ["b", "join", "e"]


def test_an_inclusive_gateway_takes_every_flow_whose_condition_holds():
    diagram = process(
        '<startEvent id="s"/><inclusiveGateway id="split"/><userTask id="a"/><userTask id="b"/><userTask id="c"/>'
        '<inclusiveGateway id="join"/><userTask id="d"/><endEvent id="e"/>',
        "s -> split\nsplit -> a [n > 0]\nsplit -> b [n > 1]\nsplit -> c [n > 2]\n"
        "a -> join\nb -> join\nc -> join\njoin -> d\nd -> e",
    )
    shared = definition(diagram)
    workflow = start(shared, {"n": 2})
    assert opened(workflow) == ["a", "b"]
    do(workflow, "a")
    assert opened(workflow) == ["b"]
    do(workflow, "b")
    assert opened(workflow) == ["d"]
    with pytest.raises(StepFailed):
        start(shared, {"n": 0})


def test_an_event_gateway_goes_where_the_first_message_says():
    diagram = process(
        '<startEvent id="s"/><eventBasedGateway id="g"/>'
        '<intermediateCatchEvent id="x"><messageEventDefinition id="mx" messageRef="X"/></intermediateCatchEvent>'
        '<intermediateCatchEvent id="y"><messageEventDefinition id="my" messageRef="Y"/></intermediateCatchEvent>'
        '<endEvent id="ex"/><endEvent id="ey"/>',
        "s -> g\ng -> x\ng -> y\nx -> ex\ny -> ey",
        declared='<message id="X" name="objection"/><message id="Y" name="supplement"/>',
    )
    shared = definition(diagram)
    workflow = reload(start(shared), shared)
    waits = workflow.waits()
    assert waits == (Wait(waits[0].id, "x", "objection"), Wait(waits[0].id, "y", "supplement"))
    assert workflow.receive("supplement", {"paper": "1"})
    assert (workflow.end_element, workflow.data) == ("ey", {"paper": "1"})


def test_a_call_passes_all_data_both_ways_unless_mapped():
    called = process('<startEvent id="s"/><userTask id="a"/><endEvent id="e"/>', "s -> a\na -> e", id="meeting")
    plain = '<startEvent id="s"/><callActivity id="c" calledElement="meeting"/><endEvent id="e"/>'
    shared = definition(process(plain, "s -> c\nc -> e"), meeting_bpmn=called)
    workflow = reload(start(shared, {"x": 1}), shared)
    assert workflow.task_data(workflow.open_tasks()[0].id) == {"x": 1}
    do(workflow, "a", {"y": 2})
    assert (workflow.finished, workflow.data) == (True, {"x": 1, "y": 2})

    mapped = plain.replace("</callActivity>", "").replace(
        '<callActivity id="c" calledElement="meeting"/>',
        '<callActivity id="c" calledElement="meeting"><extensionElements>'
        '<camunda:in source="x" target="topic"/><camunda:in sourceExpression="=x + 1" target="next"/>'
        '<camunda:out source="result.passed" target="passed"/></extensionElements></callActivity>',
    )
    shared = definition(process(mapped, "s -> c\nc -> e"), meeting_bpmn=called)
    workflow = reload(start(shared, {"x": 1}), shared)
    assert workflow.task_data(workflow.open_tasks()[0].id) == {"topic": 1, "next": 2}
    do(workflow, "a", {"result": {"passed": True}})
    assert workflow.data == {"x": 1, "passed": True}


SUB = """
<laneSet id="l"><lane id="l1" name="村文书"><flowNodeRef>sub</flowNodeRef></lane></laneSet>
<startEvent id="s"/><subProcess id="sub"><startEvent id="is"/><userTask id="ia"/><endEvent id="ie"/>
<sequenceFlow id="f1" sourceRef="is" targetRef="ia"/><sequenceFlow id="f2" sourceRef="ia" targetRef="ie"/></subProcess>
<boundaryEvent id="w" attachedToRef="sub"><messageEventDefinition id="m" messageRef="M"/></boundaryEvent>
<endEvent id="gone"/><endEvent id="e"/>"""


def test_a_sub_process_inherits_lane_and_data_and_can_be_called_off_as_a_whole():
    shared = definition(process(SUB, "s -> sub\nsub -> e\nw -> gone", declared=MESSAGE))
    workflow = start(shared, {"n": {"k": 1}})
    assert [(task.element, task.lane) for task in workflow.open_tasks()] == [("ia", "村文书")]
    twin = reload(workflow, shared)
    do(workflow, "ia", {"n": {"z": 1}})
    assert (workflow.end_element, workflow.data) == ("e", {"n": {"k": 1, "z": 1}})
    assert twin.receive("withdraw", {})
    assert (twin.finished, twin.end_element, twin.open_tasks()) == (True, "gone", ())
    cancelled = [passed.element for passed in twin.take_passed() if passed.kind == "cancelled"]
    assert cancelled == ["sub", "ia"]


def test_a_terminate_end_calls_off_what_is_open():
    diagram = process(
        '<startEvent id="s"/><parallelGateway id="g"/><userTask id="a"/><userTask id="b"/><endEvent id="e"/>'
        '<endEvent id="t"><terminateEventDefinition id="x"/></endEvent>',
        "s -> g\ng -> a\ng -> b\na -> t\nb -> e",
    )
    workflow = start(definition(diagram))
    do(workflow, "a")
    assert (workflow.finished, workflow.end_element, workflow.refusal) == (True, "t", None)
    assert workflow.take_passed()[-1] == Passed("b", "cancelled", None, ())


def test_a_loop_repeats_its_task_until_the_condition_fails():
    diagram = process(
        '<startEvent id="s"/><userTask id="a"><standardLoopCharacteristics loopMaximum="5"><loopCondition>more'
        '</loopCondition></standardLoopCharacteristics></userTask><endEvent id="e"/>',
        "s -> a\na -> e",
    )
    shared = definition(diagram)
    workflow = start(shared, {"list": [1]})
    do(workflow, "a", {"more": True, "list": [2]})
    workflow = reload(workflow, shared)
    do(workflow, "a", {"more": False, "list": [3]})
    assert (workflow.finished, workflow.data) == (True, {"more": False, "list": [3]})
    assert [passed.kind for passed in workflow.take_passed()] == ["userTask", "loop", "endEvent"]


def test_signers_sign_in_parallel_until_the_condition_closes_the_vote():
    diagram = process(
        '<startEvent id="s"/><userTask id="vote"><multiInstanceLoopCharacteristics camunda:collection="members" '
        'camunda:elementVariable="member"><loopDataOutputRef>votes</loopDataOutputRef><outputDataItem id="yes"/>'
        "<completionCondition>count(votes) &gt;= 2 and nrOfInstances = 3</completionCondition>"
        '</multiInstanceLoopCharacteristics></userTask><endEvent id="e"/>',
        "s -> vote\nvote -> e",
    )
    shared = definition(diagram)
    workflow = start(shared, {"members": ["甲", "乙", "丙"]})
    assert [workflow.task_data(task.id)["member"] for task in workflow.open_tasks()] == ["甲", "乙", "丙"]
    do(workflow, "vote", {"yes": True})
    workflow = reload(workflow, shared)
    assert len(workflow.open_tasks()) == 2
    do(workflow, "vote", {"yes": False})
    assert (workflow.finished, workflow.data["votes"]) == (True, [True, False])


TABLE = b"""<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="d" name="d" namespace="n">
<decision id="level" name="\xe6\x9d\x83\xe9\x99\x90"><decisionTable id="t" hitPolicy="UNIQUE">
<input id="i"><inputExpression id="ie"><text>amount</text></inputExpression></input>
<output id="o" name="route" typeRef="string"/>
<rule id="small"><inputEntry id="e1"><text>&lt;= param("limit")</text></inputEntry>
<outputEntry id="o1"><text>"director"</text></outputEntry></rule>
<rule id="large"><inputEntry id="e2"><text>[1001..5000]</text></inputEntry>
<outputEntry id="o2"><text>"both"</text></outputEntry></rule>
</decisionTable></decision></definitions>"""
DECIDING = (
    '<startEvent id="s"/><businessRuleTask id="r" camunda:decisionRef="level" camunda:resultVariable="approval"{}/>'
    '<endEvent id="e"/>'
)


def test_a_decision_table_is_evaluated_by_ours_and_tells_the_row():
    outside = Outside(param={"limit": 1000}.__getitem__)
    shared = definition(process(DECIDING.format(""), "s -> r\nr -> e"), level_dmn=TABLE)
    workflow = start(shared, {"amount": 2000}, outside)
    assert workflow.data["approval"] == {"route": "both"}
    assert workflow.take_passed()[1] == Passed("r", "businessRuleTask", "r_e", ("large",))

    single = DECIDING.format(' camunda:mapDecisionResult="singleEntry"')
    workflow = start(definition(process(single, "s -> r\nr -> e"), level_dmn=TABLE), {"amount": 2}, outside)
    assert workflow.data["approval"] == "director"


def test_a_decision_without_a_matching_row_or_without_its_input_is_a_failed_step():
    shared = definition(process(DECIDING.format(""), "s -> r\nr -> e"), level_dmn=TABLE)
    for data in ({"amount": 9999}, {"amount": None}, {}):
        with pytest.raises(StepFailed) as caught:
            start(shared, data, Outside(param={"limit": 1000}.__getitem__))
        assert caught.value.element == "r"


def test_a_message_thrown_to_the_outside_is_handed_over_once():
    diagram = process(
        '<startEvent id="s"/><intermediateThrowEvent id="t"><messageEventDefinition id="m" messageRef="M"/>'
        '</intermediateThrowEvent><userTask id="a"/><endEvent id="e"/>',
        "s -> t\nt -> a\na -> e",
        declared='<message id="M" name="report"/>',
    )
    workflow = start(definition(diagram), {"x": 1})
    assert workflow.take_thrown() == (Thrown("report", {"x": 1}),)
    assert workflow.take_thrown() == ()


REQUEST = {
    "applicant_name": "王某", "phone": "13800000000", "group_name": "一组", "document_name": "居住证明",
    "purpose": "孩子上学", "kind": "proof", "amount": None, "resolution_number": None, "copies": 2,
    "document_photo": ["f1"],
}  # fmt: skip
REGISTER = {
    "applicant": 1, "not_on_roll": False, "relatives": [], "kind": "proof", "amount": None,
    "resolution_number": None, "blank": False, "papers": "complete", "lack": None,
}  # fmt: skip
NO_REFUSAL = {"code": None, "text": None, "basis": None, "remedy": None}
ANSWERS = {
    "document.render": {"document_id": 1},
    "register.find": {"found": False, "entry": None},
    "post.find": {"found": True, "missing": ""},
    "register.enter": {"serial": 1, "entry_id": 1},
    "notify.send": {"notice_id": 1, "channel": "pages"},
}


@pytest.fixture(scope="module")
def seal_use() -> Definition:
    return Definition.read(read_folder(Path(__file__).parents[2] / "processes" / "E01_seal_use"))


def seal_world() -> Outside:
    return Outside(ANSWERS, param={"return.max": 2, "seal.contract_max": 1_000_000}.__getitem__)


def test_seal_use_is_registered_approved_compared_stamped_and_entered(seal_use: Definition):
    outside = seal_world()
    workflow = start(seal_use, REQUEST, outside)
    approve = {"approve": {"decision": "agree"}, "approved_copies": 2, "lack": None, "refusal": NO_REFUSAL}
    for element, data in (
        ("Task_register", REGISTER),
        ("Task_approve", approve),
        ("Task_compare", {"compare": {"decision": "agree"}, "refusal": NO_REFUSAL}),
        ("Task_stamp", {"stamped_copies": 2, "scan": ["f2"]}),
    ):
        assert opened(workflow) == [element]
        do(workflow, element, data)
        workflow = reload(workflow, seal_use, outside)
    assert (workflow.finished, workflow.end_element, workflow.refusal) == (True, "End_done", None)
    entered = next(inputs for topic, _, _, inputs in outside.calls if topic == "register.enter")
    assert (entered["register"], entered["copies"]) == ("seal_use", 2)
    seal_use.check()


def test_seal_use_ends_refused_with_reason_basis_and_remedy(seal_use: Definition):
    workflow = start(seal_use, REQUEST, seal_world())
    do(workflow, "Task_register", REGISTER)
    refusal = {"code": "content_untrue", "text": "内容不实", "basis": "村级用印管理规定", "remedy": "改正后再来"}
    do(workflow, "Task_approve", {"approve": {"decision": "refuse"}, "approved_copies": None, "refusal": refusal})
    assert (workflow.finished, workflow.end_element) == (True, "End_refused")
    assert workflow.refusal == refusal


def test_seal_use_waits_for_papers_and_can_be_withdrawn(seal_use: Definition):
    workflow = start(seal_use, REQUEST, seal_world())
    do(workflow, "Task_register", {**REGISTER, "papers": "supplement", "lack": "缺身份证"})
    assert workflow.open_tasks() == ()
    assert workflow.receive("supplement", {})
    assert opened(workflow) == ["Task_register"]
    assert workflow.receive("withdraw", {})
    assert (workflow.finished, workflow.end_element) == (True, "End_withdrawn")
