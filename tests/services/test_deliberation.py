"""The five deliberations on a real county: who counts, what is kept of a vote, and what villagers may say."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from sqlalchemy import delete, insert, select, update

from engine.clock import LOCAL, local_date
from engine.connectors.motions import text_hash
from engine.connectors.notices import last_day
from engine.errors import InvalidForm, NotFound, Refused
from engine.identifiers import new_id
from engine.masking import has_personal_number, mask_numbers
from engine.process_engine import PROCESSES
from engine.services import matters, parameters
from engine.services.environment import functions
from engine.services.unit_of_work import Transaction
from engine.store.tables import (
    appointment,
    event_log,
    motion,
    notice,
    notification,
    objection,
    parameter,
    submission,
)
from tests.services.motion import OBJECTION, PLAN, Motion

# --- who counts -----------------------------------------------------------------------------------------------------


def test_where_a_called_meeting_stands_only_the_innermost_step_is_the_current_one(county, motion_):
    motion_.propose()
    trace = county.engine.history.trace(motion_.started.receipt, by=county.post("CL"))
    assert len([line for line in trace.steps if line.is_current]) == 1
    (current,) = [line for line in trace.steps if line.is_current]
    opened = [line for line in trace.steps if line.opened]
    assert [line.depth for line in (*opened, current)] == [0, 1, 2]
    # The heading counts what stands below it: a call as one step, however much it leads to.
    numbers = [line.number for line in trace.steps if line.number]
    assert numbers == list(range(1, trace.step_count + 1))
    assert trace.step_number == opened[0].number
    assert all(line.depth == 0 for line in trace.steps if line.number)


def test_the_base_is_frozen_when_the_meeting_opens(motion_):
    motion_.to_representatives()
    people = motion_.meet(28)
    county = motion_.county
    newcomer = county.people.id("张秀英")
    with county.engine.database.write() as connection:
        connection.execute(
            insert(appointment).values(
                id=new_id(),
                person_id=newcomer,
                role="VR",
                unit_id=county.people.unit("石桥村"),
                from_on=date(2026, 1, 1),
                appointed_at=county.clock.now(),
            )
        )
        connection.execute(delete(appointment).where(appointment.c.person_id == people[5], appointment.c.role == "VR"))
    assert len(people) == 30 and newcomer not in people
    motion_.vote(people, 28, 21)
    assert motion_.open_elements() == ["Task_minutes"]
    motion_.minutes()
    assert motion_.open_elements() == ["Task_post"]


@pytest.mark.parametrize(("recused_in_base", "passes"), [(False, True), (True, False)])
def test_whether_the_recused_count_is_a_parameter(county, motion_, recused_in_base, passes):
    with county.engine.database.write() as connection:
        connection.execute(update(parameter).where(parameter.c.key == "recused_in_base").values(value=recused_in_base))
    motion_.to_representatives()
    # 3 of 30 are recused: more than two thirds of 27 are 19, of 30 are 21.
    motion_.vote(motion_.meet(22, 3), 22, 20)
    motion_.minutes()
    if passes:
        assert motion_.open_elements() == ["Task_post"]
    else:
        trace = county.engine.history.trace(motion_.started.receipt, by=county.post("SB"))
        assert trace.refusal.code == "rejected"


def test_an_attendance_list_with_a_person_left_out_or_foreign_is_refused(motion_):
    motion_.propose()
    county, clerk = motion_.county, motion_.county.post("CL")
    day = local_date(county.clock.now()) + timedelta(days=14)
    motion_.do("CL", call__meeting_on=day.isoformat(), call__place="村委会", call__agenda="修桥")
    motion_.wait(10)
    people = [c.value for c in county.engine.tasks.open(motion_.task(clerk), by=clerk).choices["attendance"]]
    full = [f"{person}=present" for person in people]
    for rows in (
        full[1:],
        [*full, f"{county.people.id('张秀英')}=present"],
        [*full, full[0]],
        [f"{full[0]}ly", *full[1:]],
    ):
        with pytest.raises(InvalidForm):
            motion_.do("CL", ("sheet",), attendance=rows)
    motion_.do("CL", ("sheet",), attendance=full)


def test_belonging_to_a_body_opens_no_papers(county, motion_):
    representative = county.people.id("冯永年")
    with pytest.raises(NotFound):
        county.engine.history.trace(motion_.started.receipt, by=representative)
    assert county.engine.history.find(by=representative) == ()


# --- the secret of the ballot ---------------------------------------------------------------------------------------


def mentions(value: object, people: set[str]) -> Iterator[object]:
    """Yield every list and object in which one of these persons stands, however deep."""
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    if any(isinstance(each, str) and each in people for each in (*inner, *(value if isinstance(value, dict) else ()))):
        yield value
    for each in inner:
        yield from mentions(each, people)


def test_no_row_log_or_state_relates_a_person_to_a_choice(motion_):
    motion_.to_representatives()
    people = motion_.meet(28)
    motion_.vote(people, 28, 25)
    motion_.minutes()
    county, matter_id = motion_.county, motion_.started.matter_id
    with county.engine.database.read() as connection:
        transaction = Transaction(connection, county.clock.now())
        tree = matters.load(transaction, county.engine.repository, matter_id).workflow._tree
        states = [each.data for part in tree.trees() for each in part.tasks.values()]
        submitted = connection.execute(select(submission.c.data).where(submission.c.instance_id == matter_id)).scalars()
        logged = connection.execute(select(event_log.c.data).where(event_log.c.instance_id == matter_id)).scalars()
        everything = [*states, *submitted, *logged]
    voted = [data["vote"] for data in everything if data.get("vote")]
    assert {type(vote[key]) for vote in voted for key in ("voting", "yes", "no", "abstain")} == {int}
    found = [each for data in everything for each in mentions(data, set(people))]
    seats = [each for each in found if isinstance(each, dict)]
    assert {tuple(sorted(seat)) for seat in seats} == {("group", "id", "name"), ("choice", "id", "name")}
    # What is chosen for a person is whether he was there, never what he voted.
    assert {seat["choice"] for seat in seats if "choice" in seat} <= {"present", "recused", "absent"}
    counters = [vote["counters"] for vote in voted]
    assert [each for each in found if isinstance(each, list) and each not in counters] == []


# --- motions --------------------------------------------------------------------------------------------------------


def test_a_payment_before_the_end_of_the_notice_finds_the_motion_barred(motion_):
    motion_.to_notice()
    row = motion_.rows(select(motion).where(motion.c.instance_id == motion_.started.matter_id))[0]
    assert (row.state, row.released_at) == ("open", None)
    motion_.wait(8)
    motion_.do("CL", ("last_photo",), posted__state="kept")
    motion_.do("CL", resolution_number="石桥〔2026〕12号")
    row = motion_.rows(select(motion).where(motion.c.instance_id == motion_.started.matter_id))[0]
    assert row.state == "released" and row.released_at is not None


@pytest.mark.parametrize(
    ("body", "day", "fits"), [("VA", 9, False), ("VA", 10, True), ("VR", 3, True), ("VR", 2, False)]
)
def test_an_assembly_of_all_villagers_is_called_earlier_than_other_meetings(county, motion_, body, day, fits):
    deployed = county.engine.repository.deployed(county.engine.repository.definition("dev_plan").item.definition_id)
    form = deployed.forms["common/meeting/meeting_call.form"]
    on = local_date(county.clock.now()) + timedelta(days=day)
    typed = {"call.meeting_on": [on.isoformat()], "call.place": ["村委会"], "call.agenda": ["修桥"]}
    with county.engine.database.read() as connection:
        own = functions(parameters.reader(connection, None, local_date(county.clock.now())), county.clock.now())
        if fits:
            assert form.clean(typed, {"body": body}, own)["call"]["meeting_on"] == on.isoformat()
        else:
            with pytest.raises(InvalidForm):
                form.clean(typed, {"body": body}, own)


def test_blanks_and_line_ends_make_no_other_text_but_a_word_does():
    assert text_hash("修桥，\r\n 宽４米") == text_hash("修桥，宽4米")
    assert text_hash("修桥，宽 4 米") != text_hash("修桥，宽 5 米")


# --- notices --------------------------------------------------------------------------------------------------------


def test_a_notice_counts_from_the_next_day_and_a_rest_day_extends_it():
    assert last_day(date(2026, 3, 16), 7) == date(2026, 3, 23)
    assert last_day(date(2026, 3, 14), 7) == date(2026, 3, 23)
    # It would end inside the holiday of the National Day.
    assert last_day(date(2026, 9, 25), 7) == date(2026, 10, 8)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"post_text": "电话 13800001001"}, "personal_data"),
        ({"post_text": "电话 138 0000 1001"}, "personal_data"),
        ({"post_text": "电话138-0000-1001找他"}, "personal_data"),
        ({"post_text": "电话１３８００００１００１"}, "personal_data"),
        ({"post_text": "身份证 510123 19800101 123X"}, "personal_data"),
        ({"post_text": "打到 6222 0200 1234 5678 901"}, "personal_data"),
        ({"channels": ["wall"]}, "channels"),
        ({"channels": ["sms", "media"]}, "channels"),
    ],
)
def test_a_notice_with_a_number_or_on_too_few_channels_is_refused(motion_, changes, code):
    motion_.to_representatives()
    motion_.vote(motion_.meet(28), 28, 25)
    motion_.minutes()
    with pytest.raises(Refused) as refused:
        motion_.do(
            "CL", ("first_photo",), **{"post_text": PLAN, "channels": ["wall", "sms"], "face_to_face": "无", **changes}
        )
    assert refused.value.code == code
    assert motion_.rows(select(notice)) == []


@pytest.mark.parametrize(
    "text",
    [
        "工期 2026-03-16 2026-04-16 2026-05-16",
        "概算 60000 20000 15000 3000 元",
        "服务电话 0000-1234567",
        "编号 石桥〔2026〕12号",
    ],
)
def test_dates_sums_and_office_numbers_are_nobodys(text):
    assert not has_personal_number(text) and mask_numbers(text) == text


def test_an_objection_is_kept_apart_from_who_raised_it_and_answered_by_receipt_and_code(county, motion_):
    disclosure = county.engine.disclosure
    notice_id = motion_.to_notice()
    filed = disclosure.object(notice_id, data=OBJECTION, form_token="one")
    assert disclosure.object(notice_id, data=OBJECTION, form_token="one") == filed
    assert len(motion_.rows(select(objection))) == 1
    assert disclosure.answer(filed.receipt, code=filed.code).state == "open"
    with pytest.raises(NotFound):
        disclosure.answer(filed.receipt, code="000000" if filed.code != "000000" else "111111")
    motion_.do("SB", objection_kind="question")
    motion_.do("VD", objection_answer="桥位在老渡口，不占承包地。")
    told = disclosure.answer(filed.receipt, code=filed.code)
    assert (told.outcome, told.answer) == ("answered", "桥位在老渡口，不占承包地。")
    shown = disclosure.notice(notice_id)
    assert shown.answers[0][1] == told.answer
    assert "张秀英" not in repr(shown)


def test_two_objections_are_dealt_with_one_after_the_other(county, motion_):
    notice_id = motion_.to_notice()
    for _ in range(2):
        county.engine.disclosure.object(notice_id, data=OBJECTION)
    assert motion_.open_elements() == ["Task_check_objection"]
    for _ in range(2):
        motion_.do("SB", objection_kind="unknown")
        motion_.do("VD", objection_answer="请带身份证到村委会核实。")
    assert motion_.open_elements() == []


def test_one_address_may_not_flood_the_board(county, motion_):
    notice_id = motion_.to_notice()
    for _ in range(3):
        county.engine.disclosure.object(notice_id, data=OBJECTION, address="10.0.0.7")
    with pytest.raises(Refused) as refused:
        county.engine.disclosure.object(notice_id, data=OBJECTION, address="10.0.0.7")
    assert refused.value.code == "too_many_tries"
    assert "3 条异议" in refused.value.reason
    again = (county.clock.now() + timedelta(hours=1)).astimezone(LOCAL)
    phone = county.engine.identity.unit(county.people.unit("石桥村")).service_phone
    assert f"{again:%H:%M}" in refused.value.remedy and phone and phone in refused.value.remedy
    assert len(motion_.rows(select(objection))) == 3
    unit_id = county.people.unit("石桥村")
    county.engine.repository.deploy(PROCESSES / "S02_suggestion_collection")
    assert county.engine.disclosure.suggest(unit_id, data={"text": ["修一座便民桥"]}, address="10.0.0.7").receipt
    county.clock.at += timedelta(hours=1)
    assert county.engine.disclosure.object(notice_id, data=OBJECTION, address="10.0.0.7").receipt


def test_what_was_not_taken_in_shuts_nobody_out(county, motion_):
    notice_id, disclosure = motion_.to_notice(), county.engine.disclosure
    for _ in range(5):
        with pytest.raises(InvalidForm):
            disclosure.object(notice_id, data={}, address="10.0.0.7")
    first = disclosure.object(notice_id, data=OBJECTION, address="10.0.0.7", form_token="one")
    # Whoever taps the same form again has not said anything new.
    for _ in range(5):
        assert disclosure.object(notice_id, data=OBJECTION, address="10.0.0.7", form_token="one") == first
    disclosure.object(notice_id, data=OBJECTION, address="10.0.0.7")


def test_after_its_last_day_a_notice_takes_no_objection(county, motion_):
    notice_id = motion_.to_notice()
    motion_.wait(8)
    with pytest.raises(Refused) as refused:
        county.engine.disclosure.object(notice_id, data=OBJECTION)
    assert refused.value.code == "notice_over"


# --- suggestions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("route", "opens", "told"),
    [("project", "项目立项", "adopted"), ("plan", "发展规划", "adopted"), ("none", "", "declined")],
)
def test_a_major_suggestion_starts_a_matter_of_its_own_and_its_author_reads_what_was_done(county, route, opens, told):
    for name in ("A01_dev_plan", "B01_project_init", "S02_suggestion_collection"):
        county.engine.repository.deploy(PROCESSES / name)
    unit_id, clerk = county.people.unit("石桥村"), county.post("CL")
    filed = county.engine.disclosure.suggest(unit_id, data={"text": ["修一座便民桥"]})
    collection = Motion(
        county, county.engine.runtime.start("suggestion_collection", unit_id=unit_id, data={}, by=clerk)
    )
    collection.do("CL", collection_visits="走访 20 户")
    collection.wait(20)
    collection.do("CL", suggestion_text="修一座便民桥", sort_amount=60000, sort_households=80)
    # What the author is told follows from what is done: the two cannot contradict each other.
    said = {"reply__kind": "service", "reply__text": "上会议过了"} | ({"decided_title": "修便民桥"} if opens else {})
    collection.do("VD", decided_route=route, **said)
    found = county.engine.history.find("修便民桥", by=clerk)
    assert [row.item_name for row in found] == [opens] * bool(opens)
    answer = county.engine.disclosure.answer(filed.receipt, code=filed.code)
    assert (answer.outcome, answer.answer) == (told, "上会议过了")


# --- what people are told -------------------------------------------------------------------------------------------


def test_the_township_reads_what_has_happened_not_only_to_what(county, motion_):
    motion_.propose()
    for _ in range(2):
        motion_.meet(1)
    ((said, to),) = motion_.rows(
        select(notification.c.text, notification.c.person_id).where(
            notification.c.instance_id == motion_.started.matter_id
        )
    )
    assert to == county.post("TG", "云溪镇")
    assert "修便民桥" in said and "再召集以后人数仍然不足" in said


def test_a_payment_for_a_rejected_motion_is_told_so(county, motion_):
    for name in ("S03_card", "S04_spending_entry"):
        county.engine.repository.deploy(PROCESSES / name)
    motion_.propose()
    motion_.vote(motion_.meet(5), 5, 5)
    motion_.minutes()
    motion_.do("CL", plan_text=PLAN)
    motion_.do("PS", reviewed__decision="agree")
    motion_.vote(motion_.meet(12), 12, 1)
    motion_.minutes()
    asked = {"motion": motion_.started.receipt, "spending_kind": "payment", "spending_amount": "100"}
    spending = Motion(
        county,
        county.engine.runtime.start(
            "spending_entry",
            unit_id=county.people.unit("石桥村"),
            data={key: [text] for key, text in {**asked, "spending_purpose": "修桥", "payee": "青石建筑"}.items()},
            files={"spending_paper": [county.photo()]},
            by=county.post("CL"),
        ),
    )
    told = spending.rows(select(notification.c.text).where(notification.c.person_id == county.post("SB")))
    assert ["修便民桥" in row.text and "还没有准许实施" in row.text for row in told] == [True]
    spending.do("SB", early__state="stopped", early__note="看过银行流水，没有付")
    refusal = county.engine.history.trace(spending.started.receipt, by=county.post("CL")).refusal
    assert refusal.code == "too_early" and "没有通过的，这笔钱不能付" in refusal.remedy
