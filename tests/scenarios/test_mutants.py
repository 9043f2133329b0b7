"""Scenarios notice when something is drawn, decided or asked wrongly: every item's, and all of what can be wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from lxml import etree

from engine.bpmn.mutants import mutants_of
from engine.bpmn.package import read_folder
from engine.errors import InvalidFile
from engine.process_engine import PROCESSES
from engine.scenarios.mutation import EQUIVALENT, Judge, explained, home, mutate

ITEMS = sorted(path.parent for path in PROCESSES.glob("*/scenarios.json"))
S01 = PROCESSES / "S01_resolution_entry"
#: one fault of each kind, for every run; all of them with --full
REPRESENTATIVE = {
    "E01_seal_use": (
        "flow dropped: Flow_countersign_compare",
        "flow redirected: Flow_withdraw_approve_withdrawn_late to End_withdrawn",
        "answers exchanged: Flow_same_stamp and Flow_same_refusal",
        "role swapped: Task_countersign to Lane_director",
        "condition negated: Flow_countersign_compare",
        "separate removed: Task_approve",
        "separate removed: Task_countersign from Task_approve",
        "returns loosened: one more in seal_use.bpmn",
        "row removed: Rule_no_resolution",
        "rows swapped: Rule_small_contract_one_signer and Rule_small_contract",
        "cell negated: Rule_blank true",
        "option removed: seal_register kind loan",
        "limit changed: Task_countersign",
        'bound shifted: Rule_small_contract <= param("seal.contract_max")',
    ),
    "S02_suggestion_collection": ("date moved: Wait_close",),
}


@pytest.fixture
def judge(tmp_path):
    def of(folder: Path) -> Judge:
        place = tmp_path / "judge"
        place.mkdir()
        return Judge(folder, PROCESSES, place)

    return of


@pytest.mark.parametrize("item", REPRESENTATIVE)
def test_a_planted_fault_is_noticed(item, judge):
    asked = judge(PROCESSES / item)
    planted = {mutant.id: mutant for mutant in mutants_of(asked.package)}
    assert [id for id in REPRESENTATIVE[item] if not asked.notices(planted[id])] == []


def test_a_fault_that_scenarios_do_not_notice_is_named(tmp_path):
    folder = Path(shutil.copytree(S01, tmp_path / S01.name))
    scenarios = json.loads((folder / "scenarios.json").read_text("utf-8"))
    unseparated = [each for each in scenarios if all("refused" not in step for step in each["steps"])]
    assert len(unseparated) < len(scenarios)
    (folder / "scenarios.json").write_text(json.dumps(unseparated), "utf-8")
    (folder / EQUIVALENT).write_text(json.dumps({"no such fault": "nobody planted it"}), "utf-8")
    (ran,) = mutate([folder], PROCESSES, called=False)
    assert ran.survivors == ("separate removed: Task_countersign",)
    assert ran.stale == ("no such fault",)
    assert not ran.holds


def test_scenarios_that_do_not_hold_judge_nothing(tmp_path):
    folder = Path(shutil.copytree(S01, tmp_path / S01.name))
    scenarios = json.loads((folder / "scenarios.json").read_text("utf-8"))
    scenarios[0]["expect"]["state"] = "withdrawn"
    (folder / "scenarios.json").write_text(json.dumps(scenarios), "utf-8")
    with pytest.raises(InvalidFile, match="state 应是 withdrawn"):
        list(mutate([folder], PROCESSES, called=False))


def test_a_changed_limit_says_what_a_modeler_can_say():
    described = json.loads((PROCESSES / "power.moddle.json").read_text("utf-8"))
    (limit,) = [each for each in described["types"] if each["name"] == "TimeLimit"]
    package = read_folder(PROCESSES / "E01_seal_use")
    changed = [each.plant(package) for each in mutants_of(package) if each.kind == "limit changed"]
    assert changed
    for each in changed:
        facts = etree.fromstring(each.files[each.main]).iter("{*}timeLimit")
        assert {name for fact in facts for name in fact.keys()} <= {each["name"] for each in limit["properties"]}


@pytest.mark.parametrize("item", ITEMS, ids=lambda folder: folder.name)
def test_every_fault_is_planted_and_differs_from_the_item(item):
    package = read_folder(item)
    planted = list(mutants_of(package))
    assert {each.kind for each in planted} >= {"flow dropped", "flow redirected", "limit changed"}
    assert len({(each.file, each.id) for each in planted}) == len(planted)
    for each in planted:
        changed = each.plant(package)
        assert {name for name in package.files if changed.files[name] != package.files[name]} == {each.file}, each.id


def test_only_faults_there_are_can_be_explained():
    planted = {}
    for item in ITEMS:
        for each in mutants_of(read_folder(item)):
            planted.setdefault(home(each, item.name), set()).add(each.id)
    for path in PROCESSES.rglob(EQUIVALENT):
        reasons = explained(path.parent)
        assert set(reasons) <= planted[path.parent.relative_to(PROCESSES).as_posix()]
        assert all(len(reason) > 20 for reason in reasons.values())


@pytest.mark.full
def test_no_planted_fault_goes_unnoticed():
    runs = list(mutate(ITEMS, PROCESSES, called=True))
    assert sum(each.planted for each in runs) > 900
    assert [(each.folder, each.survivors, each.stale) for each in runs if not each.holds] == []
