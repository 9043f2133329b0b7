"""What happens at events: who catches an error, an escalation, a signal or a message, and what it brings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from SpiffWorkflow.bpmn.specs import defaults
from SpiffWorkflow.bpmn.specs.event_definitions import item_aware_event as spiff
from SpiffWorkflow.bpmn.specs.event_definitions.message import MessageEventDefinition
from SpiffWorkflow.bpmn.specs.event_definitions.multiple import MultipleEventDefinition
from SpiffWorkflow.bpmn.specs.event_definitions.simple import TerminateEventDefinition
from SpiffWorkflow.bpmn.specs.event_definitions.timer import TimerEventDefinition
from SpiffWorkflow.bpmn.specs.mixins.multiinstance_task import LoopTask
from SpiffWorkflow.bpmn.util.event import BpmnEvent
from SpiffWorkflow.util.task import TaskState

from engine.bpmn.execution.gateways import standing
from engine.bpmn.execution.script_engine import StepFailed, element_of, marks
from engine.bpmn.execution.task_data import json_copy
from engine.bpmn.execution.timers import Timer

if TYPE_CHECKING:
    from SpiffWorkflow.task import Task


def _around(my_task: Task) -> Iterator[Task]:
    """Return the sub-process or call activity that the task is in, then the one around that, and so on."""
    top = my_task.workflow.top_workflow
    while my_task.workflow.parent_task_id is not None:
        my_task = top.get_task_from_id(my_task.workflow.parent_task_id)
        yield my_task


def _catching(call: Task, event: BpmnEvent) -> list[Task]:
    """Return the waiting boundary events of exactly this call that catch the event."""
    while isinstance(call.parent.task_spec, LoopTask):
        call = call.parent
    return [
        task
        for task in call.parent.children
        if isinstance(task.task_spec, defaults.BoundaryEvent) and task.task_spec.catches(task, event)
    ]


class ErrorEvent(spiff.ErrorEventDefinition):
    """An error whose code may be an expression, caught by the boundary of exactly the call it comes out of.

    SpiffWorkflow's own fires the error boundaries of *all* parallel calls of the process, and lets the matter go on
    after a call that ended in an error nobody caught.
    """

    def throw(self, my_task: Task) -> None:
        engine = my_task.workflow.script_engine
        code = engine.resolve(my_task, self.code) if self.code else None
        if not isinstance(code, str) or not code:
            raise StepFailed(element_of(my_task), "出错结束没有给出错误代码")
        event = BpmnEvent(ErrorEvent(self.name, code))
        my_task.workflow.ended_in_error = my_task.workflow.parent_task_id is not None
        for call in _around(my_task):
            # One that names the code goes before one that catches any error.
            waiting = sorted(_catching(call, event), key=lambda task: task.task_spec.event_definition.code is None)
            if waiting:
                _hand_over(waiting[0], my_task.data)
                return
            call.workflow.ended_in_error = call.workflow.parent_task_id is not None
        my_task.workflow.top_workflow.refuse(my_task, code, self.name)


def _hand_over(boundary: Task, data: Mapping[str, object]) -> None:
    boundary.internal_data[boundary.task_spec.event_definition.name] = json_copy(data)
    boundary.internal_data["event_fired"] = True
    boundary.task_spec._update(boundary)


class Escalation(spiff.EscalationEventDefinition):
    """An escalation, caught by the boundary of the innermost call around it that waits for one; else it is nothing.

    SpiffWorkflow's own fires the escalation boundaries of *all* parallel calls of the process.
    """

    def throw(self, my_task: Task) -> None:
        event = BpmnEvent(Escalation(self.name, self.code))
        for call in _around(my_task):
            waiting = sorted(_catching(call, event), key=lambda task: task.task_spec.event_definition.code is None)
            if waiting:
                _hand_over(waiting[0], my_task.data)
                return


class _HandsOver:
    """An event that brings what the element's inputs say."""

    def __init__(self, name: str, inputs: Mapping[str, str] | None = None, **kwargs) -> None:
        super().__init__(name, **kwargs)
        self.handed_over = inputs or {}

    def _handed(self, my_task: Task) -> dict[str, object]:
        engine = my_task.workflow.script_engine
        return {name: engine.resolve(my_task, value) for name, value in self.handed_over.items()}


