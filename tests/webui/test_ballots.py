"""What a meeting's figures are said to come to, from the first name on the sheet on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from engine.views import Ballot
from tests.conftest import CountyForTest
from webui.app import create_app
from webui.ballots import verdict

BLANK = Ballot(
    entitled=30, recused=0, absent=0, present=0, base=30, voting=0, yes=None, no=None, abstain=None, quorum=20,
    needed=None, enough=False, passed=None, formula="", problem="", decides=False,
)  # fmt: skip


@pytest.fixture(autouse=True)
def on_a_page(county: CountyForTest) -> Iterator[None]:
    with create_app(county.engine, secret="test", demo=False, secure=False).test_request_context("/tasks"):
        yield


def said(**figures: int) -> tuple[str, str]:
    shown = verdict(replace(BLANK, **figures))
    return shown.state, shown.sentence


def test_a_sheet_nobody_has_filled_in_says_what_is_wanted_and_judges_nothing():
    assert said() == ("", "还没有签到，要 20 人到会才能表决。")
    assert said(present=12, voting=12, absent=3) == ("", "已签到 12 人，还有 15 人没填，要 20 人到会才能表决。")


def test_once_it_cannot_be_enough_any_more_it_says_so():
    assert said(present=12, voting=12, absent=11) == ("no", "不能表决：实到 12 人，还差 8 人。")
    assert said(present=19, voting=19, absent=11) == ("no", "不能表决：实到 19 人，还差 1 人。")
