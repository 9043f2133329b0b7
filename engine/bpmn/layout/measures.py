"""What can be measured in a picture: what lies on what, and how the flows run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from engine.bpmn.layout.course import Course
from engine.bpmn.layout.geometry import (
    Box,
    Point,
    Segment,
    cross,
    enters,
    neighbours,
    overlap,
    segments,
    shared_length,
    simplified,
)
from engine.bpmn.layout.graph import Flow, Graph
from engine.bpmn.layout.lettering import DEFAULT_WIDTH, drawn_size
from engine.bpmn.layout.picture import Picture

Pair = tuple[str, str]
#: pixels on which two flows may lie on each other
_SHARED = 12
#: pixels that a segment may lie off its axis
_SLANT = 2
#: every rule about what lies where, in the order in which people should mend
RULES = (
    "layout-overlap",
    "layout-through-shape",
    "layout-shared-line",
    "layout-out-of-lane",
    "layout-label",
    "layout-slanted",
    "layout-backward",
    "layout-happy-path",
    "layout-crossing",
)


@dataclass
class Measures:
    """Counts and places of one picture; the pairs of a rule are (element, other element or "")."""

    plane: str
    flows: int
    labels: int
    faults: dict[str, list[Pair]] = field(default_factory=lambda: {rule: [] for rule in RULES})
    slanted_segments: int = 0
    #: flow id → its bends
    bends: dict[str, int] = field(default_factory=dict)
    mean_length: float = 0
    #: share of the happy flows inside a lane that run straight
    straight_share: float = 1
    #: mean bends of the happy flows
    happy_bends: float = 0
    #: square pixels covered by shapes
    filled: float = 0

    @property
    def mean_bends(self) -> float:
        return sum(self.bends.values()) / max(len(self.bends), 1)

    @property
    def most_bends(self) -> int:
        return max(self.bends.values(), default=0)

    @classmethod
    def take(cls, graph: Graph, picture: Picture, course: Course) -> Measures:
        return _Ruler(graph, picture, course).measure()


def label_boxes(graph: Graph, picture: Picture) -> dict[str, Box]:
    """Return where the viewer writes the names that stand outside: id → box of the text itself."""
    boxes = {}
    for node in graph.nodes.values():
        if node.is_small and node.name and node.id in picture.boxes:
            x, y, width, height = picture.boxes[node.id]
            boxes[node.id] = _text_box(node.name, picture.labels.get(node.id), (x + width / 2, y + height + 5))
    for flow in graph.flows:
        if flow.name and flow.id in picture.ways:
            boxes[flow.id] = _text_box(flow.name, picture.labels.get(flow.id), _middle(picture.ways[flow.id]))
    return boxes


def _text_box(text: str, bounds: Box | None, anchor: Point) -> Box:
    """Return the text inside its bounds, centred as it is drawn; without bounds below ``anchor``."""
    if bounds is None:
        width, height = drawn_size(text, DEFAULT_WIDTH)
        return Box(anchor[0] - width / 2, anchor[1], width, height)
    width, height = drawn_size(text, bounds.width)
    return Box(bounds.x + (bounds.width - width) / 2, bounds.y, width, height)


def _middle(way: list[Point]) -> Point:
    at = (len(way) - 1) // 2
    (x, y), (x2, y2) = way[at], way[at + 1]
    return (x + x2) / 2, (y + y2) / 2 - 18


class _Ruler:
    """Measures one picture; everything that is drawn is laid out once as named boxes."""

    def __init__(self, graph: Graph, picture: Picture, course: Course) -> None:
        self.graph = graph
        self.picture = picture
        self.course = course
        self.box: Mapping[str, Box] = {id: picture.boxes[id] for id in graph.nodes if id in picture.boxes}
        self.flows = [flow for flow in graph.flows if self._is_drawn(flow)]
        self.way = {flow.id: simplified(picture.ways[flow.id]) for flow in self.flows}
        self.ends = {flow.id: (flow.source, flow.target) for flow in self.flows}
        self.labels = label_boxes(graph, picture)
        self.shapes = [(id, box) for id, box in self.box.items() if id not in picture.expanded]
        self.pieces = [((flow.id, each), each.box) for flow in self.flows for each in segments(self.way[flow.id])]
        self.found = Measures(picture.plane, len(self.flows), len(self.labels))

    def _is_drawn(self, flow: Flow) -> bool:
        return flow.id in self.picture.ways and flow.source in self.box and flow.target in self.box

    def measure(self) -> Measures:
        found = self.found
        for rule, pairs in {
            "layout-overlap": self._overlaps(),
            "layout-through-shape": self._through_shapes(),
            "layout-out-of-lane": self._out_of_lane(),
            "layout-label": self._label_hits(),
            "layout-slanted": self._slanted(),
            "layout-backward": self._backward(),
        }.items():
            found.faults[rule] = sorted(set(pairs))
        self._meetings()
        self._happy_path()
        found.bends = {id: max(len(way) - 2, 0) for id, way in self.way.items()}
        lengths = [math.dist(*piece) for (_, piece), _ in self.pieces]
        found.mean_length = sum(lengths) / max(len(self.flows), 1)
        found.filled = sum(box.width * box.height for _, box in self.shapes)
        return found

    def _overlaps(self) -> Iterator[Pair]:
        node = self.graph.nodes
        for one, other in neighbours(self.shapes, self.shapes):
            attached = node[one].host == other or node[other].host == one
            if one < other and not attached and overlap(self.box[one], self.box[other]):
                yield one, other

    def _through_shapes(self) -> Iterator[Pair]:
        for (flow, piece), id in neighbours(self.pieces, [(id, box) for id, box in self.shapes]):
            # An arrow touches its own ends; it may not run back through them.
            margin = 3 if id in self.ends[flow] else 1
            if not self._belong_together(id, flow) and enters(piece, self.box[id], margin):
                yield flow, id

    def _belong_together(self, id: str, flow: str) -> bool:
        """Say whether a shape is fixed to an end of a flow, so that both meet at its border."""
        nodes = self.graph.nodes
        return any(nodes[id].host == end or nodes[end].host == id for end in self.ends[flow])

    def _meetings(self) -> None:
        """Find where two flows cross or run on the same line."""
        crossings: list[Pair] = []
        shared: set[Pair] = set()
        for (one, piece), (other, second) in neighbours(self.pieces, self.pieces):
            if one >= other:
                continue
            if cross(piece, second):
                crossings.append((one, other))
            elif shared_length(piece, second) > _SHARED and not self._arrive_together(one, piece, other, second):
                shared.add((one, other))
        self.found.faults["layout-crossing"] = sorted(crossings)
        self.found.faults["layout-shared-line"] = sorted(shared)

    def _arrive_together(self, one: str, piece: Segment, other: str, second: Segment) -> bool:
        """Two flows may come into the same node on one line: it reads as a join."""
        same = self.ends[one][1] == self.ends[other][1]
        return same and piece.end == self.way[one][-1] and second.end == self.way[other][-1]

    def _out_of_lane(self) -> Iterator[Pair]:
        for node in self.graph.standing:
            lane = self.picture.boxes.get(node.lane or "")
            box = self.box.get(node.id)
            if lane is None or box is None:
                continue
            inside = lane.x <= box.centre[0] <= lane.right and lane.y - 1 <= box.y and box.bottom <= lane.bottom + 1
            if node.lane in self.picture.upright:
                inside = lane.y <= box.centre[1] <= lane.bottom and lane.x - 1 <= box.x and box.right <= lane.right + 1
            if not inside:
                yield node.id, node.lane or ""

    def _label_hits(self) -> Iterator[Pair]:
        labels = list(self.labels.items())
        for one, other in neighbours(labels, labels):
            if one < other and overlap(self.labels[one], self.labels[other], 1):
                yield one, other
        for one, id in neighbours(labels, self.shapes):
            if one != id and self.graph.nodes[id].host != one and overlap(self.labels[one], self.box[id], 2):
                yield one, id
        for one, (flow, piece) in neighbours(labels, self.pieces):
            if enters(piece, self.labels[one], 1):
                yield one, flow

    def _slanted(self) -> Iterator[Pair]:
        for (flow, (start, end)), _ in self.pieces:
            if min(abs(start[0] - end[0]), abs(start[1] - end[1])) > _SLANT:
                self.found.slanted_segments += 1
                yield flow, ""

    def _backward(self) -> Iterator[Pair]:
        if self.picture.upright:
            return
        for flow in self.flows:
            back = self.box[flow.target].centre[0] < self.box[flow.source].centre[0] - 30
            if back and flow.id not in self.course.loops:
                yield flow.id, ""

    def _happy_path(self) -> None:
        happy = [id for id in self.course.happy_flows if id in self.way]
        inside = [id for id in happy if self._lane(self.ends[id][0]) == self._lane(self.ends[id][1])]
        bent = [id for id in inside if len(self.way[id]) > 2]
        self.found.faults["layout-happy-path"] = [(id, "") for id in bent]
        self.found.straight_share = 1 - len(bent) / max(len(inside), 1)
        self.found.happy_bends = sum(len(self.way[id]) - 2 for id in happy) / max(len(happy), 1)

    def _lane(self, id: str) -> str | None:
        return self.graph.nodes[id].lane
