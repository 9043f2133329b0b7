"""The FEEL subset in which diagrams, forms and decision tables calculate and decide.

A diagram is untrusted input: a text becomes nodes of this module and nothing else; size, nesting and the number of
evaluated nodes are bounded. Null is loud: only ``= null`` and ``!= null`` may see a missing value, since FEEL's own
rule (comparing with null is simply not true) once took the default flow into a refusal without a word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from functools import lru_cache, partial
from operator import ge, gt, le, lt
from typing import NamedTuple

from engine.errors import EngineError

MAX_TEXT, MAX_NESTING, MAX_STEPS, MAX_STRING, MAX_NUMBER = 2_000, 50, 10_000, 10_000, 10**30

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
Functions = Mapping[str, Callable[..., object]]

_KEYWORDS = {"and", "or", "not", "if", "then", "else", "some", "every", "satisfies", "in", "between"}
_CONSTANTS = {"true": True, "false": False, "null": None}
_COMPARISON, _SUM = 2, 3
_LEVELS = {"or": 0, "and": 1, "+": _SUM, "-": _SUM, "*": 4, "/": 4} | dict.fromkeys(
    ("=", "!=", "<", "<=", ">", ">=", "in", "between"), _COMPARISON
)
_TRUTH, _NUMBER, _TEXT, _LIST, _RECORD, _NULL = "是否", "数字", "文字", "列表", "对象", "空值"
_DATE, _TIME, _LOCAL_TIME, _DURATION = "日期", "时间", "不带时区的时间", "时长"
_ORDERED = {_NUMBER, _DATE, _TIME, _LOCAL_TIME, _DURATION}
_ORDERS = {"<": lt, "<=": le, ">": gt, ">=": ge}
_ABSENT = object()


class ExpressionError(EngineError):
    """The text is no expression; ``position`` is the 0-based index of the culprit, ``message`` a Chinese sentence."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(f"第 {position + 1} 个字符：{message}")
        self.message = message
        self.position = position


class EvaluationError(ExpressionError):
    """The expression is well formed but cannot be calculated with these values."""


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


_Step = Callable[[Run], object]


class _Node:
    """A part of an expression; ``look`` (of names and paths only) gives _ABSENT where the data has no such place."""

    __slots__ = ("position", "label", "compute", "look")

    def __init__(self, position: int, compute: _Step | None, label: str = "这个值", look: _Step | None = None) -> None:
        self.position, self.label, self.look = position, label, look
        self.compute = compute or self._found

    def _found(self, run: Run) -> object:
        value = self.look(run)
        if value is _ABSENT:
            raise EvaluationError(f"没有叫 {self.label} 的数据", self.position)
        return value

    def value(self, run: Run) -> object:
        """Return the value, None only where it is known to be null."""
        run.spend(1, self.position)
        return self.compute(run)

    def value_or_null(self, run: Run) -> object:
        """Return None for an unknown name or a missing path too: what ``= null`` sees."""
        value = self.look(run) if self.look else self.value(run)
        return None if value is _ABSENT else value

    def present(self, run: Run) -> object:
        value = self.value(run)
        if value is None:
            message = f"{self.label}是空的（null），不能计算或比较；看它是否为空请写 = null"
            raise EvaluationError(message, self.position)
        return value

    def truth(self, run: Run) -> bool:
        value = self.present(run)
        if not isinstance(value, bool):
            raise EvaluationError(f"这里要的是 true 或 false，得到的却是{_kind(value)}", self.position)
        return value


class _Literal(_Node):
    __slots__ = ("constant",)

    def __init__(self, position: int, constant: object) -> None:
        super().__init__(position, lambda run: constant)
        self.constant = constant


# Values


_KINDS = {
    bool: _TRUTH, int: _NUMBER, Decimal: _NUMBER, str: _TEXT, date: _DATE, timedelta: _DURATION,
    list: _LIST, tuple: _LIST, dict: _RECORD, type(None): _NULL,
}  # fmt: skip


