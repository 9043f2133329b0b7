"""A diagram as text and back: what reviews read, and how a new diagram begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.bpmn.outline import outline
from engine.bpmn.scaffold import OutlineError, scaffold
from tests.bpmn.pictures import OUTLINE, drawn
from tests.bpmn.random_outlines import random_outline

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = sorted((ROOT / "processes").rglob("*.bpmn"))
SEAL_USE = (ROOT / "processes" / "E01_seal_use" / "seal_use.bpmn").read_bytes()


def without_facts(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.strip().startswith("·")]


@pytest.mark.parametrize("path", CATALOGUE, ids=lambda path: path.stem)
def test_an_outline_makes_the_same_diagram_again(path):
    text = outline(path.read_bytes())
    made, skipped = scaffold(text)
    assert without_facts(outline(made)) == without_facts(text)
    assert skipped == len(text.splitlines()) - len(without_facts(text)) > 0
    assert scaffold(outline(made))[0] == made


@pytest.mark.parametrize("seed", range(5))
def test_a_random_outline_comes_back_as_it_was(seed):
    made, _ = scaffold(random_outline(seed))
    assert without_facts(outline(made)) == random_outline(seed).splitlines()


def test_a_picture_changes_no_line_of_the_outline():
    assert outline(drawn()) == outline(scaffold(OUTLINE)[0])


def test_an_inserted_step_changes_three_lines():
    before = OUTLINE.splitlines()
    after = OUTLINE.replace("    → Task_stamp: 同意", "    → Task_compare: 同意").splitlines()
    at = after.index("  user Task_stamp 盖章留痕")
    after[at:at] = ["  user Task_compare 核对批件", "    → Task_stamp"]
    told = without_facts(outline(scaffold("\n".join(after))[0]))
    old = without_facts(outline(scaffold("\n".join(before))[0]))
    assert len([line for line in told if line not in old]) == 3 and len(told) == len(old) + 2


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('param="seal.register_limit"', 'param="seal.approve_limit"'),
        ("登记核对", "登记并核对"),
        ('publish="Po"', 'publish="P"'),
        ("看身份证", "看户口簿"),
        ('camunda:formKey="seal_register.form"', 'camunda:formKey="other.form"'),
        ("withdraw", "withdrew"),
    ],
)
def test_no_change_of_the_process_is_out_of_sight(old, new):
    text = SEAL_USE.decode()
    assert old in text
    assert outline(text.replace(old, new).encode()) != outline(SEAL_USE)


def test_a_file_that_cannot_be_read_comes_as_it_is():
    assert outline("没有图".encode()) == "# 这不是 XML 文件，打不开。\n没有图"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("", 1, "process"),
        ("process p\nnobody Task_a 办", 2, "不认识“nobody”"),
        ("process p\nuser:earthquake Task_a 办", 2, "不认识事件“earthquake”"),
        ("process p\n→ Task_b", 2, "那一步下面"),
        ("process p\nuser Task_a 办\n  → Task_b", 3, "没有 Task_b"),
        ("process p\nuser Task_a 办\nuser Task_a 办", 3, "用了两次"),
        ("process p\nuser", 2, "没有编号"),
        ("process p\nboundary:timer Boundary_a 逾期", 2, "@Task_register"),
        ("process p\nboundary:timer Boundary_a @Task_b 逾期", 2, "没有 Task_b"),
        ("process p\nuser Task_a 办\nlane Lane_a 村文书\n  end End_b 完", 2, "不在任何泳道"),
    ],
)
def test_an_outline_that_is_wrong_says_where(text, line, said):
    with pytest.raises(OutlineError) as caught:
        scaffold(text)
    assert (caught.value.line, said in caught.value.message) == (line, True)


def test_arrows_may_be_typed_and_flows_named():
    made, _ = scaffold("process p\nstart Start_a 起\n  -> End_b (Flow_1): 好\n  → End_b\nend End_b 完")
    text = outline(made)
    assert "  → End_b (Flow_1): 好\n  → End_b\n" in text
