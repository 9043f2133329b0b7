"""Put new pictures into a file and leave every other byte as it is."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence

from lxml import etree

from engine.bpmn.canonical import Tag

_TOKEN = re.compile(
    r"""<!--.*?--> | <!\[CDATA\[.*?\]\]> | <\?.*?\?>
        | <(?P<end>/?)(?P<name>[^\s/>!?]+)(?:[^>"']|"[^"]*"|'[^']*')*?(?P<empty>/?)>""",
    re.DOTALL | re.VERBOSE,
)
_BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}

#: start and end of an element in a text
Span = tuple[int, int]


class Unreadable(ValueError):
    """The text of the file cannot be taken apart without changing it."""


def replace_diagrams(data: bytes, tree: etree._ElementTree, diagrams: Sequence[Tag]) -> bytes:
    """Return a file with its BPMNDiagram elements replaced in order, or with the first ones it gets.

    Raises Unreadable, never changes anything else: what stands before a picture stays byte for byte.
    """
    encoding = _encoding(data, tree)
    try:
        text = data.decode(encoding)
    except (LookupError, UnicodeDecodeError) as error:
        raise Unreadable(str(error)) from error
    spans, end = _spans(text)
    if text.encode(encoding) != data or (spans and len(spans) != len(diagrams)):
        raise Unreadable(encoding)
    newline = "\r\n" if "\r\n" in text else "\n"
    if not spans:
        before = text[:end].rstrip()
        added = newline.join(line for diagram in diagrams for line in diagram.lines("  "))
        return f"{before}{newline}{added}{newline}{text[end:]}".encode(encoding)
    for (start, stop), diagram in reversed([*zip(spans, diagrams, strict=True)]):
        indent = text[text.rfind("\n", 0, start) + 1 : start]
        indent = indent if not indent.strip() else ""
        text = text[:start] + newline.join(diagram.lines(indent)).removeprefix(indent) + text[stop:]
    return text.encode(encoding)


def _encoding(data: bytes, tree: etree._ElementTree) -> str:
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if data.startswith(mark):
            return encoding
    return tree.docinfo.encoding or "utf-8"


def _spans(text: str) -> tuple[list[Span], int]:
    """Return where the diagrams lie, and where the end tag of the root begins."""
    depth, start = 0, 0
    spans: list[Span] = []
    end = len(text)
    for token in _TOKEN.finditer(text):
        if token["name"] is None:
            continue
        is_diagram = token["name"].rpartition(":")[2] == "BPMNDiagram"
        if token["end"]:
            depth -= 1
            end = token.start()
        elif is_diagram and depth == 1:
            start = token.start()
        if is_diagram and depth == 1 and (token["end"] or token["empty"]):
            spans.append((start, token.end()))
        depth += not token["end"] and not token["empty"]
    return spans, end
