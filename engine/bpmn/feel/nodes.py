"""The parts of a parsed expression, each able to calculate itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from engine.bpmn.feel.errors import EvaluationError
from engine.bpmn.feel.functions import code_of, items_of
from engine.bpmn.feel.run import Run
from engine.bpmn.feel.values import are_equal, are_in_order, calculate, from_data, kind_of

_ABSENT = object()

_Step = Callable[[Run], object]


class Node:
    """A part of an expression; ``look`` (of names and paths only) gives _ABSENT where the data has no such place."""

    __slots__ = ("position", "label", "compute", "look")

    def __init__(self, position: int, compute: _Step | None, label: str = "这个值", look: _Step | None = None) -> None:
        self.position, self.label, self.look = position, label, look
        self.compute = compute or self._found

    def _found(self, run: Run) -> object:
        value = self.look(run)
        if value is _ABSENT:
            raise EvaluationError(f"没有叫 {self.label} 的数据", self.position)
        return value

    def value(self, run: Run) -> object:
        """Return the value, None only where it is known to be null."""
        run.spend(1, self.position)
        return self.compute(run)

    def value_or_null(self, run: Run) -> object:
        """Return None for an unknown name or a missing path too: what ``= null`` sees."""
        value = self.look(run) if self.look else self.value(run)
        return None if value is _ABSENT else value

    def present(self, run: Run) -> object:
        value = self.value(run)
        if value is None:
            message = f"{self.label}是空的（null），不能计算或比较；看它是否为空请写 = null"
            raise EvaluationError(message, self.position)
        return value

    def truth(self, run: Run) -> bool:
        value = self.present(run)
        if not isinstance(value, bool):
            raise EvaluationError(f"这里要的是 true 或 false，得到的却是{kind_of(value)}", self.position)
        return value


class Literal(Node):
    __slots__ = ("constant",)

    def __init__(self, position: int, constant: object) -> None:
        super().__init__(position, lambda run: constant)
        self.constant = constant


def is_null(node: Node) -> bool:
    return isinstance(node, Literal) and node.constant is None


def name(position: int, name: str) -> Node:
    def look(run: Run) -> object:
        found = run.bound[name] if name in run.bound else run.context.get(name, _ABSENT)
        return found if found is _ABSENT else from_data(found, position)

    return Node(position, None, name, look)


def path(position: int, label: str, start: Node, steps: Sequence[str | Node]) -> Node:
    """``a.b[1].c``: only keys of records and items of lists, never an attribute of an object."""

    def look(run: Run) -> object:
        found = start.look(run) if start.look else start.value(run)
        for step in steps:
            if found is None or found is _ABSENT:
                return _ABSENT
            found = _key(found, step, position) if isinstance(step, str) else _item(found, step, run)
        return found if found is _ABSENT else from_data(found, position)

    return Node(position, None, label, look)


def _key(record: object, key: str, position: int) -> object:
    if not isinstance(record, Mapping):
        raise EvaluationError(f"{kind_of(record)}里没有 .{key}", position)
    return record.get(key, _ABSENT)


def _item(items: object, step: Node, run: Run) -> object:
    index = step.present(run)
    if not isinstance(items, (list, tuple)):
        raise EvaluationError(f"这里要一个列表，得到的却是{kind_of(items)}", step.position)
    if isinstance(index, bool) or not isinstance(index, int) or index == 0:
        raise EvaluationError("第几项要写整数：1 是第一项，-1 是最后一项", step.position)
    place = index - 1 if index > 0 else index
    return items[place] if -len(items) <= place < len(items) else _ABSENT


def chain(first: Node, rest: Sequence[tuple[str, Node]]) -> Node:
    """Operands of one level from left to right; flat, so that a long sum is not deep."""

    def compute(run: Run) -> object:
        total = first.present(run)
        for operator, node in rest:
            total = calculate(operator, total, node.present(run), run.decimals, node.position)
        return total

    return Node(first.position, compute)


def logic(first: Node, rest: Sequence[tuple[str, Node]]) -> Node:
    """``and``, ``or``: stop at the first answer, so that ``x != null and x > 3`` can be written."""
    decisive = rest[0][0] == "or"
    nodes = (first, *(node for _, node in rest))
    return Node(first.position, lambda run: any(node.truth(run) is decisive for node in nodes) is decisive)


def comparison(position: int, left: Node, operator: str, right: Node) -> Node:
    wanted = operator == "="
    if operator not in ("=", "!="):
        return Node(position, lambda run: are_in_order(left.present(run), operator, right.present(run), position))
    if is_null(left) or is_null(right):
        seen = right if is_null(left) else left
        return Node(position, lambda run: (seen.value_or_null(run) is None) is wanted)
    return Node(position, lambda run: are_equal(left.present(run), right.present(run), position) is wanted)


def quantified(position: int, word: str, name: str, items: Node, condition: Node) -> Node:
    decisive = word == "some"

    def compute(run: Run) -> object:
        outer = run.bound
        try:
            for item in items_of(items.present(run), items.position, run):
                run.bound = {**outer, name: item}
                if condition.truth(run) is decisive:
                    return decisive
        finally:
            run.bound = outer
        return not decisive

    return Node(position, compute)


def call(position: int, name: str, arguments: Sequence[Node]) -> Node:
    code = code_of(name)
    return Node(position, lambda run: code([node.present(run) for node in arguments], position, run), f"{name}()")
