"""Every lift is proved by running it: written down and read again at each step, on specs read afresh."""

from __future__ import annotations

import sys

import pytest

from engine.bpmn.execution.dialect import DialectError
from engine.bpmn.workflow import StepFailed, Wait
from tests.bpmn.diagrams import Walk, definition, flows, opened, process, start

LINE = '<startEvent id="s"/><userTask id="a"/><userTask id="b"/><endEvent id="e"/>'
LINE_FLOWS = "s -> a\na -> b\nb -> e"
MESSAGE = '<message id="M" name="m"/>'


def tasks(*ids: str) -> str:
    return "".join(f'<userTask id="{id}"/>' for id in ids)


def event(tag: str, id: str, kind: str, inner: str = "", said: str = "", more: str = "") -> str:
    return f'<{tag} id="{id}" {more}><{kind}EventDefinition id="{id}_d" {said}>{inner}</{kind}EventDefinition></{tag}>'


def timer(tag: str, id: str, text: str, more: str = "") -> str:
    return event(tag, id, "timer", f"<timeDuration>{text}</timeDuration>", more=more)


# --- spelling -------------------------------------------------------------------------------------------------------


def test_ids_that_spiffworkflow_keeps_for_itself_are_steps_like_others():
    elements = '<startEvent id="s"/>' + tasks("End", "Start", "p.EndJoin", "x.BoundaryEventSplit", "Root", "v [child]")
    elements += '<endEvent id="StartEventJoin"/>'
    ids = ["s", "End", "Start", "p.EndJoin", "x.BoundaryEventSplit", "Root", "v [child]", "StartEventJoin"]
    lines = "".join(
        f'<sequenceFlow id="f{n}" sourceRef="{ids[n]}" targetRef="{ids[n + 1]}"/>' for n in range(len(ids) - 1)
    )
    walk = Walk(process(elements, "").replace(b"</process>", f"{lines}</process>".encode()))
    for id in ids[1:-1]:
        assert walk.open == [id]
        walk.do(id)
    assert (walk.path, walk.end) == (ids, "StartEventJoin")
    assert walk.flows == [f"f{n}" for n in range(len(ids) - 1)]


def test_a_step_of_a_reserved_id_is_counted_keeps_its_lane_and_can_be_called_off():
    elements = (
        '<laneSet id="l"><lane id="l1" name="村文书"><flowNodeRef>\n  End\n</flowNodeRef></lane></laneSet>'
        '<startEvent id="s"/><userTask id="End"/>'
        + event("boundaryEvent", "w", "message", said='messageRef="M"', more='attachedToRef="End"')
        + '<exclusiveGateway id="g" default="g_e"/><endEvent id="e"/><endEvent id="gone"/>'
    )
    lines = 's -> End\nEnd -> g\ng -> End [times("End") < 2]\ng -> e [default]\nw -> gone'
    diagram = process(elements, lines, declared='<message id="M" name="withdraw"/>')
    walk = Walk(diagram).do("End").do("End")
    assert walk.end == "e"
    walk = Walk(diagram).do("End")
    assert [(task.element, task.lane) for task in walk.workflow.open_tasks()] == [("End", "村文书")]
    assert walk.receive("withdraw")
    assert walk.end == "gone"


def test_xml_booleans_prefixes_and_comments_mean_what_they_mean():
    elements = (
        '<startEvent id="s"/><userTask id="a"/>'
        + event(
            "boundaryEvent", "w", "message", said='messageRef="t:M"', more='attachedToRef="t:a" cancelActivity=" 1 "'
        )
        + '<exclusiveGateway id="g" default="g_e"/><userTask id="b"/><endEvent id="e"/><endEvent id="gone"/>'
    )
    lines = "s -> a\na -> g\ng -> b [n = 1 and m = 1]\ng -> e [default]\nb -> e\nw -> gone"
    diagram = process(elements, lines, declared='<message id="M" name="withdraw"/>')
    diagram = diagram.replace(b"targetNamespace", b'xmlns:t="urn:test" targetNamespace')
    diagram = diagram.replace(b"n = 1 and", b"n = 1 <!-- and nothing else --> and").replace(b'"true"', b'"1"')
    walk = Walk(diagram)
    assert walk.receive("withdraw")
    assert walk.end == "gone", "cancelActivity=1 calls the task off"
    assert Walk(diagram, {"n": 1, "m": 2}).do("a").end == "e"
    assert Walk(diagram, {"n": 1, "m": 1}).do("a").open == ["b"]


