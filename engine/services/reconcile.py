"""Bring the rows of a matter into line with its workflow after a step: tasks, subscriptions, state, log."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, delete, insert, select, update

from engine.bpmn.workflow import OpenTask, Passed, Wait, Workflow
from engine.clock import local_date
from engine.errors import Conflict
from engine.model import Activity
from engine.services import limits
from engine.services.deployed import Deployed
from engine.services.environment import Environment
from engine.services.forecast import ahead
from engine.services.permission import Directory, read_bars
from engine.services.unit_of_work import Transaction
from engine.store.tables import instance_state, process_instance, subscription, task
from engine.workdays import workdays_between

#: how a node that was passed is called in the log; every other kind is "passed"
KINDS = {
    "startEvent": "started",
    "userTask": "completed",
    "manualTask": "completed",
    "businessRuleTask": "decided",
    "serviceTask": "called",
    "receiveTask": "received",
    "boundaryEvent": "interrupted",
    "exclusiveGateway": "branched",
    "endEvent": "ended",
    "cancelled": "cancelled",
}


@dataclass
class Matter:
    """One running matter inside a transaction: its row, its workflow and who is around it."""

    row: Row
    definition: Deployed
    workflow: Workflow
    environment: Environment
    directory: Directory
    revision: int
    #: of the state as it stands in the database; random, new with every save
    token: str = ""

    @property
    def id(self) -> str:
        return self.row.id


@dataclass(frozen=True)
class Act:
    """Who does what: stands in the log beside everything that follows from it."""

    by: str | None
    on_behalf_of: str | None = None
    acted_at: datetime | None = None
    submission_id: str | None = None
    digest: str = ""
    #: how the matter is called when it ends without an error end
    ends_as: str = "done"


def reconcile(transaction: Transaction, matter: Matter, act: Act) -> tuple[str, ...]:
    """Write down what the workflow has become; return the open steps as sentences.

    :raises Conflict: somebody else has moved the matter meanwhile.
    """
    _save_state(transaction, matter)
    _log_passed(transaction, matter, act, matter.workflow.take_passed())
    _cancel_tasks(transaction, matter)
    _save_instance(transaction, matter, act)
    _save_subscriptions(transaction, matter)
    return _open_tasks(transaction, matter, act)


def _save_state(transaction: Transaction, matter: Matter) -> None:
    matter.token = secrets.token_hex(16)
    values = {"revision": matter.revision + 1, "token": matter.token, "state": matter.workflow.dump()}
    if matter.revision == 0:
        transaction.connection.execute(insert(instance_state).values(instance_id=matter.id, **values))
        return
    saved = transaction.connection.execute(
        update(instance_state)
        .where(instance_state.c.instance_id == matter.id, instance_state.c.revision == matter.revision)
        .values(**values)
    )
    if saved.rowcount != 1:
        raise Conflict(matter.row.receipt)


def _log_passed(transaction: Transaction, matter: Matter, act: Act, passed: Sequence[Passed]) -> None:
    """The first node a person completed carries the submission; what the system did follows without actor."""
    own = next((node for node in passed if node.kind != "cancelled"), None)
    post = _post(matter, act)
    for node in passed:
        kind = KINDS.get(node.kind, "passed")
        data: dict[str, object] = {"rows": list(node.rows)} if node.rows else {}
        if node.flow:
            data["flow"] = node.flow
        if node is not own:
            transaction.log(matter.row.unit_id, kind, instance_id=matter.id, element=node.element, data=data)
            continue
        transaction.log(
            matter.row.unit_id,
            kind,
            instance_id=matter.id,
            element=node.element,
            actor_id=act.by,
            on_behalf_of=act.on_behalf_of,
            acted_at=act.acted_at,
            submission_id=act.submission_id,
            digest=act.digest,
            data={**data, "post": post} if post else data,
        )


def _post(matter: Matter, act: Act) -> str:
    """Return the post a person acted in; the log names posts, never persons' names."""
    return matter.directory.post_of(act.on_behalf_of or act.by) if act.by else ""


def _cancel_tasks(transaction: Transaction, matter: Matter) -> None:
    still_open = [open_task.id for open_task in matter.workflow.open_tasks()]
    transaction.connection.execute(
        update(task)
        .where(task.c.instance_id == matter.id, task.c.state == "open", task.c.id.not_in(still_open))
        .values(state="cancelled")
    )


def _save_instance(transaction: Transaction, matter: Matter, act: Act) -> None:
    values: dict[str, object] = {"last_acted_at": act.acted_at or transaction.now}
    values["ahead"] = sorted(ahead(matter.definition, _places(matter), matter.workflow.data))
    values |= _hold(transaction, matter)
    if matter.workflow.finished:
        refusal = matter.workflow.refusal
        values |= {
            "state": "refused" if refusal else act.ends_as,
            "ended_at": transaction.now,
            "refusal": refusal,
        }
    matter.row = transaction.connection.execute(
        update(process_instance).where(process_instance.c.id == matter.id).values(**values).returning(process_instance)
    ).one()


