"""Two motions of the demo county: one before the villagers' representatives, one whose decision is on show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from sqlalchemy import select

from engine.clock import local_date
from engine.demo.story import MAIN, Storyteller
from engine.services import wakeup
from engine.services.unit_of_work import UnitOfWork
from engine.store.tables import job
from engine.views import Started
from engine.workdays import is_workday

#: working days between the call of a meeting and its day
AHEAD = 3

ROAD = "三组机耕道硬化 1.2 公里，宽 3.5 米，秋收前完工；上级补助 8 万元，集体收入 2 万元。"
POND = "村口水塘清淤护岸一处，四周装护栏；集体收入 4.6 万元，雨季前完工。"


def tell_deliberation(teller: Storyteller) -> None:
    """Let both motions go their way up to today."""
    _decided(teller)
    _before_representatives(teller)
    teller.at(0, 8, 45)
    for text in ("村小学门口的路灯坏了三盏，晚上孩子走路看不见。", "三组的垃圾桶满了没人清。"):
        teller.engine.disclosure.suggest(teller.people.unit(MAIN), data={"text": [text], "group_name": ["3组"]})


def _decided(teller: Storyteller) -> None:
    """A project that passed all meetings; its notice runs."""
    started = _begin(teller, 24, "村口水塘清淤护岸", POND, "46000")
    _meeting(teller, started, 22, "present=5", 5, 5)
    _plan(teller, started, 18, POND)
    _meeting(teller, started, 17, "present=12", 12, 11)
    _do(teller, started, "CL", {"ballot_text": POND})
    _meeting(teller, started, 12, "present=27", 27, 25)
    teller.at(1, 10)
    _do(
        teller,
        started,
        "CL",
        {"post_text": POND, "channels": ["wall", "broadcast"], "face_to_face": "上门告知 6 户独居老人。"},
        ("first_photo",),
    )


def _before_representatives(teller: Storyteller) -> None:
    """A project whose meeting of representatives is today: the clerk has the sheet before him."""
    started = _begin(teller, 15, "三组机耕道硬化", ROAD, "100000")
    _meeting(teller, started, 13, "present=5", 5, 4)
    _plan(teller, started, 9, ROAD)
    _meeting(teller, started, 8, "present=11", 11, 9)
    _do(teller, started, "CL", {"ballot_text": ROAD})
    _call(teller, started, AHEAD)


def _begin(teller: Storyteller, ago: int, title: str, text: str, amount: str) -> Started:
    teller.at(ago, 9)
    started = teller.engine.runtime.start(
        "project_init",
        unit_id=teller.people.unit(MAIN),
        data={"motion_title": [title], "project_reason": ["村民在建议里提了几次。"]},
        by=teller.people.posts[MAIN, "CL"],
    )
    need = {"project_place": "三组", "project_need": text, "project_amount": amount, "project_households": "42"}
    _do(teller, started, "CL", {**need, "fund_source": "mixed"}, ("fund_paper",))
    teller.at(ago - 1, 9)
    fund = {
        "motion_budget": amount,
        "motion_fund": "上级补助和集体收入",
        "motion_affected": "三组 42 户",
        "asked_by": "0",
    }
    _do(teller, started, "VD", {"motion_title": title, "motion_text": text, "asked_by": "0", **fund})
    _do(teller, started, "SB", {"checked.decision": "agree"})
    return started


def _plan(teller: Storyteller, started: Started, ago: int, text: str) -> None:
    teller.at(ago, 9)
    _do(teller, started, "CL", {"plan_text": text})
    _do(teller, started, "PS", {"reviewed.decision": "agree"})


def _call(teller: Storyteller, started: Started, ago: int) -> None:
    """Call a meeting for ``AHEAD`` working days later and let that day come."""
    teller.at(ago, 10)
    day = local_date(teller.clock.now())
    for _ in range(AHEAD):
        day += timedelta(days=1)
        while not is_workday(day):
            day += timedelta(days=1)
    agenda = "议题见通知；材料已经送到每个人手里。"
    _do(teller, started, "CL", {"call.meeting_on": day.isoformat(), "call.place": "村委会", "call.agenda": agenda})
    teller.at(max(ago - AHEAD, 0), 8, 30)
    with UnitOfWork(teller.engine.database, teller.clock).write() as transaction:
        own = job.c.instance_id == started.matter_id, job.c.kind == "timer"
        wakeup.fire(
            teller.engine.repository, transaction, transaction.connection.execute(select(job).where(*own)).one()
        )


def _meeting(teller: Storyteller, started: Started, ago: int, seats: str, voting: int, yes: int) -> None:
    _call(teller, started, ago)
    people = _attend(teller, started, seats)
    votes = {"vote.voting": voting, "vote.yes": yes, "vote.no": voting - yes, "vote.abstain": 0}
    _do(
        teller,
        started,
        "CL",
        {
            "vote.course": "vote",
            "vote.method": "secret",
            **{key: str(count) for key, count in votes.items()},
            "vote.counters": people[:2],
        },
        ("count_sheet",),
    )
    _do(teller, started, "SB", {"confirm.decision": "agree"})
    _do(teller, started, "CL", {"minutes_summary": "照方案表决，结果见计票单。"}, ("minutes",))


def _attend(teller: Storyteller, started: Started, seats: str) -> list[str]:
    clerk = teller.people.posts[MAIN, "CL"]
    page = teller.engine.tasks.open(teller.task_id(started, clerk), by=clerk)
    people = [choice.value for choice in page.choices["attendance"]]
    present = int(seats.partition("=")[2])
    rows = [f"{person}={'present' if at < present else 'absent'}" for at, person in enumerate(people)]
    _do(teller, started, "CL", {"attendance": rows}, ("sheet",))
    return people


def _do(
    teller: Storyteller,
    started: Started,
    role: str,
    values: Mapping[str, str | Sequence[str]],
    files: tuple[str, ...] = (),
) -> None:
    teller.do(started, MAIN, role, values, files)
