"""Give open tasks to whoever may do them now, after posts, absences or recusals have changed."""

from __future__ import annotations

from datetime import date

from sqlalchemy import Date, Select, and_, false, func, or_, select, update

from engine.services.permission import Directory, in_force, read_bars, units_below
from engine.services.repository import Repository
from engine.services.unit_of_work import Transaction, UnitOfWork
from engine.store.tables import appointment, org_unit, process_instance, task

TOWNSHIP = org_unit.alias("township")


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
    still_open = update(task).where(task.c.id == row.id, task.c.state == "open").values(**values)
    if transaction.connection.execute(still_open).rowcount != 1:
        # Done meanwhile; nothing is left to hand on.
        return False
    transaction.log(
        row.unit_id,
        "assigned",
        instance_id=row.instance_id,
        element=row.element,
        data={"to": assignment.assignee_id, "role": assignment.role},
    )
    return True


def reassign_by_date(work: UnitOfWork, repository: Repository) -> None:
    """A term that begins or ends by its date raises no event: look for the tasks it changes."""
    with work.read() as connection:
        changed = connection.scalars(_tasks_changed_by_date(work.clock.today())).all()
    for instance_id in changed:
        with work.write() as transaction:
            reassign(transaction, repository, instance_id=instance_id)


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
