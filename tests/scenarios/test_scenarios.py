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
from engine.scenarios import Coverage, FolderRun, called_by, read_scenarios, run_folder

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
    together = called_by([play(folder, played) for folder in FOLDERS])
    assert counts(together.coverage) == in_the_files([*PROCESSES.glob("common/*/*")])
    assert together.coverage.missed == []
    assert together.holds


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_what_there_is_to_take_is_what_stands_in_the_files(folder, played):
    assert counts(play(folder, played).coverage) == in_the_files([*folder.iterdir()])


def counts(coverage: Coverage) -> tuple[set[str], set[str], set[str]]:
    return coverage.flows, {row for _, row in coverage.rows}, {code for _, code in coverage.refusals}


def in_the_files(paths: list[Path]) -> tuple[set[str], set[str], set[str]]:
    """Return ids of flows, ids of rows and refusal codes as any reader of XML and JSON finds them."""
    diagrams, tables, forms = ([p for p in paths if p.suffix == kind] for kind in (".bpmn", ".dmn", ".form"))
    flows = {flow for path in diagrams for flow in etree.parse(path).xpath(FLOW_IDS)}
    rules = [rule for path in tables for rule in etree.parse(path).iter(f"{DMN}rule")]
    fields = [field for path in forms for field in json.loads(path.read_text("utf-8"))["components"]]
    codes = {value["value"] for field in fields if field["key"] == "refusal.code" for value in field["values"]}
    for path in tables:
        table = etree.parse(path)
        outputs = [each.get("name") for each in table.iter(f"{DMN}output")]
        for rule in table.iter(f"{DMN}rule") if "code" in outputs else ():
            cell = rule.findall(f"{DMN}outputEntry")[outputs.index("code")]
            codes |= set(re.findall(r'"([^"]*)"', "".join(cell.itertext()))) - {""}
    return flows, {rule.get("id") for rule in rules}, codes


def test_a_gap_in_what_items_call_falls_short(played):
    """Without the item in which a plan is changed before the vote, that way in common/ is named; each item holds."""
    ran = [play(folder, played) for folder in FOLDERS]
    without = [each for each in ran if each.folder != "A01_dev_plan"]
    together = called_by(without)
    assert all(each.holds for each in without)
    assert not together.holds
    assert "连线 Flow_decided_notice" not in together.coverage.missed
    assert "连线 Flow_same_plan_changed" in together.coverage.missed


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
