"""The flows laid so far on the tracks, and the cheapest way through them."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from itertools import pairwise

from engine.bpmn.layout.tracks import LEFT, RIGHT, Tracks

GridPoint = tuple[int, int]
#: four times the number of a point, plus the direction in which it was reached
State = int

#: what a way costs: a pixel, a bend, a bend on a point that another flow passes
_PIXEL, _BEND, _BEND_ON_FLOW = 0.35, 55.0, 300.0
#: a step on a line of another flow
_ON_FLOW = 40.0
#: a pixel more along the side lines of a column, where shapes may come close
_SIDE_LINE = 0.1
#: pixels from a node's middle to where a way may begin, for the estimate of what is left
_HALF_WIDTH, _HALF_HEIGHT = 78, 56
#: direction → straight on, right turn, left turn
_WAYS = tuple((way, (way + 1) % 4, (way + 3) % 4) for way in range(4))
_INFINITE = float("inf")


class Traffic:
    """What runs where, in lists by number of a point."""

    def __init__(self, tracks: Tracks) -> None:
        self.tracks = tracks
        #: how many flows run from this point to the one right of it, below it
        self.level_used = [0] * tracks.size
        self.upright_used = [0] * tracks.size
        #: how many flows pass a point along a level line, along an upright one
        self.level_through = [0] * tracks.size
        self.upright_through = [0] * tracks.size
        #: what a step from this point to the right, downwards costs
        self.right_price = [0.0] * tracks.size
        self.down_price = [0.0] * tracks.size
        self.xs = [line.at for line in tracks.uprights]
        self.ys = [line.at for line in tracks.levels]
        self._set_prices()

    def _set_prices(self) -> None:
        middles = frozenset(self.tracks.columns)
        xs, ys = [*self.xs, self.xs[-1]], [*self.ys, self.ys[-1]]
        for x, y, number in self.tracks.numbers:
            beside = self.tracks.uprights[x].track is None and x not in middles
            self.right_price[number] = (xs[x + 1] - xs[x]) * _PIXEL
            self.down_price[number] = (ys[y + 1] - ys[y]) * (_PIXEL + (_SIDE_LINE if beside else 0))

    def add(self, corners: Sequence[GridPoint], by: int) -> None:
        """Lay a flow (1) or take it up again (-1)."""
        for one, other in pairwise(corners):
            first, last = sorted((self.tracks.number(one), self.tracks.number(other)))
            level = one[1] == other[1]
            used, through = (
                (self.level_used, self.level_through) if level else (self.upright_used, self.upright_through)
            )
            step = 1 if level else self.tracks.stride
            for number in range(first, last, step):
                used[number] += by
            for number in range(first, last + 1, step):
                through[number] += by

    def is_used(self, point: GridPoint, side: int) -> bool:
        """Say whether a flow leaves or reaches a node at this point of this side."""
        number = self.tracks.number(point)
        if side in (RIGHT, LEFT):
            return self.level_used[number - (side == LEFT)] > 0
        return self.upright_used[number if side < LEFT else number - self.tracks.stride] > 0

    def cheapest(
        self,
        starts: Mapping[State, float],
        goals: Mapping[State, float],
        target: GridPoint,
        crossing: float,
        *,
        on_others: bool = False,
    ) -> list[State]:
        """Return the states of the cheapest way, [] when there is none; A*.

        :param starts: first states with what it costs to begin there
        :param goals: last states with what it costs to end there
        :param target: the point all goals lie around, for the estimate
        :param crossing: what crossing another flow costs
        :param on_others: it may run on lines of other flows, where nothing else is left
        """
        # The hot loop of the layout: everything it reads is a local list.
        blocked, stride = self.tracks.blocked, self.tracks.stride
        level_used, upright_used = self.level_used, self.upright_used
        level_through, upright_through = self.level_through, self.upright_through
        right_price, down_price = self.right_price, self.down_price
        offsets = (1, stride, -1, -stride)
        left_x, left_y = self._estimates(target)
        cost = [_INFINITE] * (4 * self.tracks.size)
        closed = bytearray(4 * self.tracks.size)
        parent: dict[State, State] = {}
        waiting: list[tuple[float, State]] = []
        for state, price in starts.items():
            cost[state] = price
            waiting.append((price + left_x[(state >> 2) % stride] + left_y[(state >> 2) // stride], state))
        heapq.heapify(waiting)
        best, best_cost = -1, _INFINITE
        while waiting:
            estimate, state = heapq.heappop(waiting)
            if estimate >= best_cost:
                break
            if closed[state]:
                continue
            closed[state] = 1
            so_far = cost[state]
            if state in goals and so_far + goals[state] < best_cost:
                best, best_cost = state, so_far + goals[state]
            here, direction = state >> 2, state & 3
            turn = _BEND + (_BEND_ON_FLOW if level_through[here] or upright_through[here] else 0)
            for way in _WAYS[direction]:
                there = here + offsets[way]
                if blocked[there]:
                    continue
                # Left and up use the piece that begins at the other end.
                piece = here if way < LEFT else there
                if way & 1:
                    if upright_used[piece] and not on_others:
                        continue
                    price = so_far + down_price[piece] + (crossing if level_through[there] else 0)
                else:
                    if level_used[piece] and not on_others:
                        continue
                    price = so_far + right_price[piece] + (crossing if upright_through[there] else 0)
                if way != direction:
                    price += turn
                if on_others and (upright_used[piece] if way & 1 else level_used[piece]):
                    price += _ON_FLOW
                after = there * 4 + way
                if price < cost[after] - 1e-9:
                    cost[after] = price
                    parent[after] = state
                    heapq.heappush(waiting, (price + left_x[there % stride] + left_y[there // stride], after))
        return _back(best, parent)

    def _estimates(self, target: GridPoint) -> tuple[list[float], list[float]]:
        """Return what is at least left to the target, across by upright line and down by level line."""
        x, y = self.xs[target[0]], self.ys[target[1]]
        across = [_PIXEL * max(0, abs(each - x) - _HALF_WIDTH) for each in self.xs]
        down = [_PIXEL * max(0, abs(each - y) - _HALF_HEIGHT) for each in self.ys]
        # Level lines are numbered from 1 in the lists over all points.
        return [*across, 0], [0, *down, 0]


def _back(state: State, parent: Mapping[State, State]) -> list[State]:
    states = [state] if state >= 0 else []
    while states and states[-1] in parent:
        states.append(parent[states[-1]])
    return states[::-1]
