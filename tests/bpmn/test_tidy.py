"""Tidy changes the picture and nothing else, whatever the file; what it cannot lay out it refuses with a reason."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from pathlib import Path

import pytest

from engine.bpmn.scaffold import scaffold
from engine.bpmn.tidy import LayoutRefused, tidy
from tests.bpmn.pictures import OUTLINE, drawn, moved, scene_of, spoilt
from webui import assets

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = sorted((ROOT / "processes").rglob("*.bpmn"))
MODDLE = ROOT / assets.FRONTEND / "node_modules" / "bpmn-moddle" / "dist" / "index.js"


def process_digest(data: bytes) -> str:
    """Return the digest of everything before the picture."""
    return hashlib.sha256(data.partition(b"<bpmndi:BPMNDiagram")[0]).hexdigest()


def out_of_place(data: bytes) -> bytes:
    """Return a file in which one step was pulled away from its flows."""
    return spoilt(data, lambda graph, picture: picture.boxes.update(Task_stamp=moved(picture.boxes["Task_stamp"], 30)))


# --- nothing but the picture ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["sketch", "fresh"])
@pytest.mark.parametrize("path", CATALOGUE[::3], ids=lambda path: path.stem)
def test_the_process_stays_byte_for_byte(path, mode):
    data = path.read_bytes()
    assert process_digest(tidy(data, path.name, mode).data) == process_digest(data)


def test_a_changed_picture_is_laid_out_again():
    data = out_of_place(drawn())
    result = tidy(data, "trial.bpmn")
    assert result.data != data and process_digest(result.data) == process_digest(data)
    assert not result.before[0].passes and result.after[0].passes


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_every_encoding_and_line_end_is_kept(encoding, newline):
    name = "UTF-8" if encoding.startswith("utf-8") else encoding.upper()
    text = out_of_place(drawn()).decode().replace('encoding="UTF-8"', f'encoding="{name}"').replace("\n", newline)
    result = tidy(text.encode(encoding), "trial.bpmn").data
    before, after = text, result.decode(encoding)
    assert after.partition("<bpmndi:BPMNDiagram")[0] == before.partition("<bpmndi:BPMNDiagram")[0]
    assert after.count("\n") == after.count(newline)
    assert after.replace(newline, "\n").replace(name, "UTF-8").encode() == drawn_in_its_own_place()


def drawn_in_its_own_place() -> bytes:
    return tidy(out_of_place(drawn()), "trial.bpmn").data


def test_prefixes_of_the_file_are_kept_and_missing_ones_declared():
    plain = drawn().decode()
    other = plain.replace("bpmndi:", "view:").replace("xmlns:bpmndi", "xmlns:view")
    assert tidy(other.encode(), "trial.bpmn").data == other.encode()
    without = re.sub(r' xmlns:(bpmndi|dc|di)="[^"]+"', "", scaffold(OUTLINE)[0].decode())
    result = tidy(without.encode(), "trial.bpmn").data.decode()
    assert '<bpmndi:BPMNDiagram xmlns:bpmndi="http://www.omg.org/spec/BPMN/20100524/DI"' in result
    assert tidy(result.encode(), "trial.bpmn").data == result.encode()


def test_a_picture_named_in_comments_and_texts_is_left_alone():
    data = out_of_place(drawn()).decode()
    noted = data.replace("  <bpmn:process", "  <!-- <bpmndi:BPMNDiagram id='old' /> -->\n  <bpmn:process")
    documented = noted.replace(
        '    <bpmn:laneSet id="LaneSet_1">',
        "    <bpmn:documentation><![CDATA[</bpmndi:BPMNDiagram> a > b]]></bpmn:documentation>\n"
        '    <bpmn:laneSet id="LaneSet_1">',
    )
    result = tidy(documented.encode(), "trial.bpmn").data.decode()
    assert result.partition("  <bpmndi:BPMNDiagram")[0] == documented.partition("  <bpmndi:BPMNDiagram")[0]
    assert result.endswith("</bpmndi:BPMNDiagram>\n</bpmn:definitions>\n")


def test_colours_are_removed_and_ids_of_the_picture_kept():
    data = drawn().replace(b'id="Task_stamp_di"', b'id="Shape_17" bioc:fill="#f00"')
    data = data.replace(b' id="Definitions_trial"', b' xmlns:bioc="http://bpmn.io/schema/bpmn/biocolor/1.0" id="D"')
    result = tidy(data, "trial.bpmn").data
    assert b"bioc:fill" not in result and b'<bpmndi:BPMNShape id="Shape_17" bpmnElement="Task_stamp">' in result


def test_every_picture_of_a_file_is_laid_out_and_rated():
    inner = """    <bpmn:subProcess id="Sub_check" name="细查">
      <bpmn:incoming>Flow_a_check</bpmn:incoming>
      <bpmn:outgoing>Flow_check_b</bpmn:outgoing>
      <bpmn:startEvent id="Start_in" name="开始"><bpmn:outgoing>Flow_in</bpmn:outgoing></bpmn:startEvent>
      <bpmn:endEvent id="End_in" name="查完"><bpmn:incoming>Flow_in</bpmn:incoming></bpmn:endEvent>
      <bpmn:sequenceFlow id="Flow_in" sourceRef="Start_in" targetRef="End_in" />
    </bpmn:subProcess>
