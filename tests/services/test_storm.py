"""A storm of due timers drains in order, by several workers, each job once, while people's steps go on."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select

from engine import ProcessEngine
from engine.identifiers import new_id, new_receipt
from engine.store.tables import event_log, instance_state, job, process_instance
from tests.services.drawn import begin, enforce, item, jobs, timer

WAITING = (
    f'<startEvent id="s"/><userTask id="a"/><intermediateCatchEvent id="pause">{timer("PT1H")}</intermediateCatchEvent>'
    '<endEvent id="e"/>'
)
FLOWS = "s -> a\na -> pause\npause -> e"


def storm(county, count: int) -> list[str]:
    """Let ``count`` matters wait for a timer; return their ids in the order in which they come due."""
    enforce(county, item("waiting", WAITING, FLOWS))
    first = begin(county, "waiting")
    county.complete(first, county.post("CL"), {})
    with county.engine.database.write() as connection:
        row = connection.execute(select(process_instance).where(process_instance.c.id == first.matter_id)).one()
        state = connection.execute(select(instance_state).where(instance_state.c.instance_id == row.id)).one()
        (waits,) = jobs(county, "timer")
        ids = [row.id, *(new_id() for _ in range(count - 1))]
        for begun in range(1, count, 5_000):
            part = range(begun, min(begun + 5_000, count))
            connection.execute(
                insert(process_instance),
                [{**row._mapping, "id": ids[n], "receipt": new_receipt() + str(n)} for n in part],
            )
            connection.execute(insert(instance_state), [{**state._mapping, "instance_id": ids[n]} for n in part])
            connection.execute(
                insert(job),
                [
                    {
                        **waits._mapping,
                        "id": new_id(),
                        "key": f"timer:{ids[n]}",
                        "payload": {"instance_id": ids[n]},
                        "instance_id": ids[n],
                        "due_at": waits.due_at + timedelta(milliseconds=n),
                    }
                    for n in part
                ],
            )
    county.clock.at += timedelta(hours=2)
    return ids


@dataclass
class Drained:
    seconds: float
    #: of each step people completed meanwhile
    waited: list[float]


def drain(county, workers: int) -> Drained:
    """Run so many workers until nothing is due, and complete people's steps meanwhile."""
    url, files = str(county.engine.database.url), county.place / "files"
    engines = [ProcessEngine(url, files=files, clock=county.clock) for _ in range(workers)]
    matters = [county.ask() for _ in range(8)]
    threads = [threading.Thread(target=_work, args=(engine,)) for engine in engines]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    waited = []
    for matter in matters:
        started = time.monotonic()
        county.register(matter)
        waited.append(time.monotonic() - started)
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - began
    for engine in engines:
        engine.close()
    return Drained(seconds, waited)


def _work(engine: ProcessEngine) -> None:
    while engine.jobs.run_due(kinds=("timer",)):
        pass


def fired(county) -> list[str]:
    """Return the matters whose timer has acted, in the order of the log."""
    with county.engine.database.read() as connection:
        rows = select(event_log.c.instance_id).where(event_log.c.kind == "fired").order_by(event_log.c.number)
        return list(connection.scalars(rows))


def test_one_worker_drains_in_order(county):
    ids = storm(county, 60)
    drain(county, workers=1)
    assert fired(county) == ids


@pytest.mark.parametrize("count", [200, pytest.param(50_000, marks=pytest.mark.full)])
def test_several_workers_do_each_job_once_while_people_go_on(county, count):
    ids = storm(county, count)
    drained = drain(county, workers=3)
    assert sorted(fired(county)) == sorted(ids)
    assert jobs(county, "timer") == [] and county.engine.jobs.incidents() == ()
    with county.engine.database.read() as connection:
        still_open = select(func.count()).where(
            process_instance.c.item_id == "waiting", process_instance.c.state == "open"
        )
        assert connection.scalar(still_open) == 0
    assert county.engine.history.verify().whole
    # No timed test: starving would be waiting for the whole storm, or running into the database's patience.
    assert max(drained.waited) < max(drained.seconds / 2, 10)
    print(f"{count} timers in {drained.seconds:.1f} s, longest step of a person {max(drained.waited):.2f} s")


def test_what_people_wait_for_goes_before_what_waits_for_its_time(county):
    storm(county, 50)
    county.ask()
    assert county.engine.jobs.run_due(limit=1) == 1
    kinds = {row.kind: row.state for row in jobs(county, "picture.clean", "timer")}
    assert kinds == {"picture.clean": "done", "timer": "open"}


def test_a_job_whose_worker_never_comes_back_is_done_by_another(county):
    storm(county, 1)
    lost = ProcessEngine(str(county.engine.database.url), files=county.place / "files", clock=county.clock)
    assert len(lost.jobs._take(10, ())) >= 1
    lost.close()
    assert county.engine.jobs.run_due(kinds=("timer",)) == 0
    county.clock.at += timedelta(minutes=10)
    assert county.engine.jobs.run_due(kinds=("timer",)) == 1


def test_a_worker_that_lost_its_lease_does_not_do_the_job_after_all(county):
    storm(county, 1)
    slow = ProcessEngine(str(county.engine.database.url), files=county.place / "files", clock=county.clock)
    (row,) = slow.jobs._take(10, ("timer",))
    county.clock.at += timedelta(minutes=10)
    assert county.engine.jobs.run_due(kinds=("timer",)) == 1
    slow.jobs._run(row)
    slow.close()
    assert len(fired(county)) == 1
