"""The grammar: turns the text of an expression or a decision cell into nodes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

from engine.bpmn.feel import nodes, unary
from engine.bpmn.feel.errors import ExpressionError
from engine.bpmn.feel.functions import BUILTINS, DOMAIN_FUNCTIONS
from engine.bpmn.feel.nodes import Literal, Node, is_null
from engine.bpmn.feel.run import Run
from engine.bpmn.feel.tokens import Token, read_tokens
from engine.bpmn.feel.values import NUMBER, are_in_order, bounded, kind_of

MAX_TEXT, MAX_NESTING = 2_000, 50

_KEYWORDS = {"and", "or", "not", "if", "then", "else", "some", "every", "satisfies", "in", "between"}
_CONSTANTS = {"true": True, "false": False, "null": None}
_COMPARISON, _SUM = 2, 3
_LEVELS = {"or": 0, "and": 1, "+": _SUM, "-": _SUM, "*": 4, "/": 4} | dict.fromkeys(
    ("=", "!=", "<", "<=", ">", ">=", "in", "between"), _COMPARISON
)
_ESCAPES = {'"': '"', "\\": "\\", "n": "\n", "t": "\t"}


class Parser:
    """Reads one text and notes on the way what lint asks for: names, calls, literals."""

    def __init__(self, text: str, start: int = 0) -> None:
        if len(text) > MAX_TEXT:
            raise ExpressionError(f"表达式超过 {MAX_TEXT} 字", MAX_TEXT)
        self.text = text
        self.tokens = list(read_tokens(text, start))
        self.index = 0
        self.depth = 0
        self.bound: list[str] = []
        self.names: set[str] = set()
        self.given: dict[str, tuple[str, ...]] = {}
        self.literals: list[object] = []

    @property
    def token(self) -> Token:
        return self.tokens[self.index]

    def advance(self) -> Token:
        token = self.token
        self.index += token.kind != "end"
        return token

    def accept(self, *texts: str) -> Token | None:
        return self.advance() if self.token.text in texts else None

    def expect(self, text: str, message: str) -> Token:
        if self.token.text != text:
            raise ExpressionError(message, self.token.position)
        return self.advance()

    def finish(self) -> None:
        if self.token.kind != "end":
            comparison = _LEVELS.get(self.token.text) == _COMPARISON
            message = "比较不能连着写" if comparison else f"这里多出了 {self.token.text[:20]}"
            raise ExpressionError(message, self.token.position)

    def expression(self) -> Node:
        if start := self.accept("if"):
            return self.choice(start)
        if start := self.accept("some", "every"):
            return self.quantified(start)
        return self.binary(0)

    def enter(self) -> None:
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise ExpressionError(f"嵌套超过 {MAX_NESTING} 层", self.token.position)

    def choice(self, start: Token) -> Node:
        self.enter()
        condition = self.expression()
        self.expect("then", "if 的条件后面要写 then")
        then = self.expression()
        self.expect("else", "if 还要用 else 写明不成立时的值")
        otherwise = self.expression()
        self.depth -= 1
        return Node(start.position, lambda run: (then if condition.truth(run) else otherwise).value(run))

    def quantified(self, start: Token) -> Node:
        self.enter()
        name = self.word(f"{start.text} 后面要写一个名称")
        self.expect("in", "名称后面要写 in 和列表")
        items = self.expression()
        self.expect("satisfies", "列表后面要写 satisfies 和条件")
        self.bound.append(name)
        condition = self.expression()
        self.bound.pop()
        self.depth -= 1
        return nodes.quantified(start.position, start.text, name, items, condition)

    def binary(self, lowest: int) -> Node:
        """Read operands joined by operators of level ``lowest`` and above (precedence climbing)."""
        self.enter()
        left = self.factor()
        while (level := _LEVELS.get(self.token.text, -1)) >= lowest:
            if level == _COMPARISON:
                left = self.comparison(left, self.advance())
                if _LEVELS.get(self.token.text) == _COMPARISON:
                    self.finish()
                continue
            rest = []
            while _LEVELS.get(self.token.text) == level:
                rest.append((self.advance().text, self.binary(level + 1)))
            left = (nodes.chain if level >= _SUM else nodes.logic)(left, rest)
        self.depth -= 1
        return left

    def comparison(self, left: Node, operator: Token) -> Node:
        if operator.text == "between":
            low = unary.limit(">=", self.binary(_SUM))
            self.expect("and", "between 要写成 between 下限 and 上限")
            within = unary.within(low, unary.limit("<=", self.binary(_SUM)))
            return Node(left.position, lambda run: within(left.present(run), run))
        if operator.text != "in":
            return nodes.comparison(operator.position, left, operator.text, self.binary(_SUM))
        listed = self.token.text == "(" and not self.starts_range()
        if listed:
            self.advance()
        tests = self.tests() if listed else self.tests(only_one=True)
        if listed:
            self.expect(")", "这里缺右括号 )")
        return Node(left.position, lambda run: tests.hold_for(left, run))

    def factor(self) -> Node:
        minus = self.accept("-")
        node = self.postfix()
        if not minus:
            return node
        if isinstance(node, Literal) and kind_of(node.constant) == NUMBER:
            self.literals[-1] = -node.constant
            return Literal(minus.position, -node.constant)
        return nodes.chain(Literal(minus.position, 0), [("-", node)])

    def postfix(self) -> Node:
        start = self.token.position
        node = self.primary()
        steps: list[str | Node] = []
        while self.token.text == "." or (self.token.text == "[" and not self.closes_range()):
            if self.advance().text == ".":
                steps.append(self.word("点后面要写名称", reserved=()))
            else:
                noted = len(self.literals)
                steps.append(self.expression())
                # an index is no threshold
                del self.literals[noted:]
                self.expect("]", "这里缺右方括号 ]")
        last = self.tokens[self.index - 1]
        return nodes.path(start, self.text[start : last.position + len(last.text)], node, steps) if steps else node

    def closes_range(self) -> bool:
        """Tell whether this ``[`` ends a range like ``]1..5[``: nothing that could be an index follows."""
        return self.tokens[self.index + 1].text in ("", ",", ")", "]", "and", "or", "then", "else", "satisfies")

    def primary(self) -> Node:
        token = self.token
        if token.kind in ("number", "string") or token.text in _CONSTANTS:
            return self.literal(self.advance())
        if token.kind == "word" and token.text not in _KEYWORDS:
            return self.call(token) if self.tokens[self.index + 1].text == "(" else self.name(token)
        if self.accept("["):
            items = self.listed("]")
            return Node(token.position, lambda run: tuple(item.value(run) for item in items))
        negated = self.accept("not")
        if negated or token.text == "(":
            self.expect("(", "not 后面要写括号：not(…)")
            node = self.expression()
            self.expect(")", "这里缺右括号 )")
            return Node(token.position, lambda run: not node.truth(run)) if negated else node
        raise ExpressionError("这里多了一个等号" if token.text == "=" else "这里缺一个值", token.position)

    def literal(self, token: Token) -> Node:
        if token.kind == "number":
            constant = bounded(Decimal(token.text), token.position)
        else:
            constant = self.unescape(token) if token.kind == "string" else _CONSTANTS[token.text]
        self.literals.append(constant)
        return Literal(token.position, constant)

    def unescape(self, token: Token) -> str:
        def replace(match: re.Match[str]) -> str:
            if match[1] not in _ESCAPES:
                raise ExpressionError('\\ 后面只能是 " \\ n t', token.position + 1 + match.start())
            return _ESCAPES[match[1]]

        return re.sub(r"\\(.)", replace, token.text[1:-1], flags=re.DOTALL)

    def listed(self, end: str) -> list[Node]:
        items: list[Node] = []
        while self.token.text != end and (not items or self.accept(",")):
            items.append(self.expression())
        if self.token.text == "..":
            raise ExpressionError("区间只能写在 in 后面或决策表的格子里", self.token.position)
        self.expect(end, f"这里缺右括号 {end}")
        return items

    def word(self, message: str, reserved: Sequence[str] = (*_KEYWORDS, *_CONSTANTS)) -> str:
        if self.token.kind != "word" or self.token.text in reserved:
            raise ExpressionError(message, self.token.position)
        return self.advance().text

    def name(self, token: Token) -> Node:
        self.advance()
        if not token.text.isidentifier():
            raise ExpressionError(f"{token.text} 后面缺左括号 (", token.position)
        if token.text not in self.bound:
            self.names.add(token.text)
        return nodes.name(token.position, token.text)

    def call(self, token: Token) -> Node:
        name = " ".join(self.advance().text.split())
        arity = BUILTINS.get(name) or DOMAIN_FUNCTIONS.get(name)
        if not arity:
            raise ExpressionError(f"没有 {name}() 这个函数", token.position)
        self.advance()
        noted = len(self.literals)
        arguments = self.listed(")")
        # an argument is no threshold
        del self.literals[noted:]
        if not arity[0] <= len(arguments) <= arity[1]:
            raise ExpressionError(f"{name}() 里要写 {arity[0]} 个值，却写了 {len(arguments)} 个", token.position)
        texts = [node.constant for node in arguments if isinstance(node, Literal)]
        self.given[name] = (*self.given.get(name, ()), *(text for text in texts if isinstance(text, str)))
        node = nodes.call(token.position, name, arguments)
        if name not in ("date", "duration") or not texts:
            return node
        # calculated at once, so that a day that does not exist is found at deploy
        self.literals.append(node.value(Run({})))
        return Literal(token.position, self.literals[-1])

    def tests(self, only_one: bool = False) -> unary.Tests:
        start, tests = self.token.position, []
        while not tests or (not only_one and self.accept(",")):
            tests.append(self.test())
        return unary.Tests(start, tests, unary.is_named_null in tests)

    def test(self) -> unary.Test:
        if operator := self.accept("<", "<=", ">", ">="):
            return unary.limit(operator.text, self.binary(_SUM))
        if self.starts_range():
            return self.range(self.advance())
        node = self.binary(_SUM)
        return unary.is_named_null if is_null(node) else unary.same(node)

    def starts_range(self) -> bool:
        """Look ahead for the ``..`` that tells ``[1..5]`` from a list and ``(1..5]`` from a parenthesis."""
        depth = 0
        for token in self.tokens[self.index + 1 :] if self.token.text in ("[", "(", "]") else ():
            if depth == 0 and token.text in ("..", ",", ")", "]"):
                return token.text == ".."
            depth += (token.text in ("(", "[")) - (token.text in (")", "]"))
        return False

    def range(self, start: Token) -> unary.Test:
        low = self.binary(_SUM)
        self.expect("..", "区间要写成 [下限..上限]")
        high = self.binary(_SUM)
        end = self.accept("]", ")", "[")
        if not end:
            raise ExpressionError("区间缺右边的 ] 或 )", self.token.position)
        if isinstance(low, Literal) and isinstance(high, Literal):
            if not are_in_order(low.constant, "<=", high.constant, start.position):
                raise ExpressionError("区间的下限比上限大", start.position)
        from_low = unary.limit(">=" if start.text == "[" else ">", low)
        return unary.within(from_low, unary.limit("<=" if end.text == "]" else "<", high))
