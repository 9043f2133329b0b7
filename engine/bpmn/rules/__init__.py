"""What a lint rule is: a function over a diagram or a package that says what is wrong where."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

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


#: every rule by id, in the order of the catalogue
RULES: dict[str, Rule] = {}


def rule(
    id: str, severity: Severity = "error", aliases: tuple[str, ...] = ()
) -> Callable[[DiagramCheck], DiagramCheck]:
    """Enter a function into the catalogue that is asked about each diagram of a package."""
    return _entered(id, severity, aliases, per_diagram=True)


def package_rule(
    id: str, severity: Severity = "error", aliases: tuple[str, ...] = ()
) -> Callable[[PackageCheck], PackageCheck]:
    """Enter a function into the catalogue that is asked once about a package."""
    return _entered(id, severity, aliases, per_diagram=False)


def _entered(id: str, severity: Severity, aliases: tuple[str, ...], *, per_diagram: bool) -> Callable:
    def enter(check: Callable) -> Callable:
        about = (check.__doc__ or "").partition("\n")[0]
        if id in RULES or not about:
            raise ValueError(f"rule {id} is there twice, or has no line that says what it is for")
        RULES[id] = Rule(id, severity, aliases, about, per_diagram, check)
        return check

    return enter
