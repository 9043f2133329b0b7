"""A form on the server: the check of what was submitted, and the readable text of what was kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from engine.bpmn.execution.task_data import merged
from engine.bpmn.expressions import EvaluationError
from engine.bpmn.forms import values as form_values
from engine.bpmn.forms.components import Block, Field, FormError, Option
from engine.bpmn.forms.reader import read_components
from engine.errors import InvalidForm

__all__ = ["Block", "Field", "Form", "FormError", "Option"]


@dataclass(frozen=True)
class Form:
    """A form as the server reads it; immutable, may be shared between threads."""

    id: str
    #: in the order of the page
    components: tuple[Field | Block, ...]

    @classmethod
    def read(cls, data: bytes) -> Form:
        """Read a ``.form`` file; raises FormError."""
        return cls(*read_components(data))

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        return tuple(component for component in self.components if isinstance(component, Field))

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        return tuple(component for component in self.components if isinstance(component, Block))

    def clean(
        self,
        submitted: Mapping[str, Sequence[str]],
        context: Mapping[str, object],
        functions: Mapping[str, Callable] | None = None,
    ) -> dict[str, object]:
        """Return the values to keep, nested by their dotted keys; every field is there, None when empty or hidden.

        Conditions see the context and the values of the fields before. What was submitted for a hidden field is
        passed over: without scripts all fields show, and only what belongs to the choice counts.

        :param submitted: field key → texts as typed, for a filepicker the ids of attachments.
        :raises InvalidForm: one sentence per field.
        """
        values: dict[str, object] = {}
        wrong: dict[str, str] = {}
        for asked in self.fields:
            known = merged(context, values)
            value = None
            try:
                if asked.hide is None or not asked.hide.holds(known, functions):
                    value = form_values.clean(asked, submitted.get(asked.key, ()), known, functions)
            except form_values.WrongValue as error:
                wrong[asked.key] = str(error)
            except EvaluationError as error:
                # A condition may only fail because a field before it is wrong, and that is said there.
                if not wrong:
                    wrong[asked.key] = f"“{asked.label}”现在没法核对：{error.message}"
            values = merged(values, _nested(asked.key, value))
        if wrong:
            raise InvalidForm(wrong)
        return values

    def display(self, data: Mapping[str, object]) -> list[tuple[str, str, Field]]:
        """Return label, readable text and field of everything in ``data`` that was answered.

        The field says whether it is personal; of a field with a source the text is the bare value.
        """
        found = ((asked, _find(data, asked.key)) for asked in self.fields)
        return [
            (asked.label, form_values.shown(asked, value), asked) for asked, value in found if value not in (None, [])
        ]


def _nested(key: str, value: object) -> dict[str, object]:
    head, _, rest = key.partition(".")
    return {head: _nested(rest, value) if rest else value}


def _find(data: Mapping[str, object], key: str) -> object:
    value: object = data
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
