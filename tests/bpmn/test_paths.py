"""What is proved on the ways through an item, over what it calls."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from engine.bpmn.lint import World, lint
from engine.bpmn.package import read_files
from engine.model import Finding
from tests.bpmn.diagrams import Walk, flows, process

HEAD = 'xmlns:camunda="http://camunda.org/schema/1.0/bpmn"'
POWER = f'{HEAD} xmlns:power="urn:sihua:power:1"'


@dataclass(frozen=True)
class Role:
    code: str
    incompatible: tuple[str, ...] = ()
    succession: tuple[str, ...] = ()


def found(
    rule: str, elements: str, lines: str, *, declared: str = "", called: bytes = b"", **roles: Role
) -> list[Finding]:
    diagram = process(elements, lines, declared=declared).replace(HEAD.encode(), POWER.encode())
    files = {"p.bpmn": diagram} | ({"common/q/q.bpmn": called} if called else {})
    world = World({"文书": Role("CL"), **roles}, {}, {}, {})
    return [finding for finding in lint(read_files("p", "", files), world) if finding.rule == rule]


def task(id: str, fact: str = "") -> str:
    return f'<userTask id="{id}" name="{id}"><extensionElements>{fact}</extensionElements></userTask>'


def service(id: str, topic: str) -> str:
    return f'<serviceTask id="{id}" name="{id}" camunda:type="external" camunda:topic="{topic}"/>'


def lane(name: str, *ids: str) -> str:
    return f'<lane id="L{name}" name="{name}">{"".join(f"<flowNodeRef>{id}</flowNodeRef>" for id in ids)}</lane>'


ENDS = '<startEvent id="s"/><endEvent id="e"/>'
SEPARATE = '<power:separate from="a"/>'
AFTER = '<power:after from="a"/>'


def test_two_separate_steps_of_a_post_that_nobody_takes_over_cannot_be_kept_apart():
    elements = f'<laneSet id="ls">{lane("文书", "a", "b")}</laneSet>{ENDS}{task("a")}{task("b", SEPARATE)}'
    (finding,) = found("separation-possible", elements, "s -> a\na -> b\nb -> e")
    assert (finding.element, finding.path) == ("b", ("s", "a", "b"))
    assert found("separation-possible", elements, "s -> a\na -> b\nb -> e", 文书=Role("CL", (), ("VD",))) == []


def test_separate_steps_on_ways_that_exclude_each_other_need_nobody_else():
    gateway = '<exclusiveGateway id="x"/>'
    elements = f'<laneSet id="ls">{lane("文书", "a", "b")}</laneSet>{ENDS}{gateway}{task("a")}{task("b", SEPARATE)}'
    assert found("separation-possible", elements, "s -> x\nx -> a [1 = 1]\nx -> b [1 = 2]\na -> e\nb -> e") == []


def test_a_separation_that_is_written_at_the_earlier_step_keeps_nothing_apart():
    elements = f"{ENDS}{task('a')}{task('b', SEPARATE)}"
    (finding,) = found("separation-possible", elements, "s -> b\nb -> a\na -> e")
    assert "不起作用" in finding.message


def test_a_step_that_can_be_reached_without_the_one_before_it_is_out_of_order():
    gateway = '<exclusiveGateway id="x"/>'
    elements = f"{ENDS}{gateway}{task('a')}{task('b', AFTER)}"
    (finding,) = found("step-order", elements, "s -> x\nx -> a [1 = 1]\nx -> b [1 = 2]\na -> b\nb -> e")
    assert finding.path == ("s", "x", "b")
    assert found("step-order", elements, "s -> x\nx -> a\na -> b\nb -> e") == []


@pytest.mark.parametrize(("join", "count"), [("parallelGateway", 0), ("exclusiveGateway", 1)])
def test_a_branch_that_is_joined_comes_before_what_follows_the_join(join: str, count: int):
    gateways = f'<parallelGateway id="x"/><{join} id="j"/>'
    elements = f"{ENDS}{gateways}{task('a')}{task('c')}{task('b', AFTER)}"
    lines = "s -> x\nx -> a\nx -> c\na -> j\nc -> j\nj -> b\nb -> e"
    assert len(found("step-order", elements, lines)) == count


def test_the_order_holds_over_calls_too():
    elements = f'{ENDS}<callActivity id="call" calledElement="q"/>{task("b", AFTER)}'
    inside = "<startEvent id='sq'/><exclusiveGateway id='xq'/><endEvent id='eq'/>" + task("a")
    skipped = process(inside, "sq -> xq\nxq -> a [1 = 1]\nxq -> eq [1 = 2]\na -> eq", id="q")
    kept = process(inside, "sq -> xq\nxq -> a\na -> eq", id="q")
    lines = "s -> call\ncall -> b\nb -> e"
    (finding,) = found("step-order", elements, lines, called=skipped)
    assert finding.path == ("s", "call", "sq", "xq", "eq", "b")
    assert found("step-order", elements, lines, called=kept) == []


TIMER = "<timerEventDefinition><timeDate>=posting.ends_at</timeDate></timerEventDefinition>"
OBJECTION = '<messageEventDefinition messageRef="M"/>'
NOTICE = (
    f"{ENDS}{service('publish', 'notice.publish')}{service('close', 'notice.close')}"
    f'{service("release", "motion.release")}<eventBasedGateway id="w"/><endEvent id="e2"/>'
    f'<intermediateCatchEvent id="over">{TIMER}</intermediateCatchEvent>'
    f'<intermediateCatchEvent id="objection">{OBJECTION}</intermediateCatchEvent>'
)
STANDS = """
    s -> publish
    publish -> w
    w -> over
    w -> objection
    objection -> e2
    over -> close
    close -> release
    release -> e
