"""What a meeting's figures come to while they are filled in: the same table that judges them afterwards."""

from __future__ import annotations

from datetime import timedelta

import pytest

from engine.clock import local_date
from tests.services.motion import Motion


def shown(motion: Motion, **typed: object):
    by = motion.county.post("CL")
    texts = {key.replace("__", "."): [str(value)] for key, value in typed.items()}
    return motion.county.engine.tasks.open(motion.task(by), by=by, typed=texts).ballot


def totals(voting: int, yes: int) -> dict[str, int]:
    return {"vote__voting": voting, "vote__yes": yes, "vote__no": voting - yes, "vote__abstain": 0}


@pytest.fixture
def before_the_vote(motion_) -> Motion:
    motion_.to_representatives()
    motion_.meet(27)
    return motion_


@pytest.mark.parametrize(
    ("yes", "passed", "formula"),
    [(20, False, "3 × 20 = 60 ≤ 2 × 30 = 60"), (21, True, "3 × 21 = 63 > 2 × 30 = 60")],
)
def test_exactly_two_thirds_do_not_pass_and_one_more_does(before_the_vote, yes, passed, formula):
    ballot = shown(before_the_vote, **totals(27, yes))
    assert (ballot.base, ballot.present, ballot.quorum, ballot.needed) == (30, 27, 20, 21)
    assert (ballot.enough, ballot.passed, ballot.formula, ballot.problem) == (True, passed, formula, "")


def test_what_is_shown_is_what_the_table_says_afterwards(motion_):
    motion_.to_representatives()
    people = motion_.meet(27)
    assert shown(motion_, **totals(27, 21)).passed
    motion_.vote(people, 27, 21)
    motion_.minutes()
    assert motion_.open_elements() == ["Task_post"]


def test_figures_that_contradict_each_other_are_named_and_half_figures_decide_nothing(before_the_vote):
    assert (
        "加起来是 26 票" in shown(before_the_vote, vote__voting=27, vote__yes=20, vote__no=6, vote__abstain=0).problem
    )
    assert "比签到的 27 人多" in shown(before_the_vote, **totals(28, 20)).problem
    for nothing in ("", "很多", "-3", "1" * 400):
        ballot = shown(before_the_vote, vote__voting=27, vote__yes=nothing)
        assert (ballot.passed, ballot.yes, ballot.needed) == (None, None, 21)


def test_who_has_not_been_entered_yet_is_not_absent(motion_):
    motion_.propose()
    day = local_date(motion_.county.clock.now()) + timedelta(days=14)
    motion_.do("CL", call__meeting_on=day.isoformat(), call__place="村委会", call__agenda="修桥")
    motion_.wait(10)
    blank = shown(motion_)
    assert (blank.present, blank.absent, blank.unfilled) == (0, 0, blank.entitled) and blank.entitled > 0


def test_a_vote_without_quorum_says_how_many_are_missing(before_the_vote):
    ballot = shown(before_the_vote, **totals(19, 19))
    assert (ballot.enough, ballot.quorum, ballot.voting) == (False, 20, 19)


def test_the_list_is_counted_as_far_as_it_is_filled_in(motion_):
    motion_.to_representatives()
    from_now = motion_.county
    day = local_date(from_now.clock.now()) + timedelta(days=14)
    motion_.do("CL", call__meeting_on=day.isoformat(), call__place="村委会", call__agenda="修桥")
    motion_.wait(10)
    by = from_now.post("CL")
    people = [choice.value for choice in from_now.engine.tasks.open(motion_.task(by), by=by).choices["attendance"]]
    rows = [f"{people[0]}=recused", *(f"{each}=present" for each in people[1:20])]
    ballot = from_now.engine.tasks.open(motion_.task(by), by=by, typed={"attendance": rows}).ballot
    assert (ballot.entitled, ballot.recused, ballot.base, ballot.present) == (30, 1, 29, 19)
    assert (ballot.enough, ballot.quorum, ballot.decides) == (False, 20, False)
    assert ballot.formula == "3 × 19 = 57 < 2 × 29 = 58"


def test_who_may_not_fill_it_in_sees_no_figures(before_the_vote):
    county = before_the_vote.county
    view = county.engine.tasks.open(before_the_vote.task(county.post("CL")), by=county.post("SB"))
    assert (bool(view.blocked), view.ballot) == (True, None)