def test_an_event_definition_by_reference_stands_in_the_event():
    elements = (
        '<startEvent id="s"/><intermediateCatchEvent id="c"><eventDefinitionRef> T </eventDefinitionRef>'
        '</intermediateCatchEvent><intermediateCatchEvent id="d"><eventDefinitionRef>T</eventDefinitionRef>'
        '</intermediateCatchEvent><endEvent id="e"/>'
    )
    declared = '<timerEventDefinition id="T"><timeDuration>PT1H</timeDuration></timerEventDefinition>'
    walk = Walk(process(elements, "s -> c\nc -> d\nd -> e", declared=declared))
    assert walk.wait(hours=1).path == ["s", "c"]
    assert walk.wait(hours=1).end == "e"


def test_a_signal_and_an_escalation_that_are_nowhere_declared_are_known_by_their_reference():
    inner = '<startEvent id="is"/>' + event("endEvent", "ie", "escalation", said='escalationRef="Late"')
    elements = (
        f'<startEvent id="s"/><subProcess id="sub">{inner}{flows("is -> ie")}</subProcess>'
        + event("boundaryEvent", "b", "escalation", said='escalationRef="Late"', more='attachedToRef="sub"')
        + event("boundaryEvent", "o", "escalation", said='escalationRef="Other"', more='attachedToRef="sub"')
        + tasks("told")
        + '<endEvent id="e"/>'
    )
    assert Walk(process(elements, "s -> sub\nsub -> e\nb -> told\no -> e\ntold -> e")).open == ["told"]


# --- flows ----------------------------------------------------------------------------------------------------------


def test_links_are_flows_from_every_place_that_throws_them():
    elements = (
        '<startEvent id="s"/><exclusiveGateway id="g" default="g_t1"/>'
        + event("intermediateThrowEvent", "t1", "link", said='name="on"')
        + event("intermediateThrowEvent", "t2", "link", said='name="on"')
        + event("intermediateCatchEvent", "c", "link", said='name="on"')
        + tasks("a")
        + '<endEvent id="e"/>'
    )
    diagram = process(elements, "s -> g\ng -> t1 [default]\ng -> t2 [n = 2]\nc -> a\na -> e")
    assert Walk(diagram, {"n": 1}).do("a").path == ["s", "g", "t1", "c", "a", "e"]
    walk = Walk(diagram, {"n": 2}).do("a")
    assert walk.path == ["s", "g", "t2", "c", "a", "e"]
    assert walk.flows == ["s_g", "g_t2", "c_a", "a_e"], "what was not drawn is not told"


def test_links_join_within_their_own_sub_process():
    inner = (
        '<startEvent id="is"/>'
        + event("intermediateThrowEvent", "it", "link", said='name="x"')
        + event("intermediateCatchEvent", "ic", "link", said='name="x"')
        + '<endEvent id="ie"/>'
        + flows("is -> it\nic -> ie")
    )
    outer = event("intermediateThrowEvent", "t", "link", said='name="x"') + event(
        "intermediateCatchEvent", "c", "link", said='name="x"'
    )
    elements = f'<startEvent id="s"/><subProcess id="sub">{inner}</subProcess>{outer}<endEvent id="e"/>'
    assert Walk(process(elements, "s -> sub\nsub -> t\nc -> e")).path == [
        "s",
        "is",
        "it",
        "ic",
        "ie",
        "sub",
        "t",
        "c",
        "e",
    ]


@pytest.mark.parametrize("tag", ["intermediateThrowEvent", "intermediateCatchEvent"])
def test_a_link_without_its_other_end_is_refused(tag: str):
    elements = '<startEvent id="s"/>' + event(tag, "l", "link", said='name="on"') + '<endEvent id="e"/>'
    with pytest.raises(DialectError, match="链接"):
        definition(process(elements, "s -> e"))


def test_conditions_on_the_flows_out_of_a_task_are_asked():
    elements = '<startEvent id="s"/>' + tasks("a", "b", "c", "d") + '<endEvent id="e"/>'
    lines = "s -> a\na -> b [n > 1]\na -> c [n > 2]\na -> d\nb -> e\nc -> e\nd -> e"
    for n, chosen in ((1, ["d"]), (2, ["b", "d"]), (3, ["b", "c", "d"])):
        walk = Walk(process(elements, lines)).do("a", {"n": n})
        assert walk.open == chosen
        assert walk.path == ["s", "a"]
        assert walk.flows == ["s_a", *(f"a_{id}" for id in chosen)]
        for id in chosen:
            walk.do(id)
        assert walk.end == "e"


