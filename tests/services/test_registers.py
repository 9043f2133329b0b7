"""Ledgers: serials without gaps per village and year, entries that stay, corrections as new entries."""

from __future__ import annotations

from datetime import datetime

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from engine.clock import LOCAL
from engine.connectors import registers
from engine.connectors.call import Call
from engine.errors import NotFound, Refused
from engine.identifiers import new_id
from engine.services.unit_of_work import Transaction
from engine.store import event_log
from engine.store.tables import process_instance, register_entry


def stamp(county, village="石桥村", **changes):
    """Take a request to its entry in the register of seal use."""
    matter = county.ask(village, **changes)
    kind = {"kind": changes["kind"]} if "kind" in changes else {}
    county.register(matter, village, **kind)
    county.approve(matter, village)
    keeper = county.post("SK", village)
    county.complete(matter, keeper, {"compare.decision": "agree"})
    county.complete(matter, keeper, {"stamped_copies": "2"}, files=("scan",))
    return matter


def ledger(county, village="石桥村", role="SB", code="seal_use", **options):
    return county.engine.registers.entries(code, by=county.post(role, village), **options)


def serials(county, village):
    return [entry.serial for entry in ledger(county, village).entries]


def values(entry):
    return {fact.label: fact.text for fact in entry.facts}


def test_serials_run_by_village_and_year(county):
    for village in ("石桥村", "双井村", "石桥村"):
        stamp(county, village)
    county.clock.at = datetime(2027, 1, 4, 9, tzinfo=LOCAL)
    stamp(county, "石桥村")
    assert serials(county, "石桥村") == ["2027-0001", "2026-0002", "2026-0001"]
    assert serials(county, "双井村") == ["2026-0001"]


def test_a_year_ends_where_the_villages_are(county):
    county.clock.at = datetime(2026, 12, 31, 23, 59, tzinfo=LOCAL)
    stamp(county)
    county.clock.at = datetime(2027, 1, 1, 0, 1, tzinfo=LOCAL)
    stamp(county)
    assert serials(county, "石桥村") == ["2027-0001", "2026-0001"]


def test_nobody_types_who_did_it(county):
    stamp(county)
    entry = values(ledger(county).entries[0])
    assert [entry[label] for label in ("承办人", "审批人", "盖章人", "会签人")] == [
        "村文书 李文清",
        "村委会主任 王长河",
        "印章保管员 陈守印",
        "",
    ]


def test_values_are_read_as_words(county):
    stamp(county)
    entry = values(ledger(county).entries[0])
    assert (entry["文件种类"], entry["实盖份数"], entry["盖好章的文件"]) == ("登记事实证明", "2", "1 份")


def test_a_refused_request_leaves_no_entry(county):
    county.register(county.ask(kind="guarantee"), kind="guarantee")
    assert ledger(county).entries == ()


# --- who reads ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, shown", [("周明镜", "张秀英"), ("李文清", "张秀英"), ("吴春山", "张某某"), ("孟怀远", "张某某")]
)
def test_the_applicant_stands_masked_outside_the_village(county, name, shown):
    stamp(county)
    entries = county.engine.registers.entries("seal_use", by=county.people.id(name)).entries
    assert [values(entry)["申请人"] for entry in entries] == [shown]


def test_another_villages_ledger_is_empty_for_its_neighbour(county):
    stamp(county)
    stamp(county, "双井村")
    assert ledger(county, unit_id=county.people.unit("双井村")).entries == ()


def test_the_township_reads_one_village_at_a_time_if_it_likes(county):
    stamp(county)
    own = county.people.unit("柳湾村")
    town = county.people.posts["云溪镇", "TG"]
    assert len(county.engine.registers.entries("seal_use", by=town).entries) == 1
    assert county.engine.registers.entries("seal_use", by=town, unit_id=own).entries == ()


@pytest.mark.parametrize("name", ["温知序", "郑图南", "张秀英"])
def test_who_has_no_post_over_a_village_reads_no_ledger(county, name):
    by = county.people.id(name)
    assert county.engine.registers.list(by=by) == ()
    with pytest.raises(NotFound):
        county.engine.registers.entries("seal_use", by=by)


def test_an_unknown_ledger_is_not_found(county):
    with pytest.raises(NotFound):
        ledger(county, code="no_such_ledger")


# --- the connector --------------------------------------------------------------------------------------------------

