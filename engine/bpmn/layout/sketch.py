"""Cells read from the coordinates of a picture: people arrange roughly, the machine does the craft."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from engine.bpmn.layout.cells import Cells, Hanging, lanes_in_use
from engine.bpmn.layout.course import Course
from engine.bpmn.layout.geometry import Point
from engine.bpmn.layout.graph import Graph
from engine.bpmn.layout.picture import Picture

#: pixels within which nodes were meant to stand in one column, in one row
_SAME_COLUMN, _SAME_ROW = 60, 50


def sketched_cells(graph: Graph, course: Course, picture: Picture) -> Cells:
    """Return the cells a person has drawn; what has no place yet goes one column right of what comes before it."""
    return _Sketch(graph, course, picture).cells()


class _Sketch:
    def __init__(self, graph: Graph, course: Course, picture: Picture) -> None:
        self.graph = graph
        self.course = course
        self.boxes = picture.boxes
        self.centre = {id: picture.boxes[id].centre for id in course.order if id in picture.boxes}
        self.column = _clusters(self.centre, list(self.centre), 0, _SAME_COLUMN)
        self.row: dict[str, int] = {}
        for lane in lanes_in_use(graph):
            inside = [id for id in self.centre if graph.nodes[id].lane == lane]
            self.row |= _clusters(self.centre, inside, 1, _SAME_ROW)
        self.before = self._predecessors()

    def cells(self) -> Cells:
        for id in self.course.order:
            if id not in self.column:
                self._add(id)
        self._separate()
        return Cells(self.column, self.row, self._hanging())

    def _predecessors(self) -> dict[str, list[str]]:
        before: dict[str, list[str]] = {}
        for flow in self.graph.flows:
            if flow.id not in self.course.loops:
                before.setdefault(flow.target, []).append(self.graph.carrier(flow.source))
        return before

    def _add(self, id: str) -> None:
        before = [one for one in self.before.get(id, ()) if one in self.column]
        after = [each.target for each in self.course.ahead(id) if each.target in self.column]
        first_after = min((self.column[one] for one in after), default=0)
        column = max((self.column[one] + 1 for one in before), default=first_after)
        if after and first_after <= column:
            self._move_on(after, column + 1 - first_after)
        self.column[id] = column
        near = [one for one in (*before, *after) if self.graph.nodes[one].lane == self.graph.nodes[id].lane]
        self.row[id] = self.row[near[0]] if near else 0

    def _move_on(self, first: list[str], by: int) -> None:
        """Move nodes and all that comes after them to the right; nothing else moves."""
        moved: set[str] = set()
        todo = list(first)
        while todo:
            id = todo.pop()
            if id not in moved:
                moved.add(id)
                todo.extend(each.target for each in self.course.ahead(id))
        for id in moved & self.column.keys():
            self.column[id] += by

    def _hanging(self) -> dict[str, Hanging]:
        """Return on which edge and side of their activity the boundary events were drawn."""
        hanging = {}
        for node in self.graph.nodes.values():
            if node.host and node.id in self.boxes and node.host in self.boxes:
                (x, y), (host_x, host_y) = self.boxes[node.id].centre, self.boxes[node.host].centre
                hanging[node.id] = Hanging(1 if y >= host_y else -1, 1 if x >= host_x else -1)
        return hanging

    def _separate(self) -> None:
        """Give every node a cell of its own: the lower of two in one cell goes down."""
        taken: set[tuple[str | None, int, int]] = set()
        for id in sorted(self.course.order, key=lambda id: (self.column[id], self.centre.get(id, (0, 0))[1])):
            lane = self.graph.nodes[id].lane
            while (lane, self.row[id], self.column[id]) in taken:
                self.row[id] += 1
            taken.add((lane, self.row[id], self.column[id]))


def _clusters(centre: Mapping[str, Point], ids: Iterable[str], axis: int, width: float) -> dict[str, int]:
    """Number the groups of nodes that lie within ``width`` of the first of their group."""
    number: dict[str, int] = {}
    first, count = None, -1
    for id in sorted(ids, key=lambda id: centre[id][axis]):
        if first is None or centre[id][axis] - first > width:
            first, count = centre[id][axis], count + 1
        number[id] = count
    return number
