"""Decision tables (DMN) that honour their hit policy; an overlap, a missed row, an unsupported cell are errors."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from lxml import etree

from engine.bpmn.document import XmlRefused, read_xml
from engine.bpmn.expressions import (
    EvaluationError,
    Expression,
    ExpressionError,
    Functions,
    Run,
    UnaryTest,
    parse,
    parse_unary,
    to_json,
)
from engine.errors import EngineError

#: DMN 1.3, 1.2, 1.1 and, with the same tables, 1.4, 1.5, 1.6
NAMESPACES = (
    "https://www.omg.org/spec/DMN/20191111/MODEL/",
    "http://www.omg.org/spec/DMN/20180521/MODEL/",
    "http://www.omg.org/spec/DMN/20151101/dmn.xsd",
    "https://www.omg.org/spec/DMN/20211108/MODEL/",
    "https://www.omg.org/spec/DMN/20230324/MODEL/",
    "https://www.omg.org/spec/DMN/20240513/MODEL/",
)
HIT_POLICIES = ("UNIQUE", "FIRST", "ANY", "PRIORITY", "COLLECT", "RULE ORDER", "OUTPUT ORDER")
#: these go by the order in which a result column lists its permitted values
_RANKED = ("PRIORITY", "OUTPUT ORDER")
MAX_RULES, MAX_COLUMNS, MAX_STEPS = 1_000, 50, 200_000

Parsed = TypeVar("Parsed", Expression, UnaryTest)


class DecisionError(EngineError):
    """A table cannot be read or does not decide; ``line`` is 1-based, 1 when the whole file is meant."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(f"第 {line} 行：{message}")
        self.message = message
        self.line = line


@dataclass(frozen=True)
class Input:
    """A column that is asked about; ``allowed`` are its permitted values, None when any."""

    expression: Expression
    label: str
    type: str
    allowed: UnaryTest | None
    line: int


@dataclass(frozen=True)
class Output:
    name: str
    type: str
    allowed: UnaryTest | None
    line: int
    #: the permitted values as listed, the first counts most
    ranking: tuple[object, ...] = ()


@dataclass(frozen=True)
class Rule:
    id: str
    tests: tuple[UnaryTest, ...]
    results: tuple[Expression, ...]
    line: int


@dataclass(frozen=True)
class DecisionResult:
    """``outputs`` is a list of dicts for RULE ORDER, OUTPUT ORDER and COLLECT without aggregation, else a dict."""

    outputs: dict[str, object] | list[dict[str, object]]
    rule_ids: tuple[str, ...]


