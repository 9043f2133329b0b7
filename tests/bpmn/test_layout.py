"""How a diagram is laid out: straight where things go well, apart where they do not, the same every time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.bpmn.layout.drawing import draw, redraw
from engine.bpmn.layout.geometry import Box
from engine.bpmn.layout.lettering import text_size
from engine.bpmn.layout.quality import GOOD
from engine.bpmn.scaffold import scaffold
from engine.bpmn.tidy import tidy
from tests.bpmn.pictures import drawn, moved, quality_of, scene_of, spoilt
from tests.bpmn.random_outlines import random_outline

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = sorted((ROOT / "processes").rglob("*.bpmn"))
#: seeds tried in every run, and in a full one
FEW, MANY = range(8), range(120)


@pytest.mark.parametrize("path", CATALOGUE, ids=lambda path: path.stem)
def test_every_picture_of_the_catalogue_is_as_tidy_leaves_it(path):
    data = path.read_bytes()
    result = tidy(data, path.name)
    assert result.data == data
    assert result.findings == ()
    assert all(quality.passes and quality.score >= GOOD and quality.sheet == "A3" for quality in result.after)


# --- where things stand ---------------------------------------------------------------------------------------------


def test_the_happy_path_runs_straight_to_the_right():
    scene = scene_of(drawn())
    boxes, ways = scene.picture.boxes, scene.picture.ways
    for flow in ("Flow_register_complete", "Flow_approve_agreed", "Flow_agreed_stamp", "Flow_stamp_done"):
        assert len(ways[flow]) == 2 and ways[flow][0][1] == ways[flow][1][1] and ways[flow][0][0] < ways[flow][1][0]
    centres = [boxes[id].centre[0] for id in ("Task_register", "Gateway_complete", "Gateway_agreed", "End_done")]
    assert centres == sorted(centres)


def test_shapes_have_the_usual_sizes_and_whole_pixels():
    picture = scene_of(drawn()).picture
    sizes = {id.partition("_")[0]: (box.width, box.height) for id, box in picture.boxes.items()}
    assert sizes["Task"] == (100, 80) and sizes["Gateway"] == (50, 50)
    assert sizes["Start"] == sizes["End"] == sizes["Boundary"] == (36, 36)
    numbers = [number for box in (*picture.boxes.values(), *picture.labels.values()) for number in box]
    numbers += [number for way in picture.ways.values() for point in way for number in point]
    assert all(number == int(number) for number in numbers)


def test_a_boundary_event_hangs_towards_where_it_leads():
    boxes = scene_of(drawn()).picture.boxes
    host, event = boxes["Task_register"], boxes["Boundary_withdraw"]
    assert event.centre == (host.centre[0] + 25, host.y)


def test_every_name_outside_a_shape_gets_bounds_that_hold_it():
    scene = scene_of(drawn())
    named = [each for each in scene.graph.nodes.values() if each.is_small and each.name]
    named += [flow for flow in scene.graph.flows if flow.name]
    for each in named:
        label = scene.picture.labels[each.id]
        assert (label.width, label.height) in {text_size(each.name, width) for width in (84, 64, 50)}


def test_lanes_are_as_high_as_their_names_and_lie_on_each_other():
    outline = (
        "process p 试\nlane Lane_a 村集体经济组织负责人\n  start Start_a 申请\n    → End_b\nlane Lane_b 村文书\n"
        "  end End_b 完\n"
    )
    picture = scene_of(drawn(outline)).picture
    first, second = picture.boxes["Lane_a"], picture.boxes["Lane_b"]
    assert first.height >= 10 * 14 and first.bottom == second.y
    assert picture.boxes["Participant_p"].height == first.height + second.height


def test_a_process_without_pool_and_lanes_is_laid_out_too():
    data, _ = scaffold("process p 试\nstart Start_a 申请\n  → Task_b\nuser Task_b 办\n  → End_c\nend End_c 完\n")
    bare = data.replace(data[data.index(b"  <bpmn:collaboration") : data.index(b"  <bpmn:process")], b"")
    result = tidy(bare, "p.bpmn")
    assert result.after[0].score == 100
    assert set(scene_of(result.data).picture.boxes) == {"Start_a", "Task_b", "End_c"}


# --- sketch mode ----------------------------------------------------------------------------------------------------


def test_what_a_person_moves_by_a_little_snaps_back():
    data = drawn()

    def nudge(graph, picture):
        for number, id in enumerate(graph.nodes):
            picture.boxes[id] = moved(picture.boxes[id], number % 5 - 2, number % 7 - 3)

    assert tidy(spoilt(data, nudge), "trial.bpmn").data == data


def test_the_arrangement_of_a_person_is_kept():
    def put_below(graph, picture):
        box = picture.boxes["Task_stamp"]
        for id in ("Task_stamp", "End_done"):
            picture.boxes[id] = moved(picture.boxes[id], 0, 200 - (box.y % 100))

    boxes = scene_of(tidy(spoilt(drawn(), put_below), "trial.bpmn").data).picture.boxes
    assert boxes["Task_stamp"].y > boxes["Gateway_agreed"].bottom
    assert boxes["Task_stamp"].centre[1] == boxes["End_done"].centre[1]


def test_a_new_step_goes_behind_the_one_before_it_and_nothing_else_changes_place():
    def forget(graph, picture):
        del picture.boxes["Task_stamp"]
        del picture.ways["Flow_agreed_stamp"], picture.ways["Flow_stamp_done"]

    data = drawn()
    graph = scene_of(data).flat_graph
    before = scene_of(data).picture
    picture = scene_of(data).picture
    forget(graph, picture)
    after = redraw(graph, picture).picture
    assert after.boxes["Task_stamp"].x > after.boxes["Gateway_agreed"].right
    assert after.boxes["Task_stamp"].centre[1] == after.boxes["Gateway_agreed"].centre[1]
    rows = lambda drawing: sorted(drawing.boxes, key=lambda id: (drawing.boxes[id].centre[1], id))  # noqa: E731
    assert rows(after) == rows(before)


def test_a_good_picture_by_a_person_is_kept_when_ours_would_be_worse():
    path = ROOT / "processes" / "E01_seal_use" / "seal_use.bpmn"
    scene = scene_of(path.read_bytes())
    ours = redraw(scene.flat_graph, scene.picture)
    assert ours.picture.boxes == scene.picture.boxes and ours.quality.passes


def test_search_finds_no_worse_picture():
    graph = scene_of(drawn()).flat_graph
    assert draw(graph, search=True).worth >= draw(graph).worth


# --- the same every time, on anything -------------------------------------------------------------------------------

HASHED = """
import hashlib, sys
from pathlib import Path
from engine.bpmn.scaffold import scaffold
from engine.bpmn.tidy import tidy
from tests.bpmn.random_outlines import random_outline
digest = hashlib.sha256()
for seed in range(2):
    digest.update(tidy(scaffold(random_outline(seed))[0], "random.bpmn", "fresh").data)
