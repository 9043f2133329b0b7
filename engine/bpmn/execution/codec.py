"""The state of a running workflow as bytes and back: JSON without specs, task data as differences.

A task that is settled, finished or waiting for a person, is not touched again: its row is written once and kept as
bytes as long as the workflow lives. Its data are told as the difference to the nearest finished task before it, which
is settled too; the data of a frame around instances still change while these are done.
"""

from __future__ import annotations

import zlib

import orjson
from SpiffWorkflow.bpmn.specs.event_definitions.multiple import MultipleEventDefinition
from SpiffWorkflow.bpmn.specs.mixins.events.event_types import CatchingEvent
from SpiffWorkflow.bpmn.util.event import BpmnEvent
from SpiffWorkflow.exceptions import SpiffWorkflowException
from SpiffWorkflow.task import Task
from SpiffWorkflow.util.task import TaskState

from engine.bpmn.definition import Definition
from engine.bpmn.execution.script_engine import ScriptEngine
from engine.bpmn.execution.task_data import same
from engine.bpmn.execution.token_tree import CalledTree, Token, TokenTree
from engine.errors import EngineError

VERSION = 2
#: versions 1 and 2 are read; in 1 every difference is to the parent
READABLE = (1, VERSION)
#: how a compressed state begins; JSON begins with a brace
_COMPRESSED = b"z"
#: what has not been reached yet
_AHEAD = TaskState.PREDICTED_MASK | TaskState.FUTURE


class StateRefused(EngineError):
    """The bytes are no state of this definition that this program can read."""


def encode(top: TokenTree) -> bytes:
    """Return the whole state. Events on their way and what was passed must have been drained before.

    What has ended is kept for years and hardly ever read again: it is compressed.
    """
    state = orjson.dumps(
        {
            "v": VERSION,
            "definition": top.script_engine.definition.digest,
            "latest": top.latest.id if top.latest else None,
            "end": top.end_element,
            "refusal": top.refusal,
            "tree": _encode_tree(top),
            "called": [[task_id, _encode_tree(tree)] for task_id, tree in top.subprocesses.items()],
        }
    )
    return _COMPRESSED + zlib.compress(state, 9) if top.is_completed() else state


def decode(blob: bytes, definition: Definition, engine: ScriptEngine) -> TokenTree:
    """Return the workflow as it was. Raises StateRefused."""
    try:
        state = orjson.loads(zlib.decompress(blob[1:]) if blob.startswith(_COMPRESSED) else blob)
    except (orjson.JSONDecodeError, zlib.error) as error:
        raise StateRefused("the state is damaged") from error
    if not isinstance(state, dict) or state.get("v") not in READABLE:
        raise StateRefused("the state was written by another version")
    if state.get("definition") != definition.digest:
        raise StateRefused("the state belongs to another definition")
    try:
        return _decode(state, definition, engine)
    except (KeyError, TypeError, ValueError, IndexError, SpiffWorkflowException) as error:
        raise StateRefused("the state does not hang together") from error


def _decode(state: dict, definition: Definition, engine: ScriptEngine) -> TokenTree:
    top = TokenTree(definition, engine)
    _decode_tree(top, state["tree"], top)
    for task_id, tree in state["called"]:
        # A called tree stands behind the one that calls it.
        call = top.get_task_from_id(task_id)
        called = CalledTree(top.subprocess_specs[call.task_spec.spec], call.id, top)
        top.subprocesses[call.id] = called
        _decode_tree(called, tree, top)
        called.completed_event.connect(call.task_spec._on_subworkflow_completed, call)
    top.end_element, top.refusal = state["end"], state["refusal"]
    top.latest = top.get_task_from_id(state["latest"]) if state["latest"] else None
    return top


def _rows(tree: TokenTree | CalledTree) -> list[orjson.Fragment | list[object]]:
    """Return the rows of all tasks, as they were kept where nothing has changed since."""
    rows: list[orjson.Fragment | list[object]] = []
    for task in tree.tasks.values():
        row = task.kept_row
        # What lies ahead may be given something for later while its state stays as it is.
        if row is None or (task._state & _AHEAD and (task.data or task.internal_data)):
            row = _row_of(task)
        rows.append(row)
    return rows


def _row_of(task: Token) -> orjson.Fragment | list[object]:
    """Return the row of a task, and keep it where it is settled."""
    if not _settled(task):
        return _row(task, task.parent)
    task.kept_row = row = orjson.Fragment(orjson.dumps(_row(task, _finished_before(task))))
    return row


