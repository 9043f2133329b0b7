"""The script engine given to SpiffWorkflow: evaluates our expressions, never Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, NoReturn, Protocol

from SpiffWorkflow.bpmn.specs.mixins.multiinstance_task import LoopTask, MultiInstanceTask
from SpiffWorkflow.util.task import TaskState

from engine.bpmn.execution.task_data import json_copy
from engine.bpmn.expressions import EvaluationError
from engine.errors import EngineError

if TYPE_CHECKING:
    from SpiffWorkflow.specs.base import TaskSpec
    from SpiffWorkflow.task import Task

    from engine.bpmn.definition import Definition


FRAMES = ("multiInstance", "loop")


class Environment(Protocol):
    """What a running workflow may ask of the outside; the services inject it."""

    def call(self, topic: str, element: str, call_key: str, inputs: Mapping[str, object]) -> object:
        """Run a connector. ``call_key`` is the same whenever the same task of the same matter calls again."""
        ...

    @property
    def functions(self) -> Mapping[str, Callable]:
        """The functions of the domain: param, due, workdays, days, today, now. ``times`` is added here."""
        ...

    def functions_at(self, moment: datetime) -> Mapping[str, Callable]:
        """The same as they would have answered at another moment, with the calendar of today."""
        ...


class StepFailed(EngineError):
    """A step cannot be carried out; nothing of it holds, and the workflow object must be dropped."""

    def __init__(self, element: str, message: str) -> None:
        super().__init__(f"{element}: {message}")
        #: id of the element in the diagram
        self.element = element
        #: one Chinese sentence
        self.message = message


class ScriptEngine:
    """Evaluates, for the elements of one running workflow, what was parsed when its definition was loaded."""

    def __init__(self, definition: Definition, environment: Environment | None) -> None:
        self.definition = definition
        #: changes with every transaction; None while nobody has the matter in hand
        self.outside = environment

    def evaluate(
        self,
        spiff_task: Task,
        text: str,
        external_context: Mapping[str, object] | None = None,
        at: datetime | None = None,
    ) -> object:
        """Return the value of an expression of the diagram over the data of this task, now or as of another moment."""
        try:
            expression = self.definition.expressions[text]
        except KeyError:
            # Whatever SpiffWorkflow asks for beyond the diagram's own expressions is Python by its own convention.
            raise StepFailed(element_of(spiff_task), f"图中没有这个表达式：{text}") from None
        context = {**spiff_task.data, **external_context} if external_context else spiff_task.data
        try:
            return expression.evaluate(context, self.functions(spiff_task, at))
        except EvaluationError as error:
            raise StepFailed(element_of(spiff_task), f"表达式“{text}”算不出来：{error}") from error

    def holds(self, spiff_task: Task, text: str, external_context: Mapping[str, object] | None = None) -> bool:
        """Return the value of a condition; anything but true or false is a failed step."""
        answer = self.evaluate(spiff_task, text, external_context)
        if answer is True or answer is False:
            return answer
        raise StepFailed(element_of(spiff_task), f"条件“{text}”的结果既不是真也不是假")

    def resolve(self, spiff_task: Task, value: str, external_context: Mapping[str, object] | None = None) -> object:
        """Return a literal text as it is, an expression (``=…``) by its value."""
        if value.startswith("="):
            return self.evaluate(spiff_task, value[1:].strip(), external_context)
        return value

    def call(self, spiff_task: Task, topic: str, inputs: Mapping[str, object]) -> object:
        """Return a connector's answer as JSON. What the connector refuses passes through unchanged."""
        answer = self.outside.call(topic, element_of(spiff_task), spiff_task.id, json_copy(inputs))
        try:
            return json_copy(answer)
        except TypeError as error:
            raise StepFailed(element_of(spiff_task), f"“{topic}”的答复不能保存：{error}") from error

    def functions(self, spiff_task: Task, at: datetime | None = None) -> dict[str, Callable]:
        """Return the functions of the domain and ``times`` for this matter."""
        domain = self.outside.functions if at is None else self.outside.functions_at(at)
        return {**domain, "times": lambda element: times(spiff_task.workflow, element)}

    def now(self) -> datetime:
        """Return the moment of this step by the county's clock, aware."""
        return datetime.fromisoformat(str(self.outside.functions["now"]()))

    def execute(self, spiff_task: Task, script: str, external_context: object = None) -> NoReturn:
        """Refuse: there are no scripts."""
        raise StepFailed(element_of(spiff_task), "流程图里不允许有脚本")

    @property
    def environment(self) -> NoReturn:
        """Refuse the way round ``evaluate`` that correlation expressions would take."""
        raise StepFailed("", "不支持相关性表达式")


def times(tree: object, element: str) -> int:
    """Return how often that element has been completed so far: in this call of its process, else in the whole matter.

    A meeting that is called three times counts its own rounds only.
    """
    top = tree.top_workflow
    drawn = any(spec.bpmn_id == element for spec in tree.spec.task_specs.values())
    trees = (tree,) if drawn else (top, *top.subprocesses.values())
    return sum(
        1
        for tree in trees
        for task in tree.tasks.values()
        if task._state == TaskState.COMPLETED and task.task_spec.bpmn_id == element and kind_of(task) not in FRAMES
    )


def kind_of(spiff_task: Task) -> str:
    """Return the local BPMN tag of the element; the frame around instances of an activity is a kind of its own."""
    spec = spiff_task.task_spec
    if isinstance(spec, MultiInstanceTask):
        return "multiInstance"
    if isinstance(spec, LoopTask):
        return "loop"
    return spec.extensions["kind"]


def element_of(spiff_task: Task) -> str:
    """Return the id of the element in the diagram, of the one it serves, or the inner name where there is none."""
    spec = spiff_task.task_spec
    return spec.bpmn_id or marks(spec).get("of") or spec.name


def marks(spec: TaskSpec) -> Mapping[str, str]:
    """Return what the parser has noted about an element; nothing for specs that are SpiffWorkflow's own."""
    return getattr(spec, "extensions", {})
