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


# --- preparing ------------------------------------------------------------------------------------------------------


def clerks_page(county, matter):
    clerk = county.post("CL")
    return county.engine.tasks.open(county.task(matter, clerk), by=clerk)


def test_a_draft_is_shown_again_to_who_typed_it_only(county):
    matter = county.ask()
    clerk, task_id = county.post("CL"), county.task(matter, county.post("CL"))
    county.engine.tasks.save_draft(task_id, by=clerk, data={"lack": ["还没写完"], "papers": ["nonsense"]})
    assert clerks_page(county, matter).values == {"lack": "还没写完", "papers": "nonsense"}
    assert county.engine.tasks.open(task_id, by=county.post("SB")).values == {}


def test_a_draft_is_gone_when_the_step_is_done(county):
    matter = county.ask()
    task_id = county.task(matter, county.post("CL"))
    county.engine.tasks.save_draft(task_id, by=county.post("CL"), data={"lack": ["13800001001"]})
    county.register(matter)
    assert county.contents()["draft"] == []


def test_nobody_else_keeps_a_draft_of_my_task(county):
    matter = county.ask()
    with pytest.raises(NotAllowed):
        county.engine.tasks.save_draft(county.task(matter, county.post("CL")), by=county.post("VD"), data={})
    assert county.contents()["draft"] == []


def test_a_picture_added_before_counts_as_given_with_the_form(county):
    matter = county.ask()
    county.register(matter)
    county.approve(matter)
    keeper = county.post("SK")
    county.complete(matter, keeper, {"compare.decision": "agree"})
    county.engine.tasks.attach(county.task(matter, keeper), by=keeper, field="scan", upload=county.photo("scan.png"))
    assert county.complete(matter, keeper, {"stamped_copies": "1"}).finished


def test_the_form_begins_with_what_is_known_and_the_decision_open(county):
    values = clerks_page(county, county.ask(purpose="办理种植业保险")).values
    assert values["kind"] == "proof" and "papers" not in values


# --- deciding -------------------------------------------------------------------------------------------------------


def refuse(county, matter, by, step, code):
    basis = county.engine.tasks.open(county.task(matter, by), by=by).choices["refusal.basis"][0].value
    return county.complete(
        matter,
        by,
        {
            f"{step}.decision": "refuse",
            "refusal.code": code,
            "refusal.text": "内容和事实不符",
            "refusal.basis": basis,
            "refusal.remedy": "改正以后重新申请",
        },
    )


@pytest.mark.parametrize("code", ["blank", "no_approval", "content_changed", "outside_scope", "guarantee"])
def test_the_keeper_refuses_with_a_reason_the_applicant_can_read(county, code):
    matter = county.ask()
    county.register(matter)
    county.approve(matter)
    done = refuse(county, matter, county.post("SK"), "compare", code)
    refusal = county.engine.history.progress(matter.receipt, code=matter.code).refusal
    assert (done.refused, done.finished, refusal.code, refusal.remedy) == (code, True, code, "改正以后重新申请")


def test_a_second_signer_who_refuses_ends_the_matter(county):
    matter = county.ask(kind="application")
    county.register(matter, kind="application")
    county.approve(matter)
    assert refuse(county, matter, county.post("PS"), "countersign", "disputed").refused == "disputed"


def test_a_double_tap_of_another_person_is_no_double_tap(county):
    matter = county.ask()
    task_id = county.task(matter, county.post("CL"))
    values = {"not_on_roll": ["true"], "kind": ["proof"], "papers": ["complete"]}
    county.engine.tasks.complete(task_id, by=county.post("CL"), data=values, form_token="once")
    with pytest.raises(Conflict):
        county.engine.tasks.complete(task_id, by=county.post("VD"), data=values, form_token="once")


def test_an_act_on_paper_is_logged_with_both_moments(county):
    matter = county.ask()
    county.later(1)
    values = {"not_on_roll": "true", "kind": "proof", "papers": "complete"}
    county.complete(matter, county.post("CL"), values, acted_on=date(2026, 3, 16))
    timeline = county.engine.history.trace(matter.receipt, by=county.post("SB")).timeline
    entry = next(entry for entry in timeline if entry.title == "登记核对")
    assert (entry.acted_at.date(), entry.at.date()) == (date(2026, 3, 16), date(2026, 3, 17))


def test_the_next_limit_runs_from_when_it_was_recorded(county):
    matter = county.ask()
    county.later(3)
    values = {"not_on_roll": "true", "kind": "proof", "papers": "complete"}
    county.complete(matter, county.post("CL"), values, acted_on=date(2026, 3, 16))
    clock = county.engine.history.trace(matter.receipt, by=county.post("SB")).stops[0].clock
    assert (clock.state, clock.elapsed_days, clock.count) == ("on", 0, 2)


# --- inbox ----------------------------------------------------------------------------------------------------------


def test_the_inbox_sorts_by_urgency(county):
    late = county.ask()
    county.later(2)
    today = county.ask()
    county.later(1)
    later = county.ask()
    inbox = county.engine.tasks.inbox(by=county.post("CL"))
    assert [[card.receipt for card in part] for part in (inbox.overdue, inbox.today, inbox.later)] == [
        [late.receipt],
        [today.receipt],
        [later.receipt],
    ]


def test_the_inbox_counts_what_was_handed_on_and_done_today(county):
    first, second = county.ask(), county.ask()
    county.register(first)
    county.register(second)
    county.engine.runtime.correlate(second.receipt, message="withdraw", code=second.code)
    inbox = county.engine.tasks.inbox(by=county.post("CL"))
    assert (inbox.count, inbox.handed_on, inbox.diary_today) == (0, 1, 2)


def test_a_comment_stands_beside_the_task(county):
    matter = county.ask()
    county.engine.tasks.comment(matter.matter_id, by=county.post("SB"), text="请今天办")
    assert [(note.by, note.text) for note in clerks_page(county, matter).comments] == [("周明镜", "请今天办")]
