"""Every item does what its scenarios say, they take all of it, and they notice when something is drawn wrongly."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from lxml import etree

from engine.errors import InvalidFile
from engine.process_engine import PROCESSES
from engine.scenarios import Coverage, FolderRun, read_scenarios, run_folder

FOLDERS = sorted(path.parent for path in PROCESSES.glob("*/scenarios.json"))
E01 = PROCESSES / "E01_seal_use"
FLOW_IDS = "//*[local-name()='sequenceFlow']/@id"
DMN = "{https://www.omg.org/spec/DMN/20191111/MODEL/}"


@pytest.fixture(scope="module")
def played() -> dict[str, FolderRun]:
    return {}


def play(folder: Path, played: dict[str, FolderRun]) -> FolderRun:
    if folder.name not in played:
        played[folder.name] = run_folder(folder, PROCESSES)
    return played[folder.name]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_an_item_does_what_its_scenarios_say_and_they_take_all_of_it(folder, played):
    ran = play(folder, played)
    assert [f"{run.name}: {run.problem}" for run in ran.runs if run.problem] == []
    assert ran.coverage.missed == []
    assert ran.coverage.total >= len(ran.coverage.flows) > 0
    assert ran.holds


def test_what_items_call_is_taken_by_all_of_them_together(played):
    called = Coverage(set(), set(), set())
    for folder in FOLDERS:
        called = called.with_taken(play(folder, played).coverage.called)
    drawn = {flow for path in PROCESSES.glob("common/*/*.bpmn") for flow in etree.parse(path).xpath(FLOW_IDS)}
    assert called.flows == drawn
    assert called.missed == []


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


def test_an_act_that_should_be_refused_and_is_not_falls_short(tmp_path):
    folder = Path(shutil.copytree(E01, tmp_path / E01.name))
    first = json.loads((folder / "scenarios.json").read_text("utf-8"))[0]
    first["steps"][0]["refused"] = "这个人不能接这一步"
    (folder / "scenarios.json").write_text(json.dumps([first]), "utf-8")
    (run,) = run_folder(folder, PROCESSES).runs
    assert "应当不让办（这个人不能接这一步），却办成了" in run.problem


def test_a_limit_other_than_expected_falls_short(tmp_path):
    folder = Path(shutil.copytree(E01, tmp_path / E01.name))
    first = json.loads((folder / "scenarios.json").read_text("utf-8"))[0]
    first["expect"]["limits"] = {"Task_register": "77 wd"}
    (folder / "scenarios.json").write_text(json.dumps([first]), "utf-8")
    (run,) = run_folder(folder, PROCESSES).runs
    assert "期限应是 {'Task_register': '77 wd'}" in run.problem


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