def _kind(value: object) -> str:
    """Name the type of a value as a designer would; "" for what is no value of a form, a table or a function."""
    if isinstance(value, datetime):
        return _TIME if value.tzinfo else _LOCAL_TIME
    return _KINDS.get(type(value)) or (_RECORD if isinstance(value, Mapping) else "")


def _is_null(node: _Node) -> bool:
    return isinstance(node, _Literal) and node.constant is None


def _from_data(value: object, position: int) -> object:
    """Return a value of the data or of a function as it is calculated with here: no binary fractions."""
    value = Decimal(repr(value)) if isinstance(value, float) else value
    if not _kind(value) or (isinstance(value, Decimal) and not value.is_finite()):
        raise EvaluationError(f"不能用 {type(value).__name__} 类型的值计算", position)
    return _bounded(value, position) if _kind(value) == _NUMBER else value


def _bounded(number: int | Decimal, position: int) -> int | Decimal:
    if not -MAX_NUMBER <= number <= MAX_NUMBER:
        raise EvaluationError("数字太大", position)
    return int(number) if number == int(number) else number


def to_json(value: object) -> object:
    """Return dates and durations as ISO 8601 text. Only a list written in the expression, a tuple, can hold them."""
    if isinstance(value, tuple):
        return [to_json(item) for item in value]
    if isinstance(value, date):
        return value.isoformat()
    return _iso_duration(value) if isinstance(value, timedelta) else value


