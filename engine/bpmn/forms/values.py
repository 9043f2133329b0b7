"""One answer of a form: from what was typed to the value that is kept, and from that to what people read."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal

from engine.bpmn.forms.components import Field
from engine.bpmn.forms.pattern import MAX_MATCHED, compile_pattern

#: characters of one text when the form says nothing
MAX_LENGTH = 2_000
#: entries of one list
MAX_ENTRIES = 200
#: characters of an id from a list of the engine, or of an attachment
_MAX_ID = 200

_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]*)?")
_MAX_DIGITS = 24
_DATE = re.compile(r"([0-9]{4})([-/.年])([0-9]{1,2})[-/.月]([0-9]{1,2})日?")
_CHECKED = ("true", "on", "1")
# Control characters and halves of characters; what would write a name backwards on the screen and on paper.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class WrongValue(ValueError):
    """What was typed cannot be kept; the text is the sentence for the person."""


def clean(field: Field, submitted: Sequence[str], known: Mapping, functions: Mapping[str, Callable] | None) -> object:
    """Return the value to keep, None when the answer is empty; raises WrongValue or EvaluationError."""
    texts = [text for text in (_normal(text) for text in submitted) if text]
    if len(texts) > MAX_ENTRIES:
        raise WrongValue(f"“{field.label}”最多 {MAX_ENTRIES} 项")
    if field.rows is not None:
        return _seats(field, texts, field.rows.evaluate(known, functions))
    value = _READERS[field.type](field, texts)
    # Not "in (None, False)": the number 0 is an answer.
    if field.required and (value is None or value is False):
        raise WrongValue(f"请填写“{field.label}”")
    if field.type in ("number", "datetime") and value is not None:
        _check_limits(field, value, known, functions)
    return value


def shown(field: Field, value: object) -> str:
    """Return a kept value as people read it."""
    if isinstance(value, bool):
        return "是" if value else "否"
    if field.type == "filepicker" and isinstance(value, list):
        return f"{len(value)} 份"
    if field.rows is not None and isinstance(value, list):
        return _shown_seats(field, value)
    if isinstance(value, list):
        return "、".join(shown(field, entry) for entry in value)
    if field.type == "number" and isinstance(value, int | float | Decimal):
        number = Decimal(str(value))
        return f"{number / 100:,.2f} 元" if field.is_money else f"{number:,f}"
    if field.type == "datetime" and isinstance(value, str):
        return _shown_date(value)
    return next((option.label for option in field.options if option.value == value), str(value))


def read_number(text: str) -> int | Decimal | None:
    """Read a number as people type it: full width, with thousands commas and blanks; None when it is none."""
    plain = re.sub(r"\s", "", unicodedata.normalize("NFKC", text)).replace("−", "-").replace("。", ".")
    if not _NUMBER.fullmatch(plain) or len(plain) > _MAX_DIGITS:
        return None
    number = Decimal(plain.replace(",", ""))
    return int(number) if number == number.to_integral_value() else number.normalize()


# Reading what was typed, by type of field. Each gets the texts that are not empty.


def _normal(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def _one(field: Field, texts: Sequence[str]) -> str | None:
    if len(texts) > 1:
        raise WrongValue(f"“{field.label}”只能填一个")
    return texts[0] if texts else None


def _text(field: Field, texts: Sequence[str]) -> str | None:
    text = _one(field, texts)
    if text is None:
        return None
    _refuse_signs(field, text)
    longest = min(field.max_length or MAX_LENGTH, MAX_MATCHED if field.pattern else MAX_LENGTH)
    if len(text) > longest:
        raise WrongValue(f"“{field.label}”最多 {longest:,} 个字，现在有 {len(text):,} 个")
    if len(text) < (field.min_length or 0):
        raise WrongValue(f"“{field.label}”至少 {field.min_length} 个字")
    if field.pattern and not compile_pattern(field.pattern).search(text):
        raise WrongValue(str(field.properties.get("patternMessage") or f"“{field.label}”的写法不对，请核对"))
    return text


def _refuse_signs(field: Field, text: str) -> None:
    if field.type != "textarea" and "\n" in text:
        raise WrongValue(f"“{field.label}”只能写一行")
    if _UNSEEN.search(text):
        raise WrongValue(f"“{field.label}”里有看不见的控制字符，请删去再填")


def _number(field: Field, texts: Sequence[str]) -> int | Decimal | None:
    text = _one(field, texts)
    if text is None:
        return None
    number = read_number(text.removesuffix("元").lstrip("¥￥") if field.is_money else text)
    if number is None:
        raise WrongValue(f"“{field.label}”要填数字，例如 {'1860.50' if field.is_money else '12'}")
    if field.decimals is not None and number != round(number, field.decimals):
        raise WrongValue(_digits_sentence(field))
    if field.min is not None and number < field.min:
        raise WrongValue(f"“{field.label}”不能小于 {_typed_number(field, field.min)}")
    if field.max is not None and number > field.max:
        raise WrongValue(f"“{field.label}”不能大于 {_typed_number(field, field.max)}")
    return int(number * 100) if field.is_money else number


def _digits_sentence(field: Field) -> str:
    if not field.decimals:
        return f"“{field.label}”要填整数"
    return f"“{field.label}”小数点后最多 {field.decimals} 位"


def _typed_number(field: Field, number: int | Decimal) -> str:
    return f"{Decimal(number):,f} 元" if field.is_money else f"{Decimal(number):,f}"


def _date(field: Field, texts: Sequence[str]) -> str | None:
    text = _one(field, texts)
    if text is None:
        return None
    match = _DATE.fullmatch(unicodedata.normalize("NFKC", text))
    try:
        found = date(int(match[1]), int(match[3]), int(match[4])) if match else None
    except ValueError:
        found = None
    if found is None or not 1900 <= found.year < 2200:
        raise WrongValue(f"“{field.label}”要填 1900 年以后的日期，例如 2026-01-31")
    return found.isoformat()


def _choice(field: Field, texts: Sequence[str]) -> str | list[str] | None:
    for text in texts:
        if field.source:
            _check_id(field, text)
        elif all(option.value != text for option in field.options):
            raise WrongValue(f"“{field.label}”只能从列出的 {len(field.options)} 项里选")
    if field.multiple:
        return list(dict.fromkeys(texts)) or None
    return _one(field, texts)


def _seats(field: Field, texts: Sequence[str], rows: object) -> list[dict[str, object]]:
    """Return a row per person of the list with what was chosen for him; each text is ``id=choice``."""
    people = [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []
    chosen = dict(text.partition("=")[::2] for text in texts)
    allowed = {option.value for option in field.options}
    if len(chosen) < len(texts) or not {str(row["id"]) for row in people}.issuperset(chosen):
        raise WrongValue(f"“{field.label}”里有不在名单上的人，或者同一个人填了两次")
    if not allowed.issuperset(chosen.values()):
        raise WrongValue(f"“{field.label}”每个人只能从列出的 {len(allowed)} 项里选")
    missing = [str(row["name"]) for row in people if row["id"] not in chosen]
    if missing:
        raise WrongValue(f"“{field.label}”还有 {len(missing)} 个人没有选：{'、'.join(missing[:5])}")
    return [{"id": row["id"], "name": row["name"], "choice": chosen[row["id"]]} for row in people]


def _shown_seats(field: Field, seats: Sequence[Mapping]) -> str:
    """Return how many chose what, with the names of all but the first choice."""
    parts = []
    for number, option in enumerate(field.options):
        names = [str(seat["name"]) for seat in seats if seat["choice"] == option.value]
        parts.append(f"{option.label} {len(names)} 人" + (f"（{'、'.join(names)}）" if number and names else ""))
    return "；".join(parts)


def _checkbox(field: Field, texts: Sequence[str]) -> bool:
    # Some pages send a hidden "false" before the box, so the last text counts.
    text = texts[-1] if texts else "false"
    if text not in (*_CHECKED, "false"):
        raise WrongValue(f"“{field.label}”只能勾选或者不勾选")
    return text in _CHECKED


def _files(field: Field, texts: Sequence[str]) -> list[str] | None:
    for text in texts:
        _check_id(field, text)
    if len(texts) > 1 and not field.multiple:
        raise WrongValue(f"“{field.label}”只能放 1 份")
    return list(dict.fromkeys(texts)) or None


def _check_id(field: Field, text: str) -> None:
    _refuse_signs(field, text)
    if len(text) > _MAX_ID:
        raise WrongValue(f"“{field.label}”里选的一项超过 {_MAX_ID} 个字")


_READERS: Mapping[str, Callable[[Field, Sequence[str]], object]] = {
    "textfield": _text,
    "textarea": _text,
    "number": _number,
    "datetime": _date,
    "select": _choice,
    "radio": _choice,
    "checklist": _choice,
    "checkbox": _checkbox,
    "filepicker": _files,
}


# Limits that are calculated.


def _check_limits(field: Field, value: object, known: Mapping, functions: Mapping[str, Callable] | None) -> None:
    words = ("早于", "晚于") if field.type == "datetime" else ("小于", "大于")
    for expression, word, sign in ((field.limit_min, words[0], -1), (field.limit_max, words[1], 1)):
        if expression is None:
            continue
        limit = _comparable(field, expression.evaluate(known, functions))
        if limit is None:
            raise WrongValue(f"“{field.label}”的界限现在算不出来，请告诉管理员")
        if (value > limit) - (value < limit) == sign:
            raise WrongValue(f"“{field.label}”不能{word} {shown(field, limit)}")


def _comparable(field: Field, limit: object) -> object:
    """Return the limit in the form of the field's values, None when it is of another kind."""
    if field.type == "datetime":
        # now() and due() may come with a time.
        return limit[:10] if isinstance(limit, str) and _DATE.fullmatch(limit[:10]) else None
    return limit if isinstance(limit, int | Decimal) and not isinstance(limit, bool) else None


def _shown_date(value: str) -> str:
    match = _DATE.fullmatch(value)
    return f"{int(match[1])}年{int(match[3])}月{int(match[4])}日" if match else value
