"""Every item does what its scenarios say, they take all of it, and they notice when something is drawn wrongly."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from lxml import etree

from engine import ProcessEngine
from engine.clock import FrozenClock
from engine.demo.people import People, load_people
from engine.errors import InvalidFile, InvalidProcess
from engine.process_engine import PROCESSES
from engine.scenarios import MONDAY, Stage, read_scenarios, run_folder
from tests.scenarios.mutants import DMN, mutants_of

FOLDERS = sorted(path.parent for path in PROCESSES.glob("*/scenarios.json"))
E01 = PROCESSES / "E01_seal_use"
MUTANTS = {mutant.id: mutant for mutant in mutants_of(E01)}
#: one of each kind, for every run; all of them with --full
REPRESENTATIVE = (
    "flow dropped: Flow_countersign_compare",
    "flow redirected: Flow_withdraw_approve_withdrawn_late to End_withdrawn",
    "answers exchanged: Flow_same_stamp and Flow_same_refusal",
    "role swapped: Task_countersign to Lane_director",
    "condition negated: Flow_countersign_compare",
    "separate removed: Task_approve",
    "separate removed: Task_countersign from Task_approve",
    "returns loosened: one more",
    "row removed: Rule_no_resolution",
    "rows swapped: Rule_small_contract_one_signer and Rule_small_contract",
    "cell negated: Rule_blank true",
    "option removed: seal_register kind loan",
)
#: faults that change nothing that can happen, and why
EQUIVALENT = {
    "rows swapped: Rule_by_table and Rule_by_person": (
        "both rows can match only if a person's refusal is still there when the table refuses; "
        "after a person's refusal the matter has ended, and a return leaves refusal.code null"
    ),
}


@dataclass(frozen=True)
class EmptyCounty:
    """A database with people and no items, to be copied."""

    database: Path
    people: People


@pytest.fixture(scope="module")
def empty_county(tmp_path_factory: pytest.TempPathFactory) -> EmptyCounty:
    place = tmp_path_factory.mktemp("empty")
    clock = FrozenClock(MONDAY)
    engine = ProcessEngine(f"sqlite:///{place}/county.db", files=place / "files", clock=clock)
    engine.county.load_lists()
    people = load_people(engine, clock)
    engine.close()
    return EmptyCounty(place / "county.db", people)


def first_fault(folder: Path, county: EmptyCounty, place: Path) -> str:
    """Return the first thing that makes :func:`run_folder` fall short, "" when it holds; the rest is not played."""
    shutil.copyfile(county.database, place / "county.db")
    clock = FrozenClock(MONDAY)
    engine = ProcessEngine(f"sqlite:///{place}/county.db", files=place / "files", clock=clock)
    try:
        stage = Stage(engine, clock, county.people, folder)
        for scenario in json.loads((folder / "scenarios.json").read_text("utf-8")):
            if problem := stage.play(scenario):
                return f"{scenario['name']}: {problem}"
        return "; ".join(stage.coverage.missed)
    except InvalidProcess as refused:
        return "; ".join(f"{found.rule} {found.element}" for found in refused.findings if found.severity == "error")
    finally:
        engine.close()


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_an_item_does_what_its_scenarios_say_and_they_take_all_of_it(folder):
    ran = run_folder(folder, PROCESSES)
    assert [f"{run.name}: {run.problem}" for run in ran.runs if run.problem] == []
    assert ran.coverage.missed == []
    assert ran.coverage.total >= len(ran.coverage.flows) > 0
    assert ran.holds


def test_every_item_folder_has_scenarios():
    assert [path.name for path in FOLDERS] == sorted(path.parent.name for path in PROCESSES.glob("[A-Z]*_*/*.bpmn"))


@pytest.mark.parametrize(
    ("where", "value", "problem"),
    [
        ((0, "steps", 0, "refuse"), "您办过", "additionalProperties"),
        ((0, "expect", "entires"), {"seal_use": 1}, "additionalProperties"),
        ((0, "steps", 0, "do"), "approve", "enum"),
        ((0, "start"), "石桥村", "type"),
    ],
)
def test_a_key_that_nobody_reads_is_refused(where, value, problem, tmp_path):
    folder = Path(shutil.copytree(E01, tmp_path / E01.name))
    scenarios = json.loads((folder / "scenarios.json").read_text("utf-8"))
    place = scenarios
    for part in where[:-1]:
        place = place[part]
    place[where[-1]] = value
    (folder / "scenarios.json").write_text(json.dumps(scenarios), "utf-8")
    with pytest.raises(InvalidFile) as refused:
        read_scenarios(folder)
    assert refused.value.__cause__.validator == problem


def test_an_act_that_should_be_refused_and_is_not_falls_short(empty_county, tmp_path):
    folder = Path(shutil.copytree(E01, tmp_path / E01.name))
    first = json.loads((folder / "scenarios.json").read_text("utf-8"))[0]
    first["steps"][0]["refused"] = "这个人不能接这一步"
    (folder / "scenarios.json").write_text(json.dumps([first]), "utf-8")
    assert "应当不让办（这个人不能接这一步），却办成了" in first_fault(folder, empty_county, tmp_path)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_scenario_names_are_different_sentences(folder):
    names = [each["name"] for each in json.loads((folder / "scenarios.json").read_text("utf-8"))]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("table", sorted(PROCESSES.glob("*/*.dmn")), ids=lambda path: path.stem)
def test_a_row_that_people_are_told_of_is_the_row_it_says(table):
    for number, rule in enumerate(etree.parse(table).iter(f"{DMN}rule"), 1):
        for cell in rule.iterchildren(f"{DMN}outputEntry"):
            for told in re.findall(r"第 (\d+) 行", "".join(cell.itertext())):
                assert int(told) == number, rule.get("id")


def test_a_scenario_that_nothing_takes_is_missed(tmp_path):
    folder = Path(shutil.copytree(E01, tmp_path / E01.name))
    kept = [
        each
        for each in json.loads((folder / "scenarios.json").read_text("utf-8"))
        if "content_changed" not in json.dumps(each)
    ]
    (folder / "scenarios.json").write_text(json.dumps(kept[:3] + kept[-2:], ensure_ascii=False), "utf-8")
    ran = run_folder(folder, PROCESSES)
    assert "seal_compare.form 的不予原因 content_changed" in ran.coverage.missed
    assert [run.problem for run in ran.runs if run.problem] == []
    assert not ran.holds


@pytest.mark.parametrize("id", REPRESENTATIVE)
def test_a_planted_fault_is_noticed(id, empty_county, tmp_path):
    assert first_fault(MUTANTS[id].copy(E01, tmp_path), empty_county, tmp_path)


@pytest.mark.full
def test_no_planted_fault_goes_unnoticed(empty_county, tmp_path):
    assert len(MUTANTS) > 200
    survivors = []
    for number, (id, mutant) in enumerate(MUTANTS.items()):
        place = tmp_path / str(number)
        place.mkdir()
        if not first_fault(mutant.copy(E01, place), empty_county, place):
            survivors.append(id)
        shutil.rmtree(place)
    assert survivors == list(EQUIVALENT)
