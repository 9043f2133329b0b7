"""Bring the rows of a matter into line with its workflow after a step: tasks, subscriptions, state, log."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, bindparam, delete, insert, select, update

from engine.bpmn.workflow import OpenTask, Passed, Wait, Workflow
from engine.clock import local_date
from engine.errors import Conflict
from engine.model import Activity
from engine.services import limits, timers
from engine.services.deployed import Deployed
from engine.services.environment import Environment
from engine.services.forecast import ahead
from engine.services.permission import Bars, Directory, read_bars, tasks_of
from engine.services.unit_of_work import Transaction
from engine.store.prepared import Prepared
from engine.store.tables import NullableJson, instance_state, process_instance, subscription, task
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
    "timer": "fired",
    "exclusiveGateway": "branched",
    "endEvent": "ended",
    "cancelled": "cancelled",
}


@dataclass
class Matter:
    """One running matter inside a transaction: its row, its workflow and who is around it."""

    #: as it was before the step
    row: Row
    definition: Deployed
    workflow: Workflow
    environment: Environment
    directory: Directory
    revision: int
    #: of the state as it stands in the database; random, new with every save
    token: str = ""
    #: when a timer could first move it, as it was before the step
    next_due: datetime | None = None
    _tasks: Sequence[Row] | None = None
    _open: Sequence[Row] = ()
    _bars: Bars | None = None
    #: the task that this step has done
    _done: Row | None = None

    def __post_init__(self) -> None:
        self.id: str = self.row.id

    def tasks(self, transaction: Transaction) -> Sequence[Row]:
        """Return its tasks as they were before the step, read once."""
        if self._tasks is None:
            self._tasks = tasks_of(transaction.connection, self.id)
            self._open = [each for each in self._tasks if each.state == "open"]
        return self._tasks

    def bars(self, transaction: Transaction) -> Bars:
        """Return who may not act in the matter, read once."""
        if self._bars is None:
            self._bars = read_bars(
                transaction.connection,
                self.id,
                self.row.applicant_id,
                list(self.row.relatives or []),
                self.directory.lists,
                self.tasks(transaction),
            )
        return self._bars

    def read_again(self, row: Row) -> None:
        """Take over what has been written to the matter's row: applicant and relatives may be others now."""
        self.row, self._bars = row, None

    def note_hand(self, transaction: Transaction, done: Row, *people: str) -> None:
        """Note who has just done a task: what follows may not fall to the same hands."""
        self._bars, self._done = self.bars(transaction).with_hand(done.element, *people, step=done.step), done

    def open_before(self, transaction: Transaction) -> list[Row]:
        """Return the tasks that were open when the diagram moved on."""
        self.tasks(transaction)
        return [each for each in self._open if each is not self._done]

    def ended_limits(self, transaction: Transaction, still_open: Collection[str]) -> list[str]:
        """Return the ids of the tasks with a limit that this step has ended."""
        self.tasks(transaction)
        return [each.id for each in self._open if each.limit_value is not None and each.id not in still_open]

    def settled(self, next_due: datetime | None) -> None:
        """Forget what has been read: the step is written down, and another may follow in the same transaction."""
        self._tasks = self._bars = self._done = None
        self.next_due = next_due


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
    #: what moved it when no person did: timer, message; "" for an applicant
    origin: str = ""


_ADD_STATE = Prepared(insert(instance_state))
_SAVE_STATE = Prepared(
    update(instance_state)
    .where(instance_state.c.instance_id == bindparam("matter"), instance_state.c.revision == bindparam("before"))
    .values(revision=bindparam("next"), token=bindparam("new_token"), state=bindparam("new_state"))
)
_SUBSCRIBED = Prepared(
    select(subscription.c.id, subscription.c.hold).where(subscription.c.instance_id == bindparam("matter"))
)
_ADD_TASKS, _SUBSCRIBE = Prepared(insert(task)), Prepared(insert(subscription))


@dataclass(frozen=True)
class _Standing:
    """Where the workflow has come to, looked at once."""

    opened: tuple[OpenTask, ...]
    waits: tuple[Wait, ...]


def reconcile(transaction: Transaction, matter: Matter, act: Act) -> tuple[str, ...]:
    """Write down what the workflow has become; return the open steps as sentences.

    :raises Conflict: somebody else has moved the matter meanwhile.
    """
    standing = _Standing(matter.workflow.open_tasks(), matter.workflow.waits())
    _save_state(transaction, matter)
    _log_passed(transaction, matter, act, matter.workflow.take_passed())
    known = matter.open_before(transaction)
    _cancel_tasks(transaction, known, standing)
    _save_instance(transaction, matter, act, standing)
    holds = _save_subscriptions(transaction, matter, standing)
    opened = _open_tasks(transaction, matter, act, known, standing)
    return (*opened, *holds)


