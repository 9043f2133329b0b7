"""SpiffWorkflow's tasks and workflows, made safe for deep paths, shared specs and untouched history."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from orjson import Fragment
from SpiffWorkflow.bpmn.specs.mixins.events.event_types import CatchingEvent
from SpiffWorkflow.bpmn.specs.mixins.events.intermediate_event import BoundaryEvent
from SpiffWorkflow.bpmn.specs.mixins.inclusive_gateway import InclusiveGateway
from SpiffWorkflow.bpmn.util.subworkflow import BpmnSubWorkflow
from SpiffWorkflow.bpmn.util.task import BpmnTaskFilter
from SpiffWorkflow.bpmn.workflow import BpmnWorkflow
from SpiffWorkflow.specs.Join import Join
from SpiffWorkflow.task import Task
from SpiffWorkflow.util.task import TaskState

from engine.bpmn.execution.script_engine import StepFailed, element_of, kind_of, marks
from engine.bpmn.execution.task_data import json_copy, merged
from engine.bpmn.execution.timers import happened_at, is_timer

if TYPE_CHECKING:
    from datetime import datetime

    from SpiffWorkflow.specs.base import TaskSpec

    from engine.bpmn.definition import Definition
    from engine.bpmn.execution.script_engine import ScriptEngine


@dataclass(frozen=True)
class Passed:
    """A node that was completed or cancelled, as the diagram knows it."""

    #: id of the node
    element: str
    #: local BPMN tag, "multiInstance" or "loop" for the frame around instances, "timer" for an event that time has
    #: opened, "subStart" for a start inside a sub-process, "cancelled" for what was called off
    kind: str
    #: id of the sequence flow taken out of the node; several, separated by blanks, where the flow splits
    flow: str | None
    #: ids of the decision rows that decided
    rows: tuple[str, ...]


#: not reached yet
_AHEAD = TaskState.PREDICTED_MASK | TaskState.FUTURE
OPEN = TaskState.WAITING | TaskState.READY | TaskState.STARTED
#: automatic steps between two waits; more is a flow that turns in circles without a person in it
MAX_STEPS = 5_000


class Token(Task):
    """One place the flow has reached (SpiffWorkflow: Task)."""

    #: what the codec keeps of it from one dump to the next, until its state or its children change
    kept_row: Fragment | None = None

    def __init__(self, workflow: _Tree, task_spec: TaskSpec, parent: Token | None = None, *, state: int) -> None:
        # A step looks some hundred ids up: text keeps its hash, a UUID computes it each time in Python.
        super().__init__(workflow, task_spec, parent, state, id=os.urandom(16).hex())

    def _inherit_data(self) -> None:
        """Take over the parent's data, sharing nested values: nobody writes into one, a change is a new value."""
        self.data = merged(self.data, self.parent.data)

    def set_data(self, /, **kwargs: object) -> None:
        """Lay values over the data; also used for what a message brings."""
        self.data = merged(self.data, json_copy(kwargs))

    def _add_child(self, task_spec: TaskSpec, state: int = TaskState.MAYBE) -> Token:
        child = Token(self.workflow, task_spec, self, state=state)
        if state == TaskState.READY:
            child._ready()
        return child

    def _set_state(self, value: int) -> None:
        """Change the state; SpiffWorkflow also sends all task data to the log here, personal data included."""
        if value != self._state:
            self.last_state_change = time.time()
            self._state = value
            self.kept_row = None
            if value == TaskState.READY and isinstance(self.task_spec, BoundaryEvent):
                self.workflow.top_workflow.happened.append(self)

    def _child_added_notify(self, child: Token) -> None:
        self._children.append(child.id)
        self.kept_row = None

    def complete(self) -> None:
        self.workflow.top_workflow.note_completed(self)
        for child in self.children:
            if not child._children and child.task_spec._outputs and child._state & _AHEAD:
                child.task_spec._predict(child, mask=TaskState.NOT_FINISHED_MASK)
        super().complete()

    def _sync_children(self, task_specs: list[TaskSpec], state: int = TaskState.MAYBE) -> None:
        """Take up what may follow; SpiffWorkflow would look ahead for ever round a circle without a choice."""
        super()._sync_children([] if self._state & _AHEAD and self._comes_again() else task_specs, state)

    def _comes_again(self) -> bool:
        """Tell whether the same element already lies ahead, nearer by."""
        tasks = self.workflow.tasks
        before = tasks.get(self._parent)
        while before is not None and not before._state & TaskState.FINISHED_MASK:
            if before.task_spec is self.task_spec:
                return True
            before = tasks.get(before._parent)
        return False

    # All below recurse in SpiffWorkflow, or stop silently at 1,000 tasks.
    def cancel(self) -> None:
        ahead = [self]
        while ahead:
            task = ahead.pop()
            if task._state & TaskState.FINISHED_MASK:
                ahead.extend(reversed(task.children))
                continue
            if task._state & OPEN:
                task.workflow.top_workflow.note_cancelled(task)
                # Instances are open below what repeats them; to drop one would leave what is inside it open.
                for child in task.children:
                    if child._state & OPEN:
                        child.cancel()
            task._set_state(TaskState.CANCELLED)
            task._drop_children()
            task.task_spec._on_cancel(task)

    def _drop_children(self, force: bool = False) -> None:
        drop: list[Task] = []
        ahead: list[Task] = [self]
        while ahead:
            for child in ahead.pop().children:
                (drop if force or child._state & TaskState.NOT_FINISHED_MASK else ahead).append(child)
        for task in drop:
            self.workflow._remove_task(task.id)

    def is_descendant_of(self, task: Task) -> bool:
        current = self.parent
        while current is not None and current is not task:
            current = current.parent
        return current is not None

    def find_ancestor(self, spec_name: str) -> Task | None:
        current = self.parent
        while current is not None and current.task_spec.name != spec_name:
            current = current.parent
        return current

    def __iter__(self) -> Iterator[Task]:
        return walk(self)