for path in sys.argv[1:]:
    digest.update(tidy(Path(path).read_bytes(), "own.bpmn").data)
print(digest.hexdigest())
"""


def test_the_hash_seed_changes_nothing():
    digests = set()
    for seed in ("0", "4711"):
        command = [sys.executable, "-c", HASHED, *map(str, CATALOGUE[2:3])]
        env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=120)
        assert done.returncode == 0, done.stderr
        digests.add(done.stdout)
    assert len(digests) == 1


def assert_without_hard_fault(seed: int) -> None:
    data, _ = scaffold(random_outline(seed))
    result = tidy(data, "random.bpmn", "fresh")
    (quality,) = result.after
    assert quality.is_sound, (seed, quality.faults)
    scene = scene_of(result.data)
    assert scene.picture.ways.keys() == {flow.id for flow in scene.graph.flows}
    assert tidy(result.data, "random.bpmn").data == result.data


@pytest.mark.parametrize("seed", FEW)
def test_random_diagrams_come_out_without_a_hard_fault(seed):
    assert_without_hard_fault(seed)


@pytest.mark.full
@pytest.mark.parametrize("seed", MANY[len(FEW) :])
def test_many_random_diagrams_come_out_without_a_hard_fault(seed):
    assert_without_hard_fault(seed)


def test_random_diagrams_are_of_the_sizes_promised():
    scenes = [scene_of(scaffold(random_outline(seed))[0]) for seed in MANY]
    sizes = [len(scene.graph.nodes) for scene in scenes]
    lanes = [len(scene.graph.lanes) for scene in scenes]
    assert min(sizes) >= 12 and max(sizes) <= 38 and max(sizes) > 30
    assert (min(lanes), max(lanes)) == (3, 7)


def test_a_diagram_of_thirty_nodes_takes_no_time_worth_waiting_for():
    data = (ROOT / "processes" / "E01_seal_use" / "seal_use.bpmn").read_bytes()
    started = time.process_time()
    tidy(data, "seal_use.bpmn")
    assert time.process_time() - started < 0.6


def test_more_flows_than_a_node_has_sides_are_drawn_all_the_same():
    middle = [f"Task_{number}" for number in range(6)]
    lines = ["process p 试", "lane Lane_a 甲", "  start Start_a 起", *(f"    → {id}" for id in middle)]
    lines += ["lane Lane_b 乙"]
    for id in middle:
        lines += [f"  user {id} 办", "    → End_z"]
    lines += ["lane Lane_c 丙", "  end End_z 完"]
    scene = scene_of(drawn("\n".join(lines)))
    assert len(scene.picture.ways) == 12


def test_text_is_wrapped_into_balanced_lines():
    assert text_size("同意") == (28, 17)
    assert text_size("村民代表会议表决", 84) == (56, 32)
    assert text_size("A" * 40, 84)[1] > text_size("A" * 10, 84)[1]


def test_quality_is_that_of_the_file():
    data = drawn()
    assert quality_of(data) == tidy(data, "trial.bpmn").after[0]
    assert isinstance(scene_of(data).picture.boxes["Task_stamp"], Box)
