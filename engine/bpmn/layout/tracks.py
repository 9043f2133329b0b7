"""The lines flows may run on: some tracks in every gap, and the lines through the cells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from engine.bpmn.layout.cells import Grid

#: pixels between two tracks
SPACE = 14
#: nominal size of a cell; its lines are where a task has its ports
_WIDTH, _HEIGHT, _PORT = 100, 80, 25

RIGHT, DOWN, LEFT, UP = range(4)


@dataclass(frozen=True)
class Line:
    """One line of the track grid, upright or level."""

    #: pixels, before anything is squeezed
    at: float
    #: column or row: of the cell it runs through, or of the cell before its gap (-1: the outer margin)
    cell: int
    #: number of the track within its gap; None for a line through a cell
    track: int | None


class Tracks:
    """All lines of a grid and what stands on them; points are (index of the upright line, of the level line)."""

    def __init__(self, grid: Grid, per_gap: int) -> None:
        self.grid = grid
        self.per_gap = per_gap
        self.uprights, self.columns = self._uprights()
        self.levels, self.rows = self._levels()
        #: points per level line; one beyond the last, so that a step over an edge always meets a blocked point
        self.stride = len(self.uprights) + 1
        self.size = self.stride * (len(self.levels) + 2)
        #: by number of the point: a node stands there, or it lies outside
        self.blocked = self._blocked()

    def number(self, point: tuple[int, int]) -> int:
        """Return the number of a point in lists over all points."""
        return (point[1] + 1) * self.stride + point[0]

    def point(self, number: int) -> tuple[int, int]:
        return number % self.stride, number // self.stride - 1

    @property
    def numbers(self) -> Iterator[tuple[int, int, int]]:
        """Yield every point as upright line, level line, number."""
        for y in range(len(self.levels)):
            for x in range(len(self.uprights)):
                yield x, y, self.number((x, y))

    def _blocked(self) -> list[bool]:
        blocked = [True] * self.size
        for _, _, number in self.numbers:
            blocked[number] = False
        for id, row in self.grid.row.items():
            middle = self.number((self.columns[self.grid.column[id]], self.rows[row]))
            blocked[middle - 1 : middle + 2] = [True] * 3
        return blocked

    def _uprights(self) -> tuple[list[Line], list[int]]:
        """Return the upright lines, and for each column the index of the middle one of its three."""
        lines, columns = self._gap([], 0, -1, self.per_gap)
        for column in range(self.grid.columns):
            left = _end(lines)
            columns.append(len(lines) + 1)
            lines += [Line(left + port, column, None) for port in (_PORT, 2 * _PORT, 3 * _PORT)]
            self._gap(lines, left + _WIDTH, column, self.per_gap)
        return lines, columns

    def _levels(self) -> tuple[list[Line], list[int]]:
        """Return the level lines, and for each row the index of the one through its cells."""
        lines, rows = self._gap([], 0, -1, self.per_gap)
        for row in range(self.grid.rows):
            top = _end(lines)
            rows.append(len(lines))
            lines.append(Line(top + _HEIGHT / 2, row, None))
            # A lane border needs tracks on both sides of it.
            self._gap(lines, top + _HEIGHT, row, self.per_gap if self.grid.is_border(row) else self.per_gap - 1)
        return lines, rows

    def _gap(self, lines: list[Line], start: float, cell: int, count: int) -> tuple[list[Line], list[int]]:
        lines += [Line(start + SPACE * (track + 1), cell, track) for track in range(count)]
        return lines, []

    def middle(self, id: str) -> tuple[int, int]:
        """Return the point on which a node stands."""
        x = self.columns[self.grid.column[id]] + self.grid.shifted.get(id, 0)
        return x, self.rows[self.grid.row[id]]


def _end(lines: list[Line]) -> float:
    return lines[-1].at + SPACE
