"""How an expression says what is wrong with it, and where."""

from __future__ import annotations

from engine.errors import EngineError


class ExpressionError(EngineError):
    """The text is no expression; ``position`` is the 0-based index of the culprit, ``message`` a Chinese sentence."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(f"第 {position + 1} 个字符：{message}")
        self.message = message
        self.position = position


class EvaluationError(ExpressionError):
    """The expression is well formed but cannot be calculated with these values."""
