"""What is made of papers after commit: cleaned pictures, set documents."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import select, update

from engine.pictures import clean
from engine.services.repository import Repository
from engine.services.unit_of_work import Transaction, UnitOfWork
from engine.store.files import FileStore
from engine.store.job_queue import TakenJob
from engine.store.tables import attachment, document, process_instance
from engine.typesetting import typeset

#: what a job writes, in one transaction with being done
Effect = Callable[[Transaction], object]


class Papers:
    """Doing one of these twice makes the same file again: a worker that dies in between costs nothing."""

    def __init__(self, unit_of_work: UnitOfWork, repository: Repository, files: FileStore) -> None:
        self._work = unit_of_work
        self._repository = repository
        self._files = files

    def clean_picture(self, job: TakenJob) -> Effect:
        """Draw a photo anew: no position, no comment."""
        attachment_id = job.payload["attachment_id"]
        with self._work.read() as connection:
            sha256 = connection.scalar(select(attachment.c.sha256).where(attachment.c.id == attachment_id))
        kept = self._files.put(clean(self._files.read(sha256)))
        return lambda transaction: _set_picture(transaction, attachment_id, "ready", kept)

    def give_up_picture(self, transaction: Transaction, job: TakenJob) -> None:
        """Let the person know that the picture cannot be opened."""
        _set_picture(transaction, job.payload["attachment_id"], "failed", None)

    def render_document(self, job: TakenJob) -> Effect:
        """Set a document from the data that was kept in the step's transaction."""
        with self._work.read() as connection:
            paper = connection.execute(select(document).where(document.c.id == job.payload["document_id"])).one()
            definition_id = connection.scalar(
                select(process_instance.c.definition_id).where(process_instance.c.id == paper.instance_id)
            )
            deployed = self._repository.of(connection, definition_id)
        kept = self._files.put(typeset(deployed.package.files[f"{paper.template}.typ"], paper.data))
        made = update(document).where(document.c.id == paper.id).values(sha256=kept)
        return lambda transaction: transaction.connection.execute(made)


def _set_picture(transaction: Transaction, attachment_id: str, state: str, preview: str | None) -> None:
    transaction.connection.execute(
        update(attachment).where(attachment.c.id == attachment_id).values(state=state, preview_sha256=preview)
    )
