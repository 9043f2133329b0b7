"""How much room a text takes outside a shape: the viewer wraps it at the bounds written into the picture."""

from __future__ import annotations

import math

#: pixels; the viewer's size of text outside shapes
SIZE = 12
#: the widest a label gets before it takes a second line
WIDTH = 84
#: the width at which the viewer wraps a name that has no bounds
DEFAULT_WIDTH = 90
#: pixels beside a text; the viewer breaks a line half a sign before its end
_ROOM, _ROOM_TO_BREAK = 4, 8
#: first code point of the signs that Chinese fonts draw as wide as high; “ and ” are among them
_FULL_WIDTH_FROM = 0x2000
#: what other signs take of that: at most, where room is made for them, and on average, where they are drawn
_WIDE, _CAPITAL, _NARROW, _AVERAGE = 0.96, 0.74, 0.62, 0.52


def text_size(text: str, width: float = WIDTH, size: int = SIZE) -> tuple[int, int]:
    """Return the bounds to give a text: lines of about the same length, their signs none wider than ``width``."""
    length = size * sum(map(_most, text))
    lines = max(1, math.ceil(length / max(width, size)))
    # A line holds whole signs.
    longest = length if lines == 1 else math.ceil(length / lines / size) * size
    return math.ceil(longest) + (_ROOM if lines == 1 else _ROOM_TO_BREAK), lines * _line_height(size) + 2


def drawn_size(text: str, width: float, size: int = SIZE) -> tuple[float, int]:
    """Return what a text covers that the viewer wraps at bounds of this width."""
    length = size * sum(map(_usual, text))
    if length <= width:
        return length, _line_height(size) + 2
    lines = math.ceil(length / max(width - _ROOM_TO_BREAK, size))
    return min(width, length / lines + _ROOM_TO_BREAK), lines * _line_height(size) + 2


def _most(sign: str) -> float:
    if ord(sign) >= _FULL_WIDTH_FROM:
        return 1
    return _WIDE if sign in "MW@%&" else _CAPITAL if sign.isupper() else _NARROW


def _usual(sign: str) -> float:
    return 1 if ord(sign) >= _FULL_WIDTH_FROM else _AVERAGE


def _line_height(size: int) -> int:
    return math.ceil(size * 1.2)
