"""The demo county: fictional, fixed when the database is made, with a clock that can be moved forward."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import select

from engine.clock import Clock, FrozenClock, local_date
from engine.demo.deliberation import tell_deliberation
from engine.demo.people import load_people
from engine.demo.story import Storyteller, tell
from engine.process_engine import ProcessEngine
from engine.services.jobs import BY_TIME
from engine.services.permission import BODY_POSTS
from engine.store.tables import appointment, org_unit, person, role
from engine.workdays import add_workdays

#: where the package is found
_ROOT = Path(__file__).resolve().parents[2]
#: the order in which people are offered, and the side they are shown under
SIDES = {
    "CL": "cadre", "VD": "cadre", "PS": "cadre", "VDD": "cadre", "SK": "cadre",
    "SB": "supervisor", "DG": "supervisor", "IS": "supervisor", "TG": "supervisor", "TD": "supervisor",
    "CDI": "supervisor", "PD": "designer", "SA": "administrator",
}  # fmt: skip


@dataclass(frozen=True)
class DemoPerson:
    person_id: str
    name: str
    title: str
    unit_name: str
    side: str
    may: tuple[str, ...]
    may_not: tuple[str, ...]


class Demo:
    """What only a demo county can do; a real database has none of it and cannot be turned into one."""

    def __init__(self, engine: ProcessEngine) -> None:
        self._engine = engine

    @property
    def offset_seconds(self) -> float:
        return float(self._settings["offset"])

    @property
    def now(self) -> datetime:
        return self._engine.clock.now()

    @property
    def sample(self) -> tuple[str, str]:
        """回执号 and 查询码 of a matter to look up as a villager."""
        return str(self._settings["receipt"]), str(self._settings["code"])

    @property
    def main_village(self) -> str:
        """Unit id of the village the story is told in."""
        return str(self._settings["village"])

    @property
    def _settings(self) -> dict:
        return self._engine.county.setting("demo")

    def advance_workday(self) -> datetime:
        """Move the clock to the same hour of the next working day."""
        day = local_date(self.now)
        return self._advance((add_workdays(day, 1) - day).days)

    def _advance(self, days: int) -> datetime:
        offset = self.offset_seconds + timedelta(days=days).total_seconds()
        self._engine.county.save_setting("demo", {**self._settings, "offset": offset})
        self._engine.clock.offset = timedelta(seconds=offset)
        return self.now

    def people(self) -> tuple[DemoPerson, ...]:
        """Return who can be looked at, village by village, the main one first."""
        with self._engine.database.read() as connection:
            rows = connection.execute(
                select(
                    person.c.id,
                    person.c.name,
                    org_unit.c.name.label("unit"),
                    role.c.code,
                    role.c.lane,
                    role.c.may,
                    role.c.may_not,
                    org_unit.c.id.label("unit_id"),
                )
                .join(appointment, appointment.c.person_id == person.c.id)
                .join(org_unit, org_unit.c.id == appointment.c.unit_id)
                .join(role, role.c.code == appointment.c.role)
                .where(appointment.c.ended_on.is_(None), role.c.code.not_in(BODY_POSTS))
                .order_by(org_unit.c.position, role.c.position)
            ).all()
        main = self._around_main_village()
        rows = sorted(rows, key=lambda row: (row.unit_id not in main, main.get(row.unit_id, 0)))
        known: dict[str, DemoPerson] = {}
        for row in rows:
            before = known.get(row.id)
            title = f"{before.title}、{row.lane}" if before else row.lane
            known[row.id] = DemoPerson(
                row.id, row.name, title, row.unit, SIDES.get(row.code, "cadre"), tuple(row.may), tuple(row.may_not)
            )
        return tuple(known.values())

    def _around_main_village(self) -> dict[str, int]:
        """Return the main village, its township and the county by unit id, in the order they are shown."""
        units = {unit.id: unit for unit in self._engine.identity.units()}
        order: dict[str, int] = {}
        unit_id: str | None = self.main_village
        while unit_id:
            order[unit_id] = len(order)
            unit_id = units[unit_id].parent_id
        return order

    def restore(self) -> None:
        """Make everything as it was: the same people and matters, the clock at real time.

        A new county is made beside the database and copied over it in one go, so nobody ever meets half of it.
        """
        with tempfile.TemporaryDirectory(prefix="sihua-demo") as place:
            fresh = Path(place) / "county.db"
            load_apart(f"sqlite:///{fresh}", self._engine.files_root)
            self._engine.database.replace_by(fresh)
        self._engine.clock.offset = timedelta()


def load_apart(url: str, files: Path) -> None:
    """Do :func:`load` in a process of its own: what telling the story takes of memory, a third more, goes with it."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(_ROOT), *filter(None, sys.path)])}
    subprocess.run([sys.executable, "-m", "engine.demo", url, str(files)], env=environment, check=True)


def load(url: str, files: Path) -> None:
    """Fill a new database with the demo county.

    The matters happened in the days before now, so that each state of the clock is there to be seen.
    """
    real_now = Clock().now()
    clock = FrozenClock(real_now - timedelta(days=60))
    engine = ProcessEngine(url, files=files, clock=clock)
    engine.county.load_lists()
    people = load_people(engine, clock)
    for folder in engine.county.item_folders:
        engine.repository.deploy(folder, by=people.id("郑图南"))
    tell_deliberation(Storyteller(engine, clock, people, real_now))
    receipt, code = tell(engine, clock, people, real_now)
    # The cards are there before anybody looks; pictures and documents follow while the pages are open.
    while engine.jobs.run_due(kinds=BY_TIME):
        pass
    engine.county.save_setting(
        "demo", {"offset": 0, "receipt": receipt, "code": code, "village": people.unit("石桥村")}
    )
    engine.close()