"""
    outer = "process p 试\nstart Start_a 起\n  → Sub_check\nsub Sub_check 细查\n  → End_b\nend End_b 完\n"
    text = scaffold(outer)[0].decode()
    text = re.sub(r"    <bpmn:subProcess .*?</bpmn:subProcess>\n", inner, text, flags=re.DOTALL)
    second = (
        '  <bpmndi:BPMNDiagram id="D2">\n    <bpmndi:BPMNPlane id="P2" bpmnElement="Sub_check" />\n'
        "  </bpmndi:BPMNDiagram>\n"
    )
    first = second.replace("D2", "D1").replace("P2", "P1").replace("Sub_check", "Collaboration_1")
    text = text.replace("</bpmn:definitions>", first + second + "</bpmn:definitions>")
    result = tidy(text.encode(), "p.bpmn")
    assert [quality.score for quality in result.after] == [100, 100]
    assert result.data.count(b"<bpmndi:BPMNDiagram ") == 2
    assert b'bpmnElement="Start_in"' in result.data.partition(b'<bpmndi:BPMNDiagram id="D2">')[2]
    assert tidy(result.data, "p.bpmn").data == result.data


# --- as a modeler writes it -----------------------------------------------------------------------------------------


def test_a_modeler_changes_nothing_when_it_saves(tmp_path):
    node = assets.find_node()
    if node is None or not MODDLE.is_file():
        pytest.skip("node or bpmn-moddle is not here")
    made = tmp_path / "made.bpmn"
    made.write_bytes(drawn())
    quoted = tmp_path / "quoted.bpmn"
    quoted.write_bytes(drawn("process p 甲\"乙\"<丙>&'丁'\nstart Start_a 起\n  → End_b\nend End_b 完"))
    for path in CATALOGUE:
        (tmp_path / path.name).write_bytes(tidy(path.read_bytes(), path.name).data)
    files = sorted(tmp_path.glob("*.bpmn"))
    descriptor = ROOT / "processes" / "power.moddle.json"
    command = [*node.node, str(Path(__file__).with_name("moddle.mjs")), str(MODDLE), str(descriptor), *map(str, files)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", env=node.environment(), timeout=120)
    assert done.returncode == 0, done.stderr
    saved = json.loads(done.stdout)
    assert len(saved) == len(CATALOGUE) + 2
    for file, answer in saved.items():
        assert answer["warnings"] == []
        assert without_namespaces(answer["xml"]) == without_namespaces(Path(file).read_text("utf-8")), file


def without_namespaces(xml: str) -> list[str]:
    """Return the lines of a file; which namespaces a modeler declares depends on the extensions it has loaded."""
    first, root, *rest = xml.splitlines()
    return [first, re.sub(r' xmlns:\w+="[^"]*"', "", root), *rest]


# --- refused --------------------------------------------------------------------------------------------------------


def refused(data: bytes) -> list[tuple[str, str]]:
    with pytest.raises(LayoutRefused) as caught:
        tidy(data, "trial.bpmn")
    assert all(found.severity == "error" and found.line >= 1 and found.hint for found in caught.value.findings)
    return [(found.rule, found.element) for found in caught.value.findings]


NODE = b'    <bpmn:userTask id="Task_stamp"'


HANGS = b'attachedToRef="Task_register"'


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b"</bpmn:definitions>", b"", ("xml-not-well-formed", "")),
        (b"bpmn:startEvent", b"bpmn:intermediateCatchEvent", ("start-event-missing", "trial")),
        (b"        <bpmn:flowNodeRef>Task_stamp</bpmn:flowNodeRef>\n", b"", ("node-in-lane", "Task_stamp")),
        (b'targetRef="Task_stamp"', b'targetRef="Task_nowhere"', ("dangling-reference", "Flow_agreed_stamp")),
        (HANGS, b'attachedToRef="Nobody"', ("dangling-reference", "Boundary_withdraw")),
        (HANGS, b'attachedToRef="Start_apply"', ("dangling-reference", "Boundary_withdraw")),
        (HANGS, b'attachedToRef="Flow_stamp_done"', ("dangling-reference", "Boundary_withdraw")),
        (NODE, b'    <bpmn:userTask id="Task_approve"', ("duplicate-id", "Task_approve")),
        (NODE, b"    <bpmn:userTask", ("id-missing", "trial")),
        (NODE, b'    <bpmn:textAnnotation id="Note" />\n' + NODE, ("layout-unsupported", "Note")),
        (
            b"  </bpmn:collaboration>",
            b'    <bpmn:participant id="Other" />\n  </bpmn:collaboration>',
            ("layout-unsupported", "Other"),
        ),
        (
            NODE,
            b'    <bpmn:subProcess id="Open"><bpmn:startEvent id="In" /></bpmn:subProcess>\n' + NODE,
            ("layout-unsupported", "Open"),
        ),
    ],
)
def test_what_cannot_be_laid_out_is_refused_with_its_place(old, new, said):
    data = drawn()
    assert old in data
    assert said in refused(data.replace(old, new))


def test_files_that_are_no_diagrams_are_refused():
    assert refused(b"") == [("not-xml", "")]
    assert refused(b"<html />") == [("no-process", "")]
    assert refused(b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>') == [("xml-doctype-forbidden", "")]


def test_a_diagram_too_large_to_be_read_by_anybody_is_refused():
    lines = ["process p 试", "start Task_0 起", "  → Task_1"]
    for number in range(1, 210):
        lines += [f"user Task_{number} 办", f"  → Task_{number + 1}"]
    data, _ = scaffold("\n".join([*lines, "end Task_210 完"]))
    assert refused(data) == [("layout-unsupported", "p")]


def test_spoilt_pictures_are_drawn_again():
    text = drawn().decode()
    for old, new in ((r'x="\d+"', 'x="nan"'), (r'width="\d+"', 'width="-4"'), (r'y="\d+"', 'y="1e999"')):
        result = tidy(re.sub(old, new, text).encode(), "trial.bpmn")
        assert result.after[0].is_sound
        assert scene_of(result.data).picture.boxes.keys() == scene_of(text.encode()).picture.boxes.keys()