def _iso_duration(value: timedelta) -> str:
    rest, length = abs(value).seconds, abs(value)
    clock = "".join(f"{n}{unit}" for n, unit in ((rest // 3600, "H"), (rest // 60 % 60, "M"), (rest % 60, "S")) if n)
    days = f"{length.days}D" if length.days or not clock else ""
    return ("-" if value < timedelta(0) else "") + f"P{days}" + (f"T{clock}" if clock else "")


def _equal(left: object, right: object, position: int) -> bool:
    kinds = _kind(left), _kind(right)
    if kinds[0] != kinds[1] or kinds[0] not in _ORDERED | {_TRUTH, _TEXT}:
        raise EvaluationError(f"{kinds[0]}和{kinds[1]}不能比较是否相等", position)
    return left == right


def _in_order(left: object, operator: str, right: object, position: int) -> bool:
    kinds = _kind(left), _kind(right)
    if kinds[0] != kinds[1] or kinds[0] not in _ORDERED:
        raise EvaluationError(f"{kinds[0]}和{kinds[1]}不能比大小", position)
    return _ORDERS[operator](left, right)


def _calculate(operator: str, left: object, right: object, run: Run, position: int) -> object:
    kinds = _kind(left), _kind(right)
    try:
        if kinds == (_NUMBER, _NUMBER):
            return _bounded(_arithmetic(operator, left, right, run.decimals), position)
        if _moves(operator, left, right, kinds):
            return left + right if operator == "+" else left - right
    except ZeroDivisionError:
        raise EvaluationError("除数是 0", position) from None
    except ArithmeticError:
        raise EvaluationError("结果超出了能计算的范围", position) from None
    if kinds != (_TEXT, _TEXT) or operator != "+":
        verb = {"+": "相加", "-": "相减", "*": "相乘", "/": "相除"}[operator]
        raise EvaluationError(f"{kinds[0]}和{kinds[1]}不能{verb}", position)
    if len(left) + len(right) > MAX_STRING:
        raise EvaluationError(f"拼出的文字超过 {MAX_STRING} 字", position)
    return left + right


def _arithmetic(operator: str, left: int | Decimal, right: int | Decimal, decimals: Context) -> Decimal:
    if operator == "/" and right == 0:
        raise ZeroDivisionError
    operations = {"+": decimals.add, "-": decimals.subtract, "*": decimals.multiply, "/": decimals.divide}
    return operations[operator](left, right)


def _moves(operator: str, left: object, right: object, kinds: tuple[str, str]) -> bool:
    """Tell whether this is time arithmetic: a day moves by whole days only, else it would silently lose the hours."""
    if operator == "-" and kinds[0] == kinds[1]:
        return kinds[0] in _ORDERED
    whole = kinds[1] == _DURATION and right == timedelta(days=right.days)
    movable = {_TIME, _LOCAL_TIME, _DURATION} | ({_DATE} if whole else set())
    return operator in "+-" and kinds[1] == _DURATION and kinds[0] in movable


# Functions


def _items(value: object, position: int, run: Run) -> Iterator[object]:
    if not isinstance(value, (list, tuple)):
        raise EvaluationError(f"这里要一个列表，得到的却是{_kind(value)}", position)
    run.spend(len(value), position)
    return (_from_data(item, position) for item in value)


def _operands(arguments: Sequence, position: int, run: Run) -> Sequence:
    """Return what ``sum``, ``min`` and ``max`` work on: one list or several arguments, none of them null."""
    given = arguments[0] if len(arguments) == 1 and isinstance(arguments[0], (list, tuple)) else tuple(arguments)
    items = list(_items(given, position, run))
    if None in items:
        raise EvaluationError("列表里有空值（null），不能计算", position)
    return items


def _sum(arguments: Sequence, position: int, run: Run) -> object:
    total: object = 0
    for item in _operands(arguments, position, run):
        total = _calculate("+", total, item, run, position)
    return total


def _extreme(operator: str, arguments: Sequence, position: int, run: Run) -> object:
    items = _operands(arguments, position, run)
    if not items:
        raise EvaluationError("列表是空的，没有最大或最小的一项", position)
    best = items[0]
    for item in items:
        best = item if _in_order(item, operator, best, position) else best
    return best


def _holds_item(arguments: Sequence, position: int, run: Run) -> bool:
    items, wanted = arguments
    return any(_equal(wanted, item, position) for item in _items(items, position, run))


def _text(value: object, position: int) -> str:
    if not isinstance(value, str):
        raise EvaluationError(f"这里要一段文字，得到的却是{_kind(value)}", position)
    return value


def _read_date(arguments: Sequence, position: int, run: Run) -> date:
    """Read a day. A point in time is refused: on which day it falls depends on the zone, so ``today()`` must say it."""
    if _kind(arguments[0]) == _DATE:
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


_CODE: Mapping[str, Callable[[Sequence, int, Run], object]] = {
    "count": lambda arguments, position, run: len(list(_items(arguments[0], position, run))),
    "sum": _sum,
    "min": partial(_extreme, "<"),
    "max": partial(_extreme, ">"),
    "contains": lambda arguments, position, run: _text(arguments[1], position) in _text(arguments[0], position),
    "list contains": _holds_item,
    "string length": lambda arguments, position, run: len(_text(arguments[0], position)),
    "date": _read_date,
    "duration": _read_duration,
}


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
    return _from_data(result, position)


# Nodes


def _name(position: int, name: str) -> _Node:
    def look(run: Run) -> object:
        found = run.bound[name] if name in run.bound else run.context.get(name, _ABSENT)
        return found if found is _ABSENT else _from_data(found, position)

    return _Node(position, None, name, look)


def _path(position: int, label: str, start: _Node, steps: Sequence[str | _Node]) -> _Node:
    """``a.b[1].c``: only keys of records and items of lists, never an attribute of an object."""

    def look(run: Run) -> object:
        found = start.look(run) if start.look else start.value(run)
        for step in steps:
            if found is None or found is _ABSENT:
                return _ABSENT
            found = _key(found, step, position) if isinstance(step, str) else _item(found, step, run)
        return found if found is _ABSENT else _from_data(found, position)

    return _Node(position, None, label, look)


def _key(record: object, key: str, position: int) -> object:
    if not isinstance(record, Mapping):
        raise EvaluationError(f"{_kind(record)}里没有 .{key}", position)
    return record.get(key, _ABSENT)


def _item(items: object, step: _Node, run: Run) -> object:
    index = step.present(run)
    if not isinstance(items, (list, tuple)):
        raise EvaluationError(f"这里要一个列表，得到的却是{_kind(items)}", step.position)
    if isinstance(index, bool) or not isinstance(index, int) or index == 0:
        raise EvaluationError("第几项要写整数：1 是第一项，-1 是最后一项", step.position)
    place = index - 1 if index > 0 else index
    return items[place] if -len(items) <= place < len(items) else _ABSENT


def _chain(first: _Node, rest: Sequence[tuple[str, _Node]]) -> _Node:
    """Operands of one level from left to right; flat, so that a long sum is not deep."""

    def compute(run: Run) -> object:
        total = first.present(run)
        for operator, node in rest:
            total = _calculate(operator, total, node.present(run), run, node.position)
        return total

    return _Node(first.position, compute)


def _logic(first: _Node, rest: Sequence[tuple[str, _Node]]) -> _Node:
    """``and``, ``or``: stop at the first answer, so that ``x != null and x > 3`` can be written."""
    decisive = rest[0][0] == "or"
    nodes = (first, *(node for _, node in rest))
    return _Node(first.position, lambda run: any(node.truth(run) is decisive for node in nodes) is decisive)


def _compare(position: int, left: _Node, operator: str, right: _Node) -> _Node:
    wanted = operator == "="
    if operator not in ("=", "!="):
        return _Node(position, lambda run: _in_order(left.present(run), operator, right.present(run), position))
    if _is_null(left) or _is_null(right):
        seen = right if _is_null(left) else left
        return _Node(position, lambda run: (seen.value_or_null(run) is None) is wanted)
    return _Node(position, lambda run: _equal(left.present(run), right.present(run), position) is wanted)


def _quantified(start: _Token, name: str, items: _Node, condition: _Node) -> _Node:
    decisive = start.text == "some"

    def compute(run: Run) -> object:
        outer = run.bound
        try:
            for item in _items(items.present(run), items.position, run):
                run.bound = {**outer, name: item}
                if condition.truth(run) is decisive:
                    return decisive
        finally:
            run.bound = outer
        return not decisive

    return _Node(start.position, compute)


def _call(position: int, name: str, arguments: Sequence[_Node]) -> _Node:
    code = _CODE.get(name) or partial(_ask, name)
    return _Node(position, lambda run: code([node.present(run) for node in arguments], position, run), f"{name}()")


#: one test of a cell or after ``in``, only asked about values that are not null
_Test = Callable[[object, Run], bool]


def _limit(operator: str, bound: _Node) -> _Test:
    return lambda value, run: _in_order(value, operator, bound.present(run), bound.position)


def _within(low: _Test, high: _Test) -> _Test:
    return lambda value, run: low(value, run) and high(value, run)


def _is_named_null(value: object, run: Run) -> bool:
    """The test ``null``: no value that is there is null."""
    return value is None


def _same(node: _Node) -> _Test:
    """``"a"``, ``param("x")``, ``["a", "b"]``: the value itself or a list that holds it."""

    def matches(value: object, run: Run) -> bool:
        wanted = node.present(run)
        if isinstance(wanted, (list, tuple)):
            return _holds_item((wanted, value), node.position, run)
        return _equal(value, wanted, node.position)

    return matches


@dataclass(frozen=True)
class _Tests:
    """``"a", "b"`` and ``<50, >90``: one of them must hold. Only where null is named may null be asked about."""

    position: int
    tests: Sequence[_Test]
    sees_null: bool = False

    def hold(self, value: object, run: Run) -> bool:
        run.spend(1, self.position)
        if value is None and not self.sees_null:
            raise EvaluationError("要判断的值是空的（null）；允许为空请写上 null", self.position)
        return value is None or any(test(value, run) for test in self.tests)

    def hold_for(self, node: _Node, run: Run) -> bool:
        return self.hold(node.value_or_null(run) if self.sees_null else node.value(run), run)


# Reading


class _Token(NamedTuple):
    kind: str
    text: str
    position: int


_TOKEN = re.compile(
    r'(?P<space>\s+)|(?P<number>[0-9]+(?:\.[0-9]+)?)|(?P<string>"(?:[^"\\]|\\.)*")'
    r"|(?P<word>(?:list\s+contains|string\s+length)\b|[^\W\d]\w*)|(?P<mark>\.\.|!=|<=|>=|[-+*/=<>()\[\],.])",
    re.DOTALL,
)
_ESCAPES = {'"': '"', "\\": "\\", "n": "\n", "t": "\t"}
_MISTAKES = {
    '"': '这段文字缺结尾的双引号 "',
    **dict.fromkeys("“”‘’'`", '文字要用英文双引号 " 括起来'),
    **dict.fromkeys("（）［］【】，。＝＜＞＋－＊／", "这是全角符号，请改成半角"),
    **dict.fromkeys("≤≥≠×÷", "请写 <= >= != * /"),
    **dict.fromkeys("&|!！", "并且写 and，或者写 or，不等于写 !=，否定写 not(…)"),
    **dict.fromkeys("${}#", "不要写 ${…}，直接写表达式"),
    "?": "这里不支持 ?，要判断的内容请写在这一列的表头",
}


def _tokens(text: str, start: int) -> Iterator[_Token]:
    while start < len(text):
        match = _TOKEN.match(text, start)
        if not match:
            shown = text[start] if text[start].isprintable() else f"U+{ord(text[start]):04X}"
            raise ExpressionError(_MISTAKES.get(text[start], f"不认识的字符 {shown}"), start)
        if match.lastgroup != "space":
            yield _Token(str(match.lastgroup), match.group(), start)
        start = match.end()
    yield _Token("end", "", len(text))


class _Parser:
    """Reads one text and notes on the way what lint asks for: names, calls, literals."""

    def __init__(self, text: str, start: int = 0) -> None:
        if len(text) > MAX_TEXT:
            raise ExpressionError(f"表达式超过 {MAX_TEXT} 字", MAX_TEXT)
        self.text = text
        self.tokens = list(_tokens(text, start))
        self.index = 0
        self.depth = 0
        self.bound: list[str] = []
        self.names: set[str] = set()
        self.given: dict[str, tuple[str, ...]] = {}
        self.literals: list[object] = []

    @property
    def token(self) -> _Token:
        return self.tokens[self.index]

    def advance(self) -> _Token:
        token = self.token
        self.index += token.kind != "end"
        return token

    def accept(self, *texts: str) -> _Token | None:
        return self.advance() if self.token.text in texts else None

    def expect(self, text: str, message: str) -> _Token:
        if self.token.text != text:
            raise ExpressionError(message, self.token.position)
        return self.advance()

    def finish(self) -> None:
        if self.token.kind != "end":
            comparison = _LEVELS.get(self.token.text) == _COMPARISON
            message = "比较不能连着写" if comparison else f"这里多出了 {self.token.text[:20]}"
            raise ExpressionError(message, self.token.position)

    def expression(self) -> _Node:
        if start := self.accept("if"):
            return self.choice(start)
        if start := self.accept("some", "every"):
            return self.quantified(start)
        return self.binary(0)

    def enter(self) -> None:
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise ExpressionError(f"嵌套超过 {MAX_NESTING} 层", self.token.position)

    def choice(self, start: _Token) -> _Node:
        self.enter()
        condition = self.expression()
        self.expect("then", "if 的条件后面要写 then")
        then = self.expression()
        self.expect("else", "if 还要用 else 写明不成立时的值")
        otherwise = self.expression()
        self.depth -= 1
        return _Node(start.position, lambda run: (then if condition.truth(run) else otherwise).value(run))

    def quantified(self, start: _Token) -> _Node:
        self.enter()
        name = self.word(f"{start.text} 后面要写一个名称")
        self.expect("in", "名称后面要写 in 和列表")
        items = self.expression()
        self.expect("satisfies", "列表后面要写 satisfies 和条件")
        self.bound.append(name)
        condition = self.expression()
        self.bound.pop()
        self.depth -= 1
        return _quantified(start, name, items, condition)

    def binary(self, lowest: int) -> _Node:
        """Read operands joined by operators of level ``lowest`` and above (precedence climbing)."""
        self.enter()
        left = self.factor()
        while (level := _LEVELS.get(self.token.text, -1)) >= lowest:
            if level == _COMPARISON:
                left = self.comparison(left, self.advance())
                if _LEVELS.get(self.token.text) == _COMPARISON:
                    self.finish()
                continue
            rest = []
            while _LEVELS.get(self.token.text) == level:
                rest.append((self.advance().text, self.binary(level + 1)))
            left = (_chain if level >= _SUM else _logic)(left, rest)
        self.depth -= 1
        return left

    def comparison(self, left: _Node, operator: _Token) -> _Node:
        if operator.text == "between":
            low = _limit(">=", self.binary(_SUM))
            self.expect("and", "between 要写成 between 下限 and 上限")
            within = _within(low, _limit("<=", self.binary(_SUM)))
            return _Node(left.position, lambda run: within(left.present(run), run))
        if operator.text != "in":
            return _compare(operator.position, left, operator.text, self.binary(_SUM))
        listed = self.token.text == "(" and not self.starts_range()
        if listed:
            self.advance()
        tests = self.tests() if listed else self.tests(only_one=True)
        if listed:
            self.expect(")", "这里缺右括号 )")
        return _Node(left.position, lambda run: tests.hold_for(left, run))

    def factor(self) -> _Node:
        minus = self.accept("-")
        node = self.postfix()
        if not minus:
            return node
        if isinstance(node, _Literal) and _kind(node.constant) == _NUMBER:
            self.literals[-1] = -node.constant
            return _Literal(minus.position, -node.constant)
        return _chain(_Literal(minus.position, 0), [("-", node)])

    def postfix(self) -> _Node:
        start = self.token.position
        node = self.primary()
        steps: list[str | _Node] = []
        while self.token.text == "." or (self.token.text == "[" and not self.closes_range()):
            if self.advance().text == ".":
                steps.append(self.word("点后面要写名称", reserved=()))
            else:
                noted = len(self.literals)
                steps.append(self.expression())
                # an index is no threshold
                del self.literals[noted:]
                self.expect("]", "这里缺右方括号 ]")
        last = self.tokens[self.index - 1]
        return _path(start, self.text[start : last.position + len(last.text)], node, steps) if steps else node

    def closes_range(self) -> bool:
        """Tell whether this ``[`` ends a range like ``]1..5[``: nothing that could be an index follows."""
        return self.tokens[self.index + 1].text in ("", ",", ")", "]", "and", "or", "then", "else", "satisfies")

    def primary(self) -> _Node:
        token = self.token
        if token.kind in ("number", "string") or token.text in _CONSTANTS:
            return self.literal(self.advance())
        if token.kind == "word" and token.text not in _KEYWORDS:
            return self.call(token) if self.tokens[self.index + 1].text == "(" else self.name(token)
        if self.accept("["):
            items = self.listed("]")
            return _Node(token.position, lambda run: tuple(item.value(run) for item in items))
        negated = self.accept("not")
        if negated or token.text == "(":
            self.expect("(", "not 后面要写括号：not(…)")
            node = self.expression()
            self.expect(")", "这里缺右括号 )")
            return _Node(token.position, lambda run: not node.truth(run)) if negated else node
        raise ExpressionError("这里多了一个等号" if token.text == "=" else "这里缺一个值", token.position)

    def literal(self, token: _Token) -> _Node:
        if token.kind == "number":
            constant = _bounded(Decimal(token.text), token.position)
        else:
            constant = self.unescape(token) if token.kind == "string" else _CONSTANTS[token.text]
        self.literals.append(constant)
        return _Literal(token.position, constant)

    def unescape(self, token: _Token) -> str:
        def replace(match: re.Match[str]) -> str:
            if match[1] not in _ESCAPES:
                raise ExpressionError('\\ 后面只能是 " \\ n t', token.position + 1 + match.start())
            return _ESCAPES[match[1]]

        return re.sub(r"\\(.)", replace, token.text[1:-1], flags=re.DOTALL)

    def listed(self, end: str) -> list[_Node]:
        items: list[_Node] = []
        while self.token.text != end and (not items or self.accept(",")):
            items.append(self.expression())
        if self.token.text == "..":
            raise ExpressionError("区间只能写在 in 后面或决策表的格子里", self.token.position)
        self.expect(end, f"这里缺右括号 {end}")
        return items

    def word(self, message: str, reserved: Sequence[str] = (*_KEYWORDS, *_CONSTANTS)) -> str:
        if self.token.kind != "word" or self.token.text in reserved:
            raise ExpressionError(message, self.token.position)
        return self.advance().text

    def name(self, token: _Token) -> _Node:
        self.advance()
        if not token.text.isidentifier():
            raise ExpressionError(f"{token.text} 后面缺左括号 (", token.position)
        if token.text not in self.bound:
            self.names.add(token.text)
        return _name(token.position, token.text)

    def call(self, token: _Token) -> _Node:
        name = " ".join(self.advance().text.split())
        arity = BUILTINS.get(name) or DOMAIN_FUNCTIONS.get(name)
        if not arity:
            raise ExpressionError(f"没有 {name}() 这个函数", token.position)
        self.advance()
        noted = len(self.literals)
        arguments = self.listed(")")
        # an argument is no threshold
        del self.literals[noted:]
        if not arity[0] <= len(arguments) <= arity[1]:
            raise ExpressionError(f"{name}() 里要写 {arity[0]} 个值，却写了 {len(arguments)} 个", token.position)
        texts = [node.constant for node in arguments if isinstance(node, _Literal)]
        self.given[name] = (*self.given.get(name, ()), *(text for text in texts if isinstance(text, str)))
        node = _call(token.position, name, arguments)
        if name not in ("date", "duration") or not texts:
            return node
        # calculated at once, so that a day that does not exist is found at deploy
        self.literals.append(node.value(Run({})))
        return _Literal(token.position, self.literals[-1])

    def tests(self, only_one: bool = False) -> _Tests:
        start, tests = self.token.position, []
        while not tests or (not only_one and self.accept(",")):
            tests.append(self.test())
        return _Tests(start, tests, _is_named_null in tests)

    def test(self) -> _Test:
        if operator := self.accept("<", "<=", ">", ">="):
            return _limit(operator.text, self.binary(_SUM))
        if self.starts_range():
            return self.range(self.advance())
        node = self.binary(_SUM)
        return _is_named_null if _is_null(node) else _same(node)

    def starts_range(self) -> bool:
        """Look ahead for the ``..`` that tells ``[1..5]`` from a list and ``(1..5]`` from a parenthesis."""
        depth = 0
        for token in self.tokens[self.index + 1 :] if self.token.text in ("[", "(", "]") else ():
            if depth == 0 and token.text in ("..", ",", ")", "]"):
                return token.text == ".."
            depth += (token.text in ("(", "[")) - (token.text in (")", "]"))
        return False

    def range(self, start: _Token) -> _Test:
        low = self.binary(_SUM)
        self.expect("..", "区间要写成 [下限..上限]")
        high = self.binary(_SUM)
        end = self.accept("]", ")", "[")
        if not end:
            raise ExpressionError("区间缺右边的 ] 或 )", self.token.position)
        if isinstance(low, _Literal) and isinstance(high, _Literal):
            if not _in_order(low.constant, "<=", high.constant, start.position):
                raise ExpressionError("区间的下限比上限大", start.position)
        return _within(_limit(">=" if start.text == "[" else ">", low), _limit("<=" if end.text == "]" else "<", high))


# Public face


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

    _root: _Node

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
    _tests: _Tests | None
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
        asked = _from_data(value() if callable(value) else value, 0)
        return self._tests.hold(asked, run) is not self.negated


def _noted(parser: _Parser) -> tuple:
    literals = frozenset(literal for literal in parser.literals if literal is not None)
    return parser.text, frozenset(parser.names), frozenset(parser.given), literals, parser.given


@lru_cache(maxsize=4096)
def parse(text: str) -> Expression:
    """Parse an expression, with or without the ``=`` that marks it; raises ExpressionError."""
    parser = _Parser(text, start=int(is_expression(text)))
    if parser.token.kind == "end":
        raise ExpressionError("表达式是空的", 0)
    root = parser.expression()
    parser.finish()
    return Expression(*_noted(parser), root)


@lru_cache(maxsize=4096)
def parse_unary(text: str) -> UnaryTest:
    """Parse an input cell of a decision table; raises ExpressionError."""
    parser = _Parser(text)
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
