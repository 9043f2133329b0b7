"""What tests share: a county of fictional people on a real database, at a frozen time."""

from __future__ import annotations

import functools
import io
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, time
from pathlib import Path
from typing import NoReturn

import pytest
from sqlalchemy import make_url

from engine import ProcessEngine, Upload
from engine.clock import LOCAL, FrozenClock, local_date
from engine.demo.people import People, load_people
from engine.demo.story import sample_picture
from engine.identifiers import new_id
from engine.process_engine import PROCESSES
from engine.store.migration import migrate
from engine.store.session import Database
from engine.store.tables import metadata
from engine.views import Done, Started
from engine.workdays import add_workdays
from tests import postgresql

#: an ordinary Monday morning
MONDAY = datetime(2026, 3, 16, 9, 0, tzinfo=LOCAL)
VILLAGE = "石桥村"
#: what most tests need; who tests another item deploys it
ITEMS = ("E01_seal_use", "S01_resolution_entry")

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
    url: str

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


# --- in memory ------------------------------------------------------------------------------------------------------

#: where a Linux machine keeps files in memory: making, filling and dropping a database takes a tenth of the time there
MEMORY = Path("/dev/shm")
#: bytes that a whole run may need there
ROOM = 2 << 30
_THROW_AWAY = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    """Let everything temporary, ours and that of processes we start, lie in memory where there is room for it."""
    if _holds_files_and_programs(MEMORY):
        config.stash[_THROW_AWAY] = place = Path(tempfile.mkdtemp(prefix="sihua-tests", dir=MEMORY))
        # The database server runs as somebody else.
        place.chmod(0o711)
        os.environ["TMPDIR"] = str(place)
        tempfile.tempdir = None


def pytest_unconfigure(config: pytest.Config) -> None:
    if _THROW_AWAY in config.stash:
        shutil.rmtree(config.stash[_THROW_AWAY], ignore_errors=True)


def _holds_files_and_programs(place: Path) -> bool:
    if not place.is_dir() or not os.access(place, os.W_OK):
        return False
    there = os.statvfs(place)
    return there.f_bavail * there.f_frsize >= ROOM and not there.f_flag & os.ST_NOEXEC


# --- on which database ----------------------------------------------------------------------------------------------

EMBEDDED, SERVER = "sqlite", "postgresql"
#: folders of tests that run on both databases; the others are about something else and run on the embedded one
ON_BOTH = {"faults", "services", "store"}
#: modules in them that ask the database nothing of their own
EMBEDDED_ONLY = {"test_limits", "test_permission"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for a database on both, or on the one it is about (``only_on``)."""
    path = metafunc.definition.path
    if "database_kind" not in metafunc.fixturenames or path.parent.name not in ON_BOTH or path.stem in EMBEDDED_ONLY:
        return
    only = metafunc.definition.get_closest_marker("only_on")
    metafunc.parametrize("database_kind", only.args if only else (EMBEDDED, SERVER))


@pytest.fixture
def database_kind() -> str:
    """The kind of database a test runs on where it does not run on both."""
    return EMBEDDED


class Postgres:
    """The PostgreSQL of this test run, started when the first test asks for it."""

    def __init__(self) -> None:
        self._server: postgresql.Server | None = None

    def server(self) -> postgresql.Server:
        """Return the server that all tests share."""
        if self._server is None:
            try:
                self._server = postgresql.find()
            except postgresql.NoPostgreSQL as missing:
                _without_postgresql(str(missing))
        return self._server

    def own_server(self) -> postgresql.ThrowAwayServer:
        """Return a server that the test may halt; the caller stops it."""
        try:
            return postgresql.ThrowAwayServer(postgresql.find_binaries())
        except postgresql.NoPostgreSQL as missing:
            _without_postgresql(str(missing))

    def stop(self) -> None:
        if self._server:
            self._server.stop()


def _without_postgresql(reason: str) -> NoReturn:
    """Without a server CI fails, and anybody else is told so."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(f"NOT TESTED ON POSTGRESQL: {reason}")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    kept = Postgres()
    yield kept
    kept.stop()


class Databases:
    """Makes empty databases and copies of filled ones, of either kind."""

    def __init__(self, postgres: Postgres, place: Path) -> None:
        self._postgres = postgres
        self._place = place
        self._made: list[str] = []

    def empty(self, kind: str) -> str:
        """Return the URL of a new empty database."""
        if kind == EMBEDDED:
            return f"sqlite:///{self._place / f'{new_id()}.db'}"
        return self._keep(self._postgres.server().create())

    def copy(self, url: str) -> str:
        """Return the URL of a new database with the contents of a closed one."""
        address = make_url(url)
        if address.get_backend_name() != EMBEDDED:
            return self._keep(self._postgres.server().create(template=address.database))
        copied = self._place / f"{new_id()}.db"
        for suffix in ("", "-wal", "-shm"):
            if Path(f"{address.database}{suffix}").exists():
                shutil.copy(f"{address.database}{suffix}", f"{copied}{suffix}")
        return f"sqlite:///{copied}"

    def _keep(self, name: str) -> str:
        self._made.append(name)
        return self._postgres.server().url(name)

    def drop(self) -> None:
        for name in self._made:
            self._postgres.server().drop(name)


@pytest.fixture
def databases(postgres: Postgres, tmp_path: Path) -> Iterator[Databases]:
    """Databases that are gone when the test ends."""
    made = Databases(postgres, tmp_path)
    yield made
    made.drop()


@pytest.fixture(scope="session")
def migrated(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """The URL of a database of each kind with this release's tables and nothing in them; to be copied."""
    made = Databases(postgres, tmp_path_factory.mktemp("migrated"))

    @functools.cache
    def template(kind: str) -> str:
        database = Database(made.empty(kind))
        migrate(database)
        database.close()
        return database.url

    yield template
    made.drop()


# --- a county -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CountyTemplate:
    url: str
    people: People


@pytest.fixture(scope="session")
def county_templates(
    postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], CountyTemplate]]:
    """A database of each kind with people and the items of ``processes/`` in force; copied for each test."""
    place = tmp_path_factory.mktemp("county")
    made = Databases(postgres, place)

    @functools.cache
    def template(kind: str) -> CountyTemplate:
        url = made.empty(kind)
        clock = FrozenClock(MONDAY)
        engine = ProcessEngine(url, files=place / "files", clock=clock)
        engine.county.load_lists()
        people = load_people(engine, clock)
        for name in ITEMS:
            engine.repository.deploy(PROCESSES / name)
        engine.close()
        return CountyTemplate(url, people)

    yield template
    made.drop()


@pytest.fixture
def county(
    county_templates: Callable[[str], CountyTemplate], databases: Databases, database_kind: str, tmp_path: Path
) -> Iterator[CountyForTest]:
    """A fresh county: real database, frozen clock, nothing happened yet."""
    template = county_templates(database_kind)
    clock = FrozenClock(MONDAY)
    url = databases.copy(template.url)
    engine = ProcessEngine(url, files=tmp_path / "files", clock=clock)
    yield CountyForTest(engine, template.people, clock, tmp_path, url)
    engine.close()
