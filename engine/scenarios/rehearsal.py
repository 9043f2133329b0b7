"""One item's scenarios, each played in a county of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from engine.bpmn.package import Package, read_folder
from engine.clock import FrozenClock
from engine.demo.people import load_people
from engine.process_engine import PROCESSES, ProcessEngine
from engine.scenarios.scenario_file import items_before
from engine.scenarios.stage import MONDAY, Stage


class Rehearsal:
    """The scenarios of one item, each played in a county of its own: none rests on what another has left behind."""

    def __init__(self, place: Path, processes: Path, scenarios: Sequence[Mapping]) -> None:
        """Make the county they all begin in; ``place`` is an empty folder of the caller's."""
        self._place, self._processes = place, processes
        self._scenarios = scenarios
        self._clock = FrozenClock(MONDAY)
        with self._opened("empty") as engine:
            engine.county.load_lists()
            self._people = load_people(engine, self._clock)
            for folder in sorted(items_before(scenarios)):
                engine.repository.put(read_folder(PROCESSES / folder))

    def deploy(self, package: Package) -> None:
        """Let the scenarios to come be played on this package; what was taken of another one is forgotten.

        :raises InvalidProcess: it may not be deployed at all.
        """
        self._package = package
        with self._copied("empty", "deployed") as engine:
            self.coverage = self._stage(engine).coverage

    def play(self, scenario: Mapping) -> str:
        """Play one scenario; return what came out otherwise than expected."""
        with self._copied("deployed", "county") as engine:
            stage = self._stage(engine)
            problem = stage.play(scenario)
        taken = stage.coverage
        self.coverage.take(taken.taken_flows, taken.taken_rows, taken.taken_refusals)
        #: flows and decision rows that the last scenario took
        self.taken = stage.taken
        return problem

    def _stage(self, engine: ProcessEngine) -> Stage:
        return Stage(engine, self._clock, self._people, self._package, self._scenarios, [])

    @contextmanager
    def _copied(self, before: str, name: str) -> Iterator[ProcessEngine]:
        for old in self._place.glob(f"{name}.db*"):
            old.unlink()
        shutil.copyfile(self._place / f"{before}.db", self._place / f"{name}.db")
        with self._opened(name) as engine:
            yield engine
        shutil.rmtree(self._place / "files", ignore_errors=True)

    @contextmanager
    def _opened(self, name: str) -> Iterator[ProcessEngine]:
        database, files = self._place / f"{name}.db", self._place / "files"
        engine = ProcessEngine(f"sqlite:///{database}", files=files, clock=self._clock, processes=self._processes)
        try:
            yield engine
        finally:
            engine.close()
