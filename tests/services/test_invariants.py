"""Whatever people do in whatever order, allowed or not: the rows agree with the diagram and the log stays whole."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from engine import ProcessEngine
from engine.bpmn.workflow import Workflow
from engine.clock import FrozenClock
from engine.errors import EngineError
from engine.services.environment import Environment
from engine.services.permission import Directory
from engine.services.unit_of_work import Transaction
from engine.store.tables import event_log, instance_state, process_instance, subscription, task
from tests.conftest import MONDAY, CountyForTest

PEOPLE = ("CL", "VD", "VDD", "PS", "SK", "SB")
ANSWERS = (
    {"applicant": "张秀英", "kind": "proof", "papers": "complete"},
    {"applicant": "王小满", "kind": "application", "papers": "complete"},
    {"not_on_roll": "true", "kind": "proof", "papers": "supplement", "lack": "照片"},
    {"not_on_roll": "true", "kind": "guarantee", "papers": "complete"},
    {"approve.decision": "agree", "approved_copies": "2"},
    {"approve.decision": "return", "lack": "用途"},
    {"countersign.decision": "agree"},
    {"compare.decision": "agree"},
    {"stamped_copies": "1"},
    {"papers": "nonsense"},
)

WHO = st.sampled_from(PEOPLE)
KINDS = {
    "suit": st.tuples(st.just("suit"), st.just(""), st.none()),
    "complete": st.tuples(st.just("complete"), WHO, st.sampled_from(ANSWERS)),
    "delegate": st.tuples(st.just("delegate"), WHO, WHO),
    "recuse": st.tuples(st.just("recuse"), WHO, st.none()),
    "appoint": st.tuples(st.just("appoint"), st.just("TG"), st.sampled_from(("刘大柱", "杨春梅", "陈守印"))),
    "message": st.tuples(st.just("message"), st.just(""), st.sampled_from(("supplement", "withdraw"))),
    "later": st.tuples(st.just("later"), st.just(""), st.integers(1, 3)),
}
#: what moves a matter on comes more often, so that some reach their end
ACTS = st.sampled_from([*KINDS, *["suit"] * 6, *["complete"] * 3]).flatmap(KINDS.__getitem__)
#: what fits the step that is open, so that matters also reach their ends
FITTING = {
    "Task_register": ANSWERS[0],
    "Task_approve": ANSWERS[4],
    "Task_countersign": ANSWERS[6],
    "Task_compare": ANSWERS[7],
    "Task_stamp": ANSWERS[8],
}


def act(county, matter, kind, who, what):
    """Do something that may be allowed or not; what is not allowed must be refused by an EngineError."""
    tasks, by = county.engine.tasks, county.people.posts.get(("石桥村", who), county.people.posts["云溪镇", "TG"])
    with county.engine.database.read() as connection:
        row = connection.execute(
            select(task).where(task.c.instance_id == matter.matter_id).order_by(task.c.state.desc(), task.c.id)
        ).first()
    if kind in ("complete", "suit"):
        values = what or FITTING[row.element]
        by = row.assignee_id or by if kind == "suit" else by
        data = {key: [county.people.ids.get(value, value)] for key, value in values.items()}
        files = {"scan": [county.photo()]} if "stamped_copies" in values else {}
        tasks.complete(row.id, by=by, data=data, files=files)
    elif kind == "delegate":
        tasks.delegate(row.id, by=by, to=county.post(what), reason="换人")
    elif kind == "appoint":
        tasks.delegate(row.id, by=by, to=county.people.id(what), reason="没人办")
    elif kind == "recuse":
        tasks.recuse(row.id, by=by, reason="回避")
    elif kind == "message":
        county.engine.runtime.correlate(matter.receipt, message=what, code=matter.code)
    else:
        county.later(what)


def check(county, matter):
    engine = county.engine
    with engine.database.read() as connection:
        row = connection.execute(select(process_instance).where(process_instance.c.id == matter.matter_id)).one()
        states = connection.execute(select(instance_state).where(instance_state.c.instance_id == row.id)).all()
        rows = connection.execute(select(task).where(task.c.instance_id == row.id)).all()
        waits = set(connection.scalars(select(subscription.c.id).where(subscription.c.instance_id == row.id)))
        deployed = engine.repository.deployed(row.definition_id)
        transaction = Transaction(connection, county.clock.now())
        environment = Environment(transaction, row, deployed, Directory(connection, row.unit_id, transaction.today))
        (state,) = states
        workflow = Workflow.load(deployed.definition, state.state, environment)
        ends = connection.scalar(
            select(func.count())
            .select_from(event_log)
            .where(event_log.c.instance_id == row.id, event_log.c.kind == "ended")
        )
    is_open = [each for each in rows if each.state == "open"]
    assert Counter(each.id for each in is_open) == Counter(each.id for each in workflow.open_tasks())
    assert waits == {wait.id for wait in workflow.waits() if wait.message}
    assert (row.state == "open") is (not workflow.finished) is (ends == 0)
    assert all(each.unmanned is (each.assignee_id is None) for each in is_open)
    hands: dict[str, set[str]] = {}
    for each in rows:
        if each.state == "completed":
            hands.setdefault(each.element, set()).update(filter(None, (each.completed_by, each.on_behalf_of)))
    for activity in deployed.facts.activities:
        for other in activity.separate:
            assert not hands.get(activity.id, set()) & hands.get(other, set()), (activity.id, other)
    assert engine.history.verify().whole


@settings(
    max_examples=16,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(acts=st.lists(ACTS, min_size=6, max_size=14))
def test_rows_and_diagram_agree_whatever_people_do(county_template, acts):
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for path in county_template.place.glob("county.db*"):
            shutil.copy(path, place / path.name)
        clock = FrozenClock(MONDAY)
        engine = ProcessEngine(f"sqlite:///{place}/county.db", files=place / "files", clock=clock)
        county = CountyForTest(engine, county_template.people, clock, place)
        matter = county.ask()
        for kind, who, what in acts:
            try:
                act(county, matter, kind, who, what)
            except EngineError:
                pass
            check(county, matter)
        engine.close()