"""


def notices(elements: str, lines: str) -> list[Finding]:
    return found("notice-before-execution", elements, lines, declared='<message id="M" name="objection"/>')


def test_what_is_posted_stands_its_time_and_then_is_carried_out():
    assert notices(NOTICE, STANDS) == []


def test_nothing_is_carried_out_on_a_way_round_the_notice():
    elements = NOTICE + '<exclusiveGateway id="x"/><exclusiveGateway id="y"/>'
    lines = STANDS.replace("s -> publish", "s -> x\nx -> publish [1 = 1]\nx -> y [1 = 2]")
    (finding,) = notices(elements, lines.replace("close -> release", "close -> y\ny -> release"))
    assert (finding.element, finding.path) == ("release", ("s", "x", "y", "release"))


def test_an_objection_does_not_cut_the_notice_short():
    (finding,) = notices(NOTICE, STANDS.replace("objection -> e2", "objection -> close"))
    assert finding.path == ("s", "publish", "w", "objection", "close")


def test_a_notice_is_open_to_objections():
    lines = "s -> publish\npublish -> over\nover -> close\nclose -> release\nrelease -> e\n"
    assert ["没有地方可以提异议" in finding.message for finding in notices(NOTICE, lines)] == [True]


WAIT = '<receiveTask id="wait" name="wait" messageRef="M"/>'
SEND = '<intermediateThrowEvent id="send"><messageEventDefinition messageRef="M"/></intermediateThrowEvent>'


@pytest.mark.parametrize(
    ("lines", "path"),
    [
        ("s -> wait\nwait -> send\nsend -> e", ("s", "wait")),
        ("s -> send\nsend -> wait\nwait -> e", None),
        ("s -> x\nx -> wait\nx -> send\nwait -> j\nsend -> j\nj -> e", None),
    ],
)
def test_a_message_that_is_sent_only_after_it_has_come_never_comes(lines: str, path: tuple[str, ...] | None):
    gateways = '<parallelGateway id="x"/><parallelGateway id="j"/>'
    got = found("message-deadlock", ENDS + WAIT + SEND + gateways, lines, declared='<message id="M" name="ready"/>')
    assert [finding.path for finding in got] == ([path] if path else [])


def test_a_message_from_outside_may_always_come():
    declared = '<message id="M" name="papers"/>'
    assert found("message-deadlock", ENDS + WAIT, "s -> wait\nwait -> e", declared=declared) == []


# What events bring.

MESSAGE = '<messageEventDefinition messageRef="M"/>'
ESCALATION = '<escalationEventDefinition escalationRef="U"/>'
ERROR = '<errorEventDefinition errorRef="E"/>'
EVENTS = '<message id="M" name="papers"/><escalation id="U" escalationCode="u"/><error id="E" errorCode="e"/>'


def handler(events: str, *, beside: bool = False, task_inside: str = "") -> str:
    """Return an event sub-process in which somebody does "b"."""
    start = f'<startEvent id="hs" isInterrupting="{str(not beside).lower()}">{events}</startEvent>'
    inner = f'{start}{task_inside or task("b", AFTER)}<endEvent id="he"/>'
    inner += flows("hs -> b\nb -> he")
    return f'<subProcess id="h" triggeredByEvent="true">{inner}</subProcess>'


def sub(inside: str, lines: str) -> str:
    return f'<subProcess id="sub">{inside}{flows(lines)}</subProcess>'


@pytest.mark.parametrize(
    ("elements", "lines", "path"),
    [
        # The message may come while "a" is still open, or only behind it.
        (task("a") + handler(MESSAGE), "s -> a\na -> e", ("s", "a", "h", "hs", "b")),
        (task("a") + handler(MESSAGE, beside=True), "s -> a\na -> e", ("s", "a", "h", "hs", "b")),
        (task("a") + sub(task("c") + handler(MESSAGE), ""), "s -> a\na -> sub\nsub -> e", None),
        # An escalation or error comes when it is thrown.
        (
            task("a") + f'<intermediateThrowEvent id="up">{ESCALATION}</intermediateThrowEvent>' + handler(ESCALATION),
            "s -> a\na -> up\nup -> e",
            None,
        ),
        (
            task("a") + f'<intermediateThrowEvent id="up">{ESCALATION}</intermediateThrowEvent>' + handler(ESCALATION),
            "s -> up\nup -> a\na -> e",
            ("s", "up", "h", "hs", "b"),
        ),
        (
            task("a") + f'<endEvent id="fails">{ERROR}</endEvent>' + handler(ERROR),
            "s -> a\na -> fails",
            None,
        ),
        # What follows the scope follows an event sub-process that has interrupted it, not one that ran beside it.
        (
            sub(task("a") + handler(MESSAGE, task_inside=task("b")), "") + task("c", AFTER),
            "s -> sub\nsub -> c\nc -> e",
            ("s", "sub", "a", "h", "hs", "b", "he", "c"),
        ),
        (
            sub(task("a") + handler(MESSAGE, beside=True, task_inside=task("b")), "") + task("c", AFTER),
            "s -> sub\nsub -> c\nc -> e",
            None,
        ),
        # The same of what hangs on a step.
        (
            f'{task("a")}{task("b", AFTER)}<boundaryEvent id="w" attachedToRef="a">{MESSAGE}</boundaryEvent>',
            "s -> a\na -> e\nw -> b\nb -> e",
            ("s", "a", "w", "b"),
        ),
        (
            f"{sub(task('a') + service('v', 'x'), 'a -> v')}{task('b', AFTER)}"
            f'<boundaryEvent id="w" attachedToRef="sub">{MESSAGE}</boundaryEvent>',
            "s -> sub\nsub -> e\nw -> b\nb -> e",
            ("s", "sub", "a", "w", "b"),
        ),
    ],
)
def test_what_an_event_brings_comes_in_order_only_where_the_event_does(elements, lines, path):
    got = found("step-order", ENDS + elements, lines, declared=EVENTS)
    assert [finding.path for finding in got] == ([path] if path else [])


def test_the_engine_does_what_an_event_brings_though_the_step_before_it_is_open():
    after = sub(task("a") + handler(MESSAGE, task_inside=task("b")), "") + task("c", AFTER)
    drawn = process(ENDS + after, "s -> sub\nsub -> c\nc -> e", declared=EVENTS)
    walk = Walk(drawn.replace(HEAD.encode(), POWER.encode()))
    assert walk.receive("papers")
    assert walk.do("b").do("c").end == "e"
    assert "a" not in walk.path


def test_hands_are_kept_apart_in_what_an_event_brings_too():
    inside = handler(MESSAGE, beside=True, task_inside=task("b", SEPARATE))
    elements = f'<laneSet id="ls">{lane("文书", "a", "c", "h")}</laneSet>{ENDS}{task("a")}{task("c")}{inside}'
    lines = "s -> a\na -> c\nc -> e"
    (finding,) = found("separation-possible", elements, lines, declared=EVENTS)
    assert (finding.element, finding.path) == ("b", ("s", "a", "c", "h", "hs", "b"))
    assert found("separation-possible", elements, lines, declared=EVENTS, 文书=Role("CL", (), ("VD",))) == []


def test_who_acted_beside_a_part_acted_before_what_follows_it():
    inside = sub(task("c") + handler(MESSAGE, beside=True, task_inside=task("b")), "")
    fact = '<power:separate from="b"/>'
    elements = f'<laneSet id="ls">{lane("文书", "sub", "d")}</laneSet>{ENDS}{inside}{task("d", fact)}'
    (finding,) = found("separation-possible", elements, "s -> sub\nsub -> d\nd -> e", declared=EVENTS)
    assert finding.path == ("s", "sub", "c", "h", "hs", "b", "he", "d")


def test_a_notice_is_not_cut_short_by_an_event_sub_process():
    release = service("early", "motion.release")
    start = f'<startEvent id="hs">{OBJECTION}</startEvent>'
    inside = f'<subProcess id="h" triggeredByEvent="true">{start}{release}{flows("hs -> early")}</subProcess>'
    (finding,) = notices(NOTICE + inside, STANDS)
    assert finding.path == ("s", "publish", "w", "h", "hs", "early")
