"""Loading a running matter into a transaction, and what a submitted form adds to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from engine.bpmn.workflow import Workflow
from engine.errors import InvalidForm, NotFound
from engine.identifiers import new_id
from engine.model import Activity
from engine.services import choices, kept
from engine.services.deployed import Deployed
from engine.services.environment import Environment
from engine.services.permission import Directory
from engine.services.reconcile import Matter
from engine.services.repository import Repository
from engine.services.unit_of_work import Transaction
from engine.store.event_log import new_salt, salted_digest
from engine.store.files import FileStore, KeptFile
from engine.store.prepared import Prepared
from engine.store.tables import attachment, instance_state, job, process_instance, submission, task


@dataclass(frozen=True)
class Upload:
    """A file as it comes from a form."""

    name: str
    stream: BinaryIO


#: what a name may have in the database
NAME_LENGTH = 100

#: field key → the files given for it, already kept by content
Kept = Mapping[str, Sequence[tuple[str, KeptFile]]]


def keep_files(files: FileStore, uploads: Mapping[str, Sequence[Upload]], max_bytes: int) -> Kept:
    """Keep uploaded bytes before the transaction begins; without a row that names them they are nothing.

    :raises InvalidFile: too large, or of a kind that is not taken.
    """
    return {
        field: [(upload.name, files.keep(_from_its_start(upload.stream), max_bytes)) for upload in given]
        for field, given in uploads.items()
        if given
    }


def _from_its_start(stream: BinaryIO) -> BinaryIO:
    # A method that is run again (retried) has read it before.
    if stream.seekable():
        stream.seek(0)
    return stream


_MATTERS = select(
    process_instance,
    instance_state.c.revision.label("state_revision"),
    instance_state.c.token.label("state_token"),
    kept.VERSION.scalar_subquery().label("lists"),
).join(instance_state, instance_state.c.instance_id == process_instance.c.id)
_MATTER = Prepared(_MATTERS.where(process_instance.c.id == bindparam("matter")), hold=True)
_MATTER_OF_TASK = Prepared(
    _MATTERS.where(
        process_instance.c.id == select(task.c.instance_id).where(task.c.id == bindparam("task")).scalar_subquery()
    ),
    hold=True,
)
_BY_RECEIPT = Prepared(
    select(process_instance, kept.VERSION.scalar_subquery().label("lists")).where(
        process_instance.c.receipt == bindparam("receipt")
    )
)
_SUBMIT = Prepared(insert(submission))
_STATE = Prepared(select(instance_state.c.state).where(instance_state.c.instance_id == bindparam("matter")))


def load(transaction: Transaction, repository: Repository, instance_id: str) -> Matter:
    """Load a matter with its workflow, held by a writer until he has ended; NotFound when there is none."""
    connection = transaction.connection
    row = _MATTER.first(connection, {"matter": instance_id})
    if row is None:
        raise NotFound("事项", instance_id)
    return _loaded(transaction, repository, row)


def load_of_task(transaction: Transaction, repository: Repository, task_id: str) -> tuple[Matter, Row]:
    """Load a task (see :func:`engine.services.permission.tasks_of`) and its matter; NotFound when there is none.

    The matter is held first: who waited for somebody else to do the task then meets it as done.
    """
    connection = transaction.connection
    row = _MATTER_OF_TASK.first(connection, {"task": task_id})
    if row is None:
        raise NotFound("待办", task_id)
    matter = _loaded(transaction, repository, row)
    return matter, next(each for each in reversed(matter.tasks(transaction)) if each.id == task_id)


def _loaded(transaction: Transaction, repository: Repository, row: Row) -> Matter:
    connection = transaction.connection
    definition = repository.of(connection, row.definition_id)
    directory = Directory(connection, row.unit_id, transaction.today, row.lists)
    environment = Environment(transaction, row, definition, directory)
    workflow = transaction.live.take(row.id, row.state_token)
    if workflow is not None:
        workflow.enter(environment)
    else:
        state = _STATE.scalar(connection, {"matter": row.id})
        workflow = Workflow.load(definition.definition, state, environment)
    matter = Matter(
        row, definition, workflow, environment, directory, row.state_revision, row.state_token, workflow.next_due
    )
    keep_live(transaction, matter)
    return matter


def keep_live(transaction: Transaction, matter: Matter) -> None:
    """Keep the matter's workflow for the next step, once this one is committed."""
    transaction.after_commit.append(lambda: transaction.live.put(matter.id, matter.token, matter.workflow))


def row_by_receipt(connection: Connection, receipt: str) -> Row:
    """Return a matter's row by its 回执号, whatever its case and blanks; NotFound when there is none."""
    plain = "".join(receipt.split()).upper().replace("-", "")
    row = _BY_RECEIPT.first(connection, {"receipt": plain})
    if row is None:
        raise NotFound("事项", receipt)
    return row