def _save_state(transaction: Transaction, matter: Matter) -> None:
    matter.token, state = secrets.token_hex(16), matter.workflow.dump()
    if matter.revision == 0:
        values = {"instance_id": matter.id, "revision": 1, "token": matter.token, "state": state}
        _ADD_STATE.run(transaction.connection, values)
        matter.revision = 1
        return
    values = {"before": matter.revision, "next": matter.revision + 1, "new_token": matter.token, "new_state": state}
    if _SAVE_STATE.run(transaction.connection, {"matter": matter.id, **values}) != 1:
        raise Conflict(matter.row.receipt)
    matter.revision += 1


def _log_passed(transaction: Transaction, matter: Matter, act: Act, passed: Sequence[Passed]) -> None:
    """The first node a person completed carries the submission; what the system did follows without actor."""
    own = next((node for node in passed if node.kind != "cancelled"), None)
    post = _post(matter, act)
    for node in passed:
        kind = _kind(matter, node)
        data: dict[str, object] = {"rows": list(node.rows)} if node.rows else {}
        if node.flow:
            data["flow"] = node.flow
        if act.origin:
            data["origin"] = act.origin
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


def _kind(matter: Matter, node: Passed) -> str:
    """Return how a passed node is called; a called process begins without anybody starting a matter."""
    if node.kind == "startEvent" and _activity(matter, node.element).folder:
        return "begun"
    return KINDS.get(node.kind, "passed")


def _post(matter: Matter, act: Act) -> str:
    """Return the post a person acted in; the log names posts, never persons' names."""
    return matter.directory.post_of(act.on_behalf_of or act.by) if act.by else ""


_CANCELLED = {"state": "cancelled", "warn_at": None, "red_at": None}


def _cancel_tasks(transaction: Transaction, known: Sequence[Row], standing: _Standing) -> None:
    still_open = {each.id for each in standing.opened}
    gone = [row.id for row in known if row.id not in still_open]
    if gone:
        transaction.connection.execute(update(task).where(task.c.id.in_(gone)).values(_CANCELLED))


def _save_instance(transaction: Transaction, matter: Matter, act: Act, standing: _Standing) -> None:
    values: dict[str, object] = {"last_acted_at": act.acted_at or transaction.now}
    calls = matter.workflow.open_calls()
    values["calls"] = list(calls)
    places = (*_places(matter, standing), *calls)
    values["ahead"] = sorted(ahead(matter.definition, places, lambda: matter.workflow.data)) if places else []
    values |= _hold(transaction, matter, standing)
    save = _MOVE_INSTANCE
    if matter.workflow.finished:
        refusal = _refusal(matter)
        values |= {
            "state": "refused" if refusal else act.ends_as,
            "ended_at": transaction.now,
            "refusal": refusal,
        }
        save = _END_INSTANCE
    before = {key: getattr(matter.row, key) for key in _MOVES}
    save.run(transaction.connection, {"matter": matter.id, **before, **values})


def _refusal(matter: Matter) -> dict[str, object] | None:
    """Return why the matter was refused; what the data does not say stands at the error end in the diagram."""
    refusal = matter.workflow.refusal
    if refusal is None:
        return None
    end = _activity(matter, matter.workflow.end_element)
    duty, _, remedy = end.documentation.partition("\n\n")
    drawn = {"basis": str(end.legal_basis[0]) if end.legal_basis else "", "remedy": remedy}
    if end.legal_basis and not refusal["basis"]:
        drawn["text"] = duty
    return {**refusal, **{key: text for key, text in drawn.items() if text and (key == "text" or not refusal[key])}}


#: the columns of a matter that a step may move
_MOVES = ("last_acted_at", "ahead", "held_at", "held_days", "calls")
_MOVED = (
    update(process_instance)
    .where(process_instance.c.id == bindparam("matter"))
    .values(**{key: bindparam(key) for key in _MOVES})
)
# SQLite writes the index of a column that is set, even to what it was: the state is set only where it changes.
_MOVE_INSTANCE = Prepared(_MOVED)
_END_INSTANCE = Prepared(
    _MOVED.values(
        state=bindparam("state"), ended_at=bindparam("ended_at"), refusal=bindparam("refusal", type_=NullableJson)
    )
)


def _places(matter: Matter, standing: _Standing) -> tuple[str, ...]:
    """Return the elements the matter stands at; boundary events only hang on them."""
    waits = (wait.element for wait in standing.waits)
    places = (
        *(open_task.element for open_task in standing.opened),
        *(element for element in waits if _activity(matter, element).kind != "boundaryEvent"),
    )
    return tuple(dict.fromkeys(places))


