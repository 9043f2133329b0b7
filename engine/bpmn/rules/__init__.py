"""What a lint rule is: a function over a diagram or a package that says what is wrong where."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from engine.bpmn.lint_levels import Levels
from engine.model import ProcessFacts, Severity

if TYPE_CHECKING:
    from engine.bpmn.rules.subject import Diagram, Place, Subject

    DiagramCheck = Callable[[Diagram], Iterable[Place]]
    PackageCheck = Callable[[Subject], Iterable[Place]]


class LaneRole(Protocol):
    """What lint asks of a role."""

    code: str
    #: codes of the roles one person may not hold together with it
    incompatible: Iterable[str]
    #: codes of the roles that take over when nobody of this one may act
    succession: Iterable[str]


@dataclass(frozen=True)
class World:
    """What stands outside the package and its diagrams refer to."""

    #: lane name → role
    roles: Mapping[str, LaneRole]
    #: key → value in force
    parameters: Mapping[str, object]
    #: register code → JSON Schema of one entry
    registers: Mapping[str, Mapping]
    #: connector → inputs it cannot do without
    topics: Mapping[str, tuple[str, ...]]
    #: facts of the version in force, None for the first
    previous: ProcessFacts | None = None
    #: how loudly each rule speaks
    levels: Levels = Levels()
    #: the scenarios beside the package, as they stand in the file; None when nobody looked for them
    scenarios: Sequence[Mapping] | None = None


@dataclass(frozen=True)
class Rule:
    """One entry of the catalogue."""

    id: str
    severity: Severity
    #: the rule's names elsewhere (bpmnlint, OMG)
    aliases: tuple[str, ...]
    #: what the rule is for, one line
    about: str
    #: called with each diagram, or once with the package
    per_diagram: bool
    check: DiagramCheck | PackageCheck
    #: id of the general rule that need not speak where this one does
    instead_of: str = ""

    @property
    def group(self) -> str:
        """Name of the module the rule stands in, which is its group on the rule page."""
        return self.check.__module__.rpartition(".")[2]

    @property
    def is_firm(self) -> bool:
        """An error says that the matter would run wrongly: nobody can wave that through by a setting."""
        return self.severity == "error"


#: every rule by id, in the order of the catalogue
RULES: dict[str, Rule] = {}


def rule(
    id: str, severity: Severity = "error", aliases: tuple[str, ...] = (), *, instead_of: str = ""
) -> Callable[[DiagramCheck], DiagramCheck]:
    """Enter a function into the catalogue that is asked about each diagram of a package."""
    return _entered(id, severity, aliases, per_diagram=True, instead_of=instead_of)


def package_rule(
    id: str, severity: Severity = "error", aliases: tuple[str, ...] = (), *, instead_of: str = ""
) -> Callable[[PackageCheck], PackageCheck]:
    """Enter a function into the catalogue that is asked once about a package."""
    return _entered(id, severity, aliases, per_diagram=False, instead_of=instead_of)


def _entered(id: str, severity: Severity, aliases: tuple[str, ...], *, per_diagram: bool, instead_of: str) -> Callable:
    def enter(check: Callable) -> Callable:
        about = (check.__doc__ or "").partition("\n")[0]
        if id in RULES or not about:
            raise ValueError(f"rule {id} is there twice, or has no line that says what it is for")
        RULES[id] = Rule(id, severity, aliases, about, per_diagram, check, instead_of)
        return check

    return enter
