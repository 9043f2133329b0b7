"""Where the names outside the shapes stand: each takes the cheapest of its candidate places."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from engine.bpmn.layout.cells import Grid, Hanging
from engine.bpmn.layout.geometry import Box, Point, segments
from engine.bpmn.layout.graph import Flow, Graph, Node
from engine.bpmn.layout.lettering import text_size
from engine.bpmn.layout.picture import Picture
from engine.bpmn.layout.squeeze import HEADER

#: a place with what it costs by itself
Candidate = tuple[float, Box]

#: what lies under a label costs: a flow, a shape, a label, the border of a lane, the header of the pool
_FLOW, _SHAPE, _LABEL, _BORDER, _HEADER = 100, 150, 120, 60, 100
#: line widths a name may be wrapped at, with what a narrower one costs
_NODE_WIDTHS = ((84, 0), (64, 6), (50, 14))
_FLOW_WIDTHS = ((84, 0), (50, 10))
#: rounds in which every label may choose again
_ROUNDS = 2


def place_names(graph: Graph, grid: Grid, picture: Picture) -> None:
    """Write the names of events, gateways and flows beside what they belong to."""
    wanted: dict[str, list[Candidate]] = {}
    for node in graph.nodes.values():
        if node.is_small and node.name:
            wanted[node.id] = list(_beside_node(node, picture.boxes[node.id], grid.hanging.get(node.id)))
    for flow in graph.flows:
        if flow.name and flow.id in picture.ways:
            wanted[flow.id] = list(_beside_flow(flow, picture.ways[flow.id]))
    table = _Table(graph, picture)
    for _ in range(_ROUNDS):
        for id, candidates in wanted.items():
            picture.labels.pop(id, None)
            picture.labels[id] = table.cheapest(id, candidates, picture.labels)


class _Table:
    """What lies in a picture, to be asked how much of it a label would cover."""

    def __init__(self, graph: Graph, picture: Picture) -> None:
        self.flows = [
            Box(box.x - 2, box.y - 1, box.width + 4, box.height + 2)
            for way in picture.ways.values()
            for box in (segment.box for segment in segments(way))
        ]
        self.shapes = [(id, picture.boxes[id]) for id in graph.nodes]
        lanes = [picture.boxes[lane.id] for lane in graph.lanes]
        self.borders = [Box(lane.x, y, lane.width, 0) for lane in lanes for y in (lane.y, lane.bottom)]
        frames = [picture.boxes[graph.pool.id]] if graph.pool else []
        self.headers = [Box(frame.x, frame.y, HEADER, frame.height) for frame in (*frames, *lanes)]

    def cheapest(self, id: str, candidates: Iterable[Candidate], labels: dict[str, Box]) -> Box:
        """Return the best place; the earlier of two that are equally good."""
        rounded = [(price, Box(*map(round, box))) for price, box in candidates]
        reach = _reach([box for _, box in rounded])
        near = _Near(self, id, reach, labels)
        return min(rounded, key=lambda each: each[0] + near.cost(each[1]))[1]


class _Near:
    """The part of a table around one label."""

    def __init__(self, table: _Table, id: str, reach: Box, labels: dict[str, Box]) -> None:
        self.priced: list[tuple[int, Box]] = [
            *((_FLOW, box) for box in table.flows if _meet(box, reach)),
            *((_SHAPE, _grown(box, -3 if own == id else 2)) for own, box in table.shapes if _meet(box, reach)),
            *((_LABEL, _grown(box, 2)) for own, box in labels.items() if own != id and _meet(box, reach)),
            *((_BORDER, box) for box in table.borders if _meet(box, reach)),
            *((_HEADER, box) for box in table.headers if _meet(box, reach)),
        ]

    def cost(self, label: Box) -> int:
        return sum(price for price, box in self.priced if _meet(label, box))


def _meet(one: Box, other: Box) -> bool:
    """Say whether two boxes share more than a border; one without width or height may lie inside the other."""
    left, top, width, height = one
    x, y, other_width, other_height = other
    return left < x + other_width and x < left + width and top < y + other_height and y < top + height


def _grown(box: Box, by: float) -> Box:
    return Box(box.x - by, box.y - by, box.width + 2 * by, box.height + 2 * by)


def _reach(boxes: list[Box]) -> Box:
    left, top = min(box.x for box in boxes) - 4, min(box.y for box in boxes) - 4
    return Box(left, top, max(box.right for box in boxes) + 4 - left, max(box.bottom for box in boxes) + 4 - top)


# --- candidates -----------------------------------------------------------------------------------------------------


def _beside_node(node: Node, box: Box, hanging: Hanging | None) -> Iterator[Candidate]:
    for wrap, extra in _NODE_WIDTHS:
        width, height = text_size(node.name, wrap)
        if node.is_gateway:
            places = _beside_gateway(box, width, height)
        elif hanging:
            places = _beside_boundary(box.centre, width, height, hanging.edge)
        else:
            places = _beside_event(box, width, height)
        for price, (x, y) in places:
            yield price + extra, Box(x, y, width, height)


def _beside_gateway(box: Box, width: float, height: float) -> list[tuple[float, Point]]:
    """Above, else below, else in a free corner of the diamond."""
    x, y = box.centre[0], box.y
    return [
        (0, (x - width / 2, y - height - 4)),
        (3, (x - width - 7, y - height + 8)),
        (4, (x + 7, y - height + 8)),
        (5, (x - width / 2, box.bottom + 4)),
        (6, (x - width - 7, box.bottom - 8)),
        (7, (x + 7, box.bottom - 8)),
        (9, (x - width - 12, y - height + 2)),
    ]


def _beside_boundary(centre: Point, width: float, height: float, edge: int) -> list[tuple[float, Point]]:
    """Beside the stem, outside the activity."""
    x, y = centre
    near, far = (20, 4) if edge > 0 else (-20 - height, -4 - height)
    return [
        (0, (x - width - 8, y + near)),
        (2, (x + 8, y + near)),
        (4, (x + 20, y + far)),
        (6, (x - width - 20, y + far)),
    ]


def _beside_event(box: Box, width: float, height: float) -> list[tuple[float, Point]]:
    x, y = box.centre
    return [
        (0, (x - width / 2, box.bottom + 4)),
        (5, (x - width / 2, box.y - height - 4)),
        (7, (box.right + 5, y - height / 2)),
        (9, (box.x - width - 5, y - height / 2)),
        (8, (box.right + 2, box.bottom - 4)),
        (6, (x - width - 4, box.bottom + 4)),
        (6, (x + 4, box.bottom + 4)),
    ]


def _beside_flow(flow: Flow, way: list[Point]) -> Iterator[Candidate]:
    """At the first segment if there is room: above a level line, right of an upright one."""
    for wrap, extra in _FLOW_WIDTHS:
        width, height = text_size(flow.name, wrap)
        for number, (start, end) in enumerate(segments(way)):
            price = 25 * number + extra
            if start[1] == end[1]:
                places = _along_level(start, end, width, height)
            else:
                places = _along_upright(start, end, width, height)
            for more, (x, y) in places:
                yield price + more, Box(x, y, width, height)


def _along_level(start: Point, end: Point, width: float, height: float) -> Iterator[tuple[float, Point]]:
    length = abs(end[0] - start[0])
    for offset in (4, 12, (length - width) / 2):
        x = start[0] + offset if end[0] > start[0] else start[0] - offset - width
        price = max(0, offset + width + 2 - length) + 0.1 * offset
        yield price, (x, start[1] - height - 1)
        yield price + 2, (x, start[1] + 3)


def _along_upright(start: Point, end: Point, width: float, height: float) -> Iterator[tuple[float, Point]]:
    length = abs(end[1] - start[1])
    for offset in (3, 10, (length - height) / 2):
        y = start[1] + offset if end[1] > start[1] else start[1] - offset - height
        yield 0.1 * offset, (start[0] + 4, y)
        yield 0.1 * offset + 1, (start[0] - width - 4, y)
