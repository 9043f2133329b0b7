"""Check a package before it may run: every finding says where, what is wrong and how to mend it."""

from __future__ import annotations

from collections.abc import Iterator, Set
from itertools import islice
from pathlib import Path

from engine.bpmn import lint_levels, mending
from engine.bpmn.package import Package
from engine.bpmn.rules import (
    RULES,
    Rule,
    World,
    binding,
    conditions,
    data,
    decisions,
    domain,
    events,
    flows,
    forms,
    gateways,
    layout,
    limits,
    loading,
    naming,
    package_rule,
    paths,
    picture,
    references,
    rule,
    soundness,
    support,
)
from engine.bpmn.rules.subject import Place, Subject
from engine.model import Finding

__all__ = ["RULES", "World", "lint", "mend", "package_rule", "rule"]

#: the modules that hold the rules
CATALOGUE = (
    loading,
    support,
    references,
    flows,
    events,
    gateways,
    soundness,
    naming,
    picture,
    layout,
    binding,
    decisions,
    forms,
    conditions,
    data,
    limits,
    domain,
    paths,
)


#: what one rule says of one diagram, or of a package, at most: nobody reads more, and a huge file must not hang
MAX_FINDINGS = 500


def lint(package: Package, world: World) -> list[Finding]:
    """Return everything there is to say about a package, by file and line; never raises."""
    subject = Subject.read(package, world)
    rules = [each for each in RULES.values() if each.id != support.LAST_WORD]
    said = [(each, place) for each in rules for place in _asked(each, subject)]
    if not any(each.severity == "error" for each, _ in said):
        said += [(RULES[support.LAST_WORD], place) for place in _asked(RULES[support.LAST_WORD], subject)]
    fixable = _fixable(subject, {each.id for each, _ in said})
    findings = {_finding(each, place, subject, fixable) for each, place in _sharpened(said)}
    return sorted(findings, key=lambda found: (found.file, found.line, found.rule, found.message))


def mend(package: Package, world: World) -> dict[Path, bytes]:
    """Return path → the content with everything mended that can be mended by itself; only files that change."""
    return {package.sources[name]: data for name, data in mending.mended(package, world).items()}


def _asked(each: Rule, subject: Subject) -> Iterator[Place]:
    if subject.world.levels.of(each) == "off":
        return
    for asked in subject.diagrams if each.per_diagram else (subject,):
        yield from islice(each.check(asked), MAX_FINDINGS)


def _sharpened(said: list[tuple[Rule, Place]]) -> Iterator[tuple[Rule, Place]]:
    """Leave out what a rule says in general where another says it precisely."""
    precise = {(each.instead_of, place.file, place.element) for each, place in said if each.instead_of}
    said_well = {_exactly(place) for each, place in said if support.speaks(each)}
    for each, place in said:
        general = place.element and (each.id, place.file, place.element) in precise
        again = each.id == support.FALLBACK and _exactly(place) in said_well
        if not general and not again:
            yield each, place


def _exactly(place: Place) -> tuple[str, str, int, str]:
    """Return where something is said; two parts of an element may stand in one line."""
    return place.file, place.element, place.line, place.part


def _in_one_line(text: str) -> str:
    """Return a sentence without line breaks and signs nobody sees: what a file says must not steer a terminal."""
    return text if text.isprintable() else "".join(sign for sign in " ".join(text.split()) if sign.isprintable())


def _fixable(subject: Subject, found: Set[str]) -> Set[tuple[str, str, int]]:
    """Return rule, file and line of what can be mended by itself."""
    if found.isdisjoint(mending.MENDERS):
        return set()
    return {(each.rule, file, each.line) for file, mends in mending.mends_of(subject).items() for each in mends}


def _finding(each: Rule, place: Place, subject: Subject, fixable: Set[tuple[str, str, int]]) -> Finding:
    source = subject.package.sources.get(place.file)
    if source is None and place.file == lint_levels.NAME:
        source = subject.world.levels.path
    return Finding(
        each.id,
        subject.world.levels.of(each),
        place.file,
        place.line,
        place.element,
        place.name,
        _in_one_line(place.message),
        _in_one_line(place.hint),
        each.aliases,
        path=place.path,
        source="" if source is None else str(source),
        fixable=(each.id, place.file, place.line) in fixable,
    )