def _hold(transaction: Transaction, matter: Matter, standing: _Standing) -> dict[str, object]:
    """Stop or restart the clock of the promise: it stands only while nothing but held waits are open."""
    waiting = any(_activity(matter, wait.element).hold for wait in standing.waits)
    holds = waiting and not standing.opened
    if holds == (matter.row.held_at is not None):
        return {}
    if holds:
        return {"held_at": transaction.now}
    stood = workdays_between(local_date(matter.row.held_at), transaction.today)
    return {"held_at": None, "held_days": matter.row.held_days + stood}


def _save_subscriptions(transaction: Transaction, matter: Matter, standing: _Standing) -> list[str]:
    """Write down which messages are waited for; return why the clock of the promise stands, where it does."""
    waits = {wait.id: wait for wait in standing.waits if wait.message}
    if not waits and not matter.definition.takes_messages:
        return []
    known = dict(_SUBSCRIBED.all(transaction.connection, {"matter": matter.id}))
    gone = known.keys() - waits.keys()
    if gone:
        transaction.connection.execute(delete(subscription).where(subscription.c.id.in_(gone)))
    new = [_subscription(transaction, matter, wait) for id_, wait in waits.items() if id_ not in known]
    _SUBSCRIBE.run_each(transaction.connection, new)
    return [hold for wait in waits.values() if (hold := _activity(matter, wait.element).hold)]


def _subscription(transaction: Transaction, matter: Matter, wait: Wait) -> dict[str, object]:
    return {
        "id": wait.id,
        "instance_id": matter.id,
        "element": wait.element,
        "message": wait.message,
        "hold": _activity(matter, wait.element).hold,
        "created_at": transaction.now,
    }


def _open_tasks(
    transaction: Transaction, matter: Matter, act: Act, known: Sequence[Row], standing: _Standing
) -> list[str]:
    """Write down the tasks that have come and what time will do; return the open ones as sentences."""
    before = {row.id for row in known}
    new = [_task_row(transaction, matter, act, each) for each in standing.opened if each.id not in before]
    _ADD_TASKS.run_each(transaction.connection, new)
    still_open = {each.id for each in standing.opened}
    _queue_times(transaction, matter, still_open, new)
    title = matter.directory.title
    said = [_sentence(row.step, title(row.assignee_id, row.lane)) for row in known if row.id in still_open]
    return [*said, *(_sentence(row["step"], title(row["assignee_id"], row["lane"])) for row in new)]


def _queue_times(transaction: Transaction, matter: Matter, still_open: Collection[str], new: Sequence[dict]) -> None:
    """Queue what time will do; the limit of a task that was open before has its job already."""
    workflow = matter.workflow
    begun = {row["id"]: row["warn_at"] for row in new if row["warn_at"] is not None}
    timers.follow_limits(transaction.connection, matter.id, matter.ended_limits(transaction, still_open), begun)
    next_due = None if workflow.finished else workflow.next_due
    # Who had no timer and has none has no job either.
    if matter.next_due or next_due:
        provisional_day = workflow.provisional_day if next_due else None
        timers.follow_timer(transaction.connection, matter.id, next_due, provisional_day)
    matter.settled(next_due)


def _sentence(step: str, who: str) -> str:
    return f"〈{step}〉 {who}"


def open_steps(transaction: Transaction, row: Row) -> tuple[str, ...]:
    """Return where a matter stands, a sentence per open step or held wait."""
    directory = Directory(transaction.connection, row.unit_id, transaction.today)
    opened = (each for each in tasks_of(transaction.connection, row.id) if each.state == "open")
    subscribed = _SUBSCRIBED.all(transaction.connection, {"matter": row.id})
    return (
        *(_sentence(each.step, directory.title(each.assignee_id, each.lane)) for each in opened),
        *(each.hold for each in subscribed if each.hold),
    )


def _task_row(transaction: Transaction, matter: Matter, act: Act, open_task: OpenTask) -> dict[str, object]:
    activity = _activity(matter, open_task.element)
    assignment = matter.directory.assign(activity, matter.bars(transaction))
    value, unit = limit_of(activity, matter.environment)
    param = matter.environment.functions["param"]
    moments = limits.reckon(transaction.now, value, unit, param) if value is not None else None
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
        "due_at": moments and moments.due_at,
        "warn_at": moments and moments.warn_at,
        "red_at": moments and moments.red_at,
        "provisional": bool(moments and moments.provisional),
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
