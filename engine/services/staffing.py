"""Give open tasks to whoever may do them now, after posts, absences or recusals have changed."""

from __future__ import annotations

from sqlalchemy import select, update

from engine.services.permission import Directory, read_bars, units_below
from engine.services.repository import Repository
from engine.services.unit_of_work import Transaction
from engine.store.tables import process_instance, task


def reassign(
    transaction: Transaction,
    repository: Repository,
    *,
    instance_id: str | None = None,
    unit_id: str | None = None,
) -> int:
    """Recompute who has the open tasks of a matter, or of all villages under a unit; return how many changed.

    A person named for one task keeps it while nothing bars him.
    """
    changed = 0
    if instance_id:
        wanted = task.c.instance_id == instance_id
    else:
        wanted = task.c.unit_id.in_(units_below(transaction.connection, filter(None, [unit_id])))
    rows = transaction.connection.execute(
        select(
            task,
            process_instance.c.definition_id,
            process_instance.c.applicant_id,
            process_instance.c.relatives,
        )
        .join(process_instance, process_instance.c.id == task.c.instance_id)
        .where(task.c.state == "open", wanted)
    ).all()
    directories: dict[str, Directory] = {}
    for row in rows:
        if row.unit_id not in directories:
            directories[row.unit_id] = Directory(transaction.connection, row.unit_id, transaction.today)
        changed += _reassign_one(transaction, repository, directories[row.unit_id], row)
    return changed


def _reassign_one(transaction: Transaction, repository: Repository, directory: Directory, row) -> bool:
    definition = repository.of(transaction.connection, row.definition_id)
    activity = definition.facts.activity(row.element)
    bars = read_bars(
        transaction.connection, row.instance_id, row.applicant_id, list(row.relatives or []), directory.lists
    )
    if row.assignee_id and not bars.reason(row.assignee_id, activity):
        if row.named or row.role in directory.posts_of(row.assignee_id):
            return False
    assignment = directory.assign(activity, bars)
    values = {
        "role": assignment.role,
        "assignee_id": assignment.assignee_id,
        "unmanned": assignment.unmanned,
        "named": False,
    }
    if all(getattr(row, key) == value for key, value in values.items()):
        return False
    transaction.connection.execute(update(task).where(task.c.id == row.id).values(**values))
    transaction.log(
        row.unit_id,
        "assigned",
        instance_id=row.instance_id,
        element=row.element,
        data={"to": assignment.assignee_id, "role": assignment.role},
    )
    return True
