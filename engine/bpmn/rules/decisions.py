"""Rules of decision tables: every input gets one answer, of the kind its column says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

from engine.bpmn.decision_analysis import Analysis, Domain, Example, analyse, declared_kind, kind_of_value
from engine.bpmn.decisions import DecisionTable
from engine.bpmn.expressions import to_json
from engine.bpmn.rules import package_rule
from engine.bpmn.rules.subject import Place, Subject


def _at(subject: Subject, table: DecisionTable, line: int, message: str, hint: str) -> Place:
    place = subject.in_file(subject.table_files[table.id], line, message, hint)
    return replace(place, element=table.id, name=table.name)


def _analysis(subject: Subject, table: DecisionTable) -> Analysis:
    known = subject.shared.setdefault("decisions", {})
    if table.id not in known:
        known[table.id] = analyse(table, subject.world.parameters, _domains(subject))
    return known[table.id]


def _domains(subject: Subject) -> dict[str, Domain]:
    """Return what the forms say of the values of a field; a field that several forms ask may be any of them."""
    domains: dict[str, Domain] = {}
    for form in subject.forms.values():
        for asked in form.fields:
            texts = tuple(option.value for option in asked.options) if asked.options and not asked.multiple else None
            whole = asked.is_money or asked.decimals == 0
            before = domains.get(asked.key)
            if before is not None:
                both = before.texts is not None and texts is not None
                texts = tuple(dict.fromkeys((*before.texts, *texts))) if both else None
                whole = whole and before.whole
            domains[asked.key] = Domain(texts, whole)
    return domains


@package_rule("decision-overlap")
def one_row_decides(subject: Subject) -> Iterator[Place]:
    """Two rows that match the same input stop a table that allows one only."""
    for table in subject.tables.values():
        found = _analysis(subject, table)
        for (first, second), example in found.overlaps.items():
            if table.hit_policy == "UNIQUE" or (table.hit_policy == "ANY" and _differ(table, first, second)):
                message = (
                    f"决策表〈{table.name}〉第 {first + 1} 行和第 {second + 1} 行会同时符合，例如{_told(example)}。"
                )
                hint = "请改其中一行的条件，或者把命中策略改成 FIRST（从上往下，第一条对得上的算数）。"
                yield _at(subject, table, table.rules[second].line, message, hint)


def _differ(table: DecisionTable, first: int, second: int) -> bool:
    results = [[cell.text.strip() for cell in table.rules[row].results] for row in (first, second)]
    return results[0] != results[1]


@package_rule("decision-unreachable")
def every_row_may_decide(subject: Subject) -> Iterator[Place]:
    """A row that can never decide says something that does not hold."""
    for table in subject.tables.values():
        found = _analysis(subject, table)
        for row in found.idle if found.complete else ():
            message = f"决策表〈{table.name}〉第 {row + 1} 行永远轮不到。"
            hint = "前面的行已经包括了它，或者它的条件不可能成立：请把它移到前面、改条件，或者删去。"
            yield _at(subject, table, table.rules[row].line, message, hint)


@package_rule("decision-gap", "warning")
def some_row_decides(subject: Subject) -> Iterator[Place]:
    """An input that no row matches stops the matter."""
    for table in subject.tables.values():
        example = _analysis(subject, table).gap
        if example is not None:
            message = f"决策表〈{table.name}〉有漏掉的情形，没有一行符合，例如{_told(example)}。"
            yield _at(subject, table, table.line, message, "请加一行把它写上，或者在最后加一行，条件都写 -。")


@package_rule("decision-inconclusive", "info")
def tables_are_looked_through(subject: Subject) -> Iterator[Place]:
    """A table with too many combinations is not looked through to the end."""
    for table in subject.tables.values():
        if not _analysis(subject, table).complete:
            message = f"决策表〈{table.name}〉的组合太多，没有查完有没有重叠和漏掉的情形。"
            yield _at(subject, table, table.line, message, "请把它分成两张小一点的表。")


@package_rule("decision-type")
def cells_fit_their_column(subject: Subject) -> Iterator[Place]:
    """A cell of another kind than its column can never be compared with what is asked."""
    for table in subject.tables.values():
        for index, column in enumerate(table.inputs):
            cells = [rule.tests[index] for rule in table.rules]
            wanted = declared_kind(column.type) or _first_kind(cell.literals for cell in cells)
            for number, cell in enumerate(cells, 1):
                if _strangers(cell.literals, wanted):
                    yield _mismatch(subject, table, number, column.label, cell.text, wanted)
        for index, output in enumerate(table.outputs):
            wanted = declared_kind(output.type)
            for number, rule in enumerate(table.rules, 1):
                cell = rule.results[index]
                if not cell.names and not cell.calls and _strangers(_constant(cell.text, cell.literals), wanted):
                    yield _mismatch(subject, table, number, output.name, cell.text, wanted)


def _mismatch(subject: Subject, table: DecisionTable, number: int, label: str, text: str, wanted: str) -> Place:
    message = f"决策表〈{table.name}〉第 {number} 行“{label}”一列写的是 {text.strip()}，这一列是{wanted}，对不上。"
    hint = f"请写成{wanted}；文字要加英文双引号。"
    return _at(subject, table, table.rules[number - 1].line, message, hint)


def _constant(text: str, literals: frozenset) -> frozenset:
    """Return the literals of a result that is one literal and nothing else."""
    return literals if len(literals) == 1 and not any(sign in text.strip('"') for sign in "+-*/([<>=") else frozenset()


def _strangers(literals: frozenset, wanted: str) -> list[object]:
    return [value for value in literals if wanted and kind_of_value(value) not in (wanted, "")]


def _first_kind(columns: Iterator[frozenset]) -> str:
    return next((kind_of_value(value) for literals in columns for value in sorted(literals, key=repr)), "")


def _told(example: Example) -> str:
    said = [f"{label} = {_shown(value)}" for label, value in example.items()]
    return "：" + "，".join(said) if said else "任何输入"


def _shown(value: object) -> str:
    if value is None:
        return "空（null）"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date | timedelta):
        return str(to_json(value))
    return f'"{value}"' if isinstance(value, str) and not value.startswith("（") else str(value)