def _settled(task: Token) -> bool:
    """Tell whether nothing of a task changes any more until its state does."""
    state = task._state
    if state & TaskState.FINISHED_MASK or (state == TaskState.READY and task.task_spec.manual):
        return True
    return bool(state & _AHEAD and not task.data and not task.internal_data)


def _finished_before(task: Task) -> Task | None:
    tasks = task.workflow.tasks
    before = tasks.get(task._parent)
    while before is not None and not before._state & TaskState.FINISHED_MASK:
        before = tasks.get(before._parent)
    return before


def _difference(task: Task, base: Task | None) -> tuple[dict[str, object], list[str]]:
    """Return what the task has set against another, and the keys it no longer has."""
    if base is None:
        return task.data, []
    own, before = task.data, base.data
    changed = {key: value for key, value in own.items() if key not in before or not same(value, before[key])}
    return changed, [key for key in before if key not in own]


def _encode_tree(tree: TokenTree | CalledTree) -> dict[str, object]:
    return {
        "root": tree.task_tree.id,
        "last": tree.last_task.id if tree.last_task else None,
        "success": tree.success,
        "completed": tree.completed,
        "data": tree.data,
        "correlations": tree.correlations,
        "tasks": _rows(tree),
    }


def _row(task: Task, base: Task | None) -> list[object]:
    inner = task.internal_data
    if inner.get("seen_events"):
        inner = {**inner, "seen_events": [_encode_event(task, event) for event in inner["seen_events"]]}
    reached = task._state & ~TaskState.PREDICTED_MASK and (task.data or task._state != TaskState.FUTURE)
    changed, gone = _difference(task, base) if reached else ({}, None)
    row = [
        task.id,
        task._parent,
        task._children,
        task._state,
        task.task_spec.name,
        task.last_state_change,
        task.triggered,
        inner,
        changed,
        # None: not reached yet, so without any data
        gone,
    ]
    # Named only where it is not the parent.
    return row if base is task.parent else [*row, base.id if base is not None else None]


def _decode_tree(tree: TokenTree | CalledTree, state: dict, top: TokenTree) -> None:
    for row in state["tasks"]:
        _decode_task(tree, row)
    tree.task_tree = tree.tasks[state["root"]]
    tree.last_task = tree.tasks[state["last"]] if state["last"] else None
    tree.success, tree.completed = state["success"], state["completed"]
    tree.data, tree.correlations = state["data"], state["correlations"]
    for task in tree.tasks.values():
        if task._state == TaskState.WAITING and isinstance(task.task_spec, CatchingEvent):
            top.event_manager.add_task(task)


def _decode_task(tree: TokenTree | CalledTree, row: list) -> None:
    task_id, parent, children, state, spec, changed_at, triggered, inner, changed, gone, *named = row
    base = named[0] if named else parent
    if spec not in tree.spec.task_specs:
        raise StateRefused(f"the state knows an element {spec} that the definition has not")
    task = Token.__new__(Token)
    task.id = task_id
    task.workflow = tree
    task._parent = parent
    task._children = children
    task._state = state
    task.task_spec = tree.spec.task_specs[spec]
    task.thread_id = 0
    task.last_state_change = changed_at
    task.triggered = triggered
    task.internal_data = inner
    if "merged" in inner:
        # Earlier releases wrote the ids of instances with dashes.
        inner["merged"] = [each.replace("-", "") for each in inner["merged"]]
    if inner.get("seen_events"):
        inner["seen_events"] = [_decode_event(task, event) for event in inner["seen_events"]]
    before = tree.tasks[base] if base else None
    task.data = changed if gone is None else _whole_data(task, before, changed, gone)
    tree.tasks[task.id] = task


def _whole_data(task: Task, base: Task | None, changed: dict, gone: list[str]) -> dict[str, object]:
    if base is None:
        return changed
    return {**{key: value for key, value in base.data.items() if key not in gone}, **changed}


def _encode_event(task: Task, event: BpmnEvent) -> list[object]:
    known = _awaited(task)
    return [known.index(event.event_definition), event.payload, event.correlations]


def _decode_event(task: Task, event: list) -> BpmnEvent:
    index, payload, correlations = event
    return BpmnEvent(_awaited(task)[index], payload, correlations)


def _awaited(task: Task) -> list:
    definition = task.task_spec.event_definition
    return definition.event_definitions if isinstance(definition, MultipleEventDefinition) else [definition]
