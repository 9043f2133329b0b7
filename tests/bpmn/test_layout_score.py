"""What the score and the rules of the picture notice: damage lowers it, each rule finds its fault and no other."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from engine.bpmn.layout.geometry import Box, Segment, cross, enters, neighbours, overlap, shared_length, simplified
from engine.bpmn.layout.graph import Graph
from engine.bpmn.layout.picture import Picture
from engine.bpmn.layout.quality import HARD
from engine.bpmn.lint import RULES, World
from engine.bpmn.package import read_files
from engine.bpmn.rules.subject import Diagram, Place, Subject
from engine.bpmn.tidy import LAYOUT_RULES
from tests.bpmn.pictures import drawn, moved, quality_of, spoilt

ROOT = Path(__file__).resolve().parents[2]
SEAL_USE = (ROOT / "processes" / "E01_seal_use" / "seal_use.bpmn").read_bytes()
CORPORA = ROOT.parent / "shared" / "corpora"

Change = Callable[[Graph, Picture], None]


def said(data: bytes, rule: str, sheet: str = "A3") -> list[Place]:
    """Return what one rule says of a file."""
    subject = Subject.read(read_files("trial", "", {"trial.bpmn": data}), World({}, {}, {}, {}))
    diagram: Diagram = subject.diagrams[0]
    diagram.sheet = sheet
    return list(RULES[rule].check(diagram))


# --- one fault for each rule ----------------------------------------------------------------------------------------


def covers_another(graph: Graph, picture: Picture) -> None:
    picture.boxes["Task_stamp"] = moved(picture.boxes["Task_approve"], 30, 30)


def runs_through(graph: Graph, picture: Picture) -> None:
    (x, y), (x2, _) = picture.boxes["Start_apply"].centre, picture.boxes["Gateway_complete"].centre
    y2 = picture.boxes["Task_register"].centre[1]
    picture.ways["Flow_apply_register"] = [(x, y), (x, y2), (x2 + 60, y2)]


def shares_a_line(graph: Graph, picture: Picture) -> None:
    picture.ways["Flow_agreed_stamp"] = picture.ways["Flow_agreed_refused"]


def leaves_its_lane(graph: Graph, picture: Picture) -> None:
    lane = picture.boxes["Lane_applicant"]
    picture.boxes["Task_stamp"] = moved(picture.boxes["Task_stamp"], 0, lane.y - picture.boxes["Task_stamp"].y)


def hides_a_name(graph: Graph, picture: Picture) -> None:
    picture.labels["Gateway_complete"] = moved(picture.boxes["Task_register"], 10, 10)


def slants(graph: Graph, picture: Picture) -> None:
    picture.ways["Flow_approve_agreed"] = [
        picture.boxes["Task_approve"].centre,
        (picture.boxes["Gateway_agreed"].x, picture.boxes["Gateway_agreed"].y),
    ]


def leads_back(graph: Graph, picture: Picture) -> None:
    x = picture.boxes["Task_register"].x - picture.boxes["Task_stamp"].x
    for id in ("Task_stamp", "End_done"):
        picture.boxes[id] = moved(picture.boxes[id], x)


def bends_the_happy_path(graph: Graph, picture: Picture) -> None:
    start, end = picture.ways["Flow_approve_agreed"][0], picture.ways["Flow_approve_agreed"][-1]
    middle = (start[0] + end[0]) / 2
    picture.ways["Flow_approve_agreed"] = [start, (middle, start[1]), (middle, end[1] + 20), (end[0], end[1] + 20)]


def crosses(graph: Graph, picture: Picture) -> None:
    x, y = picture.ways["Flow_approve_agreed"][0]
    picture.ways["Flow_register_complete"] = [(x + 10, y - 60), (x + 10, y + 60)]


def bends_often(graph: Graph, picture: Picture) -> None:
    x, y = picture.boxes["End_done"].right, picture.boxes["End_done"].bottom
    stairs = [(x + 10 * ((step + 1) // 2), y + 10 * (step // 2)) for step in range(8)]
    picture.ways["Flow_stamp_done"] = stairs


def is_too_wide(graph: Graph, picture: Picture) -> None:
    picture.boxes["Participant_trial"] = Box(0, 0, 3000, 500)


INVALID: Mapping[str, Change] = {
    "layout-overlap": covers_another,
    "layout-through-shape": runs_through,
    "layout-shared-line": shares_a_line,
    "layout-out-of-lane": leaves_its_lane,
    "layout-label": hides_a_name,
    "layout-slanted": slants,
    "layout-backward": leads_back,
    "layout-happy-path": bends_the_happy_path,
    "layout-crossing": crosses,
    "layout-bends": bends_often,
    "layout-too-wide": is_too_wide,
}


def test_every_rule_has_its_fault():
    assert {rule.id for rule in LAYOUT_RULES} == {*INVALID, "layout-unsupported"}
    assert set(HARD) <= set(INVALID)


@pytest.mark.parametrize("rule", INVALID)
def test_a_good_picture_has_no_fault(rule):
    assert said(drawn(), rule) == []


@pytest.mark.parametrize("rule", INVALID)
def test_a_fault_is_found_where_it_is(rule):
    data = spoilt(drawn(), INVALID[rule])
    places = said(data, rule)
    assert places
    for place in places:
        line = data.decode().splitlines()[place.line - 1]
        assert place.line > 1 and place.element in line
        assert "〈" in place.message or rule in ("layout-bends", "layout-too-wide")
        assert place.message.endswith("。") and place.hint.startswith("请")


def test_a_sheet_that_is_too_small_is_named_with_the_one_that_will_do():
    wide = spoilt(drawn(), is_too_wide)
    (place,) = said(wide, "layout-too-wide")
    assert "印在 A3 纸上" in place.message and "A2" in place.hint
    assert said(wide, "layout-too-wide", sheet="A2") == []


def test_what_cannot_be_laid_out_is_said_as_a_note():
    noted = drawn().replace(b"  </bpmn:process>", b'    <bpmn:textAnnotation id="Note_1" />\n  </bpmn:process>')
    (place,) = said(noted, "layout-unsupported")
    assert place.element == "Note_1" and RULES["layout-unsupported"].severity == "info"
    assert said(drawn(), "layout-unsupported") == []


# --- damage ---------------------------------------------------------------------------------------------------------


def without_labels(graph: Graph, picture: Picture) -> None:
    picture.labels.clear()


def with_one_shape_moved(graph: Graph, picture: Picture) -> None:
    picture.boxes["Task_compare"] = moved(picture.boxes["Task_compare"], 40)


def mirrored(graph: Graph, picture: Picture) -> None:
    width = picture.boxes["Participant_seal_use"].right
    for kept in (picture.boxes, picture.labels):
        for id, box in kept.items():
            kept[id] = Box(width - box.right, box.y, box.width, box.height)
    for id, way in picture.ways.items():
        picture.ways[id] = [(width - x, y) for x, y in way]


def with_a_task_in_a_wrong_lane(graph: Graph, picture: Picture) -> None:
    y = picture.boxes["Lane_clerk"].y - picture.boxes["Task_stamp"].y
    picture.boxes["Task_stamp"] = moved(picture.boxes["Task_stamp"], 0, y)


def with_straight_lines(graph: Graph, picture: Picture) -> None:
    for flow in graph.flows:
        picture.ways[flow.id] = [picture.boxes[flow.source].centre, picture.boxes[flow.target].centre]


@pytest.mark.parametrize(
    ("change", "least"),
    [
        (with_one_shape_moved, 24),
        (without_labels, 10),
        (mirrored, 19),
        (with_a_task_in_a_wrong_lane, 24),
        (with_straight_lines, 60),
    ],
)
def test_damage_lowers_the_score(change, least):
    before, after = quality_of(SEAL_USE), quality_of(spoilt(SEAL_USE, change))
    assert before.passes and not after.passes
    assert before.score - after.score >= least


def test_what_is_not_drawn_costs_nothing_and_breaks_nothing():
    assert quality_of(SEAL_USE.partition(b"  <bpmndi:BPMNDiagram")[0] + b"</bpmn:definitions>").passes


def test_a_diagram_of_forty_nodes_is_measured_in_no_time():
    quality_of(SEAL_USE)
    started = time.process_time()
    for _ in range(5):
        quality_of(SEAL_USE)
    assert (time.process_time() - started) / 5 < 0.03


def test_pictures_drawn_by_people_are_rated_well():
    models = sorted((CORPORA / "interchange").glob("*.bpmn"))
    if not models:
        pytest.skip("the reference models are not here")
    scores = [quality_of(path.read_bytes()).score for path in models]
    assert statistics.median(scores) > 75


# --- geometry -------------------------------------------------------------------------------------------------------


def test_boxes_that_only_touch_do_not_overlap():
    assert not overlap(Box(0, 0, 10, 10), Box(10, 0, 10, 10))
    assert overlap(Box(0, 0, 10, 10), Box(9, 9, 10, 10))
    assert not overlap(Box(0, 0, 10, 10), Box(9, 9, 10, 10), slack=1)


def test_a_segment_along_a_border_is_outside():
    box = Box(0, 0, 10, 10)
    assert not enters(Segment((0, 0), (10, 0)), box)
    assert enters(Segment((-5, 5), (5, 5)), box)
    assert enters(Segment((-5, -5), (5, 5)), box)
    assert not enters(Segment((-5, 0), (5, -10)), box)


def test_segments_cross_only_inside_both():
    level = Segment((0, 5), (10, 5))
    assert cross(level, Segment((5, 0), (5, 10)))
    assert not cross(level, Segment((5, 5), (5, 10)))
    assert shared_length(level, Segment((4, 6), (20, 6))) == 6
    assert shared_length(level, Segment((5, 0), (5, 10))) == 0


def test_points_on_a_line_are_no_bends():
    assert simplified([(0, 0), (0, 0), (5, 0), (10, 0), (10, 8)]) == [(0, 0), (10, 0), (10, 8)]


def test_neighbours_are_all_pairs_that_touch_each_other():
    boxes = [(str(number), Box(number * 10 % 70, number * 7 % 50, 15, 12)) for number in range(20)]
    found = {(one, other) for one, other in neighbours(boxes, boxes) if one != other}
    wanted = {(one, other) for one, box in boxes for other, second in boxes if one != other and overlap(box, second)}
    assert wanted <= found