@dataclass(frozen=True)
class DecisionTable:
    id: str
    name: str
    hit_policy: str
    #: SUM, COUNT, MIN, MAX or "", only under COLLECT
    aggregation: str
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    rules: tuple[Rule, ...]
    line: int

    def decide(self, context: Mapping, functions: Functions | None = None) -> DecisionResult:
        """Return the outputs and the rules that gave them; raises DecisionError when the table does not decide."""
        run = Run(context, functions, MAX_STEPS)
        hits = self._hits(run)
        if not hits:
            raise DecisionError(f"决策表“{self.name}”没有一行符合", self.line)
        if self.hit_policy == "UNIQUE" and len(hits) > 1:
            overlap = "、".join(str(self.rules.index(rule) + 1) for rule in hits)
            raise DecisionError(f"决策表“{self.name}”只许一行符合，第 {overlap} 行却都符合", hits[1].line)
        rows = [self._results(rule, run) for rule in hits]
        if self.hit_policy in _RANKED:
            order = sorted(range(len(rows)), key=lambda index: self._rank(rows[index]))
            hits, rows = [hits[index] for index in order], [rows[index] for index in order]
            if self.hit_policy == "PRIORITY":
                hits, rows = hits[:1], rows[:1]
        different = next((rule for rule, row in zip(hits, rows, strict=True) if not _same(row, rows[0])), None)
        if self.hit_policy == "ANY" and different:
            raise DecisionError(f"决策表“{self.name}”有几行都符合，结果却不一样", different.line)
        return DecisionResult(self._merged(rows), tuple(rule.id for rule in hits))

    def literals(self, input_index: int) -> frozenset:
        """Return every value that a column and its permitted values name: sample points for gaps and overlaps."""
        allowed = self.inputs[input_index].allowed
        tests = [rule.tests[input_index] for rule in self.rules] + ([allowed] if allowed else [])
        return frozenset().union(*(test.literals for test in tests))

    def output_literals(self, name: str) -> frozenset:
        """Return the constants that an output column may give; cells that look something up are left out."""
        cells = [rule.results[i] for rule in self.rules for i, each in enumerate(self.outputs) if each.name == name]
        return frozenset().union(*(cell.literals for cell in cells if not cell.names))

    @property
    def names(self) -> frozenset[str]:
        """The top-level names of the data that the table reads."""
        return frozenset().union(*(cell.names for cell in self._cells()))

    @property
    def calls(self) -> frozenset[str]:
        """The functions that the table calls."""
        return frozenset().union(*(cell.calls for cell in self._cells()))

    def literals_of(self, function: str) -> tuple[str, ...]:
        """Return the string literals given to a function anywhere in the table, such as the keys of ``param``."""
        return tuple(dict.fromkeys(text for cell in self._cells() for text in cell.literals_of(function)))

    def _cells(self) -> list[Expression | UnaryTest]:
        columns = [column.allowed for column in (*self.inputs, *self.outputs) if column.allowed]
        cells = [cell for rule in self.rules for cell in (*rule.tests, *rule.results)]
        return [*(column.expression for column in self.inputs), *columns, *cells]

    def _hits(self, run: Run) -> list[Rule]:
        """Return the rules that match, under FIRST only the first: rows below it are not even looked at."""
        values = [functools.cache(functools.partial(self._value, index, run)) for index in range(len(self.inputs))]
        hits: list[Rule] = []
        for rule in self.rules:
            if all(self._passes(rule, index, value, run) for index, value in enumerate(values)):
                hits.append(rule)
                if self.hit_policy == "FIRST":
                    break
        return hits

    def _value(self, index: int, run: Run) -> object:
        """Calculate an input when a cell first asks for it; only a column that names null may see a missing one."""
        column = self.inputs[index]
        sees_null = any(rule.tests[index].sees_null for rule in self.rules)
        try:
            value = column.expression.value(run, missing_as_null=sees_null)
            permitted = value is None or not column.allowed or column.allowed.passes(value, run)
        except EvaluationError as error:
            raise DecisionError(f"“{column.label}”：{error}", column.line) from error
        if not permitted:
            raise DecisionError(f"“{column.label}”的值 {value} 不在允许的范围内", column.line)
        if value is None and not sees_null:
            raise DecisionError(f"“{column.label}”是空的（null），表里没有写 null 的行", column.line)
        return value

    def _passes(self, rule: Rule, index: int, value: Callable[[], object], run: Run) -> bool:
        test = rule.tests[index]
        if test.is_any:
            return True
        if value() is None and not test.sees_null:
            # another row of this column has dealt with null
            return False
        try:
            return test.passes(value, run)
        except EvaluationError as error:
            raise DecisionError(f"“{self.inputs[index].label}”一列的格子 {test.text}：{error}", rule.line) from error

    def _results(self, rule: Rule, run: Run) -> dict[str, object]:
        row = {}
        for output, cell in zip(self.outputs, rule.results, strict=True):
            try:
                value = cell.value(run)
                permitted = not output.allowed or output.allowed.passes(value, run)
            except EvaluationError as error:
                raise DecisionError(f"结果“{output.name}”：{error}", rule.line) from error
            if not permitted:
                raise DecisionError(f"结果“{output.name}”的值 {value} 不在允许的范围内", rule.line)
            row[output.name] = to_json(value)
        return row

    def _rank(self, row: dict[str, object]) -> tuple[int, ...]:
        """Return how far down its list of permitted values each result stands, the first column before the next."""
        return tuple(column.ranking.index(row[column.name]) for column in self.outputs)

    def _merged(self, rows: list[dict[str, object]]) -> dict[str, object] | list[dict[str, object]]:
        if not self.aggregation:
            return rows if self.hit_policy in ("COLLECT", "RULE ORDER", "OUTPUT ORDER") else rows[0]
        name = self.outputs[0].name
        values = [row[name] for row in rows]
        if self.aggregation == "COUNT":
            return {name: len(values)}
        try:
            return {name: parse(f"{self.aggregation.lower()}(values)").evaluate({"values": values})}
        except EvaluationError as error:
            raise DecisionError(f"结果“{name}”不能汇总（{self.aggregation}）：{error.message}", self.line) from error