def walk(first: Task, end_at_spec: str | None = None) -> Iterator[Task]:
    """Return the task and all behind it, depth first, however deep; not beyond tasks of ``end_at_spec``."""
    stack = [first]
    while stack:
        task = stack.pop()
        yield task
        if task.task_spec.name != end_at_spec:
            stack.extend(reversed(task.children))


class _Tree:
    """What a workflow and its called workflows have in common. A flat scan takes the place of the tree iterator."""

    def plant(self) -> None:
        """Make the root (SpiffWorkflow's constructor would make it of its own Task class)."""
        self.task_tree = Token(self, self.spec.start, state=TaskState.FUTURE)
        self.task_tree.task_spec._predict(self.task_tree, mask=TaskState.NOT_FINISHED_MASK)
        self.task_tree._ready()

    def get_tasks_iterator(self, first_task=None, end_at_spec=None, task_filter=None, **kwargs) -> Iterator[Task]:
        for name in ("max_depth", "depth_first", "skip_subprocesses"):
            kwargs.pop(name, None)
        wanted = task_filter or BpmnTaskFilter(**kwargs)
        if first_task is None and end_at_spec is None:
            found = list(self.tasks.values())
        else:
            found = walk(first_task or self.task_tree, end_at_spec)
        return (task for task in found if wanted.matches(task))

    def update_waiting_tasks(self) -> None:
        for task in [task for task in self.tasks.values() if task._state == TaskState.WAITING]:
            if task._state == TaskState.WAITING and task.id in self.tasks:
                task.task_spec._update(task)

    def _remove_task(self, task_id: str) -> None:
        for task in reversed(list(walk(self.tasks[task_id]))):
            task.parent._children.remove(task.id)
            task.parent.kept_row = None
            del self.tasks[task.id]
            self._task_removed_notify(task)

    def is_completed(self) -> bool:
        # From the end: what is not finished stands there.
        unfinished = TaskState.NOT_FINISHED_MASK
        if not self.completed:
            for task in reversed(self.tasks.values()):
                if task._state & unfinished:
                    return False
        return True

    def cancel(self, success: bool = False) -> list[Task]:
        self.success, self.completed = success, True
        unfinished = [task for task in self.tasks.values() if task._state & TaskState.NOT_FINISHED_MASK]
        for task in unfinished:
            if task.id in self.tasks:
                task.cancel()
        return unfinished


class CalledTree(_Tree, BpmnSubWorkflow):
    """A called process or embedded sub-process."""

    #: set for the rest of the step when an error end was reached: there is nothing to hand back
    ended_in_error = False

    def __init__(self, spec, parent_task_id, top_workflow) -> None:
        super().__init__(spec, parent_task_id, top_workflow, deserializing=True)