def _places(matter: Matter) -> list[str]:
    """Return the elements the matter stands at; boundary events only hang on them."""
    waits = [wait.element for wait in matter.workflow.waits()]
    return [
        *(open_task.element for open_task in matter.workflow.open_tasks()),
        *(element for element in waits if _activity(matter, element).kind != "boundaryEvent"),
    ]


def _hold(transaction: Transaction, matter: Matter) -> dict[str, object]:
    """Stop or restart the clock of the promise: it stands only while nothing but held waits are open."""
    waiting = any(_activity(matter, wait.element).hold for wait in matter.workflow.waits())
    holds = waiting and not matter.workflow.open_tasks()
    if holds == (matter.row.held_at is not None):
        return {}
    if holds:
        return {"held_at": transaction.now}
    stood = workdays_between(local_date(matter.row.held_at), transaction.today)
    return {"held_at": None, "held_days": matter.row.held_days + stood}


def _save_subscriptions(transaction: Transaction, matter: Matter) -> None:
    waits = {wait.id: wait for wait in matter.workflow.waits() if wait.message}
    known = set(
        transaction.connection.scalars(select(subscription.c.id).where(subscription.c.instance_id == matter.id))
    )
    gone = known - set(waits)
    if gone:
        transaction.connection.execute(delete(subscription).where(subscription.c.id.in_(gone)))
    new = [_subscription(transaction, matter, wait) for id_, wait in waits.items() if id_ not in known]
    if new:
        transaction.connection.execute(insert(subscription), new)


def _subscription(transaction: Transaction, matter: Matter, wait: Wait) -> dict[str, object]:
    return {
        "id": wait.id,
        "instance_id": matter.id,
        "element": wait.element,
        "message": wait.message,
        "hold": _activity(matter, wait.element).hold,
        "created_at": transaction.now,
    }


def _open_tasks(transaction: Transaction, matter: Matter, act: Act) -> tuple[str, ...]:
    known = set(
        transaction.connection.scalars(select(task.c.id).where(task.c.instance_id == matter.id, task.c.state == "open"))
    )
    new = [_task_row(transaction, matter, act, t) for t in matter.workflow.open_tasks() if t.id not in known]
    if new:
        transaction.connection.execute(insert(task), new)
    return open_steps(transaction, matter.row, matter.directory)


def open_steps(transaction: Transaction, row: Row, directory: Directory | None = None) -> tuple[str, ...]:
    """Return where a matter stands, a sentence per open step or held wait."""
    directory = directory or Directory(transaction.connection, row.unit_id, transaction.today)
    rows = transaction.connection.execute(
        select(task.c.step, task.c.lane, task.c.assignee_id)
        .where(task.c.instance_id == row.id, task.c.state == "open")
        .order_by(task.c.created_at, task.c.id)
    )
    holds = transaction.connection.scalars(
        select(subscription.c.hold).where(subscription.c.instance_id == row.id, subscription.c.hold != "")
    )
    return (*(f"〈{each.step}〉 {directory.title(each.assignee_id, each.lane)}" for each in rows), *holds)


def _task_row(transaction: Transaction, matter: Matter, act: Act, open_task: OpenTask) -> dict[str, object]:
    activity = _activity(matter, open_task.element)
    bars = read_bars(transaction.connection, matter.id, matter.row.applicant_id, list(matter.row.relatives or []))
    assignment = matter.directory.assign(activity, bars)
    value, unit = limit_of(activity, matter.environment)
    return {
        "id": open_task.id,
        "instance_id": matter.id,
        "unit_id": matter.row.unit_id,
        "element": activity.id,
        "step": activity.name,
        "lane": activity.lane,
        "role": assignment.role,
        "assignee_id": assignment.assignee_id,
        "unmanned": assignment.unmanned,
        "named": False,
        "state": "open",
        "created_at": transaction.now,
        "due_at": limits.due_at(transaction.now, value, unit) if value is not None else None,
        "limit_value": value,
        "limit_unit": unit,
        "handed_by": matter.directory.title(act.by) if act.by else "",
    }


def limit_of(activity: Activity, environment: Environment) -> tuple[int | None, str]:
    """Return the time limit of a step as (value, unit); (None, "wd") when it has none."""
    limit = activity.time_limit
    if limit is None:
        return None, "wd"
    value = environment.functions["param"](limit.param) if limit.param else limit.value
    return int(value), limit.unit


def _activity(matter: Matter, element: str) -> Activity:
    return matter.definition.facts.activity(element)
