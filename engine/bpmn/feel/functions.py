"""The functions an expression may call."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import partial

from engine.bpmn.feel.errors import EvaluationError
from engine.bpmn.feel.run import Run
from engine.bpmn.feel.values import DATE, are_equal, are_in_order, calculate, from_data, kind_of, to_json
from engine.errors import EngineError

#: function → fewest and most arguments; ``today`` and ``now`` come from the caller, so that the clock is injected
BUILTINS: Mapping[str, tuple[int, int]] = {
    **dict.fromkeys(("count", "string length", "date", "duration"), (1, 1)),
    **dict.fromkeys(("sum", "min", "max"), (1, 99)),
    **dict.fromkeys(("contains", "list contains"), (2, 2)),
    **dict.fromkeys(("today", "now"), (0, 0)),
}
#: ours, all from the caller; like ``today`` and ``now`` they take and give JSON values
DOMAIN_FUNCTIONS: Mapping[str, tuple[int, int]] = {
    **dict.fromkeys(("param", "due", "times"), (1, 1)),
    **dict.fromkeys(("workdays", "days"), (2, 2)),
}

#: a function's work: arguments, none of them null; position of the call; the run that pays for it
Code = Callable[[Sequence, int, Run], object]


def items_of(value: object, position: int, run: Run) -> Iterator[object]:
    if not isinstance(value, (list, tuple)):
        raise EvaluationError(f"这里要一个列表，得到的却是{kind_of(value)}", position)
    run.spend(len(value), position)
    return (from_data(item, position) for item in value)


def _operands(arguments: Sequence, position: int, run: Run) -> Sequence:
    """Return what ``sum``, ``min`` and ``max`` work on: one list or several arguments, none of them null."""
    given = arguments[0] if len(arguments) == 1 and isinstance(arguments[0], (list, tuple)) else tuple(arguments)
    items = list(items_of(given, position, run))
    if None in items:
        raise EvaluationError("列表里有空值（null），不能计算", position)
    return items


def _sum(arguments: Sequence, position: int, run: Run) -> object:
    total: object = 0
    for item in _operands(arguments, position, run):
        total = calculate("+", total, item, run.decimals, position)
    return total


def _extreme(operator: str, arguments: Sequence, position: int, run: Run) -> object:
    items = _operands(arguments, position, run)
    if not items:
        raise EvaluationError("列表是空的，没有最大或最小的一项", position)
    best = items[0]
    for item in items:
        best = item if are_in_order(item, operator, best, position) else best
    return best


def holds_item(arguments: Sequence, position: int, run: Run) -> bool:
    items, wanted = arguments
    return any(are_equal(wanted, item, position) for item in items_of(items, position, run))


def _text(value: object, position: int) -> str:
    if not isinstance(value, str):
        raise EvaluationError(f"这里要一段文字，得到的却是{kind_of(value)}", position)
    return value


def _read_date(arguments: Sequence, position: int, run: Run) -> date:
    """Read a day. A point in time is refused: on which day it falls depends on the zone, so ``today()`` must say it."""
    if kind_of(arguments[0]) == DATE:
        return arguments[0]
    text = _text(arguments[0], position)
    try:
        if re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise EvaluationError(f"“{text[:20]}”不是日期，要写成 2026-11-20 这样", position)


_DURATION_TEXT = re.compile(
    r"(-)?P(?=[0-9T])(?:([0-9]{1,5})W)?(?:([0-9]{1,5})D)?"
    r"(?:T(?=[0-9])(?:([0-9]{1,6})H)?(?:([0-9]{1,6})M)?(?:([0-9]{1,6})S)?)?"
)


def _read_duration(arguments: Sequence, position: int, run: Run) -> timedelta:
    """Read ``P3D`` or ``PT2H``: a bare ``P`` would silently be nothing, months and years have no fixed length."""
    text = _text(arguments[0], position)
    match = _DURATION_TEXT.fullmatch(text)
    if not match:
        raise EvaluationError(f"“{text[:20]}”不是时长，要写成 P3D（3 天）或 PT2H（2 小时），不能用月和年", position)
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups()[1:])
    length = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    return -length if match[1] else length


_CODE: Mapping[str, Code] = {
    "count": lambda arguments, position, run: len(list(items_of(arguments[0], position, run))),
    "sum": _sum,
    "min": partial(_extreme, "<"),
    "max": partial(_extreme, ">"),
    "contains": lambda arguments, position, run: _text(arguments[1], position) in _text(arguments[0], position),
    "list contains": holds_item,
    "string length": lambda arguments, position, run: len(_text(arguments[0], position)),
    "date": _read_date,
    "duration": _read_duration,
}


def code_of(name: str) -> Code:
    """Return what a function of the language does; any other is the caller's."""
    return _CODE.get(name) or partial(_ask, name)


def _ask(name: str, arguments: Sequence, position: int, run: Run) -> object:
    """Call a function of the caller with JSON values."""
    if name not in run.functions:
        raise EvaluationError(f"这里不能用 {name}()", position)
    try:
        result = run.functions[name](*map(to_json, arguments))
        if name in ("today", "now", "due") and isinstance(result, str):
            return datetime.fromisoformat(result) if "T" in result else date.fromisoformat(result)
    except (EngineError, LookupError, ValueError, TypeError, ArithmeticError) as error:
        raise EvaluationError(f"{name}() 算不出来：{error}", position) from error
    return from_data(result, position)
