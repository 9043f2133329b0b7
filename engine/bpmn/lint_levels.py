"""How loudly each rule speaks: ``.bpmnlintrc``, in bpmnlint's own form."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from engine.errors import EngineError

if TYPE_CHECKING:
    from engine.bpmn.rules import Rule

Level = Literal["off", "info", "warning", "error"]

NAME = ".bpmnlintrc"
#: how many files may extend each other
_MAX_DEPTH = 10
_ORDER: tuple[Level, ...] = ("off", "info", "warning", "error")
_LEVELS: dict[object, Level] = {
    "off": "off",
    "info": "info",
    "warn": "warning",
    "warning": "warning",
    "error": "error",
    0: "off",
    1: "warning",
    2: "error",
    3: "info",
}
#: bpmnlint 11.15, ``bpmnlint:recommended``: what is no warning is an error; ``bpmnlint:all`` has errors only
_BPMNLINT_WARNINGS = frozenset(
    "fake-join global no-inclusive-gateway no-overlapping-elements superfluous-gateway superfluous-label "
    "superfluous-termination".split()
)
_BPMNLINT_ERRORS = frozenset(
    "ad-hoc-sub-process conditional-flows end-event-required event-based-gateway event-sub-process-typed-start-event "
    "label-required link-event no-bpmndi no-complex-gateway no-disconnected no-duplicate-sequence-flows "
    "no-gateway-join-fork no-implicit-split no-implicit-end no-implicit-start single-blank-start-event "
    "single-event-definition start-event-required sub-process-blank-start-event".split()
)
_BPMNLINT_MORE = frozenset(("conditional-event", "standard-size"))
_SETS: dict[str, dict[str, Level]] = {
    "bpmnlint:recommended": {
        **dict.fromkeys(_BPMNLINT_WARNINGS, "warning"),
        **dict.fromkeys(_BPMNLINT_ERRORS, "error"),
    },
    "bpmnlint:all": dict.fromkeys(_BPMNLINT_WARNINGS | _BPMNLINT_ERRORS | _BPMNLINT_MORE, "error"),
    "sihua:recommended": {},
}


class ConfigRefused(EngineError):
    """The file is no setting of levels; ``message`` is a Chinese sentence."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(f"{path}：{message}")
        self.message = message


@dataclass(frozen=True)
class Levels:
    """Rule name, ours or bpmnlint's → level; a rule that is not named keeps its own."""

    said: Mapping[str, Level] = field(default_factory=dict)
    #: the file they stand in, None when there is none
    path: Path | None = None
    #: what the file says and cannot be done: names of rules and levels that do not exist
    unknown: tuple[str, ...] = ()

    @classmethod
    def find(cls, start: Path) -> Levels:
        """Read the nearest ``.bpmnlintrc`` from a file or folder upwards; none leaves all rules as they are."""
        for folder in (start, *start.resolve().parents):
            if (folder / NAME).is_file():
                return cls.read(folder / NAME)
        return cls()

    @classmethod
    def read(cls, path: Path) -> Levels:
        """Read a file and all that it extends; raises ConfigRefused."""
        unknown: list[str] = []
        return cls(dict(_read(path, unknown, _MAX_DEPTH)), path, tuple(unknown))

    def of(self, rule: Rule) -> Level:
        """Return the level of a rule; one that says a matter would run wrongly is never lowered."""
        asked = self._asked(rule)
        return rule.severity if asked is None or (rule.is_firm and asked != "error") else asked

    def _asked(self, rule: Rule) -> Level | None:
        if rule.id in self.said:
            return self.said[rule.id]
        asked = [self.said[name] for name in rule.aliases if name in self.said] if self.said else []
        return max(asked, key=_ORDER.index, default=None)


def _read(path: Path, unknown: list[str], depth: int) -> Iterator[tuple[str, Level]]:
    try:
        said = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        raise ConfigRefused(path, "读不出来，要写成 bpmnlint 的 JSON 格式") from None
    if not isinstance(said, dict) or not isinstance(said.get("rules", {}), dict):
        raise ConfigRefused(path, '要写成 {"extends": …, "rules": {规则: 级别}}')
    extended = said.get("extends", [])
    for name in [extended] if isinstance(extended, str) else extended if isinstance(extended, list) else []:
        if name in _SETS:
            yield from _SETS[name].items()
        elif isinstance(name, str) and name.startswith((".", "/")) and depth:
            yield from _read(path.parent / name, unknown, depth - 1)
        else:
            unknown.append(str(name))
    for name, asked in said.get("rules", {}).items():
        # A level may come with settings of the rule: ["warn", {…}].
        level = _LEVELS.get(asked[0] if isinstance(asked, list) and asked else asked if _is_plain(asked) else None)
        if level is None:
            unknown.append(f"{name}: {asked}")
        else:
            yield name.rpartition("/")[2], level


def _is_plain(value: object) -> bool:
    return isinstance(value, (str, int)) and not isinstance(value, bool)
