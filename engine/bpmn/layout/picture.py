"""The picture of a diagram as it lies in the file: bounds, corners and labels by element id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from lxml import etree

from engine.bpmn.document import BPMNDI, DC, DI
from engine.bpmn.layout.geometry import Box, Point
from engine.bpmn.layout.graph import Graph


@dataclass
class Picture:
    """One BPMNDiagram; a new one holds nothing."""

    #: id of the process, collaboration or sub-process it shows
    plane: str = ""
    line: int = 1
    boxes: dict[str, Box] = field(default_factory=dict)
    ways: dict[str, list[Point]] = field(default_factory=dict)
    labels: dict[str, Box] = field(default_factory=dict)
    #: shapes drawn open, with their contents inside
    expanded: frozenset[str] = frozenset()
    #: pools and lanes that stand upright
    upright: frozenset[str] = frozenset()
    #: element id → id of its shape or edge; "" stands for the diagram itself, "plane" for its plane
    own_ids: Mapping[str, str] = field(default_factory=dict)

    def rounded(self) -> Picture:
        """Return the same picture in whole pixels."""
        return replace(
            self,
            boxes={id: Box(*map(round, box)) for id, box in self.boxes.items()},
            ways={id: [(round(x), round(y)) for x, y in way] for id, way in self.ways.items()},
            labels={id: Box(*map(round, box)) for id, box in self.labels.items()},
        )


def is_complete(graph: Graph, picture: Picture) -> bool:
    """Say whether everything is drawn, and every name outside a shape has a place of its own."""
    frames = [frame.id for frame in (*graph.lanes, *([graph.pool] if graph.pool else []))]
    named = [each.id for each in (*graph.nodes.values(), *graph.flows) if each.name and getattr(each, "is_small", True)]
    return (
        picture.boxes.keys() >= {*frames, *graph.nodes}
        and picture.ways.keys() >= {flow.id for flow in graph.flows}
        and picture.labels.keys() >= set(named)
    )


def read_pictures(root: etree._Element) -> list[Picture]:
    """Return the pictures of a file in their order; what is no number or refers to nothing is left out."""
    return [_read(diagram) for diagram in root.iterchildren(f"{{{BPMNDI}}}BPMNDiagram")]


def _read(diagram: etree._Element) -> Picture:
    planes = list(diagram.iterchildren(f"{{{BPMNDI}}}BPMNPlane"))
    picture = Picture(_shown(planes[0]) if planes else "", diagram.sourceline or 1)
    own_ids = {"": diagram.get("id", ""), "plane": planes[0].get("id", "") if planes else ""}
    expanded, upright = set(), set()
    for drawn in (each for plane in planes for each in plane.iterchildren(etree.Element)):
        id = _shown(drawn)
        if drawn.tag == f"{{{BPMNDI}}}BPMNShape":
            _read_shape(picture, id, drawn)
            expanded.update([id] if drawn.get("isExpanded") == "true" else ())
            upright.update([id] if drawn.get("isHorizontal") == "false" else ())
        elif drawn.tag == f"{{{BPMNDI}}}BPMNEdge":
            _read_edge(picture, id, drawn)
        own_ids[id] = drawn.get("id", "")
    picture.expanded, picture.upright, picture.own_ids = frozenset(expanded), frozenset(upright), own_ids
    return picture


def _read_shape(picture: Picture, id: str, shape: etree._Element) -> None:
    box = _bounds(shape)
    if id and box is not None:
        picture.boxes[id] = box
        _read_label(picture, id, shape)


def _read_edge(picture: Picture, id: str, edge: etree._Element) -> None:
    points = [_point(each) for each in edge.iterchildren(f"{{{DI}}}waypoint")]
    if id and len(points) > 1 and None not in points:
        picture.ways[id] = points
        _read_label(picture, id, edge)


def _read_label(picture: Picture, id: str, drawn: etree._Element) -> None:
    for label in drawn.iterchildren(f"{{{BPMNDI}}}BPMNLabel"):
        box = _bounds(label)
        if box is not None:
            picture.labels[id] = box


def _bounds(element: etree._Element) -> Box | None:
    for bounds in element.iterchildren(f"{{{DC}}}Bounds"):
        numbers = _numbers(bounds, "x", "y", "width", "height")
        if numbers is not None and numbers[2] >= 0 and numbers[3] >= 0:
            return Box(*numbers)
    return None


def _point(element: etree._Element) -> Point | None:
    numbers = _numbers(element, "x", "y")
    return None if numbers is None else (numbers[0], numbers[1])


def _numbers(element: etree._Element, *names: str) -> list[float] | None:
    try:
        numbers = [float(element.get(name, "")) for name in names]
    except ValueError:
        return None
    # Beyond a million pixels nothing is drawn any more; this also leaves out what is no number at all.
    return numbers if all(abs(number) < 1e6 for number in numbers) else None


def _shown(drawn: etree._Element) -> str:
    return drawn.get("bpmnElement", "").rpartition(":")[2]
