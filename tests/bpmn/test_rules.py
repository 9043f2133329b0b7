"""Every rule: its page is complete, its examples are what it says they are, bpmnlint's own fixtures agree."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from engine.bpmn.lint import RULES, lint
from engine.bpmn.lint_levels import Levels
from engine.bpmn.package import read_files
from engine.bpmn.rule_page import rule_texts
from tests.bpmn.rule_examples import package_of
from tests.bpmn.test_lint import CORPORA, WORLD, check_shape

TEXTS = {text.id: text for text in rule_texts("zh")}
ENGLISH = {text.id: text for text in rule_texts("en")}
#: rules whose example would be too long for a page, or is no file at all; test_lint.py and the tests below break them
WITHOUT_EXAMPLE = {
    "size-limit": "two megabytes",
    "nesting-limit": "a hundred levels",
    "soundness-inconclusive": "eight thousand markings",
    "step-limit": "three thousand steps",
    "engine-refuses": "whatever the other rules did not find",
    "engine-fails": "whatever even that did not find",
    "decision-inconclusive": "twenty thousand combinations",
    "facts-not-lost": "needs the version before",
    "config-invalid": "stands in .bpmnlintrc",
}
BPMNLINT = CORPORA / "bpmnlint"
#: fixtures of bpmnlint on which we differ, with the reason
EXCEPTIONS = {
    "standard-size/valid-config.bpmn": "is only valid under the sizes that bpmnlint's own test sets for it",
}


@pytest.mark.parametrize("id", RULES)
def test_the_page_tells_what_why_and_how_to_mend_in_both_languages(id):
    for texts, wanted in ((TEXTS, "[\u4e00-\u9fff].*。$"), (ENGLISH, r"^[A-Z`\"].*\.$")):
        text = texts[id]
        for said in (text.what, text.why, text.mend):
            assert re.search(wanted, said, re.DOTALL), (id, said)
        assert text.group_title != text.group
    assert len({TEXTS[id].what, TEXTS[id].why, TEXTS[id].mend}) == 3


def said_of(example: str) -> list:
    package, scenarios = package_of(example)
    return lint(package, replace(WORLD, scenarios=scenarios))


@pytest.mark.parametrize("id", [id for id in RULES if id not in WITHOUT_EXAMPLE])
def test_the_examples_are_what_the_page_says(id):
    text = TEXTS[id]
    assert text.invalid and text.valid, f"{id} needs two examples in engine/bpmn/rules/catalogue/{text.group}.toml"
    wrong, right = said_of(text.invalid), said_of(text.valid)
    check_shape(wrong)
    assert id in {finding.rule for finding in wrong}
    assert id not in {finding.rule for finding in right}


def test_only_rules_that_cannot_have_an_example_have_none():
    assert {text.id for text in TEXTS.values() if not text.invalid} <= WITHOUT_EXAMPLE.keys()


def test_an_item_of_thousands_of_steps_is_refused():
    steps = [f'<userTask id="Task_{number}" name="办" />' for number in range(3_001)]
    called = f'<process id="inner" name="里" isExecutable="true">{"".join(steps[1_900:])}</process>'
    item = f"{''.join(steps[:1_900])}\n--- common/inner/inner.bpmn\n{called}"
    (finding,) = [found for found in said_of(item) if found.rule == "step-limit"]
    assert "3,001" in finding.message


def test_a_setting_that_silences_an_error_is_found_and_not_obeyed():
    package, _ = package_of(TEXTS["script-forbidden"].invalid)
    levels = Levels(
        {"script-forbidden": "off", "end-event-required": "warning"}, Path(".bpmnlintrc"), ("no-such: warn",)
    )
    found = lint(package, replace(WORLD, levels=levels))
    assert [each.file for each in found if each.rule == "config-invalid"] == [".bpmnlintrc"] * 3
    severities = {each.rule: each.severity for each in found}
    assert (severities["script-forbidden"], severities["end-event-missing"]) == ("error", "error")


def test_aliases_are_no_other_rule_that_means_something_else():
    shared = ("no-implicit-end", "no-disconnected", "link-event", "no-overlapping-elements")
    for rule in RULES.values():
        for alias in rule.aliases:
            assert alias not in RULES or alias == rule.id or alias in shared, (rule.id, alias)


@pytest.mark.skipif(not BPMNLINT.is_dir(), reason="no public diagrams beside the repository")
def test_the_fixtures_of_bpmnlint_are_judged_as_bpmnlint_judges_them():
    wrong, judged = [], 0
    for path in sorted(BPMNLINT.rglob("*.bpmn")):
        name, rule = f"{path.parent.name}/{path.name}", path.parent.name
        found = lint(read_files("trial", "", {"trial.bpmn": path.read_bytes()}), WORLD)
        is_found = any(rule in (each.rule, *each.aliases) for each in found)
        is_invalid = path.name.startswith(("invalid", "missing"))
        judged += 1
        if (is_found is not is_invalid) is not (name in EXCEPTIONS):
            wrong.append(name)
    assert wrong == []
    assert judged > 150
