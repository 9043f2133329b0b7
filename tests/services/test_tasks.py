"""Completing tasks: who may, what is checked, and that nothing happens twice."""

from __future__ import annotations

from datetime import date

import pytest

from engine.errors import Conflict, InvalidForm, NotAllowed


def test_a_seal_request_walks_from_request_to_register(county):
    matter = county.ask()
    county.register(matter)
    county.approve(matter)
    keeper = county.post("SK")
    county.complete(matter, keeper, {"compare.decision": "agree"})
    done = county.complete(matter, keeper, {"stamped_copies": "2"}, files=("scan",))
    assert done.finished and not done.refused
    ledger = county.engine.registers.entries("seal_use", by=keeper)
    assert [entry.receipt for entry in ledger.entries] == [matter.receipt]
    assert ledger.entries[0].serial == "2026-0001"


def test_only_the_assigned_person_may_complete(county):
    matter = county.ask()
    clerk, director = county.post("CL"), county.post("VD")
    task_id = county.task(matter, clerk)
    with pytest.raises(NotAllowed) as refused:
        county.engine.tasks.complete(task_id, by=director, data={"papers": ["complete"], "kind": ["proof"]})
    assert "村文书" in refused.value.reason


def test_a_double_tap_gets_the_answer_it_already_had(county):
    matter = county.ask()
    clerk = county.post("CL")
    task_id = county.task(matter, clerk)
    values = {"applicant": [county.people.id("张秀英")], "kind": ["proof"], "papers": ["complete"]}
    first = county.engine.tasks.complete(task_id, by=clerk, data=values, form_token="once")
    again = county.engine.tasks.complete(task_id, by=clerk, data=values, form_token="once")
    assert again.repeated and again.next_steps == first.next_steps
    with pytest.raises(Conflict):
        county.engine.tasks.complete(task_id, by=clerk, data=values, form_token="another")


def test_a_missing_answer_changes_nothing(county):
    matter = county.ask()
    clerk = county.post("CL")
    with pytest.raises(InvalidForm) as refused:
        county.complete(matter, clerk, {"kind": "proof"})
    assert "papers" in refused.value.fields
    assert county.engine.history.trace(matter.receipt, by=clerk).stops[0].step == "登记核对"


@pytest.mark.parametrize("acted_on, allowed", [(date(2026, 3, 13), False), (date(2026, 3, 16), True)])
def test_an_act_on_paper_is_not_dated_before_the_step_before(county, acted_on, allowed):
    matter = county.ask()
    county.later(1)
    values = {"applicant": county.people.id("张秀英"), "kind": "proof", "papers": "complete"}
    if allowed:
        county.complete(matter, county.post("CL"), values, acted_on=acted_on)
        return
    with pytest.raises(InvalidForm) as refused:
        county.complete(matter, county.post("CL"), values, acted_on=acted_on)
    assert "acted_on" in refused.value.fields
