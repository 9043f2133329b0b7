"""What a running workflow may ask of the outside: functions of expressions and connectors, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import cached_property, partial

from sqlalchemy import ColumnElement, Row, select

from engine.clock import local_date
from engine.connectors import CONNECTORS
from engine.connectors.call import Call
from engine.errors import NotFound
from engine.services import limits, parameters
from engine.services.deployed import Deployed
from engine.services.limits import limit_text
from engine.services.permission import Bars, Directory, read_bars
from engine.services.unit_of_work import Transaction
from engine.store.tables import process_instance, task
from engine.workdays import workdays_between


class Environment:
    """Serves one matter during one step; see :class:`engine.bpmn.workflow.Environment`."""

    def __init__(self, transaction: Transaction, row: Row, definition: Deployed, directory: Directory) -> None:
        self._transaction = transaction
        self._row = row
        self._definition = definition
        self._directory = directory

    @cached_property
    def functions(self) -> Mapping[str, Callable]:
        """The functions an expression may call; parameters are read as in force when the matter started."""
        return self.functions_at(self._transaction.now)

    def functions_at(self, moment: datetime) -> Mapping[str, Callable]:
        """The same as they would have answered at another moment, with the calendar of today."""
        started_on = local_date(self._row.started_at)
        reader = parameters.reader(self._transaction.connection, self._row.unit_id, started_on, self._directory.lists)
        return functions(reader, moment)

    def call(self, topic: str, element: str, call_key: str, inputs: Mapping[str, object]) -> object:
        """Run a connector inside this transaction; NotFound when there is none of that name."""
        if topic not in CONNECTORS:
            raise NotFound("连接器", topic)
        self._transaction.write_down()
        row = self._fresh_row()
        return CONNECTORS[topic](
            Call(
                connection=self._transaction.connection,
                now=self._transaction.now,
                matter=row,
                element=element,
                key=f"{row.id}:{call_key}",
                units=self._directory.units,
                files=self._definition.package.files,
                item_name=self._definition.facts.name,
                promise=limit_text(row.promise, row.promise_unit),
                due_on=self._due_on(row),
                actor=self._last_actor(),
                completed_by=self._completed_by,
                holders=self._holders,
                find_hands=self._find_hands,
                param=self.functions["param"],
                post_holders=self._directory.holders,
                folder=self._definition.facts.activity(element).folder,
                log=partial(self._log, element),
            ),
            inputs,
        )

    def _log(self, element: str, kind: str, data: Mapping[str, object], digest: str) -> None:
        self._transaction.log(
            self._row.unit_id, kind, instance_id=self._row.id, element=element, data=data, digest=digest
        )

    def _due_on(self, row: Row) -> date | None:
        if row.promise is None:
            return None
        return limits.last_day_of(limits.promised_at(row.started_at, row.promise, row.promise_unit, row.held_days))

    def _last_actor(self) -> str:
        return self._who_did(task.c.state == "completed")

    def _completed_by(self, step: str) -> str:
        return self._who_did(task.c.element == step)

    def _who_did(self, condition: ColumnElement[bool]) -> str:
        """Return post and name of who completed a step last, "" when nobody has."""
        row = self._transaction.connection.execute(
            select(task.c.completed_by, task.c.lane)
            .where(task.c.instance_id == self._row.id, task.c.state == "completed", condition)
            .order_by(task.c.completed_at.desc())
            .limit(1)
        ).one_or_none()
        return self._directory.title(row.completed_by, row.lane) if row else ""

    def _fresh_row(self) -> Row:
        return self._transaction.connection.execute(
            select(process_instance).where(process_instance.c.id == self._row.id)
        ).one()

    def _holders(self, lane: str) -> tuple[str, ...]:
        role = self._directory.role_of_lane(lane)
        return self._directory.holders(role.code) if role else ()

    def _find_hands(self, steps: tuple[str, ...]) -> tuple[str, ...]:
        row = self._fresh_row()
        bars = read_bars(
            self._transaction.connection, row.id, row.applicant_id, list(row.relatives or []), self._directory.lists
        )
        return self._unmanned_lanes(steps, bars)

    def _unmanned_lanes(self, steps: tuple[str, ...], bars: Bars) -> tuple[str, ...]:
        """Try every choice of persons: who does the first step may not be the only one left for the second."""
        if not steps:
            return ()
        activity = self._definition.facts.activity(steps[0])
        candidates = self._directory.assign(activity, bars).candidates
        if not candidates:
            return (activity.lane, *self._unmanned_lanes(steps[1:], bars))
        tries = (self._unmanned_lanes(steps[1:], bars.with_hand(activity.id, person)) for person in candidates)
        return min(tries, key=len)


def functions(param: Callable[[str], object], now: datetime) -> dict[str, Callable]:
    """Return ``param due workdays days today now`` as expressions know them (FORMATS §2)."""
    today = local_date(now)
    return {
        "param": param,
        "due": lambda count: limits.due_at(now, int(count), "wd").isoformat(),
        "workdays": lambda start, end: workdays_between(_day(start), _day(end)),
        "days": lambda start, end: (_day(end) - _day(start)).days,
        "today": lambda: today.isoformat(),
        "now": now.isoformat,
    }


def _day(value: object) -> date:
    return date.fromisoformat(str(value)[:10])
