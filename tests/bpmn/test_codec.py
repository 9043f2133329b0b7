"""The state goes into bytes and comes back whole, without specs, and is refused where it cannot be trusted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import orjson
import pytest
from SpiffWorkflow.util.task import TaskState

from engine.bpmn.definition import Definition
from engine.bpmn.execution.codec import StateRefused
from engine.bpmn.workflow import Workflow
from tests.bpmn.diagrams import Outside, definition, do, opened, process, reload, start

MESSAGES = '<message id="X" name="x"/><message id="Y" name="y"/>'
BOTH = (
    '<startEvent id="s"/><intermediateCatchEvent id="both" parallelMultiple="true">'
    '<messageEventDefinition id="mx" messageRef="X"/><messageEventDefinition id="my" messageRef="Y"/>'
    '</intermediateCatchEvent><endEvent id="e"/>'
)
INNER = process(
    '<startEvent id="s"/><userTask id="x"/><userTask id="y"/><endEvent id="e"/>', "s -> x\nx -> y\ny -> e", id="inner"
)
RICH = process(
    '<startEvent id="s"/><parallelGateway id="split"/><userTask id="a"/>'
    '<boundaryEvent id="w" attachedToRef="a"><messageEventDefinition id="m" messageRef="X"/></boundaryEvent>'
    '<endEvent id="gone"/><callActivity id="c" calledElement="inner"/>'
    '<userTask id="vote"><multiInstanceLoopCharacteristics><loopDataInputRef>members</loopDataInputRef>'
    '<loopDataOutputRef>votes</loopDataOutputRef><inputDataItem id="member"/><outputDataItem id="yes"/>'
    '</multiInstanceLoopCharacteristics></userTask><parallelGateway id="join"/><endEvent id="e"/>',
    "s -> split\nsplit -> a\nsplit -> c\nsplit -> vote\na -> join\nc -> join\nvote -> join\njoin -> e\nw -> gone",
    declared=MESSAGES,
)


def picture(workflow: Workflow) -> list[tuple]:
    """Return everything that makes up the state, in plain values."""
    tree = workflow._tree
    rows = []
    for part in (tree, *tree.subprocesses.values()):
        rows.append((part.completed, part.success, part.data, part.last_task and part.last_task.id))
        for task in part.tasks.values():
            data = task.data if task._state & (TaskState.DEFINITE_MASK | TaskState.FINISHED_MASK) else {}
            inner = {key: value for key, value in task.internal_data.items() if key != "seen_events"}
            rows.append((task.id, task._parent, task._children, task._state, task.task_spec.name, task.triggered))
            rows.append((task.last_state_change, inner, data))
    return rows


def rich() -> tuple[Definition, Workflow]:
    shared = definition(RICH, inner_bpmn=INNER)
    return shared, start(shared, {"members": ["甲", "乙"], "who": {"name": "王某", "ids": [1, 2.5, None, True]}})


STEPS: list[tuple[str, dict]] = [
    ("x", {"who": {"name": "李某"}}),
    ("vote", {"yes": True}),
    ("a", {"a": 1}),
    ("vote", {"yes": False}),
    ("y", {"y": {"z": []}}),
]


SIGNED = process(
    '<startEvent id="s"/><userTask id="sign"><multiInstanceLoopCharacteristics isSequential="true">'
    '<loopCardinality>=3</loopCardinality></multiInstanceLoopCharacteristics></userTask><endEvent id="e"/>',
    "s -> sign\nsign -> e",
)


def test_ids_of_instances_as_earlier_releases_wrote_them_are_known():
    shared = definition(SIGNED)
    workflow = start(shared)
    do(workflow, "sign")
    state = orjson.loads(workflow.dump())
    frame = next(row for row in state["tree"]["tasks"] if isinstance(row[7], dict) and "merged" in row[7])
    frame[7]["merged"] = [str(UUID(id)) for id in frame[7]["merged"]]
    workflow = Workflow.load(shared, orjson.dumps(state), Outside())
    do(workflow, "sign")
    do(workflow, "sign")
    assert workflow.finished


def test_what_comes_back_is_what_was_dumped_at_every_step():
    shared, workflow = rich()
    for element, data in STEPS:
        again = reload(workflow, shared)
        assert picture(again) == picture(workflow)
        assert (again.open_tasks(), again.waits()) == (workflow.open_tasks(), workflow.waits())
        do(workflow, element, data)
    assert workflow.finished
    again = reload(workflow, shared)
    assert (again.finished, again.end_element, again.data) == (True, "e", workflow.data)


def test_a_matter_reloaded_at_every_step_ends_like_one_that_never_was():
    shared, steady = rich()
    _, restarted = rich()
    for element, data in STEPS:
        do(steady, element, data)
        restarted = reload(restarted, shared)
        do(restarted, element, data)
    assert restarted.data == steady.data
    assert restarted.data["votes"] == [True, False]
    assert (restarted.finished, restarted.end_element) == (steady.finished, steady.end_element) == (True, "e")


def test_the_history_of_finished_tasks_survives_a_restart():
    shared, workflow = rich()
    do(workflow, "x", {"who": {"name": "李某"}})
    do(reload(workflow, shared), "y", {"who": {"name": "张某"}})
    again = reload(workflow, shared)
    do(again, "y", {"who": {"name": "张某"}})
    (inner,) = again._tree.subprocesses.values()
    told = {task.task_spec.name: task.data["who"]["name"] for task in inner.tasks.values() if task.data}
    assert (told["s"], told["x"], told["y"]) == ("王某", "李某", "张某")


@pytest.mark.parametrize(
    ("old", "new"), [(1, True), (True, 1), (0, False), (1, 1.5), ({"n": 1}, {"n": True}), ([0], [False])]
)
def test_values_that_python_takes_for_equal_are_told_apart(old: object, new: object):
    shared = definition(process('<startEvent id="s"/><userTask id="a"/><userTask id="b"/>', "s -> a\na -> b"))
    workflow = start(shared, {"v": old})
    do(workflow, "a", {"v": new})
    assert repr(reload(workflow, shared).data) == repr({"v": new})


def test_a_half_matched_event_survives_a_restart():
    shared = definition(process(BOTH, "s -> both\nboth -> e", declared=MESSAGES))
    workflow = start(shared)
    assert workflow.receive("x", {"x": 1})
    workflow = reload(workflow, shared)
    assert not workflow.finished
    assert [wait.message for wait in workflow.waits()] == ["y"]
    assert workflow.receive("y", {"y": 2})
    assert (workflow.finished, workflow.data) == (True, {"x": 1, "y": 2})


def test_messages_still_find_their_wait_after_a_restart():
    shared, workflow = rich()
    workflow = reload(workflow, shared)
    assert [(wait.element, wait.message) for wait in workflow.waits()] == [("w", "x")]
    assert workflow.receive("x", {})
    assert "a" not in opened(workflow)


def test_the_state_holds_no_specs_and_each_value_once():
    shared, workflow = rich()
    state = orjson.loads(workflow.dump())
    assert state["v"] == 2
    assert state["definition"] == shared.digest
    assert workflow.dump().count("王某".encode()) == 2, "once in the matter, once in the called process"
    assert b"documentation" not in workflow.dump()


def test_a_refusal_survives_a_restart():
    diagram = process(
        '<startEvent id="s"/><userTask id="a"/>'
        '<endEvent id="no"><errorEventDefinition id="x" errorRef="E"/></endEvent>',
        "s -> a\na -> no",
        declared='<error id="E" name="不予" errorCode="outside_scope"/>',
    )
    shared = definition(diagram)
    workflow = start(shared)
    do(workflow, "a")
    again = reload(workflow, shared)
    assert again.refusal == workflow.refusal
    assert again.refusal == {"code": "outside_scope", "text": "不予", "basis": "", "remedy": ""}
    assert (again.finished, again.end_element) == (True, "no")


BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "cut off": lambda blob: blob[: len(blob) // 2],
    "empty": lambda blob: b"",
    "another version": lambda blob: blob.replace(b'"v":2', b'"v":99', 1),
    "no state at all": lambda blob: b"[]",
    "a part is missing": lambda blob: blob.replace(b'"tasks":', b'"task":', 1),
    "a task has lost its parent": lambda blob: blob.replace(b'"root":"', b'"root":"0', 1),
    "an element the diagram has not": lambda blob: blob.replace(b'"split"', b'"spilt"'),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_state_that_cannot_be_trusted_is_refused(name: str):
    shared, workflow = rich()
    with pytest.raises(StateRefused):
        Workflow.load(shared, BROKEN[name](workflow.dump()), Outside())


def test_the_state_of_another_definition_is_refused():
    _, workflow = rich()
    other = definition(RICH.replace("流程".encode(), "别的".encode()), inner_bpmn=INNER)
    with pytest.raises(StateRefused):
        Workflow.load(other, workflow.dump(), Outside())


def test_a_state_of_the_first_version_is_still_taken_up():
    shared, workflow = rich()
    for element, data in STEPS[:2]:
        do(workflow, element, data)
    blob = Path(__file__).with_name("state_v1.json").read_bytes()
    again = Workflow.load(shared, blob, Outside())
    assert (opened(again), again.data) == (opened(workflow), workflow.data)
    for element, data in STEPS[2:]:
        do(again, element, data)
        do(workflow, element, data)
    assert again.finished
    assert (again.end_element, again.data) == (workflow.end_element, workflow.data)


def test_what_has_ended_is_kept_small():
    shared, workflow = rich()
    for element, data in STEPS[:-1]:
        do(workflow, element, data)
    running = workflow.dump()
    do(workflow, *STEPS[-1])
    assert len(workflow.dump()) < len(running) / 2
    assert reload(workflow, shared).finished


def test_rows_kept_as_bytes_say_what_rows_made_anew_say():
    shared, workflow = rich()
    for element, data in STEPS:
        workflow.dump()
        do(workflow, element, data)
        kept = reload(workflow, shared)
        for tree in workflow._tree.trees():
            for task in tree.tasks.values():
                task.kept_row = None
        assert picture(reload(workflow, shared)) == picture(kept) == picture(workflow)


def test_a_workflow_in_nobodys_hands_is_whole_only_after_a_dump():
    shared, workflow = rich()
    assert not workflow.leave()
    workflow.dump()
    assert workflow.leave()
    workflow.enter(Outside())
    do(workflow, "x", {"who": {"name": "李某"}})
    assert not workflow.leave()
