"""The state of a running workflow as bytes and back: JSON without specs, task data as differences to the parent's."""

from __future__ import annotations

from uuid import UUID

import orjson
from SpiffWorkflow.bpmn.specs.event_definitions.multiple import MultipleEventDefinition
from SpiffWorkflow.bpmn.specs.mixins.events.event_types import CatchingEvent
from SpiffWorkflow.bpmn.util.event import BpmnEvent
from SpiffWorkflow.exceptions import SpiffWorkflowException
from SpiffWorkflow.task import Task
from SpiffWorkflow.util.task import TaskState

from engine.bpmn.definition import Definition
from engine.bpmn.script_engine import ScriptEngine
from engine.bpmn.task_data import json_copy
from engine.bpmn.token_tree import CalledTree, Token, TokenTree
from engine.errors import EngineError

VERSION = 1


class StateRefused(EngineError):
    """The bytes are no state of this definition that this program can read."""


def encode(top: TokenTree) -> bytes:
    """Return the whole state. Events on their way and what was passed must have been drained before."""
    cells = _Cells()
    return orjson.dumps(
        {
            "v": VERSION,
            "definition": top.script_engine.definition.digest,
            "latest": top.latest.id.hex if top.latest else None,
            "end": top.end_element,
            "refusal": top.refusal,
            "tree": _encode_tree(top, cells),
            "called": [[task_id.hex, _encode_tree(tree, cells)] for task_id, tree in top.subprocesses.items()],
        }
    )


def decode(blob: bytes, definition: Definition, engine: ScriptEngine) -> TokenTree:
    """Return the workflow as it was. Raises StateRefused."""
    try:
        state = orjson.loads(blob)
    except orjson.JSONDecodeError as error:
        raise StateRefused("the state is damaged") from error
    if not isinstance(state, dict) or state.get("v") != VERSION:
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
        call = top.get_task_from_id(UUID(task_id))
        called = CalledTree(top.subprocess_specs[call.task_spec.spec], call.id, top)
        top.subprocesses[call.id] = called
        _decode_tree(called, tree, top)
        called.completed_event.connect(call.task_spec._on_subworkflow_completed, call)
    top.end_element, top.refusal = state["end"], state["refusal"]
    top.latest = top.get_task_from_id(UUID(state["latest"])) if state["latest"] else None
    return top


class _Cells:
    """The data of each task as key → bytes, made once and compared with the children's."""

    def __init__(self) -> None:
        self._known: dict[UUID, dict[str, bytes]] = {}

    def of(self, task: Task) -> dict[str, bytes]:
        known = self._known.get(task.id)
        if known is None:
            known = self._known[task.id] = {key: orjson.dumps(value) for key, value in task.data.items()}
        return known

    def difference(self, task: Task) -> tuple[dict[str, orjson.Fragment], list[str]]:
        """Return what the task has set against its parent, and the keys it no longer has."""
        own = self.of(task)
        base = self.of(task.parent) if task.parent is not None else {}
        changed = {key: orjson.Fragment(cell) for key, cell in own.items() if base.get(key) != cell}
        return changed, [key for key in base if key not in own]


def _encode_tree(tree: TokenTree | CalledTree, cells: _Cells) -> dict[str, object]:
    return {
        "root": tree.task_tree.id.hex,
        "last": tree.last_task.id.hex if tree.last_task else None,
        "success": tree.success,
        "completed": tree.completed,
        "data": tree.data,
        "correlations": tree.correlations,
        "tasks": [_encode_task(task, cells) for task in tree.tasks.values()],
    }


def _encode_task(task: Task, cells: _Cells) -> list[object]:
    inner = task.internal_data
    if inner.get("seen_events"):
        inner = {**inner, "seen_events": [_encode_event(task, event) for event in inner["seen_events"]]}
    reached = task._state & ~TaskState.PREDICTED_MASK and (task.data or task._state != TaskState.FUTURE)
    changed, gone = cells.difference(task) if reached else ({}, None)
    return [
        task.id.hex,
        task._parent.hex if task._parent else None,
        [child.hex for child in task._children],
        task._state,
        task.task_spec.name,
        task.last_state_change,
        task.triggered,
        inner,
        changed,
        # None: not reached yet, so without any data
        gone,
    ]


def _decode_tree(tree: TokenTree | CalledTree, state: dict, top: TokenTree) -> None:
    for row in state["tasks"]:
        _decode_task(tree, row)
    tree.task_tree = tree.tasks[UUID(state["root"])]
    tree.last_task = tree.tasks[UUID(state["last"])] if state["last"] else None
    tree.success, tree.completed = state["success"], state["completed"]
    tree.data, tree.correlations = state["data"], state["correlations"]
    for task in tree.tasks.values():
        if task._state == TaskState.WAITING and isinstance(task.task_spec, CatchingEvent):
            top.event_manager.add_task(task)


def _decode_task(tree: TokenTree | CalledTree, row: list) -> None:
    task_id, parent, children, state, spec, changed_at, triggered, inner, changed, gone = row
    if spec not in tree.spec.task_specs:
        raise StateRefused(f"the state knows an element {spec} that the definition has not")
    task = Token.__new__(Token)
    task.id = UUID(task_id)
    task.workflow = tree
    task._parent = UUID(parent) if parent else None
    task._children = [UUID(child) for child in children]
    task._state = state
    task.task_spec = tree.spec.task_specs[spec]
    task.thread_id = 0
    task.last_state_change = changed_at
    task.triggered = triggered
    task.internal_data = inner
    if inner.get("seen_events"):
        inner["seen_events"] = [_decode_event(task, event) for event in inner["seen_events"]]
    task.data = changed if gone is None else _whole_data(task, tree.tasks.get(task._parent), changed, gone)
    tree.tasks[task.id] = task


def _whole_data(task: Task, parent: Task | None, changed: dict, gone: list[str]) -> dict[str, object]:
    if parent is None:
        return changed
    data = {key: value for key, value in parent.data.items() if key not in gone}
    # Only data that nobody will write to any more may share values with the parent's.
    finished = task._state & parent._state & TaskState.FINISHED_MASK
    if not finished:
        data = json_copy(data)
    return {**data, **changed}


def _encode_event(task: Task, event: BpmnEvent) -> list[object]:
    known = _awaited(task)
    return [known.index(event.event_definition), event.payload, event.correlations]


def _decode_event(task: Task, event: list) -> BpmnEvent:
    index, payload, correlations = event
    return BpmnEvent(_awaited(task)[index], payload, correlations)


def _awaited(task: Task) -> list:
    definition = task.task_spec.event_definition
    return definition.event_definitions if isinstance(definition, MultipleEventDefinition) else [definition]
