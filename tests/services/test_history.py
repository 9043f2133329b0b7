"""Where is it stuck, and who may know: the matter page, the progress page, search, papers and the diary."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from engine.errors import NotFound, Refused


def wrong(code, shift=1):
    return f"{(int(code) + shift) % 10**6:06d}"


def facts_of(trace, label):
    return [fact.text for summary in trace.summaries for fact in summary.facts if fact.label == label]


# --- the matter page ------------------------------------------------------------------------------------------------


def test_the_page_says_where_it_is_stuck_since_when_and_against_which_limit(county):
    matter = county.ask()
    county.register(matter)
    county.clock.at += timedelta(days=3)
    trace = county.engine.history.trace(matter.receipt, by=county.people.posts["云溪镇", "TD"])
    assert trace.answer == "停在〈审批用印〉3 天（限 2 个工作日）— 村委会主任 王长河"
    assert trace.follows == "已超期 1 个工作日；3月21日起转红牌。"


def test_the_page_names_whom_to_call(county):
    matter = county.ask()
    county.register(matter)
    contacts = county.engine.history.trace(matter.receipt, by=county.post("SB")).contacts
    assert [(contact.label, contact.name) for contact in contacts] == [
        ("现在办", "王长河"),
        ("可代办", "何秀兰"),
        ("可代办", "赵德林"),
        ("上级", "吴春山"),
        ("监督", "刘正言"),
    ]


def test_the_page_says_what_waits_for_the_applicant(county):
    matter = county.ask()
    county.register(matter, papers="supplement", lack="补一张清楚的照片")
    trace = county.engine.history.trace(matter.receipt, by=county.post("SB"))
    assert trace.answer == "停在〈等补材料〉0 天 — 等申请人补材料"


def test_the_timeline_is_newest_first_and_names_the_row_that_decided(county):
    matter = county.ask()
    county.register(matter)
    timeline = county.engine.history.trace(matter.receipt, by=county.post("SB")).timeline
    assert [entry.title for entry in timeline][-1] == "受理"
    assert [entry.number for entry in timeline] == sorted((entry.number for entry in timeline), reverse=True)
    assert [entry.detail for entry in timeline if entry.title == "定审批权限"] == ["《用印审批权限表》第 3 行"]


def test_a_finished_matter_says_so(county):
    matter = county.ask()
    county.engine.runtime.correlate(matter.receipt, message="withdraw", code=matter.code)
    trace = county.engine.history.trace(matter.receipt, by=county.post("SB"))
    assert (trace.answer, trace.stops) == ("申请人已撤回。", ())


def test_a_receipt_is_found_however_it_is_typed(county):
    matter = county.ask()
    typed = f" {matter.receipt[:4].lower()}-{matter.receipt[4:]} "
    assert county.engine.history.trace(typed, by=county.post("SB")).matter.receipt == matter.receipt


# --- masking --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("typed, masked", [("13800001001", "138****1001"), ("138 0000 1001", "138****1001")])
def test_a_supervisor_sees_no_telephone_number(county, typed, masked):
    matter = county.ask(phone=typed)
    county.register(matter)
    assert facts_of(county.engine.history.trace(matter.receipt, by=county.post("SB")), "联系电话") == [masked]


def test_who_handles_the_matter_sees_the_telephone_number(county):
    matter = county.ask()
    county.register(matter)
    for role in ("CL", "VD"):
        assert facts_of(county.engine.history.trace(matter.receipt, by=county.post(role)), "联系电话") == [
            "13800001001"
        ]


def test_numbers_in_free_text_are_hidden_from_supervisors(county):
    matter = county.ask(purpose="办低保，身份证511681199001011234")
    trace = county.engine.history.trace(matter.receipt, by=county.post("SB"))
    assert facts_of(trace, "用途") == ["办低保，身份证" + "*" * 14 + "1234"]


def test_who_may_only_look_at_a_task_gets_neither_the_roll_nor_what_was_filled_in(county):
    matter = county.ask()
    task_id = county.task(matter, county.post("CL"))
    seen = county.engine.tasks.open(task_id, by=county.post("SB"))
    own = county.engine.tasks.open(task_id, by=county.post("CL"))
    assert seen.blocked and not (seen.values or seen.choices or seen.delegates)
    assert not own.blocked and own.values["kind"] == "proof" and len(own.choices["applicant"]) > 10


# --- who may know ---------------------------------------------------------------------------------------------------

STRANGERS = ["苏怀笔", "袁立业", "方远航", "秦守真", "刘大柱", "温知序", "郑图南"]


@pytest.mark.parametrize("name", STRANGERS)
def test_a_stranger_does_not_even_learn_that_a_matter_exists(county, name):
    matter = county.ask()
    by = county.people.id(name)
    with pytest.raises(NotFound) as known:
        county.engine.history.trace(matter.receipt, by=by)
    with pytest.raises(NotFound) as unknown:
        county.engine.history.trace("23456789", by=by)
    assert (known.value.what, known.value.key) == (unknown.value.what, matter.receipt)


@pytest.mark.parametrize("name", STRANGERS)
def test_a_stranger_opens_neither_task_nor_paper(county, name):
    matter = county.ask()
    page = county.engine.tasks.open(county.task(matter, county.post("CL")), by=county.post("CL"))
    by = county.people.id(name)
    with pytest.raises(NotFound):
        county.engine.tasks.open(page.card.id, by=by)
    with pytest.raises(NotFound):
        county.engine.history.attachment(page.attachments[0].id, by=by)
    with pytest.raises(NotFound):
        county.engine.history.preview(page.attachments[0].id, by=by)


@pytest.mark.parametrize("name", STRANGERS)
def test_a_stranger_finds_nothing(county, name):
    matter = county.ask()
    history, by = county.engine.history, county.people.id(name)
    assert history.find(by=by) == history.find(matter.receipt, by=by, unit_id=county.people.unit("石桥村")) == ()


def test_the_grid_supervisor_sees_the_course_but_no_papers(county):
    matter = county.ask()
    by = county.post("IS")
    trace = county.engine.history.trace(matter.receipt, by=by)
    paper = county.engine.history.trace(matter.receipt, by=county.post("SB")).attachments[0]
    assert trace.answer.startswith("停在〈登记核对〉") and trace.attachments == ()
    with pytest.raises(NotFound):
        county.engine.history.attachment(paper.id, by=by)


@pytest.mark.parametrize(
    "name, villages",
    [
        ("周明镜", {"石桥村"}),
        ("吴春山", {"石桥村", "柳湾村"}),
        ("方远航", {"双井村"}),
        ("孟怀远", {"石桥村", "柳湾村", "双井村"}),
    ],
)
def test_everybody_finds_the_matters_of_his_own_units(county, name, villages):
    for village in ("石桥村", "柳湾村", "双井村"):
        county.ask(village)
    found = county.engine.history.find(by=county.people.id(name))
    assert {row.unit.name for row in found} == villages


@pytest.mark.parametrize("query, count", [("张秀英", 1), ("土地承包", 1), ("用印", 1), ("杨春梅", 0), ("%", 0)])
def test_a_matter_is_found_by_applicant_subject_and_item(county, query, count):
    county.ask()
    assert len(county.engine.history.find(query, by=county.post("SB"))) == count


def test_a_matter_is_found_by_its_state(county):
    open_one, withdrawn = county.ask(), county.ask()
    county.engine.runtime.correlate(withdrawn.receipt, message="withdraw", code=withdrawn.code)
    found = {
        state: [row.receipt for row in county.engine.history.find(by=county.post("SB"), state=state)]
        for state in ("open", "withdrawn", "done")
    }
    assert found == {"open": [open_one.receipt], "withdrawn": [withdrawn.receipt], "done": []}


def test_my_matters_are_those_i_had_a_part_in(county):
    mine = county.ask()
    county.register(mine)
    county.ask()
    assert [row.receipt for row in county.engine.history.mine(by=county.post("CL"))] == [mine.receipt]
    assert county.engine.history.mine(by=county.post("VD")) == ()


# --- the applicant --------------------------------------------------------------------------------------------------


def test_the_applicant_sees_the_step_and_the_day_it_ends(county):
    matter = county.ask()
    progress = county.engine.history.progress(matter.receipt, code=matter.code)
    assert progress.answer == "办到第 1 步〈登记核对〉。"
    assert progress.follows == "应于3月23日前办结。"
    assert progress.may_withdraw and progress.may_remind


def test_the_applicant_reads_what_is_lacking(county):
    matter = county.ask()
    county.register(matter, papers="supplement", lack="补一张清楚的照片")
    progress = county.engine.history.progress(matter.receipt, code=matter.code)
    assert (progress.answer, progress.supplement) == ("要请您补材料。", "补一张清楚的照片")


def test_the_progress_page_names_no_villager(county):
    matter = county.ask(document_name="张秀英的承包证明13800001001")
    progress = county.engine.history.progress(matter.receipt, code=matter.code)
    assert progress.subject == "张某某的承包证明138****1001"


def test_a_wrong_code_and_an_unknown_receipt_are_answered_alike(county):
    matter = county.ask()
    said = []
    for receipt, code in ((matter.receipt, wrong(matter.code)), ("23456789", matter.code)):
        with pytest.raises(NotFound) as error:
            county.engine.history.progress(receipt, code=code)
        said.append((error.value.what, error.value.key == receipt))
    assert said[0] == said[1]


def five_wrong_codes(county, matter):
    for shift in range(1, 6):
        with pytest.raises(NotFound):
            county.engine.history.progress(matter.receipt, code=wrong(matter.code, shift))


def test_after_five_wrong_codes_even_the_right_one_is_refused(county):
    matter = county.ask()
    five_wrong_codes(county, matter)
    with pytest.raises(Refused) as refused:
        county.engine.history.progress(matter.receipt, code=matter.code)
    assert refused.value.code == "too_many_tries" and refused.value.remedy


def test_the_right_code_holds_again_after_an_hour(county):
    matter = county.ask()
    five_wrong_codes(county, matter)
    county.clock.at += timedelta(minutes=61)
    assert county.engine.history.progress(matter.receipt, code=matter.code).receipt == matter.receipt


def test_wrong_codes_for_one_matter_do_not_close_another(county):
    guessed, other = county.ask(), county.ask()
    five_wrong_codes(county, guessed)
    assert county.engine.history.progress(other.receipt, code=other.code).receipt == other.receipt


def test_the_code_is_not_stored(county):
    matter = county.ask()
    assert matter.code not in str(county.contents()["process_instance"])


def test_the_applicant_reminds_once_a_day_with_receipt_and_code(county):
    matter = county.ask()
    told = county.engine.tasks.remind_by_applicant(matter.receipt, code=matter.code)
    assert told == ("村文书 李文清",)
    assert not county.engine.history.progress(matter.receipt, code=matter.code).may_remind
    with pytest.raises(Refused):
        county.engine.tasks.remind_by_applicant(matter.receipt, code=matter.code)


def test_nobody_reminds_with_a_wrong_code(county):
    matter = county.ask()
    with pytest.raises(NotFound):
        county.engine.tasks.remind_by_applicant(matter.receipt, code=wrong(matter.code))


def test_a_reminder_stands_in_the_pages_of_who_has_the_task(county):
    matter = county.ask()
    for by in (county.post("SB"), county.post("DG")):
        county.engine.tasks.remind(matter.matter_id, by=by)
    texts = [note.text for note in county.engine.history.notifications(by=county.post("CL"))]
    assert texts == ["有人催办〈登记核对〉：土地承包情况证明"] * 2
    assert county.engine.history.notifications(by=county.post("VD")) == ()


def test_a_read_message_is_read_for_its_reader_only(county):
    matter = county.ask()
    county.engine.tasks.remind(matter.matter_id, by=county.post("SB"))
    county.engine.history.mark_seen(by=county.post("VD"))
    assert [note.seen for note in county.engine.history.notifications(by=county.post("CL"))] == [False]
    county.engine.history.mark_seen(by=county.post("CL"))
    assert [note.seen for note in county.engine.history.notifications(by=county.post("CL"))] == [True]


def refused_matter(county):
    matter = county.ask(kind="guarantee")
    county.register(matter, kind="guarantee")
    return matter


def test_a_refused_applicant_reads_reason_basis_and_remedy(county):
    matter = refused_matter(county)
    refusal = county.engine.history.progress(matter.receipt, code=matter.code).refusal
    assert refusal.code == "guarantee" and all((refusal.reason, refusal.basis, refusal.remedy))


def test_a_document_opens_with_its_own_code_only(county):
    own, other = refused_matter(county), county.ask()
    county.engine.jobs.run_due()
    paper = county.engine.history.progress(own.receipt, code=own.code).documents[-1]
    title, content = county.engine.history.document(paper.id, receipt=own.receipt, code=own.code)
    assert title == paper.title and content.startswith(b"%PDF")
    with pytest.raises(NotFound):
        county.engine.history.document(paper.id, receipt=other.receipt, code=other.code)
    with pytest.raises(NotFound):
        county.engine.history.document(paper.id, by=county.post("CL", "柳湾村"))


# --- diary ----------------------------------------------------------------------------------------------------------


def test_the_diary_is_made_of_what_was_done(county):
    matter = county.ask(by=county.post("CL"))
    county.register(matter)
    lines = county.engine.history.diary(by=county.post("CL"))
    assert [(line.what, line.step, line.receipt) for line in lines] == [
        ("受理", "申请用印", matter.receipt),
        ("办理", "登记核对", matter.receipt),
    ]


def test_the_diary_of_another_day_is_empty(county):
    county.register(county.ask())
    assert county.engine.history.diary(by=county.post("CL"), day=date(2026, 3, 17)) == ()


@pytest.mark.parametrize("name, lines", [("孙廉石", 1), ("吴春山", 1), ("孟怀远", 1), ("方远航", 0), ("温知序", 0)])
def test_another_persons_diary_is_read_by_who_oversees_his_unit(county, name, lines):
    county.register(county.ask())
    diary = county.engine.history.diary(by=county.people.id(name), person_id=county.post("CL"))
    assert len(diary) == lines
