"""How much room a text takes outside a shape: the viewer wraps it at the bounds written into the picture."""

from __future__ import annotations

import math

#: pixels; the viewer's size of text outside shapes
SIZE = 12
#: the widest a label gets before it takes a second line
WIDTH = 84
#: first code point of the scripts whose signs are as wide as high
_FULL_WIDTH_FROM = 0x2E80
#: what a Latin letter or digit takes of that
_LATIN = 0.62


def text_size(text: str, width: float = WIDTH, size: int = SIZE) -> tuple[int, int]:
    """Return width and height of a text wrapped into lines of about the same length, none wider than ``width``."""
    length = sum(size if ord(sign) >= _FULL_WIDTH_FROM else size * _LATIN for sign in text)
    lines = max(1, math.ceil(length / max(width, size)))
    # A line holds whole signs.
    longest = length if lines == 1 else math.ceil(length / lines / size) * size
    return math.ceil(longest) + 4, lines * _line_height(size) + 2


def _line_height(size: int) -> int:
    return math.ceil(size * 1.2)
