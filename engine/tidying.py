"""Lay out BPMN files of folders, and make new ones of outlines: what ``sihua tidy`` and ``sihua scaffold`` do."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.bpmn.layout.quality import LEAST, SHEETS, Quality
from engine.bpmn.scaffold import scaffold
from engine.bpmn.tidy import LayoutRefused, Mode, tidy
from engine.model import Finding

__all__ = ["LEAST", "PENALTIES", "SHEETS", "Outcome", "diagrams_in", "make", "tidied"]

#: cause → how people call it
PENALTIES: Mapping[str, str] = {
    "hard": "互相遮挡",
    "slanted": "斜线",
    "labels": "文字被压",
    "backward": "往左走",
    "crossings": "交叉",
    "bends": "拐弯",
    "most-bends": "有一条拐弯太多",
    "happy-path": "正常路径不直",
    "print": "字小",
    "empty": "空白多",
    "length": "连线长",
}


@dataclass(frozen=True)
class Outcome:
    """What became of one file."""

    path: Path
    before: tuple[Quality | None, ...]
    after: tuple[Quality, ...]
    findings: tuple[Finding, ...]
    #: the bytes were, or with ``check`` would be, changed
    changed: bool
    #: it was laid out at all
    refused: bool = False

    @property
    def passes(self) -> bool:
        return not self.refused and all(quality.passes for quality in self.after)

    @property
    def score(self) -> float | None:
        """The score of the worst picture."""
        return min((quality.score for quality in self.after), default=None)


def diagrams_in(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the files named and those in the folders named."""
    for path in paths:
        yield from sorted(path.rglob("*.bpmn")) if path.is_dir() else [path]


def tidied(path: Path, mode: Mode = "sketch", sheet: str = "A3", *, check: bool = False) -> Outcome:
    """Lay out one file; written only if something changes, and never with ``check``."""
    data = path.read_bytes()
    try:
        result = tidy(data, path.name, mode, sheet)
    except LayoutRefused as refused:
        return Outcome(path, (), (), refused.findings, changed=False, refused=True)
    changed = result.data != data
    if changed and not check:
        _replace(path, result.data)
    return Outcome(path, result.before, result.after, result.findings, changed)


def make(text: str, path: Path, sheet: str = "A3") -> tuple[Outcome, int]:
    """Write a new file of an outline and lay it out; return also how many lines of facts were left aside.

    :raises FileExistsError: nothing is ever overwritten
    :raises OutlineError: the outline cannot be read
    :raises LayoutRefused: what it describes cannot be laid out
    """
    data, skipped = scaffold(text)
    result = tidy(data, path.name, "fresh", sheet)
    with path.open("xb") as file:
        file.write(result.data)
    return Outcome(path, (), result.after, result.findings, changed=True), skipped


def _replace(path: Path, data: bytes) -> None:
    """Write beside the file, then take its place: whoever reads it meanwhile gets the old or the new one whole."""
    path = path.resolve()
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        shutil.copymode(path, name)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
