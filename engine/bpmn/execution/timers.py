"""Timers of a running matter: when each one fires, by the county's clock, kept with the matter's state."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from SpiffWorkflow.bpmn.specs.event_definitions.multiple import MultipleEventDefinition
from SpiffWorkflow.bpmn.specs.event_definitions.timer import TimerEventDefinition
from SpiffWorkflow.util.task import TaskState

from engine.bpmn.execution.script_engine import StepFailed, element_of
from engine.bpmn.expressions import EvaluationError, parse
from engine.clock import LOCAL, local_date
from engine.workdays import is_known

if TYPE_CHECKING:
    from SpiffWorkflow.bpmn.specs.event_definitions.base import EventDefinition
    from SpiffWorkflow.task import Task

#: where SpiffWorkflow, too, keeps the moment a timer fires: ISO 8601, aware
_FIRES_AT = "event_value"
#: where the moment the flow got there is kept, for a day counted beyond the published calendar: ISO 8601, aware
_SINCE = "counted from"
#: what counts working days
_COUNTS = re.compile(r"\b(due|workdays)\s*\(")


class Timer(TimerEventDefinition):
    """Fires at a moment fixed when the flow gets there, so that no restart moves a deadline.

    SpiffWorkflow's own look at the machine's clock, read no expression as a date and refuse a calculated duration.
    """

    def has_fired(self, my_task: Task) -> bool:
        if self.is_due(my_task):
            my_task._set_internal_data(event_fired=True)
        return bool(my_task._get_internal_data("event_fired", False))

    def is_due(self, my_task: Task) -> bool:
        return self.fires_at(my_task) <= my_task.workflow.script_engine.now()

    def fires_at(self, my_task: Task) -> datetime:
        """Return the moment this timer fires, aware; worked out at the first look."""
        place = self._place(my_task)
        known = my_task._get_internal_data(place)
        if known is not None:
            return datetime.fromisoformat(known)
        moment = self._work_out(my_task)
        my_task._set_internal_data(**{place: moment.isoformat()})
        if _COUNTS.search(self.expression) and not is_known(_last_day(moment)):
            now = my_task.workflow.script_engine.now()
            my_task._set_internal_data(**{f"{place} {_SINCE}": now.isoformat()})
        return moment

    def provisional_day(self, my_task: Task) -> date | None:
        """Return the last day of a wait that was counted beyond the published calendar, None for one that stands."""
        known = my_task._get_internal_data(f"{self._place(my_task)} {_SINCE}")
        return None if known is None else _last_day(self.fires_at(my_task))

    def count_again(self, my_task: Task) -> None:
        """Count a provisional wait again, from the moment the flow got there, with the calendar known by now."""
        place = self._place(my_task)
        since = f"{place} {_SINCE}"
        moment = self._work_out(my_task, datetime.fromisoformat(my_task._get_internal_data(since)))
        my_task._set_internal_data(**{place: moment.isoformat()})
        if is_known(_last_day(moment)):
            del my_task.internal_data[since]

    def _place(self, my_task: Task) -> str:
        """Return where the moment is kept: a timer among several of one element has a place of its own."""
        timers = _timers_in(my_task.task_spec.event_definition)
        return _FIRES_AT if len(timers) < 2 else f"{_FIRES_AT} {self.name}"

    def _work_out(self, my_task: Task, at: datetime | None = None) -> datetime:
        engine = my_task.workflow.script_engine
        text = engine.evaluate(my_task, self.expression, at=at)
        try:
            return moment_of(str(text), at or engine.now())
        except (ValueError, OverflowError, EvaluationError) as error:
            raise StepFailed(element_of(my_task), f"定时“{self.expression}”得出的“{text}”不是时间") from error


def moment_of(text: str, now: datetime) -> datetime:
    """Return the moment that ``text`` names: a duration from now, the beginning of a local day, or a point in time.

    A point in time without zone is meant as clocks in China show it.

    :raises ValueError, EvaluationError: it is none of these.
    """
    if text.lstrip("-").startswith("P"):
        moment = parse(f'now() + duration("{text}")').evaluate({}, {"now": now.isoformat})
        return datetime.fromisoformat(str(moment)).astimezone(UTC)
    moment = datetime.fromisoformat(text) if "T" in text else datetime.combine(datetime.fromisoformat(text), time())
    return (moment if moment.tzinfo else moment.replace(tzinfo=LOCAL)).astimezone(UTC)


def next_due(waiting: list[Task]) -> datetime | None:
    """Return the earliest moment at which one of these waiting places could go on by itself."""
    moments = [timer.fires_at(task) for task in waiting for timer in _timers_of(task)]
    return min(moments, default=None)


def happened_at(task: Task) -> datetime:
    """Return when an event has happened: a timer when it was due, everything else now."""
    timers = _timers_in(task.task_spec.event_definition)
    return min((timer.fires_at(task) for timer in timers), default=None) or task.workflow.script_engine.now()


def provisional(waiting: list[Task]) -> list[tuple[date, Timer, Task]]:
    """Return the waits that were counted beyond the published calendar, with their last days."""
    counted = ((timer.provisional_day(task), timer, task) for task in waiting for timer in _timers_of(task))
    return [(day, timer, task) for day, timer, task in counted if day is not None]


def _last_day(moment: datetime) -> date:
    """A day counted ends where the next one begins."""
    return local_date(moment - timedelta(seconds=1))


def _timers_of(task: Task) -> list[Timer]:
    if task._state != TaskState.WAITING:
        return []
    return _timers_in(task.task_spec.event_definition)


def _timers_in(definition: EventDefinition) -> list[Timer]:
    known = definition.event_definitions if isinstance(definition, MultipleEventDefinition) else [definition]
    return [each for each in known if isinstance(each, Timer)]


def is_timer(task: Task) -> bool:
    """Tell whether the element that was passed is one that time has opened."""
    if isinstance(getattr(task.task_spec, "event_definition", None), Timer):
        return True
    # An event gateway has taken over the events of the elements behind it, in their order.
    gateway = task.parent.task_spec if task.parent is not None else None
    behind = getattr(gateway, "event_definition", None)
    if not isinstance(behind, MultipleEventDefinition) or task.task_spec not in gateway.outputs:
        return False
    return isinstance(behind.event_definitions[gateway.outputs.index(task.task_spec)], Timer)
