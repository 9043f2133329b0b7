"""What a meeting's figures come to while they are being filled in: the decision table is asked before the act."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from engine.bpmn.decisions import DecisionError, DecisionTable
from engine.bpmn.expressions import ExpressionError, parse
from engine.bpmn.forms.form import Form
from engine.connectors import votes
from engine.errors import Refused
from engine.services.course import value_at
from engine.views import Ballot

#: property of a form field: id of the decision table that will judge the meeting
PROPERTY = "tally"
#: where a meeting keeps its list and its totals
ATTENDANCE, TOTALS = "attendance", "vote"
_COMPARISON = re.compile(r"(.+?)\s*(<=|>=|<|>)\s*(.+)")
_TERM = re.compile(r'param\("[^"]+"\)|[a-z_]+(?:\.[a-z_]+)+')


def of(
    form: Form | None,
    tables: Mapping[str, DecisionTable],
    known: Mapping[str, object],
    typed: Mapping[str, Sequence[str]],
    functions: Mapping[str, Callable],
) -> Ballot | None:
    """Return what the figures come to; None where the form asks for no meeting's figures.

    :param known: data of the matter at this step.
    :param typed: field key → texts as typed so far; what is not there yet counts as nothing.
    """
    asking = next((field for field in form.fields if field.properties.get(PROPERTY)), None) if form else None
    if asking is None:
        return None
    table = tables[str(asking.properties[PROPERTY])]
    seats = votes.count(_seats(form, known, typed), include_recused=bool(functions["param"]("recused_in_base")))
    totals = {name: _total(name, known, typed) for name in votes.TOTALS}
    asked = _Asked(table, {**known, "seats": seats}, seats, functions)
    present = int(seats["present"]) if totals["voting"] is None else totals["voting"]
    figures = {name: totals[name] or 0 for name in votes.TOTALS} | {"voting": present}
    said = asked.answer(figures)
    voted = totals["yes"] is not None
    return Ballot(
        **seats,
        **{**totals, "voting": present},
        quorum=asked.fewest("enough", int(seats["base"]), lambda number: {"voting": number, "yes": 0}),
        needed=asked.fewest("passed", present, lambda number: {"voting": present, "yes": number}),
        enough=said.get("enough"),
        passed=said.get("passed") if voted else None,
        formula=asked.formula("passed" if voted else "enough", figures),
        problem=_problem(figures, int(seats["present"])) if voted else "",
        decides="passed" in said,
    )


@dataclass(frozen=True)
class _Asked:
    """A decision table with everything but the figures."""

    table: DecisionTable
    known: Mapping[str, object]
    seats: Mapping[str, int]
    functions: Mapping[str, Callable]

    def answer(self, figures: Mapping[str, int]) -> Mapping[str, object]:
        """Return what the table says of these figures, nothing where it does not decide."""
        try:
            return dict(self.table.decide(self._data(figures), self.functions).outputs)
        except (DecisionError, ExpressionError):
            return {}

    def fewest(self, output: str, most: int, figures: Callable[[int], Mapping[str, int]]) -> int | None:
        """Return the smallest number with which the table says yes; None when none up to ``most`` does."""
        numbers = range(most + 1)
        at = bisect_left(numbers, True, key=lambda number: self.answer(figures(number)).get(output) is True)
        return at if at in numbers else None

    def formula(self, output: str, figures: Mapping[str, int]) -> str:
        """Return the comparison that decides, with its figures: 3 × 22 = 66 > 2 × 30 = 60."""
        names = [each.name for each in self.table.outputs]
        data = self._data(figures)
        try:
            ids = self.table.decide(data, self.functions).rule_ids
            rule = next(rule for rule in self.table.rules if rule.id in ids)
            compared = _COMPARISON.fullmatch(rule.results[names.index(output)].text.strip())
            left, operator, right = compared.groups() if compared else ("", "", "")
            sides = [self._side(side, data) for side in (left, right)] if compared else []
        except (DecisionError, ExpressionError, ValueError, StopIteration):
            return ""
        if not sides:
            return ""
        holds = parse(f"{sides[0][1]} {operator} {sides[1][1]}").evaluate({}, {})
        sign = operator if holds else {">": "≤", ">=": "<", "<": "≥", "<=": ">"}[operator]
        return f"{sides[0][0]} {sign.replace('>=', '≥').replace('<=', '≤')} {sides[1][0]}"

    def _side(self, text: str, data: Mapping[str, object]) -> tuple[str, object]:
        """Return one side in figures, and what it comes to."""

        def figure(term: re.Match[str]) -> str:
            return str(parse(term[0]).evaluate(data, self.functions))

        value = parse(text).evaluate(data, self.functions)
        shown = _TERM.sub(figure, text).replace("*", "×")
        return (shown if shown == str(value) else f"{shown} = {value}"), value

    def _data(self, figures: Mapping[str, int]) -> Mapping[str, object]:
        seats = {**self.seats, "present": figures["voting"]}
        tally = {**self.seats, "yes": 0, "no": 0, "abstain": 0, **figures}
        return {**self.known, "seats": seats, "tally": tally}


def _seats(form: Form, known: Mapping[str, object], typed: Mapping[str, Sequence[str]]) -> list[Mapping[str, object]]:
    """Return one ``{choice}`` per person entitled: as typed where this form has the list, else as kept."""
    field = next((each for each in form.fields if each.rows is not None), None)
    if field is None:
        return list(value_at(known, ATTENDANCE) or [])
    chosen = dict(text.split("=", 1) for text in typed.get(field.key, ()) if "=" in text)
    return [{"choice": chosen.get(row["id"], "")} for row in field.rows.evaluate(known, {})]


def _total(name: str, known: Mapping[str, object], typed: Mapping[str, Sequence[str]]) -> int | None:
    key = f"{TOTALS}.{name}"
    if key in typed:
        text = "".join(typed[key]).strip()
        return int(text) if text.isascii() and text.isdecimal() and len(text) < _LONG else None
    value = value_at(known, key)
    return int(value) if value is not None else None


#: digits of a number that no meeting has
_LONG = 7


def _problem(figures: Mapping[str, int], present: int) -> str:
    try:
        votes.check(figures, present)
    except Refused as refused:
        return refused.reason
    return ""