class TokenTree(_Tree, BpmnWorkflow):
    """The running state of one matter."""

    def __init__(self, definition: Definition, engine: ScriptEngine) -> None:
        super().__init__(definition.spec, definition.called, script_engine=engine, deserializing=True)
        #: what was passed since the last look, in order
        self.passed: list[Passed] = []
        #: the task completed last in the whole matter
        self.latest: Task | None = None
        #: events on a border that have happened and are not carried out yet
        self.happened: list[Task] = []
        self.end_element: str | None = None
        self.refusal: dict[str, object] | None = None

    def create_subprocess(self, my_task: Task, spec_name: str) -> CalledTree:
        called = CalledTree(self.subprocess_specs[spec_name], my_task.id, self)
        called.plant()
        self.subprocesses[my_task.id] = called
        return called

    def trees(self) -> list[_Tree]:
        """Return this and all called trees, the deepest first."""
        called = sorted(self.subprocesses.values(), key=lambda tree: tree.depth, reverse=True)
        return [*called, self]

    def advance(self) -> None:
        """Run gateways, connectors and tables until a person or a message is needed."""
        for _ in range(MAX_STEPS):
            ready = self._ready_to_run()
            if ready is None:
                self._refuse_dead_end()
                return
            ready.run()
            if self.refusal is not None:
                self.cancel()
                return
        raise StepFailed("", f"自动步骤超过 {MAX_STEPS} 步，流程在原地打转")

    def _ready_to_run(self) -> Task | None:
        event = self._next_happened()
        if event is not None:
            return event
        for tree in self.trees():
            if not tree.completed:
                for task in tree.tasks.values():
                    if task._state == TaskState.READY and not task.task_spec.manual:
                        return task
        return None

    def _next_happened(self) -> Task | None:
        """Return the event on a border that is carried out next, before all else: the outermost, the earliest.

        SpiffWorkflow lets what is called off go on until it waits, goes on behind each of several events that call
        off the same step, and does not hear an event that comes again meanwhile.
        """
        happened, self.happened = self.happened, []
        happened = [task for task in happened if task._state == TaskState.READY and task.id in task.workflow.tasks]
        if not happened:
            return None
        first = min(happened, key=_turn) if len(happened) > 1 else happened[0]
        for other in happened:
            if first.task_spec.cancel_activity and other.parent is first.parent and other is not first:
                other.cancel()
            elif other is not first:
                self.happened.append(other)
        return first

    def _refuse_dead_end(self) -> None:
        """Fail where nobody and nothing can carry the matter on, e.g. a choice that runs into a parallel join."""
        if self.is_completed():
            return
        stuck = None
        for tree in self.trees():
            for task in () if tree.completed else tree.tasks.values():
                spec = task.task_spec
                if task._state == TaskState.READY and spec.manual:
                    return
                if task._state == TaskState.WAITING and isinstance(spec, CatchingEvent):
                    if not isinstance(spec, BoundaryEvent):
                        return
                elif task._state & OPEN and spec.bpmn_id:
                    stuck = stuck or task
        raise StepFailed(element_of(stuck) if stuck else "", "流程走到这里再也无法继续：没有人可办，也没有消息可等")

    def refuse(self, end: Task, code: str, name: str) -> None:
        """Note that the matter ends in a refusal; ``advance`` then closes everything that is still open.

        :param name: name of the error, said when the data and the end event have no better words.
        """
        given = end.data.get("refusal")
        given = given if isinstance(given, dict) else {}
        self.refusal = {
            "code": code,
            "text": given.get("text") or end.task_spec.bpmn_name or name,
            "basis": given.get("basis") or "",
            "remedy": given.get("remedy") or "",
        }
        self.end_element = end.task_spec.bpmn_id

    def note_completed(self, task: Task) -> None:
        self.latest = task
        if task.task_spec.bpmn_id is None:
            if isinstance(task.task_spec, InclusiveGateway):
                self._note_split(task)
            return
        kind = "timer" if is_timer(task) else kind_of(task)
        if kind == "startEvent" and not self._begins_a_process(task.workflow):
            kind = "subStart"
        rows = tuple(task.internal_data.get("rows", ()))
        self.passed.append(Passed(task.task_spec.bpmn_id, kind, _flows_taken(task), rows))
        if kind == "endEvent" and self._is_of_top(task.workflow):
            self.end_element = task.task_spec.bpmn_id

    def _begins_a_process(self, tree: _Tree) -> bool:
        """Tell whether a start in this tree begins the matter or a called process, not a part drawn inside it."""
        while tree is not self:
            call = self.get_task_from_id(tree.parent_task_id)
            if kind_of(call) == "callActivity":
                return True
            if "of" not in marks(call.task_spec):
                return False
            tree = call.workflow
        return True

    def _note_split(self, split: Task) -> None:
        """The flows chosen behind an activity are told with the activity."""
        activity = marks(split.task_spec)["of"]
        index = max(i for i, passed in enumerate(self.passed) if passed.element == activity)
        flows = filter(None, (self.passed[index].flow, _flows_taken(split)))
        self.passed[index] = replace(self.passed[index], flow=" ".join(flows) or None)

    def _is_of_top(self, tree: _Tree) -> bool:
        """Tell whether an end in this tree ends the matter: it is in no sub-process but a frame or what that frames."""
        while tree is not self:
            call = self.get_task_from_id(tree.parent_task_id)
            if "frame" not in marks(call.task_spec):
                return False
            tree = call.workflow
        return True

    def note_cancelled(self, task: Task) -> None:
        spec = task.task_spec
        # An event that did not happen and the twin of a join are no news.
        if spec.bpmn_id is not None and not isinstance(spec, BoundaryEvent | Join):
            self.passed.append(Passed(spec.bpmn_id, "cancelled", None, ()))


def _turn(event: Task) -> tuple[int, datetime, bool]:
    """Return by what events are put in order: one that calls nothing off goes before one that does."""
    return event.workflow.depth, happened_at(event), event.task_spec.cancel_activity


def _flows_taken(task: Task) -> str | None:
    if "flow" in task.internal_data:
        return task.internal_data["flow"]
    flows = task.workflow.spec.flows
    taken = [
        id
        for name in dict.fromkeys(c.task_spec.name for c in task.children)
        for id in flows.get((task.task_spec.name, name), ())
    ]
    return " ".join(taken) or None
