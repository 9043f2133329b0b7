"""What a form is made of: questions with their options, paragraphs and groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from engine.bpmn.expressions import Expression
from engine.errors import EngineError


class FormError(EngineError):
    """The file is no form we can read; ``message`` is a Chinese sentence, ``line`` 1 when the whole file is meant."""

    def __init__(self, message: str, line: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


@dataclass(frozen=True)
class Option:
    """One of the choices of a select, radio or checklist."""

    value: str
    label: str
    #: what happens next when it is chosen
    effect: str = ""
    #: label of the act
    button: str = ""


@dataclass(frozen=True)
class Block:
    """A component that asks nothing: a ``text`` or the frame of a ``group``."""

    id: str
    type: str
    #: the paragraph (Markdown), or the heading of the group
    text: str
    hide: Expression | None = None
    #: id of the group around it, "" when there is none
    group: str = ""


@dataclass(frozen=True)
class Field:
    """One question; ``properties`` has everything else that the form says about it."""

    id: str
    #: dotted: ``refusal.code`` is kept as {"refusal": {"code": …}}
    key: str
    type: str
    label: str
    line: int
    description: str = ""
    options: tuple[Option, ...] = ()
    required: bool = False
    #: in the unit people type: yuan for money
    min: int | Decimal | None = None
    max: int | Decimal | None = None
    #: in the unit that is kept: fen for money; ISO text for a date
    limit_min: Expression | None = None
    limit_max: Expression | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str = ""
    #: the field is not asked for when it holds; includes the condition of its groups
    hide: Expression | None = None
    source: str = ""
    #: the list of persons a field with the source ``entitled`` asks about, a row each
    rows: Expression | None = None
    personal: bool = False
    #: several values, kept as a list
    multiple: bool = False
    #: digits after the point; None when any number will do
    decimals: int | None = None
    #: file kinds, as in HTML
    accept: str = ""
    default: object = None
    #: id of the group around it, "" when there is none
    group: str = ""
    properties: Mapping[str, object] = field(default_factory=dict)

    @property
    def is_money(self) -> bool:
        """Typed in yuan, kept as integer fen."""
        return self.properties.get("unit") == "fen"
