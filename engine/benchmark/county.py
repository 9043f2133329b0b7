"""The county that is measured: villages with one clerk, one director and one board each, and matters that walk."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import select

from engine.benchmark import packages
from engine.identifiers import new_id
from engine.process_engine import ProcessEngine
from engine.services.identity import add_appointment
from engine.services.unit_of_work import Transaction
from engine.store.tables import org_unit, person, task

#: roles of the lanes of the measured process, in their order
ROLES = ("CL", "VD", "SB")
PASSWORD = "benchmark-password"


@dataclass(frozen=True)
class Village:
    """A village and who holds its posts, by role."""

    id: str
    posts: dict[str, str]


@dataclass(frozen=True)
class Open:
    """An open task: whose turn it is to do which step."""

    id: str
    element: str
    assignee_id: str


class BenchCounty:
    """An engine over a database of its own, with villages, people and the measured processes in force."""

    def __init__(self, url: str, place: Path, *, villages: int = 4) -> None:
        self.url = url
        self.place = place
        self.engine = ProcessEngine(url, files=place / "files")
        self.engine.county.load_lists()
        self.administrator = self.engine.county.set_up(
            county="基准县",
            administrator="管理员",
            login="bench",
            units=[f"基准镇/第{number:02}村" for number in range(villages)],
        )
        self.villages = self._people_villages()
        for write in (packages.write_twenty_steps, packages.write_signers):
            self.engine.repository.deploy(write(place))

    def _people_villages(self) -> list[Village]:
        made: list[Village] = []
        with self.engine.database.read() as connection:
            units = connection.scalars(select(org_unit.c.id).where(org_unit.c.level == "village")).all()
        for unit_id in units:
            posts = {
                role: self.engine.identity.add_person(
                    by=self.administrator, name=f"{role}{len(made)}", unit_id=unit_id, login=f"{role}{len(made)}"
                ).id
                for role in ROLES
            }
            with self.engine.database.write() as connection:
                transaction = Transaction(connection, self.engine.clock.now())
                since = transaction.today - timedelta(days=30)
                for role, person_id in posts.items():
                    add_appointment(transaction, person_id, role, unit_id, since, None, None)
            made.append(Village(unit_id, posts))
        return made

    def set_passwords(self) -> dict[str, str]:
        """Give everybody with a post the same password; return person id → login."""
        logins: dict[str, str] = {}
        for village in self.villages:
            for person_id in village.posts.values():
                token = self.engine.identity.password_link(person_id, by=self.administrator)
                self.engine.identity.set_password(token, PASSWORD)
        with self.engine.database.read() as connection:
            for row in connection.execute(select(person.c.id, person.c.login)):
                logins[row.id] = row.login
        return logins

    def start(self, item_id: str, village: Village, **data: object) -> str:
        """Start a matter as the village's clerk; return its id."""
        typed = {"subject": "测速", "applicant_name": "测速", **data}
        return self.engine.runtime.start(
            item_id,
            unit_id=village.id,
            data={key: [str(value)] for key, value in typed.items()},
            by=village.posts["CL"],
        ).matter_id

    def open_tasks(self, matter_ids: Sequence[str]) -> dict[str, list[Open]]:
        """Return matter id → its open tasks, in the order they came."""
        found: dict[str, list[Open]] = {matter_id: [] for matter_id in matter_ids}
        with self.engine.database.read() as connection:
            rows = connection.execute(
                select(task.c.instance_id, task.c.id, task.c.element, task.c.assignee_id)
                .where(task.c.state == "open", task.c.instance_id.in_(list(found)))
                .order_by(task.c.created_at, task.c.id)
            )
            for row in rows:
                found[row.instance_id].append(Open(row.id, row.element, row.assignee_id))
        return found

    def walk(self, matter_id: str, complete: Callable[[Open, dict[str, list[str]]], None]) -> None:
        """Lead a matter of twenty steps to its end, its loop taken once."""
        for open_task, values in self._steps(matter_id):
            complete(open_task, packages.as_typed(values))

    def _steps(self, matter_id: str) -> Iterator[tuple[Open, dict[str, object]]]:
        rounds = 0
        while waiting := self.open_tasks([matter_id])[matter_id]:
            element = waiting[0].element
            rounds += element == packages.AGAIN
            yield waiting[0], packages.values_of(element, again=rounds == 1)

    def complete(self, open_task: Open, typed: dict[str, list[str]]) -> None:
        """Do a step as whoever has it."""
        self.engine.tasks.complete(open_task.id, by=open_task.assignee_id, data=typed, form_token=new_id())


def cpu_ms(run: Callable[[], object]) -> float:
    """Return the CPU time of a call in milliseconds: other processes do not count."""
    began = time.process_time()
    run()
    return (time.process_time() - began) * 1000


def wall_ms(run: Callable[[], object]) -> float:
    """Return the time of a call in milliseconds, what others do for it included."""
    began = time.perf_counter()
    run()
    return (time.perf_counter() - began) * 1000
