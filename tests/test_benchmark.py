"""The benchmark measures real matters: its processes are in force, its matters end, its statements are counted."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from engine.benchmark import Row, floor, packages, proof, steps
from engine.benchmark.county import BenchCounty
from engine.bpmn.facts import read_facts
from engine.bpmn.lint import lint


@pytest.fixture
def bench(tmp_path):
    county = BenchCounty(f"sqlite:///{tmp_path}/county.db", tmp_path, villages=1)
    yield county
    county.engine.close()


def test_a_matter_walks_through_all_steps_and_its_loop_twice(bench):
    done = []

    def complete(open_task, typed):
        done.append(open_task.element)
        bench.complete(open_task, typed)

    matter_id = bench.start("twenty_steps", bench.villages[0])
    bench.walk(matter_id, complete)
    assert set(done) == set(packages.STEPS)
    assert [done.count(step) for step in ("step_03", "step_04", "step_05")] == [2, 2, 1]
    assert bench.engine.history.verify().whole


def test_every_signer_has_a_task(bench):
    matter_id = bench.start("signers", bench.villages[0], signers=12)
    assert len(bench.open_tasks([matter_id])[matter_id]) == 12


def test_statements_are_counted_and_stay_within_their_targets(bench):
    with bench.engine.database.statements() as sent, bench.engine.database.read() as connection:
        connection.execute(text("select 1"))
    assert sent == ["select 1"]
    found = steps.statements(bench)
    assert found["completion"] <= 20
    assert (found["inbox"], found["inbox_page"] <= 3, found["trace"] <= 5, found["stuck"]) == (1, True, True, 1)


def test_the_bare_engine_walks_the_same_steps():
    workflow = floor._stock_workflow()
    names = []
    for spiff_task, values in floor._steps(lambda: workflow):
        names.append(spiff_task.task_spec.name)
        floor._complete(spiff_task, values)
    assert set(names) == set(packages.STEPS)
    assert len(names) == len(packages.STEPS) + 2


@pytest.mark.parametrize(("package", "nodes"), [(proof.forty_nodes(), 40), (proof.branches(17, 3), 55)])
def test_what_is_linted_for_its_cost_is_a_valid_item(package, nodes):
    assert [found for found in lint(package, proof.WORLD) if found.severity == "error"] == []
    assert len(read_facts(package).activities) == nodes


def test_the_cost_of_lint_has_a_target_for_each_item():
    assert proof.costs().keys() == proof.TARGETS_MS.keys()


@pytest.mark.parametrize(
    ("row", "holds"),
    [
        (Row("a", 3, "times", 3), True),
        (Row("a", 3.1, "times", 3), False),
        (Row("a", 199, "/s", 200, at_least=True), False),
        (Row("a", 1e9, "/s"), True),
    ],
)
def test_a_row_knows_whether_it_holds(row, holds):
    assert row.holds is holds
