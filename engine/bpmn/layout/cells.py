"""Which cell each node stands in: the only decision of a layout, everything else follows from it.

A cell is a column of the picture and a row of a lane (after Kitzmann et al. 2009, a grid of cells).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from engine.bpmn.layout.course import Course
from engine.bpmn.layout.graph import Flow, Graph, Node

#: a node's own lane and row
LaneRow = tuple[str | None, int]
Place = tuple[str | None, int, int]


@dataclass(frozen=True)
class Hanging:
    """Where a boundary event hangs on its activity."""

    #: 1 below, -1 above
    edge: int
    #: 1 right of the middle, -1 left of it
    side: int


@dataclass(frozen=True)
class Cells:
    """Column and row of every node with a cell; a row counts within its lane, in any order of numbers."""

    column: Mapping[str, int]
    row: Mapping[str, int]
    #: boundary events that a person has hung somewhere; the others hang towards their target
    hanging: Mapping[str, Hanging] = field(default_factory=dict)


@dataclass(frozen=True)
class Choice:
    """What a fresh layout is free to choose."""

    #: hand-overs to another lane go straight down or up in the same column
    compact: bool = False
    #: exceptions leave below (1) or above (-1)
    side: int = 1
    #: an end behind a gateway stands below it rather than beside it
    drop_ends: bool = True
    #: node id → row it must stand in, column it must not stand left of
    rows: Mapping[str, int] = field(default_factory=dict)
    columns: Mapping[str, int] = field(default_factory=dict)
    #: flow id → it stays in its column (True) or moves on (False)
    upright: Mapping[str, bool] = field(default_factory=dict)


def lanes_in_use(graph: Graph) -> list[str | None]:
    """Return the lanes from top to bottom; None stands for a process that has none."""
    return [lane.id for lane in graph.lanes] or [None]


def fresh_cells(graph: Graph, course: Course, choice: Choice) -> Cells:
    """Place every node anew: columns by the longest way, the happy path on the first row of each lane."""
    column = _Columns(graph, course, choice).all()
    return Cells(column, _Rows(graph, course, choice, column).all())


class _Columns:
    """Longest way from the start; some steps stay in the column of what comes before."""

    def __init__(self, graph: Graph, course: Course, choice: Choice) -> None:
        self.nodes = graph.nodes
        self.course = course
        self.choice = choice
        self.happy = frozenset(course.happy_nodes)
        self.happy_step = self._happy_steps(graph)

    def all(self) -> dict[str, int]:
        column = dict.fromkeys(self.course.order, 0)
        for id in self.course.order:
            column[id] = max(column[id], self.choice.columns.get(id, 0))
            for each in self.course.ahead(id):
                step = self._step(id, each.target, each.flow, each.by_boundary)
                column[each.target] = max(column[each.target], column[id] + step)
        return column

    def _happy_steps(self, graph: Graph) -> dict[str, int]:
        flows: dict[str, Flow] = {flow.id: flow for flow in graph.flows}
        steps: dict[str, int] = {}
        upright = False
        for id in self.course.happy_flows:
            source, target = self.nodes[flows[id].source], self.nodes[flows[id].target]
            # Not twice running: three nodes below each other read as a list.
            upright = self.choice.upright.get(id, self.choice.compact and source.lane != target.lane and not upright)
            steps[id] = 0 if upright else 1
        return steps

    def _step(self, source: str, target: str, flow: str, by_boundary: bool) -> int:
        if flow in self.happy_step:
            return self.happy_step[flow]
        before, after = self.nodes[source], self.nodes[target]
        changes = before.lane != after.lane
        if target in self.happy:
            return 0 if self.choice.compact and changes else 1
        if by_boundary and changes:
            return 0
        if before.is_gateway and after.is_event and self.choice.drop_ends and self.course.ends(target):
            return 0
        return 0 if before.is_gateway and changes and self.choice.compact else 1


class _Rows:
    """Rows of a lane: 0 carries the happy path, exceptions stand above (negative) or below it."""

    def __init__(self, graph: Graph, course: Course, choice: Choice, column: Mapping[str, int]) -> None:
        self.nodes = graph.nodes
        self.course = course
        self.choice = choice
        self.column = column
        self.level = {lane: index for index, lane in enumerate(lanes_in_use(graph))}
        self.before = self._predecessors(graph)
        self.row: dict[str, int] = {}
        #: cells taken by a node, or by a straight flow that runs through them
        self.taken: set[Place] = set()

    def all(self) -> dict[str, int]:
        self._place_happy_path()
        rest = [id for id in self.course.order if id not in self.row]
        for id in sorted(rest, key=lambda id: self.column[id]):
            self._place(id)
        return self.row

    def _predecessors(self, graph: Graph) -> dict[str, list[str]]:
        before: dict[str, list[str]] = {}
        for flow in graph.flows:
            if flow.id not in self.course.loops:
                before.setdefault(flow.target, []).append(graph.carrier(flow.source))
        return before

    def _place_happy_path(self) -> None:
        lowest: dict[tuple[str | None, int], int] = {}
        for id in self.course.happy_nodes:
            place = (self.nodes[id].lane, self.column[id])
            # Two happy nodes of a lane in one column stand below each other.
            lowest[place] = lowest.get(place, -1) + 1
            self._take(id, lowest[place])
        for one, other in pairwise(self.course.happy_nodes):
            self._take_between(one, other)

    def _place(self, id: str) -> None:
        lane, column = self.nodes[id].lane, self.column[id]
        wished = self._wished_rows(id)
        self._take(id, next(row for row in wished if (lane, row, column) not in self.taken))
        for before in self.before.get(id, ()):
            self._take_between(before, id)

    def _wished_rows(self, id: str) -> Iterator[int]:
        if id in self.choice.rows:
            yield self.choice.rows[id]
        same = [one for one in self.before.get(id, ()) if one in self.row and self._same_lane(one, id)]
        if same:
            yield self.row[same[0]]
        side = self._side(id, bool(same))
        yield 0
        for distance in range(1, len(self.nodes) + 1):
            yield side * distance
            yield -side * distance

    def _side(self, id: str, has_neighbour: bool) -> int:
        """Say whether a node that belongs to another lane stands nearer to the lane below (1) or above (-1)."""
        lane = self.nodes[id].lane
        after = [each.target for each in self.course.leaving[id]]
        if after and not any(self._same_lane(one, id) for one in after):
            return 1 if self._level(after[0]) > self.level[lane] else -1
        strangers = [one for one in self.before.get(id, ()) if not self._same_lane(one, id)]
        if strangers and not has_neighbour:
            return 1 if self._level(strangers[0]) > self.level[lane] else -1
        return self.choice.side

    def _take(self, id: str, row: int) -> None:
        self.row[id] = row
        self.taken.add((self.nodes[id].lane, row, self.column[id]))

    def _take_between(self, one: str, other: str) -> None:
        """Keep the cells free through which a straight flow runs."""
        if self._same_lane(one, other) and self.row.get(one) == self.row[other]:
            for column in range(self.column[one] + 1, self.column[other]):
                self.taken.add((self.nodes[one].lane, self.row[one], column))

    def _same_lane(self, one: str, other: str) -> bool:
        return self.nodes[one].lane == self.nodes[other].lane

    def _level(self, id: str) -> int:
        return self.level[self.nodes[id].lane]


# --- the cells as one grid ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Grid:
    """The cells of all lanes put together, without empty rows and columns."""

    column: Mapping[str, int]
    row: Mapping[str, int]
    #: grid row → its lane and the row within it, from top to bottom
    lane_rows: tuple[LaneRow, ...]
    columns: int
    hanging: Mapping[str, Hanging]
    #: events that stand right above or below a side port of a task, not its middle: -1 or 1
    shifted: Mapping[str, int]

    @property
    def rows(self) -> int:
        return len(self.lane_rows)

    def is_border(self, row: int) -> bool:
        """Say whether below a grid row a lane ends; row -1 stands for the upper edge."""
        return row < 0 or row == self.rows - 1 or self.lane_rows[row][0] != self.lane_rows[row + 1][0]


def grid_of(graph: Graph, cells: Cells) -> Grid:
    lane_rows = _lane_rows(graph, cells)
    place = {each: index for index, each in enumerate(lane_rows)}
    row = {id: place[graph.nodes[id].lane, cells.row[id]] for id in cells.row}
    used = {number: index for index, number in enumerate(sorted(set(cells.column.values())))}
    column = {id: used[number] for id, number in cells.column.items()}
    hanging = _hanging(graph, row, cells.hanging)
    shifted = _shifted(graph, column, hanging)
    return Grid(column, row, tuple(lane_rows), len(used), hanging, shifted)


def _lane_rows(graph: Graph, cells: Cells) -> list[LaneRow]:
    rows = []
    for lane in lanes_in_use(graph):
        used = {cells.row[node.id] for node in graph.standing if node.lane == lane}
        rows += [(lane, row) for row in sorted(used or {0})]
    return rows


def _hanging(graph: Graph, row: Mapping[str, int], wished: Mapping[str, Hanging]) -> dict[str, Hanging]:
    """Hang every boundary event on a place of its own, first where a person wished, then right before left."""
    target = {flow.source: flow.target for flow in reversed(graph.flows)}
    hanging: dict[str, Hanging] = {}
    taken: set[tuple[str, Hanging]] = set()
    for node in graph.nodes.values():
        if node.host:
            leads_up = node.id in target and row[graph.carrier(target[node.id])] < row[node.host]
            edge = -1 if leads_up else 1
            places = [Hanging(edge, 1), Hanging(edge, -1), Hanging(-edge, 1), Hanging(-edge, -1)]
            places = [wished[node.id], *places] if node.id in wished else places
            # A fifth event on one activity hangs over the first: the score says so.
            hanging[node.id] = next((each for each in places if (node.host, each) not in taken), places[0])
            taken.add((node.host, hanging[node.id]))
    return hanging


def _shifted(graph: Graph, column: Mapping[str, int], hanging: Mapping[str, Hanging]) -> dict[str, int]:
    """Put an end right above or below the boundary event that leads to it, not beside its stem."""
    shifted = {}
    leading_on = {flow.source for flow in graph.flows}
    for flow in graph.flows:
        target = graph.nodes[flow.target]
        if flow.source in hanging and target.is_event and target.id not in leading_on and target.id not in shifted:
            if column[graph.carrier(flow.source)] == column[target.id]:
                shifted[target.id] = hanging[flow.source].side
        elif _begins(graph, flow) and column[flow.source] == column[flow.target]:
            # The middle of the first step is left to those that come back to it.
            if not any(graph.nodes[id].host == flow.target and each.side < 0 for id, each in hanging.items()):
                shifted[flow.source] = -1
    return shifted


def _begins(graph: Graph, flow: Flow) -> bool:
    """Say whether a flow leads from the start to a task that other flows enter too."""
    source, target = graph.nodes[flow.source], graph.nodes[flow.target]
    entering = [each for each in graph.flows if each.target == flow.target]
    leaving = [each for each in graph.flows if each.source == flow.source]
    return source.kind == "startEvent" and not target.is_small and len(entering) > 1 and len(leaving) == 1


def handed_over(graph: Graph, course: Course) -> Iterator[tuple[Flow, Node, Node]]:
    """Yield the happy flows that lead into another lane, with their ends."""
    happy = frozenset(course.happy_flows)
    for flow in graph.flows:
        source, target = graph.nodes[flow.source], graph.nodes[flow.target]
        if flow.id in happy and source.lane != target.lane:
            yield flow, source, target
