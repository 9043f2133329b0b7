"""The examples of the rule page as packages: a snippet of a diagram, further files behind a line ``--- name``."""

from __future__ import annotations

import json
import re

from engine.bpmn.package import Package, read_files

_NAMESPACES = (
    'xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:bpmndi="http://www.omg.org/spec/BPMN/20100524/DI" '
    'xmlns:dc="http://www.omg.org/spec/DD/20100524/DC" xmlns:di="http://www.omg.org/spec/DD/20100524/DI" '
    'xmlns:camunda="http://camunda.org/schema/1.0/bpmn" '
    'xmlns:power="urn:sihua:power:1" xmlns:xi="http://www.w3.org/2001/XInclude"'
)
_TABLES = '<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="D" name="D" namespace="urn:test">'
_NEXT_FILE = re.compile(r"^--- (\S+)\n", re.MULTILINE)


def package_of(example: str) -> tuple[Package, list | None]:
    """Return the package an example stands for, and its scenarios."""
    first, *rest = _NEXT_FILE.split(example)
    texts = {"trial.bpmn": first, **dict(zip(rest[::2], rest[1::2], strict=True))}
    scenarios = texts.pop("scenarios.json", None)
    files = {name: _whole(name, text).encode() for name, text in texts.items()}
    return read_files("trial", "T01", files), None if scenarios is None else json.loads(scenarios)


def _whole(name: str, text: str) -> str:
    """Put around a snippet what every file of its kind has."""
    if name.endswith(".dmn"):
        return f"{_TABLES}{text}</definitions>"
    if not name.endswith(".bpmn") or re.match(r"\s*(<\?xml|<!DOCTYPE|<definitions|<svg|[^<\s])", text):
        return text
    if "<process" not in text:
        text = f'<process id="trial" name="测试事项" isExecutable="true">{text}</process>'
    return f'<definitions {_NAMESPACES} id="Definitions_1" targetNamespace="urn:test">\n{text}\n</definitions>'
