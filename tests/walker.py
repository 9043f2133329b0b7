"""People who do whatever is open in whatever item: what they fill in comes from the item's scenarios."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import chain
from pathlib import Path

from sqlalchemy import Row, select

from engine import ProcessEngine, Upload
from engine.clock import local_date
from engine.demo.people import People
from engine.demo.story import sample_picture
from engine.process_engine import PROCESSES
from engine.services.jobs import BY_TIME
from engine.store.tables import notice, process_instance, role, submission, task
from engine.views import Done, Started, TaskView

#: days until the meeting somebody calls
MEETING_IN = 6
OBJECTION = {"text": ["不该占我家的地"], "name": ["张秀英"], "phone": ["13800001001"], "group_name": ["3组"]}


class Walker:
    """Starts matters of one item in one village and moves them on, as the scenarios of the item do, at random."""

    def __init__(
        self, engine: ProcessEngine, people: People, chance: random.Random, item: str, village: str = "石桥村"
    ) -> None:
        self.engine = engine
        self.people = people
        self.chance = chance
        self.village = village
        self._unit = people.unit(village)
        self.item_id = item.partition("_")[2]
        scenarios = json.loads((PROCESSES / item / "scenarios.json").read_text("utf-8"))
        self._starts = [each["start"] for each in scenarios if each.get("start", {}).get("unit") == "石桥村"]
        #: element → what scenarios fill in there; what is called is filled in by those of all who call it
        self._answers: dict[str, list[Mapping]] = {}
        further = (json.loads(path.read_text("utf-8")) for path in sorted(PROCESSES.glob("*/scenarios.json")))
        for step in (step for each in (*scenarios, *chain.from_iterable(further)) for step in each["steps"]):
            if step["do"] == "complete" and "refused" not in step:
                self._answers.setdefault(step["task"], []).append(step.get("data", {}))
        with engine.database.read() as connection:
            self._codes = dict(connection.execute(select(role.c.lane, role.c.code)).all())

    # --- acts -------------------------------------------------------------------------------------------------------

    def start(self, form_token: str = "") -> Started:
        """Start a matter as one of the scenarios does."""
        begun = self.chance.choice(self._starts)
        data, files = self._typed(begun["data"], None, None)
        by = None if begun["by"] == "applicant" else self._holder(self._codes[begun["by"]])
        return self.engine.runtime.start(
            self.item_id, unit_id=self._unit, data=data, files=files, by=by, form_token=form_token
        )

    def complete(self, row: Row, by: str | None = None, *, form_token: str = "") -> Done:
        """Complete an open task as whoever it is with; or as somebody, who may or may not be allowed to."""
        by = by or row.assignee_id or self._holder(row.role)
        view = self.engine.tasks.open(row.id, by=by)
        answers = self._answers.get(row.element, [{}])
        # The usual answer comes first in the scenarios and most often here.
        answer = answers[0] if self.chance.random() < 0.6 else self.chance.choice(answers)
        data, files = self._typed(answer, view, row)
        return self.engine.tasks.complete(row.id, by=by, data=data, files=files, form_token=form_token)

    def object(self) -> None:
        """Raise an objection to a notice of the village, if one is on show."""
        with self.engine.database.read() as connection:
            ids = connection.scalars(select(notice.c.id).where(notice.c.state == "shown")).all()
        if ids:
            self.engine.disclosure.object(self.chance.choice(ids), data=OBJECTION, address=str(self.chance.random()))

    def at_random(self, row: Row) -> None:
        """Do something with an open task that may be allowed or not."""
        tasks, by, other = self.engine.tasks, self.anybody(), self.anybody()
        match self.chance.choice(("complete", "delegate", "recuse", "appoint", "message", "remind")):
            case "complete":
                self.complete(row, by)
            case "delegate":
                tasks.delegate(row.id, by=row.assignee_id or by, to=other, reason="换人")
            case "recuse":
                tasks.recuse(row.id, by=row.assignee_id or by, reason="回避")
            case "appoint":
                tasks.delegate(row.id, by=self._holder("TG"), to=other, reason="没人办")
            case "message":
                kind = self.chance.choice(("supplement", "withdraw"))
                with self.engine.database.read() as connection:
                    receipt = connection.scalar(
                        select(process_instance.c.receipt).where(process_instance.c.id == row.instance_id)
                    )
                self.engine.runtime.correlate(receipt, message=kind, by=by, note="补齐了")
            case "remind":
                tasks.remind(row.id, by=by)

    def by_time(self) -> None:
        """Do what time does now."""
        while self.engine.jobs.run_due(kinds=BY_TIME):
            pass

    def anybody(self) -> str:
        """Return somebody of the county: the holder of a post, or a villager."""
        return self.chance.choice([*self.people.posts.values(), *self.people.of_unit(self.village)[:3]])

    def open_tasks(self, matter_id: str | None = None) -> Sequence[Row]:
        """Return the open tasks of the item's matters in this village, or of one matter."""
        own = task.c.instance_id == matter_id if matter_id else process_instance.c.item_id == self.item_id
        with self.engine.database.read() as connection:
            return connection.execute(
                select(task)
                .join(process_instance, process_instance.c.id == task.c.instance_id)
                .where(own, task.c.state == "open", process_instance.c.unit_id == self._unit)
                .order_by(process_instance.c.started_at, task.c.created_at, task.c.element)
            ).all()

    # --- what is typed ----------------------------------------------------------------------------------------------

    def _holder(self, code: str) -> str:
        """Return who holds a post of the village or above it."""
        places = (self.village, *(place for place, each in self.people.posts if each == code))
        return next(self.people.posts[place, code] for place in places if (place, code) in self.people.posts)

    def _typed(
        self, answer: Mapping[str, object], view: TaskView | None, row: Row | None
    ) -> tuple[dict[str, list[str]], dict[str, list[Upload]]]:
        data: dict[str, list[str]] = {}
        files: dict[str, list[Upload]] = {}
        for key, given in answer.items():
            texts = [str(each) for each in (given if isinstance(given, list) else [given])]
            if texts and texts[0].startswith("@photo"):
                files[key] = [Upload(f"{text[1:]}.png", io.BytesIO(sample_picture())) for text in texts]
            else:
                data[key] = [value for text in texts for value in self._value(text, key, view, row)]
        if view is not None and view.ballot is not None and data.get("vote.course") == ["vote"]:
            data |= self._votes(view.ballot.present)
        if "call.meeting_on" in data:
            data["call.meeting_on"] = [self._day(MEETING_IN)]
        return data, files

    def _value(self, text: str, key: str, view: TaskView | None, row: Row | None) -> list[str]:
        if text.startswith("@seats:"):
            return [f"{choice.value}=present" for choice in view.choices.get(key, ())]
        if text.startswith("@seat:"):
            return self._seats(row)[int(text.partition(":")[2]) - 1 :][:1]
        if text == "@basis":
            return [choice.value for choice in view.choices.get(key, ())[:1]]
        if text.startswith("@villager"):
            return [self.people.of_unit(self.village)[int(text.partition(":")[2] or 1) - 1]]
        return [self._holder(self._codes[text.removeprefix("@post:")])] if text.startswith("@post:") else [text]

    def _seats(self, row: Row) -> list[str]:
        """Return who came to the last meeting of the matter."""
        with self.engine.database.read() as connection:
            kept = connection.scalars(
                select(submission.c.data)
                .where(submission.c.instance_id == row.instance_id, submission.c.element == "Task_attend")
                .order_by(submission.c.at.desc())
            ).first()
        sheet = (json.loads(kept) if isinstance(kept, str | bytes) else kept or {}).get("attendance", ())
        return [line["id"] if isinstance(line, Mapping) else str(line).partition("=")[0] for line in sheet]

    def _votes(self, present: int) -> dict[str, list[str]]:
        yes = present if self.chance.random() < 0.7 else self.chance.randrange(present + 1)
        figures = {"voting": present, "yes": yes, "no": present - yes, "abstain": 0}
        return {f"vote.{name}": [str(figure)] for name, figure in figures.items()}

    def _day(self, days: int) -> str:
        return (local_date(self.engine.clock.now()) + timedelta(days=days)).isoformat()


def deploy(engine: ProcessEngine, *items: str) -> None:
    """Put items of ``processes/`` into force."""
    for item in items:
        engine.repository.deploy(Path(PROCESSES / item))
