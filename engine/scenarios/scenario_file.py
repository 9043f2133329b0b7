"""``scenarios.json`` of an item, as ``processes/scenarios.schema.json`` wants it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import jsonschema

from engine.errors import InvalidFile, NotFound
from engine.process_engine import PROCESSES

#: what stands before a scenario besides entries of registers: matters
MATTER = "matter"
_SHAPE = PROCESSES / "scenarios.schema.json"
_HOW_TO_WRITE = "请照 processes/README.md 第 7 节改写"


def read_scenarios(folder: Path) -> list[Mapping]:
    """Read ``scenarios.json``; a key that nobody reads would be an expectation nobody checks."""
    path = folder / "scenarios.json"
    if not path.exists():
        raise NotFound("情形", f"{folder.name}/{path.name}")
    try:
        scenarios = json.loads(path.read_text("utf-8"))
        jsonschema.validate(scenarios, json.loads(_SHAPE.read_text("utf-8")))
    except ValueError as error:
        raise InvalidFile(f"{folder.name}/{path.name} 不是 JSON：{error}", _HOW_TO_WRITE) from error
    except jsonschema.ValidationError as error:
        where = "".join(f"[{part}]" for part in error.absolute_path)
        raise InvalidFile(f"{folder.name}/{path.name} {where}：{error.message}", _HOW_TO_WRITE) from error
    return scenarios


def items_before(scenarios: Sequence[Mapping]) -> set[str]:
    """Return the folders of the items that stand before any of these scenarios, and of what stands before those."""
    found: set[str] = set()
    asked = list(scenarios)
    while asked:
        for wanted in asked.pop().get("given", {}).get(MATTER, ()):
            if wanted["item"] not in found:
                found.add(wanted["item"])
                asked += read_scenarios(PROCESSES / wanted["item"])
    return found
