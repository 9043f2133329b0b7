"""Several people, several processes: what happens at the same moment happens one after the other, and once."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Sequence

import pytest

from engine import ProcessEngine, Upload
from engine.errors import EngineError, Refused
from tests.conftest import REQUEST, VILLAGE


@pytest.fixture
def second_host(county):
    """The engine of another process on the same database and files."""
    other = ProcessEngine(county.url, files=county.place / "files", clock=county.clock)
    yield other
    other.close()


def at_once(*acts: Callable[[], object]) -> list[object]:
    """Do these at the same moment; return what each returned or raised."""
    begin, answers = threading.Barrier(len(acts)), [None] * len(acts)

    def act(position: int) -> None:
        begin.wait()
        try:
            answers[position] = acts[position]()
        except EngineError as error:
            answers[position] = error

    threads = [threading.Thread(target=act, args=(position,)) for position in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return answers


def kinds(answers: Sequence[object]) -> list[str]:
    return sorted(type(answer).__name__ for answer in answers)


def registration(county) -> dict[str, list[str]]:
    return {"applicant": [county.people.id("张秀英")], "kind": ["proof"], "papers": ["complete"]}


def test_one_form_sent_to_two_hosts_starts_one_matter(county, second_host):
    def ask(engine: ProcessEngine) -> Callable[[], object]:
        photo = county.photo().stream.read()
        return lambda: engine.runtime.start(
            "seal_use",
            unit_id=county.people.unit(VILLAGE),
            data=REQUEST,
            files={"document_photo": [Upload("photo.png", io.BytesIO(photo))]},
            form_token="one form",
        )

    first, second = at_once(ask(county.engine), ask(second_host))
    assert (first.receipt, first.code) == (second.receipt, second.code)
    assert len(county.engine.history.find("", by=county.post("CL"))) == 1


def test_one_step_sent_to_two_hosts_is_done_once_and_answered_twice(county, second_host):
    matter = county.ask()
    clerk = county.post("CL")
    task_id, values = county.task(matter, clerk), registration(county)
    acts = [
        lambda engine=engine: engine.tasks.complete(task_id, by=clerk, data=values, form_token="one tap")
        for engine in (county.engine, second_host)
    ]
    done = at_once(*acts)
    assert sorted(each.repeated for each in done) == [False, True]
    assert done[0].next_steps == done[1].next_steps


def test_two_forms_for_one_step_are_one_success_and_one_conflict(county, second_host):
    matter = county.ask()
    clerk = county.post("CL")
    task_id, values = county.task(matter, clerk), registration(county)
    acts = [
        lambda engine=engine, token=token: engine.tasks.complete(task_id, by=clerk, data=values, form_token=token)
        for engine, token in ((county.engine, "a"), (second_host, "b"))
    ]
    assert kinds(at_once(*acts)) == ["Conflict", "Done"]
    assert county.engine.history.verify().whole


def test_serials_of_a_village_have_no_gap_and_no_twin(county, second_host):
    matters = [county.ask() for _ in range(6)]
    keeper = county.post("SK")
    for matter in matters:
        county.register(matter)
        county.approve(matter)
        county.complete(matter, keeper, {"compare.decision": "agree"})
    acts = []
    for position, matter in enumerate(matters):
        engine, task_id = (county.engine, second_host)[position % 2], county.task(matter, keeper)
        acts.append(
            lambda engine=engine, task_id=task_id: engine.tasks.complete(
                task_id, by=keeper, data={"stamped_copies": ["2"]}, files={"scan": [county.photo()]}
            )
        )
    assert kinds(at_once(*acts)) == ["Done"] * 6
    ledger = county.engine.registers.entries("seal_use", by=keeper)
    assert sorted(entry.serial for entry in ledger.entries) == [f"2026-{number:04}" for number in range(1, 7)]
    assert county.engine.history.verify().whole


def test_a_step_and_a_recusal_at_once_leave_one_of_the_two(county, second_host):
    matter = county.ask()
    clerk = county.post("CL")
    task_id, values = county.task(matter, clerk), registration(county)
    answers = at_once(
        lambda: county.engine.tasks.complete(task_id, by=clerk, data=values),
        lambda: second_host.tasks.recuse(task_id, by=clerk, reason="亲戚"),
    )
    assert sum(isinstance(answer, EngineError) for answer in answers) == 1


def test_posts_that_exclude_each_other_are_not_given_at_once(county, second_host):
    administrator = next(person for (_, role), person in county.people.posts.items() if role == "SA")
    person = county.engine.identity.add_person(by=administrator, name="新来的", unit_id=county.people.unit(VILLAGE))
    acts = [
        lambda engine=engine, role=role: engine.identity.appoint(
            person.id, role=role, unit_id=county.people.unit(VILLAGE), by=administrator, from_on=county.clock.today()
        )
        for engine, role in ((county.engine, "CL"), (second_host, "SB"))
    ]
    answers = at_once(*acts)
    assert kinds(answers) == ["Post", "Refused"]
    assert next(each for each in answers if isinstance(each, Refused)).code == "incompatible"
