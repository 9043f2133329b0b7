"""The largest files lint looks at take two seconds at most, and what is larger is refused by the limit it breaks."""

from __future__ import annotations

import re
import time

import pytest

from engine.bpmn.document import MAX_ELEMENTS
from engine.bpmn.lint import lint
from engine.bpmn.package import read_files
from engine.bpmn.rules.subject import MAX_FLOWS, MAX_NODES, MAX_SAME_ID
from tests.bpmn.seeds import county

HEAD = (
    '<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" id="D" targetNamespace="urn:test">'
    '<process id="trial" isExecutable="true">'
)
TAIL = "</process></definitions>"


def _many(count: int, text: str) -> str:
    return "".join(text.replace("#1", str(number + 1)).replace("#", str(number)) for number in range(count))


FLOW = '<sequenceFlow id="f#" sourceRef="t#" targetRef="t#1"/>'
REACTION = (
    '<subProcess id="p#" triggeredByEvent="true"><startEvent id="s#"><messageEventDefinition messageRef="m"/>'
    "</startEvent></subProcess>"
)
TIMED = '<boundaryEvent id="b#" attachedToRef="t"><timerEventDefinition/></boundaryEvent>'
LINK = '<intermediateThrowEvent id="l#"><linkEventDefinition name="x"/></intermediateThrowEvent>'
LARGEST = {
    "a chain": _many(MAX_NODES, '<userTask id="t#"/>') + _many(MAX_NODES - 1, FLOW),
    "flows between two": '<userTask id="t"/>' + _many(MAX_FLOWS, '<sequenceFlow id="f#" sourceRef="t" targetRef="t"/>'),
    "boundary events of one": '<userTask id="t"/>' + _many(MAX_NODES - 1, TIMED),
    "links": _many(MAX_NODES, LINK),
    "event sub-processes": _many(MAX_NODES // 2, REACTION),
    "messages": "</process>" + _many(MAX_ELEMENTS - 3, '<message id="m#" name="m"/>') + '<process id="q">',
    "one long expression": f'<sequenceFlow id="f"><conditionExpression>{"1+" * 900_000}1</conditionExpression>'
    "</sequenceFlow>",
    "one long name": f'<userTask id="t" name="{"x" * 1_900_000}"/>',
}


@pytest.mark.parametrize("name", LARGEST)
def test_the_largest_files_are_answered_in_time(name: str):
    package = read_files("trial", "", {"trial.bpmn": f"{HEAD}{LARGEST[name]}{TAIL}".encode()})
    begun = time.process_time()
    findings = lint(package, county())
    # The machine that runs this may be slow: twice the two seconds are allowed before the test speaks.
    assert time.process_time() - begun < 4
    assert findings
    assert "size-limit" not in {finding.rule for finding in findings}


@pytest.mark.parametrize(
    ("content", "limit"),
    [
        (_many(MAX_NODES + 1, '<userTask id="t#"/>'), MAX_NODES),
        (_many(MAX_FLOWS + 1, FLOW), MAX_FLOWS),
        ("<documentation/>" * MAX_ELEMENTS, MAX_ELEMENTS),
        ('<userTask id="t"/>' * (MAX_SAME_ID + 1), MAX_SAME_ID),
    ],
    ids=["nodes", "flows", "elements", "same id"],
)
def test_what_is_larger_is_refused_by_the_limit(content: str, limit: int):
    package = read_files("trial", "", {"trial.bpmn": f"{HEAD}{content}{TAIL}".encode()})
    (finding,) = lint(package, county())
    assert finding.rule == "size-limit"
    assert f"{limit:,}" in finding.message
    assert re.search("[\u4e00-\u9fff].*。$", finding.hint)
