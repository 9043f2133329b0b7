"""The FEEL subset in which diagrams, forms and decision tables calculate and decide.

A diagram is untrusted input: a text becomes nodes of ``feel.nodes`` and nothing else; size, nesting and the number of
evaluated nodes are bounded. Null is loud: only ``= null`` and ``!= null`` may see a missing value, since FEEL's own
rule (comparing with null is simply not true) once took the default flow into a refusal without a word.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from engine.bpmn.feel.errors import EvaluationError, ExpressionError
from engine.bpmn.feel.functions import BUILTINS, DOMAIN_FUNCTIONS
from engine.bpmn.feel.nodes import Node
from engine.bpmn.feel.parser import MAX_NESTING, MAX_TEXT, Parser
from engine.bpmn.feel.run import Functions, Run
from engine.bpmn.feel.unary import Tests
from engine.bpmn.feel.values import from_data, to_json

__all__ = [
    "BUILTINS",
    "DOMAIN_FUNCTIONS",
    "MAX_NESTING",
    "MAX_TEXT",
    "EvaluationError",
    "Expression",
    "ExpressionError",
    "Functions",
    "Run",
    "UnaryTest",
    "is_expression",
    "parse",
    "parse_unary",
    "resolve",
    "to_json",
]


@dataclass(frozen=True, eq=False)
class _Parsed:
    text: str
    #: free top-level names of the data it reads
    names: frozenset[str]
    #: functions it calls
    calls: frozenset[str]
    #: text, number, boolean and date literals, range ends included, outside the arguments of functions
    literals: frozenset
    _given: Mapping[str, tuple[str, ...]]

    def literals_of(self, function: str) -> tuple[str, ...]:
        """Return the string literals given to a function, such as the keys of ``param``."""
        return self._given.get(function, ())


@dataclass(frozen=True, eq=False)
class Expression(_Parsed):
    """A parsed expression; immutable, may be shared between threads."""

    _root: Node

    def evaluate(self, context: Mapping, functions: Functions | None = None) -> object:
        """Return a JSON value: numbers as int or Decimal, dates as ISO text, None for a known null.

        Raises EvaluationError.
        """
        return to_json(self.value(Run(context, functions)))

    def holds(self, context: Mapping, functions: Functions | None = None) -> bool:
        """Decide a condition; anything but true or false raises EvaluationError."""
        return self._root.truth(Run(context, functions))

    def value(self, run: Run, missing_as_null: bool = False) -> object:
        """Return the value with dates as dates, for a caller that goes on calculating."""
        return self._root.value_or_null(run) if missing_as_null else self._root.value(run)


@dataclass(frozen=True, eq=False)
class UnaryTest(_Parsed):
    """A cell of a decision table: ``-``, ``"a","b"``, ``<50, >90``, ``[10..200]``, ``not("a")``, ``null``."""

    #: None for ``-`` or an empty cell, which asks nothing
    _tests: Tests | None
    negated: bool

    @property
    def is_any(self) -> bool:
        return self._tests is None

    @property
    def sees_null(self) -> bool:
        """The cell names null, so a missing value may be put to it."""
        return self._tests is not None and self._tests.sees_null

    def matches(self, value: object, context: Mapping, functions: Functions | None = None) -> bool:
        """Tell whether the value passes; a callable value is only called when the cell asks for it."""
        return self.passes(value, Run(context, functions))

    def passes(self, value: object, run: Run) -> bool:
        """Do as ``matches`` within a run of the caller."""
        if self._tests is None:
            return True
        asked = from_data(value() if callable(value) else value, 0)
        return self._tests.hold(asked, run) is not self.negated


def _noted(parser: Parser) -> tuple:
    literals = frozenset(literal for literal in parser.literals if literal is not None)
    return parser.text, frozenset(parser.names), frozenset(parser.given), literals, parser.given


@lru_cache(maxsize=4096)
def parse(text: str) -> Expression:
    """Parse an expression, with or without the ``=`` that marks it; raises ExpressionError."""
    parser = Parser(text, start=int(is_expression(text)))
    if parser.token.kind == "end":
        raise ExpressionError("表达式是空的", 0)
    root = parser.expression()
    parser.finish()
    return Expression(*_noted(parser), root)


@lru_cache(maxsize=4096)
def parse_unary(text: str) -> UnaryTest:
    """Parse an input cell of a decision table; raises ExpressionError."""
    parser = Parser(text)
    shown = [token.text for token in parser.tokens[:2]]
    if shown in ([""], ["-", ""]):
        return UnaryTest(*_noted(parser), None, False)
    negated = shown == ["not", "("]
    parser.index = 2 if negated else 0
    tests = parser.tests()
    if negated:
        parser.expect(")", "这里缺右括号 )")
    parser.finish()
    return UnaryTest(*_noted(parser), tests, negated)


def is_expression(value: object) -> bool:
    """Tell whether a connector input or form value is calculated: text that starts with ``=``."""
    return isinstance(value, str) and value.startswith("=")


def resolve(value: object, context: Mapping, functions: Functions | None = None) -> object:
    """Return a connector input or form value: calculated when it starts with ``=``, else as it stands."""
    return parse(value).evaluate(context, functions) if is_expression(value) else value
