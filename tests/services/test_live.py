"""Workflows kept between steps: taken out while in use, never met by another past, the same as loaded ones."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from sqlalchemy import make_url, select

from engine.bpmn.workflow import Workflow
from engine.errors import InvalidForm
from engine.services.live import LiveMatters
from engine.store.tables import instance_state


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note every workflow that is read from its state."""
    seen: list[str] = []
    load = Workflow.load.__func__

    def noted(cls, definition, blob, environment):
        seen.append(definition.facts.id)
        return load(cls, definition, blob, environment)

    monkeypatch.setattr(Workflow, "load", classmethod(noted))
    return seen


def live(county) -> LiveMatters:
    return county.engine.live


def test_the_second_step_needs_no_load(county, loads):
    matter = county.ask()
    county.register(matter)
    assert loads == ["seal_use"]
    county.approve(matter)
    assert loads == ["seal_use"]


def test_a_matter_ends_the_same_with_and_without_kept_workflows(county, loads):
    ends = []
    for keep in (True, False):
        matter = county.ask()
        for step in (county.register, county.approve):
            if not keep:
                live(county).clear()
            step(matter)
        trace = county.engine.history.trace(matter.receipt, by=county.post("CL"))
        ends.append([(stop.step, stop.who) for stop in trace.stops])
    assert ends[0] == ends[1]
    assert len(loads) == 3


def test_a_step_that_fails_leaves_nothing_behind(county, loads):
    matter = county.ask()
    with pytest.raises(InvalidForm):
        county.complete(matter, county.post("CL"), {"kind": "proof"})
    assert live(county)._kept == {}
    county.register(matter)
    assert len(loads) == 2


@pytest.mark.only_on("sqlite")
def test_a_restored_backup_never_meets_a_workflow_of_the_same_revision(county, tmp_path):
    matter = county.ask()
    backup = tmp_path / "backup.db"
    with closing(sqlite3.connect(make_url(county.url).database)) as source, closing(sqlite3.connect(backup)) as target:
        source.backup(target)
    # Two pasts of the same length: asked to add papers, then put back, then registered.
    county.register(matter, papers="supplement", lack="身份证复印件")
    assert (revision := _revision(county, matter)) == 2
    county.engine.database.replace_by(backup)
    county.register(matter)
    assert _revision(county, matter) == revision
    county.approve(matter)
    assert county.engine.history.verify().whole


def _revision(county, matter) -> int:
    with county.engine.database.read() as connection:
        return connection.scalar(
            select(instance_state.c.revision).where(instance_state.c.instance_id == matter.matter_id)
        )


class _Workflow:
    def __init__(self, whole: bool = True, finished: bool = False) -> None:
        self.whole, self.finished = whole, finished

    def leave(self) -> bool:
        return self.whole


def test_one_owner_at_a_time():
    kept = LiveMatters()
    workflow = _Workflow()
    kept.put("m", "t", workflow)
    assert kept.take("m", "t") is workflow
    assert kept.take("m", "t") is None


def test_another_token_finds_nothing_and_drops_what_is_outdated():
    kept = LiveMatters()
    kept.put("m", "old", _Workflow())
    assert kept.take("m", "new") is None
    assert kept.take("m", "old") is None


@pytest.mark.parametrize("workflow", [_Workflow(whole=False), _Workflow(finished=True)])
def test_what_moved_on_or_ended_is_not_kept(workflow):
    kept = LiveMatters()
    kept.put("m", "t", workflow)
    assert kept.take("m", "t") is None


def test_the_one_used_longest_ago_goes_first():
    kept = LiveMatters(size=2)
    for matter in "abc":
        kept.put(matter, "t", _Workflow())
    assert [kept.take(matter, "t") is not None for matter in "abc"] == [False, True, True]
