"""Boxes, segments and how they meet; pixels, x to the right, y downwards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple, TypeVar

Point = tuple[float, float]
#: the corners of a flow from its source to its target
Way = Sequence[Point]


class Box(NamedTuple):
    """A rectangle; a segment along an axis is one without width or height."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height

    @property
    def centre(self) -> Point:
        return self.x + self.width / 2, self.y + self.height / 2


class Segment(NamedTuple):
    """One straight piece of a way."""

    start: Point
    end: Point

    @property
    def box(self) -> Box:
        (x, y), (x2, y2) = self
        return Box(min(x, x2), min(y, y2), abs(x2 - x), abs(y2 - y))

    @property
    def is_horizontal(self) -> bool:
        return abs(self.start[1] - self.end[1]) < 1

    @property
    def is_vertical(self) -> bool:
        return abs(self.start[0] - self.end[0]) < 1


Name = TypeVar("Name")


def segments(way: Way) -> list[Segment]:
    return [Segment(start, end) for start, end in pairwise(way)]


def overlap(one: Box, other: Box, slack: float = 0) -> bool:
    """Say whether two boxes share an area that is wider and higher than ``slack``."""
    return (
        one.x < other.right - slack
        and other.x < one.right - slack
        and one.y < other.bottom - slack
        and other.y < one.bottom - slack
    )


def enters(segment: Segment, box: Box, margin: float = 0) -> bool:
    """Say whether a segment runs inside a box made smaller by ``margin``; along its border is outside."""
    left, top, right, bottom = box.x + margin, box.y + margin, box.right - margin, box.bottom - margin
    (x, y), (x2, y2) = segment
    if right <= left or bottom <= top or max(x, x2) <= left or min(x, x2) >= right:
        return False
    if max(y, y2) <= top or min(y, y2) >= bottom:
        return False
    if x == x2 or y == y2:
        return True
    first, last = 0.0, 1.0
    for way, low, high in ((x2 - x, left - x, right - x), (y2 - y, top - y, bottom - y)):
        near, far = sorted((low / way, high / way))
        first, last = max(first, near), min(last, far)
    return last - first > 1e-6


def cross(one: Segment, other: Segment) -> bool:
    """Say whether two segments cross inside both."""
    return (
        _side(one, other.start) * _side(one, other.end) < -1e-6
        and _side(other, one.start) * _side(other, one.end) < -1e-6
    )


def _side(line: Segment, point: Point) -> float:
    (x, y), (x2, y2) = line
    return (x2 - x) * (point[1] - y) - (y2 - y) * (point[0] - x)


def shared_length(one: Segment, other: Segment) -> float:
    """Return over how many pixels two segments along an axis lie on each other, or look as if they did."""
    for axis, flat in ((0, "is_horizontal"), (1, "is_vertical")):
        if getattr(one, flat) and getattr(other, flat) and abs(one.start[1 - axis] - other.start[1 - axis]) < 4:
            low = max(min(one.start[axis], one.end[axis]), min(other.start[axis], other.end[axis]))
            high = min(max(one.start[axis], one.end[axis]), max(other.start[axis], other.end[axis]))
            return max(0.0, high - low)
    return 0.0


def simplified(way: Way) -> list[Point]:
    """Drop points that are there twice and points on a straight line."""
    kept: list[Point] = []
    for point in way:
        if kept and abs(kept[-1][0] - point[0]) < 1 and abs(kept[-1][1] - point[1]) < 1:
            continue
        while len(kept) > 1 and abs(_side(Segment(kept[-2], kept[-1]), point)) < _straight(kept[-2], point):
            kept.pop()
        kept.append(point)
    return kept


def _straight(start: Point, end: Point) -> float:
    return 1e-3 * (1 + abs(end[0] - start[0]) + abs(end[1] - start[1]))


def around(boxes: Sequence[Box]) -> Box:
    """Return the smallest box around boxes; an empty one around none."""
    if not boxes:
        return Box(0, 0, 0, 0)
    left, top = min(box.x for box in boxes), min(box.y for box in boxes)
    return Box(left, top, max(box.right for box in boxes) - left, max(box.bottom for box in boxes) - top)


def neighbours(ones: Sequence[tuple[Name, Box]], others: Sequence[tuple[Name, Box]]) -> Iterator[tuple[Name, Name]]:
    """Yield every pair of one and another whose boxes touch or come within 4 pixels.

    A sweep from left to right, so that a large diagram costs no more than what lies near each other.
    """
    todo = sorted(
        [(box.x, 0, index, box, ones) for index, (_, box) in enumerate(ones)]
        + [(box.x, 1, index, box, others) for index, (_, box) in enumerate(others)],
        key=lambda each: each[:3],
    )
    open_boxes: tuple[list, list] = ([], [])
    for left, side, index, box, owner in todo:
        waiting = open_boxes[1 - side]
        waiting[:] = [each for each in waiting if each[1].right >= left - 4]
        for name, near in waiting:
            if near.y - 4 <= box.bottom and box.y - 4 <= near.bottom:
                yield (owner[index][0], name) if side == 0 else (name, owner[index][0])
        open_boxes[side].append((owner[index][0], box))
