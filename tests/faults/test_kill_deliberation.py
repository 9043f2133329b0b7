"""Who deliberates is killed at random points: votes, notices, timers and messages are neither lost nor done twice."""

from __future__ import annotations

import json
import random
import sys
import time
from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import select

from engine.clock import Clock
from engine.store.tables import event_log, job, process_instance, submission, task
from tests.faults.cadre import Journal
from tests.faults.processes import LivingCounty, Process
from tests.invariants import check_all
from tests.walker import deploy

ITEMS = ("A01_dev_plan", "B01_project_init")
#: seconds between two kills: long enough to be at work again
PAUSES = (0.5, 1.5)
#: acts that must have been done before the first kill and after the last
AT_WORK = 8
#: seconds until processes that do nothing, or do not stop, are given up
GIVE_UP = 90


def prepare(county: LivingCounty) -> None:
    engine = county.engine()
    deploy(engine, "S01_resolution_entry", "S03_card", *ITEMS)
    engine.close()
    people = county.people
    lists = {"ids": dict(people.ids), "units": dict(people.units), "rolls": dict(people.rolls)}
    (county.place / "people.json").write_text(json.dumps(lists), "utf-8")
    posts = [(*place, who) for place, who in people.posts.items()]
    (county.place / "posts.json").write_text(json.dumps(posts), "utf-8")
    (county.place / "days").write_text("", "utf-8")


def start(county: LivingCounty, kind: str, number: int) -> Process:
    command = [sys.executable, "-m", "tests.faults.cadre", str(county.place), kind, str(number), county.url]
    process = Process(command, county.place / f"cadre-{number}.log", 0)
    county.running.append(process)
    return process


def journal(county: LivingCounty) -> list[list[str]]:
    return [entry for path in county.place.glob("journal-*") for entry in Journal(path).entries()]


def wait_for_work(county: LivingCounty) -> None:
    """Wait until something more has been done."""
    wanted = acts_done(county) + AT_WORK
    end = time.monotonic() + GIVE_UP
    while acts_done(county) < wanted:
        assert time.monotonic() < end, [process.said() for process in county.running]
        time.sleep(0.1)


def acts_done(county: LivingCounty) -> int:
    return sum(entry[0] == "done" for entry in journal(county))


@pytest.mark.parametrize("points", [3, pytest.param(100, marks=pytest.mark.full)])
def test_a_deliberation_survives_kills(living_county, points):
    prepare(living_county)
    chance = random.Random(f"deliberation {points}")
    running = [start(living_county, kind, number) for number, kind in enumerate((*ITEMS, *ITEMS, "worker", "worker"))]
    wait_for_work(living_county)
    for _ in range(points):
        time.sleep(chance.uniform(*PAUSES))
        with (living_county.place / "days").open("a", encoding="utf-8") as days:
            days.write("." * chance.randint(0, 2))
        victim = chance.choice(running)
        victim.kill()
        victim.start()
    wait_for_work(living_county)
    (living_county.place / "stop").touch()
    for process in running:
        process.wait(GIVE_UP)
        assert process.said() == ""
    check(living_county)


def check(county: LivingCounty) -> None:
    days = len((county.place / "days").read_text("utf-8"))
    # Jobs whose worker was killed are on loan for a while yet.
    engine = county.engine(Clock(timedelta(days=days, minutes=10)))
    while engine.jobs.run_due():
        pass
    assert engine.history.verify().whole
    assert engine.jobs.incidents() == ()
    entries = journal(county)
    told = Counter(entry[2] for entry in entries if entry[0] == "done")
    starts = {entry[1] for entry in entries if entry[0] == "start"}
    started = {entry[2] for entry in entries if entry[0] == "done" and entry[1] in starts}
    with engine.database.read() as connection:
        drawn = process_instance.c.item_id.in_([name.partition("_")[2] for name in ITEMS])
        assert set(connection.scalars(select(process_instance.c.id).where(drawn))) == started
        done = set(connection.scalars(select(task.c.id).where(task.c.state == "completed")))
        assert set(told) - started == done & {entry[2] for entry in entries if entry[0] == "complete"}
        assert len(done) > 3
        # Each step was filled in once, and stands in the log once.
        filled = Counter(connection.scalars(select(submission.c.task_id).where(submission.c.task_id.is_not(None))))
        assert set(filled) == done and set(filled.values()) == {1}
        logged = event_log.c.kind == "completed", event_log.c.actor_id.is_not(None)
        assert len(connection.scalars(select(event_log.c.number).where(*logged)).all()) == len(done)
        begun = Counter(connection.scalars(select(event_log.c.instance_id).where(event_log.c.kind == "started")))
        assert set(begun) == set(connection.scalars(select(process_instance.c.id))) and set(begun.values()) == {1}
        assert "failed" not in set(connection.scalars(select(job.c.state)))
    check_all(engine)
    engine.close()
