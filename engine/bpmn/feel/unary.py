"""The unary tests of a decision cell or after ``in``: what is asked of a value that is already there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.bpmn.feel.errors import EvaluationError
from engine.bpmn.feel.functions import holds_item
from engine.bpmn.feel.nodes import Node
from engine.bpmn.feel.run import Run
from engine.bpmn.feel.values import are_equal, are_in_order

#: one test of a cell or after ``in``, only asked about values that are not null
Test = Callable[[object, Run], bool]


def limit(operator: str, bound: Node) -> Test:
    return lambda value, run: are_in_order(value, operator, bound.present(run), bound.position)


def within(low: Test, high: Test) -> Test:
    return lambda value, run: low(value, run) and high(value, run)


def is_named_null(value: object, run: Run) -> bool:
    """The test ``null``: no value that is there is null."""
    return value is None


def same(node: Node) -> Test:
    """``"a"``, ``param("x")``, ``["a", "b"]``: the value itself or a list that holds it."""

    def matches(value: object, run: Run) -> bool:
        wanted = node.present(run)
        if isinstance(wanted, (list, tuple)):
            return holds_item((wanted, value), node.position, run)
        return are_equal(value, wanted, node.position)

    return matches


@dataclass(frozen=True)
class Tests:
    """``"a", "b"`` and ``<50, >90``: one of them must hold. Only where null is named may null be asked about."""

    position: int
    tests: Sequence[Test]
    sees_null: bool = False

    def hold(self, value: object, run: Run) -> bool:
        run.spend(1, self.position)
        if value is None and not self.sees_null:
            raise EvaluationError("要判断的值是空的（null）；允许为空请写上 null", self.position)
        return value is None or any(test(value, run) for test in self.tests)

    def hold_for(self, node: Node, run: Run) -> bool:
        return self.hold(node.value_or_null(run) if self.sees_null else node.value(run), run)
