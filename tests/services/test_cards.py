"""Limits speak: warned at 80 %, yellow past the limit, red two working days later, each once, to whom it concerns."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, update

from engine.clock import LOCAL
from engine.errors import Refused
from engine.process_engine import PROCESSES
from engine.store.tables import card, job, notification, parameter, process_instance, task
from tests.services.drawn import data_of, enforce, item, jobs


def at(county, text: str) -> None:
    county.clock.at = datetime.fromisoformat(text).replace(tzinfo=LOCAL)
    while county.engine.jobs.run_due(kinds=("limit",)):
        pass


def cards(county, matter=None):
    with county.engine.database.read() as connection:
        found = select(card).order_by(card.c.at, card.c.level)
        return [(row.step, row.level, row.person_id) for row in connection.execute(found)]


def told(county, *people):
    with county.engine.database.read() as connection:
        found = select(notification.c.person_id, notification.c.text).where(notification.c.text.like("%〈登记核对〉%"))
        return {(row.person_id, row.text.partition("：")[0]) for row in connection.execute(found)}


def test_a_limit_warns_turns_yellow_and_red_once_each(county):
    county.ask()
    clerk, township, inspection = county.post("CL"), county.post("TG", "云溪镇"), county.post("TD", "云溪镇")
    # One working day from Monday 09:00: until the end of Tuesday, 39 hours.
    at(county, "2026-03-17T16:11")
    assert cards(county) == []
    at(county, "2026-03-17T16:12")
    at(county, "2026-03-17T23:00")
    assert cards(county) == [("登记核对", "warn", clerk)]
    assert told(county) == {(clerk, "〈登记核对〉快到期了")}
    at(county, "2026-03-18T00:00")
    at(county, "2026-03-19T23:59")
    assert [level for _, level, _ in cards(county)] == ["warn", "yellow"]
    assert {person for person, text in told(county) if text == "黄牌"} == {clerk, township}
    at(county, "2026-03-20T00:00")
    at(county, "2026-04-20T00:00")
    assert [level for _, level, _ in cards(county)] == ["warn", "yellow", "red"]
    assert {person for person, text in told(county) if text == "红牌"} == {clerk, township, inspection}
    assert jobs(county, "limit") == []


def test_after_a_downtime_only_the_gravest_is_given(county):
    county.ask()
    at(county, "2026-04-20T09:00")
    assert [level for _, level, _ in cards(county)] == ["red"]


def test_a_step_done_in_time_earns_nothing(county):
    matter = county.ask()
    county.register(matter)
    (limit,) = jobs(county, "limit")
    with county.engine.database.read() as connection:
        step = connection.scalar(select(task.c.step).where(task.c.id == limit.payload["task_id"]))
    assert step == "审批用印"
    at(county, "2026-03-17T23:00")
    assert cards(county) == []


def test_a_second_yellow_in_the_same_matter_is_red_by_the_drawn_table_unless_the_first_was_voided(county):
    county.engine.repository.deploy(PROCESSES / "S03_card")
    for voided in (False, True):
        county.clock.at = datetime(2026, 3, 16, 9, tzinfo=LOCAL)
        matter = county.ask()
        at(county, "2026-03-18T09:00")
        if voided:
            with county.engine.database.write() as connection:
                connection.execute(update(card).where(card.c.instance_id == matter.matter_id).values(state="voided"))
        county.register(matter)
        at(county, "2026-03-21T09:00")
        with county.engine.database.read() as connection:
            found = select(card.c.step, card.c.level).where(card.c.instance_id == matter.matter_id)
            levels = set(connection.execute(found.where(card.c.step == "审批用印")).all())
        assert levels == {("审批用印", "yellow")} | (set() if voided else {("审批用印", "red")})


@pytest.mark.parametrize(
    ("key", "value", "moment"), [("card.warn_share", 0.5, "warn_at"), ("card.red_after", 5, "red_at")]
)
def test_the_moments_are_parameters(county, key, value, moment):
    with county.engine.database.write() as connection:
        connection.execute(update(parameter).where(parameter.c.key == key).values(value=value))
    county.ask()
    with county.engine.database.read() as connection:
        row = connection.execute(select(task)).one()
    wanted = {
        "warn_at": row.created_at + (row.due_at - row.created_at) * 0.5,
        "red_at": datetime(2026, 3, 25, tzinfo=LOCAL),
    }
    assert getattr(row, moment) == wanted[moment]


def test_what_nobody_has_goes_to_the_township_and_is_never_said_to_be_delivered(county):
    village = "桑园村"
    matter = county.ask(village)
    county.register(matter, village)
    county.approve(matter, village)
    at(county, "2026-03-19T12:00")
    with county.engine.database.read() as connection:
        rows = connection.execute(select(notification)).all()
        outbox = connection.execute(select(job).where(job.c.kind == "notify.deliver")).all()
    unit = county.engine.identity.unit(county.people.unit(village))
    township = county.engine.identity.unit(unit.parent_id).name
    assert county.post("TG", township) in {row.person_id for row in rows}
    assert {row.channel for row in rows} == {"pages"}
    assert {(row.state, row.error) for row in outbox} == {("parked", "未配置通道")}
    assert len(outbox) == len(rows)


def test_a_card_opens_the_drawn_procedure_where_one_is_in_force(county):
    answer = (
        '<startEvent id="s"><messageEventDefinition id="d" messageRef="C"/></startEvent><userTask id="a"/>'
        '<endEvent id="e"/>'
    )
    enforce(county, item("card", answer, "s -> a\na -> e", declared='<message id="C" name="card"/>'))
    matter = county.ask()
    at(county, "2026-03-18T12:00")
    with county.engine.database.read() as connection:
        opened = connection.execute(select(process_instance).where(process_instance.c.item_id == "card")).one()
        row = connection.execute(select(card)).one()
    assert (row.level, row.matter_id, opened.business_key) == ("yellow", opened.id, matter.receipt)
    data = data_of(county, opened.id)
    assert (data["matter"], data["level"], data["task"]) == (matter.receipt, "yellow", row.task_id)


def test_whoever_answers_a_card_sees_what_it_was_given_for(county):
    county.engine.repository.deploy(PROCESSES / "S03_card")
    matter = county.ask()
    at(county, "2026-03-18T12:00")
    secretary = county.post("PS")
    (asked,) = county.engine.tasks.inbox(by=secretary).later
    page = county.engine.tasks.open(asked.id, by=secretary)
    for about in (asked.about, page.card.about):
        assert (about.level, about.step, about.item_name) == ("yellow", "登记核对", "用印")
        assert (about.receipt, about.subject) == (matter.receipt, "土地承包情况证明")
    assert page.sees_matters and page.next_step == "核定亮牌"
    assert asked.subject == f"黄牌：〈登记核对〉，回执号 {matter.receipt}"
    of_matter = county.engine.history.trace(matter.receipt, by=secretary)
    given = [(card.level, card.state, card.answered_in) for card in of_matter.cards]
    assert given == [("yellow", "open", asked.receipt)] and of_matter.about is None
    assert county.engine.history.trace(asked.receipt, by=secretary).about == asked.about


def test_a_card_stands_in_the_record_of_the_matter(county):
    matter = county.ask()
    at(county, "2026-03-18T12:00")
    newest = county.engine.history.trace(matter.receipt, by=county.post("SB")).timeline[0]
    assert (newest.title, newest.by) == ("〈登记核对〉超期，黄牌", "系统")
    assert county.clock.now() - newest.at == timedelta()


def give(county, matter, **changes):
    """The township's inspection gives a card by hand."""
    said = {"cause": "false_evidence", "step": "登记核对", "level": "red", "matter": matter.receipt, **changes}
    return county.engine.runtime.start(
        "card",
        unit_id=county.people.unit("石桥村"),
        data={key: [value] for key, value in said.items()},
        by=county.post("TD", "云溪镇"),
    )


