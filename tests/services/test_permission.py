"""Who may act: hands by person, recusal, succession, terms, substitution, incompatible posts."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from sqlalchemy import insert

from engine.clock import local_date
from engine.errors import Conflict, NotAllowed, NotFound, Refused
from engine.identifiers import new_id
from engine.store.tables import substitution

ADMINISTRATOR = "温知序"
AGREE = {"approve.decision": "agree", "approved_copies": "2"}


def stop(county, matter, village="石桥村"):
    """Return where the matter stands, as the township sees it."""
    town = "云溪镇" if village in ("石桥村", "柳湾村", "青坪村") else "白塔镇"
    return county.engine.history.trace(matter.receipt, by=county.people.posts[town, "TG"]).stops[0]


def post_id(county, person_id, role):
    """Return the id of an appointment, as the administrator finds it."""
    found = county.engine.identity.person(person_id, by=county.people.id(ADMINISTRATOR))
    return next(post.id for post in found.posts if post.role == role)


def end_post(county, person_id, role, on=None):
    by = county.people.id(ADMINISTRATOR)
    county.engine.identity.end_appointment(post_id(county, person_id, role), by=by, on=on)


def appoint(county, person_id, role, village="石桥村", **options):
    today = local_date(county.clock.now())
    return county.engine.identity.appoint(
        person_id,
        role=role,
        unit_id=county.people.unit(village),
        by=county.people.id(ADMINISTRATOR),
        from_on=options.pop("from_on", today),
        **options,
    )


def substitute(county, person_id, substitute_id, days=3):
    today = local_date(county.clock.now())
    county.engine.identity.substitute(
        person_id,
        substitute_id=substitute_id,
        from_on=today,
        until_on=today + timedelta(days=days),
        by=county.people.id(ADMINISTRATOR),
    )


# --- separated hands ------------------------------------------------------------------------------------------------


def test_who_registered_does_not_approve_even_in_another_post(county):
    clerk = county.post("CL")
    end_post(county, county.post("VD"), "VD")
    appoint(county, clerk, "VD")
    matter = county.ask()
    county.register(matter)
    assert stop(county, matter).who == "村委会副主任 何秀兰"
    with pytest.raises(NotAllowed) as refused:
        county.complete(matter, clerk, AGREE)
    assert "登记核对" in refused.value.reason


def test_who_stood_in_at_one_step_is_no_longer_free_for_the_next(county):
    keeper, today = county.post("SK"), date(2026, 3, 16)
    # No administrator may arrange this any more, but an earlier one may have.
    with county.engine.database.write() as connection:
        connection.execute(
            insert(substitution).values(
                id=new_id(),
                person_id=county.post("VD"),
                substitute_id=keeper,
                from_on=today,
                until_on=today,
                made_by=keeper,
                made_at=county.clock.now(),
            )
        )
    matter = county.ask()
    county.register(matter)
    county.complete(matter, keeper, AGREE)
    assert stop(county, matter).who == "印章保管员空缺，没人办"


def test_for_whom_somebody_stood_in_counts_as_a_hand_too(county):
    village = "青坪村"
    head, deputy = county.post("VD", village), county.post("VDD", village)
    substitute(county, head, deputy)
    matter = county.ask(village, kind="application")
    county.register(matter, village, kind="application")
    county.complete(matter, deputy, AGREE)
    assert stop(county, matter, village).step == "会签用印"
    assert stop(county, matter, village).who == "村党支部书记空缺，没人办"


# --- recusal --------------------------------------------------------------------------------------------------------


def test_a_relative_of_the_applicant_is_passed_over(county):
    matter = county.ask(applicant_name="王小满")
    county.register(matter, applicant=county.people.id("王小满"))
    assert stop(county, matter).who == "村委会副主任 何秀兰"


def test_a_relative_of_the_applicant_reads_why_he_may_not(county):
    matter = county.ask(applicant_name="王小满")
    county.register(matter, applicant=county.people.id("王小满"))
    with pytest.raises(NotAllowed) as refused:
        county.approve(matter)
    assert refused.value.reason == "您与申请人是亲属（父女），应当回避"


def test_an_official_who_applies_does_not_decide_his_own_matter(county):
    matter = county.ask(applicant_name="王长河")
    county.register(matter, applicant=county.post("VD"))
    assert stop(county, matter).who == "村委会副主任 何秀兰"


@pytest.mark.parametrize(
    "declared, falls_to",
    [
        (("VD",), "村委会副主任 何秀兰"),
        (("VD", "VDD"), "村党支部书记 赵德林"),
        (("VD", "VDD", "PS"), "村委会主任空缺，没人办"),
    ],
)
def test_declared_relatives_pass_the_step_down_the_succession(county, declared, falls_to):
    matter = county.ask()
    clerk = county.post("CL")
    county.engine.tasks.complete(
        county.task(matter, clerk),
        by=clerk,
        data={
            "applicant": [county.people.id("张秀英")],
            "relatives": [county.post(role) for role in declared],
            "kind": ["proof"],
            "papers": ["complete"],
        },
    )
    assert stop(county, matter).who == falls_to


def test_a_clerk_who_finds_his_relative_in_the_request_must_hand_it_over(county):
    matter = county.ask(applicant_name="李素芬")
    with pytest.raises(NotAllowed) as refused:
        county.register(matter, applicant=county.people.id("李素芬"))
    assert "姐弟" in refused.value.reason
    clerk = county.post("CL")
    county.engine.tasks.recuse(county.task(matter, clerk), by=clerk, reason="申请人是我姐姐")
    assert stop(county, matter).who == "村文书空缺，没人办"


def test_who_has_declared_recusal_is_out_of_the_whole_matter(county):
    matter = county.ask()
    county.register(matter)
    director = county.post("VD")
    task_id = county.task(matter, director)
    county.engine.tasks.recuse(task_id, by=director, reason="与申请人合伙")
    assert stop(county, matter).who == "村委会副主任 何秀兰"
    with pytest.raises(NotAllowed) as refused:
        county.engine.tasks.complete(task_id, by=director, data={key: [value] for key, value in AGREE.items()})
    assert "与申请人合伙" in refused.value.reason


# --- succession: director and secretary in one person, vacant posts ---------------------------------------------------


def test_where_director_and_secretary_are_one_the_deputy_signs_second(county):
    village = "青坪村"
    matter = county.ask(village, kind="application")
    county.register(matter, village, kind="application")
    county.approve(matter, village)
    assert stop(county, matter, village).step == "会签用印"
    assert stop(county, matter, village).who == "村委会副主任 林素云"


def test_without_a_deputy_a_second_signature_cannot_be_had(county):
    village = "梅垭村"
    matter = county.ask(village, kind="application")
    assert county.register(matter, village, kind="application").refused == "no_second_signer"


def test_without_a_deputy_one_signature_can_still_be_had(county):
    village = "梅垭村"
    matter = county.ask(village)
    county.register(matter, village)
    assert stop(county, matter, village).who.endswith("康振业")


def approved_without_keeper(county):
    matter = county.ask("桑园村")
    county.register(matter, "桑园村")
    county.approve(matter, "桑园村")
    return matter


def test_a_step_without_post_holder_is_shown_to_its_own_township_only(county):
    matter = approved_without_keeper(county)
    assert stop(county, matter, "桑园村").who == "印章保管员空缺，没人办"
    own, other = (county.people.posts[town, "TG"] for town in ("白塔镇", "云溪镇"))
    assert [card.receipt for card in county.engine.tasks.inbox(by=own).unmanned] == [matter.receipt]
    assert county.engine.tasks.inbox(by=other).unmanned == ()


def test_the_township_appoints_but_does_not_stamp_itself(county):
    matter = approved_without_keeper(county)
    with pytest.raises(NotAllowed) as refused:
        county.complete(matter, county.people.posts["白塔镇", "TG"], {"compare.decision": "agree"})
    assert "白塔镇" in refused.value.instead


def test_whom_the_township_appoints_stands_by_name_in_the_register(county):
    matter = approved_without_keeper(county)
    township, villager = county.people.posts["白塔镇", "TG"], county.people.id("向阳生")
    for values, files in (({"compare.decision": "agree"}, ()), ({"stamped_copies": "2"}, ("scan",))):
        task_id = county.task(matter, township)
        county.engine.tasks.delegate(task_id, by=township, to=villager, reason="印章保管员空缺")
        assert stop(county, matter, "桑园村").who == "印章保管员 向阳生"
        county.complete(matter, villager, values, files=files)
    entry = county.engine.registers.entries("seal_use", by=county.post("CL", "桑园村")).entries[0]
    assert "印章保管员 向阳生" in [fact.text for fact in entry.facts if fact.label == "盖章人"]


@pytest.mark.parametrize("name", ["郑图南", "方远航", "张秀英", "孔记全", "侯长青"])
def test_the_township_appoints_only_from_the_roll_and_nobody_who_is_barred(county, name):
    matter = approved_without_keeper(county)
    township = county.people.posts["白塔镇", "TG"]
    before = county.contents()
    with pytest.raises(NotAllowed):
        county.engine.tasks.delegate(
            county.task(matter, township), by=township, to=county.people.id(name), reason="印章保管员空缺"
        )
    assert county.contents() == before


def test_the_other_township_may_not_appoint(county):
    matter = approved_without_keeper(county)
    other = county.people.posts["云溪镇", "TG"]
    task_id = county.task(matter, county.people.posts["白塔镇", "TG"])
    with pytest.raises(NotAllowed):
        county.engine.tasks.delegate(task_id, by=other, to=county.people.id("向阳生"), reason="帮忙")


def test_a_new_keeper_gets_what_nobody_could_do(county):
    matter = approved_without_keeper(county)
    appoint(county, county.people.id("向阳生"), "SK", "桑园村")
    assert stop(county, matter, "桑园村").who == "印章保管员 向阳生"


def test_a_keeper_whose_term_begins_later_gets_it_on_that_day(county):
    matter = approved_without_keeper(county)
    appoint(county, county.people.id("向阳生"), "SK", "桑园村", from_on=date(2026, 3, 18))
    county.later(2)
    county.engine.jobs.run_due()
    assert stop(county, matter, "桑园村").who == "印章保管员 向阳生"


# --- terms ----------------------------------------------------------------------------------------------------------


def test_whose_term_has_ended_may_not_act(county):
    matter = county.ask()
    county.register(matter)
    director = county.post("VD")
    end_post(county, director, "VD", on=date(2026, 3, 17))
    county.later(1)
    with pytest.raises(NotAllowed) as refused:
        county.approve(matter)
    assert refused.value.reason == "您的任期已经结束，这一步不再归您办"


def test_a_task_of_an_ended_term_goes_to_the_next_in_turn(county):
    matter = county.ask()
    county.register(matter)
    end_post(county, county.post("VD"), "VD", on=date(2026, 3, 17))
    county.later(1)
    county.engine.jobs.run_due()
    assert stop(county, matter).who == "村委会副主任 何秀兰"


def test_a_task_goes_on_at_once_when_the_post_is_taken_away_today(county):
    matter = county.ask()
    county.register(matter)
    end_post(county, county.post("VD"), "VD")
    assert stop(county, matter).who == "村委会副主任 何秀兰"


def test_an_appointment_once_ended_cannot_be_moved(county):
    director = county.post("VD")
    ended = post_id(county, director, "VD")
    by = county.people.id(ADMINISTRATOR)
    county.engine.identity.end_appointment(ended, by=by)
    with pytest.raises(Conflict):
        county.engine.identity.end_appointment(ended, by=by, on=date(2030, 1, 1))
    assert "VD" not in [post.role for post in county.engine.identity.actor(director).posts]


def test_only_the_administrator_appoints_and_ends(county):
    clerk = county.post("CL")
    ended = post_id(county, clerk, "CL")
    unit_id = county.people.unit("石桥村")
    with pytest.raises(NotAllowed):
        county.engine.identity.end_appointment(ended, by=clerk)
    with pytest.raises(NotAllowed):
        county.engine.identity.appoint(clerk, role="VD", unit_id=unit_id, by=clerk, from_on=date(2026, 3, 16))


# --- handing over ---------------------------------------------------------------------------------------------------


def delegated_to_deputy(county):
    matter = county.ask()
    county.register(matter)
    director, deputy = county.post("VD"), county.post("VDD")
    task_id = county.task(matter, director)
    county.engine.tasks.delegate(task_id, by=director, to=deputy, reason="去县里开会")
    return matter


def test_a_delegate_completes_and_the_delegator_no_longer_may(county):
    matter = delegated_to_deputy(county)
    with pytest.raises(NotAllowed) as refused:
        county.approve(matter)
    assert "何秀兰" in refused.value.reason
    assert county.complete(matter, county.post("VDD"), AGREE).next_steps == ("〈核对批件〉 印章保管员 陈守印",)


def test_a_delegate_who_loses_the_post_loses_the_task(county):
    matter = delegated_to_deputy(county)
    end_post(county, county.post("VDD"), "VDD")
    assert stop(county, matter).who == "村委会主任 王长河"


@pytest.mark.parametrize("name", ["李文清", "陈守印", "张秀英", "曾广才"])
def test_a_step_is_not_handed_to_who_may_not_do_it(county, name):
    matter = county.ask()
    county.register(matter)
    director = county.post("VD")
    task_id = county.task(matter, director)
    with pytest.raises(NotAllowed):
        county.engine.tasks.delegate(task_id, by=director, to=county.people.id(name), reason="没空")


# --- substitution ---------------------------------------------------------------------------------------------------


def test_who_stands_in_acts_in_both_names(county):
    substitute(county, county.post("VD"), county.post("VDD"))
    matter = county.ask()
    county.register(matter)
    county.complete(matter, county.post("VDD"), AGREE)
    timeline = county.engine.history.trace(matter.receipt, by=county.post("SB")).timeline
    assert next(entry.by for entry in timeline if entry.title == "审批用印") == "村委会主任 何秀兰（代 王长河）"


def test_the_inbox_of_who_stands_in_names_the_absent_person(county):
    substitute(county, county.post("VD"), county.post("VDD"))
    matter = county.ask()
    county.register(matter)
    inbox = county.engine.tasks.inbox(by=county.post("VDD"))
    assert [(card.receipt, card.on_behalf_of) for card in inbox.later] == [(matter.receipt, "王长河")]


def test_standing_in_ends_with_its_last_day(county):
    substitute(county, county.post("VD"), county.post("VDD"), days=0)
    matter = county.ask()
    county.register(matter)
    county.later(1)
    with pytest.raises(NotAllowed):
        county.complete(matter, county.post("VDD"), AGREE)


def test_who_stands_in_from_outside_the_village_sees_the_papers_of_the_task(county):
    outsider = county.people.id("贾水生")
    substitute(county, county.post("VD"), outsider)
    matter = county.ask()
    county.register(matter)
    page = county.engine.tasks.open(county.task(matter, county.post("VD")), by=outsider)
    assert page.blocked == ""
    name, media_type, _ = county.engine.history.attachment(page.attachments[0].id, by=outsider)
    assert (name, media_type) == ("photo.png", "image/png")


def test_a_relative_does_not_stand_in(county):
    substitute(county, county.post("VDD"), county.post("VD"))
    matter = county.ask(applicant_name="王小满")
    county.register(matter, applicant=county.people.id("王小满"))
    with pytest.raises(NotAllowed) as refused:
        county.approve(matter)
    assert "父女" in refused.value.reason


# --- posts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("held, wanted", [("CL", "SK"), ("SK", "VD"), ("PS", "SB"), ("SB", "VDD"), ("VD", "SK")])
def test_posts_that_exclude_each_other_are_not_given_to_one_person(county, held, wanted):
    before = county.contents()
    with pytest.raises(Refused) as refused:
        appoint(county, county.post(held), wanted)
    assert refused.value.code == "incompatible"
    assert county.contents() == before


def test_posts_that_exclude_each_other_may_follow_each_other(county):
    keeper = county.post("SK")
    end_post(county, keeper, "SK")
    assert appoint(county, keeper, "CL").lane == "村文书"


def test_director_and_secretary_may_be_one_person(county):
    assert appoint(county, county.post("PS"), "VD").lane == "村委会主任"


def test_the_same_post_is_not_given_twice(county):
    with pytest.raises(Refused) as refused:
        appoint(county, county.post("CL"), "CL")
    assert refused.value.code == "appointed_already"


def second_clerk(county):
    other = county.people.id("刘大柱")
    appoint(county, other, "CL")
    return other


def test_two_in_one_post_share_a_task_until_one_takes_it(county):
    first, second = county.post("CL"), second_clerk(county)
    matter = county.ask()
    task_id = county.task(matter, first)
    assert [card.id for card in county.engine.tasks.inbox(by=second).claimable] == [task_id]
    county.engine.tasks.claim(task_id, by=second)
    with pytest.raises(NotAllowed):
        county.engine.tasks.claim(task_id, by=first)
    with pytest.raises(Conflict):
        county.engine.tasks.claim(task_id, by=second)
    assert stop(county, matter).who == "村文书 刘大柱"


def test_a_released_task_can_be_taken_by_the_other(county):
    first, second = county.post("CL"), second_clerk(county)
    matter = county.ask()
    task_id = county.task(matter, first)
    county.engine.tasks.claim(task_id, by=second)
    county.engine.tasks.release(task_id, by=second)
    county.engine.tasks.claim(task_id, by=first)
    assert stop(county, matter).who == "村文书 李文清"


def test_the_only_one_who_can_do_a_task_cannot_put_it_back(county):
    clerk = county.post("CL")
    matter = county.ask()
    with pytest.raises(NotAllowed) as refused:
        county.engine.tasks.release(county.task(matter, clerk), by=clerk)
    assert "转办" in refused.value.reason


def test_another_village_knows_nothing_of_a_task(county):
    matter = county.ask()
    task_id = county.task(matter, county.post("CL"))
    with pytest.raises(NotFound):
        county.engine.tasks.open(task_id, by=county.post("CL", "柳湾村"))
