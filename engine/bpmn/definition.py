"""What is shared, read-only, by all matters of one version of one diagram."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from SpiffWorkflow.bpmn.specs.mixins.multiinstance_task import LoopTask

from engine.bpmn.decisions import DecisionTable, read_decisions
from engine.bpmn.execution.dialect import DIALECT_VERSION, load_specs
from engine.bpmn.execution.gateways import ProcessSpec
from engine.bpmn.expressions import Expression
from engine.bpmn.facts import read_all_facts
from engine.model import ProcessFacts

if TYPE_CHECKING:
    from engine.bpmn.package import Package

Fingerprint = Mapping[tuple[str, str], tuple[tuple[str, ...], tuple[str, ...]]]


class SpecChanged(RuntimeError):
    """A running matter has rewired the specs that all matters share: a bug, never a user's mistake."""


@dataclass(frozen=True)
class Definition:
    """One package, ready to run. Safe to share between threads as long as nobody writes to it."""

    digest: str
    facts: ProcessFacts
    spec: ProcessSpec
    #: process id → spec of every called process and embedded sub-process
    called: Mapping[str, ProcessSpec]
    #: decision id → table
    tables: Mapping[str, DecisionTable]
    #: text → parsed expression
    expressions: Mapping[str, Expression]
    fingerprint: Fingerprint

    @classmethod
    def read(cls, package: Package) -> Definition:
        """Read a package afresh. Raises DialectError, DecisionError or XmlRefused."""
        tables: dict[str, DecisionTable] = {}
        for name, data in package.files.items():
            if name.endswith(".dmn"):
                tables.update(read_decisions(data))
        specs = load_specs(package, tables.keys())
        everything = (specs.main, *specs.called.values())
        for spec in everything:
            _connect_loops(spec)
        facts = read_all_facts(package)
        return cls(package.digest, facts, specs.main, specs.called, tables, specs.expressions, _fingerprint(everything))

    def check(self) -> None:
        """Raise SpecChanged when the specs are no longer wired as they were read: a tripwire for tests."""
        if _fingerprint((self.spec, *self.called.values())) != self.fingerprint:
            raise SpecChanged(self.facts.id)


class DefinitionCache:
    """The definitions in use in this process, by digest of the package and version of the dialect."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[tuple[str, int], Definition] = {}

    def get(self, package: Package) -> Definition:
        """Return the one shared definition of that package, reading it at the first call."""
        key = (package.digest, DIALECT_VERSION)
        with self._lock:
            if key not in self._known:
                self._known[key] = Definition.read(package)
            return self._known[key]

    def find(self, digest: str) -> Definition | None:
        """Return a definition that is already known, without a package at hand."""
        return self._known.get((digest, DIALECT_VERSION))


def _connect_loops(spec: ProcessSpec) -> None:
    """Connect every loop to its child spec before the first instance runs.

    SpiffWorkflow connects them when a loop is *entered*; a loop restored from its state on freshly read specs would
    never hear of its instances and wait for ever, and two threads entering it first would race.
    """
    for loop in list(spec.task_specs.values()):
        if isinstance(loop, LoopTask):
            done = spec.task_specs[loop.task_spec].completed_event
            if not done.is_connected(loop.merge_child):
                done.connect(loop.merge_child)


def _fingerprint(specs: tuple[ProcessSpec, ...]) -> Fingerprint:
    return {
        (spec.name, task.name): (tuple(task._outputs), tuple(task._inputs))
        for spec in specs
        for task in spec.task_specs.values()
    }