def test_a_card_left_unanswered_opens_no_procedure_of_its_own(county):
    county.engine.repository.deploy(PROCESSES / "S03_card")
    county.ask()
    for day in range(18, 31):
        at(county, f"2026-03-{day}T09:00")
    answering = select(process_instance.c.subject).where(process_instance.c.item_id == "card")
    with county.engine.database.read() as connection:
        opened = sorted(connection.scalars(answering))
        late = set(connection.execute(select(card.c.step, card.c.level).where(card.c.step == "说明情况")).all())
        read = select(notification.c.person_id).where(notification.c.text.like("红牌：〈说明情况〉%"))
        told_of_it = set(connection.scalars(read))
    # The lateness itself is a card all the same, and whoever is above is told.
    assert {subject.partition("，")[0] for subject in opened} == {"黄牌：〈登记核对〉", "红牌：〈登记核对〉"}
    assert len(opened) == 2
    assert late == {("说明情况", "warn"), ("说明情况", "yellow"), ("说明情况", "red")}
    assert told_of_it == {county.post("PS"), county.post("TG", "云溪镇"), county.post("TD", "云溪镇")}


def test_each_of_two_persons_gets_his_own_card_for_a_step_and_nobody_two_of_a_colour(county):
    county.engine.repository.deploy(PROCESSES / "S03_card")
    matter = county.ask()
    county.register(matter)
    county.approve(matter)
    clerk, director = county.post("CL"), county.post("VD")
    first = give(county, matter, person=clerk)
    give(county, matter, person=director)
    assert sorted(cards(county)) == sorted([("登记核对", "red", clerk), ("登记核对", "red", director)])
    assert [line.level for line in county.engine.history.trace(matter.receipt, by=clerk).cards] == ["red", "red"]
    before = county.contents()
    for person in (clerk, "", county.post("PS")):
        with pytest.raises(Refused) as refused:
            give(county, matter, person=person)
        assert refused.value.code == "card_given" and "〈登记核对〉已经亮过红牌" in refused.value.reason
        assert first.receipt in refused.value.remedy
    assert county.contents() == before
