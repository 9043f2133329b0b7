"""What each kind of BPMN element does here, as SpiffWorkflow task specs; read-only once a definition is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from SpiffWorkflow.bpmn.specs import defaults
from SpiffWorkflow.bpmn.specs.event_definitions.item_aware_event import ErrorEventDefinition as SpiffErrorEvent
from SpiffWorkflow.bpmn.specs.event_definitions.message import MessageEventDefinition
from SpiffWorkflow.bpmn.specs.event_definitions.multiple import MultipleEventDefinition
from SpiffWorkflow.bpmn.specs.mixins import BpmnSpecMixin
from SpiffWorkflow.bpmn.specs.mixins.multiinstance_task import LoopTask, MultiInstanceTask
from SpiffWorkflow.bpmn.util.event import BpmnEvent
from SpiffWorkflow.util.task import TaskState

from engine.bpmn.decisions import DecisionError
from engine.bpmn.expressions import EvaluationError
from engine.bpmn.script_engine import StepFailed, element_of
from engine.bpmn.task_data import changes, json_copy, merged

if TYPE_CHECKING:
    from SpiffWorkflow.task import Task


class ServiceTask(BpmnSpecMixin):
    """Calls a connector and keeps its answer in one variable."""

    def __init__(self, wf_spec, bpmn_id, topic, inputs, output, output_expression, **kwargs) -> None:
        super().__init__(wf_spec, bpmn_id, **kwargs)
        self.topic = topic
        self.handed_in = inputs
        self.output = output
        self.output_expression = output_expression

    def _run_hook(self, my_task: Task) -> bool:
        engine = my_task.workflow.script_engine
        inputs = {name: engine.resolve(my_task, value) for name, value in self.handed_in.items()}
        answer = engine.call(my_task, self.topic, inputs)
        if self.output_expression:
            answer = json_copy(engine.resolve(my_task, self.output_expression, {"result": answer}))
        if self.output:
            my_task.data = {**my_task.data, self.output: answer}
        return True


class RuleTask(BpmnSpecMixin):
    """Evaluates a decision table by its hit policy and notes the rows that decided."""

    def __init__(self, wf_spec, bpmn_id, decision, result_variable, single_entry, **kwargs) -> None:
        super().__init__(wf_spec, bpmn_id, **kwargs)
        self.decision = decision
        self.result_variable = result_variable
        self.single_entry = single_entry

    def _run_hook(self, my_task: Task) -> bool:
        engine = my_task.workflow.script_engine
        table = engine.definition.tables[self.decision]
        try:
            result = table.decide(my_task.data, engine.functions(my_task))
        except (DecisionError, EvaluationError) as error:
            raise StepFailed(self.bpmn_id, f"决策表“{table.name}”得不出结果：{error}") from error
        outputs = json_copy(result.outputs)
        if self.single_entry and isinstance(outputs, dict) and len(outputs) == 1:
            (outputs,) = outputs.values()
        my_task.internal_data["rows"] = list(result.rule_ids)
        my_task.data = {**my_task.data, self.result_variable: outputs}
        return True


class CallActivity(defaults.CallActivity):
    """Hands data to a called process and back; a direction without any mapping passes everything."""

    def __init__(self, wf_spec, bpmn_id, subworkflow_spec, handed_in=(), handed_out=(), **kwargs) -> None:
        super().__init__(wf_spec, bpmn_id, subworkflow_spec, **kwargs)
        #: pairs of (target variable, expression text); an empty target stands for everything
        self.handed_in = handed_in
        self.handed_out = handed_out

    def copy_data(self, my_task: Task, subworkflow) -> None:
        subworkflow.task_tree.data = json_copy(self._mapped(my_task, self.handed_in, my_task.data))

    def update_data(self, my_task: Task, subworkflow) -> None:
        if subworkflow.ended_in_error:
            # The boundary event goes on from here; what the call would hand back was never made.
            return
        last = subworkflow.last_task
        if not self.handed_out:
            my_task.data = json_copy(last.data)
        else:
            my_task.data = merged(my_task.data, json_copy(self._mapped(last, self.handed_out, last.data)))

    @staticmethod
    def _mapped(source: Task, pairs, everything) -> dict:
        if not pairs:
            return everything
        engine = source.workflow.script_engine
        data = {}
        for target, text in pairs:
            data.update({target: engine.evaluate(source, text)} if target else everything)
        return data


class ErrorEvent(SpiffErrorEvent):
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
        workflow = my_task.workflow
        while workflow.parent_task_id is not None:
            workflow.ended_in_error = True
            call = workflow.top_workflow.get_task_from_id(workflow.parent_task_id)
            boundary = self._boundary_of(call, event)
            if boundary is not None:
                boundary.internal_data[boundary.task_spec.event_definition.name] = json_copy(my_task.data)
                boundary.internal_data["event_fired"] = True
                boundary.task_spec._update(boundary)
                return
            workflow = call.workflow
        workflow.refuse(my_task, code, self.name)

    @staticmethod
    def _boundary_of(call: Task, event: BpmnEvent) -> Task | None:
        while isinstance(call.parent.task_spec, LoopTask):
            call = call.parent
        waiting = [
            task
            for task in call.parent.children
            if isinstance(task.task_spec, defaults.BoundaryEvent) and task.task_spec.catches(task, event)
        ]
        # One that names the code goes before one that catches any error.
        waiting.sort(key=lambda task: task.task_spec.event_definition.code is None)
        return waiting[0] if waiting else None


class Message(MessageEventDefinition):
    """A message by its name; what is sent is what the element's inputs say, everything when it has none."""

    def __init__(self, name: str, inputs: Mapping[str, str] | None = None, **kwargs) -> None:
        super().__init__(name, **kwargs)
        self.handed_over = inputs or {}

    def throw(self, my_task: Task) -> None:
        engine = my_task.workflow.script_engine
        handed = {name: engine.resolve(my_task, value) for name, value in self.handed_over.items()}
        event = BpmnEvent(self, payload=json_copy(handed if self.handed_over else my_task.data))
        event.thrown_by = (element_of(my_task), my_task.id.hex)
        my_task.workflow.top_workflow.catch(event)


