"""Where in the bytes of an XML file each element stands, so that a change touches nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from xml.parsers import expat
from xml.sax.saxutils import escape

from lxml import etree

#: encodings in which an ASCII sign is one byte that means nothing else
_PLAIN = ("utf-8", "us-ascii", "ascii", "iso-8859-1", "latin-1")
_DECLARED = re.compile(rb"""\A(?:\xef\xbb\xbf)?<\?xml[^>]*?encoding\s*=\s*["']([\w.-]+)["']""")
_ATTRIBUTE = re.compile(rb"""\s+([^\s=]+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_TAG_NAME = re.compile(rb"<([^\s/>]+)")
_TAG = re.compile(rb"""<(?:[^"'>]|"[^"]*"|'[^']*')*>""")


@dataclass(frozen=True)
class Change:
    """Bytes ``start`` to ``end`` become ``text``; an insertion when both are the same."""

    start: int
    end: int
    text: bytes


@dataclass
class _Span:
    #: of the opening tag; ``tag_end`` lies behind its ``>``
    start: int
    tag_end: int = 0
    #: of the closing tag; both ``tag_end`` when the element is written ``<a/>``
    close_start: int = 0
    end: int = 0
    is_empty: bool = False


class SourceText:
    """The bytes of a file with the place of every element of its tree."""

    def __init__(self, data: bytes, root: etree._Element) -> None:
        """Find the elements of ``root``, which was read from ``data``; ValueError when its encoding is not plain."""
        declared = _DECLARED.match(data)
        if (
            declared is not None
            and declared[1].decode().lower() not in _PLAIN
            or data[:2] in (b"\xff\xfe", b"\xfe\xff")
        ):
            raise ValueError("only encodings that hold ASCII as it is")
        self.data = data
        self.encoding = declared[1].decode() if declared else "utf-8"
        spans = _spans(data)
        elements = [element for element in root.getroottree().iter() if isinstance(element.tag, str)]
        if len(spans) != len(elements):
            raise ValueError("two readers see different elements")
        self._spans = dict(zip(elements, spans, strict=True))

    def set_attribute(self, element: etree._Element, name: str, value: str) -> Change:
        """Write an attribute without prefix; a new one comes first, behind the tag's name."""
        span, text = self._spans[element], self._encoded(_quoted(value))
        found = self._attribute(span, name.encode())
        if found is not None:
            group = 2 if found[2] is not None else 3
            return Change(span.start + found.start(group), span.start + found.end(group), text)
        behind = _TAG_NAME.match(self.data, span.start).end()
        return Change(behind, behind, b" " + name.encode() + b'="' + text + b'"')

    def remove_attribute(self, element: etree._Element, name: str) -> Change | None:
        """Take out an attribute together with the space before it; ``name`` as it is written, with its prefix."""
        span = self._spans[element]
        found = self._attribute(span, name.encode())
        return None if found is None else Change(span.start + found.start(), span.start + found.end(), b"")

    def remove(self, element: etree._Element) -> Change:
        """Take out an element, with the line it stands on when it stands there alone."""
        span = self._spans[element]
        start, end = span.start, span.end
        line = self.data.rfind(b"\n", 0, start) + 1
        if not self.data[line:start].strip():
            before = self.data[:line]
            return Change(len(before) - len(_line_end(before)), end, b"")
        return Change(start, end, b"")

    def insert_first(self, parent: etree._Element, children: Iterable[bytes]) -> Change:
        """Write elements, each on a line of its own, as the first inside ``parent``."""
        span, indent = self._spans[parent], self._indent(parent)
        step, newline = self._step(parent), self._newline()
        lines = b"".join(newline + indent + step + child for child in children)
        if not span.is_empty:
            return Change(span.tag_end, span.tag_end, lines)
        name = _TAG_NAME.match(self.data, span.start)[1]
        slash = self.data.rindex(b"/", span.start, span.tag_end)
        return Change(slash, span.tag_end, b">" + lines + newline + indent + b"</" + name + b">")

    def insert_after(self, element: etree._Element, siblings: Iterable[bytes]) -> Change:
        """Write elements, each on a line of its own, behind ``element``."""
        end, indent = self._spans[element].end, self._indent(element)
        return Change(end, end, b"".join(self._newline() + indent + sibling for sibling in siblings))

    def tag(self, like: etree._Element, name: str, text: str) -> bytes:
        """Return an element with the prefix of another one."""
        prefix = f"{like.prefix}:" if like.prefix else ""
        return self._encoded(f"<{prefix}{name}>{escape(text)}</{prefix}{name}>")

    def with_changes(self, changes: Iterable[Change]) -> bytes:
        """Return the file with all changes made; of two that overlap the later one is left for another time."""
        made, reached = [], 0
        for change in sorted(set(changes), key=lambda each: (each.start, each.end)):
            if change.start >= reached:
                made += [self.data[reached : change.start], change.text]
                reached = change.end
        return b"".join((*made, self.data[reached:]))

    def _attribute(self, span: _Span, name: bytes) -> re.Match[bytes] | None:
        tag = self.data[span.start : span.tag_end]
        return next((found for found in _ATTRIBUTE.finditer(tag) if found[1] == name), None)

    def _indent(self, element: etree._Element) -> bytes:
        start = self._spans[element].start
        line = self.data[self.data.rfind(b"\n", 0, start) + 1 : start]
        return line if not line.strip() else re.match(rb"\s*", line)[0]

    def _step(self, element: etree._Element) -> bytes:
        """Return by how much an element is set in against the one around it."""
        parent = element.getparent()
        own, around = self._indent(element), b"" if parent is None else self._indent(parent)
        return own[len(around) :] if own.startswith(around) and own != around else b"  "

    def _newline(self) -> bytes:
        return b"\r\n" if b"\r\n" in self.data else b"\n"

    def _encoded(self, text: str) -> bytes:
        return text.encode(self.encoding, "xmlcharrefreplace")


def _quoted(value: str) -> str:
    return escape(value, {'"': "&quot;", "\n": "&#10;", "\t": "&#9;"})


def _line_end(before: bytes) -> bytes:
    return next((end for end in (b"\r\n", b"\n") if before.endswith(end)), b"")


def _spans(data: bytes) -> list[_Span]:
    """Return the place of every element in the order of the document."""
    parser, spans, open_spans = expat.ParserCreate(), [], []

    def start(name: str, attributes: dict) -> None:
        at = parser.CurrentByteIndex
        span = _Span(at, _tag_end(data, at))
        span.is_empty = data[span.tag_end - 2 : span.tag_end] == b"/>"
        spans.append(span)
        open_spans.append(span)

    def end(name: str) -> None:
        span, at = open_spans.pop(), parser.CurrentByteIndex
        span.close_start = span.tag_end if span.is_empty else at
        span.end = span.tag_end if span.is_empty else _tag_end(data, at)

    parser.StartElementHandler, parser.EndElementHandler = start, end
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise ValueError(str(error)) from error
    return spans


def _tag_end(data: bytes, at: int) -> int:
    """Return the place behind the ``>`` of the tag at ``at``; one inside quotes does not end it."""
    return _TAG.match(data, at).end()
