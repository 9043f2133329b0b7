"""The rule page: every rule with what it asks, why, how to mend it and an example, in Chinese and English."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from engine.bpmn.lint import CATALOGUE, RULES
from engine.bpmn.mending import MENDERS
from engine.model import RuleText

#: group → its name in Chinese and English; a group that is missing here shows its own name
_GROUPS = {
    "loading": ("打得开吗", "Loading"),
    "support": ("系统照着办吗", "What is run"),
    "references": ("引用", "References"),
    "flows": ("箭头", "Flows"),
    "events": ("开始、结束和中途的事件", "Events"),
    "gateways": ("网关和条件", "Gateways"),
    "soundness": ("走得完吗", "Soundness"),
    "paths": ("每条路都守规矩吗", "Paths"),
    "naming": ("名称和编号", "Names"),
    "picture": ("画面", "Picture"),
    "layout": ("版面", "Layout"),
    "binding": ("表单、决策表、连接器", "Bindings"),
    "conditions": ("算式和时间", "Expressions"),
    "decisions": ("决策表", "Decision tables"),
    "forms": ("表单", "Forms"),
    "data": ("内容从哪里来", "Data"),
    "limits": ("安全和限度", "Security and limits"),
    "domain": ("权力事项", "The power item"),
}


def rule_texts(language: str = "zh") -> tuple[RuleText, ...]:
    """Return all rules in the order of the catalogue; ``language`` is ``zh`` or ``en``."""
    place = 1 if language == "en" else 0
    order = [module.__name__.rpartition(".")[2] for module in CATALOGUE]
    rules = sorted(RULES.values(), key=lambda rule: order.index(rule.group) if rule.group in order else len(order))
    return tuple(_text(rule.id, place) for rule in rules)


def _text(id: str, place: int) -> RuleText:
    rule, said = RULES[id], _said().get(id, {})
    return RuleText(
        id,
        rule.group,
        _GROUPS.get(rule.group, (rule.group, rule.group))[place],
        rule.severity,
        tuple(name for name in rule.aliases if name != id),
        rule.about if place else said.get("what", ""),
        said.get("why", ("", ""))[place],
        said.get("mend", ("", ""))[place],
        said.get("invalid", ""),
        said.get("valid", ""),
        id in MENDERS,
        rule.is_firm,
    )


@cache
def _said() -> Mapping[str, Mapping]:
    """Return rule id → what the catalogue says of it."""
    said: dict[str, Mapping] = {}
    for file in sorted((files(__package__) / "rules" / "catalogue").iterdir(), key=lambda each: each.name):
        if file.name.endswith(".toml"):
            said.update(tomllib.loads(file.read_text("utf-8")))
    return said
