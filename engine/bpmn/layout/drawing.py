"""Draw a graph: from cells to a picture, and the search for the cells that make the best one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations, product

from engine.bpmn.layout.cells import Cells, Choice, Grid, fresh_cells, grid_of, handed_over
from engine.bpmn.layout.course import Course, read_course
from engine.bpmn.layout.graph import Graph
from engine.bpmn.layout.names import place_names
from engine.bpmn.layout.picture import Picture, is_complete
from engine.bpmn.layout.quality import Quality, rate
from engine.bpmn.layout.router import CROSSING, HIGHER_CROSSINGS, Router
from engine.bpmn.layout.sketch import sketched_cells
from engine.bpmn.layout.squeeze import squeeze
from engine.bpmn.layout.tracks import Tracks

#: tracks per gap
TRACKS, MORE_TRACKS = 4, 8
#: rounds of moves from one start, starts that are improved, best moves tried in pairs
_ROUNDS, _STARTS, _PAIRED = 14, 3, 5
_LEAST_GAIN = 0.05
#: points by which a picture must be better than ours to be kept
_KEPT_FROM = 1.0
#: points off, beside the score, for a picture that fails a gate
_GATE = 10


@dataclass(frozen=True)
class Drawing:
    """A picture with what it is worth."""

    picture: Picture
    quality: Quality

    @property
    def worth(self) -> float:
        return self.quality.score - (0 if self.quality.passes else _GATE)


def redraw(graph: Graph, picture: Picture) -> Drawing:
    """Draw a graph in the arrangement of a picture: sketch mode.

    A picture that is complete, passes every gate and is better than what would come out is kept, but for fractions.
    """
    course = read_course(graph)
    drawn = _draw(graph, course, sketched_cells(graph, course, picture))
    if not is_complete(graph, picture):
        return drawn
    kept = picture.rounded()
    quality = rate(graph, kept, course=course)
    return Drawing(kept, quality) if quality.passes and quality.score > drawn.worth + _KEPT_FROM else drawn


def draw(graph: Graph, *, search: bool = False) -> Drawing:
    """Draw a graph anew: the best of eight starts, with ``search`` improved by moves."""
    return _Studio(graph).best(search)


def _draw(graph: Graph, course: Course, cells: Cells) -> Drawing:
    """Draw given cells; a second time where flows lie on something, or where too many of them cross."""
    grid = grid_of(graph, cells)
    best = _routed(graph, course, grid)
    if not best.quality.is_sound:
        return max(best, _routed(graph, course, grid, tracks=MORE_TRACKS), key=lambda drawn: drawn.worth)
    for crossing in HIGHER_CROSSINGS:
        if not any(fault.rule == "layout-crossing" for fault in best.quality.faults):
            break
        best = max(best, _routed(graph, course, grid, crossing), key=lambda drawn: drawn.worth)
    return best


def _routed(graph: Graph, course: Course, grid: Grid, crossing: float = CROSSING, tracks: int = TRACKS) -> Drawing:
    lines = Tracks(grid, tracks)
    routes = Router(graph, course, grid, lines, crossing).run()
    picture = Picture()
    squeeze(graph, grid, lines, routes, picture)
    place_names(graph, grid, picture)
    return Drawing(picture, rate(graph, picture, course=course))


class _Studio:
    """Tries choices for one graph; a fixed number of trials and no clock, so the same input gives the same picture."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.course = read_course(graph)

    def best(self, search: bool) -> Drawing:
        starts = self._tried(
            Choice(compact, side, drop) for compact, side, drop in product((False, True), (1, -1), (True, False))
        )
        found = starts[:_STARTS]
        if search:
            found = [self._improved(start) for start in found]
        cells = [fresh_cells(self.graph, self.course, choice) for choice, _ in found]
        return max((_draw(self.graph, self.course, each) for each in cells), key=lambda drawn: drawn.worth)

    def _tried(self, choices: Iterable[Choice]) -> list[tuple[Choice, Drawing]]:
        """Draw every choice at the lowest price; return them from best to worst, the earlier of equals first."""
        drawn = [(choice, self._drawn(choice)) for choice in choices]
        return sorted(drawn, key=_worth, reverse=True)

    def _drawn(self, choice: Choice) -> Drawing:
        grid = grid_of(self.graph, fresh_cells(self.graph, self.course, choice))
        return _routed(self.graph, self.course, grid)

    def _improved(self, start: tuple[Choice, Drawing]) -> tuple[Choice, Drawing]:
        """Take the best move, or the best two together, as long as the picture gets better."""
        best = start
        for _ in range(_ROUNDS):
            tried = self._tried(move(best[0]) for move in self._moves(best[0]))
            if not tried or _worth(tried[0]) <= _worth(best) + _LEAST_GAIN:
                break
            pairs = combinations([choice for choice, _ in tried[:_PAIRED]], 2)
            best = max([tried[0], *self._tried(_joined(one, other) for one, other in pairs)], key=_worth)
        return best

    def _moves(self, choice: Choice) -> Iterator[Callable[[Choice], Choice]]:
        cells = fresh_cells(self.graph, self.course, choice)
        happy = frozenset(self.course.happy_nodes)
        for id in self.course.order:
            row, column = cells.row[id], cells.column[id]
            if id not in happy:
                for other in sorted({row - 1, row + 1, 0, -row} - {row}):
                    yield _to_row(id, other)
            yield _to_column(id, column + 1)
            if choice.columns.get(id):
                yield _to_column(id, 0)
        for flow, source, target in handed_over(self.graph, self.course):
            yield _handed_over(flow.id, cells.column[source.id] != cells.column[target.id])


def _worth(tried: tuple[Choice, Drawing]) -> float:
    return tried[1].worth


def _to_row(id: str, row: int) -> Callable[[Choice], Choice]:
    return lambda choice: replace(choice, rows={**choice.rows, id: row})


def _to_column(id: str, column: int) -> Callable[[Choice], Choice]:
    return lambda choice: replace(choice, columns={**choice.columns, id: column})


def _handed_over(flow: str, upright: bool) -> Callable[[Choice], Choice]:
    return lambda choice: replace(choice, upright={**choice.upright, flow: upright})


def _joined(one: Choice, other: Choice) -> Choice:
    return replace(
        one,
        rows={**one.rows, **other.rows},
        columns={**one.columns, **other.columns},
        upright={**one.upright, **other.upright},
    )
