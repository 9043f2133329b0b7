"""A matter that waits for a day or for another matter stands somewhere too."""

from __future__ import annotations

from datetime import timedelta

from tests.services.drawn import begin, enforce, item, timer
from tests.services.test_messages import ASKING, ASKING_FLOWS, MESSAGES, send


def stops(county, matter):
    trace = county.engine.history.trace(matter.receipt, by=county.post("SB"))
    return trace.answer, [(stop.element, stop.who, stop.clock.state) for stop in trace.stops]


def test_waiting_for_another_matter_is_a_stop_and_comes_on_the_board_when_it_is_long(county):
    asking = ASKING.replace('<intermediateCatchEvent id="wait"', '<intermediateCatchEvent id="wait" name="等决议"')
    enforce(county, item("asking", asking, ASKING_FLOWS, declared=MESSAGES))
    matter = begin(county, "asking")
    send(county, matter)
    assert stops(county, matter) == (
        "停在〈等决议〉不到 1 天 — 等别的事办完发来消息",
        [("wait", "等别的事办完发来消息", "none")],
    )
    assert county.engine.history.stuck(by=county.post("SB")).rows == ()
    county.clock.at += timedelta(days=60)
    (row,) = county.engine.history.stuck(by=county.post("SB")).rows
    assert (row.state, row.step, row.who, row.receipt) == ("idle", "等决议", "等别的事办完发来消息", matter.receipt)


def test_waiting_for_a_day_is_a_stop_until_the_day_has_come(county):
    elements = (
        '<startEvent id="s"/><userTask id="a"/><intermediateCatchEvent id="w" name="到那天">'
        + timer("P3D") + '</intermediateCatchEvent><userTask id="b"/><endEvent id="e"/>'
    )  # fmt: skip
    enforce(county, item("waiting", elements, "s -> a\na -> w\nw -> b\nb -> e"))
    matter = begin(county, "waiting")
    send(county, matter)
    waits = "不用找人，到时候自己往下走"
    assert stops(county, matter) == (f"停在〈到那天〉不到 1 天 — {waits}", [("w", waits, "none")])
    county.clock.at += timedelta(days=4)
    while county.engine.jobs.run_due(kinds=("timer",)):
        pass
    assert [stop[0] for stop in stops(county, matter)[1]] == ["b"]
