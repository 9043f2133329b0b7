"""One running matter: started, completed step by step, dumped and loaded again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime

from SpiffWorkflow.bpmn.specs.defaults import EventBasedGateway
from SpiffWorkflow.bpmn.specs.event_definitions.message import MessageEventDefinition
from SpiffWorkflow.bpmn.specs.event_definitions.multiple import MultipleEventDefinition
from SpiffWorkflow.bpmn.util.event import BpmnEvent
from SpiffWorkflow.exceptions import SpiffWorkflowException
from SpiffWorkflow.task import Task
from SpiffWorkflow.util.task import TaskState

from engine.bpmn.definition import Definition
from engine.bpmn.execution.codec import StateRefused, decode, encode
from engine.bpmn.execution.elements import CallActivity
from engine.bpmn.execution.events import Message
from engine.bpmn.execution.script_engine import Environment, ScriptEngine, StepFailed, element_of
from engine.bpmn.execution.task_data import json_copy, merged
from engine.bpmn.execution.timers import next_due, provisional
from engine.bpmn.execution.token_tree import Passed, TokenTree
from engine.errors import Conflict
from engine.workdays import is_known

__all__ = [
    "Environment",
    "NotReady",
    "OpenTask",
    "Passed",
    "StateRefused",
    "StepFailed",
    "Thrown",
    "Wait",
    "Workflow",
]


class NotReady(Conflict):
    """The task is not open: already completed, called off or not reached yet."""


@dataclass(frozen=True)
class OpenTask:
    """A task a person can complete now."""

    #: stays the same as long as the task exists
    id: str
    #: id of the element in the diagram
    element: str
    #: lane name = role name, "" without a lane
    lane: str


@dataclass(frozen=True)
class Wait:
    """A place where the flow waits for a message, or for a time (then ``message`` is empty)."""

    id: str
    element: str
    message: str


@dataclass(frozen=True)
class Thrown:
    """A message the matter has sent out and nobody inside it has caught."""

    message: str
    payload: dict[str, object]
    #: id of the element that sent it
    element: str = field(default="", compare=False)
    #: the same whenever the same sending is tried again
    key: str = field(default="", compare=False)


class Workflow:
    """One matter in the hands of one owner. After any exception the object must be dropped: it refuses all else."""

    def __init__(self, tree: TokenTree) -> None:
        self._tree = tree
        self._broken = False
        #: moved on since the last dump
        self._changed = False
        self._thrown: list[Thrown] = []

    @classmethod
    def start(cls, definition: Definition, data: Mapping[str, object], environment: Environment) -> Workflow:
        """Start a matter with this data and run it to its first wait."""
        tree = TokenTree(definition, ScriptEngine(definition, environment))
        workflow = cls(tree)
        with workflow._step():
            tree.plant()
            tree.task_tree.data = json_copy(data)
        return workflow

    @classmethod
    def load(cls, definition: Definition, blob: bytes, environment: Environment) -> Workflow:
        """Take up a matter from its state. Raises StateRefused."""
        return cls(decode(blob, definition, ScriptEngine(definition, environment)))

    def dump(self) -> bytes:
        """Return the state. Take what was passed and thrown before: both belong to the step, not to the state."""
        self._refuse_if_broken()
        self._changed = False
        return encode(self._tree)

    def enter(self, environment: Environment) -> None:
        """Take the matter in hand again, in another transaction."""
        self._tree.script_engine.outside = environment

    def leave(self) -> bool:
        """Let go of the outside; return whether the object still is what was dumped or loaded last."""
        self._tree.script_engine.outside = None
        return not (self._broken or self._changed)

    def complete(self, task_id: str, data: Mapping[str, object]) -> None:
        """Lay the data over the task's, complete it and run to the next wait.

        Objects are merged key by key, everything else is replaced. Raises NotReady, StepFailed, and whatever a
        connector raises.
        """
        task = self._open_task(task_id)
        with self._step():
            task.data = merged(task.data, json_copy(data))
            task.run()

    def receive(self, message: str, payload: Mapping[str, object]) -> bool:
        """Hand in a message; its payload becomes data where it is caught. False when nothing waits for it."""
        self._refuse_if_broken()
        event = BpmnEvent(Message(message), payload=json_copy(payload))
        if not any(task.task_spec.catches(task, event) for task in self._tree.event_manager.tasks.values()):
            return False
        with self._step():
            self._tree.event_manager.catch(event, internal=False)
        return True

    def fire_timers(self) -> None:
        """Let every timer fire that is due, and run to the next wait."""
        with self._step():
            self._tree.refresh_timers()

    @property
    def next_due(self) -> datetime | None:
        """The earliest moment at which time alone could move the matter; None when no timer runs."""
        return next_due(list(self._tree.event_manager.tasks.values()))

    @property
    def provisional_day(self) -> date | None:
        """The earliest day that a timer waits for and that lies beyond the published calendar."""
        waiting = list(self._tree.event_manager.tasks.values())
        return min((day for day, _, _ in provisional(waiting)), default=None)

    def count_again(self) -> tuple[str, ...]:
        """Count the waits again whose days the calendar knows by now; return the elements that wait."""
        settled = [each for each in provisional(list(self._tree.event_manager.tasks.values())) if is_known(each[0])]
        with self._step():
            for _, timer, task in settled:
                timer.count_again(task)
        return tuple(element_of(task) for _, _, task in settled)

    def open_tasks(self) -> tuple[OpenTask, ...]:
        """Return what people can do now."""
        return tuple(
            OpenTask(task.id, element_of(task), task.task_spec.lane or "")
            for task in self._tasks(TaskState.READY)
            if task.task_spec.manual
        )

    def open_calls(self) -> tuple[str, ...]:
        """Return the ids of the call activities whose called process is running, the outermost first."""
        calls = {}
        for tree in reversed(self._tree.trees()):
            if not tree.completed and tree is not self._tree:
                call = self._tree.get_task_from_id(tree.parent_task_id)
                if call.task_spec.bpmn_id and isinstance(call.task_spec, CallActivity):
                    calls[call.task_spec.bpmn_id] = None
        return tuple(calls)

    def waits(self) -> tuple[Wait, ...]:
        """Return the receive tasks, catch events and boundary events that are waiting."""
        return tuple(wait for task in self._tree.event_manager.tasks.values() for wait in _waits_of(task))

    def take_passed(self) -> tuple[Passed, ...]:
        """Return what has been passed since the last call, in order."""
        passed, self._tree.passed = tuple(self._tree.passed), []
        return passed

    def take_thrown(self) -> tuple[Thrown, ...]:
        """Return the messages sent out since the last call."""
        thrown, self._thrown = tuple(self._thrown), []
        return thrown

    def task_data(self, task_id: str) -> dict[str, object]:
        """Return a copy of the data an open task sees. Raises NotReady."""
        return json_copy(self._open_task(task_id).data)

    @property
    def data(self) -> dict[str, object]:
        """A copy of the data of what was completed last; of its own branch only while branches are open."""
        latest = self._tree.latest
        return json_copy(latest.data) if latest is not None else {}

    @property
    def finished(self) -> bool:
        return self._tree.is_completed()

    @property
    def refusal(self) -> dict[str, object] | None:
        """The refusal ``{code, text, basis, remedy}`` when an error end was reached."""
        return self._tree.refusal

    @property
    def end_element(self) -> str | None:
        """The id of the end event reached (last) by the matter; of the error end when it was refused."""
        return self._tree.end_element

    @contextmanager
    def _step(self) -> Iterator[None]:
        """Run what is inside and all that follows by itself, all or nothing."""
        self._refuse_if_broken()
        self._broken = self._changed = True
        try:
            yield
            self._tree.advance()
        except SpiffWorkflowException as error:
            spec = getattr(error, "task_spec", None)
            element = getattr(spec, "bpmn_id", None) or getattr(spec, "name", "")
            raise StepFailed(element, f"流程引擎走不下去：{error.args[0]}") from error
        # get_events() hands each event out once: whatever is not taken now is lost.
        for event in self._tree.get_events():
            if isinstance(event.event_definition, MessageEventDefinition):
                element, key = getattr(event, "thrown_by", ("", ""))
                self._thrown.append(Thrown(event.event_definition.name, json_copy(event.payload or {}), element, key))
        self._broken = False

    def _refuse_if_broken(self) -> None:
        if self._broken:
            raise StepFailed("", "上一步没有办成，这个事项要重新读取")

    def _open_task(self, task_id: str) -> Task:
        self._refuse_if_broken()
        for task in self._tasks(TaskState.READY):
            if task.id == task_id and task.task_spec.manual:
                return task
        raise NotReady(f"task {task_id} is not open")

    def _tasks(self, state: int) -> Iterator[Task]:
        for tree in self._tree.trees():
            if not tree.completed:
                yield from (task for task in tree.tasks.values() if task._state & state)


def _waits_of(task: Task) -> Iterator[Wait]:
    spec, definition = task.task_spec, task.task_spec.event_definition
    if not isinstance(definition, MultipleEventDefinition):
        yield Wait(task.id, element_of(task), _message_of(definition))
        return
    seen = [event.event_definition for event in task.internal_data.get("seen_events", ())]
    for index, awaited in enumerate(definition.event_definitions):
        if awaited not in seen:
            # An event gateway has taken over the events of the elements behind it, in their order.
            gateway = isinstance(spec, EventBasedGateway)
            yield Wait(task.id, spec.outputs[index].bpmn_id if gateway else element_of(task), _message_of(awaited))


def _message_of(definition: object) -> str:
    return definition.name if isinstance(definition, MessageEventDefinition) else ""