class Signal(_HandsOver, spiff.SignalEventDefinition):
    """A signal to everything in this matter that waits for it; it brings what the element's inputs say.

    SpiffWorkflow's own lays all data of the branch that sends over the data of every branch that hears it.
    """

    def throw(self, my_task: Task) -> None:
        my_task.workflow.top_workflow.catch(BpmnEvent(self, payload=json_copy(self._handed(my_task))))


class BoundaryEvent(defaults.BoundaryEvent):
    """An event on the border of a step; one that calls nothing off happens as often as it is triggered.

    SpiffWorkflow's own happens once. Where it stands for an event sub-process it goes on with what its scope has
    come to, not with what the scope began with.
    """

    def _run_hook(self, my_task: Task) -> bool:
        frame = next(task for task in my_task.parent.children if not isinstance(task.task_spec, defaults.BoundaryEvent))
        if "of" in marks(self):
            my_task.data = standing(frame.workflow.top_workflow.subprocesses[frame.id], my_task.parent.data)
            my_task.internal_data["from"] = json_copy(my_task.data)
        super()._run_hook(my_task)
        again = not self.cancel_activity and not isinstance(self.event_definition, TimerEventDefinition)
        if again and not frame.has_state(TaskState.FINISHED_MASK):
            next_time = my_task.parent._add_child(self, TaskState.MAYBE)
            self._predict(next_time)
            next_time._set_state(TaskState.WAITING)
            self._update(next_time)
        return True


class EndEvent(defaults.EndEvent):
    """An end; one that terminates also ends the event sub-processes of its scope."""

    def _on_complete_hook(self, my_task: Task) -> None:
        if isinstance(self.event_definition, TerminateEventDefinition):
            for call in _around(my_task):
                if "of" not in marks(call.task_spec):
                    break
                others = [task for task in call.workflow.tasks.values() if task._state & TaskState.NOT_FINISHED_MASK]
                for task in others:
                    if task is not call and not task.is_descendant_of(call):
                        task.cancel()
        super()._on_complete_hook(my_task)


class Message(_HandsOver, MessageEventDefinition):
    """A message by its name; what is sent is what the element's inputs say, everything when it has none."""

    def throw(self, my_task: Task) -> None:
        event = BpmnEvent(self, payload=json_copy(self._handed(my_task) if self.handed_over else my_task.data))
        event.thrown_by = (element_of(my_task), my_task.id)
        my_task.workflow.top_workflow.catch(event)


class SeveralEvents(MultipleEventDefinition):
    """Several events in one element, or behind one event gateway.

    Bare SpiffWorkflow forgets what they brought, shares one moment among several timers, and goes on behind every
    event that has happened when the first one is looked at.
    """

    def has_fired(self, my_task: Task) -> bool:
        seen = my_task.internal_data.setdefault("seen_events", [])
        due = [each for each in self.event_definitions if isinstance(each, Timer) and each.is_due(my_task)]
        if self.parallel:
            known = [event.event_definition for event in seen]
            seen += [BpmnEvent(timer) for timer in due if timer not in known]
            return len(seen) >= len(self.event_definitions)
        if not seen and due:
            seen.append(BpmnEvent(min(due, key=lambda timer: timer.fires_at(my_task))))
        del seen[1:]
        return bool(seen)

    def update_task_data(self, my_task: Task) -> None:
        for event in my_task.internal_data.get("seen_events", ()):
            my_task.set_data(**(event.payload or {}))


class EventGateway(defaults.EventBasedGateway):
    """Goes on behind the first of the events it waits for."""
