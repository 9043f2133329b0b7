"""Walks random processes on the engine, at random or along a counter-example."""

from __future__ import annotations

from collections import Counter, deque
from datetime import UTC, datetime
from random import Random

from SpiffWorkflow.bpmn.specs.mixins.events.intermediate_event import BoundaryEvent
from SpiffWorkflow.specs.Join import Join
from SpiffWorkflow.util.task import TaskState

from engine.bpmn.definition import Definition
from engine.bpmn.execution.script_engine import StepFailed
from engine.bpmn.execution.token_tree import OPEN
from engine.bpmn.workflow import Workflow
from tests.bpmn.random_processes import RandomProcess

MOST_STEPS = 60


class Walk:
    """One matter, walked by a chooser that answers every gateway."""

    def __init__(self, definition: Definition, made: RandomProcess, random: Random, path=()) -> None:
        choices = made.choices
        self.inside = made.inside
        self.repeated = made.repeated
        self.hosts = made.hosts
        self.random = random
        self.choices = choices
        self.gateway_of = {flow: gateway for gateway, flows in choices.items() for flow in flows}
        self.failed: StepFailed | None = None
        self.passed: Counter = Counter()
        self.cancelled: list[str] = []
        self._planned = self._plan(path)
        self._answer: dict[str, set[str]] = {}
        self.functions = {"now": self.now, "param": self._param}
        self.inclusive = {
            gateway
            for spec in (definition.spec, *definition.called.values())
            for gateway in choices
            # Behind a task whose own flows have conditions one is made.
            for name in (gateway, f"{gateway}.Split")
            if name in spec.task_specs and type(spec.task_specs[name]).__name__ == "InclusiveGateway"
        }
        self.workflow: Workflow | None = None
        try:
            self.workflow = Workflow.start(definition, {}, self)
        except StepFailed as error:
            self.failed = error
        self._note()

    def now(self) -> str:
        return datetime.now(UTC).isoformat()

    def call(self, topic, element, call_key, inputs):
        return {}

    def said(self, element: str) -> dict[str, object]:
        """Return what is filled in at a step, or what a message brings."""
        return {}

    def _plan(self, path) -> dict[str, deque[set[str]]]:
        planned: dict[str, deque[set[str]]] = {}
        for index, id in enumerate(path):
            if id in self.choices:
                chosen = set()
                for flow in path[index + 1 :]:
                    if self.gateway_of.get(flow) != id:
                        break
                    chosen.add(flow)
                planned.setdefault(id, deque()).append(chosen)
        return planned

    def _param(self, flow: str) -> bool:
        gateway = self.gateway_of[flow]
        flows = self.choices[gateway]
        if flow == flows[0] or gateway not in self._answer:
            plan = self._planned.get(gateway)
            if plan:
                self._answer[gateway] = plan.popleft()
            elif gateway in self.inclusive:
                chosen = {each for each in flows if self.random.random() < 0.5}
                self._answer[gateway] = chosen or {self.random.choice(flows)}
            else:
                self._answer[gateway] = {self.random.choice(flows)}
        return flow in self._answer[gateway]

    def actions(self) -> list[tuple[str, str]]:
        """Return what may happen now: (element, id of the task) or (element, "")."""
        tasks = [(task.element, task.id) for task in self.workflow.open_tasks()]
        return tasks + [(wait.element, "") for wait in self.workflow.waits() if wait.message]

    def act(self, element: str, task: str) -> None:
        try:
            if task:
                self.workflow.complete(task, self.said(element))
            else:
                assert self.workflow.receive(f"M_{element}", self.said(element))
        except StepFailed as error:
            self.failed = error
        self._note()

    def _note(self) -> None:
        if self.workflow is not None:
            for passed in self.workflow.take_passed():
                if passed.kind == "cancelled":
                    self.cancelled.append(passed.element)
                else:
                    self.passed[passed.element] += 1

    @property
    def finished(self) -> bool:
        return self.failed is None and self.workflow.finished

    @property
    def refused(self) -> bool:
        return self.workflow is not None and self.workflow.refusal is not None

    @property
    def over(self) -> bool:
        return self.failed is not None or self.finished

    def follow(self, path) -> None:
        """Do what people and messages do on the path, in its order."""
        for index, element in enumerate(path):
            if self.over:
                return
            offered = [action for action in self.actions() if action[0] == element]
            inside = self.inside.get(self.hosts.get(element, element), ())
            if offered:
                self.act(*offered[0])
            elif inside and not (index + 1 < len(path) and path[index + 1] in inside):
                self._leave(element, inside)

    def _leave(self, element: str, inside: set[str]) -> None:
        """Walk through a sub-process at random until what is on the path comes out of it."""
        passed = self.passed[element]
        for _ in range(MOST_STEPS):
            offered = [] if self.over else [action for action in self.actions() if action[0] in inside]
            if not offered or (self.passed[element] > passed and element not in self.repeated):
                return
            self.act(*self.random.choice(offered))

    def wander(self, steps: int = MOST_STEPS) -> None:
        """Go on at random."""
        for _ in range(steps):
            if self.over:
                return
            self.act(*self.random.choice(self.actions()))
            if self.doubled():
                return

    def trees(self):
        return [] if self.workflow is None else self.workflow._tree.trees()

    def doubled(self) -> set[str]:
        """Return the elements that are open twice at once in the same scope, not by an event that came twice."""
        found = set()
        for tree in self.trees():
            if tree.completed:
                continue
            open_ = Counter(
                task.task_spec.bpmn_id
                for task in tree.tasks.values()
                if task._state & OPEN
                and task.task_spec.bpmn_id
                and not isinstance(task.task_spec, (BoundaryEvent, Join))
            )
            found |= {element for element, count in open_.items() if count > 1}
        return found - self.repeated

    def stuck_at(self, element: str) -> bool:
        """Tell whether a join waits in a scope in which nothing else is open."""
        for tree in self.trees():
            open_ = [task for task in tree.tasks.values() if task._state & OPEN and not tree.completed]
            acting = [task for task in open_ if not isinstance(task.task_spec, (BoundaryEvent, Join))]
            if any(task.task_spec.bpmn_id == element for task in open_) and not acting:
                return True
        return False

    def unrelated_twice(self, element: str) -> bool:
        """Tell whether an element was reached twice in one scope, the second time not because of the first."""
        for tree in self.trees():
            reached = [
                task
                for task in tree.tasks.values()
                if task.task_spec.bpmn_id == element
                and task.parent is not None
                and task.parent._state == TaskState.COMPLETED
            ]
            by_parent: dict[str, list] = {}
            for task in reached:
                key = task.parent.task_spec.name if isinstance(task.task_spec, Join) else ""
                by_parent.setdefault(key, []).append(task)
            for tasks in by_parent.values():
                for index, one in enumerate(tasks):
                    for other in tasks[index + 1 :]:
                        if not one.is_descendant_of(other) and not other.is_descendant_of(one):
                            return True
        return False
