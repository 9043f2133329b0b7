"""How good a picture is, measured from the file alone: faults by place, penalties by cause, one score.

The gates and weights are those that human drawings of the interchange reference models pass (median 86).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from engine.bpmn.layout.course import Course, read_course
from engine.bpmn.layout.geometry import Box, around
from engine.bpmn.layout.graph import Graph
from engine.bpmn.layout.measures import Measures, label_boxes
from engine.bpmn.layout.picture import Picture

#: usable width and height in mm, a title band left free
SHEETS = {"A3": (400, 270), "A2": (574, 393), "A1": (821, 567)}
#: pixels; size of the text in shapes
TEXT = 14
#: mm; below this a wall sheet cannot be read
LEGIBLE = 2.5
#: mm; what a wall sheet should have
COMFORTABLE = 3.0
#: the least score that passes, and the least without a reminder
LEAST, GOOD = 80, 85
MOST_CROSSINGS = 0.08
MOST_BENDS, MOST_BENDS_IN_ONE = 0.8, 4
HARD = ("layout-overlap", "layout-through-shape", "layout-shared-line", "layout-out-of-lane")


@dataclass(frozen=True)
class Fault:
    """One thing wrong at one place of a picture."""

    #: id of the lint rule
    rule: str
    #: id of the element it is said of
    element: str
    #: the other element it has to do with, "" when there is none
    other: str = ""
    #: measured and allowed, where the fault is about a number
    value: float = 0
    limit: float = 0


@dataclass(frozen=True)
class Quality:
    """What one picture is worth."""

    score: float
    #: cause → points taken off
    penalties: Mapping[str, float]
    faults: tuple[Fault, ...]
    #: mm; height of a character on A3
    character: float
    #: the smallest sheet it is legible on, "" when on none
    sheet: str

    @property
    def passes(self) -> bool:
        """No gate is failed."""
        return not self.faults and self.score >= LEAST

    @property
    def is_sound(self) -> bool:
        """No fault that hides something."""
        return not any(fault.rule in HARD for fault in self.faults)


def rate(graph: Graph, picture: Picture, sheet: str = "A3", course: Course | None = None) -> Quality:
    """Measure a picture of a graph; the score is always taken on A3, legibility on ``sheet``."""
    measures = Measures.take(graph, picture, course or read_course(graph))
    extent = _extent(graph, picture)
    character = _character(extent, "A3")
    penalties = {name: points for name, points in _penalties(measures, extent, character) if points > 0.05}
    faults = [*_faults(measures)]
    if _character(extent, sheet) < LEGIBLE:
        faults.append(Fault("layout-too-wide", picture.plane, sheet, round(_character(extent, sheet), 1), LEGIBLE))
    fitting = (name for name in SHEETS if _character(extent, name) >= LEGIBLE)
    score = round(max(0.0, 100 - sum(penalties.values())), 1)
    return Quality(score, penalties, tuple(faults), round(character, 2), next(fitting, ""))


def _extent(graph: Graph, picture: Picture) -> Box:
    points = [Box(x, y, 0, 0) for way in picture.ways.values() for x, y in way]
    return around([*picture.boxes.values(), *label_boxes(graph, picture).values(), *points])


def _character(extent: Box, sheet: str) -> float:
    width, height = SHEETS[sheet]
    return TEXT * min(width / max(extent.width, 1), height / max(extent.height, 1))


def _penalties(found: Measures, extent: Box, character: float) -> Iterable[tuple[str, float]]:
    flows, labels = max(found.flows, 1), max(found.labels, 1)
    yield "hard", 25.0 * sum(len(found.faults[rule]) for rule in HARD)
    yield "slanted", min(15, 60 * found.slanted_segments / flows)
    yield "labels", min(30, 100 * len(found.faults["layout-label"]) / labels)
    yield "backward", min(20, 100 * len(found.faults["layout-backward"]) / flows)
    yield "crossings", min(30, 40 * len(found.faults["layout-crossing"]) / flows)
    yield "bends", 10 * max(0, found.mean_bends - 0.3)
    yield "most-bends", 1.5 * max(0, found.most_bends - 3)
    yield "happy-path", 10 * (1 - found.straight_share) + 4 * max(0, found.happy_bends - 0.5)
    yield "print", min(20, 8 * max(0, COMFORTABLE - character))
    yield "empty", min(10, 120 * max(0, 0.10 - found.filled / max(extent.width * extent.height, 1)))
    yield "length", min(8, max(0, (found.mean_length - 160) / 25))


def _faults(found: Measures) -> Iterable[Fault]:
    for rule, pairs in found.faults.items():
        if rule != "layout-crossing":
            yield from (Fault(rule, one, other) for one, other in pairs)
    crossings = found.faults["layout-crossing"]
    if len(crossings) > MOST_CROSSINGS * found.flows:
        yield from (Fault("layout-crossing", one, other) for one, other in crossings)
    if found.mean_bends > MOST_BENDS:
        yield Fault("layout-bends", found.plane, "", round(found.mean_bends, 1), MOST_BENDS)
    for flow, bends in found.bends.items():
        if bends > MOST_BENDS_IN_ONE:
            yield Fault("layout-bends", flow, "", bends, MOST_BENDS_IN_ONE)