def test_the_default_flow_of_a_task_is_taken_when_no_condition_holds():
    elements = '<startEvent id="s"/>' + tasks("a", "b", "c", "d") + '<endEvent id="e"/>'
    elements = elements.replace('<userTask id="a"/>', '<userTask id="a" default="a_c"/>')
    lines = "s -> a\na -> b [n > 1]\na -> c [default]\nb -> e\nc -> e\nd -> e\n"
    assert Walk(process(elements, lines + "b -> d")).do("a", {"n": 1}).open == ["c"]
    assert Walk(process(elements, lines + "b -> d")).do("a", {"n": 2}).open == ["b"]
    assert Walk(process(elements, lines + "a -> d")).do("a", {"n": 1}).open == ["c", "d"]
    assert Walk(process(elements, lines + "a -> d")).do("a", {"n": 2}).open == ["b", "d"]


def test_a_task_whose_conditions_all_fail_stops_loudly():
    with pytest.raises(StepFailed) as caught:
        Walk(process(LINE, "s -> a\na -> b [n = 1]\nb -> e")).do("a", {"n": 2})
    assert caught.value.element == "a"
    assert Walk(process(LINE, "s -> a\na -> b [n = 1]\nb -> e")).do("a", {"n": 1}).open == ["b"]


def test_conditions_behind_a_multi_instance_task_are_asked_once():
    many = (
        '<userTask id="a"><multiInstanceLoopCharacteristics isSequential="true"><loopCardinality>2</loopCardinality>'
        "</multiInstanceLoopCharacteristics></userTask>"
    )
    elements = f'<startEvent id="s"/>{many}{tasks("b", "c")}<endEvent id="e"/>'
    walk = Walk(process(elements, "s -> a\na -> b [n = 1]\na -> c [n = 2]\nb -> e\nc -> e"))
    assert walk.do("a", {"n": 1}).open == ["a"]
    assert walk.do("a", {"n": 2}).open == ["c"]


@pytest.mark.parametrize("join", ["parallelGateway", "inclusiveGateway"])
@pytest.mark.parametrize(
    ("split", "lines"),
    [
        ('<inclusiveGateway id="g"/>', "s -> g\ng -> j [true]\ng -> a [true]\na -> j\nj -> b\nb -> e"),
        ('<userTask id="g"/>', "s -> g\ng -> j [true]\ng -> a [true]\na -> j\nj -> b\nb -> e"),
        ('<parallelGateway id="g"/>', "s -> g\ng -> j\ng -> a\na -> j\nj -> b\nb -> e"),
    ],
    ids=["inclusive", "task", "parallel"],
)
def test_two_flows_from_one_node_into_a_join_are_two_ways(join: str, split: str, lines: str):
    twin = "<conditionExpression>true</conditionExpression>" if "[" in lines else ""
    elements = f'<startEvent id="s"/>{split}<{join} id="j"/>{tasks("a", "b")}<endEvent id="e"/>'
    elements += f'<sequenceFlow id="twin" sourceRef="g" targetRef="j">{twin}</sequenceFlow>'
    walk = Walk(process(elements, lines))
    if walk.open == ["g"]:
        walk.do("g")
    assert walk.open == ["a"]
    walk.do("a")
    assert walk.open == ["b"]
    walk.do("b")
    assert walk.end == "e"
    assert walk.path.count("j") == 1
    assert {"twin", "g_j"} <= set(walk.flows)


def test_what_hangs_on_a_receive_task_behind_an_event_gateway_is_refused():
    elements = '<startEvent id="s"/><eventBasedGateway id="g"/><receiveTask id="r" messageRef="M"/><endEvent id="e"/>'
    elements += timer("boundaryEvent", "w", "P3D", 'attachedToRef="r"')
    elements += timer("intermediateCatchEvent", "t", "P9D")
    with pytest.raises(DialectError, match="边上不能再挂事件"):
        definition(process(elements, "s -> g\ng -> r\ng -> t\nr -> e\nt -> e\nw -> e", declared=MESSAGE))


def test_a_process_without_start_and_end_begins_and_ends_where_no_flow_leads():
    walk = Walk(process(tasks("a", "b", "c"), "a -> c"))
    assert walk.open == ["a", "b"]
    walk.do("a").do("c").do("b")
    assert walk.workflow.finished
    assert walk.path == ["a", "c", "b"]


def test_a_sub_process_without_start_and_end_begins_and_ends_where_no_flow_leads():
    elements = f'<startEvent id="s"/><subProcess id="sub">{tasks("a", "b")}</subProcess><endEvent id="e"/>'
    walk = Walk(process(elements, "s -> sub\nsub -> e"))
    assert walk.do("b").open == ["a"]
    assert walk.do("a").end == "e"


