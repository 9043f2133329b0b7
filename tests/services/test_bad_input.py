"""What cannot be done is said in one clear sentence and changes nothing."""

from __future__ import annotations

import io
from datetime import date
from functools import partial

import pytest
from sqlalchemy import update

from engine import Upload
from engine.errors import Conflict, InvalidFile, InvalidForm, NotAllowed, NotFound, Refused
from engine.store.tables import parameter
from tests.conftest import REQUEST

REGISTERED = {"kind": ["proof"], "papers": ["complete"], "not_on_roll": ["true"]}


def changed(before, after):
    """Return the names of the tables that are not as they were."""
    return {name for name in before if before[name] != after[name]}


def refused(county, kind, act, *, may_change=()):
    """Do what must be refused; return the exception after making sure that nothing else changed."""
    before = county.contents()
    with pytest.raises(kind) as error:
        act()
    assert changed(before, county.contents()) == set(may_change)
    return error.value


def is_sentence(text):
    """Chinese, one line, no trace of the program."""
    return any("一" <= char <= "鿿" for char in text) and "\n" not in text and "Error" not in text


def start(county, item="seal_use", unit="石桥村", data=None, files=None, by=None):
    return county.engine.runtime.start(
        item,
        unit_id=county.people.units.get(unit, unit),
        data={**REQUEST, **(data or {})},
        files={"document_photo": [county.photo()]} if files is None else files,
        by=by,
    )


# --- starting -------------------------------------------------------------------------------------------------------


def test_an_item_that_is_not_on_the_list_is_refused_with_the_reason_and_logged(county):
    error = refused(county, Refused, lambda: start(county, "land_sale"), may_change=("event_log", "chain_head"))
    assert error.code == "not_on_list"
    assert all(map(is_sentence, (error.reason, error.basis, error.remedy)))


def test_the_refused_start_is_the_one_new_line_of_the_village(county):
    before = county.contents()["event_log"]
    with pytest.raises(Refused):
        start(county, "land_sale", by=county.post("CL"))
    (line,) = [row for row in county.contents()["event_log"] if row not in before]
    assert (line[0], line[3], line[5]) == (county.people.unit("石桥村"), "start_refused", county.post("CL"))
    assert line[9] == {"item": "land_sale", "reason": "not_on_list"}


@pytest.mark.parametrize("item", ["seal_use", "land_sale"])
@pytest.mark.parametrize("unit", ["nowhere", "云溪镇", "示范县"])
def test_a_place_that_has_no_such_item_is_not_found(county, item, unit):
    if item == "land_sale" and unit != "nowhere":
        refused(county, Refused, lambda: start(county, item, unit), may_change=("event_log", "chain_head"))
        return
    assert is_sentence(refused(county, NotFound, lambda: start(county, item, unit)).what)


def test_a_post_that_does_not_take_the_item_in_may_not_start_it(county):
    error = refused(county, NotAllowed, lambda: start(county, by=county.post("VD")))
    assert "村文书" in error.reason and is_sentence(error.reason)


def test_the_clerk_of_another_village_may_not_start_it_here(county):
    refused(county, NotAllowed, lambda: start(county, by=county.post("CL", "柳湾村")))


def test_villagers_cannot_start_what_the_village_starts_itself(county):
    error = refused(county, NotAllowed, lambda: start(county, "resolution_entry", data={}, files={}))
    assert is_sentence(error.reason)


@pytest.mark.parametrize(
    "field, value",
    [
        ("applicant_name", ""),
        ("applicant_name", "张" * 31),
        ("phone", "打我家"),
        ("copies", "0"),
        ("copies", "21"),
        ("copies", "两份"),
        ("copies", "1.5"),
        ("kind", "anything"),
        ("purpose", ""),
    ],
)
def test_wrong_values_are_said_at_the_field(county, field, value):
    error = refused(county, InvalidForm, lambda: start(county, data={field: [value]}))
    assert list(error.fields) == [field] and is_sentence(error.fields[field])


def test_a_contract_without_amount_is_asked_for_it(county):
    error = refused(county, InvalidForm, lambda: start(county, data={"kind": ["contract"]}))
    assert list(error.fields) == ["amount"]


def test_a_missing_paper_is_named(county):
    error = refused(county, InvalidForm, lambda: start(county, files={}))
    assert list(error.fields) == ["document_photo"] and is_sentence(error.fields["document_photo"])


# --- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, content, status",
    [
        ("photo.jpg", b"<!DOCTYPE html><script>alert(1)</script>", 415),
        ("photo.jpg", b"", 415),
        ("photo.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415),
        ("photo.png", b"MZ\x90\x00" + b"\0" * 1000, 415),
    ],
)
def test_a_file_is_judged_by_what_is_in_it(county, name, content, status):
    files = {"document_photo": [Upload(name, io.BytesIO(content))]}
    error = refused(county, InvalidFile, lambda: start(county, files=files))
    assert error.status == status and is_sentence(error.reason) and is_sentence(error.remedy)


