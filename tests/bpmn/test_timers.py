"""Timers of a running matter: by the county's clock, calculated by our expressions, kept with the state."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from engine.bpmn.execution.dialect import DialectError
from engine.bpmn.workflow import StepFailed
from tests.bpmn.diagrams import Outside, definition, do, opened, process, reload, start

NOON = datetime(2026, 3, 16, 4, 0, tzinfo=UTC)

CATCH = (
    '<startEvent id="s"/><intermediateCatchEvent id="t"><timerEventDefinition id="d"><{0}>{1}</{0}>'
    '</timerEventDefinition></intermediateCatchEvent><userTask id="a"/><endEvent id="e"/>'
)
BOUNDARY = (
    '<startEvent id="s"/><userTask id="a"/><boundaryEvent id="late" attachedToRef="a" cancelActivity="{0}">'
    '<timerEventDefinition id="d"><timeDuration>P3D</timeDuration></timerEventDefinition></boundaryEvent>'
    '<userTask id="b"/><endEvent id="e"/><endEvent id="f"/>'
)
GATEWAY = (
    '<startEvent id="s"/><eventBasedGateway id="g"/>'
    '<intermediateCatchEvent id="said"><messageEventDefinition id="m" messageRef="M"/></intermediateCatchEvent>'
    '<intermediateCatchEvent id="silent"><timerEventDefinition id="d"><timeDuration>P3D</timeDuration>'
    '</timerEventDefinition></intermediateCatchEvent><userTask id="a"/><userTask id="b"/>'
    '<endEvent id="e"/><endEvent id="f"/>'
)
MESSAGE = '<message id="M" name="objection"/>'


class At(Outside):
    """An outside world whose clock is set by hand."""

    def __init__(self, at: datetime = NOON) -> None:
        self.at = at
        super().__init__(
            now=lambda: self.at.isoformat(),
            today=lambda: self.at.date().isoformat(),
            due=lambda count: (self.at + timedelta(days=int(count))).isoformat(),
        )


@pytest.mark.parametrize(
    ("kind", "text", "fires_at"),
    [
        ("timeDuration", "P3D", NOON + timedelta(days=3)),
        ("timeDuration", "PT2H", NOON + timedelta(hours=2)),
        ("timeDuration", '=duration("P3D")', NOON + timedelta(days=3)),
        ("timeDuration", "=due(2)", NOON + timedelta(days=2)),
        ("timeDate", "=due(2)", NOON + timedelta(days=2)),
        # A day begins at midnight in the villages, which is eight hours before midnight in Greenwich.
        ("timeDate", "2026-03-20", datetime(2026, 3, 19, 16, 0, tzinfo=UTC)),
        ("timeDate", '=today() + duration("P8D")', datetime(2026, 3, 23, 16, 0, tzinfo=UTC)),
        ("timeDate", "2026-03-20T09:00:00", datetime(2026, 3, 20, 1, 0, tzinfo=UTC)),
        ("timeDate", "=until", datetime(2026, 4, 1, 16, 0, tzinfo=UTC)),
    ],
)
def test_a_timer_fires_at_its_moment_and_not_before(kind, text, fires_at):
    outside = At()
    shared = definition(process(CATCH.format(kind, text), "s -> t\nt -> a\na -> e"))
    workflow = start(shared, {"until": "2026-04-02"}, outside)
    assert workflow.next_due == fires_at
    outside.at = fires_at - timedelta(seconds=1)
    workflow.fire_timers()
    assert opened(workflow) == []
    outside.at = fires_at
    workflow.fire_timers()
    assert (opened(workflow), workflow.next_due) == (["a"], None)


def test_a_deadline_survives_every_reload_unmoved():
    outside = At()
    shared = definition(process(CATCH.format("timeDuration", "P3D"), "s -> t\nt -> a\na -> e"))
    workflow = start(shared, outside=outside)
    for _ in range(3):
        outside.at += timedelta(hours=20)
        workflow = reload(workflow, shared, outside)
        workflow.fire_timers()
        assert workflow.next_due == NOON + timedelta(days=3)
    outside.at += timedelta(hours=20)
    workflow.fire_timers()
    assert opened(workflow) == ["a"]


def test_a_boundary_timer_that_interrupts_takes_the_task_away():
    outside = At()
    workflow = start(definition(process(BOUNDARY.format("true"), "s -> a\na -> e\nlate -> b\nb -> f")), outside=outside)
    assert workflow.next_due == NOON + timedelta(days=3)
    outside.at += timedelta(days=4)
    workflow.take_passed()
    workflow.fire_timers()
    assert (opened(workflow), workflow.next_due) == (["b"], None)
    assert [(passed.element, passed.kind) for passed in workflow.take_passed()] == [
        ("late", "timer"),
        ("a", "cancelled"),
    ]


def test_a_boundary_timer_that_does_not_interrupt_fires_once_beside_the_task():
    outside = At()
    shared = definition(process(BOUNDARY.format("false"), "s -> a\na -> e\nlate -> b\nb -> f"))
    workflow = start(shared, outside=outside)
    outside.at += timedelta(days=4)
    workflow.fire_timers()
    workflow = reload(workflow, shared, outside)
    workflow.fire_timers()
    assert (opened(workflow), workflow.next_due) == (["a", "b"], None)


def test_a_task_done_in_time_takes_its_timer_with_it():
    outside = At()
    workflow = start(definition(process(BOUNDARY.format("true"), "s -> a\na -> e\nlate -> b\nb -> f")), outside=outside)
    do(workflow, "a")
    assert (workflow.finished, workflow.next_due) == (True, None)


def test_silence_behind_an_event_gateway_is_opened_by_time():
    outside = At()
    shared = definition(
        process(GATEWAY, "s -> g\ng -> said\ng -> silent\nsaid -> a\na -> e\nsilent -> b\nb -> f", declared=MESSAGE)
    )
    workflow = reload(start(shared, outside=outside), shared, outside)
    assert workflow.next_due == NOON + timedelta(days=3)
    objected = reload(workflow, shared, outside)
    assert objected.receive("objection", {}) and (opened(objected), objected.next_due) == (["a"], None)
    outside.at += timedelta(days=3)
    workflow.take_passed()
    workflow.fire_timers()
    assert (opened(workflow), workflow.next_due) == (["b"], None)
    assert [(p.element, p.kind) for p in workflow.take_passed()] == [("g", "eventBasedGateway"), ("silent", "timer")]


def test_what_is_no_time_fails_the_step_and_names_it():
    shared = definition(process(CATCH.format("timeDate", "=until"), "s -> t\nt -> a\na -> e"))
    with pytest.raises(StepFailed) as refused:
        start(shared, {"until": "morgen"}, At())
    assert refused.value.element == "t"


def test_a_repeating_timer_is_refused_anywhere_but_at_the_start():
    with pytest.raises(DialectError) as refused:
        definition(process(CATCH.format("timeCycle", "R/P1D"), "s -> t\nt -> a\na -> e"))
    assert refused.value.element == "t"


@pytest.mark.parametrize(
    "opening", ['<timerEventDefinition id="d"><timeCycle>R/P1M</timeCycle></timerEventDefinition>',
                '<messageEventDefinition id="d" messageRef="M"/>'],
)  # fmt: skip
def test_a_matter_opened_by_time_or_message_does_not_wait_for_it_again(opening):
    elements = f'<startEvent id="s">{opening}</startEvent><userTask id="a"/><endEvent id="e"/>'
    workflow = start(definition(process(elements, "s -> a\na -> e", declared=MESSAGE)), outside=At())
    assert (opened(workflow), workflow.waits(), workflow.next_due) == (["a"], (), None)
