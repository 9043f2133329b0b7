"""This release opens a county of every earlier one and brings each of its open matters to an end."""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Row, func, make_url, select

from engine import ProcessEngine, Upload
from engine.clock import FrozenClock
from engine.demo.story import sample_picture
from engine.store.tables import (
    appointment,
    attachment,
    draft,
    event_log,
    job,
    org_unit,
    process_instance,
    register_entry,
    subscription,
    task,
)
from tests.upgrade.keep import MOST_BYTES, RELEASES, unpack

KEPT = sorted(RELEASES.glob("*.tar.xz"))
#: what brings a step of an earlier release on; steps of different items have different fields
ANSWERS = {
    "papers": ["complete"],
    "kind": ["proof"],
    "not_on_roll": ["true"],
    "approve.decision": ["agree"],
    "approved_copies": ["1"],
    "countersign.decision": ["agree"],
    "compare.decision": ["agree"],
    "stamped_copies": ["1"],
}
#: what this test brings to its end; a deliberation needs meetings and weeks, tests/walker.py leads through them
FINISHED = ("seal_use", "resolution_entry")
#: more acts than any matter of a kept county needs
MOST_ACTS = 200
IN_HAND = select(process_instance.c.id).where(process_instance.c.item_id.in_(FINISHED))


class Finisher:
    """Does what is open, as whoever may do it."""

    def __init__(self, engine: ProcessEngine) -> None:
        self.engine = engine

    def finish_all(self) -> None:
        for _ in range(MOST_ACTS):
            step = self._open_task() or self._waiting()
            if step is None:
                return
            self._complete(step) if "assignee_id" in step._fields else self._supplement(step)
        raise AssertionError("matters go round in circles")

    def _complete(self, row: Row) -> None:
        by = row.assignee_id or self._somebody(row)
        view = self.engine.tasks.open(row.id, by=by)
        fields = view.form.fields if view.form else ()
        data = {field.key: self._answer(view, field) for field in fields if field.type != "filepicker"}
        wanted = [field.key for field in fields if field.type == "filepicker"]
        files = {key: [Upload("photo.png", io.BytesIO(sample_picture()))] for key in wanted}
        self.engine.tasks.complete(row.id, by=by, data=data, files=files)

    def _answer(self, view, field) -> list[str]:
        applicant = "applicant" == field.key and view.values.get("applicant")
        return [applicant] if applicant else ANSWERS.get(field.key, [])

    def _somebody(self, row: Row) -> str:
        """Return who may take it; where nobody may, the township names somebody."""
        if not row.unmanned:
            return self._post(row.role, row.unit_id)
        parent = self._rows(select(org_unit.c.parent_id).where(org_unit.c.id == row.unit_id))[0].parent_id
        township = self._post("TG", parent)
        view = self.engine.tasks.open(row.id, by=township)
        chosen = view.delegates[0].value
        self.engine.tasks.delegate(row.id, by=township, to=chosen, reason="没人能办，指定专人")
        return chosen

    def _supplement(self, row: Row) -> None:
        matter = self._rows(select(process_instance).where(process_instance.c.id == row.instance_id))[0]
        by = self._post("CL", matter.unit_id)
        self.engine.runtime.correlate(matter.receipt, message="supplement", by=by, note="补齐了")

    def _post(self, role: str, unit_id: str) -> str:
        wanted = select(appointment.c.person_id).where(
            appointment.c.role == role, appointment.c.unit_id == unit_id, appointment.c.ended_on.is_(None)
        )
        return self._rows(wanted)[0].person_id

    def _open_task(self) -> Row | None:
        wanted = select(task).where(task.c.state == "open", task.c.instance_id.in_(IN_HAND)).order_by(task.c.id)
        return next(iter(self._rows(wanted)), None)

    def _waiting(self) -> Row | None:
        held = select(subscription.c.instance_id).where(
            subscription.c.message == "supplement", subscription.c.instance_id.in_(IN_HAND)
        )
        return next(iter(self._rows(held)), None)

    def _rows(self, statement) -> list[Row]:
        with self.engine.database.read() as connection:
            return connection.execute(statement).all()


