"""Objections: the board learns what was said and who said it, nobody else does, and none stays without an answer."""

from __future__ import annotations

from tests.services.motion import OBJECTION, Motion

OTHER = {"text": ["工钱算高了"], "name": ["李秋生"], "phone": ["13900002222"], "group_name": ["5组"]}


def beside(motion_: Motion, role: str) -> str:
    """Return what lies beside the open step for who holds a post, the answers to the form left out."""
    by = motion_.county.post(role)
    page = motion_.county.engine.tasks.open(motion_.task(by), by=by)
    return repr((page.summaries, page.values))


def test_the_board_reads_the_objection_and_whom_to_call_nobody_else_reads_who_it_was(county, motion_):
    notice_id = motion_.to_notice()
    county.engine.disclosure.object(notice_id, data=OBJECTION)
    for told in ("桥位不该占我家的地", "张秀英", "13800001001", "3组"):
        assert told in beside(motion_, "SB")
    # Who only looks on, while the board has the step.
    for role in ("CL", "VD", "PS"):
        assert "张秀英" not in beside(motion_, role) and "桥位" not in beside(motion_, role)
    motion_.do("SB", objection_kind="material")
    steps = [("DG", {"review_opinion": "地是集体的"}), ("SB", {})]
    for role, values in steps:
        assert "桥位不该占我家的地" in beside(motion_, role)
        assert "张秀英" not in beside(motion_, role) and "13800001001" not in beside(motion_, role)
        if values:
            motion_.do(role, **values)


def test_of_two_objections_the_step_shows_the_one_that_is_dealt_with(county, motion_):
    notice_id = motion_.to_notice()
    for data in (OBJECTION, OTHER):
        county.engine.disclosure.object(notice_id, data=data)
        assert "桥位" in beside(motion_, "SB") and "工钱" not in beside(motion_, "SB")
    motion_.do("SB", objection_kind="question")
    assert "桥位" in beside(motion_, "VD") and "张秀英" not in beside(motion_, "VD")
    motion_.do("VD", objection_answer="桥位在老渡口。")
    seen = beside(motion_, "SB")
    assert "工钱" in seen and "李秋生" in seen and "不该占我家的地" not in seen


def test_when_one_objection_is_upheld_the_others_are_answered_too(county, motion_):
    disclosure = county.engine.disclosure
    notice_id = motion_.to_notice()
    upheld, waiting = (disclosure.object(notice_id, data=data) for data in (OBJECTION, OTHER))
    motion_.do("SB", objection_kind="material")
    motion_.do("DG", review_opinion="属实，占了承包地")
    motion_.do("SB", ruling__decision="upheld", objection_answer="您说的属实。")
    assert disclosure.answer(upheld.receipt, code=upheld.code).outcome == "upheld"
    told = disclosure.answer(waiting.receipt, code=waiting.code)
    assert (told.state, told.outcome) == ("answered", "answered") and "公示已经撤回" in told.answer
    assert disclosure.notice(notice_id).state == "withdrawn"


def test_an_answer_on_show_names_nobody(county, motion_):
    notice_id = motion_.to_notice()
    filed = county.engine.disclosure.object(notice_id, data=OBJECTION)
    motion_.do("SB", objection_kind="question")
    motion_.do("VD", objection_answer="张秀英同志，打过您的电话 13800001001，桥位在老渡口。")
    shown = repr(county.engine.disclosure.notice(notice_id).answers)
    assert "桥位在老渡口" in shown and "张秀英" not in shown and "13800001001" not in shown
    # Who asked reads it as it was written.
    assert "张秀英" in county.engine.disclosure.answer(filed.receipt, code=filed.code).answer
