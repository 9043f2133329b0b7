"""Which answers of a gateway are possible, as far as forms and decision tables say what a value can be.

Knowledge is a set of values that a data key may have; what is not known may be anything. It only ever leaves out what
cannot happen: whatever a message, a connector or a call may have written, and whatever is written where branches run
side by side, is not known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from pathlib import PurePosixPath

from lxml import etree

from engine.bpmn.decisions import DecisionTable
from engine.bpmn.document import BPMN, CAMUNDA
from engine.bpmn.expressions import EvaluationError, Expression, ExpressionError, parse
from engine.bpmn.feel.tokens import Token, read_tokens
from engine.bpmn.forms.form import Field, Form
from engine.bpmn.proof.flow_graph import SUB_PROCESSES, Flow, FlowGraph, Node
from engine.bpmn.proof.gateway_gaps import Gap, data_keys, find_gap, put
from engine.bpmn.proof.token_game import Option

#: combinations of values tried at one gateway; more is not looked at
_MOST_CASES = 256
_CHOICES = ("exclusiveGateway", "inclusiveGateway")
#: elements through which anything may be written
_FOREIGN = ("receiveTask", *SUB_PROCESSES)
#: what one completed task or decision may have put under a data key
Values = frozenset
#: (data key, values it may have), ordered by key; a key that is missing may have any
Known = tuple[tuple[str, Values], ...]


@dataclass(frozen=True)
class Sources:
    """Where values come from."""

    #: name inside the package → form
    forms: Mapping[str, Form]
    #: decision id → table
    tables: Mapping[str, DecisionTable]
    #: folder of the diagram inside the package
    folder: str = ""
    #: key → value in force
    parameters: Mapping[str, object] = field(default_factory=dict)


class Feasibility:
    """What is known of the data along the ways through one scope."""

    def __init__(self, graph: FlowGraph, sources: Sources) -> None:
        self._sources = sources
        self._conditions = {flow: _parsed(flow) for node in graph.nodes for flow in node.outgoing}
        self._reads = {flow: frozenset(data_keys(each)) if each else () for flow, each in self._conditions.items()}
        used = {name for condition in self._conditions.values() if condition for name in condition.names}
        written = {node: dict(self._written(node)) for node in graph.nodes}
        beside = _side_by_side(graph)
        self._forgets = {node for node in graph.nodes if _is_foreign(node)}
        barred = {_root(key) for node in beside for key in written[node]}
        if self._forgets & beside:
            barred = used
        #: node → data key → values, None for any
        self._writes = {
            node: {key: values for key, values in keys.items() if _root(key) in used} for node, keys in written.items()
        }
        self._kept = used - barred
        self._gaps: dict[tuple, Gap | None] = {}

    @property
    def knows_anything(self) -> bool:
        """Tell whether some value that a condition reads can be known."""
        return any(
            values is not None and _root(key) in self._kept
            for keys in self._writes.values()
            for key, values in keys.items()
        )

    def after(self, option: Option, known: Known) -> Known | None:
        """Return what is known when something has happened; None when it cannot happen."""
        node = option.nodes[-1] if option.nodes else None
        if option.flows and node is not None:
            return self._chosen(node, option.flows, known)
        for each in option.nodes:
            known = self._passed(each, known)
        return known

    def _passed(self, node: Node, known: Known) -> Known:
        if node in self._forgets:
            return ()
        writes = self._writes[node]
        if not writes:
            return known
        told = {key: values for key, values in known if not any(_overlap(key, other) for other in writes)}
        told |= {key: values for key, values in writes.items() if values is not None and _root(key) in self._kept}
        return tuple(sorted(told.items(), key=_first))

    # Gateways.

    def _chosen(self, node: Node, flows: tuple[Flow, ...], known: Known) -> Known | None:
        """Return what is known behind the flows that are taken together; None when they never are."""
        told = dict(known)
        read = {key for flow in node.outgoing for key in self._reads[flow]}
        keys = [key for key in told if any(_overlap(key, other) for other in read)]
        cases = 1
        for key in keys:
            cases *= len(told[key])
        if not keys or cases > _MOST_CASES:
            return known
        possible = [
            case
            for case in product(*(sorted(told[key], key=repr) for key in keys))
            if self._takes(node, flows, keys, case)
        ]
        if not possible:
            return None
        for index, key in enumerate(keys):
            told[key] = Values(case[index] for case in possible)
        return tuple(sorted(told.items(), key=_first))

    def _takes(self, node: Node, flows: tuple[Flow, ...], keys: list[str], case: tuple) -> bool:
        """Tell whether exactly these flows may be taken with these values."""
        data: dict = {}
        for key, value in zip(keys, case, strict=True):
            put(data, key, value)
        conditional = [flow for flow in node.outgoing if not flow.default]
        answers = {flow: self._answer(flow, data) for flow in conditional}
        if node.kind == "exclusiveGateway":
            (chosen,) = flows
            before = conditional if chosen.default else conditional[: conditional.index(chosen)]
            return all(answers[flow] is not True for flow in before) and answers.get(chosen) is not False
        if all(flow.default for flow in flows):
            return all(answer is not True for answer in answers.values())
        return all(answers[flow] is not (flow not in flows) for flow in conditional)

    def _answer(self, flow: Flow, data: Mapping) -> bool | None:
        """Return what a condition gives, None when that is open."""
        condition = self._conditions[flow]
        # A key that is not known here is not therefore null.
        if condition is None or "null" in condition.text:
            return None
        try:
            return condition.holds(data)
        except EvaluationError:
            # Something it reads is not known; or it fails, and then nothing goes on here anyway.
            return None

    def gap(self, node: Node, known: Known | None = None) -> Gap | None:
        """Return a case in which nothing goes on behind a gateway; without ``known``, of all that may be written."""
        conditions = [None if flow.default else self._conditions[flow] for flow in node.outgoing]
        if node.kind not in _CHOICES or not conditions or None in conditions:
            return None
        told = self._ever_written if known is None else dict(known)
        key = node, tuple(sorted(told.items(), key=_first))
        if key not in self._gaps:
            self._gaps[key] = find_gap(conditions, told, self._sources.parameters)
        return self._gaps[key]

    @cached_property
    def _ever_written(self) -> dict[str, Values]:
        """Data key → all values that forms and tables of the scope may write there, where all are known."""
        told: dict[str, Values | None] = {}
        for keys in self._writes.values():
            for key, values in keys.items():
                before = told.get(key, Values())
                told[key] = None if values is None or before is None else before | values
        return {key: values for key, values in told.items() if values}

    # What is written.

    def _written(self, node: Node) -> Iterator[tuple[str, Values | None]]:
        element = node.element
        if node.kind in ("startEvent", "userTask", "manualTask"):
            yield from self._filled_in(node)
        elif node.kind == "businessRuleTask":
            yield from self._decided(node)
        elif node.kind == "callActivity":
            for out in _handed_out(element):
                yield out.get("target", ""), _results(out.get("sourceExpression", ""))
        elif node.kind == "serviceTask":
            for parameter in element.iter(f"{{{CAMUNDA}}}outputParameter"):
                yield parameter.get("name", ""), None

    def _filled_in(self, node: Node) -> Iterator[tuple[str, Values | None]]:
        name = node.element.get(f"{{{CAMUNDA}}}formKey") or node.element.get(f"{{{CAMUNDA}}}formRef") or ""
        form = self._sources.forms.get((PurePosixPath(self._sources.folder) / name).as_posix())
        several = node.element.find(f"{{{BPMN}}}multiInstanceLoopCharacteristics") is not None
        for asked in form.fields if form else ():
            yield asked.key, None if several else _answers(asked)

    def _decided(self, node: Node) -> Iterator[tuple[str, Values | None]]:
        table = self._sources.tables.get(node.element.get(f"{{{CAMUNDA}}}decisionRef", ""))
        result = node.element.get(f"{{{CAMUNDA}}}resultVariable", "")
        if table is None or table.hit_policy not in ("UNIQUE", "FIRST", "ANY"):
            yield result, None
            return
        single = node.element.get(f"{{{CAMUNDA}}}mapDecisionResult") == "singleEntry" and len(table.outputs) == 1
        for index, output in enumerate(table.outputs):
            values = [_constant(row.results[index]) for row in table.rules]
            yield (
                result if single else f"{result}.{output.name}",
                None if None in values else Values(v for (v,) in values),
            )


def _answers(asked: Field) -> Values | None:
    """Return the values a field of a form may leave behind, None when they cannot be listed."""
    if asked.multiple or asked.source or asked.rows is not None:
        return None
    if asked.type in ("select", "radio") and asked.options:
        values: list[object] = [option.value for option in asked.options]
    elif asked.type == "checkbox":
        values = [True, False]
    else:
        return None
    return Values(values if asked.required and asked.hide is None else [*values, None])


def _constant(cell: Expression) -> tuple[object] | None:
    """Return the value of a cell in a tuple, None when it is calculated from data."""
    if cell.names or cell.calls:
        return None
    try:
        value = cell.evaluate({})
    except EvaluationError:
        return None
    return (value,) if value is None or isinstance(value, (str, bool, int)) else None


def _is_foreign(node: Node) -> bool:
    """Tell whether anything may have been written when a node is passed: by a message, a call or a sub-process."""
    if node.kind == "callActivity":
        handed_out = list(_handed_out(node.element))
        return not handed_out or not all(out.get("target") for out in handed_out)
    return node.kind in _FOREIGN or bool(set(node.events) - {"timer"} and node.kind != "endEvent")


def _handed_out(call: etree._Element) -> Iterator[etree._Element]:
    return call.iter(f"{{{CAMUNDA}}}out")


def _results(text: str) -> Values | None:
    """Return what an expression of the form ``if … then "a" else "b"`` may give, None for any other."""
    tokens = _tokens(text)
    if not tokens or tokens[0].text != "if":
        return None
    found = []
    for before, token, after in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if before.text in ("then", "else") and token.text != "if":
            if token.kind != "string" or after.text not in ("else", ""):
                return None
            found.append(parse(token.text).evaluate({}))
    return Values(found)


def _tokens(text: str) -> list[Token]:
    try:
        return list(read_tokens(text, int(text.startswith("="))))
    except ExpressionError:
        return []


def _side_by_side(graph: FlowGraph) -> set[Node]:
    """Return the nodes behind any place where the flow splits: each branch has a copy of the data of its own."""
    ahead: list[Node] = []
    for node in graph.nodes:
        if len(node.outgoing) > 1 and node.kind not in ("exclusiveGateway", "eventBasedGateway"):
            ahead += [flow.target for flow in node.outgoing]
        if node.host is not None and not node.interrupts:
            ahead += [node, *node.host.ahead]
    return graph.reached(ahead)


def _parsed(flow: Flow) -> Expression | None:
    try:
        return parse(flow.condition) if flow.condition else None
    except ExpressionError:
        return None


def _root(key: str) -> str:
    return key.partition(".")[0]


def _overlap(one: str, other: str) -> bool:
    """Tell whether writing one key changes what the other holds."""
    return one == other or one.startswith(f"{other}.") or other.startswith(f"{one}.")


def _first(pair: tuple[str, Values]) -> str:
    return pair[0]
