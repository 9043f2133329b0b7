"""What cannot be saved: the bare engine's step in memory and one FULL commit; and the stock way of keeping state."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from io import BytesIO
from pathlib import Path
from statistics import median

from SpiffWorkflow.bpmn.serializer.workflow import BpmnWorkflowSerializer
from SpiffWorkflow.bpmn.workflow import BpmnWorkflow
from SpiffWorkflow.spiff.parser.process import SpiffBpmnParser
from SpiffWorkflow.spiff.serializer.config import SPIFF_CONFIG
from SpiffWorkflow.task import Task
from SpiffWorkflow.util.task import TaskState

from engine.benchmark import packages
from engine.benchmark.county import cpu_ms

COMMITS = 200
#: bytes of a row as large as the state of a matter half way
ROW = 6_000


def bare_step(matters: int) -> float:
    """Return ms CPU of a step of the same diagram on bare SpiffWorkflow, nothing kept."""
    spent: list[float] = []
    for _ in range(matters):
        workflow = _stock_workflow()
        for task, values in _steps(lambda workflow=workflow: workflow):
            spent.append(cpu_ms(lambda task=task, values=values: _complete(task, values)))
    return median(spent)


def stock_step(place: Path, matters: int) -> float:
    """Return ms CPU to load, complete and save a step with SpiffWorkflow's own JSON serializer in SQLite, FULL."""
    serializer = BpmnWorkflowSerializer(BpmnWorkflowSerializer.configure(SPIFF_CONFIG))
    spent: list[float] = []
    with closing(_database(place / "stock.db")) as connection:
        for number in range(matters):
            workflow = _stock_workflow()
            connection.execute("insert into kept values (?, ?)", (number, serializer.serialize_json(workflow)))
            while not workflow.is_completed():
                found: list[BpmnWorkflow] = []
                spent.append(cpu_ms(lambda n=number, f=found: _stored_step(connection, serializer, n, f)))
                workflow = found[0]
    return median(spent)


def full_commit(place: Path) -> tuple[float, float]:
    """Return (ms CPU of one FULL commit of one row, commits a second one after the other)."""
    spent: list[float] = []
    with closing(_database(place / "floor.db")) as connection:
        connection.execute("insert into kept values (0, zeroblob(?))", (ROW,))
        # SQLite writes nothing where a row stays as it was.
        rows = [os.urandom(ROW) for _ in range(COMMITS)]
        began = time.perf_counter()
        for row in rows:
            spent.append(cpu_ms(lambda row=row: _commit(connection, row)))
        elapsed = time.perf_counter() - began
    return median(spent), COMMITS / elapsed


def fsync_ms(place: Path) -> float:
    """Return the wall time of one fsync of a page in milliseconds."""
    spent: list[float] = []
    with (place / "fsync").open("wb", buffering=0) as file:
        for _ in range(COMMITS):
            file.write(os.urandom(4096))
            began = time.perf_counter()
            os.fsync(file.fileno())
            spent.append((time.perf_counter() - began) * 1000)
    return median(spent)


def _database(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = full")
    connection.execute("create table kept (id integer primary key, state blob)")
    return connection


def _commit(connection: sqlite3.Connection, row: bytes) -> None:
    connection.execute("begin immediate")
    connection.execute("update kept set state = ? where id = 0", (row,))
    connection.execute("commit")


def _stored_step(
    connection: sqlite3.Connection, serializer: BpmnWorkflowSerializer, number: int, found: list[BpmnWorkflow]
) -> None:
    connection.execute("begin immediate")
    state = connection.execute("select state from kept where id = ?", (number,)).fetchone()[0]
    workflow = serializer.deserialize_json(state)
    found.append(workflow)
    task = _next_task(workflow)
    _complete(task, packages.values_of(task.task_spec.name, again=_rounds(workflow) == 0))
    connection.execute("update kept set state = ? where id = ?", (serializer.serialize_json(workflow), number))
    connection.execute("commit")


def _stock_workflow() -> BpmnWorkflow:
    parser = SpiffBpmnParser()
    parser.add_bpmn_io(BytesIO(packages.twenty_steps(plain=True).encode()))
    workflow = BpmnWorkflow(parser.get_spec("twenty_steps"), parser.get_subprocess_specs("twenty_steps"))
    workflow.do_engine_steps()
    return workflow


def _steps(current: Callable[[], BpmnWorkflow]) -> Iterator[tuple[Task, dict[str, object]]]:
    while not current().is_completed():
        task = _next_task(current())
        yield task, packages.values_of(task.task_spec.name, again=_rounds(current()) == 0)


def _rounds(workflow: BpmnWorkflow) -> int:
    done = workflow.get_tasks(state=TaskState.COMPLETED, spec_name=packages.AGAIN)
    return len(done)


def _next_task(workflow: BpmnWorkflow) -> Task:
    return workflow.get_next_task(state=TaskState.READY, manual=True)


def _complete(task: Task, values: dict[str, object]) -> None:
    task.data.update(values)
    task.run()
    task.workflow.do_engine_steps()
