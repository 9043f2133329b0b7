"""Every trap of SpiffWorkflow 3.2.0 on our path: ``bare`` shows that it is still there, the rest that we are immune.

A bare test that fails on a new release says that a trap is gone and that its workaround may go too.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from lxml import etree
from SpiffWorkflow.bpmn.exceptions import WorkflowTaskException
from SpiffWorkflow.bpmn.parser.BpmnParser import BpmnParser
from SpiffWorkflow.bpmn.parser.ValidationException import ValidationException
from SpiffWorkflow.bpmn.script_engine import PythonScriptEngine
from SpiffWorkflow.bpmn.specs.event_definitions.message import MessageEventDefinition
from SpiffWorkflow.bpmn.util.event import BpmnEvent
from SpiffWorkflow.bpmn.workflow import BpmnWorkflow
from SpiffWorkflow.exceptions import WorkflowException
from SpiffWorkflow.task import Task
from SpiffWorkflow.util.deep_merge import DeepMerge
from SpiffWorkflow.util.task import TaskState

from engine.bpmn.definition import DefinitionCache, SpecChanged
from engine.bpmn.execution.dialect import DialectError
from engine.bpmn.execution.task_data import changes, json_copy, merged
from engine.bpmn.workflow import NotReady, StepFailed
from tests.bpmn.bare import INSTANCES, LINE, LINE_FLOWS, LOOP, SPLIT, SPLIT_FLOWS, bare, bare_complete
from tests.bpmn.diagrams import Outside, definition, do, opened, package, process, reload, start


def test_a_change_deep_inside_never_rewrites_finished_tasks():
    workflow = start(definition(process(LINE, LINE_FLOWS)), {"a": {"k": {"n": 1}}})
    do(workflow, "a")
    finished = next(task for task in workflow._tree.tasks.values() if task.task_spec.name == "a")
    do(workflow, "b", {"a": {"k": {"n": 2}}})
    assert (finished.data, workflow.data) == ({"a": {"k": {"n": 1}}}, {"a": {"k": {"n": 2}}})


def test_bare_rewrites_the_history_of_finished_tasks():
    workflow = bare(process(LINE, LINE_FLOWS))
    bare_complete(workflow, "a", a={"k": {"n": 1}})
    finished = workflow.get_next_task(spec_name="a", state=TaskState.COMPLETED)
    workflow.get_next_task(state=TaskState.READY, spec_name="b").data["a"]["k"]["n"] = 2
    assert finished.data["a"]["k"]["n"] == 2


@pytest.mark.parametrize(
    "value", [object(), {1, 2}, 1j, b"bytes", float, {1: "key"}], ids=lambda value: type(value).__name__
)
def test_only_json_enters_task_data(value: object):
    workflow = start(definition(process(LINE, LINE_FLOWS)))
    with pytest.raises(TypeError):
        do(workflow, "a", {"x": value})
    with pytest.raises(StepFailed):
        workflow.open_tasks() and workflow.dump()


def test_a_connector_answer_that_is_not_json_is_a_failed_step():
    service = (
        '<serviceTask id="a" camunda:type="external" camunda:topic="t"><extensionElements><camunda:inputOutput>'
        '<camunda:outputParameter name="x"/></camunda:inputOutput></extensionElements></serviceTask>'
    )
    diagram = process(f'<startEvent id="s"/>{service}<endEvent id="e"/>', "s -> a\na -> e")
    with pytest.raises(StepFailed) as caught:
        start(definition(diagram), {}, Outside({"t": {"x": {1, 2}}}))
    assert caught.value.element == "a"


def test_lists_are_replaced_not_melted():
    assert merged({"l": [1, 2], "o": {"x": 1}}, {"l": [2], "o": {"y": 2}}) == {"l": [2], "o": {"x": 1, "y": 2}}
    assert changes({"n": 1, "l": [1]}, {"n": True, "l": [1], "z": 0}) == {"n": True, "z": 0}
    copied = json_copy({"n": 1})
    assert copied == {"n": 1}


def test_bare_loses_values_when_lists_are_merged():
    assert DeepMerge.merge({"l": [1, 2]}, {"l": [2]}) == {"l": [1]}


def test_a_join_keeps_what_every_branch_has_changed():
    shared = definition(process(SPLIT, SPLIT_FLOWS))
    workflow = start(shared, {"x": 0, "y": 0, "l": [0]})
    do(workflow, "a", {"x": 1, "l": [1]})
    workflow = reload(workflow, shared)
    do(workflow, "b", {"y": 2})
    assert workflow.task_data(workflow.open_tasks()[0].id) == {"x": 1, "y": 2, "l": [1]}


def test_bare_puts_back_the_old_value_when_branches_are_joined():
    lines = SPLIT_FLOWS.replace("s -> split", "s -> z\nz -> split")
    workflow = bare(process(f'{SPLIT}<userTask id="z"/>', lines))
    bare_complete(workflow, "z", x=0)
    bare_complete(workflow, "a", x=1)
    bare_complete(workflow, "b")
    assert workflow.get_next_task(state=TaskState.READY, spec_name="c").data["x"] == 0


@pytest.mark.parametrize("entry", ["direct", "through a choice"])
@pytest.mark.parametrize("kind", ["parallelGateway", "inclusiveGateway"])
def test_a_block_that_is_run_again_waits_for_and_joins_only_the_branches_of_its_round(kind: str, entry: str):
    again = '<userTask id="c"/><exclusiveGateway id="again" default="again_e"/>'
    elements = SPLIT.replace("parallelGateway", kind).replace('<userTask id="c"/>', again)
    lines = SPLIT_FLOWS.replace("c -> e", "c -> again\nagain -> split [round = 1]\nagain -> e [default]")
    if entry != "direct":
        elements = elements.replace('<startEvent id="s"/>', '<startEvent id="s"/><exclusiveGateway id="in"/>')
        lines = lines.replace("s -> split", "s -> in\nin -> split").replace("again -> split", "again -> in")
    if kind == "inclusiveGateway":
        lines = lines.replace("split -> a", "split -> a [true]").replace("split -> b", "split -> b [true]")
        elements = elements.replace('id="join"', 'id="join" default="join_c"')
    shared = definition(process(elements, lines))
    workflow = start(shared)
    for round, first, second in ((1, "a", "b"), (2, "b", "a")):
        do(workflow, first, {first: round})
        workflow = reload(workflow, shared)
        assert opened(workflow) == [second]
        do(workflow, second, {second: round})
        assert opened(workflow) == ["c"]
        assert workflow.data == {"a": round, "b": round} | ({"round": 1} if round == 2 else {})
        do(workflow, "c", {"round": round})
        workflow = reload(workflow, shared)
    assert workflow.finished


def test_run_on_a_task_that_is_not_ready_is_refused():
    workflow = start(definition(process(LINE, LINE_FLOWS)))
    future = next(task for task in workflow._tree.tasks.values() if task.task_spec.name == "b")
    with pytest.raises(NotReady):
        workflow.complete(future.id, {})


def test_bare_runs_a_task_in_the_future():
    workflow = bare(process(LINE, LINE_FLOWS))
    future = workflow.get_next_task(spec_name="b", state=TaskState.FUTURE)
    assert future.run()


def test_a_path_longer_than_a_thousand_tasks_goes_on():
    shared = definition(process(*LOOP))
    workflow = start(shared)
    for round in range(700):
        do(workflow, "a", {"done": False, "n": round})
        if round % 100 == 0:
            workflow = reload(workflow, shared)
    workflow = reload(workflow, shared)
    do(workflow, "a", {"done": True})
    assert len(workflow._tree.tasks) > 1400
    assert (workflow.finished, workflow.end_element, workflow.data["n"]) == (True, "e", 699)


def test_a_message_at_the_end_of_a_long_path_is_caught_and_a_join_there_opens():
    elements = LOOP[0].replace('<endEvent id="e"/>', SPLIT[20:]) + (
        '<boundaryEvent id="w" attachedToRef="c"><messageEventDefinition id="m" messageRef="M"/></boundaryEvent>'
        '<endEvent id="gone"/>'
    )
    elements = elements.replace('<userTask id="a"/><userTask id="b"/>', '<userTask id="x"/><userTask id="b"/>')
    lines = (
        "s -> a\na -> g\ng -> a [default]\ng -> split [done]\n"
        + SPLIT_FLOWS.split("\n", 1)[1].replace("split -> a", "split -> x").replace("a -> join", "x -> join")
        + "\nw -> gone"
    )
    shared = definition(process(elements, lines, declared='<message id="M" name="withdraw"/>'))
    workflow = start(shared)
    for _ in range(600):
        do(workflow, "a", {"done": False})
    do(workflow, "a", {"done": True})
    do(workflow, "x")
    do(workflow, "b")
    assert opened(workflow) == ["c"]
    workflow = reload(workflow, shared)
    assert workflow.receive("withdraw", {})
    assert workflow.end_element == "gone"


def test_bare_stops_silently_after_a_thousand_tasks():
    workflow = bare(process(*LOOP).replace(b">done<", b">n == 0<"))
    for _ in range(600):
        task = workflow.get_next_task(state=TaskState.READY, spec_name="a")
        if task is None:
            break
        task.data["n"] = 1
        task.run()
        workflow.do_engine_steps()
    assert task is None, "nothing to do any more, without an error"
    assert not workflow.completed
    assert any(task.state == TaskState.READY for task in workflow.tasks.values())


def test_a_flow_that_turns_in_circles_by_itself_fails_loudly():
    diagram = process(
        '<startEvent id="s"/><exclusiveGateway id="g" default="g_h"/><exclusiveGateway id="h"/><endEvent id="e"/>',
        "s -> g\ng -> h [default]\nh -> g\ng -> e [1 = 2]",
    )
    with pytest.raises(StepFailed, match="打转"):
        start(definition(diagram))


def test_a_choice_that_runs_into_a_parallel_join_fails_loudly():
    elements = SPLIT.replace('<parallelGateway id="split"/>', '<exclusiveGateway id="split"/>')
    lines = SPLIT_FLOWS.replace("split -> a", "split -> a [n = 1]").replace("split -> b", "split -> b [n = 2]")
    workflow = start(definition(process(elements, lines)), {"n": 1})
    with pytest.raises(StepFailed) as caught:
        do(workflow, "a")
    assert caught.value.element == "join"


def test_bare_a_choice_that_runs_into_a_parallel_join_waits_for_ever():
    elements = SPLIT.replace('<parallelGateway id="split"/>', '<exclusiveGateway id="split"/>')
    lines = SPLIT_FLOWS.replace("split -> a", "split -> a [True]").replace("split -> b", "split -> b [False]")
    workflow = bare(process(elements, lines))
    bare_complete(workflow, "a")
    assert not workflow.is_completed()
    assert workflow.get_tasks(state=TaskState.READY) == []


def test_a_gateway_reached_twice_does_not_kill_its_first_branch():
    # AND into XOR runs what follows twice (lint warns); neither run may vanish.
    elements = SPLIT.replace('<parallelGateway id="join"/>', '<exclusiveGateway id="join"/>').replace(
        '<userTask id="c"/>', '<parallelGateway id="c"/><userTask id="d"/>'
    )
    lines = SPLIT_FLOWS.replace("c -> e", "c -> d\nd -> e")
    workflow = start(definition(process(elements, lines)))
    do(workflow, "a")
    do(workflow, "b")
    assert opened(workflow) == ["d", "d"]


def test_a_failing_service_call_is_not_masked_by_a_name_error():
    service = '<serviceTask id="a" camunda:type="external" camunda:topic="t"/>'
    diagram = process(f'<startEvent id="s"/>{service}<endEvent id="e"/>', "s -> a\na -> e")
    with pytest.raises(ZeroDivisionError):
        start(definition(diagram), {}, Outside({"t": ZeroDivisionError()}))


def test_bare_masks_a_failing_service_call_by_a_name_error():
    class Failing:
        def call_service(self, context: dict, **kwargs: object) -> None:
            raise ZeroDivisionError

    with pytest.raises(NameError):
        PythonScriptEngine(Failing()).call_service(type("T", (), {"data": {}}))


def test_events_are_drained_in_the_step_that_made_them():
    diagram = process(
        '<startEvent id="s"/><userTask id="a"/><intermediateThrowEvent id="t"><messageEventDefinition id="m" '
        'messageRef="M"/></intermediateThrowEvent><endEvent id="e"/>',
        "s -> a\na -> t\nt -> e",
        declared='<message id="M" name="report"/>',
    )
    workflow = start(definition(diagram))
    do(workflow, "a")
    assert workflow._tree.bpmn_events == []
    assert [thrown.message for thrown in workflow.take_thrown()] == ["report"]


def test_bare_hands_events_out_once():
    workflow = bare(process(LINE, LINE_FLOWS))
    workflow.catch(BpmnEvent(MessageEventDefinition("report")))
    assert len(workflow.get_events()) == 1
    assert workflow.get_events() == []


@pytest.mark.parametrize(("text", "fires"), [("PT0S", True), ("P3D", False), ('=duration("PT0S")', True)])
def test_a_bare_iso_duration_is_a_duration(text: str, fires: bool):
    diagram = process(
        '<startEvent id="s"/><intermediateCatchEvent id="t"><timerEventDefinition id="d"><timeDuration>'
        f"{text}</timeDuration></timerEventDefinition></intermediateCatchEvent><userTask id='a'/><endEvent id='e'/>",
        "s -> t\nt -> a\na -> e",
    )
    shared = definition(diagram)
    workflow = reload(start(shared), shared)
    workflow.fire_timers()
    assert opened(workflow) == (["a"] if fires else [])


@pytest.mark.parametrize("order", ["", ' isSequential="true"'], ids=["parallel", "sequential"])
def test_instances_restored_on_freshly_read_specs_come_to_an_end(order: str):
    diagram = process(INSTANCES.format(order), "s -> vote\nvote -> e")
    workflow = start(definition(diagram), {"members": ["甲", "乙", "丙"]})
    for yes in range(3):
        # Another process, which has never entered the loop: its specs are read anew each time.
        fresh = definition(diagram)
        workflow = reload(workflow, fresh)
        do(workflow, "vote", {f"yes{yes}": True})
    assert workflow.finished
    assert workflow.data == {"members": ["甲", "乙", "丙"], "yes0": True, "yes1": True, "yes2": True}


def test_bare_connects_a_loop_only_when_it_is_entered():
    diagram = process(INSTANCES.format(""), "s -> vote\nvote -> e")
    parser = BpmnParser()
    parser.add_bpmn_xml(etree.fromstring(diagram).getroottree())
    specs = parser.get_spec("p").task_specs
    assert not specs["vote [child]"].completed_event.is_connected(specs["vote"].merge_child)


def test_a_vote_that_is_taken_again_starts_with_an_empty_result():
    diagram = process(
        '<startEvent id="s"/><userTask id="vote"><multiInstanceLoopCharacteristics><loopDataInputRef>members'
        '</loopDataInputRef><loopDataOutputRef>votes</loopDataOutputRef><inputDataItem id="member"/>'
        '<outputDataItem id="yes"/>'
        '</multiInstanceLoopCharacteristics></userTask><exclusiveGateway id="g" default="g_e"/><endEvent id="e"/>',
        's -> vote\nvote -> g\ng -> vote [times("g") = 0]\ng -> e [default]',
    )
    workflow = start(definition(diagram), {"members": [1]})
    do(workflow, "vote", {"yes": False})
    do(workflow, "vote", {"yes": True})
    assert (workflow.finished, workflow.data["votes"]) == (True, [True])


def test_eight_threads_share_one_definition():
    cache = DefinitionCache()
    elements = INSTANCES.format("").replace('<startEvent id="s"/>', SPLIT.replace('<endEvent id="e"/>', ""))
    made = package(process(elements, SPLIT_FLOWS.replace("c -> e", "c -> vote\nvote -> e")))

    def run(number: int) -> tuple[bool, dict]:
        shared = cache.get(made)
        workflow = start(shared, {"members": [1, 2], "n": number})
        for element in ("a", "b", "c", "vote", "vote"):
            workflow = reload(workflow, shared)
            do(workflow, element, {element: number})
        return workflow.finished, workflow.data

    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(run, range(80)))
    for number, (finished, data) in enumerate(results):
        assert finished
        assert data == {"members": [1, 2]} | dict.fromkeys(("n", "a", "b", "c", "vote"), number)
    cache.get(made).check()


def test_a_changed_spec_is_noticed():
    shared = definition(process(LINE, LINE_FLOWS))
    shared.check()
    shared.spec.task_specs["a"]._outputs.append("e")
    with pytest.raises(SpecChanged):
        shared.check()


def test_nothing_of_spiffworkflow_is_patched():
    assert Task._inherit_data.__module__ == "SpiffWorkflow.task"
    assert Task.__iter__.__module__ == "SpiffWorkflow.task"
    assert WorkflowTaskException.__module__ == "SpiffWorkflow.bpmn.exceptions"


def test_bare_opens_a_join_too_early_in_the_second_round():
    elements = SPLIT.replace(
        '<parallelGateway id="split"/>', '<exclusiveGateway id="in"/><parallelGateway id="split"/>'
    ).replace('<userTask id="c"/>', '<userTask id="c"/><exclusiveGateway id="again" default="again_e"/>')
    lines = SPLIT_FLOWS.replace("s -> split", "s -> in\nin -> split").replace(
        "c -> e", "c -> again\nagain -> in [round == 1]\nagain -> e [default]"
    )
    workflow = bare(process(elements, lines))
    for name in ("a", "b"):
        bare_complete(workflow, name)
    bare_complete(workflow, "c", round=1)
    bare_complete(workflow, "b")
    assert {task.task_spec.name for task in workflow.get_tasks(state=TaskState.READY)} == {"a", "c"}


# --- what lifting and refusing are for: each trap as it is without them ----------------------------------------------


def _names(workflow: BpmnWorkflow, state: int) -> list[str]:
    return sorted(t.task_spec.name for t in workflow.get_tasks(state=state) if getattr(t.task_spec, "bpmn_id", None))


def _defined(tag: str, id: str, kind: str, said: str = "", inner: str = "", more: str = "") -> str:
    return f'<{tag} id="{id}" {more}><{kind}EventDefinition id="{id}_d" {said}>{inner}</{kind}EventDefinition></{tag}>'


def test_bare_skips_everything_behind_a_link():
    links = _defined("intermediateThrowEvent", "t", "link", 'name="x"')
    links += _defined("intermediateCatchEvent", "c", "link", 'name="x"')
    workflow = bare(process(LINE + links, "s -> t\nc -> a\na -> b\nb -> e"))
    assert "a" not in workflow.spec.task_specs
    assert _names(workflow, TaskState.READY) == []


@pytest.mark.parametrize("kind", ["error", "escalation", "compensate"])
def test_bare_takes_these_starts_for_blank_ones(kind: str):
    start_event = _defined("startEvent", "s", kind)
    workflow = bare(process(LINE.replace('<startEvent id="s"/>', start_event), LINE_FLOWS))
    assert _names(workflow, TaskState.READY) == ["a"]


@pytest.mark.parametrize(("tag", "kind"), [("endEvent", "signal"), ("endEvent", "compensate")])
def test_bare_sends_nothing_at_these_ends(tag: str, kind: str):
    elements = LINE.replace('<endEvent id="e"/>', _defined(tag, "e", kind, 'signalRef="S"'))
    workflow = bare(process(elements, "s -> e", declared='<signal id="S" name="x"/>'))
    assert workflow.completed
    assert type(workflow.spec.task_specs["e"].event_definition).__name__ == "NoneEventDefinition"


@pytest.mark.parametrize("kind", ["error", "compensate"])
def test_bare_throws_nothing_in_the_middle_and_ours_refuses(kind: str):
    elements = '<startEvent id="s"/>' + _defined("intermediateThrowEvent", "t", kind) + '<endEvent id="e"/>'
    assert bare(process(elements, "s -> t\nt -> e")).completed
    with pytest.raises(DialectError):
        definition(process(elements, "s -> t\nt -> e"))


def test_bare_a_task_called_like_the_inner_join_finishes_the_matter():
    elements = LINE.replace('<userTask id="b"/>', '<userTask id="p.EndJoin"/>')
    diagram = process(elements, "s -> a\na -> b\nb -> e").replace(b'Ref="b"', b'Ref="p.EndJoin"')
    workflow = bare(diagram)
    bare_complete(workflow, "a")
    assert workflow.completed
    assert _names(workflow, TaskState.READY) == []


def test_bare_ignores_an_event_definition_by_reference():
    catch = '<intermediateCatchEvent id="a"><eventDefinitionRef>T</eventDefinitionRef></intermediateCatchEvent>'
    declared = '<timerEventDefinition id="T"><timeDuration>"P3D"</timeDuration></timerEventDefinition>'
    elements = f'<startEvent id="s"/>{catch}<endEvent id="e"/>'
    assert bare(process(elements, "s -> a\na -> e", declared=declared)).completed, "three days have not passed"


@pytest.mark.parametrize("said", ['startQuantity="2"', 'completionQuantity="2"', 'isForCompensation="true"'])
def test_bare_ignores_quantities_and_compensation(said: str):
    workflow = bare(process(LINE.replace('<userTask id="a"/>', f'<userTask id="a" {said}/>'), LINE_FLOWS))
    bare_complete(workflow, "a")
    assert _names(workflow, TaskState.READY) == ["b"]


def test_bare_two_timers_behind_an_event_gateway_share_one_moment():
    timers = "".join(
        _defined("intermediateCatchEvent", id, "timer", inner=f'<timeDuration>"{length}"</timeDuration>')
        for id, length in (("soon", "PT1H"), ("late", "P9D"))
    )
    elements = f'<startEvent id="s"/><eventBasedGateway id="g"/>{timers}<endEvent id="e"/>'
    workflow = bare(process(elements, "s -> g\ng -> soon\ng -> late\nsoon -> e\nlate -> e"))
    gateway = workflow.get_next_task(spec_name="g", state=TaskState.WAITING)
    assert [key for key in gateway.internal_data if "value" in key] == ["event_value"]


def _calls(parallel: str = "parallelGateway") -> tuple[str, str]:
    elements = f'<startEvent id="s"/><{parallel} id="g"/><endEvent id="e"/>'
    lines = "s -> g\n"
    for n in (1, 2):
        elements += f'<callActivity id="c{n}" calledElement="inner"/><userTask id="u{n}"/>'
        elements += _defined("boundaryEvent", f"b{n}", "error", 'errorRef="X"', more=f'attachedToRef="c{n}"')
        lines += f"g -> c{n}\nc{n} -> e\nb{n} -> u{n}\nu{n} -> e\n"
    return elements, lines


def test_bare_an_error_of_one_call_is_caught_at_all_parallel_calls():
    error = '<error id="X" name="x" errorCode="late"/>'
    inner = process(
        '<startEvent id="is"/><userTask id="ia"/>' + _defined("endEvent", "ie", "error", 'errorRef="X"'),
        "is -> ia\nia -> ie",
        id="inner",
        declared=error,
    )
    parser = BpmnParser()
    for diagram in (process(*_calls(), declared=error), inner):
        parser.add_bpmn_xml(etree.fromstring(diagram).getroottree())
    workflow = BpmnWorkflow(parser.get_spec("p"), parser.get_subprocess_specs("p"))
    workflow.do_engine_steps()
    workflow.get_next_task(state=TaskState.READY, spec_name="ia").run()
    workflow.do_engine_steps()
    assert _names(workflow, TaskState.READY) == ["u1", "u2"], "only one of the two calls has failed"


def test_bare_a_boundary_event_that_calls_nothing_off_happens_once():
    elements = LINE + _defined(
        "boundaryEvent", "n", "message", 'messageRef="M"', more='attachedToRef="a" cancelActivity="false"'
    )
    diagram = process(
        elements + '<userTask id="x"/>', LINE_FLOWS + "\nn -> x\nx -> e", declared='<message id="M" name="m"/>'
    )
    workflow = bare(diagram)
    for _ in range(2):
        workflow.catch(BpmnEvent(MessageEventDefinition("m")))
        workflow.do_engine_steps()
    assert _names(workflow, TaskState.READY) == ["a", "x"]


def test_bare_declarations_of_one_file_overwrite_those_of_another():
    parser = BpmnParser()
    for id, code in (("p", "one"), ("q", "two")):
        diagram = process(LINE, LINE_FLOWS, id=id, declared=f'<error id="X" errorCode="{code}"/>')
        parser.add_bpmn_xml(etree.fromstring(diagram).getroottree())
    assert parser.errors["X"]["error_code"] == "two"


def test_bare_reads_a_condition_only_up_to_a_comment():
    elements = '<startEvent id="s"/><exclusiveGateway id="g" default="g_b"/><userTask id="a"/><userTask id="b"/>'
    diagram = process(
        elements + '<endEvent id="e"/>', "s -> g\ng -> b [default]\ng -> a [True and False]\na -> e\nb -> e"
    )
    workflow = bare(diagram.replace(b"True and", b"True <!-- always --> and"))
    assert _names(workflow, TaskState.READY) == ["a"]


def test_bare_takes_the_xml_boolean_1_for_false():
    elements = LINE + _defined(
        "boundaryEvent", "n", "message", 'messageRef="M"', more='attachedToRef="a" cancelActivity="1"'
    )
    diagram = process(elements, LINE_FLOWS + "\nn -> e", declared='<message id="M" name="m"/>')
    assert bare(diagram).spec.task_specs["n"].cancel_activity is False


def test_bare_loses_the_lane_of_a_reference_on_a_line_of_its_own():
    lane = '<laneSet id="l"><lane id="l1" name="村文书"><flowNodeRef>\n a\n</flowNodeRef></lane></laneSet>'
    assert bare(process(lane + LINE, LINE_FLOWS)).spec.task_specs["a"].lane is None


def test_bare_a_message_that_is_not_declared_is_a_type_error_in_disguise():
    with pytest.raises(ValidationException, match="TypeError"):
        bare(process('<startEvent id="s"/><receiveTask id="a" messageRef="X"/><endEvent id="e"/>', "s -> a\na -> e"))


def test_bare_the_second_instance_of_a_sequence_fails_without_an_output_item():
    diagram = process(INSTANCES.format(' isSequential="true"'), "s -> vote\nvote -> e")
    parser = BpmnParser()
    parser.add_bpmn_xml(etree.fromstring(diagram).getroottree())
    workflow = BpmnWorkflow(parser.get_spec("p"))
    workflow.get_next_task(spec_name="Start").data["members"] = ["甲", "乙", "丙"]
    workflow.do_engine_steps()
    with pytest.raises(WorkflowException, match="already exists"):
        for _ in range(3):
            workflow.get_next_task(state=TaskState.READY, spec_name="vote [child]").run()
            workflow.do_engine_steps()


def test_bare_takes_a_signal_as_carrying_all_data_of_the_sender():
    elements = '<startEvent id="s"/><parallelGateway id="g"/><userTask id="a"/><userTask id="b"/><endEvent id="e"/>'
    elements += _defined("intermediateThrowEvent", "t", "signal", 'signalRef="S"')
    elements += _defined("intermediateCatchEvent", "c", "signal", 'signalRef="S"')
    lines = "s -> g\ng -> a\ng -> c\na -> t\nt -> e\nc -> b\nb -> e"
    workflow = bare(process(elements, lines, declared='<signal id="S" name="x"/>'))
    bare_complete(workflow, "a", mine=1)
    assert workflow.get_next_task(state=TaskState.READY, spec_name="b").data == {"mine": 1}


CALLED_OFF = '<boundaryEvent id="b" attachedToRef="a"><messageEventDefinition messageRef="m"/></boundaryEvent>'
M = '<message id="m" name="m"/>'


def test_a_boundary_event_that_leads_back_to_its_task_opens_it_once():
    elements = f'<startEvent id="s"/><userTask id="a"/>{CALLED_OFF}<endEvent id="e"/>'
    workflow = start(definition(process(elements, "s -> a\na -> e\nb -> a", declared=M)))
    for _ in range(3):
        assert workflow.receive("m", {})
        assert opened(workflow) == ["a"]
    do(workflow, "a")
    assert workflow.finished


def test_a_circle_without_a_choice_turns_until_an_event_leads_out_of_it():
    elements = f'<startEvent id="s"/><intermediateThrowEvent id="t"/><userTask id="a"/>{CALLED_OFF}<endEvent id="e"/>'
    shared = definition(process(elements, "s -> t\nt -> a\na -> t\nb -> e", declared=M))
    workflow = start(shared)
    for _ in range(3):
        do(workflow, "a")
        workflow = reload(workflow, shared)
        assert opened(workflow) == ["a"]
    assert workflow.receive("m", {})
    assert workflow.finished


def test_a_join_takes_a_branch_that_has_passed_it_before_and_one_that_has_not():
    gateways = "".join(f'<exclusiveGateway id="{id}"/>' for id in "mnx")
    lines = """
        s -> split
        split -> a
        split -> b
        split -> d
        a -> m
        d -> m
        b -> n
        m -> join
        n -> join
        join -> x
        x -> c [times("c") = 0]
        x -> e [times("c") > 0]
        c -> n
    """
    shared = definition(process(f'{SPLIT}<userTask id="d"/>{gateways}', lines))
    workflow = start(shared)
    for task in ("a", "b", "c", "d"):
        do(workflow, task)
        workflow = reload(workflow, shared)
    assert workflow.finished


def test_a_branch_that_comes_a_second_time_by_the_same_flow_is_not_lost():
    elements = SPLIT + '<exclusiveGateway id="m"/>'
    lines = "s -> split\nsplit -> a\nsplit -> b\nsplit -> m\na -> m\nm -> join\nb -> join\njoin -> c\nc -> e"
    workflow = start(definition(process(elements, lines)))
    do(workflow, "a")
    do(workflow, "b")
    with pytest.raises(StepFailed, match="再也无法继续"):
        do(workflow, "c")