def test_a_boundary_event_without_a_flow_ends_its_branch():
    elements = (
        '<startEvent id="s"/><userTask id="a"/>'
        + event("boundaryEvent", "w", "message", said='messageRef="M"', more='attachedToRef="a"')
        + '<endEvent id="e"/>'
    )
    walk = Walk(process(elements, "s -> a\na -> e", declared='<message id="M" name="withdraw"/>'))
    assert walk.receive("withdraw")
    assert walk.workflow.finished and walk.path == ["s", "w"]


def _chain(count: int, first: str, tag: str) -> tuple[str, str]:
    elements = (
        f'<startEvent id="s"/>{first}' + "".join(f'<{tag} id="t{n}"/>' for n in range(count)) + '<endEvent id="e"/>'
    )
    return elements, "s -> a\na -> t0\n" + "".join(
        f"t{n} -> t{n + 1}\n" for n in range(count - 1)
    ) + f"t{count - 1} -> e"


def test_a_chain_deeper_than_the_stack_is_read_run_and_called_off():
    count = sys.getrecursionlimit() + 200
    elements, lines = _chain(count, tasks("a"), "intermediateThrowEvent")
    withdraw = event("boundaryEvent", "w", "message", said='messageRef="M"', more='attachedToRef="a"')
    diagram = process(elements + withdraw + '<endEvent id="gone"/>', lines + "\nw -> gone", declared=MESSAGE)
    walk = Walk(diagram).do("a")
    assert (walk.end, len(walk.path)) == ("e", count + 3)
    walk = Walk(diagram)
    assert walk.receive("m")
    assert walk.end == "gone"


def test_a_chain_of_steps_long_behind_is_called_off_too():
    elements, lines = _chain(sys.getrecursionlimit() + 200, tasks("a"), "intermediateThrowEvent")
    inner = elements.replace('<endEvent id="e"/>', '<userTask id="last"/><endEvent id="e"/>') + flows(
        lines.replace(" -> e", " -> last\nlast -> e")
    )
    withdraw = event("boundaryEvent", "w", "message", said='messageRef="M"', more='attachedToRef="sub"')
    outer = f'<startEvent id="os"/><subProcess id="sub">{inner}</subProcess>{withdraw}'
    outer += '<endEvent id="oe"/><endEvent id="gone"/>'
    walk = Walk(process(outer, "os -> sub\nsub -> oe\nw -> gone", declared=MESSAGE)).do("a")
    assert walk.open == ["last"]
    assert walk.receive("m")
    assert walk.end == "gone"


# --- events ---------------------------------------------------------------------------------------------------------


def test_an_end_that_signals_is_heard_in_the_other_branch_and_brings_only_its_inputs():
    inputs = (
        "<extensionElements><camunda:inputOutput>"
        '<camunda:inputParameter name="result">=n + 1</camunda:inputParameter>'
        "</camunda:inputOutput></extensionElements>"
    )
    elements = (
        '<startEvent id="s"/><parallelGateway id="g"/>'
        + tasks("a", "b")
        + event("intermediateCatchEvent", "heard", "signal", said='signalRef="S"')
        + f'<endEvent id="done">{inputs}<signalEventDefinition id="d" signalRef="S"/></endEvent><endEvent id="e"/>'
    )
    lines = "s -> g\ng -> a\ng -> heard\na -> done\nheard -> b\nb -> e"
    walk = Walk(process(elements, lines, declared='<signal id="S" name="完成"/>'), {"n": 1, "other": "kept"})
    assert walk.open == ["a"]
    walk.do("a", {"other": "changed in this branch only", "n": 2})
    assert walk.open == ["b"]
    assert walk.workflow.task_data(walk.workflow.open_tasks()[0].id) == {"n": 1, "other": "kept", "result": 3}
    assert walk.do("b").end == "e"


def _call(id: str) -> str:
    return f'<callActivity id="{id}" calledElement="inner"/>'


@pytest.mark.parametrize("kind", ["error", "escalation"])
def test_what_a_call_throws_is_caught_at_that_call_only(kind: str):
    reference = f'{kind}Ref="X"'
    inner = process(
        '<startEvent id="is"/><userTask id="ia"/>' + event("endEvent", "ie", kind, said=reference),
        "is -> ia\nia -> ie",
        id="inner",
        declared=f'<{kind} id="X" name="x" {kind}Code="late"/>',
    )
    elements = '<startEvent id="s"/><parallelGateway id="g"/>' + _call("c1") + _call("c2") + '<endEvent id="e"/>'
    elements += event("boundaryEvent", "b1", kind, said=reference, more='attachedToRef="c1"') + tasks("one", "two")
    elements += event("boundaryEvent", "b2", kind, said=reference, more='attachedToRef="c2"')
    lines = "s -> g\ng -> c1\ng -> c2\nc1 -> e\nc2 -> e\nb1 -> one\nb2 -> two\none -> e\ntwo -> e"
    walk = Walk(process(elements, lines, declared=f'<{kind} id="X" {kind}Code="late"/>'), inner_bpmn=inner)
    assert walk.open == ["ia", "ia"]
    walk.do("ia")
    assert len(walk.open) == 2 and walk.open[0] == "ia"
    caught = walk.open[1]
    assert caught in ("one", "two")
    walk.do("ia").do("one").do("two")
    assert walk.end == "e"