def read_decisions(data: bytes) -> dict[str, DecisionTable]:
    """Read the decision tables of a DMN file by decision id; raises DecisionError."""
    try:
        root = read_xml(data).getroot()
    except XmlRefused as error:
        raise DecisionError(error.message, error.line) from error
    name = etree.QName(root)
    if name.localname != "definitions" or name.namespace not in NAMESPACES:
        raise DecisionError("这不是 DMN 1.1 到 1.6 的决策表文件", _line(root))
    return _Reader(str(name.namespace)).tables(root)


class _Reader:
    """Reads the elements of one DMN namespace; whatever would change a decision and is not understood is refused."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        #: name of a type that the file defines → its definition
        self.types: dict[str, etree._Element] = {}

    def tables(self, root: etree._Element) -> dict[str, DecisionTable]:
        tables: dict[str, DecisionTable] = {}
        self.check_languages(root)
        self.types = {each.get("name", ""): each for each in self.children(root, "itemDefinition")}
        for decision in self.children(root, "decision"):
            table = self.table(decision)
            if table.id in tables:
                raise DecisionError(f"决策的 id {table.id} 写了两次", table.line)
            tables[table.id] = table
        if not tables:
            raise DecisionError("文件里没有决策表", _line(root))
        return tables

    def table(self, decision: etree._Element) -> DecisionTable:
        id = decision.get("id", "")
        body = self.child(decision, "decisionTable")
        if not id or body is None:
            raise DecisionError("决策没有 id" if not id else f"决策 {id} 里没有决策表，别的写法不支持", _line(decision))
        if (required := next(decision.iter(f"{{{self.namespace}}}requiredDecision"), None)) is not None:
            raise DecisionError("一张表不能用另一张表的结果，请在流程图里分成两步", _line(required))
        inputs = tuple(self.input(element, n) for n, element in enumerate(self.children(body, "input"), 1))
        elements = self.children(body, "output")
        outputs = tuple(self.output(element, id if len(elements) == 1 else "") for element in elements)
        rules = tuple(self.rule(row, n, inputs, outputs) for n, row in enumerate(self.children(body, "rule"), 1))
        policy, aggregation = body.get("hitPolicy", "UNIQUE"), body.get("aggregation", "")
        name = decision.get("name") or id
        table = DecisionTable(id, name, policy, aggregation, inputs, outputs, rules, _line(body))
        _check(table)
        return table

    def input(self, element: etree._Element, number: int) -> Input:
        source = self.child(element, "inputExpression")
        if source is None:
            raise DecisionError(f"第 {number} 列没有写判断什么", _line(element))
        expression = self.parsed(source, parse, f"第 {number} 列的表头")
        label = element.get("label") or expression.text.strip()
        type = source.get("typeRef", "")
        allowed = self.allowed(element, "inputValues") or self.permitted(type, element)
        return Input(expression, label, self.plain(type), allowed, _line(element))

    def output(self, element: etree._Element, default_name: str) -> Output:
        """Read a result column; the only one may go without a name and is then called by the decision's id."""
        name = element.get("name") or default_name
        if not name:
            raise DecisionError("有几个结果列时，每一列都要有名称（name）", _line(element))
        if (default := self.child(element, "defaultOutputEntry")) is not None:
            raise DecisionError("不支持默认结果，请加一行，条件都写 -", _line(default))
        type = element.get("typeRef", "")
        allowed = self.allowed(element, "outputValues") or self.permitted(type, element)
        return Output(name, self.plain(type), allowed, _line(element), self.ranking(element))

    def plain(self, type: str) -> str:
        """Return the built-in type that a type of the file's own stands for."""
        defined = self.types.get(type)
        base = None if defined is None else self.child(defined, "typeRef")
        # One step: a type built on another own type is compared with nothing.
        return type if base is None else (base.text or "").strip().rpartition(":")[2]

    def permitted(self, type: str, column: etree._Element) -> UnaryTest | None:
        """Return the values that a type of the file's own permits, None when any."""
        defined = self.types.get(type)
        if defined is None:
            return None
        if self.child(defined, "typeConstraint") is not None or defined.get("isCollection") == "true":
            raise DecisionError(f"这一列的类型 {type} 有这里不认识的限制，请把允许的值写在列上", _line(column))
        return self.allowed(defined, "allowedValues")

    def ranking(self, element: etree._Element) -> tuple[object, ...]:
        """Return the permitted values in their order; none where they are not plainly listed."""
        values = self.child(element, "outputValues")
        text = "" if values is None else str(values.xpath("string()")).strip()
        try:
            listed = parse(f"[{text}]")
            return tuple(listed.evaluate({})) if text and not listed.names | listed.calls else ()
        except (ExpressionError, EvaluationError):
            return ()

    def allowed(self, element: etree._Element, tag: str) -> UnaryTest | None:
        values = self.child(element, tag)
        test = None if values is None else self.parsed(values, parse_unary, "允许的值")
        return None if test is None or test.is_any else test

    def rule(self, row: etree._Element, number: int, inputs: tuple, outputs: tuple) -> Rule:
        tests, results = self.children(row, "inputEntry"), self.children(row, "outputEntry")
        if (len(tests), len(results)) != (len(inputs), len(outputs)):
            raise DecisionError(f"第 {number} 行规则的格子数和列数不一样", _line(row))
        return Rule(
            row.get("id") or f"rule_{number}",
            tuple(self.parsed(cell, parse_unary, f"第 {number} 行规则的条件") for cell in tests),
            tuple(self.parsed(cell, parse, f"第 {number} 行规则的结果") for cell in results),
            _line(row),
        )

    def parsed(self, holder: etree._Element, parse_text: Callable[[str], Parsed], where: str) -> Parsed:
        element = self.child(holder, "text")
        text = "" if element is None else (str(element.xpath("string()")) if len(element) else element.text or "")
        try:
            return parse_text(text)
        except ExpressionError as error:
            line = _line(holder if element is None else element) + text[: error.position].count("\n")
            raise DecisionError(f"{where}：{error}", line) from error

    def check_languages(self, root: etree._Element) -> None:
        for element in root.iter(f"{{{self.namespace}}}*"):
            language = element.get("expressionLanguage", "feel")
            if "feel" not in language.lower():
                raise DecisionError(f"表达式语言 {language} 不支持，只能用 FEEL", _line(element))

    def children(self, element: etree._Element, tag: str) -> list[etree._Element]:
        return list(element.iterchildren(f"{{{self.namespace}}}{tag}"))

    def child(self, element: etree._Element, tag: str) -> etree._Element | None:
        return next(element.iterchildren(f"{{{self.namespace}}}{tag}"), None)


