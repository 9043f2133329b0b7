"""What scenarios take of an item: flows, decision rows and refusals, counted from its files."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field

from engine.bpmn.decisions import read_decisions
from engine.model import ProcessFacts
from engine.services.deployed import Deployed


@dataclass
class Coverage:
    """What of one item the scenarios have taken: flows, decision rows and refusals, counted from the files."""

    flows: set[str]
    rows: set[tuple[str, str]]
    refusals: set[tuple[str, str]]
    taken_flows: set[str] = field(default_factory=set)
    taken_rows: set[tuple[str, str]] = field(default_factory=set)
    taken_refusals: set[tuple[str, str]] = field(default_factory=set)
    #: the same of the processes it calls: all items that call them take it together
    called: Coverage | None = None

    @property
    def total(self) -> int:
        return len(self.flows) + len(self.rows) + len(self.refusals)

    def take(self, flows: Set[str], rows: Set[tuple[str, str]], refusals: Set[tuple[str, str]]) -> None:
        """Note what was taken, here and in what is called."""
        self.taken_flows |= flows
        self.taken_rows |= rows
        self.taken_refusals |= refusals
        if self.called is not None:
            self.called.take(flows, rows, refusals)

    def with_taken(self, other: Coverage) -> Coverage:
        """Return what both count and have taken together."""
        return Coverage(
            self.flows | other.flows,
            self.rows | other.rows,
            self.refusals | other.refusals,
            self.taken_flows | other.taken_flows,
            self.taken_rows | other.taken_rows,
            self.taken_refusals | other.taken_refusals,
        )

    @property
    def missed(self) -> list[str]:
        """Return what no scenario takes, as sentences."""
        return [
            *(f"连线 {flow}" for flow in sorted(self.flows - self.taken_flows)),
            *(f"{table} 的行 {row}" for table, row in sorted(self.rows - self.taken_rows)),
            *(f"{file} 的不予原因 {code}" for file, code in sorted(self.refusals - self.taken_refusals)),
        ]


def count(deployed: Deployed) -> Coverage:
    """Count from the files what there is to take: flows, rows of every table, refusal codes of tables and forms."""
    processes = deployed.facts.processes
    coverage = _counted(deployed, processes[:1], lambda name: "/" not in name)
    coverage.called = _counted(deployed, processes[1:], lambda name: "/" in name)
    return coverage


def _counted(deployed: Deployed, processes: Sequence[ProcessFacts], belongs: Callable[[str], bool]) -> Coverage:
    files = deployed.package.files
    names = [name for name in files if name.endswith(".dmn") and belongs(name)]
    tables = {id: table for name in names for id, table in read_decisions(files[name]).items()}
    refusals = {
        (name, option.value)
        for name, form in deployed.forms.items()
        for each in form.fields
        if belongs(name) and each.key == "refusal.code"
        for option in each.options
    }
    for table_id, table in tables.items():
        refusals |= {(table_id, code) for code in table.output_literals("code") - {""}}
    return Coverage(
        flows={flow.id for process in processes for flow in process.flows},
        rows={(table_id, rule.id) for table_id, table in tables.items() for rule in table.rules},
        refusals=refusals,
    )
