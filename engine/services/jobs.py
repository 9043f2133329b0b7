"""What is done after commit and what time does: jobs are taken, done once, tried again, given up."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from datetime import date, timedelta
from functools import partial

from sqlalchemy import select, update

from engine.errors import NotFound, Unavailable
from engine.services import cards, openings, timers, wakeup
from engine.services.identity import require_administrator
from engine.services.papers import Effect, Papers
from engine.services.recalendar import reckon_again
from engine.services.repository import Repository, county_id
from engine.services.staffing import reassign_by_date
from engine.services.unit_of_work import Transaction, UnitOfWork, retried
from engine.store import job_queue
from engine.store.files import FileStore
from engine.store.job_queue import TakenJob
from engine.store.tables import job, process_instance
from engine.views import Incident

#: minutes to wait before the second, third, … try
RETRY_MINUTES = (1, 5, 30, 120)
#: jobs a worker takes at a time: what it cannot finish in its lease would be done by another too
BATCH = 20
#: seconds a worker stands back after a job for each second the job took: people's steps come in between
STAND_BACK = 0.5
#: jobs by which time acts; the rest only makes files
BY_TIME = (*timers.KINDS, "start.plan", "start")
#: what they do stands in the matter's own log
NO_TRACE = (*timers.KINDS, "start")


class Jobs:
    """Runs what is due; on the embedded database inside the web process, else in ``sihua worker``."""

    def __init__(self, unit_of_work: UnitOfWork, repository: Repository, files: FileStore) -> None:
        self._work = unit_of_work
        self._repository = repository
        self._swept_on: date | None = None
        papers = Papers(unit_of_work, repository, files)
        #: kinds that make a file first; making it twice changes nothing
        self._outside: Mapping[str, Callable[[TakenJob], Effect]] = {
            "picture.clean": papers.clean_picture,
            "document.render": papers.render_document,
        }
        #: kinds that only write rows: all of it and the end of the job are one transaction
        self._inside: Mapping[str, Callable[[Transaction, TakenJob], None]] = {
            "timer": partial(wakeup.fire, repository),
            "limit": partial(cards.look, repository),
            "start.plan": partial(openings.plan, repository),
            "start": partial(openings.open_one, repository),
        }
        self._given_up: Mapping[str, Callable[[Transaction, TakenJob], None]] = {
            "picture.clean": papers.give_up_picture
        }

    # --- running ----------------------------------------------------------------------------------------------------

    def run_due(self, *, limit: int = 100, kinds: Collection[str] = ()) -> int:
        """Run due jobs, what people wait for first, then oldest first; return how many were tried here.

        :param kinds: only these; all when empty.
        """
        self._sweep()
        tried = 0
        while tried < limit:
            batch = self._take(min(BATCH, limit - tried), kinds)
            for taken in batch:
                began = time.monotonic()
                self._run(taken)
                # On one embedded database a worker that writes without a break would keep everybody else waiting.
                time.sleep((time.monotonic() - began) * STAND_BACK)
            tried += len(batch)
            if not batch:
                break
        return tried

    def _take(self, most: int, kinds: Collection[str]) -> tuple[TakenJob, ...]:
        """Take the next jobs on loan to this worker."""
        with self._work.read() as connection:
            # Looked for first: on SQLite a writer that finds nothing would have kept others waiting.
            if not job_queue.is_due(connection, self._work.clock.now(), kinds):
                return ()
        with self._work.write() as transaction:
            return job_queue.take_due(transaction.connection, transaction.now, limit=most, kinds=kinds)

    def _run(self, taken: TakenJob) -> None:
        """Do a job; whatever goes wrong is kept with it, so that one bad job never stops the others."""
        try:
            if taken.kind in self._inside:
                self._run_inside(taken)
            elif taken.kind in self._outside:
                self._run_outside(taken)
            else:
                raise NotFound("后台任务的种类", taken.kind)
        except Unavailable:
            # Not the job's fault: it is tried again when the database is back and the loan has run out.
            raise
        except Exception as error:
            self._put_off(taken, f"{type(error).__name__}: {error}")

    def _run_inside(self, taken: TakenJob) -> None:
        with self._work.write() as transaction:
            if not job_queue.holds(transaction.connection, taken):
                return
            self._inside[taken.kind](transaction, taken)
            if taken.kind in NO_TRACE:
                job_queue.remove(transaction.connection, taken)
            else:
                job_queue.finish(transaction.connection, taken)

    def _run_outside(self, taken: TakenJob) -> None:
        effect = self._outside[taken.kind](taken)
        with self._work.write() as transaction:
            # Whoever lost the loan has made the same once more; what it writes must not be there twice.
            if job_queue.holds(transaction.connection, taken):
                effect(transaction)
                job_queue.finish(transaction.connection, taken)

    def _put_off(self, taken: TakenJob, error: str) -> None:
        gives_up = taken.attempts >= len(RETRY_MINUTES)
        with self._work.write() as transaction:
            wait = timedelta(minutes=RETRY_MINUTES[min(taken.attempts, len(RETRY_MINUTES) - 1)])
            due_at = None if gives_up else transaction.now + wait
            was_ours = job_queue.put_off(transaction.connection, taken, due_at=due_at, error=error)
            if gives_up and was_ours and taken.kind in self._given_up:
                self._given_up[taken.kind](transaction, taken)

    def _sweep(self) -> None:
        """Do once a day what no event tells of."""
        today = self._work.clock.today()
        if self._swept_on == today:
            return
        reassign_by_date(self._work, self._repository)
        reckon_again(self._work, self._repository)
        self._swept_on = today

    # --- what was given up ------------------------------------------------------------------------------------------

    def incidents(self, *, by: str | None = None) -> tuple[Incident, ...]:
        """Return the jobs that were given up; for the administrator, or for the command line (``by`` None).

        :raises NotAllowed: ``by`` keeps no system running.
        """
        with self._work.read() as connection:
            if by is not None:
                require_administrator(connection, by, self._work.clock.today())
            rows = connection.execute(
                select(job, process_instance.c.receipt)
                .outerjoin(process_instance, process_instance.c.id == job.c.instance_id)
                .where(job.c.state == "failed")
                .order_by(job.c.due_at, job.c.id)
            )
            return tuple(
                Incident(row.id, row.kind, row.error, row.due_at, row.attempts, row.receipt or "") for row in rows
            )

    @retried
    def retry(self, job_id: str, *, by: str | None = None) -> None:
        """Try a job again that was given up; NotFound when there is no such job.

        :raises NotAllowed: ``by`` keeps no system running.
        """
        with self._work.write() as transaction:
            if by is not None:
                require_administrator(transaction.connection, by, transaction.today)
            given_up = update(job).where(job.c.id == job_id, job.c.state == "failed")
            values = {"state": "open", "attempts": 0, "due_at": transaction.now}
            if transaction.connection.execute(given_up.values(**values)).rowcount != 1:
                raise NotFound("后台任务", job_id)
            county = county_id(transaction.connection)
            transaction.log(county, "retried", actor_id=by, data={"job": job_id})
