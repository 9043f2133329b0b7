"""Many at once: exactly one wins a task, villages do not stop each other, and the chains stay whole."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from engine.errors import Conflict, EngineError
from engine.views import Done
from tests.conftest import CountyForTest

CLIENTS = 8


def at_once(acts: Sequence[Callable[[], object]]) -> list[object]:
    """Do all acts in the same moment; return what each returned, or the refusal it met."""
    gate = threading.Barrier(len(acts))

    def do(act: Callable[[], object]) -> object:
        gate.wait()
        try:
            return act()
        except EngineError as refused:
            return refused

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(do, acts))


def complete(county: CountyForTest, task_id: str, token: str) -> Callable[[], Done]:
    """Return the act of the clerk who sends the form with that token."""
    values = {"not_on_roll": ["true"], "kind": ["proof"], "papers": ["complete"]}
    clerk = county.post("CL")
    return lambda: county.engine.tasks.complete(task_id, by=clerk, data=values, form_token=token)


def outcome(result: object) -> str:
    if isinstance(result, Done):
        return "repeated" if result.repeated else "won"
    return type(result).__name__


def play_round(county: CountyForTest, tokens: Sequence[str]) -> tuple[str, list[object]]:
    """Ask, and let the clerk's forms with these tokens arrive in the same moment; return the task and the answers."""
    matter = county.ask()
    task_id = county.task(matter, county.post("CL"))
    results = at_once([complete(county, task_id, token) for token in tokens])
    stops = county.engine.history.trace(matter.receipt, by=county.post("CL")).stops
    assert [stop.step for stop in stops] == ["审批用印"]
    return task_id, results


def race(county: CountyForTest, rounds: int) -> None:
    """Each round: eight different forms, then the winner's own form once more."""
    for number in range(rounds):
        tokens = [f"{number}:{client}" for client in range(CLIENTS)]
        task_id, results = play_round(county, tokens)
        counted = Counter(map(outcome, results))
        assert counted == {"won": 1, "Conflict": CLIENTS - 1}, f"round {number}: {counted}"
        winner = next(place for place, result in enumerate(results) if isinstance(result, Done))
        again = complete(county, task_id, tokens[winner])()
        assert again.repeated and again.next_steps == results[winner].next_steps
    assert county.engine.history.verify().whole


def test_of_eight_clients_exactly_one_completes_a_task(county: CountyForTest):
    race(county, 10)


@pytest.mark.full
def test_of_eight_clients_exactly_one_completes_a_task_two_hundred_times(county: CountyForTest):
    race(county, 200)


def test_one_form_tapped_eight_times_counts_once_and_always_succeeds(county: CountyForTest):
    for number in range(5):
        _, results = play_round(county, [f"token {number}"] * CLIENTS)
        assert Counter(map(outcome, results)) == {"won": 1, "repeated": CLIENTS - 1}
        assert len({result.next_steps for result in results}) == 1
    assert county.engine.history.verify().whole


def test_a_request_tapped_eight_times_opens_one_matter(county: CountyForTest):
    results = at_once([lambda: county.ask(form_token="tapped")] * CLIENTS)
    assert len({(result.receipt, result.code) for result in results}) == 1
    assert len(county.contents()["process_instance"]) == 1


def test_eight_matters_of_one_village_move_on_together(county: CountyForTest):
    matters = [county.ask() for _ in range(CLIENTS)]
    acts = [complete(county, county.task(each, county.post("CL")), "") for each in matters]
    assert Counter(map(outcome, at_once(acts))) == {"won": CLIENTS}
    numbers = [row[1] for row in county.contents()["event_log"] if row[0] == county.people.unit("石桥村")]
    assert sorted(numbers) == list(range(1, len(numbers) + 1))
    assert county.engine.history.verify().whole


def test_requests_of_many_villages_come_in_together(county: CountyForTest):
    villages = ["石桥村", "柳湾村", "青坪村", "双井村", "桑园村", "梅垭村"]
    results = at_once([lambda village=village: county.ask(village) for village in villages])
    assert len({result.receipt for result in results}) == len(villages)
    assert county.engine.history.verify().whole


def test_serials_have_no_gap_when_many_stamp_at_once(county: CountyForTest):
    keeper = county.post("SK")
    matters = [county.ask() for _ in range(CLIENTS)]
    for each in matters:
        county.register(each)
        county.approve(each)
        county.complete(each, keeper, {"compare.decision": "agree"})
    acts = [
        lambda each=each: county.complete(each, keeper, {"stamped_copies": "1"}, files=("scan",)) for each in matters
    ]
    assert Counter(map(outcome, at_once(acts))) == {"won": CLIENTS}
    serials = [entry.serial for entry in county.engine.registers.entries("seal_use", by=keeper).entries]
    assert sorted(serials) == [f"2026-{number:04d}" for number in range(1, CLIENTS + 1)]


def test_a_withdrawal_and_a_completion_cannot_both_happen(county: CountyForTest):
    withdraw = county.engine.runtime.correlate
    for number in range(5):
        matter = county.ask()
        task_id = county.task(matter, county.post("CL"))
        results = at_once(
            [
                complete(county, task_id, f"form {number}"),
                lambda matter=matter: withdraw(matter.receipt, message="withdraw", code=matter.code),
            ]
        )
        state = county.engine.history.find(matter.receipt, by=county.post("SB"))[0].state
        # The clerk may be first and the applicant still withdraws from the next step; never the other way round.
        assert state == "withdrawn"
        assert isinstance(results[0], Done | Conflict) and results[1] == ()
    assert county.engine.history.verify().whole
