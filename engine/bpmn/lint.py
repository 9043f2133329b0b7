"""Check a package before it may run: every finding says where, what is wrong and how to mend it."""

from __future__ import annotations

from collections.abc import Iterator

from engine.bpmn.package import Package
from engine.bpmn.rules import (
    RULES,
    Rule,
    World,
    binding,
    domain,
    layout,
    loading,
    package_rule,
    rule,
    structure,
    support,
)
from engine.bpmn.rules.subject import Place, Subject
from engine.model import Finding

__all__ = ["RULES", "World", "lint", "package_rule", "rule"]

#: the modules that hold the rules
CATALOGUE = (loading, support, structure, binding, domain, layout)


def lint(package: Package, world: World) -> list[Finding]:
    """Return everything there is to say about a package, by file and line; never raises."""
    subject = Subject.read(package, world)
    rules = [each for each in RULES.values() if each.id != support.LAST_WORD]
    findings = [_finding(each, place) for each in rules for place in _asked(each, subject)]
    if not any(finding.severity == "error" for finding in findings):
        last = RULES[support.LAST_WORD]
        findings += [_finding(last, place) for place in _asked(last, subject)]
    return sorted(set(findings), key=lambda found: (found.file, found.line, found.rule, found.message))


def _asked(each: Rule, subject: Subject) -> Iterator[Place]:
    if not each.per_diagram:
        yield from each.check(subject)
        return
    for diagram in subject.diagrams:
        yield from each.check(diagram)


def _finding(each: Rule, place: Place) -> Finding:
    return Finding(
        each.id,
        each.severity,
        place.file,
        place.line,
        place.element,
        place.name,
        place.message,
        place.hint,
        each.aliases,
    )
