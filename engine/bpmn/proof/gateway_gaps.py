"""Answers for which a gateway without a default flow has no way out: none of its conditions holds.

The conditions are put to sample values: those that are known, else those that the conditions name, one between each
two and one beyond the ends. What a function of the domain gives (``times``, ``workdays``) is a number like any other;
``param`` gives the number in force. A condition that cannot be answered with them may hold, and nothing is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import product

from engine.bpmn.decision_analysis import spread_numbers
from engine.bpmn.expressions import DOMAIN_FUNCTIONS, EvaluationError, Expression
from engine.bpmn.feel.tokens import read_tokens

#: combinations of values tried at one gateway; with more nothing is said
_MOST_CASES = 2_000
#: stands for every text that no condition names
OTHER = "（别的）"


@dataclass(frozen=True)
class Gap:
    """A case in which no condition holds."""

    #: data key, or call such as ``times("Gateway_agreed")``, → value
    case: Mapping[str, object]
    #: each value is known to occur, and no answer of a function helps; else nothing that is known rules the case out
    sure: bool


def find_gap(
    conditions: Sequence[Expression], known: Mapping[str, frozenset], parameters: Mapping[str, object]
) -> Gap | None:
    """Return a case for which none of the conditions holds, a sure one first; None where there is none to be seen.

    :param known: data key → all values it can have here, where these are known
    """
    keys = list(dict.fromkeys(key for condition in conditions for key in data_keys(condition)))
    named = _named(conditions, parameters)
    values = [sorted(known[key], key=repr) if key in known else _samples(named) for key in keys]
    is_known = all(key in known for key in keys)
    maybe: Gap | None = None
    for number, case in enumerate(product(*values)):
        if number > _MOST_CASES:
            return None
        given = dict(zip(keys, case, strict=True))
        answers = _Answers(parameters, sorted({0, 1} | {each for each in named if _is_number(each)}))
        blocked = [answers.given() for _ in answers if not any(answers.may_hold(each, given) for each in conditions)]
        if blocked and is_known and len(blocked) == answers.count:
            return Gap(given, sure=True)
        if blocked and maybe is None:
            maybe = Gap({**given, **blocked[0]}, sure=False)
    return maybe


def data_keys(condition: Expression) -> Iterator[str]:
    """Return the dotted keys of the data that a condition reads."""
    tokens = list(read_tokens(condition.text, int(condition.text.startswith("="))))
    index = 0
    while index < len(tokens):
        end = index + 1
        if tokens[index].kind == "word" and tokens[index].text in condition.names:
            while tokens[end].text == "." and tokens[end + 1].kind == "word":
                end += 2
            yield "".join(each.text for each in tokens[index:end])
        index = end


class _Answers:
    """Tries out what the functions of the domain may answer; an iteration is one choice for all that were called."""

    def __init__(self, parameters: Mapping[str, object], named: list) -> None:
        self._parameters = parameters
        self._numbers = list(spread_numbers(named))
        self._chosen: dict[str, object] = {}
        self._functions: dict[str, Callable] = {name: self._function(name) for name in DOMAIN_FUNCTIONS}
        self._functions["param"] = self._param
        #: choices tried
        self.count = 0

    def __iter__(self) -> Iterator[None]:
        self.count = 1
        yield
        # The first round has shown what is called.
        called = list(self._chosen)
        if len(self._numbers) ** len(called) > _MOST_CASES:
            return
        for choice in product(self._numbers, repeat=len(called)) if called else ():
            self._chosen = dict(zip(called, choice, strict=True))
            self.count += 1
            yield

    def given(self) -> dict[str, object]:
        """Return call → answer, as chosen now."""
        return dict(self._chosen)

    def may_hold(self, condition: Expression, values: Mapping[str, object]) -> bool:
        """Tell whether a condition holds, or cannot be answered."""
        data: dict = {}
        for key, value in values.items():
            put(data, key, value)
        try:
            return condition.holds(data, self._functions)
        except EvaluationError:
            return True

    def _param(self, key: str) -> object:
        if key not in self._parameters:
            raise EvaluationError(f"没有叫 {key} 的参数", 0)
        return self._parameters[key]

    def _function(self, name: str) -> Callable:
        def answer(*arguments: object) -> object:
            shown = ", ".join(f'"{each}"' if isinstance(each, str) else str(each) for each in arguments)
            return self._chosen.setdefault(f"{name}({shown})", self._numbers[0])

        return answer


def _named(conditions: Sequence[Expression], parameters: Mapping[str, object]) -> set:
    """Return the values that the conditions name, the parameters they read among them."""
    named = {literal for condition in conditions for literal in condition.literals}
    keys = (key for condition in conditions for key in condition.literals_of("param"))
    return named | {parameters[key] for key in keys if isinstance(parameters.get(key), str | bool | int | Decimal)}


def _samples(named: set) -> list[object]:
    """Return values that the conditions can tell apart, of a key of which nothing is known."""
    texts = sorted(each for each in named if isinstance(each, str))
    numbers = sorted(each for each in named if _is_number(each))
    told = [*texts, OTHER] if texts else []
    told += list(spread_numbers(numbers)) if numbers else []
    return told or [True, False]


def _is_number(value: object) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def put(data: dict, key: str, value: object) -> None:
    """Put a value under a dotted key into nested data."""
    *parents, last = key.split(".")
    for parent in parents:
        data = data.setdefault(parent, {})
    data[last] = value
