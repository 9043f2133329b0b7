"""Write XML as bpmn-moddle writes it, so that a modeler's first save changes nothing: two spaces, `` />``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_INDENT = "  "
_IN_ATTRIBUTE = {"<": "&#60;", ">": "&#62;", "'": "&#39;", '"': "&#34;", "&": "&#38;", "\n": "&#10;"}
_IN_TEXT = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}


@dataclass
class Tag:
    """An element as it is written: its name with prefix, its attributes in order, and either text or children."""

    name: str
    attributes: Mapping[str, object] = field(default_factory=dict)
    children: list[Tag] = field(default_factory=list)
    text: str = ""

    def add(self, name: str, /, **attributes: object) -> Tag:
        """Append a child and return it; an attribute that is None is left out."""
        child = Tag(name, {key: value for key, value in attributes.items() if value is not None})
        self.children.append(child)
        return child

    def lines(self, indent: str = "") -> Iterator[str]:
        start = f"{indent}<{self.name}{''.join(map(_attribute, self.attributes, self.attributes.values()))}"
        if self.children:
            yield f"{start}>"
            for child in self.children:
                yield from child.lines(indent + _INDENT)
            yield f"{indent}</{self.name}>"
        elif self.text:
            yield f"{start}>{_escaped(self.text, _IN_TEXT)}</{self.name}>"
        else:
            yield f"{start} />"


def document(root: Tag) -> str:
    """Return a whole file."""
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', *root.lines(), ""])


def _attribute(name: str, value: object) -> str:
    return f' {name}="{_escaped(str(value), _IN_ATTRIBUTE)}"'


def _escaped(text: str, entities: Mapping[str, str]) -> str:
    return re.sub(f"[{''.join(entities)}]", lambda sign: entities[sign[0]], text)
