"""催办 and 督办 reach the person: in the own pages, with an outbox row that claims nothing."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from engine.errors import NotAllowed, NotFound
from engine.store.tables import job


def told(county, person_id):
    return [note.text for note in county.engine.history.notifications(by=person_id)]


def outbox(county):
    with county.engine.database.read() as connection:
        rows = connection.execute(select(job).where(job.c.kind == "notify.deliver"))
        return [(row.state, row.error) for row in rows]


def test_whoever_has_the_step_is_told_of_a_reminder(county):
    matter = county.ask()
    county.engine.tasks.remind(matter.matter_id, by=county.post("SB"))
    assert told(county, county.post("CL")) == ["有人催办〈登记核对〉：土地承包情况证明"]
    assert outbox(county) == [("parked", "未配置通道")]
    assert county.engine.jobs.run_due(kinds=("notify.deliver",)) == 0, "what nobody can deliver is not tried"


def test_a_supervisors_opinion_reaches_whoever_has_the_step_with_numbers_masked(county):
    matter = county.ask()
    county.engine.tasks.comment(matter.matter_id, by=county.post("SB"), text="请核对，电话13800001001，今天办完")
    (text,) = told(county, county.post("CL"))
    assert text.startswith("〈登记核对〉有新的意见：请核对") and "13800001001" not in text
    assert told(county, county.post("SB")) == []


def test_who_writes_about_his_own_step_is_not_told_of_it(county):
    matter = county.ask()
    county.engine.tasks.comment(matter.matter_id, by=county.post("CL"), text="已电话通知")
    assert told(county, county.post("CL")) == []


def test_new_messages_are_counted_until_they_are_read(county):
    matter = county.ask()
    clerk = county.post("CL")
    county.engine.tasks.remind(matter.matter_id, by=county.post("SB"))
    assert county.engine.tasks.inbox(by=clerk).unread == 1
    county.engine.history.mark_seen(by=clerk)
    assert county.engine.tasks.inbox(by=clerk).unread == 0


def give_up(county) -> str:
    county.ask()
    with county.engine.database.write() as connection:
        connection.execute(job.update().where(job.c.kind == "picture.clean").values(state="failed", attempts=5))
        return connection.scalar(select(job.c.id).where(job.c.kind == "picture.clean"))


def test_only_the_administrator_sees_and_retries_what_was_given_up(county):
    job_id = give_up(county)
    administrator = next(id for (_, code), id in county.people.posts.items() if code == "SA")
    assert [each.id for each in county.engine.jobs.incidents(by=administrator)] == [job_id]
    for refused in (county.engine.jobs.incidents, lambda by: county.engine.jobs.retry(job_id, by=by)):
        with pytest.raises(NotAllowed):
            refused(by=county.post("SB"))
    county.engine.jobs.retry(job_id, by=administrator)
    assert county.engine.jobs.incidents() == ()
    with pytest.raises(NotFound):
        county.engine.jobs.retry(job_id, by=administrator)
    assert county.engine.history.verify().whole
