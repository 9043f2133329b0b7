"""One evaluation: the data it reads, the functions it may call, the steps it may still take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Context, DivisionByZero, InvalidOperation, Overflow

from engine.bpmn.feel.errors import EvaluationError

MAX_STEPS = 10_000

Functions = Mapping[str, Callable[..., object]]


class Run:
    """One evaluation over one context with one budget of steps; a decision table shares it between its cells."""

    def __init__(self, context: Mapping, functions: Functions | None = None, steps: int = MAX_STEPS) -> None:
        self.context = context
        self.functions = functions or {}
        self.bound: dict[str, object] = {}
        # a run's own: a Decimal context keeps flags and is not for sharing between threads
        self.decimals = Context(prec=34, traps=[InvalidOperation, DivisionByZero, Overflow])
        self.steps = steps

    def spend(self, steps: int, position: int) -> None:
        self.steps -= steps
        if self.steps < 0:
            raise EvaluationError("计算量太大，请把表达式拆小", position)
