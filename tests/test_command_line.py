"""The command line: what each command says, and its exit code: 0 holds, 1 falls short, 2 wrong usage."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine import ProcessEngine
from engine.__main__ import main
from engine.process_engine import PROCESSES

ROOT = Path(__file__).resolve().parents[1]
E01 = PROCESSES / "E01_seal_use"
INIT = ("--county", "青禾县", "--administrator", "温知序", "--login", "Admin")
FINDING = set("rule aliases severity file source line element name message hint fixable path".split())
ROW = {"name", "value", "unit", "target"}
COMMANDS = "serve worker init lint tidy outline scaffold deploy scenarios verify bench".split()


def sihua(*arguments: object, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a command as a person does, in a process of its own."""
    command = [sys.executable, "-m", "engine", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, encoding="utf-8", timeout=120)


@pytest.fixture
def data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A folder with a county that was just made."""
    assert main(["init", "--data", str(tmp_path / "var"), *INIT]) == 0
    capsys.readouterr()
    return tmp_path / "var"


@pytest.fixture
def item(tmp_path: Path) -> Path:
    """A copy of an item's folder, to be spoilt."""
    return Path(shutil.copytree(E01, tmp_path / E01.name))


def rows(printed: str) -> list[dict]:
    answer = json.loads(printed)
    assert set(answer) == {"rows"}
    assert all(set(row) >= ROW for row in answer["rows"])
    return answer["rows"]


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """Return the one sentence on standard error; nothing may have been answered."""
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


# --- usage ----------------------------------------------------------------------------------------------------------


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines() if line[:4] == " " * 4 and line[4] != " "] == list(COMMANDS)


@pytest.mark.parametrize(
    "arguments", [(), ("approve",), ("init",), ("verify", "--format", "xml"), ("lint", "--data", "x")]
)
def test_wrong_usage_ends_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(list(arguments))
    assert stopped.value.code == 2
    assert "usage: sihua" in capsys.readouterr().err


@pytest.mark.parametrize(("command", "what"), [("lint", "文件或者文件夹"), ("scenarios", "文件夹")])
def test_an_unknown_folder_is_one_sentence(command, what, capsys):
    assert main([command, "no-such-folder"]) == 2
    assert said(capsys) == f"没有这个{what}：no-such-folder\n"


def test_an_unknown_folder_deploys_nothing(data, capsys):
    assert main(["deploy", "--data", str(data), str(E01), "no-such-folder"]) == 2
    assert said(capsys) == "没有这个文件夹：no-such-folder\n"
    assert main(["deploy", "--data", str(data), str(E01)]) == 0
    assert "第 1 版，已启用" in capsys.readouterr().out


@pytest.mark.parametrize("command", [("verify",), ("deploy",), ("worker", "--once"), ("serve",)])
def test_a_county_that_is_not_there_is_not_made_by_the_way(command, tmp_path, capsys):
    place = tmp_path / "typo"
    assert main([*command, "--data", str(place)]) == 2
    assert "先用 sihua init" in said(capsys)
    assert not place.exists()


def test_a_database_without_a_county_is_not_served(tmp_path, capsys):
    ProcessEngine(f"sqlite:///{tmp_path}/sihua.db", files=tmp_path / "files").close()
    assert main(["serve", "--data", str(tmp_path)]) == 2
    assert "先用 sihua init" in said(capsys)


@pytest.mark.parametrize("url", ["nonsense", "sqlite:////no/such/place/x.db", "oracle7://x/y"])
def test_a_database_that_cannot_be_opened_is_one_sentence(url, tmp_path, capsys):
    assert main(["verify", "--data", str(tmp_path), "--database", url]) == 1
    assert said(capsys).startswith("数据库打不开或者用不了：")


def test_a_file_that_is_no_database_is_one_sentence(tmp_path, capsys):
    (tmp_path / "sihua.db").write_text("these are no tables" * 100, "utf-8")
    assert main(["verify", "--data", str(tmp_path)]) == 1
    assert said(capsys).startswith("数据库打不开或者用不了：")


def test_a_data_folder_that_is_a_file_is_one_sentence(tmp_path, capsys):
    (tmp_path / "var").touch()
    assert main(["init", "--data", str(tmp_path / "var"), *INIT]) == 1
    assert "var" in said(capsys)