def test_a_file_that_is_too_large_is_refused_with_the_limit(county):
    with county.engine.database.write() as connection:
        connection.execute(update(parameter).where(parameter.c.key == "upload.max_bytes").values(value=1024 * 1024))
    content = b"\xff\xd8\xff\xe0" + b"j" * 1024 * 1024
    files = {"document_photo": [Upload("photo.jpg", io.BytesIO(content))]}
    error = refused(county, InvalidFile, lambda: start(county, files=files))
    assert error.status == 413 and "1 MB" in error.reason
    assert [path for path in (county.place / "files").rglob("*") if path.is_file()] == []


def test_a_file_for_somebody_elses_task_leaves_no_row(county):
    matter = county.ask()
    task_id = county.task(matter, county.post("CL"))
    stranger = county.post("CL", "柳湾村")
    attach = county.engine.tasks.attach
    refused(county, NotAllowed, lambda: attach(task_id, by=stranger, field="", upload=county.photo()))


# --- completing -----------------------------------------------------------------------------------------------------


def complete(county, matter, by, data, **options):
    task_id = county.task(matter, county.post("SB"))
    return lambda: county.engine.tasks.complete(task_id, by=by, data=data, **options)


@pytest.mark.parametrize("role", ["VD", "VDD", "PS", "SK", "SB", "DG", "IS"])
def test_another_post_may_not_complete_the_clerks_task(county, role):
    matter = county.ask()
    error = refused(county, NotAllowed, complete(county, matter, county.post(role), REGISTERED))
    assert "李文清" in error.reason and is_sentence(error.reason)


@pytest.mark.parametrize("name", ["苏怀笔", "吴春山", "刘正言", "孟怀远", "温知序", "郑图南", "张秀英"])
def test_nobody_from_elsewhere_completes_it(county, name):
    matter = county.ask()
    refused(county, NotAllowed, complete(county, matter, county.people.id(name), REGISTERED))


def test_nobody_at_all_completes_it(county):
    matter = county.ask()
    refused(county, NotAllowed, complete(county, matter, "no such person", REGISTERED))


def test_an_unknown_task_is_not_found(county):
    by = county.post("CL")
    refused(county, NotFound, lambda: county.engine.tasks.complete("none", by=by, data=REGISTERED))


@pytest.mark.parametrize(
    "data, field",
    [
        ({"papers": []}, "papers"),
        ({"papers": ["maybe"]}, "papers"),
        ({"papers": ["supplement"]}, "lack"),
        ({"not_on_roll": []}, "not_on_roll"),
        ({"applicant": ["nobody"]}, "applicant"),
        ({"relatives": ["nobody"]}, "relatives"),
        ({"kind": ["contract"], "amount": ["-1"]}, "amount"),
        ({"kind": ["contract"], "amount": ["1e9"]}, "amount"),
    ],
)
def test_a_wrong_answer_is_said_at_the_field(county, data, field):
    matter = county.ask()
    error = refused(county, InvalidForm, complete(county, matter, county.post("CL"), {**REGISTERED, **data}))
    assert list(error.fields) == [field] and is_sentence(error.fields[field])


def test_a_villager_of_another_village_is_not_on_the_roll(county):
    matter = county.ask()
    data = {**REGISTERED, "applicant": [county.people.id("贾水生")]}
    error = refused(county, InvalidForm, complete(county, matter, county.post("CL"), data))
    assert list(error.fields) == ["applicant"]


def test_more_copies_than_asked_for_are_not_approved(county):
    matter = county.ask(copies="2")
    county.register(matter)
    data = {"approve.decision": ["agree"], "approved_copies": ["3"]}
    error = refused(county, InvalidForm, complete(county, matter, county.post("VD"), data))
    assert list(error.fields) == ["approved_copies"]


def test_more_copies_than_approved_are_not_stamped(county):
    matter = county.ask()
    county.register(matter)
    county.approve(matter)
    keeper = county.post("SK")
    county.complete(matter, keeper, {"compare.decision": "agree"})
    files = {"scan": [county.photo()]}
    error = refused(county, InvalidForm, complete(county, matter, keeper, {"stamped_copies": ["3"]}, files=files))
    assert list(error.fields) == ["stamped_copies"]


def test_nothing_is_stamped_without_a_picture_of_it(county):
    matter = county.ask()
    county.register(matter)
    county.approve(matter)
    keeper = county.post("SK")
    county.complete(matter, keeper, {"compare.decision": "agree"})
    error = refused(county, InvalidForm, complete(county, matter, keeper, {"stamped_copies": ["2"]}))
    assert list(error.fields) == ["scan"]


def test_a_refusal_without_reason_is_not_taken(county):
    matter = county.ask()
    county.register(matter)
    data = {"approve.decision": ["refuse"]}
    error = refused(county, InvalidForm, complete(county, matter, county.post("VD"), data))
    assert set(error.fields) == {"refusal.code", "refusal.text", "refusal.basis", "refusal.remedy"}


