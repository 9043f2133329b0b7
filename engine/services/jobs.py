"""What is done after commit and what time does: jobs are taken, done once, tried again, given up."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Mapping
from datetime import date, timedelta
from functools import partial

from sqlalchemy import Row, delete, literal_column, or_, select, update

from engine.errors import NotFound
from engine.services import cards, openings, timers, wakeup
from engine.services.papers import Papers
from engine.services.recalendar import reckon_again
from engine.services.repository import Repository
from engine.services.staffing import reassign_by_date
from engine.services.unit_of_work import Transaction, UnitOfWork
from engine.store.files import FileStore
from engine.store.tables import job
from engine.views import Incident

#: minutes to wait before the second, third, … try
RETRY_MINUTES = (1, 5, 30, 120)
#: far longer than any job takes
LEASE = timedelta(minutes=10)
#: jobs a worker takes at a time: what it cannot finish in its lease would be done by another too
BATCH = 20
#: seconds a worker stands back after a job for each second the job took: people's steps come in between
STAND_BACK = 0.5
#: what they do stands in the matter's own log
NO_TRACE = (*timers.KINDS, "start")
#: written out, since a database cannot match a partial index with a value it does not know yet
IS_OPEN = job.c.state == literal_column("'open'")


class Jobs:
    """Runs what is due; on the embedded database inside the web process, else in ``sihua worker``."""

    def __init__(self, unit_of_work: UnitOfWork, repository: Repository, files: FileStore) -> None:
        self._work = unit_of_work
        self._repository = repository
        #: who holds a lease
        self._name = secrets.token_hex(8)
        self._swept_on: date | None = None
        papers = Papers(unit_of_work, repository, files)
        #: kinds that reach outside the database: done first, then written down; doing one twice changes nothing
        self._outside: Mapping[str, Callable[[Row], None]] = {
            "picture.clean": papers.clean_picture,
            "document.render": papers.render_document,
        }
        #: kinds that only write rows: all of it and the end of the job are one transaction
        self._inside: Mapping[str, Callable[[Transaction, Row], None]] = {
            "timer": partial(wakeup.fire, repository),
            "limit": partial(cards.look, repository),
            "start.plan": partial(openings.plan, repository),
            "start": partial(openings.open_one, repository),
        }
        self._given_up: Mapping[str, Callable[[Transaction, Row], None]] = {"picture.clean": papers.give_up_picture}

    # --- running ----------------------------------------------------------------------------------------------------

    def run_due(self, *, limit: int = 100, kinds: Collection[str] = ()) -> int:
        """Run due jobs, what people wait for first, then oldest first; return how many were tried here.

        :param kinds: only these; all when empty.
        """
        self._sweep()
        tried = 0
        while tried < limit:
            batch = self._take(min(BATCH, limit - tried), kinds)
            for row in batch:
                began = time.monotonic()
                self._run(row)
                # On one embedded database a worker that writes without a break would keep everybody else waiting.
                time.sleep((time.monotonic() - began) * STAND_BACK)
            tried += len(batch)
            if not batch:
                break
        return tried

    def _take(self, most: int, kinds: Collection[str]) -> list[Row]:
        """Lease the next jobs to this worker: the one place where jobs change hands."""
        now = self._work.clock.now()
        free = select(job.c.id).where(IS_OPEN, job.c.due_at <= now)
        free = free.where(or_(job.c.leased_until.is_(None), job.c.leased_until <= now))
        free = free.where(job.c.kind.in_(kinds)) if kinds else free
        free = free.order_by(job.c.priority, job.c.due_at, job.c.id).limit(most)
        with self._work.read() as connection:
            if connection.scalar(free.limit(1)) is None:
                return []
        with self._work.write() as transaction:
            # Another worker's rows are stepped over, so that no two ever wait for each other.
            ids = transaction.connection.scalars(free.with_for_update(skip_locked=True)).all()
            taken = transaction.connection.execute(
                update(job)
                .where(job.c.id.in_(ids))
                .values(leased_by=self._name, leased_until=now + LEASE)
                .returning(job)
            ).all()
        return sorted(taken, key=lambda row: (row.priority, row.due_at, row.id))

    def _run(self, row: Row) -> None:
        """Do a job; whatever goes wrong is kept with it, so that one bad job never stops the others."""
        try:
            if row.kind in self._inside:
                self._run_inside(row)
            else:
                self._outside[row.kind](row)
                with self._work.write() as transaction:
                    self._finish(transaction, row)
        except Exception as error:
            self._put_off(row, f"{type(error).__name__}: {error}")

    def _run_inside(self, row: Row) -> None:
        with self._work.write() as transaction:
            mine = select(job.c.id).where(IS_OPEN, *self._still_mine(row)).with_for_update()
            if transaction.connection.scalar(mine) is None:
                return
            self._inside[row.kind](transaction, row)
            self._finish(transaction, row)

    def _finish(self, transaction: Transaction, row: Row) -> None:
        """End a job, unless doing it has moved it to a later moment. Timers leave no trace but the matter's log."""
        mine = self._still_mine(row)
        if row.kind in NO_TRACE:
            transaction.connection.execute(delete(job).where(*mine))
            return
        done = {"state": "done", "error": "", "leased_by": None, "leased_until": None}
        transaction.connection.execute(update(job).where(*mine).values(**done))

    def _still_mine(self, row: Row) -> tuple:
        return job.c.id == row.id, job.c.leased_by == self._name

    def _put_off(self, row: Row, error: str) -> None:
        attempts = row.attempts + 1
        gives_up = attempts > len(RETRY_MINUTES)
        wait = timedelta(minutes=RETRY_MINUTES[min(attempts, len(RETRY_MINUTES)) - 1])
        with self._work.write() as transaction:
            transaction.connection.execute(
                update(job)
                .where(*self._still_mine(row))
                .values(
                    attempts=attempts,
                    error=error[:500],
                    state="failed" if gives_up else "open",
                    due_at=transaction.now + wait,
                    leased_by=None,
                    leased_until=None,
                )
            )
            if gives_up and row.kind in self._given_up:
                self._given_up[row.kind](transaction, row)

    def _sweep(self) -> None:
        """Do once a day what no event tells of."""
        today = self._work.clock.today()
        if self._swept_on == today:
            return
        reassign_by_date(self._work, self._repository)
        reckon_again(self._work)
        self._swept_on = today

    # --- what was given up ------------------------------------------------------------------------------------------

    def incidents(self) -> tuple[Incident, ...]:
        """Return the jobs that were given up."""
        with self._work.read() as connection:
            rows = connection.execute(select(job).where(job.c.state == "failed").order_by(job.c.due_at))
            return tuple(Incident(row.id, row.kind, row.error, row.due_at, row.attempts) for row in rows)

    def retry(self, job_id: str) -> None:
        """Try a job again that was given up; NotFound when there is no such job."""
        with self._work.write() as transaction:
            given_up = update(job).where(job.c.id == job_id, job.c.state == "failed")
            again = transaction.connection.execute(given_up.values(state="open", attempts=0, due_at=transaction.now))
            if again.rowcount != 1:
                raise NotFound("后台任务", job_id)