def test_each_file_declares_errors_and_messages_of_its_own():
    inner = process(
        '<startEvent id="is"/><userTask id="ia"/>' + event("endEvent", "ie", "error", said='errorRef="X"'),
        "is -> ia\nia -> ie",
        id="inner",
        declared='<error id="X" errorCode="late"/>',
    )
    elements = '<startEvent id="s"/>' + _call("c") + '<endEvent id="e"/>'
    elements += event("boundaryEvent", "b", "error", said='errorRef="X"', more='attachedToRef="c"')
    other = process(elements, "s -> c\nc -> e\nb -> e", declared='<error id="X" errorCode="other"/>')
    assert Walk(other, inner_bpmn=inner).do("ia").workflow.refusal["code"] == "late"
    same = process(elements, "s -> c\nc -> e\nb -> e", declared='<error id="X" errorCode="late"/>')
    assert Walk(same, inner_bpmn=inner).do("ia").path[-2:] == ["b", "e"]


def test_an_escalation_that_nobody_waits_for_is_nothing_and_one_that_calls_nothing_off_goes_on_beside():
    inner = (
        '<startEvent id="is"/>'
        + event("intermediateThrowEvent", "t", "escalation", said='escalationRef="X"')
        + '<userTask id="ia"/><endEvent id="ie"/>'
        + flows("is -> t\nt -> ia\nia -> ie")
    )
    elements = f'<startEvent id="s"/><subProcess id="sub">{inner}</subProcess><endEvent id="e"/>'
    declared = '<escalation id="X" name="x" escalationCode="late"/>'
    assert Walk(process(elements, "s -> sub\nsub -> e", declared=declared)).do("ia").end == "e"
    aside = event(
        "boundaryEvent", "b", "escalation", said='escalationRef="X"', more='attachedToRef="sub" cancelActivity="false"'
    )
    walk = Walk(
        process(elements + aside + tasks("told"), "s -> sub\nsub -> e\nb -> told\ntold -> e", declared=declared)
    )
    assert walk.open == ["ia", "told"]
    assert walk.do("ia").do("told").end == "e"


GATEWAY = (
    '<startEvent id="s"/><eventBasedGateway id="g"/>'
    + timer("intermediateCatchEvent", "soon", "PT1H")
    + timer("intermediateCatchEvent", "later", "PT5H")
    + event("intermediateCatchEvent", "told", "message", said='messageRef="M"')
    + tasks("a", "b", "c")
    + '<endEvent id="e"/>'
)
GATEWAY_FLOWS = "s -> g\ng -> later\ng -> soon\ng -> told\nsoon -> a\nlater -> b\ntold -> c\na -> e\nb -> e\nc -> e"


@pytest.mark.parametrize("hours", [1, 4, 99])
def test_of_several_timers_behind_an_event_gateway_the_earliest_goes_on(hours: int):
    walk = Walk(process(GATEWAY, GATEWAY_FLOWS, declared='<message id="M" name="m"/>'))
    assert {wait.element for wait in walk.workflow.waits()} == {"soon", "later", "told"}
    assert walk.wait(minutes=59).open == []
    assert (walk.workflow.next_due - walk.time).total_seconds() == 60
    assert walk.wait(hours=hours).open == ["a"]
    assert walk.do("a").end == "e"


def test_a_message_goes_before_the_timers_of_its_event_gateway():
    walk = Walk(process(GATEWAY, GATEWAY_FLOWS, declared='<message id="M" name="m"/>'))
    assert walk.receive("m", n=1)
    assert (walk.open, walk.data["n"]) == (["c"], 1)
    assert walk.wait(hours=99).open == ["c"]


def test_a_boundary_event_that_calls_nothing_off_happens_each_time():
    elements = (
        '<startEvent id="s"/><userTask id="a"/>'
        + event("boundaryEvent", "n", "message", said='messageRef="M"', more='attachedToRef="a" cancelActivity="false"')
        + tasks("note")
        + '<endEvent id="e"/><endEvent id="noted"/>'
    )
    walk = Walk(process(elements, "s -> a\na -> e\nn -> note\nnote -> noted", declared='<message id="M" name="m"/>'))
    for count in (1, 2, 3):
        assert walk.receive("m", n=count)
        assert walk.open == ["a"] + ["note"] * count
    walk.do("a")
    assert not walk.receive("m")
    walk.do("note").do("note").do("note")
    assert walk.workflow.finished