def test_a_refusal_on_a_basis_nobody_offered_is_not_taken(county):
    matter = county.ask()
    county.register(matter)
    data = {
        "approve.decision": ["refuse"],
        "refusal.code": ["disputed"],
        "refusal.text": ["这块地还有争议"],
        "refusal.basis": ["我说的"],
        "refusal.remedy": ["先去调解再来"],
    }
    error = refused(county, InvalidForm, complete(county, matter, county.post("VD"), data))
    assert list(error.fields) == ["refusal.basis"]


@pytest.mark.parametrize(
    "days_later, acted_on",
    [(0, date(2026, 3, 15)), (1, date(2026, 3, 15)), (0, date(2026, 3, 17)), (6, date(2026, 3, 16))],
    ids=["before the request", "before the request, later", "tomorrow", "too long ago"],
)
def test_an_act_is_not_dated_where_it_cannot_have_been(county, days_later, acted_on):
    matter = county.ask()
    county.later(days_later)
    by = county.post("CL")
    error = refused(county, InvalidForm, complete(county, matter, by, REGISTERED, acted_on=acted_on))
    assert list(error.fields) == ["acted_on"] and is_sentence(error.fields["acted_on"])


def test_a_step_is_not_done_twice(county):
    matter = county.ask()
    act = complete(county, matter, county.post("CL"), REGISTERED)
    act()
    refused(county, Conflict, act)


# --- messages -------------------------------------------------------------------------------------------------------


def test_papers_nobody_asked_for_are_not_taken(county):
    matter = county.ask()
    send = county.engine.runtime.correlate
    refused(county, Conflict, lambda: send(matter.receipt, message="supplement", code=matter.code))


def test_the_same_papers_sent_twice_get_the_answer_they_already_had(county):
    matter = county.ask()
    county.register(matter, papers="supplement", lack="身份证复印件")

    def send(note="补好了", name="photo.png"):
        files = {"papers": [county.photo(name)]}
        return county.engine.runtime.correlate(
            matter.receipt, message="supplement", code=matter.code, note=note, files=files
        )

    following = send()
    before = county.contents()
    assert send() == following == ("〈登记核对〉 村文书 李文清",)
    assert county.contents() == before
    refused(county, Conflict, lambda: send(note="还有一张"))


def test_withdrawing_twice_is_withdrawn(county):
    matter = county.ask()
    send = partial(county.engine.runtime.correlate, matter.receipt, message="withdraw", code=matter.code)
    send()
    before = county.contents()
    assert send() == ()
    assert county.contents() == before


@pytest.mark.parametrize("message", ["approve", "", "End_done"])
def test_an_applicant_cannot_send_what_is_no_message_of_his(county, message):
    matter = county.ask()
    send = county.engine.runtime.correlate
    refused(county, NotFound, lambda: send(matter.receipt, message=message, code=matter.code))


def test_nothing_is_withdrawn_with_a_wrong_code(county):
    matter = county.ask()
    wrong = f"{(int(matter.code) + 1) % 10**6:06d}"
    send = county.engine.runtime.correlate
    act = lambda: send(matter.receipt, message="withdraw", code=wrong)  # noqa: E731
    refused(county, NotFound, act, may_change=("attempt",))


def test_a_post_elsewhere_does_not_withdraw_it(county):
    matter = county.ask()
    send = county.engine.runtime.correlate
    clerk = county.post("CL", "柳湾村")
    refused(county, NotAllowed, lambda: send(matter.receipt, message="withdraw", by=clerk))


# --- speaking -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["苏怀笔", "方远航", "温知序", "郑图南", "张秀英"])
def test_who_does_not_oversee_a_village_neither_reminds_nor_comments(county, name):
    matter = county.ask()
    by = county.people.id(name)
    refused(county, NotFound, lambda: county.engine.tasks.remind(matter.matter_id, by=by))
    refused(county, NotFound, lambda: county.engine.tasks.comment(matter.matter_id, by=by, text="快办"))


def test_an_empty_comment_is_not_kept(county):
    matter = county.ask()
    by = county.post("SB")
    refused(county, InvalidForm, lambda: county.engine.tasks.comment(matter.matter_id, by=by, text="  "))


def test_the_same_person_reminds_once_a_day(county):
    matter = county.ask()
    by = county.post("SB")
    county.engine.tasks.remind(matter.matter_id, by=by)
    error = refused(county, Refused, lambda: county.engine.tasks.remind(matter.matter_id, by=by))
    assert error.code == "reminded_today" and is_sentence(error.remedy)


def test_nobody_is_reminded_of_what_has_ended(county):
    matter = county.ask()
    county.engine.runtime.correlate(matter.receipt, message="withdraw", code=matter.code)
    by = county.post("SB")
    refused(county, Conflict, lambda: county.engine.tasks.remind(matter.matter_id, by=by))
