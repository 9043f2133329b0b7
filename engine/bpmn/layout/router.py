"""Find a way for every flow: one after the other, then a few rounds in which each may choose again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from engine.bpmn.layout.cells import Grid
from engine.bpmn.layout.course import Course
from engine.bpmn.layout.graph import Flow, Graph
from engine.bpmn.layout.tracks import DOWN, LEFT, RIGHT, UP, Tracks
from engine.bpmn.layout.traffic import GridPoint, Traffic

#: rounds in which every flow is taken up and laid again
ROUNDS = 3
#: what a crossing costs, and what it costs where too many flows cross
CROSSING, HIGHER_CROSSINGS = 130.0, (260.0, 520.0)
#: a port that another flow uses already; only taken when there is no other
_SHARED_PORT = 400.0
#: directions of leaving → cost, forward and for loops
_LEAVE = {RIGHT: 0.0, DOWN: 25.0, UP: 25.0, LEFT: 260.0}
_LEAVE_LOOP = {RIGHT: 60.0, DOWN: 0.0, UP: 0.0, LEFT: 120.0}
#: directions of arriving → cost
_ARRIVE = {RIGHT: 0.0, DOWN: 20.0, UP: 20.0, LEFT: 200.0}
_ARRIVE_LOOP = {RIGHT: 30.0, DOWN: 0.0, UP: 0.0, LEFT: 90.0}
#: an exception that leaves a gateway on the side of the happy path; a happy flow that leaves it elsewhere
_EXCEPTION_RIGHT, _HAPPY_ELSEWHERE = 15.0, 10.0

#: what a flow may do, from best to worst: share a port, run on lines of other flows
_LIBERTIES = ((False, False), (True, False), (True, True))
_ON_OTHERS = 2


@dataclass(frozen=True)
class Port:
    """Where a flow may leave or reach a node."""

    node: str
    #: the point on the node, and the first one outside
    inside: GridPoint
    outside: GridPoint
    #: the side of the node
    side: int
    cost: float = 0


@dataclass(frozen=True)
class Route:
    """The corners of a flow on the track grid, with the ports it uses."""

    corners: tuple[GridPoint, ...]
    leaves: Port
    reaches: Port


class Router:
    """Lays all flows of a graph; where nothing is free, on each other."""

    def __init__(self, graph: Graph, course: Course, grid: Grid, tracks: Tracks, crossing: float) -> None:
        self.graph = graph
        self.course = course
        self.grid = grid
        self.tracks = tracks
        self.crossing = crossing
        self.happy = frozenset(course.happy_flows)
        self.traffic = Traffic(tracks)
        self.port_use: Counter[tuple[str, GridPoint, int]] = Counter()
        #: ports that boundary events need
        self.kept_free = {(graph.nodes[id].host, each.edge, each.side) for id, each in grid.hanging.items()}
        self.routes: dict[str, Route] = {}
        #: flow id → how many of the liberties were too few for it
        self.crowded: dict[str, int] = {}

    def run(self) -> Mapping[str, Route]:
        """Return the route of every flow."""
        flows = sorted(self.graph.flows, key=self._priority)
        for flow in flows:
            self._lay(flow)
        # Where flows already lie on each other, choosing again mends nothing.
        for _ in range(0 if _ON_OTHERS in self.crowded.values() else ROUNDS):
            before = dict(self.routes)
            for flow in flows:
                self._lay(flow)
            if self.routes == before:
                break
        return self.routes

    def _priority(self, flow: Flow) -> tuple[int, bool, float]:
        """Happy flows first, loops last; short before long, document order where equal."""
        rank = 0 if flow.id in self.happy else 2 if flow.id in self.course.loops else 1
        source, target = self.graph.carrier(flow.source), flow.target
        columns = abs(self.grid.column[source] - self.grid.column[target])
        rows = abs(self.grid.row[source] - self.grid.row[target])
        return rank, source == flow.source, columns + 0.7 * rows

    def _lay(self, flow: Flow) -> None:
        old = self.routes.pop(flow.id, None)
        if old:
            self._mark(old, -1)
        new = self._cheapest(flow)
        self.routes[flow.id] = new
        self._mark(new, 1)

    def _cheapest(self, flow: Flow) -> Route:
        """Return a way of its own; else one from a port that others use; else one on their lines."""
        for share, on_others in _LIBERTIES[self.crowded.get(flow.id, 0) :]:
            route = self._search(flow, share=share, on_others=on_others)
            if route is not None:
                return route
            # What was crowded once is not tried again in every round.
            self.crowded[flow.id] = self.crowded.get(flow.id, 0) + 1
        raise AssertionError(f"no way for {flow.id}, though the margin around all cells is free")

    def _mark(self, route: Route, by: int) -> None:
        self.traffic.add(route.corners, by)
        for port in (route.leaves, route.reaches):
            self.port_use[port.node, port.inside, port.side] += by

    # --- ports ---------------------------------------------------------------------------------------------------

    def _search(self, flow: Flow, *, share: bool, on_others: bool) -> Route | None:
        leaving = [port for port in self._leaving(flow) if self._is_open(port, share)]
        reaching = [port for port in self._reaching(flow) if self._is_open(port, share)]
        number = self.tracks.number
        goals = {number(port.outside) * 4 + (port.side + 2) % 4: self._priced(port) for port in reaching}
        starts = {number(port.outside) * 4 + port.side: self._priced(port) for port in leaving}
        states = self.traffic.cheapest(
            {state: port.cost for state, port in starts.items()},
            {state: port.cost for state, port in goals.items()},
            self.tracks.middle(flow.target),
            self.crossing,
            on_others=on_others,
        )
        if not states:
            return None
        points = [self.tracks.point(state >> 2) for state in states]
        return _route(points, starts[states[0]], goals[states[-1]])

    def _leaving(self, flow: Flow) -> Iterator[Port]:
        source = self.graph.nodes[flow.source]
        if source.host:
            hanging = self.grid.hanging[source.id]
            x, y = self.tracks.middle(source.host)
            side = DOWN if hanging.edge > 0 else UP
            yield Port(source.host, (x + hanging.side, y), (x + hanging.side, y + hanging.edge), side)
            return
        loop, happy = flow.id in self.course.loops, flow.id in self.happy
        for port in self._ports(source.id):
            cost = port.cost + (_LEAVE_LOOP if loop else _LEAVE)[port.side]
            if source.is_gateway and not loop:
                if happy and port.side != RIGHT:
                    cost += _HAPPY_ELSEWHERE
                elif not happy and port.side == RIGHT:
                    cost += _EXCEPTION_RIGHT
            yield Port(port.node, port.inside, port.outside, port.side, cost)

    def _reaching(self, flow: Flow) -> Iterator[Port]:
        arrive = _ARRIVE_LOOP if flow.id in self.course.loops else _ARRIVE
        for port in self._ports(flow.target):
            cost = port.cost + arrive[(port.side + 2) % 4]
            yield Port(port.node, port.inside, port.outside, port.side, cost)

    def _ports(self, id: str) -> Iterator[Port]:
        """Yield the places around a node: one left and right, above and below three at a task and one at others."""
        x, y = self.tracks.middle(id)
        centre = self.tracks.columns[self.grid.column[id]]
        yield Port(id, (x, y), (centre + 2, y), RIGHT)
        yield Port(id, (x, y), (centre - 2, y), LEFT)
        for shift in (0,) if self.graph.nodes[id].is_small else (0, 1, -1):
            for edge, side in ((1, DOWN), (-1, UP)):
                if (id, edge, x + shift - centre) not in self.kept_free:
                    yield Port(id, (x + shift, y), (x + shift, y + edge), side, 2.0 * abs(shift))

    def _is_open(self, port: Port, share: bool) -> bool:
        if self.tracks.blocked[self.tracks.number(port.outside)]:
            return False
        return share or not (self._users(port) or self.traffic.is_used(port.inside, port.side))

    def _priced(self, port: Port) -> Port:
        extra = _SHARED_PORT if self._users(port) else 0
        return Port(port.node, port.inside, port.outside, port.side, port.cost + extra)

    def _users(self, port: Port) -> int:
        return self.port_use[port.node, port.inside, port.side]


def _route(points: list[GridPoint], leaves: Port, reaches: Port) -> Route:
    way = [leaves.inside, *points, reaches.inside]
    corners = [way[0]]
    for one, point, other in zip(way, way[1:], way[2:], strict=False):
        if not (one[0] == point[0] == other[0] or one[1] == point[1] == other[1]):
            corners.append(point)
    return Route((*corners, way[-1]), leaves, reaches)
