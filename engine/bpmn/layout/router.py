"""Find a way for every flow: A* on the tracks, then a few rounds in which each flow may choose again."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from engine.bpmn.layout.cells import Grid
from engine.bpmn.layout.course import Course
from engine.bpmn.layout.graph import Flow, Graph
from engine.bpmn.layout.tracks import DOWN, LEFT, RIGHT, STEPS, UP, Tracks

GridPoint = tuple[int, int]

#: rounds in which every flow is taken up and laid again
ROUNDS = 3
#: what a way costs: a pixel, a bend, a crossing, a bend on a point that another flow passes
_PIXEL, _BEND, _CROSSING, _BEND_ON_FLOW = 0.35, 55.0, 130.0, 300.0
#: a port that another flow uses already; only taken when there is no other
_SHARED_PORT = 400.0
#: a pixel more along the side lines of a column, where shapes may come close
_SIDE_LINE = 0.1
#: pixels from a node's middle to where a way may begin, for the estimate of what is left
_HALF_WIDTH, _HALF_HEIGHT = 78, 56
#: directions of leaving → cost, forward and for loops
_LEAVE = {RIGHT: 0.0, DOWN: 25.0, UP: 25.0, LEFT: 260.0}
_LEAVE_LOOP = {RIGHT: 60.0, DOWN: 0.0, UP: 0.0, LEFT: 120.0}
#: directions of arriving → cost
_ARRIVE = {RIGHT: 0.0, DOWN: 20.0, UP: 20.0, LEFT: 200.0}
_ARRIVE_LOOP = {RIGHT: 30.0, DOWN: 0.0, UP: 0.0, LEFT: 90.0}
#: an exception that leaves a gateway on the side of the happy path; a happy flow that leaves it elsewhere
_EXCEPTION_RIGHT, _HAPPY_ELSEWHERE = 15.0, 10.0


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
    """Lays all flows of a graph; ``failed`` holds those for which there is no way at all."""

    def __init__(self, graph: Graph, course: Course, grid: Grid, tracks: Tracks) -> None:
        self.graph = graph
        self.course = course
        self.grid = grid
        self.tracks = tracks
        self.happy = frozenset(course.happy_flows)
        size = tracks.width * tracks.height
        #: how many flows run from this point to the one right of it, below it
        self.level_used = [0] * size
        self.upright_used = [0] * size
        #: how many flows pass a point along a level line, along an upright one
        self.level_through = [0] * size
        self.upright_through = [0] * size
        self.port_use: Counter[tuple[str, GridPoint, int]] = Counter()
        #: ports that boundary events need
        self.kept_free = {(graph.nodes[id].host, each.edge, each.side) for id, each in grid.hanging.items()}
        self.routes: dict[str, Route] = {}

    def run(self) -> Mapping[str, Route]:
        """Return the route of every flow that has one."""
        flows = sorted(self.graph.flows, key=self._priority)
        for flow in flows:
            self._lay(flow)
        for _ in range(ROUNDS):
            before = dict(self.routes)
            for flow in flows:
                self._lay(flow)
            if self.routes == before:
                break
        return self.routes

    @property
    def failed(self) -> list[str]:
        return [flow.id for flow in self.graph.flows if flow.id not in self.routes]

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
        new = self._search(flow, share=False) or self._search(flow, share=True) or old
        if new:
            self.routes[flow.id] = new
            self._mark(new, 1)

    def _mark(self, route: Route, by: int) -> None:
        width = self.tracks.width
        for (x, y), (x2, y2) in pairwise(route.corners):
            if y == y2:
                first, last = sorted((x, x2))
                for each in range(first, last):
                    self.level_used[y * width + each] += by
                for each in range(first, last + 1):
                    self.level_through[y * width + each] += by
            else:
                first, last = sorted((y, y2))
                for each in range(first, last):
                    self.upright_used[each * width + x] += by
                for each in range(first, last + 1):
                    self.upright_through[each * width + x] += by
        for port in (route.leaves, route.reaches):
            self.port_use[port.node, port.inside, port.side] += by

    # --- ports ---------------------------------------------------------------------------------------------------

    def _search(self, flow: Flow, *, share: bool) -> Route | None:
        leaving = [port for port in self._leaving(flow) if self._is_open(port, share)]
        reaching = [port for port in self._reaching(flow) if self._is_open(port, share)]
        goals = {(*port.outside, (port.side + 2) % 4): self._priced(port) for port in reaching}
        starts = {(*port.outside, port.side): self._priced(port) for port in leaving}
        if not starts or not goals:
            return None
        states = _Search(self, self.tracks.middle(flow.target)).run(starts, goals)
        return _route(states, starts, goals) if states else None

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
        (x, y), (x2, y2) = port.inside, port.outside
        width = self.tracks.width
        if not (0 <= x2 < width and 0 <= y2 < self.tracks.height) or self.tracks.owner[y2 * width + x2] is not None:
            return False
        if share:
            return True
        level = port.side in (LEFT, RIGHT)
        used = self.level_used if level else self.upright_used
        return not self._users(port) and not used[min(y, y2) * width + min(x2, x)]

    def _priced(self, port: Port) -> Port:
        extra = _SHARED_PORT if self._users(port) else 0
        return Port(port.node, port.inside, port.outside, port.side, port.cost + extra)

    def _users(self, port: Port) -> int:
        return self.port_use[port.node, port.inside, port.side]


State = tuple[int, int, int]


class _Search:
    """One A* search; a state is a point and the direction in which it was reached."""

    def __init__(self, router: Router, target: GridPoint) -> None:
        self.router = router
        tracks = router.tracks
        self.xs = [line.at for line in tracks.uprights]
        self.ys = [line.at for line in tracks.levels]
        #: the price of a pixel when walking along an upright line
        middles = frozenset(tracks.columns)
        self.upright_price = [
            _PIXEL + (_SIDE_LINE if line.track is None and index not in middles else 0)
            for index, line in enumerate(tracks.uprights)
        ]
        at_x, at_y = self.xs[target[0]], self.ys[target[1]]
        self.left_x = [_PIXEL * max(0, abs(x - at_x) - _HALF_WIDTH) for x in self.xs]
        self.left_y = [_PIXEL * max(0, abs(y - at_y) - _HALF_HEIGHT) for y in self.ys]

    def run(self, starts: Mapping[State, Port], goals: Mapping[State, Port]) -> list[State]:
        """Return the states of the cheapest way from its first to its last point; [] when there is none."""
        cost = {state: port.cost for state, port in starts.items()}
        parent: dict[State, State | None] = dict.fromkeys(starts)
        open_states = [(price + self.left_x[s[0]] + self.left_y[s[1]], s) for s, price in cost.items()]
        heapq.heapify(open_states)
        closed: set[State] = set()
        best, best_cost = None, float("inf")
        while open_states:
            estimate, state = heapq.heappop(open_states)
            if estimate >= best_cost:
                break
            if state in closed:
                continue
            closed.add(state)
            if state in goals and cost[state] + goals[state].cost < best_cost:
                best, best_cost = state, cost[state] + goals[state].cost
            for after, price in self._steps(state):
                total = cost[state] + price
                if total < cost.get(after, float("inf")) - 1e-9:
                    cost[after], parent[after] = total, state
                    heapq.heappush(open_states, (total + self.left_x[after[0]] + self.left_y[after[1]], after))
        return _back(best, parent)

    def _steps(self, state: State) -> Iterator[tuple[State, float]]:
        """Yield the next states with what the step costs: straight on, or a turn."""
        router, tracks = self.router, self.router.tracks
        x, y, direction = state
        width, here = tracks.width, state[1] * tracks.width + state[0]
        busy = router.level_through[here] or router.upright_through[here]
        turn = _BEND + (_BEND_ON_FLOW if busy else 0)
        for way in (direction, (direction + 1) % 4, (direction + 3) % 4):
            step_x, step_y = STEPS[way]
            x2, y2 = x + step_x, y + step_y
            if not (0 <= x2 < width and 0 <= y2 < tracks.height):
                continue
            there = y2 * width + x2
            if tracks.owner[there] is not None:
                continue
            if step_x:
                if router.level_used[min(here, there)]:
                    continue
                price = abs(self.xs[x2] - self.xs[x]) * _PIXEL
                crossed = router.upright_through[there]
            else:
                if router.upright_used[min(here, there)]:
                    continue
                price = abs(self.ys[y2] - self.ys[y]) * self.upright_price[x]
                crossed = router.level_through[there]
            price += _CROSSING if crossed else 0
            yield (x2, y2, way), price + (0 if way == direction else turn)


def _back(last: State | None, parent: Mapping[State, State | None]) -> list[State]:
    states = []
    while last is not None:
        states.append(last)
        last = parent[last]
    return states[::-1]


def _route(states: list[State], starts: Mapping[State, Port], goals: Mapping[State, Port]) -> Route:
    leaves, reaches = starts[states[0]], goals[states[-1]]
    points = [leaves.inside, *((x, y) for x, y, _ in states), reaches.inside]
    corners = [points[0]]
    for one, point, other in zip(points, points[1:], points[2:], strict=False):
        if not (one[0] == point[0] == other[0] or one[1] == point[1] == other[1]):
            corners.append(point)
    return Route((*corners, points[-1]), leaves, reaches)