def _check(table: DecisionTable) -> None:
    """Refuse what would make a table decide otherwise than it reads."""
    ids = [rule.id for rule in table.rules]
    names = [output.name for output in table.outputs]
    columns = len(table.inputs) + len(names)
    for wrong, message in (
        (table.hit_policy not in HIT_POLICIES, f"命中策略 {table.hit_policy} 不支持，可用 {'、'.join(HIT_POLICIES)}"),
        (table.aggregation and table.hit_policy != "COLLECT", "只有 COLLECT 才能汇总"),
        (table.aggregation not in ("", "SUM", "COUNT", "MIN", "MAX"), f"汇总方式 {table.aggregation} 不支持"),
        (table.aggregation and len(names) != 1, "汇总时只能有一个结果列"),
        (
            table.hit_policy in _RANKED and not all(output.ranking for output in table.outputs),
            f"命中策略 {table.hit_policy} 要在每个结果列里按先后列出允许的值",
        ),
        (not names, "决策表没有结果列"),
        (not ids, "决策表没有一行规则"),
        (len(ids) > MAX_RULES or columns > MAX_COLUMNS, f"决策表超过 {MAX_RULES} 行或 {MAX_COLUMNS} 列"),
        (len(set(names)) < len(names), "结果列的名称重复"),
        (len(set(ids)) < len(ids), "规则的 id 重复"),
    ):
        if wrong:
            raise DecisionError(f"{table.name}：{message}", table.line)


def _same(row: Mapping, other: Mapping) -> bool:
    """Tell whether two rows of results are equal; Python alone would take true for 1."""
    return row == other and [isinstance(v, bool) for v in row.values()] == [isinstance(v, bool) for v in other.values()]


def _line(element: etree._Element) -> int:
    return element.sourceline or 1
