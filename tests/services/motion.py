"""A motion for the tests of the five deliberations: who does what to carry it on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select

from engine.clock import local_date
from engine.services.jobs import BY_TIME
from engine.store.tables import task
from engine.views import Started
from engine.workdays import add_workdays

PLAN = "村口修一座便民桥，宽 4 米，集体收入 6 万元。"
OBJECTION = {"text": ["桥位不该占我家的地"], "name": ["张秀英"], "phone": ["13800001001"], "group_name": ["3组"]}


@dataclass
class Motion:
    """One motion in the main village and the acts that carry it on."""

    county: object
    started: Started

    def do(self, role: str, files: tuple[str, ...] = (), **values: object) -> None:
        by = self.county.post(role)
        self.county.engine.tasks.complete(
            self.task(by),
            by=by,
            data={key.replace("__", "."): v if isinstance(v, list) else [str(v)] for key, v in values.items()},
            files={name: [self.county.photo()] for name in files},
        )

    def task(self, by: str) -> str:
        return self.county.task(self.started, by)

    def wait(self, days: int) -> None:
        self.county.later(days)
        while self.county.engine.jobs.run_due(kinds=BY_TIME):
            pass

    def propose(self) -> None:
        self.do("CL", ("survey_sheet",), survey_households=40, survey_summary="大家要修桥")
        budget = {"motion_budget": 60000, "motion_fund": "集体收入", "motion_affected": "全村", "asked_by": 0}
        self.do("VD", motion_title="修便民桥", motion_text=PLAN, **budget)
        self.do("SB", checked__decision="agree")

    def meet(self, present: int, recused: int = 0) -> list[str]:
        """Call a meeting, let the day come, fill in the sheet; return the persons entitled."""
        today = local_date(self.county.clock.now())
        day = max(add_workdays(today, 3), today + timedelta(days=7))
        self.do("CL", call__meeting_on=day.isoformat(), call__place="村委会", call__agenda="修桥")
        self.wait(10)
        by = self.county.post("CL")
        people = [choice.value for choice in self.county.engine.tasks.open(self.task(by), by=by).choices["attendance"]]
        choices = ["present"] * present + ["recused"] * recused
        choices += ["absent"] * (len(people) - len(choices))
        rows = [f"{person}={choice}" for person, choice in zip(people, choices, strict=True)]
        self.do("CL", ("sheet",), attendance=rows)
        return people

    def vote(self, people: list[str], voting: int, yes: int) -> None:
        totals = {"vote__voting": voting, "vote__yes": yes, "vote__no": voting - yes, "vote__abstain": 0}
        self.do("CL", ("count_sheet",), vote__course="vote", vote__method="secret", **totals, vote__counters=people[:2])
        self.do("SB", confirm__decision="agree")

    def minutes(self) -> None:
        self.do("CL", ("minutes",), minutes_summary="照方案表决")

    def to_representatives(self) -> None:
        self.propose()
        self.vote(self.meet(5), 5, 5)
        self.minutes()
        self.do("CL", plan_text=PLAN)
        self.do("PS", reviewed__decision="agree")
        self.vote(self.meet(12), 12, 12)
        self.minutes()
        self.do("CL", ballot_text=PLAN)

    def to_notice(self) -> str:
        self.to_representatives()
        self.vote(self.meet(28), 28, 25)
        self.minutes()
        self.do("CL", ("first_photo",), post_text=PLAN, channels=["wall", "sms"], face_to_face="无")
        return self.county.engine.disclosure.notices(self.county.people.unit("石桥村"))[0].id

    def rows(self, statement):
        with self.county.engine.database.read() as connection:
            return connection.execute(statement).all()

    def open_elements(self) -> list[str]:
        own = task.c.instance_id == self.started.matter_id, task.c.state == "open"
        return [row.element for row in self.rows(select(task.c.element).where(*own))]
