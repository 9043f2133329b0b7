"""What a finished task has seen and said stays as it was, whatever comes after it, and comes back so from the state."""

from __future__ import annotations

from random import Random

import orjson
import pytest
from SpiffWorkflow.util.task import TaskState

from engine.bpmn.definition import Definition
from engine.bpmn.execution import token_tree
from engine.bpmn.execution.dialect import DialectError
from engine.bpmn.workflow import Workflow
from tests.bpmn.engine_walk import Walk
from tests.bpmn.random_processes import RandomProcess

SEEDS = range(20_000, 20_500)


class Writer(Walk):
    """Writes into the same nested values again and again."""

    def said(self, element: str) -> dict[str, object]:
        step = sum(self.passed.values())
        return {"shared": {"deep": {"last": element, element: step}, "list": [step]}, element: {"at": [step]}}


def kept(workflow: Workflow) -> dict[str, bytes]:
    """Return the data of every finished task."""
    return {
        task.id: orjson.dumps(task.data, option=orjson.OPT_SORT_KEYS)
        for tree in workflow._tree.trees()
        for task in tree.tasks.values()
        if task._state & TaskState.FINISHED_MASK
    }


def rewritten(walk: Writer, definition: Definition, steps: int = 12) -> int:
    """Walk on; return how many steps were checked."""
    for step in range(steps):
        if walk.over or not walk.actions():
            return step
        before = kept(walk.workflow)
        walk.act(*walk.random.choice(walk.actions()))
        if walk.failed:
            return step
        after = kept(walk.workflow)
        assert {id: after[id] for id in before if id in after} == {id: before[id] for id in before if id in after}
        assert kept(Workflow.load(definition, walk.workflow.dump(), walk)) == after
    return steps


def test_no_step_rewrites_what_finished_tasks_have(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(token_tree, "MAX_STEPS", 500)
    checked = 0
    for seed in SEEDS:
        made = RandomProcess(seed)
        try:
            definition = Definition.read(made.package)
        except DialectError:
            continue
        checked += rewritten(Writer(definition, made, Random(seed)), definition)
    assert checked > 1_000
