"""Matters begin, wait for the applicant, go the way the table says, and end."""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy import insert

from engine.errors import Conflict, NotFound, Refused
from engine.store.tables import parameter


def state(county, matter):
    return county.engine.history.find(matter.receipt, by=county.people.id("孟怀远"))[0].state


def stops(county, matter):
    return [stop.step for stop in county.engine.history.trace(matter.receipt, by=county.people.id("孟怀远")).stops]


def send(county, matter, message, **options):
    options = options or {"code": matter.code}
    return county.engine.runtime.correlate(matter.receipt, message=message, **options)


# --- beginning ------------------------------------------------------------------------------------------------------


def test_a_villager_gets_a_receipt_and_a_code(county):
    matter = county.ask()
    assert len(matter.receipt) == 8 and set(matter.receipt) <= set("23456789ABCDEFGHJKMNPQRSTVWXYZ")
    assert len(matter.code) == 6 and matter.code.isdigit()
    assert matter.next_steps == ("〈登记核对〉 村文书 李文清",)


def test_the_clerk_asks_for_a_villager_and_hands_him_the_code(county):
    matter = county.ask(by=county.post("CL"))
    assert county.engine.history.progress(matter.receipt, code=matter.code).receipt == matter.receipt


def test_a_double_tap_opens_one_matter_and_shows_the_same_code(county):
    first = county.ask(form_token="once")
    again = county.ask(form_token="once")
    assert (again.receipt, again.code, again.next_steps) == (first.receipt, first.code, first.next_steps)
    assert len(county.contents()["process_instance"]) == 1


def test_two_forms_open_two_matters(county):
    assert county.ask(form_token="one").receipt != county.ask(form_token="two").receipt


# --- the table of approvals -------------------------------------------------------------------------------------------


def route(county, kind, amount="", resolution="", **changes):
    matter = county.ask(kind=kind, amount=amount, resolution_number=resolution)
    done = county.register(matter, kind=kind, amount=amount, resolution_number=resolution, **changes)
    return done.refused or stops(county, matter)[0]


@pytest.mark.parametrize(
    "kind, amount, outcome",
    [
        ("proof", "", "审批用印"),
        ("application", "", "审批用印"),
        ("contract", "10000", "审批用印"),
        ("contract", "10000.01", "no_resolution"),
        ("contract_award", "1", "no_resolution"),
        ("loan", "1", "no_resolution"),
        ("land", "1", "no_resolution"),
        ("guarantee", "", "guarantee"),
        ("other", "", "outside_scope"),
    ],
)
def test_the_table_decides_who_approves_or_why_not(county, kind, amount, outcome):
    assert route(county, kind, amount) == outcome


def test_a_blank_paper_is_refused_whatever_it_is(county):
    assert route(county, "proof", blank="true") == "blank"


def start_resolution(county, number="2026-3"):
    """The clerk enters a resolution."""
    return county.engine.runtime.start(
        "resolution_entry",
        unit_id=county.people.unit("石桥村"),
        data={
            "number": [number],
            "body": ["villager_representatives"],
            "subject": ["发包鱼塘"],
            "decided_on": ["2026-03-02"],
        },
        by=county.post("CL"),
    )


def enter_resolution(county):
    """The board countersigns it."""
    matter = start_resolution(county)
    county.complete(matter, county.post("CL"), {}, files=("minutes", "attendance"))
    return county.complete(matter, county.post("SB"), {"countersign.decision": "agree"})


def test_a_registered_resolution_opens_the_way(county):
    assert route(county, "loan", "20000", "2026-3") == "no_resolution"
    assert enter_resolution(county).finished
    assert route(county, "loan", "20000", "2026-3") == "审批用印"
    assert route(county, "loan", "20000", "2026-9") == "no_resolution"


def test_what_the_village_starts_itself_has_no_code_and_no_progress_page(county):
    matter = start_resolution(county)
    assert matter.code == ""
    with pytest.raises(NotFound):
        county.engine.history.progress(matter.receipt, code="")


def limit(county, value, unit, effective_on):
    with county.engine.database.write() as connection:
        connection.execute(
            insert(parameter).values(
                key="seal.contract_max",
                org_unit=county.people.units.get(unit, ""),
                effective_on=effective_on,
                value=value,
            )
        )


@pytest.mark.parametrize("unit, outcome", [("云溪镇", "审批用印"), ("白塔镇", "no_resolution")])
def test_a_townships_own_number_counts_in_its_own_villages(county, unit, outcome):
    limit(county, 5_000_000, unit, date(2026, 2, 1))
    assert route(county, "contract", "50000") == outcome


