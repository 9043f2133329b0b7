"""Every rule of bpmnlint under its own name: found in what it discourages, silent in what it allows."""

from __future__ import annotations

import pytest

from engine.bpmn.lint import RULES, lint
from engine.bpmn.lint_levels import _BPMNLINT_ERRORS, _BPMNLINT_MORE, _BPMNLINT_WARNINGS
from tests.bpmn.rule_examples import package_of
from tests.bpmn.test_lint import WORLD, check_shape

NAMES = _BPMNLINT_ERRORS | _BPMNLINT_WARNINGS | _BPMNLINT_MORE
MESSAGE = '<messageEventDefinition messageRef="M" />'
TIMER = "<timerEventDefinition><timeDuration>P3D</timeDuration></timerEventDefinition>"
DECLARED = '<message id="M" name="papers" />'


def node(tag: str, id: str, inside: str = "", **attributes: str) -> str:
    given = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return f'<{tag} id="{id}" name="名 {id}"{given}>{inside}</{tag}>'


def flow(source: str, target: str, condition: str = "", **attributes: str) -> str:
    said = f"<conditionExpression>{condition}</conditionExpression>" if condition else ""
    given = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return (
        f'<sequenceFlow id="F_{source}_{target}" sourceRef="{source}" targetRef="{target}"{given}>{said}</sequenceFlow>'
    )


def start(id: str = "S", inside: str = "", **attributes: str) -> str:
    return node("startEvent", id, inside, **attributes)


def end(id: str = "E", inside: str = "", **attributes: str) -> str:
    return node("endEvent", id, inside, **attributes)


def task(id: str = "T", inside: str = "", **attributes: str) -> str:
    return node("userTask", id, inside, **attributes)


def gateway(id: str = "G", tag: str = "exclusiveGateway", **attributes: str) -> str:
    return node(tag, id, **attributes)


def catch(id: str, inside: str = MESSAGE) -> str:
    return node("intermediateCatchEvent", id, inside)


def way(*ids: str) -> str:
    """Return the flows from each to the next."""
    return "".join(flow(source, target) for source, target in zip(ids, ids[1:], strict=False))


def link(id: str, name: str, *, throws: bool) -> str:
    tag = "intermediateThrowEvent" if throws else "intermediateCatchEvent"
    return node(tag, id, f'<linkEventDefinition name="{name}" />')


def sub(id: str, inside: str, tag: str = "subProcess", **attributes: str) -> str:
    return node(tag, id, inside, **attributes)


def drawn(body: str, **shapes: tuple[int, int, int, int]) -> str:
    """Return a process with the picture of some of its elements; a flow is drawn where it is named."""
    edges = {id for id in shapes if id.startswith("F_")}
    picture = "".join(
        f'<bpmndi:BPMNShape id="{id}_di" bpmnElement="{id}">'
        f'<dc:Bounds x="{x}" y="{y}" width="{width}" height="{height}" /></bpmndi:BPMNShape>'
        for id, (x, y, width, height) in shapes.items()
        if id not in edges
    ) + "".join(
        f'<bpmndi:BPMNEdge id="{id}_di" bpmnElement="{id}"><di:waypoint x="{x}" y="{y}" />'
        f'<di:waypoint x="{right}" y="{bottom}" /></bpmndi:BPMNEdge>'
        for id, (x, y, right, bottom) in shapes.items()
        if id in edges
    )
    return (
        f'<process id="trial" name="试" isExecutable="true">{body}</process><bpmndi:BPMNDiagram id="D">'
        f'<bpmndi:BPMNPlane id="P" bpmnElement="trial">{picture}</bpmndi:BPMNPlane></bpmndi:BPMNDiagram>'
    )


def declared(body: str, roots: str = DECLARED) -> str:
    return f'<process id="trial" name="试" isExecutable="true">{body}</process>{roots}'


