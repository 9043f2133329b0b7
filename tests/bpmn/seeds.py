"""Packages to start from: our own items, each called process by itself, and public diagrams where they are at hand."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.bpmn.lint import World
from engine.bpmn.package import Package, read_files
from engine.connectors import REQUIRED_INPUTS

ROOT = Path(__file__).resolve().parents[2]
PROCESSES = ROOT / "processes"
#: public diagrams beside the repository, no part of it
CORPORA = Path(os.environ.get("SIHUA_TEST_CORPORA", ROOT.parent / "shared" / "corpora"))


@dataclass(frozen=True)
class Role:
    code: str
    incompatible: tuple[str, ...] = ()


def county() -> World:
    """Return roles, parameters and registers as they are shipped."""
    roles = json.loads((PROCESSES / "roles.json").read_text(encoding="utf-8"))
    parameters = json.loads((PROCESSES / "parameters.json").read_text(encoding="utf-8"))
    registers = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in PROCESSES.glob("registers/*.json")}
    return World(
        roles={role["lane"]: Role(role["code"], tuple(role["incompatible"])) for role in roles},
        parameters={parameter["key"]: parameter["value"] for parameter in parameters},
        registers=registers,
        topics=REQUIRED_INPUTS,
    )


def own_packages() -> Iterator[Package]:
    """Return every folder of ``processes/`` that holds a diagram, without what it calls."""
    for diagram in sorted(PROCESSES.rglob("*.bpmn")):
        folder = diagram.parent
        code = folder.name.partition("_")[0] if folder.name[:1].isupper() else ""
        files = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}
        yield read_files(diagram.stem, code, files)


def public_diagrams() -> Iterator[tuple[str, bytes]]:
    """Return name and content of every public diagram; nothing where there are none."""
    for path in sorted(CORPORA.rglob("*")) if CORPORA.is_dir() else ():
        if path.suffix in (".bpmn", ".xml"):
            yield path.relative_to(CORPORA).as_posix(), path.read_bytes()
