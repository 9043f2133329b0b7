"""Look at a decision table as a whole: inputs that no row, or more rows than one, would match.

Every column is cut into pieces on which its cells cannot tell two values apart; one sample stands for each piece. Rows
are bits, so that a combination of pieces is the intersection of a few masks. A cell that depends on other data may
match or not; nothing is said on its account.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import combinations, pairwise

from engine.bpmn.decisions import DecisionTable, Input
from engine.bpmn.expressions import EvaluationError, UnaryTest

#: combinations of pieces that are looked at
MAX_COMBINATIONS = 20_000
#: overlapping pairs of rows that are told
_MAX_PAIRS = 10
_OTHER = "（别的文字）"
_KINDS = {str: "文字", bool: "是否", int: "数字", Decimal: "数字", date: "日期", datetime: "时间", timedelta: "时长"}
_TYPES = {
    "string": "文字", "boolean": "是否", "number": "数字", "integer": "数字", "long": "数字", "double": "数字",
    "int": "数字", "short": "数字", "float": "数字", "decimal": "数字",
    "date": "日期", "dateTime": "时间", "time": "时间", "dayTimeDuration": "时长", "days and time duration": "时长",
}  # fmt: skip

#: the names that engines give to whole numbers
_WHOLE = ("integer", "long", "int", "short")

#: label of the column → sample value
Example = dict[str, object]


@dataclass(frozen=True)
class Domain:
    """What is known of a column from elsewhere."""

    #: the only texts it can be, None when any
    texts: tuple[str, ...] | None = None
    #: whole numbers only
    whole: bool = False


@dataclass
class Analysis:
    """What the table does with all the inputs it may get."""

    #: an input that no row matches
    gap: Example | None = None
    #: (row, later row) → an input that both match; by position
    overlaps: dict[tuple[int, int], Example] = field(default_factory=dict)
    #: rows that never decide, by position
    idle: tuple[int, ...] = ()
    #: false: there were too many combinations to look at all
    complete: bool = True


def kind_of_value(value: object) -> str:
    return _KINDS.get(type(value), "")


def declared_kind(type_ref: str) -> str:
    """Return the kind a ``typeRef`` stands for, "" for any."""
    return _TYPES.get(type_ref.rpartition(":")[2], "")


def analyse(table: DecisionTable, parameters: Mapping[str, object], domains: Mapping[str, Domain]) -> Analysis:
    """Look at every combination of pieces, at most MAX_COMBINATIONS of them.

    :param domains: text of a column's expression → what is known of it.
    """
    functions = {"param": lambda key: parameters[key]}
    columns = [
        _pieces(table, index, functions, domains.get(column.expression.text.strip(), Domain()))
        for index, column in enumerate(table.inputs)
    ]
    return _Search(table, columns).run()


@dataclass(frozen=True)
class _Piece:
    sample: object
    #: rows whose cell surely matches the sample, and those whose cell may
    sure: int
    possible: int


class _Search:
    def __init__(self, table: DecisionTable, columns: Sequence[Sequence[_Piece]]) -> None:
        self.table = table
        self.columns = columns
        self.found = Analysis()
        self.deciding = 0
        self.seen: set[tuple[int, int, int]] = set()

    def run(self) -> Analysis:
        everything = (1 << len(self.table.rules)) - 1
        ahead: list[tuple[int, int, int, tuple]] = [(0, everything, everything, ())]
        while ahead:
            if len(self.seen) > MAX_COMBINATIONS:
                self.found.complete = False
                return self.found
            index, sure, possible, samples = ahead.pop()
            if (index, sure, possible) in self.seen:
                continue
            self.seen.add((index, sure, possible))
            if index == len(self.columns) or not possible:
                self._judge(sure, possible, samples)
                continue
            for piece in reversed(self.columns[index]):
                ahead.append((index + 1, sure & piece.sure, possible & piece.possible, (*samples, piece.sample)))
        rows = range(len(self.table.rules))
        self.found.idle = tuple(row for row in rows if not self.deciding >> row & 1)
        return self.found

    def _judge(self, sure: int, possible: int, samples: tuple) -> None:
        example = {column.label: sample for column, sample in zip(self.table.inputs, samples, strict=False)}
        if not possible:
            self.found.gap = self.found.gap or example
            return
        rows = [row for row in range(len(self.table.rules)) if possible >> row & 1]
        certain = [row for row in rows if sure >> row & 1]
        if self.table.hit_policy == "FIRST" and certain:
            # Rows below the first one that surely matches are not looked at.
            rows = [row for row in rows if row <= certain[0]]
        self.deciding |= sum(1 << row for row in rows)
        for pair in combinations(certain, 2):
            if len(self.found.overlaps) < _MAX_PAIRS:
                self.found.overlaps.setdefault(pair, example)


def _pieces(table: DecisionTable, index: int, functions: Mapping[str, Callable], domain: Domain) -> list[_Piece]:
    tests = [rule.tests[index] for rule in table.rules]
    pieces: dict[tuple[int, int], _Piece] = {}
    for sample in _samples(table, index, functions, domain):
        sure = possible = 0
        for row, test in enumerate(tests):
            answer = _answer(test, sample, functions)
            sure |= (answer is True) << row
            possible |= (answer is not False) << row
        pieces.setdefault((sure, possible), _Piece(sample, sure, possible))
    return list(pieces.values())


def _answer(test: UnaryTest, sample: object, functions: Mapping[str, Callable]) -> bool | None:
    """Tell whether a cell matches; None when that depends on other data."""
    if test.is_any:
        return True
    if sample is None and not test.sees_null:
        return False
    try:
        return test.matches(sample, {}, functions)
    except EvaluationError:
        return None


def _samples(table: DecisionTable, index: int, functions: Mapping[str, Callable], domain: Domain) -> Iterator[object]:
    column = table.inputs[index]
    cells = [rule.tests[index] for rule in table.rules] + ([column.allowed] if column.allowed else [])
    named = set(table.literals(index))
    for cell in cells:
        for key in cell.literals_of("param"):
            try:
                named.add(functions["param"](key))
            except LookupError:
                continue
    for sample in _spread(column, named, domain):
        if column.allowed is None or _answer(column.allowed, sample, functions) is not False:
            yield sample
    if any(cell.sees_null for cell in cells):
        yield None


def _spread(column: Input, named: set, domain: Domain) -> Iterator[object]:
    """Return the values that are named, and one between each two and beyond the ends."""
    kind = declared_kind(column.type) or next((kind_of_value(value) for value in named), "")
    if domain.texts is not None:
        yield from domain.texts
    elif kind == "是否":
        yield from (True, False)
    elif kind == "数字":
        yield from spread_numbers(
            sorted(v for v in named if kind_of_value(v) == "数字"),
            domain.whole or column.type.rpartition(":")[2] in _WHOLE,
        )
    elif kind in ("日期", "时间"):
        days = sorted(value for value in named if kind_of_value(value) == kind)
        yield from sorted({day + timedelta(days=step) for day in days for step in (-1, 0, 1)})
    else:
        yield from sorted(value for value in named if isinstance(value, str))
        yield _OTHER


def spread_numbers(named: list, whole: bool = False) -> Iterator[object]:
    """Return numbers that are named in order, one between each two and one beyond the ends; 0 where none is named."""
    if not named:
        yield 0
        return
    yield named[0] - 1
    for low, high in pairwise(named):
        yield low
        between = (Decimal(low) + Decimal(high)) / 2
        if not whole or low + 1 < high:
            yield int(between) if whole or between == int(between) else between
    yield named[-1]
    yield named[-1] + 1
