"""Every expression of a package with the place it is written at."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from lxml import etree

from engine.bpmn.decisions import DecisionTable
from engine.bpmn.document import CAMUNDA
from engine.bpmn.expressions import Expression, ExpressionError, UnaryTest, parse
from engine.bpmn.forms.form import Field
from engine.bpmn.rules.subject import (
    Diagram,
    Place,
    Subject,
    bpmn,
    camunda,
    extensions,
    facts_of,
    full_title,
    kind,
    title,
)

_TIMERS = ("timeDate", "timeDuration", "timeCycle")
#: what decides whether a repetition goes on, and how people call it
_LOOPS = {
    "multiInstanceLoopCharacteristics/completionCondition": "提前办齐的条件",
    "standardLoopCharacteristics/loopCondition": "再办一遍的条件",
}
#: names that exist in one kind of condition alone
_GIVEN = {"completionCondition": frozenset(("nrOfInstances", "nrOfCompletedInstances"))}
#: elements that hold a condition
CONDITIONS = ("conditionExpression", "completionCondition", "loopCondition")
#: expressions of other engines, outside of texts
_FOREIGN = re.compile(r'(?:[^"]|"[^"]*")*?[$#]\{')


@dataclass(frozen=True)
class Written:
    """An expression where it stands; ``parsed`` is None when it is none, and ``mistake`` says why."""

    text: str
    place: Place
    #: how people call the place
    where: str
    parsed: Expression | UnaryTest | None
    mistake: str = ""
    #: a condition or a cell of a decision table
    decides: bool = False
    #: tag of the element that holds a condition, "" where anything but yes or no may come out
    condition: str = ""
    #: names that exist at this place alone
    given: frozenset[str] = frozenset()

    @property
    def is_foreign(self) -> bool:
        """It is written in the language of another engine."""
        return self.parsed is None and _FOREIGN.match(self.text) is not None

    def say(self, message: str, hint: str) -> Place:
        return replace(self.place, message=message, hint=hint)


def written_in(subject: Subject) -> list[Written]:
    """Return every expression of the diagrams, decision tables and forms of a package."""
    if "written" not in subject.shared:
        subject.shared["written"] = list(_written_in(subject))
    return subject.shared["written"]


def _written_in(subject: Subject) -> Iterator[Written]:
    for diagram in subject.diagrams:
        yield from _in_diagram(diagram)
    for id, table in subject.tables.items():
        yield from _in_table(subject.table_files[id], table)
    for file, form in subject.forms.items():
        for asked in form.fields:
            yield from _in_field(file, asked)


def parameters_of(node: etree._Element, direction: str) -> dict[str, str]:
    """Return the ``input`` or ``output`` parameters of a service task; one that is no plain text comes as ""."""
    return {
        each.get("name", ""): "" if len(each) else (each.text or "").strip()
        for holder in extensions(node, CAMUNDA, "inputOutput")
        for each in holder.iterchildren(camunda(f"{direction}Parameter"))
    }


def _in_diagram(diagram: Diagram) -> Iterator[Written]:
    for flow in diagram.flows:
        for condition in flow.iterchildren(bpmn("conditionExpression")):
            if text := (condition.text or "").strip():
                yield _read(diagram, condition, f"{full_title(flow)}的条件", text)
    yield from _in_loops(diagram)
    for element, where, text in _calculated(diagram):
        if text.strip().startswith("="):
            yield _read(diagram, element, where, text)
    for call in diagram.of_kind("callActivity"):
        for mapping in (*extensions(call, CAMUNDA, "in"), *extensions(call, CAMUNDA, "out")):
            if text := mapping.get("source") or mapping.get("sourceExpression"):
                yield _read(diagram, mapping, f"{title(call)}传递的数据", text)


def _in_loops(diagram: Diagram) -> Iterator[Written]:
    for path, when in _LOOPS.items():
        loop, _, tag = path.partition("/")
        for element in (found for each in diagram.drawn(loop) for found in each.iterchildren(bpmn(tag))):
            yield _read(diagram, element, f"{title(_holder(element))}{when}", element.text or "")
    for element in diagram.drawn("loopCardinality"):
        number = _read(diagram, element, f"{title(_holder(element))}要重复的次数", element.text or "")
        # One that cannot be read is said by loop-cardinality-invalid.
        if number.parsed is not None:
            yield number


def _holder(element: etree._Element) -> etree._Element | None:
    """Return the step or event that a time or a repetition belongs to."""
    return element.getparent().getparent()


def _calculated(diagram: Diagram) -> Iterator[tuple[etree._Element, str, str]]:
    """Return what is an expression only when it starts with “=”: element, place and text."""
    for process in diagram.processes:
        for item in facts_of(process, "item"):
            yield item, "事项的标题（subject）", item.get("subject", "")
    for error in diagram.root.iterchildren(bpmn("error")):
        yield error, f"{full_title(error)}的代码", error.get("errorCode", "")
    for element in diagram.elements:
        if kind(element) in _TIMERS and element.text:
            yield element, f"{title(_holder(element))}的时间", element.text
    for node in diagram.of_kind("serviceTask"):
        for holder in extensions(node, CAMUNDA, "inputOutput"):
            for each in holder.iterchildren(f"{{{CAMUNDA}}}*"):
                yield each, f"{title(node)}的 {each.get('name', '')}", each.text or ""


def _read(diagram: Diagram, element: etree._Element, where: str, text: str) -> Written:
    text = text.strip().removeprefix("=").strip()
    place = diagram.at(element, "", "")
    condition = kind(element) if kind(element) in CONDITIONS else ""
    given = _GIVEN.get(condition, frozenset())
    try:
        return Written(text, place, where, parse(text), "", bool(condition), condition, given)
    except ExpressionError as error:
        return Written(text, place, where, None, str(error), bool(condition), condition, given)


def _in_table(file: str, table: DecisionTable) -> Iterator[Written]:
    where = f"决策表〈{table.name}〉"
    rows = [(f"{where}的表头", column.line, (column.expression,)) for column in table.inputs]
    for number, rule in enumerate(table.rules, 1):
        rows.append((f"{where}第 {number} 行", rule.line, (*rule.tests, *rule.results)))
    for place, line, cells in rows:
        at = Place(file, max(line, 1), table.id, table.name, "", "")
        for cell in cells:
            yield Written(cell.text, at, place, cell, decides=True)


def _in_field(file: str, asked: Field) -> Iterator[Written]:
    at = Place(file, max(asked.line, 1), asked.id, asked.label, "", "")
    for expression in (asked.hide, asked.limit_min, asked.limit_max, asked.rows):
        if expression is not None:
            yield Written(expression.text, at, f"表单的〈{asked.label}〉", expression)
