"""A meeting: who may count, when nobody is left to, how late it may be, what is left of the pass before."""

from __future__ import annotations

from datetime import datetime

import pytest
from sqlalchemy import delete, select, update

from engine.clock import LOCAL
from engine.errors import InvalidForm, Refused
from engine.services import parameters
from engine.services.environment import functions
from engine.services.jobs import BY_TIME
from engine.store.tables import appointment, job, notification, parameter
from tests.services.motion import PLAN, Motion

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
def test_few_are_enough_where_two_of_them_can_count(motion_, left):
    motion_.to_representatives()
    leave(motion_, left)
    motion_.vote(motion_.meet(left), left, left)
    motion_.minutes()
    assert motion_.open_elements() == ["Task_post"]


@pytest.mark.parametrize("left", [1, 0])
def test_with_nobody_to_count_there_is_no_quorum_and_nothing_hangs(county, motion_, left):
    motion_.to_representatives()
    leave(motion_, left)
    for _ in range(2):
        assert motion_.open_elements() == ["Task_call"]
        assert len(motion_.meet(left)) == left
    assert fails(county, motion_)
    assert motion_.rows(select(job.c.error).where(job.c.kind.in_(BY_TIME), job.c.error != "")) == []


def test_when_all_are_recused_there_is_no_quorum(county, motion_):
    motion_.to_representatives()
    for _ in range(2):
        motion_.meet(0, 30)
    assert fails(county, motion_)


def count(motion: Motion, counters: list[str]) -> None:
    motion.do(
        "CL", ("count_sheet",), vote__course="vote", vote__method="secret", **TOTALS, vote__counters=list(counters)
    )


def test_whoever_watches_the_count_cannot_be_a_counter(county, motion_):
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


def test_how_many_must_count_is_a_parameter(county, motion_):
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


@pytest.mark.parametrize(
    ("today", "day", "quorum", "fits"),
    [
        ("2026-03-16", "2026-04-15", None, True),
        ("2026-03-16", "2026-04-16", None, False),
        ("2026-03-16", "2062-03-20", None, False),
        ("2026-03-16", "2026-03-23", {"enough": False}, True),
        ("2026-03-16", "2026-03-24", {"enough": False}, False),
        # In the days off of the National Day papers reach nobody: the first day they can is the last one, too.
        ("2026-09-30", "2026-10-10", {"enough": False}, True),
        ("2026-09-30", "2026-10-11", {"enough": False}, False),
    ],
)
def test_a_meeting_is_not_put_off_for_ever(county, motion_, today, day, quorum, fits):
    county.clock.at = datetime.fromisoformat(f"{today}T09:00").replace(tzinfo=LOCAL)
    deployed = county.engine.repository.deployed(county.engine.repository.definition("dev_plan").item.definition_id)
    form = deployed.forms["common/meeting/meeting_call.form"]
    typed = {"call.meeting_on": [day], "call.place": ["村委会"], "call.agenda": ["修桥"]}
    known = {"body": "VR"} | ({"quorum": quorum} if quorum else {})
    with county.engine.database.read() as connection:
        own = functions(parameters.reader(connection, None, county.clock.today()), county.clock.now())
        if fits:
            assert form.clean(typed, known, own)["call"]["meeting_on"] == day
        else:
            with pytest.raises(InvalidForm, match="不能晚于"):
                form.clean(typed, known, own)


def shown(motion: Motion, key: str) -> str:
    """Return what stands in a field of the clerk's open step before he types."""
    clerk = motion.county.post("CL")
    return motion.county.engine.tasks.open(motion.task(clerk), by=clerk).values[key]


def test_after_a_change_nothing_is_left_of_the_plan_before(motion_):
    motion_.to_representatives()
    motion_.meet(28)
    motion_.do("CL", ("count_sheet",), vote__course="defer", vote__amendment="桥改成三米宽")
    motion_.minutes()
    motion_.vote(motion_.meet(5), 5, 5)
    motion_.minutes()
    assert shown(motion_, "plan_text") == PLAN
    changed = PLAN.replace("4", "3")
    motion_.do("CL", plan_text=changed)
    motion_.do("PS", reviewed__decision="agree")
    motion_.vote(motion_.meet(12), 12, 12)
    motion_.minutes()
    # Who sends what is shown sends the plan that was deliberated: the one before would end the whole matter.
    assert shown(motion_, "ballot_text") == changed


def test_a_motion_proposed_anew_brings_its_own_text(motion_):
    motion_.propose()
    motion_.vote(motion_.meet(5), 5, 5)
    motion_.minutes()
    motion_.do("CL", plan_text=PLAN + "另修凉亭一座。")
    motion_.do("PS", reviewed__decision="return", reviewed__note="凉亭没有资金来源")
    budget = {"motion_budget": 60000, "motion_fund": "集体收入", "motion_affected": "全村", "asked_by": 0}
    motion_.do("VD", motion_title="修便民桥", motion_text=PLAN.replace("4", "5"), **budget)
    motion_.do("SB", checked__decision="agree")
    motion_.vote(motion_.meet(5), 5, 5)
    motion_.minutes()
    assert shown(motion_, "plan_text") == PLAN.replace("4", "5")
