"""Planting faults in items: whether their scenarios would notice if something were drawn, decided or asked wrongly."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from engine.bpmn.mutants import Mutant, mutants_of
from engine.bpmn.package import COMMON, read_folder
from engine.errors import InvalidFile, InvalidProcess
from engine.scenarios.coverage import Coverage
from engine.scenarios.rehearsal import Rehearsal
from engine.scenarios.scenario_file import read_scenarios

#: beside a diagram: planted faults that change nothing that can happen, and why
EQUIVALENT = "equivalent_mutants.json"


@dataclass(frozen=True)
class MutationRun:
    """What came of the faults planted in one folder."""

    #: ``E01_seal_use``, ``common/meeting``
    folder: str
    planted: int
    #: faults that no scenario notices and nobody has explained
    survivors: tuple[str, ...]
    #: faults that are explained although they are noticed, or are none any more
    stale: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return not self.survivors and not self.stale


class Judge:
    """One item's scenarios, played on one fault after the other."""

    def __init__(self, folder: Path, processes: Path, place: Path) -> None:
        """Play the scenarios as they are; ``place`` is an empty folder of the caller's.

        Each is played in a county of its own, here as on every fault: what fails there fails because of the fault.

        :raises NotFound, InvalidFile: there are no scenarios, or they are not written as they must be.
        :raises InvalidProcess: the item may not be deployed at all.
        """
        self.package = read_folder(folder)
        self._scenarios = read_scenarios(folder)
        self._rehearsal = Rehearsal(place, processes, self._scenarios)
        self._rehearsal.deploy(self.package)
        #: scenario → the flows and decision rows that it takes
        self._taken: dict[str, Set[str]] = {}
        for scenario in self._scenarios:
            if problem := self._rehearsal.play(scenario):
                raise InvalidFile(f"{folder.name}：{scenario['name']}：{problem}", "先让所有情形都对")
            self._taken[scenario["name"]] = self._rehearsal.taken
        self._missed = _missed(self._rehearsal.coverage)

    def notices(self, mutant: Mutant) -> str:
        """Return the first thing that comes out otherwise with a fault, "" when nothing does."""
        try:
            self._rehearsal.deploy(mutant.plant(self.package))
        except InvalidProcess as refused:
            return "；".join(f"{each.rule} {each.element}" for each in refused.findings if each.severity == "error")
        for scenario in self._most_likely_first(mutant):
            if problem := self._rehearsal.play(scenario):
                return f"{scenario['name']}：{problem}"
        return "；".join(sorted(_missed(self._rehearsal.coverage) - self._missed))

    def meets(self, mutant: Mutant) -> int:
        """Return how many scenarios come to where a fault is."""
        return sum(bool(mutant.touches & taken) for taken in self._taken.values())

    def _most_likely_first(self, mutant: Mutant) -> list[Mapping]:
        """Order the scenarios: those that meet the fault before the others, short ones before long ones."""

        def rank(scenario: Mapping) -> tuple[bool, int]:
            meets = not mutant.touches or mutant.touches & self._taken[scenario["name"]]
            return not meets, len(self._taken[scenario["name"]])

        return sorted(self._scenarios, key=rank)


def _missed(coverage: Coverage) -> set[str]:
    return {*coverage.missed, *(coverage.called.missed if coverage.called else ())}


def mutate(folders: Sequence[Path], processes: Path, *, called: bool) -> Iterator[MutationRun]:
    """Plant every fault there is in items, one at a time, and yield what came of it, a folder at a time.

    :param called: also plant faults in what the items call: one of the items that call it must notice.
    :raises NotFound, InvalidFile, InvalidProcess: an item does not even hold as it is.
    """
    with tempfile.TemporaryDirectory(prefix="sihua-mutation") as place:
        judges = [Judge(folder, processes, _subfolder(Path(place), folder.name)) for folder in folders]
        for folder, judge in zip(folders, judges, strict=True):
            own = [each for each in mutants_of(judge.package) if home(each, folder.name) == folder.name]
            yield _run(folder.name, folder, own, lambda _mutant, judge=judge: [judge])
        shared: dict[tuple[str, str], Mutant] = {}
        for judge in judges if called else ():
            shared |= {(each.file, each.id): each for each in mutants_of(judge.package) if "/" in each.file}
        for name in sorted({home(each, "") for each in shared.values()}):
            there = [each for each in shared.values() if home(each, "") == name]
            yield _run(name, processes / name, there, lambda mutant: _callers(judges, mutant))


def home(mutant: Mutant, item: str) -> str:
    """Return the folder whose diagram, table or form a fault is planted in: the item's, or one that it calls."""
    parent = PurePosixPath(mutant.file).parent.as_posix()
    return parent if parent.startswith(f"{COMMON}/") else item


def explained(folder: Path) -> Mapping[str, str]:
    """Return fault → why it changes nothing that can happen, as kept beside a diagram."""
    path = folder / EQUIVALENT
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def _run(name: str, folder: Path, mutants: Sequence[Mutant], judges: Callable[[Mutant], list[Judge]]) -> MutationRun:
    reasons = explained(folder)
    unnoticed = [each.id for each in mutants if not any(judge.notices(each) for judge in judges(each))]
    survivors = tuple(id for id in unnoticed if id not in reasons)
    stale = tuple(id for id in reasons if id not in unnoticed)
    return MutationRun(name, len(mutants), survivors, stale)


def _callers(judges: Sequence[Judge], mutant: Mutant) -> list[Judge]:
    """Return who can tell, those with the fewest scenarios that could meet the fault last."""
    calling = [judge for judge in judges if mutant.file in judge.package.files]
    return sorted(calling, key=lambda judge: judge.meets(mutant), reverse=True)


def _subfolder(place: Path, name: str) -> Path:
    made = place / name
    made.mkdir()
    return made
