"""The commands about pictures: what they write, say and answer, and that they never leave half a file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine import tidying
from engine.__main__ import FALLS_SHORT, HOLDS, USAGE, main
from engine.bpmn.outline import outline
from tests.bpmn.pictures import OUTLINE, drawn, moved, quality_of, spoilt

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A diagram in which one step was pulled away from its flows."""
    file = tmp_path / "item" / "trial.bpmn"
    file.parent.mkdir()
    file.write_bytes(
        spoilt(drawn(), lambda graph, picture: picture.boxes.update(Task_stamp=moved(picture.boxes["Task_stamp"], 30)))
    )
    return file


def test_tidy_writes_what_changes_and_says_what_it_is_worth(file, capsys):
    before = quality_of(file.read_bytes()).score
    file.chmod(0o640)
    assert main(["tidy", str(file.parent)]) == HOLDS
    assert file.read_bytes() == drawn()
    assert file.stat().st_mode & 0o777 == 0o640
    said = capsys.readouterr().out
    assert f"{before:.1f} → {quality_of(drawn()).score:.1f} 分" in said and "已整理" in said
    assert [path.name for path in file.parent.iterdir()] == ["trial.bpmn"]


def test_tidy_leaves_alone_what_does_not_change(file, capsys):
    file.write_bytes(drawn())
    os.utime(file, (1, 1))
    assert main(["tidy", str(file)]) == HOLDS
    assert file.stat().st_mtime == 1
    assert "不用改" in capsys.readouterr().out


def test_check_writes_nothing_and_fails(file, capsys):
    data = file.read_bytes()
    assert main(["tidy", "--check", str(file)]) == FALLS_SHORT
    assert file.read_bytes() == data
    assert "要整理" in capsys.readouterr().out
    file.write_bytes(drawn())
    assert main(["tidy", "--check", str(file)]) == HOLDS


def test_check_fails_where_a_gate_is_failed_though_nothing_would_change(tmp_path, capsys):
    lines = ["process p 试", "lane Lane_a 村文书", "  start Task_0 起", "    → Task_1"]
    for number in range(1, 30):
        lines += [f"  user Task_{number} 登记", f"    → Task_{number + 1}"]
    file = tmp_path / "wide.bpmn"
    file.write_bytes(drawn("\n".join([*lines, "  end Task_30 完"])))
    assert main(["tidy", "--check", str(file)]) == FALLS_SHORT
    said = capsys.readouterr().out
    assert "不用改" in said and "layout-too-wide" in said and f"{file}:" in said
    assert main(["tidy", "--check", "--sheet", "A1", str(file)]) == HOLDS
    assert "layout-too-wide" not in capsys.readouterr().out


def test_rows_tell_the_same_to_programs(file, capsys):
    assert main(["tidy", "--check", "--format", "json", str(file)]) == FALLS_SHORT
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert (row["name"], row["unit"], row["target"]) == (str(file), "points", 80)
    assert (row["changed"], row["refused"], row["holds"], row["findings"]) == (True, False, True, [])
    assert row["value"] == row["pictures"][0]["score"] > row["before"][0]


def test_what_cannot_be_laid_out_is_a_finding_and_the_others_are_done(file, capsys):
    broken = file.with_name("broken.bpmn")
    broken.write_text("没有图", "utf-8")
    assert main(["tidy", str(file.parent)]) == FALLS_SHORT
    said = capsys.readouterr().out
    assert "整理不了" in said and f"{broken}:1: error not-xml" in said
    assert file.read_bytes() == drawn() and broken.read_text("utf-8") == "没有图"


WRONG = (["tidy", "nowhere"], ["tidy", "--search"], ["outline", "nowhere"], ["scaffold", "nowhere", "new.bpmn"])


@pytest.mark.parametrize("arguments", WRONG)
def test_wrong_usage_is_said_in_a_sentence(arguments, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == USAGE
    assert "。" in (said := capsys.readouterr().err) or "：" in said


def test_a_file_is_whole_when_the_disk_is_full(file, monkeypatch):
    data = file.read_bytes()

    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tidying.os, "fsync", full)
    assert main(["tidy", str(file)]) == FALLS_SHORT
    assert file.read_bytes() == data
    assert [path.name for path in file.parent.iterdir()] == ["trial.bpmn"]


def test_outline_prints_the_file_as_text(file, capsys):
    assert main(["outline", str(file)]) == HOLDS
    assert capsys.readouterr().out == outline(drawn())


def test_scaffold_makes_a_file_once(tmp_path, capsys):
    text, made = tmp_path / "outline.txt", tmp_path / "made.bpmn"
    text.write_text(f"{OUTLINE}\n  · documentation: 完\n", "utf-8")
    assert main(["scaffold", str(text), str(made)]) == HOLDS
    assert made.read_bytes() == drawn()
    assert "1 行要素" in capsys.readouterr().out
    made.write_text("mine", "utf-8")
    assert main(["scaffold", str(text), str(made)]) == USAGE
    assert made.read_text("utf-8") == "mine"


@pytest.mark.parametrize(
    ("outline", "said"), [("process p 试", "没有开始事件"), ("nonsense", "第 1 行"), ("process p\nuser", "第 2 行")]
)
def test_an_outline_that_makes_no_diagram_makes_no_file(tmp_path, capsys, outline, said):
    text = tmp_path / "outline.txt"
    text.write_text(outline, "utf-8")
    assert main(["scaffold", str(text), str(tmp_path / "made.bpmn")]) == FALLS_SHORT
    captured = capsys.readouterr()
    assert said in captured.out + captured.err
    assert not (tmp_path / "made.bpmn").exists()


def test_git_shows_the_lines_that_matter(tmp_path):
    def git(*arguments: str) -> str:
        command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    git("init", "-q")
    (tmp_path / ".gitattributes").write_text((ROOT / ".gitattributes").read_text("utf-8"), "utf-8")
    textconv = f"env PYTHONPATH='{ROOT}' '{sys.executable}' -m engine outline"
    git("config", "diff.bpmn.textconv", textconv)
    (tmp_path / "a.bpmn").write_bytes(drawn())
    git("add", "-A")
    git("commit", "-qm", "first")
    inserted = OUTLINE.replace("→ Task_stamp: 同意", "→ Task_compare: 同意").replace(
        "  user Task_stamp", "  user Task_compare 核对批件\n    → Task_stamp\n  user Task_stamp"
    )
    (tmp_path / "a.bpmn").write_bytes(drawn(inserted))
    lines = [line for line in git("diff").splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    assert lines == [
        "-    → Task_stamp: 同意",
        "+    → Task_compare: 同意",
        "+  user Task_compare 核对批件",
        "+    → Task_stamp",
    ]
