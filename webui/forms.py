"""An engine form as a page shows it: fields in order, each with its value, its error and what follows its choice."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from flask_babel import gettext
from werkzeug.datastructures import FileStorage, MultiDict

from engine import Upload
from engine.errors import EngineError
from engine.views import Attachment, Choice
from webui.retold import retold

if TYPE_CHECKING:
    from engine.bpmn.forms.form import Block, Field, Form

_CHOOSING = ("radio", "select", "checkbox")
#: last part of a field key → input mode, autocomplete token
_KNOWN_INPUTS = {"phone": ("tel", "tel"), "applicant_name": ("", "name")}
_SHORT = 12
#: components that ask nothing → how they are shown
_BLOCKS = {"text": "note", "group": "heading"}
#: stands between the key of an attendance list and the id of a person
SEAT = "~"
_ANY_PAPER = "image/*,.pdf"
_LONGEST_NAME = 120


@dataclass(frozen=True)
class OptionView:
    value: str
    label: str
    #: what happens next, shown under the option
    effect: str = ""
    #: label of the act, which a script writes on the button
    button: str = ""
    checked: bool = False
    #: fields asked for only when this option is chosen
    followers: tuple[FieldView, ...] = ()


@dataclass(frozen=True)
class SeatView:
    """A person of an attendance list; ``name`` is that of his radio buttons."""

    name: str
    label: str
    chosen: str


@dataclass(frozen=True)
class FieldView:
    key: str
    #: text, textarea, number, date, select, selects, radio, checkbox, checklist or file;
    #: note and heading ask nothing and have only their label
    kind: str
    label: str
    hint: str = ""
    optional: bool = False
    error: str = ""
    #: as typed; for several values see ``values``
    value: str = ""
    values: tuple[str, ...] = ()
    options: tuple[OptionView, ...] = ()
    followers: tuple[FieldView, ...] = ()
    #: files already kept for this field
    kept: tuple[Attachment, ...] = ()
    #: shown after the input: 元, 份
    unit: str = ""
    inputmode: str = ""
    autocomplete: str = "off"
    short: bool = False
    #: files: what may be chosen, and whether several
    accept: str = ""
    multiple: bool = False
    #: one row per person: what was chosen for whom
    seats: tuple[SeatView, ...] = ()
    #: field whose value decides whether this one is asked, and the values that ask for it
    when_key: str = ""
    when_values: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return control_id(self.key)

    @property
    def checked(self) -> bool:
        return self.value == "true"

    @property
    def described_by(self) -> str:
        """Ids of hint and error, for aria-describedby."""
        parts = [f"{self.id}-hint"] * bool(self.hint) + [f"{self.id}-error"] * bool(self.error)
        return " ".join(parts)


@dataclass(frozen=True)
class FormView:
    #: the fields in order; what belongs to one choice hangs under it
    fields: tuple[FieldView, ...]
    labels: Mapping[str, str]
    errors: Mapping[str, str]
    files_lost: bool
    has_files: bool
    #: some option has a button label of its own
    has_acts: bool


def control_id(key: str) -> str:
    """Return the id of the control of a field; the error summary links to it."""
    return "f-" + key.replace(".", "-")


# Reading what was submitted.


def raw(submitted: MultiDict[str, str], form: Form | None) -> dict[str, list[str]]:
    """Return what was typed into the fields of the form; blank entries of a list are left out.

    Every field is there, empty when nothing was sent for it, so that a box left empty stays empty.
    """
    asked = [field for field in form.fields if field.type != "filepicker"] if form else []
    return {
        field.key: _seats(submitted, field.key) if field.rows else _without_blanks(submitted.getlist(field.key))
        for field in asked
    }


def _seats(submitted: MultiDict[str, str], key: str) -> list[str]:
    """Return ``id=choice`` for each person of an attendance list: every row has radio buttons of its own."""
    prefix = f"{key}{SEAT}"
    return [f"{name.removeprefix(prefix)}={value}" for name, value in submitted.items() if name.startswith(prefix)]


def _without_blanks(values: Sequence[str]) -> list[str]:
    return [value for value in values if value.strip()]


def uploads(files: MultiDict[str, FileStorage], form: Form | None, *others: str) -> dict[str, list[Upload]]:
    """Return the chosen files by field; ``others`` are names of file inputs that are no field of the form."""
    keys = [field.key for field in form.fields if field.type == "filepicker"] if form else []
    # A file input left alone sends one file without a name.
    named = {key: [file for file in files.getlist(key) if file.filename] for key in (*keys, *others)}
    return {
        key: [Upload(_file_name(file.filename), file.stream) for file in chosen]
        for key, chosen in named.items()
        if chosen
    }


def _file_name(given: str) -> str:
    """Return the name without folders and without what no file may be called: somebody saves it under it later."""
    last = re.split(r"[/\\]", given)[-1]
    return re.sub(r'[\x00-\x1f\x7f<>:"|?*]', "", last).strip(" .")[-_LONGEST_NAME:] or gettext("材料")


def new_token() -> str:
    """Return the token by which the engine knows a form that is sent twice."""
    return secrets.token_urlsafe(16)


# Showing.


def form_view(
    form: Form,
    *,
    values: Mapping[str, object] | None = None,
    submitted: Mapping[str, list[str]] | None = None,
    errors: Mapping[str, str] | None = None,
    choices: Mapping[str, tuple[Choice, ...]] | None = None,
    attachments: Sequence[Attachment] = (),
    files_lost: bool = False,
    autofill: bool = False,
) -> FormView:
    """Build what ``form.html`` renders.

    :param values: field key → stored value (draft, else default)
    :param submitted: what was typed when the form came back; it wins over ``values``
    :param choices: options of fields whose source is a list of the engine
    :param files_lost: files were chosen and have to be chosen again
    :param autofill: the person fills in his own data, so the browser may offer it
    """
    errors = {key: retold(sentence) for key, sentence in (errors or {}).items()}
    source = _Source(values or {}, submitted, errors, choices or {}, tuple(attachments), autofill)
    shown = {_name(part): source.show(part) for part in form.components}
    conditions = {_name(part): _condition(part, form.components, shown) for part in form.components}
    options = [option for view in shown.values() for option in view.options]
    return FormView(
        fields=_arrange(shown, {key: found for key, found in conditions.items() if found}),
        labels={field.key: retold(field.label) for field in form.fields},
        errors=errors,
        files_lost=files_lost,
        has_files=any(field.type == "filepicker" for field in form.fields),
        has_acts=any(option.button for option in options),
    )


def _name(part: Field | Block) -> str:
    return f"block {part.id}" if part.type in _BLOCKS else part.key


@dataclass(frozen=True)
class _Source:
    """Where the content of a field comes from."""

    values: Mapping[str, object]
    submitted: Mapping[str, list[str]] | None
    errors: Mapping[str, str]
    choices: Mapping[str, tuple[Choice, ...]]
    attachments: tuple[Attachment, ...]
    autofill: bool

    def show(self, part: Field | Block) -> FieldView:
        if part.type in _BLOCKS:
            return FieldView(_name(part), _BLOCKS[part.type], retold(part.text))
        return self._field(part)

    def _field(self, field: Field) -> FieldView:
        given = self._given(field)
        kind = _kind(field)
        last = field.key.rpartition(".")[2]
        inputmode, autocomplete = _KNOWN_INPUTS.get(last, ("", "off"))
        return FieldView(
            key=field.key,
            kind=kind,
            label=retold(field.label),
            hint=retold(field.description),
            optional=not field.required and kind != "checkbox",
            error=self.errors.get(field.key, ""),
            value=given[0] if given else "",
            values=given,
            options=self._options(field, given),
            kept=tuple(file for file in self.attachments if file.field == field.key),
            unit=_unit(field),
            inputmode=_number_mode(field) or inputmode,
            autocomplete=autocomplete if self.autofill else "off",
            short=kind in ("number", "date") or inputmode == "tel" or (field.max_length or 99) <= _SHORT,
            accept=field.accept or _ANY_PAPER,
            multiple=field.multiple,
            seats=self._seats(field, given),
        )

    def _seats(self, field: Field, given: tuple[str, ...]) -> tuple[SeatView, ...]:
        if field.rows is None:
            return ()
        chosen = dict(text.partition("=")[::2] for text in given)
        people = self.choices.get(field.key, ())
        return tuple(SeatView(f"{field.key}{SEAT}{p.value}", p.label, chosen.get(p.value, "")) for p in people)

    def _given(self, field: Field) -> tuple[str, ...]:
        if self.submitted is not None:
            return tuple(self.submitted.get(field.key, ()))
        return _as_typed(self.values.get(field.key, _default(field)), field.is_money)

    def _options(self, field: Field, given: tuple[str, ...]) -> tuple[OptionView, ...]:
        if field.source and field.rows is None:
            listed = [OptionView(choice.value, choice.label) for choice in self.choices.get(field.key, ())]
        else:
            listed = [OptionView(o.value, retold(o.label), retold(o.effect), o.button) for o in field.options]
        return tuple(replace(option, checked=option.value in given) for option in listed)


def _kind(field: Field) -> str:
    if field.rows is not None:
        return "seats"
    if field.type == "select" and field.multiple:
        return "selects"
    return {"textfield": "text", "datetime": "date", "filepicker": "file"}.get(field.type, field.type)


def _default(field: Field) -> object:
    calculated = isinstance(field.default, str) and field.default.startswith("=")
    return None if calculated else field.default


def _unit(field: Field) -> str:
    unit = gettext("元") if field.is_money else str(field.properties.get("unit", ""))
    return "" if unit in field.label else unit


def _number_mode(field: Field) -> str:
    if field.type != "number":
        return ""
    return "decimal" if field.is_money else "numeric"


def _as_typed(value: object, is_money: bool) -> tuple[str, ...]:
    """Return a stored value as a person would have typed it."""
    if value is None:
        return ()
    if isinstance(value, list | tuple):
        return tuple(str(entry) for entry in value)
    if isinstance(value, bool):
        return ("true" if value else "",)
    if is_money and isinstance(value, int):
        yuan = Decimal(value) / 100
        return (f"{yuan:.2f}" if value % 100 else f"{yuan:.0f}",)
    return (str(value),)


# Fields that belong to a choice follow it.


@dataclass(frozen=True)
class _Condition:
    """The field is asked for when ``key`` has one of ``values``."""

    key: str
    values: tuple[str, ...]
    labels: tuple[str, ...]


def _condition(
    part: Field | Block, parts: Sequence[Field | Block], shown: Mapping[str, FieldView]
) -> _Condition | None:
    """Find the one choice before a part that decides about it, by trying each of its values; None without one."""
    if part.hide is None:
        return None
    for other in parts:
        if other is part:
            return None
        if other.type in _CHOOSING and part.hide.names == {other.key.partition(".")[0]}:
            found = _try_values(part, shown[other.key])
            if found:
                return found
    return None


def _try_values(part: Field | Block, other: FieldView) -> _Condition | None:
    trials = _possible(other)
    try:
        asked = [(text, label) for text, value, label in trials if not part.hide.holds(_nested(other.key, value))]
    except EngineError:
        # The expression needs more than this choice (a parameter, another field): the field is always shown.
        return None
    if len(asked) == len(trials):
        return None
    return _Condition(other.key, tuple(text for text, _ in asked), tuple(label for _, label in asked))


def _possible(other: FieldView) -> list[tuple[str, object, str]]:
    """Submitted text, value in expressions and label of everything a choosing field can say."""
    if other.kind == "checkbox":
        return [("true", True, other.label), ("", False, "")]
    chosen = [(option.value, option.value, option.label) for option in other.options]
    # A radio is always chosen in the end; a list may be left empty for good.
    return chosen if other.kind == "radio" else [*chosen, ("", None, "")]


def _nested(key: str, value: object) -> dict[str, object]:
    """{"a": {"b": value}} for the key a.b."""
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


def _arrange(shown: Mapping[str, FieldView], conditions: Mapping[str, _Condition]) -> tuple[FieldView, ...]:
    """Return the fields in order, those that belong to one choice hung under it."""
    followers: dict[tuple[str, str], list[str]] = {}
    for key, condition in conditions.items():
        if _follows(shown[condition.key], condition):
            followers.setdefault((condition.key, condition.values[0]), []).append(key)
    hung = {key for keys in followers.values() for key in keys}

    def build(key: str) -> FieldView:
        view = _worded(shown[key], conditions.get(key), key in hung, shown)
        own = tuple(build(follower) for follower in followers.get((key, "true"), ()))
        options = tuple(
            replace(option, followers=tuple(build(name) for name in followers.get((key, option.value), ())))
            for option in view.options
        )
        return replace(view, options=options, followers=own if view.kind == "checkbox" else ())

    return tuple(build(key) for key in shown if key not in hung)


def _follows(controller: FieldView, condition: _Condition) -> bool:
    one = len(condition.values) == 1
    return one and (controller.kind == "radio" or (controller.kind == "checkbox" and condition.values == ("true",)))


def _worded(view: FieldView, condition: _Condition | None, hung: bool, shown: Mapping[str, FieldView]) -> FieldView:
    """Say in the hint when the field is wanted, unless its place says so."""
    if condition is None or hung or view.kind in _BLOCKS.values():
        return view
    labels = [f"“{label}”" for label in condition.labels if label]
    if labels:
        said = gettext("选%(labels)s时填。", labels=gettext("、").join(labels))
    else:
        said = gettext("“%(label)s”空着时填。", label=shown[condition.key].label)
    return replace(view, hint=said + view.hint, when_key=condition.key, when_values=condition.values)
