"""Web and worker processes are killed at random points under load: nothing is lost, nothing is done twice."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from engine import ProcessEngine
from engine.clock import Clock
from engine.demo.story import sample_picture
from engine.services import matters
from engine.services.unit_of_work import Transaction
from engine.store.tables import (
    attachment,
    document,
    event_log,
    instance_state,
    job,
    process_instance,
    submission,
    task,
)
from tests.conftest import REQUEST
from tests.faults.processes import CLERKS, Answer, LivingCounty, Process, Visitor

#: seconds between two kills: from inside a step to several steps later
PAUSES = (0.05, 0.6)
#: seconds until a client that gets no answer gives up: something hangs
GIVE_UP = 120


@dataclass
class Load:
    """People at work: what they were told was done must be there in the end."""

    county: LivingCounty
    engine: ProcessEngine
    machines: list[Process]
    stop: threading.Event = field(default_factory=threading.Event)
    receipts: dict[str, str] = field(default_factory=dict)
    completed: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def run(self, village: str, seed: int) -> None:
        """Ask for the seal as a villager and register it as the clerk, over and over."""
        chance = random.Random(seed)
        try:
            clerk = Visitor()
            self._until_done(lambda machine: clerk.sign_in(machine, CLERKS[village]), chance)
            while not self.stop.is_set():
                receipt = self._ask(village, chance)
                self._register(clerk, village, receipt, chance)
        except Exception as fault:  # a thread's fault must come out in the test
            self.faults.append(repr(fault))

    def _ask(self, village: str, chance: random.Random) -> str:
        path = f"/villages/{self.county.people.unit(village)}/items/seal_use/request"
        villager, token = Visitor(), uuid4().hex
        page = self._until_done(lambda machine: villager.get(machine, path), chance)
        fields = {key: value[0] for key, value in REQUEST.items()}
        fields |= {"csrf_token": page.hidden("csrf_token"), "form_token": token}
        files = {"document_photo": sample_picture()}
        self._until_done(lambda machine: villager.post(machine, path, fields, files), chance, 303)
        page = self._until_done(lambda machine: villager.get(machine, "/receipt"), chance)
        receipt = next(part for part in page.text.replace("<", ">").split(">") if _is_receipt(part.strip())).strip()
        self.receipts[token] = receipt.replace(" ", "").replace("-", "")
        return self.receipts[token]

    def _register(self, clerk: Visitor, village: str, receipt: str, chance: random.Random) -> None:
        by = self.county.people.posts[village, "CL"]
        task_id = self.engine.history.trace(receipt, by=by).stops[0].task_id
        page = self._until_done(lambda machine: clerk.get(machine, f"/tasks/{task_id}"), chance)
        fields = {name: page.hidden(name) for name in ("csrf_token", "form_token")}
        fields |= {"applicant": self._person(village), "kind": "proof", "papers": "complete"}
        if not fields["applicant"]:
            fields["not_on_roll"] = "true"
        self._until_done(lambda machine: clerk.post(machine, f"/tasks/{task_id}", fields), chance, 303)
        self.completed.append(task_id)

    def _person(self, village: str) -> str:
        return self.county.people.id("张秀英") if village == "石桥村" else ""

    def _until_done(
        self, act: Callable[[Process], Answer | None], chance: random.Random, wanted: int = 200
    ) -> Answer | None:
        """Send the same again, to whichever machine, until one says that it is done."""
        end = time.monotonic() + GIVE_UP
        while time.monotonic() < end:
            try:
                answer = act(chance.choice(self.machines))
            except OSError:
                time.sleep(0.05)
                continue
            if answer is None or answer.status == wanted:
                return answer
            assert answer.status == 503, f"{answer.status}: {answer.text[:3000]}"
            time.sleep(0.1)
        raise TimeoutError("nobody answers")


def _is_receipt(text: str) -> bool:
    plain = text.replace(" ", "").replace("-", "")
    return len(plain) == 8 and set(plain) <= set("23456789ABCDEFGHJKMNPQRSTVWXYZ")


@pytest.mark.parametrize("points", [3, pytest.param(100, marks=pytest.mark.full)])
def test_killed_at_random_points_nothing_is_lost_and_nothing_done_twice(living_county, points):
    chance = random.Random(f"kill {points}")
    machines = [living_county.web() for _ in range(2)]
    workers = [living_county.worker() for _ in range(2)]
    for machine in machines:
        machine.wait_until_it_answers()
    engine = living_county.engine()
    load = Load(living_county, engine, machines)
    threads = [
        threading.Thread(target=load.run, args=(village, seed)) for seed, village in enumerate([*CLERKS, *CLERKS])
    ]
    for thread in threads:
        thread.start()
    killed: Counter[str] = Counter()
    for _ in range(points):
        time.sleep(chance.uniform(*PAUSES))
        victim = chance.choice([*machines, *workers])
        victim.kill()
        killed["web" if victim in machines else "worker"] += 1
        victim.start()
        if victim in machines:
            # The next one shall be hit at work, not while it starts.
            victim.wait_until_it_answers()
    load.stop.set()
    for thread in threads:
        thread.join(GIVE_UP * 2)
    living_county.stop()
    assert load.faults == []
    assert sum(killed.values()) == points and len(load.completed) > 0
    for process in (*machines, *workers):
        assert "Traceback" not in process.said(), process.said()
    engine.close()
    _check(living_county, load)


def _check(county: LivingCounty, load: Load) -> None:
    # Jobs whose worker was killed are on loan for a while yet.
    clock = Clock(timedelta(minutes=10))
    engine = county.engine(clock)
    while engine.jobs.run_due():
        pass
    assert engine.history.verify().whole
    assert engine.jobs.incidents() == ()
    with engine.database.read() as connection:

        def count(*what) -> Counter:
            return Counter(connection.scalars(*what).all())

        # Whoever was told that it is done finds it, once.
        assert sorted(connection.scalars(select(process_instance.c.receipt))) == sorted(load.receipts.values())
        done = count(select(task.c.id).where(task.c.state == "completed"))
        assert set(done) == set(load.completed) and len(load.completed) == len(set(load.completed))
        assert set(count(select(submission.c.task_id).where(submission.c.task_id.is_not(None))).values()) == {1}
        # Each matter was started once and registered at most once, in the log as in the rows.
        started = count(select(event_log.c.instance_id).where(event_log.c.kind == "started"))
        assert set(started) == set(connection.scalars(select(process_instance.c.id))) and set(started.values()) == {1}
        registered = count(
            select(event_log.c.instance_id).where(event_log.c.kind == "completed", event_log.c.actor_id.is_not(None))
        )
        assert len(registered) == len(done) and set(registered.values()) == {1}
        # Every job that makes something was done, once, and what it makes is there; limits wait for their time.
        makes = job.c.kind.in_(("picture.clean", "document.render"))
        assert set(count(select(job.c.state).where(makes))) == {"done"}
        assert "failed" not in count(select(job.c.state))
        pictures = connection.execute(select(attachment)).all()
        documents = connection.scalars(select(document.c.sha256)).all()
        assert len(pictures) == len(load.receipts)
        assert connection.scalar(select(func.count()).select_from(job).where(makes)) == len(pictures) + len(documents)
        assert {each.state for each in pictures} == {"ready"}
        _check_live_states(engine, connection)
    kept = [*documents, *(name for each in pictures for name in (each.sha256, each.preview_sha256))]
    assert {path.name for path in county.files.glob("*/*")} == set(kept)
    engine.close()


def _check_live_states(engine, connection) -> None:
    """One live state a matter, and exactly one open task row for every step it waits at."""
    states = connection.scalars(select(instance_state.c.instance_id)).all()
    instances = connection.scalars(select(process_instance.c.id)).all()
    assert sorted(states) == sorted(instances)
    transaction = Transaction(connection, engine.clock.now())
    for instance_id in instances:
        matter = matters.load(transaction, engine.repository, instance_id)
        rows = connection.scalars(select(task.c.id).where(task.c.instance_id == instance_id, task.c.state == "open"))
        assert sorted(rows) == sorted(each.id for each in matter.workflow.open_tasks())
