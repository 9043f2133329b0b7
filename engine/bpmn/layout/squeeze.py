"""From the track grid to pixels: gaps shrink to the tracks and labels they hold, lanes to their rows."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from engine.bpmn.layout.cells import Grid
from engine.bpmn.layout.geometry import Box, Point
from engine.bpmn.layout.graph import Flow, Graph
from engine.bpmn.layout.lettering import text_size
from engine.bpmn.layout.picture import Picture
from engine.bpmn.layout.router import Route
from engine.bpmn.layout.tracks import RIGHT, SPACE, Tracks

#: where the picture begins: bpmn-js draws new pools there
ORIGIN = (160, 80)
#: header of a pool and of a lane
HEADER = 30
_GAP, _MARGIN, _LAST_SEGMENT = 40, 24, 18
_PORT = 25
_ROW_GAP, _PADDING = 32, 20
#: free room where boundary events hang; where a flow runs past, room for their names too
_BOUNDARY, _BOUNDARY_NAME = 36, 6
#: rows without a task get room for the names outside
_LOW_ROW, _LOW_ROW_LABEL = 50, 22
_LANE_LETTER = 14


def squeeze(graph: Graph, grid: Grid, tracks: Tracks, routes: Mapping[str, Route], picture: Picture) -> None:
    """Set the boxes and ways of a picture, labels left aside."""
    across = _Across(graph, grid, tracks, routes)
    down = _Down(graph, grid, tracks, routes)
    _Sheet(graph, grid, tracks, across, down).draw(routes, picture)


def _used_tracks(routes: Mapping[str, Route], tracks: Tracks) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    """Return the tracks used in each gap: of upright lines by column, of level lines by row."""
    uprights: set[int] = set()
    levels: set[int] = set()
    for route in routes.values():
        for one, other in pairwise(route.corners):
            if one[0] == other[0]:
                uprights.add(one[0])
            else:
                levels.add(one[1])
    by_column: dict[int, list[int]] = {}
    by_row: dict[int, list[int]] = {}
    for lines, used, gaps in ((tracks.uprights, uprights, by_column), (tracks.levels, levels, by_row)):
        for index in sorted(used):
            if lines[index].track is not None:
                gaps.setdefault(lines[index].cell, []).append(index)
    return by_column, by_row


class _Across:
    """Where the upright lines come to lie: ``x`` by index of the line, ``end`` right of everything."""

    def __init__(self, graph: Graph, grid: Grid, tracks: Tracks, routes: Mapping[str, Route]) -> None:
        self.graph, self.grid, self.tracks = graph, grid, tracks
        self.used, _ = _used_tracks(routes, tracks)
        self.width = self._widths()
        self.label = self._labels_beside(routes)
        self.x: dict[int, float] = {}
        self.end: float = HEADER * ((graph.pool is not None) + bool(graph.lanes))
        self._set()

    def _widths(self) -> dict[int, float]:
        """Return how wide each column is, with the names that stand outside its shapes."""
        widths = dict.fromkeys(range(self.grid.columns), 50.0)
        for id, column in self.grid.column.items():
            node = self.graph.nodes[id]
            label = min(100, text_size(node.name)[0] + 8) if node.is_small and node.name else 0
            widths[column] = max(widths[column], node.size[0], label)
        return widths

    def _labels_beside(self, routes: Mapping[str, Route]) -> dict[int, float]:
        """Return the widest answer that stands on a flow to the right, by column."""
        widest: dict[int, float] = {}
        for flow in self.graph.flows:
            if flow.name and flow.id in routes and routes[flow.id].leaves.side == RIGHT:
                column = self.grid.column[self.graph.carrier(flow.source)]
                widest[column] = max(widest.get(column, 0), text_size(flow.name)[0] + 6)
        return widest

    def _set(self) -> None:
        self._set_gap(-1)
        for column in range(self.grid.columns):
            middle = self.end + self.width[column] / 2
            line = self.tracks.columns[column]
            for port in (-1, 0, 1):
                self.x[line + port] = middle + port * _PORT
            self.end += self.width[column]
            self._set_gap(column)

    def _set_gap(self, column: int) -> None:
        tracks = self.used.get(column, [])
        span = SPACE * (len(tracks) - 1) if tracks else 0
        lead, gap = self._gap(column, len(tracks), span)
        start = min(self.end + max(lead, (gap - span) / 2), self.end + gap - SPACE - span)
        for number, line in enumerate(tracks):
            self.x[line] = start + number * SPACE
        self.end += gap

    def _gap(self, column: int, count: int, span: float) -> tuple[float, float]:
        """Return where the first track of a gap may lie, and how wide the gap is."""
        if column < 0:
            return 16, _MARGIN + SPACE * count
        # The answer begins at the corner of the gateway, inside the column.
        label = self.label.get(column, 0)
        lead = max(16, label + 8 - max(0, (self.width[column] - 50) / 2)) if label else 16
        gap = max(_GAP, lead + span + _LAST_SEGMENT) if count else max(_GAP, lead + 12)
        return lead, max(gap - 20, _MARGIN) if column == self.grid.columns - 1 else gap


class _Down:
    """Where the level lines come to lie: ``y`` by index of the line, ``lanes`` by id as (top, bottom)."""

    def __init__(self, graph: Graph, grid: Grid, tracks: Tracks, routes: Mapping[str, Route]) -> None:
        self.graph, self.grid, self.tracks = graph, grid, tracks
        _, self.used = _used_tracks(routes, tracks)
        self.height = self._heights()
        self.boundary_rows = {(grid.row[graph.nodes[id].host], each.edge) for id, each in grid.hanging.items()}
        self.y: dict[int, float] = {}
        self.lanes: dict[str | None, tuple[float, float]] = {}
        self.end: float = 0
        self._top: float = 0
        self._set()

    def _heights(self) -> dict[int, float]:
        heights = dict.fromkeys(range(self.grid.rows), 0.0)
        for id, row in self.grid.row.items():
            heights[row] = max(heights[row], self.graph.nodes[id].size[1])
        return {row: max(height, _LOW_ROW) + (_LOW_ROW_LABEL if height < 80 else 0) for row, height in heights.items()}

    def _set(self) -> None:
        for row in range(-1, self.grid.rows):
            if self.grid.is_border(row):
                self._set_border(row)
            else:
                self._set_gap(row)
            if row + 1 < self.grid.rows:
                self.y[self.tracks.rows[row + 1]] = self.end + self.height[row + 1] / 2
                self.end += self.height[row + 1]

    def _set_gap(self, row: int) -> None:
        """Set the gap between two rows of a lane."""
        tracks = self.used.get(row, [])
        span = SPACE * (len(tracks) - 1) if tracks else 0
        below = self._room(row, 1, tracks) if (row, 1) in self.boundary_rows else _PADDING
        above = self._room(row + 1, -1, tracks) if (row + 1, -1) in self.boundary_rows else 12
        gap = max(_ROW_GAP, below + above) + span
        self._put(tracks, self.end + below + (gap - span - below - above) / 2)
        self.end += gap

    def _set_border(self, row: int) -> None:
        """Set the end of one lane and the beginning of the next, half of the tracks on either side."""
        above, below = self._sides(row)
        if row >= 0:
            padding = self._room(row, 1, above)
            self._put(above, self.end + padding)
            self._close_lane(row, self.end + padding + (SPACE * len(above) + 2 if above else 0))
        if row < self.grid.rows - 1:
            self._top = self.end
            self._put(below, self.end + SPACE)
            self.end += self._room(row + 1, -1, below) + SPACE * len(below)

    def _room(self, row: int, edge: int, tracks: list[int]) -> int:
        """Return the free room above (-1) or below (1) the shapes of a row, where some flows run past it or none."""
        if (row, edge) not in self.boundary_rows:
            return _PADDING
        return _BOUNDARY + (_BOUNDARY_NAME if tracks else 0)

    def _sides(self, row: int) -> tuple[list[int], list[int]]:
        tracks = self.used.get(row, [])
        if row < 0:
            return [], tracks
        if row == self.grid.rows - 1:
            return tracks, []
        half = self.tracks.per_gap // 2
        above = [line for line in tracks if self.tracks.levels[line].track < half]
        return above, tracks[len(above) :]

    def _close_lane(self, row: int, end: float) -> None:
        lane = self.grid.lane_rows[row][0]
        name = next((each.name for each in self.graph.lanes if each.id == lane), "")
        # The name of a lane stands upright in its header, on one line.
        self.end = max(end, self._top + _LANE_LETTER * len(name) + 12)
        self.lanes[lane] = (self._top, self.end)

    def _put(self, tracks: list[int], start: float) -> None:
        for number, line in enumerate(tracks):
            self.y[line] = start + number * SPACE


class _Sheet:
    """Draws shapes and flows at the lines found."""

    def __init__(self, graph: Graph, grid: Grid, tracks: Tracks, across: _Across, down: _Down) -> None:
        self.graph, self.grid, self.tracks = graph, grid, tracks
        self.across, self.down = across, down

    def draw(self, routes: Mapping[str, Route], picture: Picture) -> None:
        self._draw_frames(picture)
        for node in self.graph.standing:
            x, y = self.tracks.middle(node.id)
            picture.boxes[node.id] = _around(self._pixels((x, y)), node.size)
        for id, each in self.grid.hanging.items():
            host = picture.boxes[self.graph.nodes[id].host]
            centre = (host.centre[0] + _PORT * each.side, host.bottom if each.edge > 0 else host.y)
            picture.boxes[id] = _around(centre, self.graph.nodes[id].size)
        for flow in self.graph.flows:
            if flow.id in routes:
                picture.ways[flow.id] = self._way(flow, routes[flow.id], picture)

    def _draw_frames(self, picture: Picture) -> None:
        left = HEADER if self.graph.pool else 0
        x, y = ORIGIN
        if self.graph.pool:
            picture.boxes[self.graph.pool.id] = Box(x, y, round(self.across.end), round(self.down.end))
        for lane, (top, bottom) in self.down.lanes.items():
            if lane is not None:
                picture.boxes[lane] = Box(
                    x + left, y + round(top), round(self.across.end) - left, round(bottom) - round(top)
                )

    def _pixels(self, point: tuple[int, int]) -> Point:
        return round(self.across.x[point[0]]) + ORIGIN[0], round(self.down.y[point[1]]) + ORIGIN[1]

    def _way(self, flow: Flow, route: Route, picture: Picture) -> list[Point]:
        way = [self._pixels(corner) for corner in route.corners]
        boundary = bool(self.graph.nodes[flow.source].host)
        source = picture.boxes[flow.source if boundary else route.leaves.node]
        way[0] = _border(way[0], way[1], source)
        way[-1] = _border(way[-1], way[-2], picture.boxes[flow.target])
        return way


def _around(centre: Point, size: tuple[int, int]) -> Box:
    return Box(round(centre[0] - size[0] / 2), round(centre[1] - size[1] / 2), *size)


def _border(inside: Point, outside: Point, box: Box) -> Point:
    """Return where a line from inside a box to a point outside leaves it."""
    if inside[0] == outside[0]:
        return inside[0], box.bottom if outside[1] > inside[1] else box.y
    return (box.right if outside[0] > inside[0] else box.x), inside[1]
