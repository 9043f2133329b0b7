"""How far a decision has been carried out is there for everybody to read; only what is on trial takes objections."""

from __future__ import annotations

import pytest

from engine.errors import Refused
from tests.services.motion import OBJECTION, Motion


@pytest.fixture
def carried(motion_) -> Motion:
    """A motion whose notice has ended: it may be carried out."""
    motion_.to_notice()
    motion_.wait(8)
    motion_.do("CL", ("last_photo",), posted__state="kept")
    motion_.do("CL", resolution_number="石桥〔2026〕12号")
    return motion_


def tell(motion: Motion, text: str, state: str = "ongoing") -> None:
    motion.do("CL", ("progress_photo",), progress__text=text, progress__state=state)


def test_each_stage_is_on_the_public_board_beside_those_before(county, carried):
    disclosure, village = county.engine.disclosure, county.people.unit("石桥村")
    tell(carried, "桥墩浇好了，用了 2 万元。")
    tell(carried, "桥面铺好了，用了 5 万元。", "finished")
    shown = [each for each in disclosure.notices(village) if each.state == "shown"]
    assert {each.text for each in shown} == {"桥墩浇好了，用了 2 万元。", "桥面铺好了，用了 5 万元。"}
    assert {each.title for each in shown} == {"修便民桥：实施进展"}
    assert all(each.tells and not each.is_open for each in shown)
    before = county.contents()
    with pytest.raises(Refused) as refused:
        disclosure.object(shown[0].id, data=OBJECTION)
    assert refused.value.code == "notice_tells" and "监督电话" in refused.value.remedy
    assert county.contents() == before
    # The notice of the result does not take the place of what was told on the way.
    carried.do("VD", ("accept_sheet",), result_text="桥修好了，用了 5.8 万元。")
    carried.do("SB", accepted__decision="agree")
    carried.do("CL", ("first_photo",), post_text="桥修好了。", channels=["wall", "sms"], face_to_face="无")
    result = disclosure.notices(village)[0]
    assert (result.text, result.state, result.is_open, result.tells) == ("桥修好了。", "shown", True, False)
    assert len([each for each in disclosure.notices(village) if each.state == "shown"]) == 3
    assert disclosure.object(result.id, data=OBJECTION).receipt


def test_what_is_told_on_the_way_goes_when_its_time_is_over(county, carried):
    tell(carried, "桥墩浇好了，用了 2 万元。")
    (told,) = [each for each in county.engine.disclosure.notices(county.people.unit("石桥村")) if each.state == "shown"]
    carried.wait(30)
    assert county.engine.disclosure.notice(told.id).state == "ended"


def test_a_number_of_a_person_is_not_told_either(county, carried):
    before = county.contents()
    with pytest.raises(Refused, match="个人的号码"):
        tell(carried, "工头的电话 138 0000 1001")
    assert county.contents() == before