RESOLUTION = {
    "register": "resolution",
    "number": "2026-3",
    "body": "villagers_assembly",
    "subject": "修路",
    "decided_on": "2026-03-01",
    "minutes": ["photo"],
}


@pytest.fixture
def call(county):
    """Return a function that calls a connector of a matter of a village, each time with a key of its own."""
    matters = {village: county.ask(village).matter_id for village in ("石桥村", "双井村")}

    def do(connector, inputs, village="石桥村", key=None):
        with county.engine.database.write() as connection:
            matter = connection.execute(select(process_instance).where(process_instance.c.id == matters[village])).one()
            facts = {"units": {}, "files": {}, "item_name": "", "promise": "", "due_on": None, "actor": ""}
            functions = {"completed_by": lambda step: "", "holders": lambda lane: (), "find_hands": lambda steps: ()}
            key = key or new_id()
            transaction = Transaction(connection, county.clock.now())
            functions["log"] = lambda kind, data, digest: transaction.log(
                matter.unit_id, kind, instance_id=matter.id, data=data, digest=digest
            )
            made = Call(connection, transaction.now, matter, "Service_enter", key, **facts, **functions)
            answer = connector(made, inputs)
            event_log.append(connection, transaction.events)
            return answer

    return do


def test_the_same_call_enters_once(call):
    first = call(registers.enter, RESOLUTION, key="once")
    assert call(registers.enter, RESOLUTION, key="once") == first
    assert call(registers.enter, RESOLUTION)["serial"] == "2026-0002"


@pytest.mark.parametrize(
    "change, field",
    [
        ({"body": "我和书记"}, "body"),
        ({"decided_on": "昨天"}, "decided_on"),
        ({"minutes": []}, "minutes"),
        ({"number": None}, "会议决议台账"),
        ({"mood": "good"}, "会议决议台账"),
    ],
)
def test_an_entry_that_does_not_fit_the_ledger_is_refused(county, call, change, field):
    with pytest.raises(Refused) as refused:
        call(registers.enter, RESOLUTION | change)
    assert refused.value.code == "entry_invalid" and refused.value.reason.endswith(field)
    assert county.contents()["register_entry"] == []


def test_a_ledger_nobody_drew_up_takes_no_entry(call):
    with pytest.raises(Refused) as refused:
        call(registers.enter, RESOLUTION | {"register": "gifts"})
    assert refused.value.code == "register_unknown"


def find(call, number="2026-3", village="石桥村"):
    return call(registers.find, {"register": "resolution", "field": "number", "value": number}, village)


def test_what_was_entered_is_found_in_its_own_village_only(call):
    call(registers.enter, RESOLUTION)
    assert find(call)["entry"]["subject"] == "修路"
    assert find(call, village="双井村") == {"found": False, "entry": None}
    assert find(call, number="") == {"found": False, "entry": None}


def test_a_correction_is_a_new_entry_and_takes_the_place_of_the_old(call, county):
    wrong = call(registers.enter, RESOLUTION)
    call(registers.enter, RESOLUTION | {"number": "2026-4", "corrects": wrong["entry_id"]})
    assert (find(call, "2026-3")["found"], find(call, "2026-4")["found"]) == (False, True)
    entries = ledger(county, code="resolution").entries
    assert {entry.serial: entry.corrects for entry in entries} == {
        "2026-0001": "",
        "2026-0002": wrong["entry_id"],
    }


def test_only_an_entry_of_the_same_ledger_and_village_is_corrected_and_once(call):
    wrong = call(registers.enter, RESOLUTION)
    correction = RESOLUTION | {"corrects": wrong["entry_id"]}
    for inputs, village in ((correction, "双井村"), (RESOLUTION | {"corrects": "nothing"}, "石桥村")):
        with pytest.raises(Refused):
            call(registers.enter, inputs, village)
    call(registers.enter, correction)
    with pytest.raises(Refused):
        call(registers.enter, correction)


def test_an_entry_made_for_a_serial_that_is_taken_is_refused_by_the_database(call, county):
    call(registers.enter, RESOLUTION)
    with county.engine.database.read() as connection:
        row = connection.execute(select(register_entry)).one()._mapping
    with pytest.raises(IntegrityError, match="UNIQUE"), county.engine.database.write() as connection:
        connection.execute(insert(register_entry).values({**row, "id": new_id(), "call_key": new_id()}))
