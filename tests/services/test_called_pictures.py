"""The pictures of called processes: each with the marks of its own run."""

from __future__ import annotations

import pytest

from engine.errors import NotFound
from tests.services.motion import Motion


def picture(motion: Motion, call: str | None = None):
    return motion.county.engine.history.trace(motion.started.receipt, by=motion.county.post("SB"), call=call).picture


def test_the_picture_is_the_one_in_which_the_matter_stops(motion_):
    motion_.propose()
    shown = picture(motion_)
    assert (shown.process_id, shown.focus) == ("meeting", "Task_call")
    assert shown.path == (("", "发展规划"), ("Call_deliberate", "五议"), ("Call_consult", "村“两委”商议"))
    assert shown.marks == {"Start_meeting": "done", "Flow_meeting_call": "done", "Task_call": "now"}
    assert list(shown.badges) == ["Task_call"]


def test_several_calls_of_one_process_each_show_their_own_run(motion_):
    motion_.to_representatives()
    motion_.meet(19)
    running = picture(motion_)
    assert running.path[-1] == ("Call_decide", "村民代表决议")
    assert (running.marks["Gateway_reconvene"], running.marks["Task_call"]) == ("done", "now")
    assert "Task_vote" not in running.marks
    finished = picture(motion_, "Call_examine")
    assert (finished.marks["Task_vote"], finished.marks["End_meeting"], finished.focus) == ("done", "done", "")
    assert not {"Gateway_reconvene", "now"} & {*finished.marks, *finished.marks.values()}
    assert picture(motion_, "Call_notice").marks == {}


def test_the_item_itself_is_the_first_picture_and_leads_to_the_others(motion_):
    motion_.propose()
    own = picture(motion_, "")
    assert (own.process_id, own.path, own.calls) == (
        "dev_plan",
        (("", "发展规划"),),
        {"Call_deliberate": "五议", "Call_carry": "实施公开"},
    )
    assert own.marks["Call_deliberate"] == "now"
    assert "Call_consult" in picture(motion_, "Call_deliberate").calls


@pytest.mark.parametrize("call", ["Task_survey", "Call_gone", "Start_plan"])
def test_what_calls_nothing_has_no_picture(motion_, call):
    with pytest.raises(NotFound):
        picture(motion_, call)
    with pytest.raises(NotFound):
        motion_.county.engine.repository.definition("dev_plan", call=call)


def test_the_diagram_of_each_process_can_be_had(motion_):
    repository = motion_.county.engine.repository
    definition = repository.definition("dev_plan").item.definition_id
    assert b'<bpmn:process id="meeting"' in repository.diagram(definition, "meeting")
    assert repository.diagram(definition, "dev_plan") == repository.diagram(definition)
    with pytest.raises(NotFound):
        repository.diagram(definition, "seal_use")


def test_what_lies_ahead_inside_a_call_is_to_come_not_passed_over(motion_):
    motion_.propose()
    trace = motion_.county.engine.history.trace(motion_.started.receipt, by=motion_.county.post("SB"))
    states = {line.element: line.state for line in trace.steps}
    assert {states[each] for each in ("Task_attend", "Task_vote", "Task_confirm", "Call_examine")} == {"todo"}
