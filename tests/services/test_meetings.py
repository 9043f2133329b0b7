"""Who may count, and when there is nobody left to: a meeting says so instead of waiting for ever."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, select, update

from engine.errors import Refused
from engine.services.jobs import BY_TIME
from engine.store.tables import appointment, job, notification, parameter
from tests.services.test_deliberation import Motion, motion_  # noqa: F401

TOTALS = {"vote__voting": 28, "vote__yes": 25, "vote__no": 3, "vote__abstain": 0}


def leave(motion: Motion, count: int) -> None:
    """Let only so many representatives be left in post."""
    county = motion.county
    posts = select(appointment.c.id).where(appointment.c.role == "VR").order_by(appointment.c.id)
    gone = [row.id for row in motion.rows(posts)[count:]]
    with county.engine.database.write() as connection:
        connection.execute(delete(appointment).where(appointment.c.id.in_(gone)))


def fails(county, motion: Motion) -> bool:
    """Tell whether the motion has ended for want of a quorum, and the township knows."""
    refusal = county.engine.history.trace(motion.started.receipt, by=county.post("SB")).refusal
    told = motion.rows(select(notification.c.text).where(notification.c.person_id == county.post("TG", "云溪镇")))
    return refusal is not None and refusal.code == "no_quorum" and "人数仍然不足" in told[-1].text


@pytest.mark.parametrize("left", [3, 2])
def test_few_are_enough_where_two_of_them_can_count(motion_, left):  # noqa: F811
    motion_.to_representatives()
    leave(motion_, left)
    motion_.vote(motion_.meet(left), left, left)
    motion_.minutes()
    assert motion_.open_elements() == ["Task_post"]


@pytest.mark.parametrize("left", [1, 0])
def test_with_nobody_to_count_there_is_no_quorum_and_nothing_hangs(county, motion_, left):  # noqa: F811
    motion_.to_representatives()
    leave(motion_, left)
    for _ in range(2):
        assert motion_.open_elements() == ["Task_call"]
        assert len(motion_.meet(left)) == left
    assert fails(county, motion_)
    assert motion_.rows(select(job.c.error).where(job.c.kind.in_(BY_TIME), job.c.error != "")) == []


def test_when_all_are_recused_there_is_no_quorum(county, motion_):  # noqa: F811
    motion_.to_representatives()
    for _ in range(2):
        motion_.meet(0, 30)
    assert fails(county, motion_)


def count(motion: Motion, counters: list[str]) -> None:
    motion.do(
        "CL", ("count_sheet",), vote__course="vote", vote__method="secret", **TOTALS, vote__counters=list(counters)
    )


def test_whoever_watches_the_count_cannot_be_a_counter(county, motion_):  # noqa: F811
    motion_.to_representatives()
    board = county.post("SB")
    with county.engine.database.write() as connection:
        seat = select(appointment.c.id).where(appointment.c.role == "VR").limit(1).scalar_subquery()
        connection.execute(update(appointment).where(appointment.c.id == seat).values(person_id=board))
    people = motion_.meet(28, 2)
    here = [person for person in people[:28] if person != board]
    before = county.contents()
    for counters, says in (
        ([here[0], board], "村监委"),
        ([here[0]], "2 个不同的人"),
        ([here[0], here[0]], "2 个不同的人"),
        ([here[0], people[29]], "签到在场"),
    ):
        with pytest.raises(Refused) as refused:
            count(motion_, counters)
        assert refused.value.code == "tally_wrong" and says in refused.value.reason and refused.value.remedy
    assert county.contents() == before
    # He votes like everybody else; he only does not count.
    count(motion_, here[:2])
    motion_.do("SB", confirm__decision="agree")
    assert motion_.open_elements() == ["Task_minutes"]


def test_how_many_must_count_is_a_parameter(county, motion_):  # noqa: F811
    with county.engine.database.write() as connection:
        connection.execute(update(parameter).where(parameter.c.key == "meeting.counters").values(value=3))
    motion_.propose()
    people = motion_.meet(4)
    totals = {"vote__voting": 4, "vote__yes": 4, "vote__no": 0, "vote__abstain": 0}
    with pytest.raises(Refused, match="3 个不同的人"):
        motion_.do(
            "CL", ("count_sheet",), vote__course="vote", vote__method="open", **totals, vote__counters=people[:2]
        )
    motion_.do("CL", ("count_sheet",), vote__course="vote", vote__method="open", **totals, vote__counters=people[:3])
    assert motion_.open_elements() == ["Task_confirm"]
