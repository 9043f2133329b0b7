"""How the flow splits and comes together again, as SpiffWorkflow task specs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from SpiffWorkflow.bpmn.specs import defaults
from SpiffWorkflow.bpmn.specs.bpmn_process_spec import BpmnProcessSpec
from SpiffWorkflow.bpmn.specs.control import BoundaryEventJoin, BpmnStartTask, SimpleBpmnTask, _EndJoin
from SpiffWorkflow.bpmn.specs.mixins.unstructured_join import UnstructuredJoin
from SpiffWorkflow.operators import Operator
from SpiffWorkflow.specs.base import TaskSpec
from SpiffWorkflow.util.task import TaskState

from engine.bpmn.execution.script_engine import StepFailed, element_of
from engine.bpmn.execution.task_data import changes, json_copy, merged

if TYPE_CHECKING:
    from SpiffWorkflow.bpmn.util.subworkflow import BpmnBaseWorkflow
    from SpiffWorkflow.task import Task


#: kept with the place that went on from a join: the ids of the places it has brought together
_JOINED = "joined"


class Condition(Operator):
    """The condition of a sequence flow: true or false, never merely truthy."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def _matches(self, task: Task) -> bool:
        return task.workflow.script_engine.holds(task, self.text)


class _Join(UnstructuredJoin):
    """Brings together what each branch has changed since the branches parted.

    Bare SpiffWorkflow lays the branches' whole data over each other, so the branch that is merged last puts back the
    old value of everything another branch has changed, and lists of two branches melt into one. Two branches that
    change the same value are settled by time: the later one holds.
    """

    def _update_hook(self, my_task: Task) -> bool:
        may_fire = super()._update_hook(my_task)
        if may_fire:
            # Settled here and not when it runs: the next to arrive may not count on the same branches.
            my_task.internal_data[_JOINED] = [task.id for task in self._joined(my_task)]
            self._keep_waiting(my_task)
        return may_fire

    def _run_hook(self, my_task: Task) -> bool:
        ids = set(my_task.internal_data[_JOINED])
        joined = [task for task in my_task.workflow.tasks.values() if task.task_spec is self and task.id in ids]
        if len(joined) > 1:
            base = _parting(joined)
            data = json_copy(base.data)
            for task in sorted(joined, key=lambda task: task.parent.last_state_change):
                data = merged(data, changes(_origin(task, base), task.parent.data))
            my_task.data = json_copy(data)
        return True

    def _arrived(self, my_task: Task) -> list[Task]:
        """Return every place where a branch has arrived and has not been joined yet, this one included.

        A flow that comes back passes the join again. Bare SpiffWorkflow counts branches of earlier rounds as arrived:
        from the second round on, the first branch opens the join and what follows runs twice.
        """
        places = [task for task in my_task.workflow.tasks.values() if task.task_spec is self]
        joined = {id for task in places for id in task.internal_data.get(_JOINED, ())}
        return [task for task in places if task.parent._state == TaskState.COMPLETED and task.id not in joined]

    def _joined(self, my_task: Task) -> list[Task]:
        """Return what goes on from here as one: of each flow that comes in, the branch that arrived first."""
        first: dict[TaskSpec, Task] = {}
        for task in sorted(self._arrived(my_task), key=lambda task: task.parent.last_state_change):
            first.setdefault(task.parent.task_spec, task)
        # Where two have come in by one flow, the place that goes on takes the earlier one's turn.
        return [*{task.id: task for task in (*first.values(), my_task)}.values()]

    def _keep_waiting(self, my_task: Task) -> None:
        """Let a branch that came a second time by the same flow go on waiting: it is not to be lost."""
        left = self._arrived(my_task)
        if left and not any(task._state & TaskState.NOT_FINISHED_MASK for task in left):
            left[-1]._set_state(TaskState.WAITING)
            self._predict(left[-1], mask=TaskState.NOT_FINISHED_MASK)


def _ancestors(task: Task) -> list[Task]:
    """Return the tasks before this one, nearest first."""
    found = []
    while (task := task.parent) is not None:
        found.append(task)
    return found


def _parting(arrived: list[Task]) -> Task:
    """Return the last task that all branches have in common."""
    common = _ancestors(arrived[0])
    for task in arrived[1:]:
        path = {ancestor.id for ancestor in _ancestors(task)}
        common = [ancestor for ancestor in common if ancestor.id in path]
    return common[0]


def _origin(task: Task, base: Task) -> Mapping[str, object]:
    """Return what a branch began with: what its scope had come to where an event sub-process began, else ``base``."""
    while (task := task.parent) is not None and task is not base:
        if "from" in task.internal_data:
            return task.internal_data["from"]
    return base.data


def standing(tree: BpmnBaseWorkflow, before: Mapping[str, object]) -> dict[str, object]:
    """Return what all branches of a sub-process have made of the data it began with; the later change holds."""
    done = [task for task in tree.tasks.values() if task._state == TaskState.COMPLETED]
    furthest = {task.id for task in done} - {task.parent.id for task in done if task.parent is not None}
    data = dict(before)
    for task in sorted((task for task in done if task.id in furthest), key=lambda task: task.last_state_change):
        data = merged(data, changes(before, task.data))
    return json_copy(data)


def _reaching(targets: Iterable[TaskSpec], without: TaskSpec) -> set[TaskSpec]:
    """Return every spec from which a target can be reached, itself included, on a way that spares ``without``."""
    found: set[TaskSpec] = set()
    ahead = list(targets)
    while ahead:
        spec = ahead.pop()
        if spec not in found and spec is not without:
            found.add(spec)
            ahead.extend(spec.inputs)
    return found


