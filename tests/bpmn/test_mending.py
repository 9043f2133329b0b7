"""What is mended by itself: only the bytes it touches change, and doing it again changes nothing."""

from __future__ import annotations

import difflib
import random
import re

import pytest

from engine.bpmn.document import read_xml
from engine.bpmn.lint import lint
from engine.bpmn.mending import MENDERS, mended
from engine.bpmn.package import Package, read_files
from engine.bpmn.rules import RULES
from engine.bpmn.rules.subject import kind
from engine.bpmn.source_text import SourceText
from tests.bpmn.test_lint import CORPORA, DIAGRAM, STAMP, WORLD, drawn, trial

GOOD = trial().files["trial.bpmn"].decode()
FLOW = '<sequenceFlow id="Flow_route" sourceRef="Rule_route" targetRef="Service_find" />'


def with_ends(text: str) -> str:
    """Let the step that stamps name its flows, as modelers write them."""
    return text.replace(
        STAMP, f"{STAMP}\n      <incoming>Flow_gone</incoming>\n      <outgoing>Flow_stamp</outgoing>", 1
    )


#: rule → what is put into the good diagram (old, new), and a part of the mended line
FAULTS = {
    "process-not-executable": (' isExecutable="true"', "", 'isExecutable="true"'),
    "id-missing": ('<lane id="Lane_clerk" name=', "<lane name=", '<lane id="Lane_1" name='),
    "flow-id-missing": (FLOW, FLOW.replace(' id="Flow_route"', ""), 'id="Flow_route_find"'),
    "naming-convention": ('name="盖章留痕"', 'name=" 盖章\n 留痕  "', 'name="盖章 留痕"'),
    "ignored-attribute": (STAMP, STAMP.replace(">", ' camunda:assignee="a > b">'), STAMP),
    "no-duplicate-sequence-flows": (FLOW, FLOW + "\n    " + FLOW.replace("Flow_route", "Flow_again"), FLOW),
    "dangling-reference": ("<flowNodeRef>Task_stamp", "<flowNodeRef>Task_old</flowNodeRef><flowNodeRef>Task_stamp", ""),
    "condition-empty": ('targetRef="End_done" />', 'targetRef="End_done"><conditionExpression /></sequenceFlow>', ""),
}


def said(package: Package) -> set[str]:
    return {finding.rule for finding in lint(package, WORLD)}


def again(data: bytes) -> Package:
    return trial({"trial.bpmn": data})


@pytest.mark.parametrize("rule", FAULTS)
def test_a_fault_is_mended_and_nothing_else_is_touched(rule):
    old, new, result = FAULTS[rule]
    assert old in GOOD
    package = again(GOOD.replace(old, new, 1).encode())
    findings = [finding for finding in lint(package, WORLD) if finding.rule == rule]
    assert findings and all(finding.fixable for finding in findings)
    data = mended(package, WORLD)["trial.bpmn"]
    before, after = package.files["trial.bpmn"].decode().splitlines(), data.decode().splitlines()
    touched = [line for line in difflib.unified_diff(before, after, n=0, lineterm="") if line[0] in "+-"][2:]
    # The name with a line break takes two lines.
    assert len(touched) <= 3, touched
    assert result in data.decode()
    assert rule not in said(again(data))
    # A new id is in no picture yet.
    assert said(again(data)) <= said(trial()) | {"no-bpmndi"}
    assert mended(again(data), WORLD) == {}


def test_every_mend_belongs_to_a_rule_and_is_tried_here():
    assert MENDERS.keys() - {"incoming-outgoing-mismatch"} == set(FAULTS)
    assert MENDERS.keys() <= RULES.keys()


def test_a_good_diagram_is_left_alone():
    assert mended(trial(), WORLD) == {}
    assert not any(finding.fixable for finding in lint(trial(), WORLD))