# --- a real county --------------------------------------------------------------------------------------------------


def test_a_county_is_made_deployed_worked_and_verified(tmp_path):
    units = tmp_path / "units.txt"
    units.write_text("云溪镇\n云溪镇/石桥村\n\n云溪镇/柳湾村\n", "utf-8")
    made = sihua("init", *INIT, "--units", units, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert "青禾县已建好" in made.stdout and "用户名 Admin" in made.stdout
    deployed = sihua("deploy", cwd=tmp_path)
    assert deployed.returncode == 0, deployed.stderr
    assert "E01 用印：第 1 版，已启用。" in deployed.stdout.splitlines()
    worked = sihua("worker", "--once", cwd=tmp_path)
    assert worked.returncode == 0 and worked.stdout.endswith("办不成的有 0 件。\n")
    verified = sihua("verify", cwd=tmp_path)
    assert verified.returncode == 0
    assert verified.stdout.endswith("完整。\n")
    engine = ProcessEngine(f"sqlite:///{tmp_path}/var/sihua.db", files=tmp_path / "var" / "files")
    assert [unit.name for unit in engine.identity.units(level="village")] == ["石桥村", "柳湾村"]
    engine.close()


def test_the_password_link_lets_the_first_administrator_in(tmp_path, capsys):
    assert main(["init", "--data", str(tmp_path), *INIT, "--format", "json"]) == 0
    (row,) = rows(capsys.readouterr().out)
    assert row["name"] == "password_link"
    engine = ProcessEngine(f"sqlite:///{tmp_path}/sihua.db", files=tmp_path / "files")
    actor = engine.identity.set_password(row["value"].removeprefix("/welcome/"), "correct horse battery")
    assert (actor.name, [post.lane for post in actor.posts]) == ("温知序", ["系统管理员"])
    engine.close()


def test_a_second_county_in_one_database_is_refused(data, capsys):
    assert main(["init", "--data", str(data), *INIT]) == 2
    assert "已经有一个县" in said(capsys)


def test_a_missing_list_of_units_makes_nothing(tmp_path, capsys):
    assert main(["init", "--data", str(tmp_path / "var"), *INIT, "--units", str(tmp_path / "none.txt")]) == 2
    assert "none.txt" in said(capsys)
    assert not (tmp_path / "var").exists()


def test_deploying_twice_changes_nothing(data, capsys):
    main(["deploy", "--data", str(data), "--format", "json"])
    first = rows(capsys.readouterr().out)
    assert main(["deploy", "--data", str(data), "--format", "json"]) == 0
    second = rows(capsys.readouterr().out)
    assert {"E01 用印", "S01 决议登记"} <= {row["name"] for row in first}
    assert {(row["value"], row["changed"]) for row in first} == {(1, True)}
    assert [row["name"] for row in second] == [row["name"] for row in first]
    assert {(row["value"], row["changed"]) for row in second} == {(1, False)}


def test_a_changed_package_is_the_next_version(data, item, capsys):
    main(["deploy", "--data", str(data), str(E01)])
    form = item / "seal_stamp.form"
    form.write_text((E01 / "seal_stamp.form").read_text("utf-8") + "\n", "utf-8")
    capsys.readouterr()
    assert main(["deploy", "--data", str(data), str(item)]) == 0
    assert capsys.readouterr().out == "E01 用印：第 2 版，已启用。\n"


def test_a_package_with_an_error_is_not_deployed(data, item, capsys):
    (item / "seal_use.bpmn").write_text("no diagram", "utf-8")
    assert main(["deploy", "--data", str(data), str(item), "--format", "json"]) == 1
    (row,) = rows(capsys.readouterr().out)
    assert (row["value"], row["changed"]) == (None, False)
    assert [found["rule"] for found in row["findings"]] == ["not-xml"]
    assert main(["deploy", "--data", str(data), str(item)]) == 1
    assert "E01_seal_use：没有启用" in capsys.readouterr().out


# --- lint -----------------------------------------------------------------------------------------------------------


def test_what_comes_with_the_product_has_no_errors(capsys):
    assert main(["lint", "--format", "json"]) == 0
    assert [found for found in json.loads(capsys.readouterr().out) if found["severity"] == "error"] == []


def test_a_folder_of_items_is_checked_item_by_item(item, capsys):
    assert main(["lint", str(item.parent)]) == main(["lint", str(item)]) == 0
    whole, alone = capsys.readouterr().out.strip().rsplit("处说明。\n", 1)
    assert whole + "处说明。" == alone


def test_findings_say_where_what_and_how_to_mend(item, capsys):
    diagram = item / "seal_use.bpmn"
    text = diagram.read_text("utf-8")
    diagram.write_text(
        text.replace(
            '<bpmn:userTask id="Task_stamp"', '<bpmn:scriptTask id="Task_x" name="算"/>\n<bpmn:userTask id="Task_stamp"'
        ),
        "utf-8",
    )
    assert main(["lint", str(item), "--format", "json"]) == 1
    findings = json.loads(capsys.readouterr().out)
    assert all(set(found) == FINDING for found in findings)
    (script,) = [found for found in findings if found["rule"] == "script-forbidden"]
    line = next(number for number, line in enumerate(text.splitlines(), 1) if 'id="Task_stamp"' in line)
    assert (script["severity"], script["file"], script["line"]) == ("error", "seal_use.bpmn", line)
    assert (script["element"], script["name"]) == ("Task_x", "算")
    assert script["message"] and script["hint"]
    assert main(["lint", str(item)]) == 1
    printed = capsys.readouterr().out
    assert f"E01_seal_use/seal_use.bpmn:{line}: error script-forbidden " in printed
    assert re.search("[1-9] 处错误，[0-9]+ 处提醒，[0-9]+ 处说明", printed.splitlines()[-1])


def test_a_diagram_with_another_ending_is_checked_and_never_passed_over(item, capsys):
    other = item.parent / "seal_use.bpmn20.xml"
    other.write_bytes((item / "seal_use.bpmn").read_bytes())
    assert main(["lint", str(other), "--format", "json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert {each["file"] for each in found} == {other.name}
    assert any(each["rule"] == "not-bpmn" for each in found)
    (item / "seal_use.bpmn").rename(item / "seal_use.txt")
    assert main(["lint", str(item / "seal_use.txt")]) == 1


def test_a_finding_names_a_file_that_a_tool_can_open(item, capsys, monkeypatch):
    diagram = item / "seal_use.bpmn"
    diagram.write_text(diagram.read_text("utf-8").replace(' isExecutable="true"', ""), "utf-8")
    monkeypatch.chdir(item.parent)
    for place in (item, diagram):
        assert main(["lint", str(place), "--format", "json"]) == 1
        (found,) = [each for each in json.loads(capsys.readouterr().out) if each["rule"] == "process-not-executable"]
        assert found["source"] == f"{item.name}/seal_use.bpmn" and Path(found["source"]).is_file()
        assert found["fixable"]


def test_findings_are_shown_beside_the_lines_of_a_pull_request(item, capsys, monkeypatch):
    diagram = item / "seal_use.bpmn"
    diagram.write_text(diagram.read_text("utf-8").replace(' isExecutable="true"', ""), "utf-8")
    monkeypatch.chdir(item.parent)
    assert main(["lint", item.name, "--format", "github"]) == 1
    lines = capsys.readouterr().out.splitlines()
    (line,) = [line for line in lines if "process-not-executable" in line]
    assert re.fullmatch(rf"::error file={item.name}/seal_use\.bpmn,line=\d+,title=process-not-executable::.+。", line)
    assert all(re.match("::(error|warning|notice) ", line) for line in lines)


def test_what_needs_no_judgement_is_mended_and_nothing_else(item, capsys):
    diagram = item / "seal_use.bpmn"
    good, others = (
        diagram.read_bytes(),
        {path: path.read_bytes() for path in item.iterdir() if path.name != "seal_use.bpmn"},
    )
    diagram.write_bytes(good.replace(b' isExecutable="true"', b""))
    assert main(["lint", str(item), "--fix"]) == 0
    assert "seal_use.bpmn：已自动改好能改的地方。" in capsys.readouterr().out
    # The attribute now stands first; every other byte is as it was.
    assert diagram.read_bytes().replace(b' isExecutable="true"', b"") == good.replace(b' isExecutable="true"', b"")
    mended = diagram.read_bytes()
    assert main(["lint", str(item), "--fix"]) == 0
    assert "已自动改好" not in capsys.readouterr().out
    assert diagram.read_bytes() == mended
    assert {path: path.read_bytes() for path in others} == others


def test_levels_are_read_from_the_nearest_settings(item, capsys):
    def severities(*more: str) -> dict[str, str]:
        main(["lint", str(item), "--format", "json", *more])
        return {found["rule"]: found["severity"] for found in json.loads(capsys.readouterr().out)}

    assert severities()["fake-join"] == "info"
    (item.parent / ".bpmnlintrc").write_text('{"extends": "bpmnlint:recommended"}', "utf-8")
    assert severities()["fake-join"] == "warning"
    (item / ".bpmnlintrc").write_text('{"extends": "../.bpmnlintrc", "rules": {"bpmnlint/fake-join": 0}}', "utf-8")
    assert "fake-join" not in severities()
    (item / "own.json").write_text('{"rules": {"fake-join": ["error", {}], "no-such": "loud"}}', "utf-8")
    found = severities("--config", str(item / "own.json"))
    assert (found["fake-join"], found["config-invalid"]) == ("error", "warning")
    (item / "own.json").write_text("[]", "utf-8")
    assert main(["lint", str(item), "--config", str(item / "own.json")]) == 1
    assert "own.json" in said(capsys)


def test_rules_are_told(capsys):
    assert main(["lint", "--rules"]) == 0
    chinese = capsys.readouterr().out
    assert main(["lint", "--rules", "--language", "en", "--format", "json"]) == 0
    rules = json.loads(capsys.readouterr().out)
    assert len(rules) > 100 and all(f"\n## {rule['id']}" in chinese for rule in rules)
    assert all(rule["what"] and rule["why"] and rule["mend"] for rule in rules)


def test_a_form_alone_is_checked(item, capsys):
    (item / "seal_stamp.form").write_text("{", "utf-8")
    assert main(["lint", str(item / "seal_stamp.form"), "--format", "json"]) == 1
    assert [found["rule"] for found in json.loads(capsys.readouterr().out)] == ["form-invalid"]


HOSTILE = {
    "not XML": ("seal_use.bpmn", b"no diagram", "not-xml"),
    "empty": ("seal_use.bpmn", b"", "not-xml"),
    "random bytes": ("seal_use.bpmn", bytes(range(256)) * 8, "not-xml"),
    "DOCTYPE": ("seal_use.bpmn", b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>', "xml-doctype-forbidden"),
    "a table that is no table": ("seal_approval.dmn", b"<x/>", None),
    "a form that is no JSON": ("seal_stamp.form", b"{", "form-invalid"),
    "a form that is a list": ("seal_stamp.form", b"[[[]]]", "form-invalid"),
    "a form that is deep": ("seal_stamp.form", b"[" * 100_000, "form-invalid"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_a_finding(name, item, capsys):
    file, content, rule = HOSTILE[name]
    (item / file).write_bytes(content)
    assert main(["lint", str(item), "--format", "json"]) == 1
    errors = [found for found in json.loads(capsys.readouterr().out) if found["severity"] == "error"]
    assert file in {found["file"] for found in errors} or rule is None
    assert errors and (rule is None or rule in {found["rule"] for found in errors})


def test_a_hostile_folder_is_a_finding_in_a_process_of_its_own(tmp_path):
    place = tmp_path / "E09_bad"
    place.mkdir()
    (place / "bad.bpmn").write_bytes(b'<?xml version="1.0"?><!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>')
    done = sihua("lint", place, "--format", "json")
    assert done.returncode == 1
    assert done.stderr == ""
    assert [found["rule"] for found in json.loads(done.stdout)] == ["xml-doctype-forbidden"]


def test_a_folder_without_diagram_hides_nothing_about_the_others(item, tmp_path, capsys):
    (tmp_path / "E09_none").mkdir()
    assert main(["lint", str(tmp_path / "E09_none"), str(item), "--format", "json"]) == 1
    captured = capsys.readouterr()
    assert captured.err == "没有找到流程图：E09_none\n"
    assert {each["file"] for each in json.loads(captured.out)}


def test_a_folder_without_diagram_is_one_sentence(tmp_path, capsys):
    (tmp_path / "E09_none").mkdir()
    assert main(["lint", str(tmp_path / "E09_none")]) == 1
    assert said(capsys) == "没有找到流程图：E09_none\n"


# --- scenarios ------------------------------------------------------------------------------------------------------


@pytest.fixture
def short_item(tmp_path: Path) -> Path:
    """A copy of the smaller item, without its last scenario."""
    folder = Path(shutil.copytree(PROCESSES / "S01_resolution_entry", tmp_path / "S01_resolution_entry"))
    scenarios = json.loads((folder / "scenarios.json").read_text("utf-8"))
    (folder / "scenarios.json").write_text(json.dumps(scenarios[:1]), "utf-8")
    return folder


def test_scenarios_are_a_row_a_folder(capsys):
    folder = PROCESSES / "S01_resolution_entry"
    assert main(["scenarios", str(folder), "--format", "json"]) == 0
    (row,) = rows(capsys.readouterr().out)
    assert row["name"] == folder.name
    assert row["flows"] == row["taken"] > 0
    assert row["value"] == row["target"] >= row["flows"]
    assert (row["missed"], row["failed"], row["holds"]) == ([], [], True)


def test_what_no_scenario_takes_is_named(short_item, capsys):
    assert main(["scenarios", str(short_item), "--format", "json"]) == 1
    (row,) = rows(capsys.readouterr().out)
    assert row["taken"] < row["flows"]
    assert row["target"] - row["value"] == len(row["missed"]) > 0
    assert row["failed"] == []
    assert main(["scenarios", str(short_item)]) == 1
    printed = capsys.readouterr().out
    assert all(f"没有情形走到 {missed}" in printed for missed in row["missed"])


def test_planted_faults_that_no_scenario_notices_are_named(short_item, capsys):
    assert main(["scenarios", "--mutants", str(short_item), "--format", "json"]) == 1
    (row,) = rows(capsys.readouterr().out)
    assert (row["name"], row["holds"]) == (short_item.name, False)
    assert row["value"] > len(row["survivors"]) > 0
    assert "separate removed: Task_countersign" in row["survivors"]


def test_a_scenario_that_comes_out_otherwise_is_named(short_item, capsys):
    path = short_item / "scenarios.json"
    scenarios = json.loads(path.read_text("utf-8"))
    scenarios[0]["expect"]["state"] = "withdrawn"
    path.write_text(json.dumps(scenarios), "utf-8")
    assert main(["scenarios", str(short_item), "--format", "json"]) == 1
    (row,) = rows(capsys.readouterr().out)
    assert [failed["name"] for failed in row["failed"]] == [scenarios[0]["name"]]
    assert "state 应是 withdrawn" in row["failed"][0]["problem"]


def test_scenarios_of_a_package_with_errors_take_nothing(item, capsys):
    (item / "seal_use.bpmn").write_text("no diagram", "utf-8")
    assert main(["scenarios", str(item), "--format", "json"]) == 1
    (row,) = rows(capsys.readouterr().out)
    assert (row["flows"], row["taken"], row["holds"]) == (0, 0, False)
    assert [failed["name"] for failed in row["failed"]] == ["not-xml"]


@pytest.mark.parametrize("content", ["{", "{}", "[]", '[{"name": "x"}]', '[{"name": "x", "star": {}}]'])
def test_scenarios_written_wrongly_are_one_sentence(content, short_item, capsys):
    (short_item / "scenarios.json").write_text(content, "utf-8")
    assert main(["scenarios", str(short_item)]) == 1
    assert "scenarios.json" in said(capsys)


def test_a_folder_without_scenarios_is_one_sentence(item, capsys):
    (item / "scenarios.json").unlink()
    assert main(["scenarios", str(item)]) == 1
    assert said(capsys) == "没有找到情形：E01_seal_use/scenarios.json\n"


# --- verify ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def recorded(data: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A county with a few entries in its log, and the heads published of them."""
    main(["deploy", "--data", str(data)])
    assert main(["verify", "--data", str(data), "--write-heads", str(data / "heads.json")]) == 0
    capsys.readouterr()
    return data


def tamper(data: Path, *statements: str) -> None:
    """Change the log behind the engine's back, as somebody who has the file can."""
    connection = sqlite3.connect(data / "sihua.db")
    triggers = connection.execute("select name from sqlite_master where type = 'trigger'").fetchall()
    assert triggers
    for (name,) in triggers:
        connection.execute(f"drop trigger {name}")
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def test_the_log_refuses_to_be_changed(recorded):
    connection = sqlite3.connect(recorded / "sihua.db")
    for statement in ("update event_log set kind = 'approved'", "delete from event_log"):
        with pytest.raises(sqlite3.DatabaseError):
            connection.execute(statement)
    connection.close()


def test_a_whole_log_verifies_against_published_heads(recorded, capsys):
    arguments = ["verify", "--data", str(recorded), "--against", str(recorded / "heads.json"), "--format", "json"]
    assert main(arguments) == 0
    found = {row["name"]: row for row in rows(capsys.readouterr().out)}
    assert found["chains"]["value"] == 1
    assert found["entries"]["value"] >= 3
    assert (found["broken"]["value"], found["broken"]["target"], found["broken"]["places"]) == (0, 0, [])


def test_a_tampered_entry_is_named(recorded, capsys):
    tamper(recorded, "update event_log set kind = 'approved' where number = 2")
    assert main(["verify", "--data", str(recorded), "--format", "json"]) == 1
    broken = rows(capsys.readouterr().out)[-1]
    assert broken["value"] == 1
    assert [(place["unit"], place["number"]) for place in broken["places"]] == [("青禾县", 2)]
    assert main(["verify", "--data", str(recorded)]) == 1
    assert "青禾县 第 2 号：" in capsys.readouterr().out


def test_a_cut_tail_shows_against_published_heads_only(recorded, capsys):
    last = json.loads((recorded / "heads.json").read_text("utf-8"))
    ((unit, head),) = last.items()
    tamper(
        recorded,
        f"delete from event_log where number = {head['number']}",
        f"update chain_head set number = {head['number'] - 1}, "
        f"hash = (select hash from event_log where number = {head['number'] - 1})",
    )
    assert main(["verify", "--data", str(recorded)]) == 0
    assert main(["verify", "--data", str(recorded), "--against", str(recorded / "heads.json")]) == 1
    assert f"第 {head['number']} 号：末尾少了记录" in capsys.readouterr().out


def test_a_dropped_chain_shows_against_published_heads(recorded, capsys):
    tamper(recorded, "delete from event_log", "delete from chain_head")
    assert main(["verify", "--data", str(recorded), "--against", str(recorded / "heads.json")]) == 1
    assert "整条记录链不见了" in capsys.readouterr().out


@pytest.mark.parametrize("content", [None, "[", "[]", '{"u": 1}', '{"u": {"number": 1, "hash": "xyz"}}', '{"u": {}}'])
def test_heads_that_are_none_are_one_sentence(content, recorded, capsys):
    heads = recorded / "other.json"
    if content is not None:
        heads.write_text(content, "utf-8")
    assert main(["verify", "--data", str(recorded), "--against", str(heads)]) == 2
    assert "other.json" in said(capsys)


# --- worker ---------------------------------------------------------------------------------------------------------


def test_the_worker_does_what_is_due(county, capsys):
    matter = county.ask()
    county.register(matter)
    place = ["--data", str(county.place), "--database", county.url]
    assert main(["worker", "--once", *place, "--format", "json"]) == 0
    done, failed = rows(capsys.readouterr().out)
    assert done["value"] >= 2
    assert (failed["value"], failed["target"]) == (0, 0)
    assert main(["worker", "--once", *place]) == 0
    assert capsys.readouterr().out == "办了 0 件，办不成的有 0 件。\n"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM to catch")
def test_the_worker_stops_when_told_to(data):
    command = [sys.executable, "-m", "engine", "worker", "--data", str(data)]
    assert not (data / "sihua.db-wal").exists()
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, encoding="utf-8") as worker:
        # The write-ahead log is there as long as somebody has the database open.
        deadline = time.monotonic() + 60
        while not (data / "sihua.db-wal").exists():
            assert worker.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        worker.terminate()
        out, _ = worker.communicate(timeout=30)
    assert (worker.returncode, out) == (0, "办了 0 件，办不成的有 0 件。\n")
