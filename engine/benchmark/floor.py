"""What cannot be saved: the bare engine's step in memory and one FULL commit; and the stock way of keeping state."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from functools import partial
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


class Disk:
    """A SQLite database with nothing in it but what is measured: one row, or states as SpiffWorkflow writes them."""

    def __init__(self, place: Path) -> None:
        self._connection = sqlite3.connect(place / "floor.db", isolation_level=None)
        self._connection.execute("pragma journal_mode = wal")
        self._connection.execute("pragma synchronous = full")
        self._connection.execute("create table kept (id integer primary key, state blob)")
        self._connection.execute("insert into kept values (0, zeroblob(?))", (ROW,))
        self._serializer = BpmnWorkflowSerializer(BpmnWorkflowSerializer.configure(SPIFF_CONFIG))

    def close(self) -> None:
        self._connection.close()

    def least_steps(self) -> list[tuple[float, float]]:
        """Return ms CPU of each step of one matter on bare SpiffWorkflow in memory, and of a FULL commit after it."""
        workflow, spent = _stock_workflow(), []
        for task, values in _steps(lambda: workflow):
            # SQLite writes nothing where a row stays as it was.
            row = os.urandom(ROW)
            spent.append((cpu_ms(partial(_complete, task, values)), cpu_ms(partial(self._commit, row))))
        return spent

    def full_commits_per_s(self) -> float:
        """Return how many FULL commits of one row there are in a second, one after the other."""
        rows = [os.urandom(ROW) for _ in range(COMMITS)]
        began = time.perf_counter()
        for row in rows:
            self._commit(row)
        return COMMITS / (time.perf_counter() - began)

    def stock_steps(self) -> list[float]:
        """Return ms CPU to load, complete and save each step of one matter with SpiffWorkflow's own JSON serializer."""
        workflow = _stock_workflow()
        self._connection.execute(
            "insert or replace into kept values (1, ?)", (self._serializer.serialize_json(workflow),)
        )
        spent: list[float] = []
        while not workflow.is_completed():
            found: list[BpmnWorkflow] = []
            spent.append(cpu_ms(lambda f=found: self._stock_step(f)))
            workflow = found[0]
        return spent

    def _commit(self, row: bytes) -> None:
        self._connection.execute("begin immediate")
        self._connection.execute("update kept set state = ? where id = 0", (row,))
        self._connection.execute("commit")

    def _stock_step(self, found: list[BpmnWorkflow]) -> None:
        self._connection.execute("begin immediate")
        state = self._connection.execute("select state from kept where id = 1").fetchone()[0]
        workflow = self._serializer.deserialize_json(state)
        found.append(workflow)
        task = _next_task(workflow)
        _complete(task, packages.values_of(task.task_spec.name, again=_rounds(workflow) == 0))
        self._connection.execute("update kept set state = ? where id = 1", (self._serializer.serialize_json(workflow),))
        self._connection.execute("commit")


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