def test_several_faults_are_mended_together():
    text = GOOD
    planted = set()
    for rule, (old, new, _) in FAULTS.items():
        # Some stand at the same place as one before.
        if old in text:
            text = text.replace(old, new, 1)
            planted.add(rule)
    assert len(planted) >= len(FAULTS) - 2
    data = mended(again(text.encode()), WORLD)["trial.bpmn"]
    assert not said(again(data)) & FAULTS.keys()
    assert mended(again(data), WORLD) == {}


def test_a_second_flow_goes_with_its_line_in_the_picture_and_where_steps_name_it():
    twice = FLOW + "\n    " + FLOW.replace("Flow_route", "Flow_again")
    text = drawn(DIAGRAM.replace(FLOW, twice)).replace(
        '<bpmndi:BPMNShape bpmnElement="Flow_again" />', '<bpmndi:BPMNEdge bpmnElement="Flow_again"></bpmndi:BPMNEdge>'
    )
    text = text.replace('camunda:resultVariable="approval" />', 'camunda:resultVariable="approval"><outgoing>Flow_again'
                        "</outgoing></businessRuleTask>")  # fmt: skip
    data = mended(again(text.encode()), WORLD)["trial.bpmn"]
    assert b"Flow_again" not in data
    read_xml(data)


def test_line_ends_marks_and_comments_stay():
    text = "\ufeff" + GOOD.replace("\n", "\r\n").replace(
        "<process ", "<!-- a > b <userTask id='no'/> -->\r\n  <process "
    )
    package = again(text.replace(' isExecutable="true"', "").encode())
    data = mended(package, WORLD)["trial.bpmn"]
    assert data == package.files["trial.bpmn"].replace(b"<process id", b'<process isExecutable="true" id')


@pytest.mark.parametrize("encoding", ["utf-16", "gb18030"])
def test_an_encoding_that_cannot_be_cut_is_left_to_people(encoding):
    text = GOOD.replace("UTF-8", encoding.upper()).replace(' isExecutable="true"', "")
    package = again(text.encode(encoding))
    assert mended(package, WORLD) == {}
    assert not any(finding.fixable for finding in lint(package, WORLD))


def test_steps_name_the_flows_that_say_so():
    package = again(with_ends(GOOD).encode())
    (finding,) = [finding for finding in lint(package, WORLD) if finding.rule == "incoming-outgoing-mismatch"]
    assert finding.fixable and "进来的多记了 Flow_gone、进来的少记了 Flow_find" in finding.message
    data = mended(package, WORLD)["trial.bpmn"].decode()
    step = data[data.index(STAMP) : data.index("</userTask>", data.index(STAMP))]
    assert re.findall(r"<(incoming|outgoing)>(\w+)<", step) == [("incoming", "Flow_find"), ("outgoing", "Flow_stamp")]
    assert "Flow_gone" not in data
    assert mended(again(data.encode()), WORLD) == {}


def test_every_element_is_found_where_it_stands():
    data = GOOD.encode()
    root = read_xml(data).getroot()
    source = SourceText(data, root)
    for element in root.iter():
        if isinstance(element.tag, str) and element.get("id"):
            change = source.set_attribute(element, "id", "X")
            assert data[change.start : change.end].decode() == element.get("id")
            taken = source.remove_attribute(element, "id")
            line = data[: taken.start].decode().count("\n") + 1
            assert abs(line - element.sourceline) <= data[taken.start : taken.end].count(b"\n") + 3, kind(element)


def test_mending_public_diagrams_is_stable_and_never_makes_them_worse():
    if not CORPORA.is_dir():
        pytest.skip("no public diagrams beside the repository")
    files = sorted(path for path in CORPORA.rglob("*.bpmn"))
    for path in random.Random(4).sample(files, 60):
        package = read_files("trial", "", {"trial.bpmn": path.read_bytes()})
        data = mended(package, WORLD).get("trial.bpmn")
        if data is not None:
            after = read_files("trial", "", {"trial.bpmn": data})
            assert mended(after, WORLD) == {}, path.name
            # Once a process is executable more is asked of it; with one flow fewer a gateway may decide nothing.
            worse = said(after) - said(package) - {"conditional-event", "engine-refuses", "superfluous-gateway"}
            assert not worse, (path.name, worse)
