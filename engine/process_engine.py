"""The engine as one object with a few doors; nothing else is public."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from engine.clock import Clock
from engine.services import parameters
from engine.services.county import County
from engine.services.disclosure import Disclosure
from engine.services.history import History
from engine.services.identity import Identity
from engine.services.jobs import Jobs
from engine.services.registers import Registers
from engine.services.repository import Repository
from engine.services.runtime import Runtime
from engine.services.tasks import Tasks
from engine.services.unit_of_work import UnitOfWork
from engine.store.files import FileStore
from engine.store.migration import migrate
from engine.store.session import Database

if TYPE_CHECKING:
    from engine.demo import Demo

#: the items that come with the product
PROCESSES = Path(__file__).resolve().parent.parent / "processes"


class ProcessEngine:
    """Runs the power items of one county on one database.

    :param url: SQLAlchemy URL; ``sqlite:///var/sihua.db`` for the embedded database.
    :param files: folder of uploaded and made files.
    :param clock: for tests and scenarios; real time otherwise, shifted in a demo county.
    """

    def __init__(self, url: str, *, files: Path | str, clock: Clock | None = None, processes: Path = PROCESSES) -> None:
        self.database = Database(url)
        migrate(self.database)
        self.clock = clock or Clock()
        work = UnitOfWork(self.database, self.clock)
        self.files_root = Path(files)
        store = FileStore(self.files_root)
        self.county = County(work, processes)
        self.repository = Repository(work, processes)
        self.runtime = Runtime(work, self.repository, store, self.max_upload)
        self.tasks = Tasks(work, self.repository, store, self.max_upload)
        self.jobs = Jobs(work, self.repository, store)
        self.history = History(work, self.repository, store)
        self.identity = Identity(work, self.repository)
        self.registers = Registers(work)
        self.disclosure = Disclosure(work, self.repository)
        #: what only a demo county can do; set where one is opened, None otherwise
        self.demo: Demo | None = None
        demo = self.county.setting("demo")
        if clock is None and demo:
            self.clock.offset = timedelta(seconds=float(demo["offset"]))
        self._work = work
        #: workflows kept between steps
        self.live = work.live

    def max_upload(self) -> int:
        """Return how many bytes one file may have (parameter ``upload.max_bytes``)."""
        with self._work.read() as connection:
            return int(parameters.reader(connection, None, self.clock.today())("upload.max_bytes"))

    @property
    def is_embedded(self) -> bool:
        """Whether the county is a file of this machine: then one process is enough for all of it."""
        return self.database.is_embedded

    def healthy(self) -> bool:
        """Tell whether the database answers."""
        return self.database.is_alive()

    def close(self) -> None:
        """Give the database back."""
        self.database.close()