class SeveralEvents(MultipleEventDefinition):
    """Several events in one element; bare SpiffWorkflow catches them and forgets what they brought."""

    def update_task_data(self, my_task: Task) -> None:
        for event in my_task.internal_data.get("seen_events", ()):
            my_task.set_data(**(event.payload or {}))


class StandardLoop(defaults.StandardLoopTask):
    """Repeats an activity; each round starts from the data of the round before."""

    def merge_child(self, workflow, child: Task) -> None:
        child.parent.data = json_copy(child.data)
        child.parent.internal_data["merged"].append(str(child.id))
        if self.loop_complete(child.parent):
            child.parent._set_state(TaskState.READY)
        else:
            self.create_child(child.parent)


class _Instances(MultiInstanceTask):
    """Gathers what the instances give, and lets the completion condition see it.

    Bare SpiffWorkflow lays each instance's whole data over the last (reverting what earlier instances changed,
    and failing at the second sequential one), and evaluates the condition without the gathered results.
    """

    def merge_child(self, workflow, child: Task) -> None:
        if self.data_output is not None and self.output_item is not None:
            super().merge_child(workflow, child)
            return
        my_task = child.parent
        changed = changes(my_task.parent.data, child.data)
        if self.input_item is not None:
            changed.pop(self.input_item.bpmn_id, None)
        my_task.data = merged(my_task.data, json_copy(changed))
        my_task.internal_data["merged"].append(str(child.id))

    def check_completion_condition(self, my_task: Task) -> bool:
        completed = len(my_task.internal_data["merged"])
        if self.condition is None or not completed:
            return False
        inner = my_task.internal_data
        created = len(list(self._instances(my_task)))
        counts = {
            "nrOfInstances": inner.get("cardinality") or created + len(inner.get("remaining", ())),
            "nrOfCompletedInstances": completed,
        }
        return my_task.workflow.script_engine.holds(my_task, self.condition, counts)

    def init_data_output_with_input_data(self, my_task: Task, input_data: object) -> None:
        # The output of an earlier round (the flow came back) would be refused as "not empty".
        if input_data is not self.data_output.get(my_task):
            self.data_output.set(my_task, {} if isinstance(input_data, dict) else [])

    def init_data_output_with_cardinality(self, my_task: Task) -> None:
        self.data_output.set(my_task, [])


class ParallelInstances(defaults.ParallelMultiInstanceTask, _Instances):
    """All instances are open at once."""


class SequentialInstances(defaults.SequentialMultiInstanceTask, _Instances):
    """One instance after the other."""