def test_a_parallel_join_waits_for_the_branch_of_a_boundary_event_too():
    elements = '<startEvent id="s"/><inclusiveGateway id="g"/>' + tasks("a", "b", "c") + '<parallelGateway id="j"/>'
    elements += '<endEvent id="e"/>' + event(
        "boundaryEvent", "n", "message", said='messageRef="M"', more='attachedToRef="a" cancelActivity="false"'
    )
    lines = "s -> g\ng -> a [true]\ng -> b [true]\nn -> c\na -> j\nb -> j\nc -> j\nj -> e"
    walk = Walk(process(elements, lines, declared=MESSAGE))
    assert walk.receive("m")
    assert walk.do("a").do("b").open == ["c"]
    assert walk.do("c").end == "e"


@pytest.mark.parametrize("order", ["", 'isSequential="true"'], ids=["parallel", "sequential"])
def test_instances_give_their_output_item_in_order(order: str):
    votes = (
        f'<userTask id="vote"><multiInstanceLoopCharacteristics {order}><loopDataInputRef>\n members\n'
        "</loopDataInputRef><loopDataOutputRef> votes </loopDataOutputRef><inputDataItem id='member'/>"
        "<outputDataItem id='yes'/></multiInstanceLoopCharacteristics></userTask>"
    )
    walk = Walk(
        process(f'<startEvent id="s"/>{votes}<endEvent id="e"/>', "s -> vote\nvote -> e"), {"members": [1, 2, 3]}
    )
    for yes in (True, False, True):
        walk.do("vote", {"yes": yes})
    assert (walk.end, sorted(walk.data["votes"])) == ("e", [False, True, True])


def test_a_loop_goes_on_while_its_condition_is_true_and_stops_at_its_maximum():
    loop = (
        '<userTask id="a"><standardLoopCharacteristics {}<loopCondition>again</loopCondition>'
        "</standardLoopCharacteristics></userTask>"
    )
    for maximum, rounds in (("", 3), ('loopMaximum="2"', 2)):
        walk = Walk(process(f'<startEvent id="s"/>{loop.format(maximum + ">")}<endEvent id="e"/>', "s -> a\na -> e"))
        for round in range(rounds):
            assert walk.end is None
            walk.do("a", {"again": round < 2})
        assert walk.end == "e"


def test_more_instances_than_a_village_has_people_are_refused():
    many = (
        '<userTask id="a"><multiInstanceLoopCharacteristics><loopCardinality>n</loopCardinality>'
        "</multiInstanceLoopCharacteristics></userTask>"
    )
    diagram = process(f'<startEvent id="s"/>{many}<endEvent id="e"/>', "s -> a\na -> e")
    assert len(opened(start(definition(diagram), {"n": 50}))) == 50
    with pytest.raises(StepFailed, match="2000"):
        start(definition(diagram), {"n": 10**9})


# --- event sub-processes --------------------------------------------------------------------------------------------


def reaction(id: str, kind: str, said: str, inner: str = "", interrupting: bool = True) -> str:
    """Return an event sub-process with one task, ``<id>_t``."""
    more = "" if interrupting else 'isInterrupting="false"'
    start_event = event("startEvent", f"{id}_s", kind, inner, said, more)
    body = f'{start_event}<userTask id="{id}_t"/><endEvent id="{id}_e"/>' + flows(f"{id}_s -> {id}_t\n{id}_t -> {id}_e")
    return f'<subProcess id="{id}" triggeredByEvent="true">{body}</subProcess>'


def test_an_event_sub_process_interrupts_its_process_and_goes_on_with_what_it_has_come_to():
    diagram = process(LINE + reaction("r", "message", 'messageRef="M"'), LINE_FLOWS, declared=MESSAGE)
    assert Walk(diagram).do("a").do("b").end == "e"
    walk = Walk(diagram, {"x": 0})
    assert walk.workflow.waits() == (Wait(walk.workflow.waits()[0].id, "r_s", "m"),)
    walk.do("a", {"x": 1})
    assert walk.receive("m", said="halt")
    assert walk.open == ["r_t"]
    assert walk.workflow.task_data(walk.workflow.open_tasks()[0].id) == {"x": 1, "said": "halt"}
    walk.do("r_t")
    assert (walk.end, walk.path) == ("r_e", ["s", "a", "r_s", "r_t", "r_e", "r"])
    assert walk.data == {"x": 1, "said": "halt"}