class ExclusiveGateway(defaults.ExclusiveGateway):
    """Takes the first flow whose condition holds, else the default; none at all is a failed step."""

    def __init__(self, wf_spec, bpmn_id, **kwargs) -> None:
        super().__init__(wf_spec, bpmn_id, **kwargs)
        #: ids of the sequence flows, in the order of ``cond_task_specs``
        self.flow_ids: list[str] = []

    def _run_hook(self, my_task: Task) -> bool:
        chosen = self._choose(my_task)
        target = self._wf_spec.task_specs[self.cond_task_specs[chosen][1]]
        my_task.internal_data["flow"] = self.flow_ids[chosen]
        my_task._sync_children([target], TaskState.FUTURE)
        for child in my_task.children:
            child.task_spec._predict(child, mask=TaskState.FUTURE | TaskState.PREDICTED_MASK)
        return True

    def _choose(self, my_task: Task) -> int:
        default = None
        for index, (condition, _) in enumerate(self.cond_task_specs):
            if condition is None:
                default = index
            elif condition._matches(my_task):
                return index
        if default is None:
            raise StepFailed(self.bpmn_id, f"“{self.bpmn_name or self.bpmn_id}”没有一个条件成立，也没有默认箭头")
        return default


class InclusiveGateway(_Join, defaults.InclusiveGateway):
    """Takes every flow whose condition holds, and waits for every branch that can still arrive."""

    def __init__(self, wf_spec, bpmn_id, **kwargs) -> None:
        super().__init__(wf_spec, bpmn_id, **kwargs)
        self.flow_ids: list[str] = []

    def _check_threshold_unstructured(self, my_task: Task) -> bool:
        """Return whether no open place can still reach an incoming flow on which nothing has arrived (BPMN 13.4.3)."""
        full = {task.parent.task_spec for task in self._arrived(my_task)}
        awaited = _reaching([spec for spec in self.inputs if spec not in full], self) - _reaching(full, self)
        return not any(
            task._state & TaskState.DEFINITE_MASK
            and task.task_spec in awaited
            and (task._state != TaskState.FUTURE or task.parent._state == TaskState.COMPLETED)
            for task in my_task.workflow.tasks.values()
        )

    def _run_hook(self, my_task: Task) -> bool:
        super()._run_hook(my_task)
        matches, otherwise = self._get_matching_outputs(my_task)
        if not matches and not otherwise:
            name = self.bpmn_name or element_of(my_task)
            raise StepFailed(element_of(my_task), f"“{name}”没有一个条件成立，也没有默认箭头")
        my_task._sync_children(matches or otherwise, TaskState.FUTURE)
        for child in my_task.children:
            child.task_spec._predict(child, mask=TaskState.FUTURE | TaskState.PREDICTED_MASK)
        return True


class ParallelGateway(_Join, defaults.ParallelGateway):
    """Waits for all branches, then opens all."""

    def _check_threshold_unstructured(self, my_task: Task) -> bool:
        arrived = {task.parent.task_spec for task in self._arrived(my_task)}
        missing = [spec for spec in self.inputs if spec not in arrived]
        if not missing:
            return True
        # A flow that comes back to the gateway from behind it cannot arrive together with the others.
        back = {spec for spec in self.inputs if self._wf_spec.start not in _reaching([spec], self)}
        return bool(back & arrived) or back.issuperset(missing)


class BoundaryJoin(BoundaryEventJoin):
    """Closes an activity with its boundary events: what is left of them is called off.

    Where a boundary event leads straight back to its activity, SpiffWorkflow's own also closes the join of the round
    that has just begun; from then on nothing calls that round's activity off, and it is open twice.
    """

    def _find_tasks(self, my_task: Task) -> list[Task]:
        split = my_task.find_ancestor(self.split_task)
        return [
            task
            for task in my_task.workflow.tasks.values()
            if task.task_spec is self and task.find_ancestor(self.split_task) is split
        ]


class EndJoin(_Join, _EndJoin):
    """The inner end of a process, reached when nothing else is open."""

    def _check_threshold_unstructured(self, my_task: Task) -> bool:
        # SpiffWorkflow walks the tree here and sees 1,000 tasks deep only.
        return not any(
            task._state & TaskState.NOT_FINISHED_MASK and task is not my_task and task.task_spec.name != "End"
            for task in my_task.workflow.tasks.values()
        )

    def _joined(self, my_task: Task) -> list[Task]:
        # Whatever came to an end, however often by the same way, is over now.
        return self._arrived(my_task)

    def _run_hook(self, my_task: Task) -> bool:
        super()._run_hook(my_task)
        my_task.workflow.data.update(my_task.data)
        return True


class ProcessSpec(BpmnProcessSpec):
    """A process whose inner end is ours, and which knows the ids of its sequence flows."""

    def __init__(self, name: str, description: str | None = None, filename: str | None = None) -> None:
        super().__init__(name=name, description=description, filename=filename)
        self.task_specs.clear()
        self.start: TaskSpec = BpmnStartTask(self, "Start")
        self.end: TaskSpec = EndJoin(self, f"{name}.EndJoin")
        self.end.connect(SimpleBpmnTask(self, "End"))
        #: (name of the source spec, name of the target spec) → ids of the flows between them
        self.flows: dict[tuple[str, str], list[str]] = {}
