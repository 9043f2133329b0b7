"""What each kind of BPMN element does here, as SpiffWorkflow task specs; read-only once a definition is loaded."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

from SpiffWorkflow.bpmn.specs import defaults
from SpiffWorkflow.bpmn.specs.mixins import BpmnSpecMixin
from SpiffWorkflow.bpmn.specs.mixins.multiinstance_task import MultiInstanceTask
from SpiffWorkflow.specs.base import TaskSpec
from SpiffWorkflow.util.task import TaskState

from engine.bpmn.decisions import DecisionError
from engine.bpmn.execution.script_engine import StepFailed, element_of
from engine.bpmn.execution.task_data import changes, json_copy, merged
from engine.bpmn.expressions import EvaluationError

if TYPE_CHECKING:
    from SpiffWorkflow.task import Task

#: instances of one multi-instance activity
MAX_INSTANCES = 2_000


class Foreseeing(TaskSpec):
    """What every element has: it looks ahead along the flows, however long they are.

    SpiffWorkflow's own look ahead is one recursion, which breaks off after some hundred steps.
    """

    def _predict(self, my_task: Task, seen=None, looked_ahead: int = 0, mask: int = TaskState.PREDICTED_MASK) -> None:
        ahead = [(my_task, looked_ahead)]
        while ahead:
            task, depth = ahead.pop()
            if task is not my_task and not task._state & mask:
                continue
            if task._state & mask:
                task.task_spec._predict_hook(task)
            if task._state & TaskState.DEFINITE_MASK or depth + 1 < task.task_spec.lookahead:
                ahead.extend((child, depth + 1) for child in reversed(task.children))


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


class StandardLoop(defaults.StandardLoopTask):
    """Repeats an activity; each round starts from the data of the round before."""

    def loop_complete(self, my_task: Task) -> bool:
        done = len(my_task.internal_data.get("merged", ()))
        if self.maximum is not None and done >= self.maximum:
            return True
        return self.condition is not None and not my_task.workflow.script_engine.holds(my_task, self.condition)

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
        my_task = child.parent
        if self.data_output is not None and self.output_item is not None:
            # SpiffWorkflow adds to the collection in place, and the instances have taken it over as it was.
            self.data_output.set(my_task, copy(self.data_output.get(my_task)))
            super().merge_child(workflow, child)
            return
        changed = changes(my_task.parent.data, child.data)
        if self.input_item is not None:
            changed.pop(self.input_item.bpmn_id, None)
        my_task.data = merged(my_task.data, json_copy(changed))
        my_task.internal_data["merged"].append(str(child.id))

    def create_child(self, my_task: Task, item: object, key_or_index: object = None) -> None:
        if len(list(self._instances(my_task))) >= MAX_INSTANCES:
            raise StepFailed(element_of(my_task), f"一步最多同时分给 {MAX_INSTANCES} 个人办")
        super().create_child(my_task, item, key_or_index)

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