def count(engine: ProcessEngine, table, **where: object) -> int:
    with engine.database.read() as connection:
        conditions = [table.c[key] == value for key, value in where.items()]
        return connection.scalar(select(func.count()).select_from(table).where(*conditions))


def contents(engine: ProcessEngine, *tables) -> Mapping[str, set[tuple]]:
    with engine.database.read() as connection:
        return {each.name: set(connection.execute(select(each.c["unit_id"], each.c.number)).all()) for each in tables}


@pytest.fixture(params=KEPT, ids=lambda path: path.name.removesuffix(".tar.xz"))
def kept_county(request, databases, postgres, tmp_path: Path):
    """A county of an earlier release, opened by this one two hours after its last entry."""
    unpack(request.param, tmp_path)
    if (tmp_path / "county.sql").exists():
        url = databases.empty("postgresql")
        with postgres.server().connect(make_url(url).database) as connection:
            connection.execute((tmp_path / "county.sql").read_text("utf-8"))
    else:
        url = f"sqlite:///{tmp_path / 'county.db'}"
    engine = ProcessEngine(url, files=tmp_path / "files")
    with engine.database.read() as connection:
        last = connection.scalar(select(func.max(event_log.c.at)))
    engine.close()
    engine = ProcessEngine(url, files=tmp_path / "files", clock=FrozenClock(last + timedelta(hours=2)))
    yield engine
    engine.close()


def test_there_is_a_county_of_an_earlier_release_for_each_database_and_none_is_large():
    assert {"-postgresql" in path.name for path in KEPT} == {True, False}
    assert all(path.stat().st_size <= MOST_BYTES for path in KEPT)


def test_every_open_matter_of_an_earlier_release_comes_to_its_end(kept_county):
    opened, evidence = count(kept_county, process_instance, state="open"), contents(kept_county, event_log)
    assert opened > 3 and count(kept_county, draft) == 1
    heads = kept_county.history.verify()
    assert heads.whole, heads.broken
    entries = count(kept_county, register_entry)

    Finisher(kept_county).finish_all()

    with kept_county.database.read() as connection:
        for table in (task, subscription):
            left = select(table).where(table.c.instance_id.in_(IN_HAND))
            assert connection.execute(left.where(task.c.state == "open") if table is task else left).all() == []
        others = select(process_instance.c.item_id).where(process_instance.c.state == "open")
        assert not set(connection.scalars(others)) & set(FINISHED)
    assert count(kept_county, draft) == 0
    assert count(kept_county, register_entry) > entries
    assert contents(kept_county, event_log)["event_log"] > evidence["event_log"]
    assert kept_county.history.verify(heads.heads).whole


def test_jobs_of_an_earlier_release_are_done(kept_county):
    while kept_county.jobs.run_due():
        pass
    assert count(kept_county, job, state="done") > 0 == count(kept_county, job, state="failed")
    with kept_county.database.read() as connection:
        late = job.c.state == "open", job.c.due_at <= kept_county.clock.now()
        assert connection.scalars(select(job.c.id).where(*late)).all() == []
    assert count(kept_county, attachment) == count(kept_county, attachment, state="ready") > 0


def test_matters_of_an_earlier_release_can_be_read(kept_county):
    with kept_county.database.read() as connection:
        rows = connection.execute(select(process_instance.c.receipt, process_instance.c.unit_id)).all()
        watchers = dict(
            connection.execute(
                select(appointment.c.unit_id, appointment.c.person_id).where(appointment.c.role == "CL")
            ).all()
        )
    for receipt, unit_id in rows:
        trace = kept_county.history.trace(receipt, by=watchers[unit_id])
        assert trace.whole and trace.answer
