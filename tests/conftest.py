"""What tests share: a county of fictional people on a real database, at a frozen time."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, time
from pathlib import Path

import pytest

from engine import ProcessEngine, Upload
from engine.clock import LOCAL, FrozenClock, local_date
from engine.demo.people import People, load_people
from engine.demo.story import sample_picture
from engine.store.tables import metadata
from engine.views import Done, Started
from engine.workdays import add_workdays

#: an ordinary Monday morning
MONDAY = datetime(2026, 3, 16, 9, 0, tzinfo=LOCAL)
VILLAGE = "石桥村"

REQUEST = {
    "applicant_name": ["张秀英"],
    "phone": ["13800001001"],
    "group_name": ["3组"],
    "document_name": ["土地承包情况证明"],
    "purpose": ["办理种植业保险"],
    "kind": ["proof"],
    "copies": ["2"],
}


@dataclass
class CountyForTest:
    """An engine with its people and clock, and the acts tests need most."""

    engine: ProcessEngine
    people: People
    clock: FrozenClock
    place: Path

    def post(self, role: str, village: str = VILLAGE) -> str:
        """Return who holds a post: CL, VD, PS, VDD, SK, SB …"""
        return self.people.posts[village, role]

    def photo(self, name: str = "photo.png") -> Upload:
        return Upload(name, io.BytesIO(sample_picture()))

    def ask(self, village: str = VILLAGE, *, by: str | None = None, form_token: str = "", **changes: str) -> Started:
        """Start a request for the seal as a villager, or as the person ``by``."""
        data = {**REQUEST, **{key: [value] for key, value in changes.items()}}
        return self.engine.runtime.start(
            "seal_use",
            unit_id=self.people.unit(village),
            data=data,
            files={"document_photo": [self.photo()]},
            by=by,
            form_token=form_token,
        )

    def task(self, matter: Started, by: str) -> str:
        """Return the id of the matter's open task."""
        stops = self.engine.history.trace(matter.receipt, by=by).stops
        return next(stop.task_id for stop in stops if stop.task_id)

    def complete(
        self, matter: Started, by: str, values: Mapping[str, str], *, files: tuple[str, ...] = (), **options: object
    ) -> Done:
        """Complete the matter's open task."""
        return self.engine.tasks.complete(
            self.task(matter, by),
            by=by,
            data={key: [value] for key, value in values.items()},
            files={name: [self.photo()] for name in files},
            **options,
        )

    def register(self, matter: Started, village: str = VILLAGE, **changes: str) -> Done:
        """The clerk registers: a villager of the roll, papers complete."""
        values = {"applicant": self.people.id("张秀英"), "kind": "proof", "papers": "complete", **changes}
        if village != VILLAGE and "applicant" not in changes:
            values |= {"applicant": "", "not_on_roll": "true"}
        return self.complete(matter, self.post("CL", village), values)

    def approve(self, matter: Started, village: str = VILLAGE) -> Done:
        """The director agrees."""
        return self.complete(matter, self.post("VD", village), {"approve.decision": "agree", "approved_copies": "2"})

    def contents(self) -> dict[str, list[tuple]]:
        """Return every row of every table: what changed nothing leaves this as it was."""
        with self.engine.database.read() as connection:
            return {
                table.name: sorted(map(tuple, connection.execute(table.select()).all()), key=repr)
                for table in metadata.sorted_tables
            }

    def later(self, workdays: int, hour: int = 9) -> None:
        """Move the clock to an hour of a later working day."""
        day = add_workdays(local_date(self.clock.now()), workdays)
        self.clock.at = datetime.combine(day, time(hour), LOCAL)


@dataclass(frozen=True)
class CountyTemplate:
    place: Path
    people: People


@pytest.fixture(scope="session")
def county_template(tmp_path_factory: pytest.TempPathFactory) -> CountyTemplate:
    """A database with people and the items of ``processes/`` in force; copied for each test."""
    place = tmp_path_factory.mktemp("county")
    clock = FrozenClock(MONDAY)
    engine = ProcessEngine(f"sqlite:///{place}/county.db", files=place / "files", clock=clock)
    engine.county.load_lists()
    people = load_people(engine, clock)
    for folder in engine.county.item_folders:
        engine.repository.deploy(folder)
    engine.close()
    return CountyTemplate(place, people)


@pytest.fixture
def county(county_template: CountyTemplate, tmp_path: Path) -> Iterator[CountyForTest]:
    """A fresh county: real database, frozen clock, nothing happened yet."""
    for name in ("county.db", "county.db-wal", "county.db-shm"):
        if (county_template.place / name).exists():
            shutil.copy(county_template.place / name, tmp_path / name)
    clock = FrozenClock(MONDAY)
    engine = ProcessEngine(f"sqlite:///{tmp_path}/county.db", files=tmp_path / "files", clock=clock)
    yield CountyForTest(engine, county_template.people, clock, tmp_path)
    engine.close()