def test_an_event_sub_process_that_interrupts_nothing_runs_beside_each_time_and_loses_no_later_change():
    diagram = process(
        LINE + reaction("r", "message", 'messageRef="M"', interrupting=False), LINE_FLOWS, declared=MESSAGE
    )
    walk = Walk(diagram, {"x": 0, "y": 0})
    walk.do("a", {"x": 1})
    assert walk.receive("m") and walk.receive("m")
    assert walk.open == ["b", "r_t", "r_t"]
    walk.do("r_t", {"y": 1}).do("b", {"x": 2})
    assert walk.open == ["r_t"], "the process ends when what runs beside it has ended"
    assert not walk.receive("m")
    walk.do("r_t", {"z": 1})
    assert walk.workflow.finished
    assert walk.data == {"x": 2, "y": 1, "z": 1}


def test_only_the_start_of_a_process_is_told_as_a_start():
    inner = '<startEvent id="is"/><endEvent id="ie"/>' + flows("is -> ie")
    elements = LINE.replace('<userTask id="b"/>', f'<subProcess id="b">{inner}</subProcess>')
    called = process(LINE + reaction("q", "message", 'messageRef="M"'), LINE_FLOWS, id="inner", declared=MESSAGE)
    elements += reaction("r", "message", 'messageRef="M"', interrupting=False)
    called = called.replace(b'"s"', b'"cs"').replace(b'"e"', b'"ce"').replace(b'"a"', b'"ca"').replace(b'"b"', b'"cb"')
    elements = elements.replace('<userTask id="a"/>', '<callActivity id="a" calledElement="inner"/>')
    workflow = start(definition(process(elements, LINE_FLOWS, declared=MESSAGE), inner_bpmn=called))
    passed = [*workflow.take_passed()]
    workflow.receive("m", {})
    passed += workflow.take_passed()
    kinds = {each.element: each.kind for each in passed if each.kind in ("startEvent", "subStart")}
    assert kinds == {"s": "startEvent", "cs": "startEvent", "r_s": "subStart", "q_s": "subStart"}


def test_an_event_sub_process_waits_for_time():
    inner = "<timeDuration>PT2H</timeDuration>"
    walk = Walk(process(LINE + reaction("r", "timer", "", inner), LINE_FLOWS))
    assert walk.wait(hours=1).open == ["a"]
    assert walk.do("a").wait(hours=1).open == ["r_t"]
    assert walk.do("r_t").end == "r_e"


def test_an_event_sub_process_hears_a_signal():
    elements = (
        '<startEvent id="s"/><parallelGateway id="g"/>'
        + tasks("a", "b")
        + event("intermediateThrowEvent", "t", "signal", said='signalRef="S"')
        + '<endEvent id="e"/>'
        + reaction("r", "signal", 'signalRef="S"')
    )
    walk = Walk(
        process(elements, "s -> g\ng -> a\ng -> b\na -> t\nt -> e\nb -> e", declared='<signal id="S" name="x"/>')
    )
    assert walk.do("a").open == ["r_t"]
    assert walk.do("r_t").end == "r_e"


@pytest.mark.parametrize("kind", ["error", "escalation"])
def test_an_event_sub_process_catches_what_its_own_scope_throws(kind: str):
    inner = tasks("ia") + event("endEvent", "ie", kind, said=f'{kind}Ref="X"') + '<startEvent id="is"/>'
    inner += flows("is -> ia\nia -> ie") + reaction("r", kind, f'{kind}Ref="X"')
    elements = f'<startEvent id="s"/><subProcess id="sub">{inner}</subProcess>{tasks("b")}<endEvent id="e"/>'
    declared = f'<{kind} id="X" name="x" {kind}Code="late"/>'
    walk = Walk(process(elements, "s -> sub\nsub -> b\nb -> e", declared=declared))
    walk.do("ia", {"n": 1})
    assert walk.open == ["r_t"]
    walk.do("r_t", {"mended": True})
    assert walk.open == ["b"], "the sub-process is over, what is behind it goes on"
    assert walk.do("b").end == "e"
    assert walk.data == {"n": 1, "mended": True}


def test_an_error_of_the_process_itself_is_caught_before_it_refuses_the_matter():
    error = '<error id="X" name="x" errorCode="late"/>'
    elements = '<startEvent id="s"/>' + tasks("a") + event("endEvent", "no", "error", said='errorRef="X"')
    plain = process(elements, "s -> a\na -> no", declared=error)
    assert Walk(plain).do("a").workflow.refusal["code"] == "late"
    walk = Walk(process(elements + reaction("r", "error", 'errorRef="X"'), "s -> a\na -> no", declared=error)).do("a")
    assert walk.open == ["r_t"]
    assert (walk.do("r_t").end, walk.workflow.refusal) == ("r_e", None)


