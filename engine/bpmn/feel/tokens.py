"""The words and marks an expression is written with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from engine.bpmn.feel.errors import ExpressionError


class Token(NamedTuple):
    kind: str
    text: str
    position: int


#: functions of FEEL whose names have spaces and which are not here: each is named as a whole
_FOREIGN = (
    "date and time",
    "years and months duration",
    "starts with",
    "ends with",
    "substring before",
    "substring after",
    "upper case",
    "lower case",
    "distinct values",
    "index of",
    "insert before",
    "list replace",
    "get value",
    "get entries",
    "context put",
    "context merge",
    "string join",
    "day of week",
    "day of year",
    "week of year",
    "month of year",
    "met by",
    "overlaps before",
    "overlaps after",
    "finished by",
    "started by",
    "round half up",
    "round half down",
    "round up",
    "round down",
)
_SPACED = "|".join(name.replace(" ", r"\s+") for name in _FOREIGN)
_TOKEN = re.compile(
    r'(?P<space>\s+)|(?P<number>[0-9]+(?:\.[0-9]+)?)|(?P<string>"(?:[^"\\]|\\.)*")'
    rf"|(?P<word>(?:list\s+contains|string\s+length)\b|(?:{_SPACED})(?=\s*\()|[^\W\d]\w*)|(?P<mark>\.\.|!=|<=|>=|[-+*/=<>()\[\],.])",
    re.DOTALL,
)
_MISTAKES = {
    '"': '这段文字缺结尾的双引号 "',
    **dict.fromkeys("“”‘’'`", '文字要用英文双引号 " 括起来'),
    **dict.fromkeys("（）［］【】，。＝＜＞＋－＊／", "这是全角符号，请改成半角"),
    **dict.fromkeys("≤≥≠×÷", "请写 <= >= != * /"),
    **dict.fromkeys("&|!！", "并且写 and，或者写 or，不等于写 !=，否定写 not(…)"),
    **dict.fromkeys(("${", "#{"), "不要写 ${…}，直接写表达式"),
    **dict.fromkeys("{}", "这里不支持花括号 { }，请直接写名称，例如 approval.route"),
    "$": "名称前面不写 $，直接写名称",
    "?": "这里不支持 ?，要判断的内容请写在这一列的表头",
}


def read_tokens(text: str, start: int) -> Iterator[Token]:
    while start < len(text):
        match = _TOKEN.match(text, start)
        if not match:
            raise ExpressionError(_mistake(text[start : start + 2]), start)
        if match.lastgroup != "space":
            yield Token(str(match.lastgroup), match.group(), start)
        start = match.end()
    yield Token("end", "", len(text))


def _mistake(signs: str) -> str:
    shown = signs[0] if signs[0].isprintable() else f"U+{ord(signs[0]):04X}"
    return _MISTAKES.get(signs) or _MISTAKES.get(signs[0], f"不认识的字符 {shown}")
