"""What happens after commit: pictures, documents, giving tasks on when terms begin or end. Each job is done once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta

from sqlalchemy import Date, Row, Select, and_, false, func, or_, select, update

from engine.errors import EngineError, NotFound
from engine.pictures import clean
from engine.services.permission import in_force
from engine.services.repository import Repository
from engine.services.staffing import reassign
from engine.services.unit_of_work import Transaction, UnitOfWork
from engine.store.files import FileStore
from engine.store.tables import appointment, attachment, document, job, org_unit, process_instance, task
from engine.typesetting import typeset
from engine.views import Incident

#: minutes to wait before the second, third, … try
RETRY_MINUTES = (1, 5, 30, 120)
#: far longer than any job takes
TAKEN_FOR = timedelta(minutes=10)

TOWNSHIP = org_unit.alias("township")


class Jobs:
    """Runs what is due; on the embedded database inside the web process, else in ``sihua worker``."""

    def __init__(self, unit_of_work: UnitOfWork, repository: Repository, files: FileStore) -> None:
        self._work = unit_of_work
        self._repository = repository
        self._files = files
        self._handlers: Mapping[str, Callable[[dict], None]] = {
            "picture.clean": self._clean_picture,
            "document.render": self._render_document,
        }

    def run_due(self, *, limit: int = 100) -> int:
        """Run due jobs, oldest first; return how many were tried here."""
        self._reassign_by_date()
        with self._work.read() as connection:
            due = connection.execute(
                select(job)
                .where(job.c.state == "open", job.c.due_at <= self._work.clock.now())
                .order_by(job.c.due_at, job.c.id)
                .limit(limit)
            ).all()
        return sum(self._run(row) for row in due)

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

    def _run(self, row: Row) -> bool:
        """Do a job; False when another worker has taken it."""
        if not self._take(row):
            return False
        try:
            self._do(row)
        except (EngineError, OSError) as error:
            self._put_off(row, str(error))
            return True
        with self._work.write() as transaction:
            transaction.connection.execute(update(job).where(job.c.id == row.id).values(state="done", error=""))
        return True

    def _do(self, row: Row) -> None:
        if row.kind not in self._handlers:
            raise NotFound("后台任务的种类", row.kind)
        self._handlers[row.kind](row.payload)

    def _take(self, row: Row) -> bool:
        """Reserve a job: it comes due again only if whoever took it never comes back."""
        with self._work.write() as transaction:
            as_read = update(job).where(job.c.id == row.id, job.c.state == "open", job.c.due_at == row.due_at)
            return transaction.connection.execute(as_read.values(due_at=transaction.now + TAKEN_FOR)).rowcount == 1

    def _put_off(self, row: Row, error: str) -> None:
        attempts = row.attempts + 1
        gives_up = attempts > len(RETRY_MINUTES)
        with self._work.write() as transaction:
            wait = timedelta(minutes=RETRY_MINUTES[min(attempts, len(RETRY_MINUTES)) - 1])
            transaction.connection.execute(
                update(job)
                .where(job.c.id == row.id)
                .values(
                    attempts=attempts,
                    error=error[:500],
                    state="failed" if gives_up else "open",
                    due_at=transaction.now + wait,
                )
            )
            if gives_up and row.kind == "picture.clean":
                _set_picture(transaction, row.payload["attachment_id"], "failed", None)

    def _clean_picture(self, payload: dict) -> None:
        with self._work.read() as connection:
            row = connection.execute(select(attachment).where(attachment.c.id == payload["attachment_id"])).one()
        kept = self._files.put(clean(self._files.read(row.sha256)))
        with self._work.write() as transaction:
            _set_picture(transaction, row.id, "ready", kept)

    def _render_document(self, payload: dict) -> None:
        with self._work.read() as connection:
            row = connection.execute(select(document).where(document.c.id == payload["document_id"])).one()
            definition_id = connection.scalar(
                select(process_instance.c.definition_id).where(process_instance.c.id == row.instance_id)
            )
            deployed = self._repository.of(connection, definition_id)
        kept = self._files.put(typeset(deployed.package.files[f"{row.template}.typ"], row.data))
        with self._work.write() as transaction:
            transaction.connection.execute(update(document).where(document.c.id == row.id).values(sha256=kept))

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
