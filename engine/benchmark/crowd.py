"""Whether one person's pages slow down when the whole county has more open work."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import insert, select, text

from engine.benchmark.county import BenchCounty, cpu_ms, wall_ms
from engine.identifiers import new_id
from engine.store.tables import org_unit, person, process_definition, process_instance, task

FEW, MANY = 1_000, 100_000
#: open tasks of the person who looks
OWN = 20
#: open tasks of each other village
EACH = 100
#: villages of a township
VILLAGES = 20
READINGS = 15
_BATCH = 2_000


def page_growths(county: BenchCounty) -> dict[str, float]:
    """Return how many times longer a person's inbox and board take at 100,000 open tasks of the county than at 1,000.

    :raises AssertionError: a page does not show the person's own tasks.
    """
    tasks, history = county.engine.tasks, county.engine.history
    clerk = _fill_own_village(county)
    assert len(tasks.inbox(by=clerk).overdue) == len(history.stuck(by=clerk).rows) == OWN
    readers = {"inbox": lambda: tasks.inbox(by=clerk), "stuck": lambda: history.stuck(by=clerk)}
    return growths(county, readers)


def growths(county: BenchCounty, readers: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Return reader → (time with many open tasks / with few), for the same person with the same 20 tasks.

    The time is CPU where the database lives in this process, and what the server takes counts where it does not.
    """
    _fill(county, FEW - OWN)
    few = {name: _read(county, reader) for name, reader in readers.items()}
    _fill(county, MANY - FEW)
    return {name: _read(county, reader) / few[name] for name, reader in readers.items()}


def _read(county: BenchCounty, reader: Callable[[], object]) -> float:
    _gather_statistics(county)
    measure = cpu_ms if county.engine.is_embedded else wall_ms
    for _ in range(READINGS):
        reader()
    # The least: whatever else the machine does meanwhile can only add.
    return min(measure(reader) for _ in range(READINGS))


def _gather_statistics(county: BenchCounty) -> None:
    """A server looks at what has been inserted a minute later by itself; the embedded database never does."""
    if not county.engine.is_embedded:
        with county.engine.database.write() as connection:
            connection.execute(text("analyze"))


def _fill_own_village(county: BenchCounty) -> str:
    village = county.villages[0]
    _insert(county, [(village.id, village.posts["CL"])] * OWN)
    return village.posts["CL"]


def _fill(county: BenchCounty, count: int) -> None:
    """Add open tasks in new villages, half of them not yet anybody's own."""
    with county.engine.database.write() as connection:
        above = connection.scalar(select(org_unit.c.id).where(org_unit.c.level == "county"))
        made: list[tuple[str, str | None]] = []
        for number in range(-(-count // EACH)):
            if number % VILLAGES == 0:
                township = new_id()
                connection.execute(insert(org_unit).values(id=township, name="镇", level="township", parent_id=above))
            unit_id, person_id = new_id(), new_id()
            connection.execute(insert(org_unit).values(id=unit_id, name="村", level="village", parent_id=township))
            connection.execute(insert(person).values(id=person_id, name="某", unit_id=unit_id, session_key=""))
            made += [(unit_id, person_id), (unit_id, None)] * (EACH // 2)
    _insert(county, made[:count])


def _insert(county: BenchCounty, whose: list[tuple[str, str | None]]) -> None:
    now = county.engine.clock.now()
    with county.engine.database.write() as connection:
        definition_id = connection.scalar(
            select(process_definition.c.id).where(process_definition.c.item_id == "twenty_steps")
        )
        for begin in range(0, len(whose), _BATCH):
            part = [(new_id(), new_id(), *each) for each in whose[begin : begin + _BATCH]]
            connection.execute(
                insert(process_instance),
                [
                    {
                        "id": matter_id, "receipt": task_id[:20], "definition_id": definition_id,
                        "item_id": "twenty_steps", "unit_id": unit_id, "subject": "测速", "state": "open",
                        "started_at": now, "last_acted_at": now, "relatives": [], "ahead": [],
                    }
                    for matter_id, task_id, unit_id, _ in part
                ],
            )  # fmt: skip
            connection.execute(
                insert(task),
                [
                    {
                        "id": task_id, "instance_id": matter_id, "unit_id": unit_id, "element": "step_01",
                        "step": "step_01", "lane": "村文书", "role": "CL", "assignee_id": assignee, "state": "open",
                        "created_at": now, "due_at": now - timedelta(days=1), "limit_value": 1,
                    }
                    for matter_id, task_id, unit_id, assignee in part
                ],
            )  # fmt: skip
