"""The regular expressions a form may use: those that cannot keep the server busy."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import accumulate

#: characters a text with a pattern may have at most, whatever the form allows
MAX_MATCHED = 200
#: ways to try, estimated from the pattern; about a tenth of a second
_MAX_COST = MAX_MATCHED**3

#: groups inside groups: Python reads them by recursion
_MAX_DEPTH = 20
#: digits of a count; Python refuses to read thousands of them
_MAX_DIGITS = 4

_SINGLE = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_COUNTED = re.compile(r"\{(\d*)(,?)(\d*)\}")


class PatternError(ValueError):
    """The pattern is refused; the text is a Chinese sentence."""


@lru_cache(maxsize=1024)
def compile_pattern(text: str) -> re.Pattern[str]:
    """Compile a pattern of a form, which is untrusted: Python's matcher can take for ever over ``(a+)+$``.

    Repeated groups, look-around and back references are refused, and so is a pattern with too many open counts.
    """
    # Every escape and every [class] stands for one character; what is left is structure.
    shape = _SINGLE.sub(".", text)
    if re.search(r"\\[1-9]", text) or re.search(r"\(\?(?!:)", shape):
        raise PatternError("格式里不能用反向引用和零宽断言")
    if re.search(r"\)[*+{]", shape):
        raise PatternError("格式里的括号组不能重复，只能后面加问号")
    if _depth(shape) > _MAX_DEPTH:
        raise PatternError(f"格式里的括号套得太深，最多套 {_MAX_DEPTH} 层")
    if any(len(digits) > _MAX_DIGITS for least, _, most in _COUNTED.findall(shape) for digits in (least, most)):
        raise PatternError(f"格式里的次数最多 {_MAX_DIGITS} 位数")
    if _cost(shape) > _MAX_COST:
        raise PatternError("格式太复杂，请以 ^ 开头，并且少用不定次数的重复")
    try:
        return re.compile(text, re.ASCII)
    except (re.error, OverflowError) as error:
        raise PatternError(f"格式不是正则表达式（{error}）") from error


def _depth(shape: str) -> int:
    """Return how deep groups stand inside groups."""
    return max(accumulate({"(": 1, ")": -1}.get(sign, 0) for sign in shape), default=0)


def _cost(shape: str) -> int:
    cost = MAX_MATCHED ** len(re.findall(r"[*+]", shape)) * 2 ** len(re.findall(r"[?|]", shape))
    if not shape.startswith("^") or "|" in re.sub(r"\([^()]*\)", "", shape):
        # The search starts anew at every character.
        cost *= MAX_MATCHED
    for least, comma, most in _COUNTED.findall(shape):
        if comma:
            cost *= max(int(most or MAX_MATCHED) - int(least or 0) + 1, 1)
    return cost
