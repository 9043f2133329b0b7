"""Scenarios of items: played on a real engine, and counted against what there is to take of a diagram."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.bpmn.package import COMMON, read_folder
from engine.scenarios.coverage import Coverage
from engine.scenarios.rehearsal import Rehearsal
from engine.scenarios.scenario_file import read_scenarios


@dataclass(frozen=True)
class ScenarioRun:
    name: str
    #: what came out otherwise than expected, "" when all was right
    problem: str


@dataclass(frozen=True)
class FolderRun:
    folder: str
    runs: tuple[ScenarioRun, ...]
    coverage: Coverage

    @property
    def holds(self) -> bool:
        """Every scenario came out as expected and nothing was missed."""
        return bool(self.runs) and not self.coverage.missed and not any(run.problem for run in self.runs)


def run_folder(folder: Path, processes: Path) -> FolderRun:
    """Deploy one item and play all its scenarios, each in a county of its own.

    :raises NotFound, InvalidFile: there are no scenarios, or they are not written as they must be.
    :raises InvalidProcess: the item may not be deployed at all.
    """
    scenarios = read_scenarios(folder)
    with tempfile.TemporaryDirectory(prefix="sihua-scenarios") as place:
        rehearsal = Rehearsal(Path(place), processes, scenarios)
        rehearsal.deploy(read_folder(folder))
        runs = tuple(ScenarioRun(each["name"], rehearsal.play(each)) for each in scenarios)
    return FolderRun(folder.name, runs, rehearsal.coverage)


def called_by(ran: Sequence[FolderRun]) -> FolderRun:
    """Return what all items together have taken of what they call: no scenario is written for that alone."""
    together = Coverage(set(), set(), set())
    for each in ran:
        together = together.with_taken(each.coverage.called or Coverage(set(), set(), set()))
    return FolderRun(COMMON, tuple(run for each in ran for run in each.runs if not run.problem), together)