def clean(
    transaction: Transaction,
    deployed: Deployed,
    activity: Activity,
    unit_id: str,
    submitted: Mapping[str, Sequence[str]],
    attached: Mapping[str, Sequence[str]],
    data: Mapping[str, object],
    environment: Environment,
) -> dict[str, object]:
    """Check submitted values and attachment ids against the step's form; {} for steps without one.

    :raises InvalidForm: with a sentence per field.
    """
    form = deployed.form_of(activity)
    if form is None:
        return {}
    given = {key: list(values) for key, values in submitted.items()}
    for field in form.fields:
        if field.type == "filepicker":
            given[field.key] = list(attached.get(field.key, ()))
    values = form.clean(given, data, environment.functions)
    choices.check(choices.of(transaction.connection, form, unit_id, activity, deployed.facts, data), form, values)
    return values


def attach(
    transaction: Transaction, instance_id: str, activity: Activity, kept: Kept, *, by: str | None, task_id: str | None
) -> dict[str, list[str]]:
    """Write attachment rows; return field key → new ids. Pictures are cleaned after commit."""
    ids: dict[str, list[str]] = {}
    for field, given in kept.items():
        for name, file in given:
            attachment_id = new_id()
            ids.setdefault(field, []).append(attachment_id)
            transaction.connection.execute(
                insert(attachment).values(
                    id=attachment_id,
                    instance_id=instance_id,
                    task_id=task_id,
                    element=activity.id,
                    step=activity.name,
                    field=field,
                    name=name[-120:],
                    media_type=file.media_type,
                    size=file.size,
                    sha256=file.sha256,
                    state="pending" if file.media_type.startswith("image/") else "ready",
                    by=by,
                    at=transaction.now,
                )
            )
            if file.media_type.startswith("image/"):
                queue(transaction, "picture.clean", f"picture:{attachment_id}", {"attachment_id": attachment_id})
    return ids


def queue(transaction: Transaction, kind: str, key: str, payload: dict[str, object]) -> None:
    """Put a job into the outbox: done after commit, once per key."""
    transaction.connection.execute(
        insert(job).values(id=new_id(), kind=kind, key=key, payload=payload, state="open", due_at=transaction.now)
    )


def submit(
    transaction: Transaction,
    matter_id: str,
    element: str,
    title: str,
    data: dict,
    *,
    by: str | None,
    task_id: str | None,
) -> tuple[str, str]:
    """Keep what was filled in; return (submission id, salted digest) for the log."""
    salt, submission_id = new_salt(), new_id()
    _SUBMIT.run(
        transaction.connection,
        {
            "id": submission_id,
            "instance_id": matter_id,
            "task_id": task_id,
            "element": element,
            "title": title,
            "by": by,
            "at": transaction.now,
            "salt": salt,
            "data": data,
        },
    )
    return submission_id, salted_digest(salt, data)


def identify(transaction: Transaction, matter: Matter, data: Mapping[str, object]) -> None:
    """Note who the applicant is before anything is decided: recusal looks at the row."""
    values = applicant_of(matter.definition, data)
    if values:
        matter.read_again(
            transaction.connection.execute(
                update(process_instance)
                .where(process_instance.c.id == matter.id)
                .values(**values)
                .returning(process_instance)
            ).one()
        )


def applicant_of(definition: Deployed, data: Mapping[str, object]) -> dict[str, object]:
    """Return the columns of a matter that say who applies, as far as the data names them."""
    facts = definition.facts
    values: dict[str, object] = {}
    if facts.applicant and facts.applicant in data:
        values["applicant_id"] = data[facts.applicant] or None
    if facts.relatives and facts.relatives in data:
        values["relatives"] = list(data[facts.relatives] or [])
    if facts.applicant_name and data.get(facts.applicant_name):
        values["applicant_name"] = str(data[facts.applicant_name])[:NAME_LENGTH]
    return values


def required_papers(transaction: Transaction, matter_id: str, activity: Activity, given: Mapping[str, object]) -> None:
    """Check that every paper the step must keep a copy of is there (article 管权: 注明所需材料).

    :raises InvalidForm: naming the paper.
    """
    wanted = [m for m in activity.materials if m.required and m.keep == "copy" and m.kind]
    if not wanted:
        return
    there = set(transaction.connection.scalars(select(attachment.c.field).where(attachment.c.instance_id == matter_id)))
    missing = {m.kind: f"缺 1 份：{m.name}" for m in wanted if m.kind not in there and not given.get(m.kind)}
    if missing:
        raise InvalidForm(missing)