def test_a_number_counts_as_it_was_when_the_matter_began(county):
    limit(county, 5_000_000, "", date(2026, 3, 17))
    before = county.ask(kind="contract", amount="50000")
    county.later(1)
    after = county.ask(kind="contract", amount="50000")
    refused = [county.register(each, kind="contract", amount="50000").refused for each in (before, after)]
    assert refused == ["no_resolution", ""]


def test_a_second_signature_is_asked_for_where_the_table_says_so(county):
    matter = county.ask(kind="application")
    county.register(matter, kind="application")
    assert county.approve(matter).next_steps == ("〈会签用印〉 村党支部书记 赵德林",)


# --- supplement -----------------------------------------------------------------------------------------------------


def waiting(county):
    matter = county.ask()
    county.register(matter, papers="supplement", lack="补一张清楚的照片")
    return matter


def test_the_applicant_adds_the_paper_and_the_clerk_has_it_again(county):
    matter = waiting(county)
    county.later(1)
    steps = send(county, matter, "supplement", code=matter.code, files={"supplement": [county.photo()]})
    assert steps == ("〈登记核对〉 村文书 李文清",)
    papers = county.engine.history.trace(matter.receipt, by=county.post("SB")).attachments
    assert [(paper.step, paper.by) for paper in papers] == [("申请用印", "申请人"), ("等补材料", "申请人")]


def test_the_clerk_adds_the_paper_for_him(county):
    matter = waiting(county)
    send(county, matter, "supplement", by=county.post("CL"), note="他送来了")
    timeline = county.engine.history.trace(matter.receipt, by=county.post("SB")).timeline
    assert [entry.by for entry in timeline if entry.kind == "received"] == ["村文书 李文清"]


def test_the_third_return_is_a_refusal_with_a_way_out(county):
    matter = county.ask()
    county.register(matter)
    for _ in range(2):
        county.complete(matter, county.post("VD"), {"approve.decision": "return", "lack": "用途没写清"})
        county.register(matter)
    done = county.complete(matter, county.post("VD"), {"approve.decision": "return", "lack": "用途没写清"})
    assert (done.refused, done.finished, state(county, matter)) == ("returned", True, "refused")
    assert "乡镇" in county.engine.history.progress(matter.receipt, code=matter.code).refusal.remedy


# --- withdrawing ----------------------------------------------------------------------------------------------------


def to_step(county, step):
    """Bring a request with two signatures to a step."""
    matter = county.ask(kind="application")
    if step == "等补材料":
        county.register(matter, papers="supplement", lack="照片", kind="application")
        return matter
    acts = {
        "登记核对": lambda: county.register(matter, kind="application"),
        "审批用印": lambda: county.approve(matter),
        "会签用印": lambda: county.complete(matter, county.post("PS"), {"countersign.decision": "agree"}),
        "核对批件": lambda: county.complete(matter, county.post("SK"), {"compare.decision": "agree"}),
    }
    for at, act in acts.items():
        if at == step:
            break
        act()
    assert stops(county, matter) == [step]
    return matter


@pytest.mark.parametrize("step", ["登记核对", "等补材料", "审批用印", "会签用印"])
def test_a_request_is_withdrawn_before_it_is_decided(county, step):
    matter = to_step(county, step)
    assert send(county, matter, "withdraw") == ()
    assert (state(county, matter), stops(county, matter)) == ("withdrawn", [])


@pytest.mark.parametrize("step", ["核对批件", "盖章留痕"])
def test_a_decided_request_can_no_longer_be_withdrawn(county, step):
    matter = to_step(county, step)
    with pytest.raises(Conflict):
        send(county, matter, "withdraw")
    assert (state(county, matter), stops(county, matter)) == ("open", [step])


def test_the_task_of_a_withdrawn_request_is_gone(county):
    matter = county.ask()
    task_id = county.task(matter, county.post("CL"))
    send(county, matter, "withdraw")
    assert county.engine.tasks.inbox(by=county.post("CL")).count == 0
    with pytest.raises(Conflict):
        county.engine.tasks.complete(task_id, by=county.post("CL"), data={"papers": ["complete"]})


def test_after_five_wrong_codes_nothing_can_be_withdrawn(county):
    matter = county.ask()
    for shift in range(1, 6):
        with pytest.raises(NotFound):
            send(county, matter, "withdraw", code=f"{(int(matter.code) + shift) % 10**6:06d}")
    with pytest.raises(Refused):
        send(county, matter, "withdraw")
    assert state(county, matter) == "open"
