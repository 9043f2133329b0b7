"""Check a package before it may run: every finding says where, what is wrong and how to mend it."""

from __future__ import annotations

from collections.abc import Iterator

from engine.bpmn.package import Package
from engine.bpmn.rules import (
    RULES,
    Rule,
    World,
    binding,
    conditions,
    data,
    domain,
    events,
    flows,
    gateways,
    layout,
    limits,
    loading,
    naming,
    package_rule,
    picture,
    references,
    rule,
    structure,
    support,
)
from engine.bpmn.rules.subject import Place, Subject
from engine.model import Finding

__all__ = ["RULES", "World", "lint", "package_rule", "rule"]

#: the modules that hold the rules
CATALOGUE = (
    loading,
    support,
    references,
    flows,
    events,
    gateways,
    structure,
    naming,
    picture,
    layout,
    binding,
    conditions,
    data,
    limits,
    domain,
)


def lint(package: Package, world: World) -> list[Finding]:
    """Return everything there is to say about a package, by file and line; never raises."""
    subject = Subject.read(package, world)
    rules = [each for each in RULES.values() if each.id != support.LAST_WORD]
    findings = [_finding(each, place) for each in rules for place in _asked(each, subject)]
    faulty = {(found.file, found.element) for found in findings if _is_fault(found) and found.rule != support.FALLBACK}
    findings = [
        found for found in findings if found.rule != support.FALLBACK or (found.file, found.element) not in faulty
    ]
    if not any(map(_is_fault, findings)):
        last = RULES[support.LAST_WORD]
        findings += [_finding(last, place) for place in _asked(last, subject)]
    return sorted(set(findings), key=lambda found: (found.file, found.line, found.rule, found.message))


def _is_fault(finding: Finding) -> bool:
    return finding.severity == "error"


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
