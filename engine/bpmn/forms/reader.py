"""Read a form-js file strictly: whatever the server would not follow is refused with its line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import NoReturn

import orjson

from engine.bpmn.document import MAX_SIZE
from engine.bpmn.expressions import Expression, ExpressionError, is_expression, parse
from engine.bpmn.forms.components import Block, Field, FormError, Option
from engine.bpmn.forms.pattern import PatternError, compile_pattern
from engine.bpmn.forms.values import read_number

#: components that ask something; ``text`` and ``group`` are the only others
FIELD_TYPES = ("textfield", "textarea", "number", "datetime", "select", "radio", "checkbox", "checklist", "filepicker")
#: where the choices of a field with ``properties.source`` come from
SOURCES = ("person", "resolution", "legalBasis", "unit", "entitled")

_CHOOSING = ("select", "radio", "checklist")
_MAX_COMPONENTS = 200
_MAX_GROUPS = 5
_MAX_DECIMALS = 10
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,59}(\.[A-Za-z_][A-Za-z0-9_]{0,59}){0,4}")
#: what components are known by, as it is written in the file
_NAMED = re.compile(r'"(id|key|label)"\s*:\s*("(?:[^"\\]|\\.)*")')
_VALIDATIONS = {"required", "min", "max", "minLength", "maxLength", "pattern", "validationType"}
#: settings of form-js that would change what is asked; the server does not follow them
_UNSUPPORTED = (
    "disabled",
    "readonly",
    "valuesKey",
    "valuesExpression",
    "disallowPassedDates",
    "serializeToString",
)


def read_components(data: bytes) -> tuple[str, tuple[Field | Block, ...]]:
    """Return id and components of a form in the order of the page; raises FormError."""
    return _Reader(data).read()


@dataclass(frozen=True)
class _Place:
    """Where a component stands: inside which group, with which path and condition."""

    group: str = ""
    path: str = ""
    hide: str = ""
    depth: int = 0


class _Reader:
    """Reads one file and knows on which line a component stands."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._lines = data.decode(errors="replace")
        self._components: list[Field | Block] = []

    def read(self) -> tuple[str, tuple[Field | Block, ...]]:
        if len(self._data) > MAX_SIZE:
            raise FormError(f"文件太大，最多 {MAX_SIZE:,} 字节。")
        if not self._data.strip():
            raise FormError("文件是空的。")
        try:
            self._data.decode()
        except UnicodeDecodeError as error:
            line = self._data.count(b"\n", 0, error.start) + 1
            raise FormError("文件的字符编码读不出来，请另存为 UTF-8。", line) from error
        try:
            content = orjson.loads(self._data.removeprefix(b"\xef\xbb\xbf"))
        except orjson.JSONDecodeError as error:
            raise FormError(f"第 {error.lineno} 行附近写法不合 JSON 的规则。", error.lineno) from error
        if not isinstance(content, dict) or content.get("type") != "default":
            raise FormError('这不是表单文件：最外层要有 "type": "default"。')
        self._read_all(content.get("components"), content, _Place())
        self._check_keys()
        return _text(content.get("id")), tuple(self._components)

    def _read_all(self, components: object, owner: Mapping, place: _Place) -> None:
        if not isinstance(components, list) or not all(isinstance(component, dict) for component in components):
            self._refuse(owner, "components 要是组件的列表")
        for component in components:
            self._read_one(component, place)
            if len(self._components) > _MAX_COMPONENTS:
                raise FormError(f"表单太长，最多 {_MAX_COMPONENTS} 个组件。")

    def _read_one(self, component: Mapping, place: _Place) -> None:
        type = component.get("type")
        if type == "group":
            self._read_group(component, place)
        elif type == "text":
            self._components.append(self._block(component, "text", place))
        elif type in FIELD_TYPES:
            self._components.append(self._field(component, place))
        else:
            self._refuse(component, f"不支持“{type}”组件，只能用 {'、'.join((*FIELD_TYPES, 'text', 'group'))}")

    def _read_group(self, component: Mapping, place: _Place) -> None:
        if place.depth == _MAX_GROUPS:
            self._refuse(component, f"组套组最多 {_MAX_GROUPS} 层")
        block = self._block(component, "label", place)
        self._components.append(block)
        if component.get("isRepeating"):
            self._refuse(component, "不支持重复的组（isRepeating）")
        path = _text(component.get("path"))
        inner = _Place(
            group=block.id,
            path=f"{place.path}{path}." if path else place.path,
            hide=block.hide.text if block.hide else "",
            depth=place.depth + 1,
        )
        self._read_all(component.get("components"), component, inner)

    def _block(self, component: Mapping, key: str, place: _Place) -> Block:
        id = _text(component.get("id")) or f"Block_{len(self._components)}"
        text = self._plain(component, key)
        return Block(id, component["type"], text, self._hide(component, place), place.group)

    def _field(self, component: Mapping, place: _Place) -> Field:
        for name in _UNSUPPORTED:
            if component.get(name):
                self._refuse(component, f"不支持 {name}")
        if component["type"] == "datetime" and component.get("subtype") != "date":
            self._refuse(component, "只支持日期，subtype 要是 date")
        properties = self._properties(component)
        source = self._source(component, properties)
        return Field(
            id=_text(component.get("id")),
            key=place.path + _text(component.get("key")),
            type=component["type"],
            label=self._plain(component, "label") or self._plain(component, "dateLabel"),
            line=self._line(component),
            description=self._plain(component, "description"),
            options=self._options(component, properties, source),
            **self._validation(component),
            limit_min=self._limit(component, properties, "limit.min"),
            limit_max=self._limit(component, properties, "limit.max"),
            hide=self._hide(component, place),
            source=source,
            rows=self._rows(component, properties, source),
            personal=properties.get("personal") is True,
            multiple=self._is_multiple(component, properties),
            decimals=self._decimals(component, properties),
            accept=_text(component.get("accept")),
            default=component.get("defaultValue"),
            group=place.group,
            properties=properties,
        )

    def _properties(self, component: Mapping) -> dict[str, object]:
        properties = component.get("properties") or {}
        if not isinstance(properties, dict):
            self._refuse(component, "properties 要是一个对象")
        # The form editor can only write texts.
        return {name: {"true": True, "false": False}.get(str(value), value) for name, value in properties.items()}

    def _source(self, component: Mapping, properties: Mapping) -> str:
        source = properties.get("source", "")
        if source and (source not in SOURCES or component["type"] not in _CHOOSING):
            self._refuse(component, f"source 只能用在选择题上，取 {'、'.join(SOURCES)} 之一")
        return source

    def _rows(self, component: Mapping, properties: Mapping, source: str) -> Expression | None:
        if source != "entitled":
            return None
        if component["type"] != "radio" or not properties.get("rows"):
            self._refuse(component, "source=entitled 只能用在单选题上，名单写在 rows 里，例如 =roll.members")
        return self._expression(component, properties["rows"], "rows")

    def _options(self, component: Mapping, properties: Mapping, source: str) -> tuple[Option, ...]:
        if component["type"] not in _CHOOSING:
            return ()
        listed = component.get("values") or []
        if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
            self._refuse(component, "values 要是选项的列表")
        values = [each.get("value") for each in listed]
        if not all(isinstance(value, str) and value and value == value.strip() for value in values):
            self._refuse(component, "每个选项都要有一个文字的值（value），前后没有空格")
        if len(set(values)) < len(values):
            self._refuse(component, "有两个选项的值（value）相同")
        if not values and source in ("", "entitled"):
            self._refuse(component, "没有选项")
        return tuple(
            Option(
                value=each["value"],
                label=_text(each.get("label")) or each["value"],
                effect=str(properties.get(f"effect.{each['value']}", "")),
                button=str(properties.get(f"button.{each['value']}", "")),
            )
            for each in listed
        )

    def _validation(self, component: Mapping) -> dict[str, object]:
        said = component.get("validate") or {}
        if not isinstance(said, dict):
            self._refuse(component, "validate 要是一个对象")
        unknown = said.keys() - _VALIDATIONS
        if unknown:
            self._refuse(component, f"不支持的检查：{'、'.join(sorted(map(str, unknown)))}")
        if said.get("validationType") not in (None, "", "custom"):
            self._refuse(component, f"不支持的检查：{said['validationType']}")
        pattern = _text(said.get("pattern"))
        try:
            compile_pattern(pattern)
        except PatternError as error:
            self._refuse(component, str(error))
        return {
            "required": self._flag(component, said, "required"),
            "min": self._number(component, said, "min"),
            "max": self._number(component, said, "max"),
            "min_length": self._whole(component, said, "minLength"),
            "max_length": self._whole(component, said, "maxLength"),
            "pattern": pattern,
        }

    def _limit(self, component: Mapping, properties: Mapping, name: str) -> Expression | None:
        text = properties.get(name)
        if text is None:
            return None
        if component["type"] not in ("number", "datetime"):
            self._refuse(component, f"{name} 只能用在数字和日期上")
        return self._expression(component, text, name)

    def _flag(self, component: Mapping, said: Mapping, name: str) -> bool:
        """Return a setting that is yes or no; one that is calculated, or a text, would be passed over."""
        if said.get(name) not in (None, "", True, False):
            self._refuse(component, f"{name} 只能是 true 或者 false")
        return said.get(name) is True

    def _hide(self, component: Mapping, place: _Place) -> Expression | None:
        conditional = component.get("conditional") or {}
        if not isinstance(conditional, dict):
            self._refuse(component, "conditional 要是一个对象")
        if unknown := conditional.keys() - {"hide"}:
            self._refuse(component, f"conditional 里只能写 hide，不支持 {'、'.join(sorted(map(str, unknown)))}")
        own = conditional.get("hide") or ""
        if own:
            own = self._expression(component, own, "conditional.hide").text
        both = [text.removeprefix("=") for text in (place.hide, own) if text]
        if not both:
            return None
        joined = both[0] if len(both) == 1 else " or ".join(f"({text})" for text in both)
        return self._expression(component, f"={joined}", "conditional.hide")

    def _expression(self, component: Mapping, text: object, name: str) -> Expression:
        if not is_expression(text):
            self._refuse(component, f"{name} 要是以“=”开头的表达式")
        try:
            return parse(text)
        except ExpressionError as error:
            self._refuse(component, f"{name} 的表达式看不懂：{error}")

    def _is_multiple(self, component: Mapping, properties: Mapping) -> bool:
        if component["type"] == "filepicker":
            return self._flag(component, component, "multiple")
        return component["type"] == "checklist" or (
            component["type"] == "select" and properties.get("multiple") is True
        )

    def _decimals(self, component: Mapping, properties: Mapping) -> int | None:
        digits = self._whole(component, component, "decimalDigits")
        if digits is not None and digits > _MAX_DECIMALS:
            self._refuse(component, f"decimalDigits 最多 {_MAX_DECIMALS}")
        if properties.get("unit") == "fen":
            return 2 if digits is None else min(digits, 2)
        return digits

    def _number(self, component: Mapping, said: Mapping, name: str) -> int | Decimal | None:
        value = said.get(name)
        if value in (None, ""):
            return None
        number = read_number(str(value)) if not isinstance(value, bool) else None
        if number is None:
            self._refuse(component, f"{name} 要是数字，要计算的写到 limit.{name}")
        return number

    def _whole(self, component: Mapping, said: Mapping, name: str) -> int | None:
        number = self._number(component, said, name)
        if number is not None and (not isinstance(number, int) or number < 0):
            self._refuse(component, f"{name} 要是不小于 0 的整数")
        return number

    def _plain(self, component: Mapping, name: str) -> str:
        text = _text(component.get(name))
        if is_expression(text):
            self._refuse(component, f"{name} 只能写固定的文字，不能是表达式")
        if "{{" in text:
            self._refuse(component, f"{name} 只能写固定的文字，不能用 {{{{ }}}} 填进别的内容")
        return text

    def _check_keys(self) -> None:
        seen: dict[str, Field] = {}
        for asked in (component for component in self._components if isinstance(component, Field)):
            if not asked.key or asked.key.endswith("."):
                raise FormError(f"“{asked.label}”没有键（key），填了也没有地方存。", asked.line)
            if not _KEY.fullmatch(asked.key):
                message = f"“{asked.label}”的键“{asked.key}”要以英文字母开头，由英文字母、数字、下划线和点组成。"
                raise FormError(message, asked.line)
            for other in seen:
                if asked.key == other:
                    raise FormError(f"“{asked.label}”和“{seen[other].label}”的键都是“{other}”。", asked.line)
                if asked.key.startswith(f"{other}.") or other.startswith(f"{asked.key}."):
                    raise FormError(f"“{asked.label}”的键“{asked.key}”和“{other}”重了。", asked.line)
            seen[asked.key] = asked

    def _refuse(self, component: Mapping, message: str) -> NoReturn:
        name = _text(component.get("label")) or _text(component.get("id"))
        raise FormError(f"“{name}”{message}。" if name else f"{message}。", self._line(component))

    def _line(self, component: Mapping) -> int:
        """Return the line with the component's id or key; JSON itself remembers no places."""
        for name in ("id", "key", "label"):
            value = component.get(name)
            for written in _ways_to_write(value) if isinstance(value, str) and value else ():
                if found := self._places.get((name, written)):
                    return found
        return 1

    @cached_property
    def _places(self) -> Mapping[tuple[str, str], int]:
        """Name and text as it is written → the line where they stand first."""
        places: dict[tuple[str, str], int] = {}
        line, read = 1, 0
        for found in _NAMED.finditer(self._lines):
            line, read = line + self._lines.count("\n", read, found.start()), found.start()
            places.setdefault((found[1], found[2]), line)
        return places


def _ways_to_write(value: str) -> Iterable[str]:
    return (json.dumps(value, ensure_ascii=False), json.dumps(value))


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""