LINE = start() + task() + end() + way("S", "T", "E")
CHOICE = (
    start()
    + gateway(default="F_G_U")
    + task("T")
    + task("U")
    + end("E")
    + end("F")
    + flow("S", "G")
    + flow("G", "T", "a = 1", name="好")
    + flow("G", "U", name="不好")
    + way("T", "E")
    + way("U", "F")
)
BOTH = (
    start()
    + gateway("A", "parallelGateway")
    + task("T")
    + task("U")
    + gateway("B", "parallelGateway")
    + end()
    + way("S", "A", "T", "B", "E")
    + way("A", "U", "B")
)
TYPED = start("X", MESSAGE) + task("Y") + end("Z") + way("X", "Y", "Z")
TERMINATE = "<terminateEventDefinition />"

#: name of the rule → examples in which it is found, examples in which it is not
CASES: dict[str, tuple[list[str], list[str]]] = {
    "ad-hoc-sub-process": (
        [sub("A", start("X") + task("Y"), "adHocSubProcess"), sub("A", task("Y") + end("Z"), "adHocSubProcess")],
        [sub("A", task("X") + task("Y"), "adHocSubProcess"), sub("A", start("X") + end("Z") + way("X", "Z"))],
    ),
    "conditional-event": (
        [
            node("intermediateCatchEvent", "C", "<conditionalEventDefinition />"),
            start(inside="<conditionalEventDefinition><condition> </condition></conditionalEventDefinition>"),
        ],
        [
            node(
                "intermediateCatchEvent",
                "C",
                "<conditionalEventDefinition><condition>a = 1</condition></conditionalEventDefinition>",
            ),
            '<process id="trial"><startEvent id="S"><conditionalEventDefinition /></startEvent></process>',
        ],
    ),
    "conditional-flows": (
        [
            CHOICE.replace(' default="F_G_U"', ""),
            start() + task() + end() + end("F") + flow("S", "T") + flow("T", "E", "a = 1") + flow("T", "F"),
            CHOICE + end("H") + flow("G", "H"),
        ],
        [CHOICE, LINE, BOTH],
    ),
    "end-event-required": (
        [start() + task() + way("S", "T"), LINE + sub("A", start("X") + task("Y") + way("X", "Y"))],
        [LINE, sub("A", task("X") + task("Y"), "adHocSubProcess") + LINE],
    ),
    "event-based-gateway": (
        [
            start() + gateway("G", "eventBasedGateway") + task() + task("U") + way("S", "G", "T") + way("G", "U"),
            start() + gateway("G", "eventBasedGateway") + catch("C") + way("S", "G", "C"),
            start()
            + gateway("G", "eventBasedGateway")
            + catch("C")
            + catch("D", TIMER)
            + way("S", "G", "C")
            + flow("G", "D", "a = 1"),
        ],
        [
            start()
            + gateway("G", "eventBasedGateway")
            + catch("C")
            + catch("D", TIMER)
            + way("S", "G", "C")
            + way("G", "D")
        ],
    ),
    "event-sub-process-typed-start-event": (
        [
            sub("A", LINE, triggeredByEvent="true"),
            sub("A", TYPED.replace(MESSAGE, ""), triggeredByEvent="1"),
        ],
        [sub("A", TYPED, triggeredByEvent="true"), sub("A", LINE), sub("A", LINE, triggeredByEvent="false")],
    ),
    "fake-join": (
        [
            start() + start("R", MESSAGE) + task() + end() + way("S", "T", "E") + way("R", "T"),
            CHOICE.replace('targetRef="F"', 'targetRef="E"'),
        ],
        [LINE, BOTH, CHOICE],
    ),
    "global": (
        [
            declared(LINE, '<message id="M" name="papers" />'),
            declared(LINE + catch("C"), '<message id="M" name=" " />'),
            declared(
                LINE + catch("C") + catch("D", '<messageEventDefinition messageRef="N" />'),
                DECLARED + '<message id="N" name="papers" />',
            ),
            declared(LINE, '<error id="R" name="refused" errorCode="no" />'),
        ],
        [
            declared(LINE + catch("C")),
            declared(LINE + node("receiveTask", "C", messageRef="M")),
            declared(
                LINE + catch("C") + end("F", '<errorEventDefinition errorRef="R" />'),
                DECLARED + '<error id="R" name="papers" errorCode="no" />',
            ),
        ],
    ),
    "label-required": (
        [
            LINE.replace(' name="名 T"', ""),
            LINE.replace(' name="名 S"', ' name="  "'),
            CHOICE.replace(' name="好"', ""),
            CHOICE.replace(' name="名 G"', ""),
        ],
        [LINE, CHOICE, BOTH, BOTH.replace(' name="名 A"', "").replace(' name="名 B"', "")],
    ),
    "link-event": (
        [
            LINE + link("A", "甲", throws=True),
            LINE + link("A", "", throws=True) + link("B", "", throws=False),
            LINE + link("A", "甲", throws=True) + link("B", "甲", throws=False) + link("C", "甲", throws=False),
            LINE + link("A", "甲", throws=True) + sub("U", link("B", "甲", throws=False)),
        ],
        [
            LINE + link("A", "甲", throws=True) + link("B", "甲", throws=False),
            LINE + link("A", "甲", throws=True) + link("C", "甲", throws=True) + link("B", "甲", throws=False),
        ],
    ),
    "no-bpmndi": (
        [
            LINE,
            drawn(LINE, S=(0, 0, 36, 36), T=(100, 0, 100, 80), F_S_T=(36, 18, 100, 18), F_T_E=(200, 18, 300, 18)),
            drawn(LINE, S=(0, 0, 36, 36), T=(100, 0, 100, 80), E=(300, 0, 36, 36), F_S_T=(36, 18, 100, 18)),
        ],
        [
            drawn(
                LINE,
                S=(0, 0, 36, 36),
                T=(100, 0, 100, 80),
                E=(300, 0, 36, 36),
                F_S_T=(36, 18, 100, 18),
                F_T_E=(200, 18, 300, 18),
            )
        ],
    ),
    "no-complex-gateway": ([gateway("G", "complexGateway")], [CHOICE, BOTH]),
    "no-disconnected": (
        [LINE + task("U"), LINE + gateway("G"), start(), sub("A", task("X") + task("Y") + way("X", "Y") + task("Z"))],
        [
            LINE,
            LINE + sub("A", TYPED, triggeredByEvent="true"),
            start() + sub("A", task("X") + task("Y"), "adHocSubProcess") + end() + way("S", "A", "E"),
            LINE
            + node("boundaryEvent", "B", "<compensateEventDefinition />", attachedToRef="T")
            + task("U", isForCompensation="true")
            + '<association id="K" sourceRef="B" targetRef="U" />',
        ],
    ),
    "no-duplicate-sequence-flows": (
        [LINE + flow("S", "T").replace("F_S_T", "F2"), CHOICE + flow("G", "T", "a = 1").replace("F_G_T", "F2")],
        [LINE, CHOICE + flow("G", "T", "a = 2").replace("F_G_T", "F2"), LINE + flow("T", "T", "a = 1")],
    ),
    "no-gateway-join-fork": (
        [CHOICE + start("R", MESSAGE) + flow("R", "G")],
        [CHOICE, BOTH],
    ),
    "no-implicit-end": (
        [LINE + task("U") + flow("S", "U"), CHOICE.replace(way("U", "F"), "")],
        [LINE, CHOICE, LINE + sub("A", TYPED, triggeredByEvent="true")],
    ),
    "no-implicit-split": (
        [LINE + task("U") + flow("T", "U"), LINE + task("U") + flow("S", "U")],
        [
            LINE,
            CHOICE,
            BOTH,
            start()
            + task(default="F_T_F")
            + end()
            + end("F")
            + flow("S", "T")
            + flow("T", "E", "a = 1")
            + flow("T", "F"),
        ],
    ),
    "no-implicit-start": (
        [LINE + task("U") + flow("U", "E"), LINE + gateway() + flow("G", "E")],
        [LINE, CHOICE, LINE + link("A", "甲", throws=False) + way("A", "E")],
    ),
    "no-inclusive-gateway": ([CHOICE.replace("exclusive", "inclusive")], [CHOICE, BOTH]),
    "no-overlapping-elements": (
        [
            drawn(LINE, S=(0, 0, 36, 36), T=(20, 0, 100, 80), E=(300, 0, 36, 36)),
            drawn(LINE, S=(0, 0, 36, 36), T=(36, 0, 100, 80), E=(300, 0, 36, 36)),
        ],
        [
            drawn(LINE, S=(0, 0, 36, 36), T=(100, 0, 100, 80), E=(300, 0, 36, 36)),
            drawn(
                LINE + node("boundaryEvent", "B", TIMER, attachedToRef="T"),
                S=(0, 0, 36, 36),
                T=(100, 0, 100, 80),
                B=(150, 62, 36, 36),
                E=(300, 0, 36, 36),
            ),
        ],
    ),
    "single-blank-start-event": (
        [LINE + start("R") + flow("R", "T"), sub("A", LINE + start("R") + flow("R", "T"))],
        [LINE, LINE + start("R", MESSAGE) + flow("R", "T")],
    ),
    "single-event-definition": (
        [catch("C", MESSAGE + TIMER), start(inside=TIMER + TIMER)],
        [catch("C", MESSAGE), LINE],
    ),
    "standard-size": (
        [drawn(LINE, T=(100, 0, 120, 80)), drawn(LINE, S=(0, 0, 30, 30)), drawn(CHOICE, G=(0, 0, 60, 60))],
        [drawn(LINE, S=(0, 0, 36, 36), T=(100, 0, 100, 80)), drawn(CHOICE, G=(0, 0, 50, 50))],
    ),
    "start-event-required": (
        [task() + end() + way("T", "E"), LINE + sub("A", task("X") + end("Y") + way("X", "Y"))],
        [LINE, LINE + sub("A", TYPED, triggeredByEvent="true")],
    ),
    "sub-process-blank-start-event": (
        [sub("A", TYPED), sub("A", TYPED, "transaction"), sub("A", TYPED.replace(MESSAGE, TIMER))],
        [sub("A", LINE), sub("A", TYPED, triggeredByEvent="true")],
    ),
    "superfluous-gateway": (
        [start() + gateway() + end() + way("S", "G", "E"), LINE + gateway("P", "parallelGateway") + way("T", "P", "E")],
        [CHOICE, BOTH],
    ),
    "superfluous-label": (
        [LINE.replace('id="F_S_T"', 'id="F_S_T" name="然后"'), BOTH.replace('id="F_A_T"', 'id="F_A_T" name="一边"')],
        [LINE, CHOICE, LINE.replace('id="F_S_T"', 'id="F_S_T" name=" "')],
    ),
    "superfluous-termination": (
        [
            LINE.replace(end(), end(inside=TERMINATE)),
            LINE.replace(end(), end(inside=TERMINATE)) + sub("A", TYPED, triggeredByEvent="true"),
        ],
        [
            LINE,
            BOTH.replace(way("U", "B"), "") + end("F", TERMINATE) + way("U", "F"),
            LINE.replace(end(), end(inside=TERMINATE))
            + node("boundaryEvent", "B", TIMER, attachedToRef="T", cancelActivity="false")
            + task("U")
            + end("F")
            + way("B", "U", "F"),
        ],
    ),
}
WRONG = [(name, example) for name, (wrong, _) in CASES.items() for example in wrong]
RIGHT = [(name, example) for name, (_, right) in CASES.items() for example in right]


def is_found(name: str, example: str) -> bool:
    found = lint(package_of(example)[0], WORLD)
    check_shape(found)
    return any(name in (each.rule, *each.aliases) for each in found)


def test_every_rule_of_bpmnlint_has_its_cases_and_its_name():
    assert CASES.keys() == NAMES
    assert {alias for rule in RULES.values() for alias in (rule.id, *rule.aliases)} >= NAMES


@pytest.mark.parametrize(("name", "example"), WRONG, ids=[f"{name}-{n}" for n, (name, _) in enumerate(WRONG)])
def test_what_a_rule_discourages_is_found_under_its_name(name, example):
    assert is_found(name, example)


@pytest.mark.parametrize(("name", "example"), RIGHT, ids=[f"{name}-{n}" for n, (name, _) in enumerate(RIGHT)])
def test_what_a_rule_allows_is_not_found_under_its_name(name, example):
    assert not is_found(name, example)