def test_an_error_out_of_an_event_sub_process_leaves_its_scope():
    error = '<error id="X" name="x" errorCode="late"/>'
    body = event("startEvent", "rs", "message", said='messageRef="M"') + event(
        "endEvent", "re", "error", said='errorRef="X"'
    )
    handler = f'<subProcess id="r" triggeredByEvent="true">{body}{flows("rs -> re")}</subProcess>'
    walk = Walk(process(LINE + handler + reaction("q", "error", 'errorRef="X"'), LINE_FLOWS, declared=MESSAGE + error))
    assert walk.receive("m")
    assert (walk.workflow.finished, walk.workflow.refusal["code"], walk.workflow.end_element) == (True, "late", "re")


def test_two_event_sub_processes_in_a_called_process_belong_to_that_call():
    elements = (
        LINE
        + reaction("r", "message", 'messageRef="M"')
        + reaction("q", "timer", "", "<timeDuration>PT1H</timeDuration>")
    )
    inner = process(elements, LINE_FLOWS, id="inner", declared=MESSAGE)
    outer = '<startEvent id="os"/><callActivity id="c" calledElement="inner"/>' + tasks("after") + '<endEvent id="oe"/>'
    diagram = process(outer, "os -> c\nc -> after\nafter -> oe")
    walk = Walk(diagram, inner_bpmn=inner)
    assert walk.receive("m")
    assert walk.wait(hours=2).open == ["r_t"]
    assert walk.do("r_t").open == ["after"]
    assert walk.do("after").end == "oe"
    assert Walk(diagram, inner_bpmn=inner).wait(hours=1).do("q_t").open == ["after"]
    assert Walk(diagram, inner_bpmn=inner).do("a").do("b").open == ["after"]


def test_a_terminate_end_ends_the_event_sub_processes_of_its_scope_too():
    elements = LINE.replace('<endEvent id="e"/>', event("endEvent", "e", "terminate"))
    diagram = process(
        elements + reaction("r", "message", 'messageRef="M"', interrupting=False), LINE_FLOWS, declared=MESSAGE
    )
    walk = Walk(diagram)
    assert walk.receive("m")
    walk.do("a").do("b")
    assert (walk.end, walk.open) == ("e", [])


def test_a_terminate_end_inside_a_sub_process_ends_only_that():
    inner = '<startEvent id="is"/><parallelGateway id="ig"/>' + tasks("x", "y") + event("endEvent", "t", "terminate")
    inner += flows("is -> ig\nig -> x\nig -> y\nx -> t\ny -> t")
    elements = f'<startEvent id="s"/><subProcess id="sub">{inner}</subProcess>{tasks("b")}<endEvent id="e"/>'
    walk = Walk(process(elements, "s -> sub\nsub -> b\nb -> e")).do("x")
    assert walk.open == ["b"]
    assert walk.do("b").end == "e"


def test_an_event_sub_process_inside_an_event_sub_process():
    nested = reaction("q", "timer", "", "<timeDuration>PT1H</timeDuration>")
    outer = reaction("r", "message", 'messageRef="M"').replace("</subProcess>", nested + "</subProcess>")
    walk = Walk(process(LINE + outer, LINE_FLOWS, declared=MESSAGE))
    assert walk.wait(hours=9).open == ["a"]
    assert walk.receive("m")
    assert walk.open == ["r_t"]
    assert walk.wait(hours=1).open == ["q_t"]
    assert walk.do("q_t").workflow.finished


@pytest.mark.parametrize(
    ("start_event", "more"),
    [
        ('<startEvent id="rs"/>', ""),
        ("", ""),
        (event("startEvent", "rs", "conditional", "<condition>x</condition>"), ""),
        (event("startEvent", "rs", "message", said='messageRef="M"') + '<startEvent id="rs2"/>', ""),
        (event("startEvent", "rs", "message", said='messageRef="M"'), "\na -> r"),
    ],
    ids=["blank", "none", "conditional", "two", "entered by a flow"],
)
def test_an_event_sub_process_that_nothing_can_trigger_is_refused(start_event: str, more: str):
    body = start_event + '<endEvent id="re"/>' + flows("rs -> re" if start_event else "")
    handler = f'<subProcess id="r" triggeredByEvent="true">{body}</subProcess>'
    with pytest.raises(DialectError):
        definition(process(LINE + handler, LINE_FLOWS + more, declared=MESSAGE))
