"""The values an expression calculates with: what they are in JSON, how they compare, what arithmetic they allow."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Context, Decimal
from operator import ge, gt, le, lt

from engine.bpmn.feel.errors import EvaluationError

MAX_STRING, MAX_NUMBER = 10_000, 10**30

TRUTH, NUMBER, TEXT, LIST, RECORD, NULL = "是否", "数字", "文字", "列表", "对象", "空值"
DATE, TIME, LOCAL_TIME, DURATION = "日期", "时间", "不带时区的时间", "时长"
_ORDERED = {NUMBER, DATE, TIME, LOCAL_TIME, DURATION}
_ORDERS = {"<": lt, "<=": le, ">": gt, ">=": ge}
_KINDS = {
    bool: TRUTH, int: NUMBER, Decimal: NUMBER, str: TEXT, date: DATE, timedelta: DURATION,
    list: LIST, tuple: LIST, dict: RECORD, type(None): NULL,
}  # fmt: skip


def kind_of(value: object) -> str:
    """Name the type of a value as a designer would; "" for what is no value of a form, a table or a function."""
    if isinstance(value, datetime):
        return TIME if value.tzinfo else LOCAL_TIME
    return _KINDS.get(type(value)) or (RECORD if isinstance(value, Mapping) else "")


def from_data(value: object, position: int) -> object:
    """Return a value of the data or of a function as it is calculated with here: no binary fractions."""
    value = Decimal(repr(value)) if isinstance(value, float) else value
    if not kind_of(value) or (isinstance(value, Decimal) and not value.is_finite()):
        raise EvaluationError(f"不能用 {type(value).__name__} 类型的值计算", position)
    return bounded(value, position) if kind_of(value) == NUMBER else value


def bounded(number: int | Decimal, position: int) -> int | Decimal:
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


def are_equal(left: object, right: object, position: int) -> bool:
    kinds = kind_of(left), kind_of(right)
    if kinds[0] != kinds[1] or kinds[0] not in _ORDERED | {TRUTH, TEXT}:
        raise EvaluationError(f"{kinds[0]}和{kinds[1]}不能比较是否相等", position)
    return left == right


def are_in_order(left: object, operator: str, right: object, position: int) -> bool:
    kinds = kind_of(left), kind_of(right)
    if kinds[0] != kinds[1] or kinds[0] not in _ORDERED:
        raise EvaluationError(f"{kinds[0]}和{kinds[1]}不能比大小", position)
    return _ORDERS[operator](left, right)


def calculate(operator: str, left: object, right: object, decimals: Context, position: int) -> object:
    kinds = kind_of(left), kind_of(right)
    try:
        if kinds == (NUMBER, NUMBER):
            return bounded(_arithmetic(operator, left, right, decimals), position)
        if _moves(operator, left, right, kinds):
            return left + right if operator == "+" else left - right
    except ZeroDivisionError:
        raise EvaluationError("除数是 0", position) from None
    except ArithmeticError:
        raise EvaluationError("结果超出了能计算的范围", position) from None
    if kinds != (TEXT, TEXT) or operator != "+":
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
    whole = kinds[1] == DURATION and right == timedelta(days=right.days)
    movable = {TIME, LOCAL_TIME, DURATION} | ({DATE} if whole else set())
    return operator in "+-" and kinds[1] == DURATION and kinds[0] in movable
