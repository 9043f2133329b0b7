"""What happens after commit: pictures, documents, giving tasks on when terms begin or end. Each job is done once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta

from sqlalchemy import Date, Select, and_, false, func, or_, select, update

from engine.errors import Conflict, EngineError, NotFound
from engine.pictures import clean
from engine.services.permission import in_force
from engine.services.repository import Repository, definition_row
from engine.services.staffing import reassign
from engine.services.unit_of_work import Transaction, UnitOfWork, retried
from engine.store import job_queue
from engine.store.files import FileStore
from engine.store.job_queue import TakenJob
from engine.store.tables import appointment, attachment, document, job, org_unit, process_instance, task
from engine.typesetting import typeset
from engine.views import Incident

#: minutes to wait before the second, third, … try
RETRY_MINUTES = (1, 5, 30, 120)

#: what a job writes, in one transaction with being done
Effect = Callable[[Transaction], None]

TOWNSHIP = org_unit.alias("township")


class Jobs:
    """Runs what is due; on the embedded database inside the web process, else in ``sihua worker``."""

    def __init__(self, unit_of_work: UnitOfWork, repository: Repository, files: FileStore) -> None:
        self._work = unit_of_work
        self._repository = repository
        self._files = files
        self._handlers: Mapping[str, Callable[[Mapping], Effect]] = {
            "picture.clean": self._clean_picture,
            "document.render": self._render_document,
        }

    def run_due(self, *, limit: int = 100) -> int:
        """Run due jobs, oldest first; return how many were tried here."""
        self._reassign_by_date()
        tried = 0
        while tried < limit and self._run_next():
            tried += 1
        return tried

    def incidents(self) -> tuple[Incident, ...]:
        """Return the jobs that were given up."""
        with self._work.read() as connection:
            rows = connection.execute(select(job).where(job.c.state == "failed").order_by(job.c.due_at))
            return tuple(Incident(row.id, row.kind, row.error, row.due_at, row.attempts) for row in rows)

    @retried
    def retry(self, job_id: str) -> None:
        """Try a job again that was given up; NotFound when there is no such job."""
        with self._work.write() as transaction:
            given_up = update(job).where(job.c.id == job_id, job.c.state == "failed")
            again = transaction.connection.execute(given_up.values(state="open", attempts=0, due_at=transaction.now))
            if again.rowcount != 1:
                raise NotFound("后台任务", job_id)

    def _run_next(self) -> bool:
        """Do the oldest due job that nobody else holds; False when there is none."""
        taken = self._take()
        if taken is None:
            return False
        try:
            effect = self._make(taken)
            with self._work.write() as transaction:
                effect(transaction)
                if not job_queue.finish(transaction.connection, taken):
                    # Somebody else has done it meanwhile: its effect must not be there twice.
                    raise Conflict(taken.id)
        except (EngineError, OSError) as error:
            self._put_off(taken, str(error))
        return True

    def _make(self, taken: TakenJob) -> Effect:
        if taken.kind not in self._handlers:
            raise NotFound("后台任务的种类", taken.kind)
        return self._handlers[taken.kind](taken.payload)

    def _take(self) -> TakenJob | None:
        with self._work.read() as connection:
            # Looked for first: on SQLite a writer that finds nothing would have kept others waiting.
            if not job_queue.is_due(connection, self._work.clock.now()):
                return None
        with self._work.write() as transaction:
            return next(iter(job_queue.take_due(transaction.connection, transaction.now)), None)

    def _put_off(self, taken: TakenJob, error: str) -> None:
        gives_up = taken.attempts >= len(RETRY_MINUTES)
        with self._work.write() as transaction:
            wait = timedelta(minutes=RETRY_MINUTES[min(taken.attempts, len(RETRY_MINUTES) - 1)])
            due_at = None if gives_up else transaction.now + wait
            was_ours = job_queue.put_off(transaction.connection, taken, due_at=due_at, error=error)
            if gives_up and was_ours and taken.kind == "picture.clean":
                _set_picture(transaction, taken.payload["attachment_id"], "failed", None)

    def _clean_picture(self, payload: Mapping) -> Effect:
        with self._work.read() as connection:
            row = connection.execute(select(attachment).where(attachment.c.id == payload["attachment_id"])).one()
        kept = self._files.put(clean(self._files.read(row.sha256)))
        return lambda transaction: _set_picture(transaction, row.id, "ready", kept)

    def _render_document(self, payload: Mapping) -> Effect:
        with self._work.read() as connection:
            row = connection.execute(select(document).where(document.c.id == payload["document_id"])).one()
            definition_id = connection.scalar(
                select(process_instance.c.definition_id).where(process_instance.c.id == row.instance_id)
            )
            deployed = self._repository.loaded(connection, definition_row(connection, definition_id))
        kept = self._files.put(typeset(deployed.package.files[f"{row.template}.typ"], row.data))
        return lambda transaction: _set_document(transaction, row.id, kept)

    def _reassign_by_date(self) -> None:
        """A term that begins or ends by its date raises no event: look for the tasks it changes."""
        with self._work.read() as connection:
            changed = connection.scalars(_tasks_changed_by_date(self._work.clock.today())).all()
        for instance_id in changed:
            with self._work.write() as transaction:
                reassign(transaction, self._repository, instance_id=instance_id)


def _tasks_changed_by_date(today: date) -> Select:
    """Return the matters with a task whose holder is out of post, or that nobody had and a new term may take."""
    posts = select(appointment.c.id).where(
        appointment.c.unit_id.in_([task.c.unit_id, org_unit.c.parent_id, TOWNSHIP.c.parent_id]), *in_force(today)
    )
    own = posts.where(appointment.c.role == task.c.role)
    held = own.where(or_(task.c.assignee_id.is_(None), appointment.c.person_id == task.c.assignee_id)).exists()
    begun = posts.where(appointment.c.from_on > func.date(task.c.created_at, type_=Date)).exists()
    return (
        select(task.c.instance_id)
        .join(org_unit, org_unit.c.id == task.c.unit_id)
        .outerjoin(TOWNSHIP, TOWNSHIP.c.id == org_unit.c.parent_id)
        .where(task.c.state == "open", task.c.named.is_(false()))
        .where(or_(and_(task.c.unmanned.is_(false()), ~held), and_(task.c.unmanned.is_not(false()), begun)))
        .distinct()
    )


def _set_picture(transaction: Transaction, attachment_id: str, state: str, preview: str | None) -> None:
    transaction.connection.execute(
        update(attachment).where(attachment.c.id == attachment_id).values(state=state, preview_sha256=preview)
    )


def _set_document(transaction: Transaction, document_id: str, sha256: str) -> None:
    transaction.connection.execute(update(document).where(document.c.id == document_id).values(sha256=sha256))
