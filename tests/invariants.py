"""What holds of every matter at every moment, whatever has happened: the rows agree with the diagram."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import Connection, Row, func, select

from engine import ProcessEngine
from engine.bpmn.workflow import Workflow
from engine.model import ProcessFacts
from engine.services.environment import Environment
from engine.services.permission import Directory
from engine.services.unit_of_work import Transaction
from engine.store.tables import event_log, instance_state, job, process_instance, subscription, task


def check_all(engine: ProcessEngine, matter_id: str | None = None) -> None:
    """Check one matter, or all."""
    with engine.database.read() as connection:
        wanted = select(process_instance)
        for row in connection.execute(wanted.where(process_instance.c.id == matter_id) if matter_id else wanted).all():
            _check(engine, connection, row)


def _check(engine: ProcessEngine, connection: Connection, row: Row) -> None:
    deployed = engine.repository.deployed(row.definition_id)
    transaction = Transaction(connection, engine.clock.now())
    environment = Environment(transaction, row, deployed, Directory(connection, row.unit_id, transaction.today))
    (state,) = connection.scalars(select(instance_state.c.state).where(instance_state.c.instance_id == row.id)).all()
    workflow = Workflow.load(deployed.definition, state, environment)
    rows = connection.execute(select(task).where(task.c.instance_id == row.id)).all()
    is_open = [each for each in rows if each.state == "open"]
    assert Counter(each.id for each in is_open) == Counter(each.id for each in workflow.open_tasks())
    assert all(each.unmanned is (each.assignee_id is None) for each in is_open)

    waits = Counter(connection.scalars(select(subscription.c.id).where(subscription.c.instance_id == row.id)))
    assert waits == Counter(wait.id for wait in workflow.waits() if wait.message)

    # What is called ends too, and the matter goes on; but a refusal ends it from wherever it is drawn.
    processes = deployed.facts.processes[: None if row.refusal else 1]
    nodes = [activity.id for process in processes for activity in process.activities]
    logged = event_log.c.instance_id == row.id, event_log.c.kind == "ended", event_log.c.element.in_(nodes)
    ends = connection.scalar(select(func.count()).where(*logged))
    assert (row.state == "open") is (not workflow.finished)
    # A branch beside the others, such as a reminder to the township, ends before the matter does.
    assert row.state == "open" or ends > 0

    _check_times(connection, row, workflow, {each.id for each in is_open})
    _check_hands(rows, deployed.facts)


def _check_times(connection: Connection, row: Row, workflow: Workflow, open_tasks: set[str]) -> None:
    """One job for the next timer, at its moment; limits run for open tasks only."""
    jobs = connection.execute(select(job).where(job.c.instance_id == row.id)).all()
    next_due = None if workflow.finished else workflow.next_due
    waiting = [each.due_at for each in jobs if each.kind == "timer" and each.state == "open"]
    assert waiting == [next_due] if next_due else waiting == []
    limits = Counter(each.payload["task_id"] for each in jobs if each.kind == "limit")
    assert set(limits) <= open_tasks and set(limits.values()) <= {1}


def _check_hands(rows: Sequence[Row], facts: ProcessFacts) -> None:
    hands: dict[str, set[str]] = {}
    for each in rows:
        if each.state == "completed":
            hands.setdefault(each.element, set()).update(filter(None, (each.completed_by, each.on_behalf_of)))
    for process in facts.processes:
        for activity in process.activities:
            for other in activity.separate:
                assert not hands.get(activity.id, set()) & hands.get(other, set()), (activity.id, other)
