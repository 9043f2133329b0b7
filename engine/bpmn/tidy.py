"""Lay out the pictures of one BPMN file; the process itself stays byte for byte as it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from engine.bpmn.document import XmlRefused, read_xml
from engine.bpmn.layout.drawing import draw, redraw
from engine.bpmn.layout.interchange import diagram_tag
from engine.bpmn.layout.obstacles import obstacles
from engine.bpmn.layout.picture import Picture
from engine.bpmn.layout.quality import Quality, rate
from engine.bpmn.layout.scene import Scene
from engine.bpmn.layout.splice import Unreadable, replace_diagrams
from engine.bpmn.lint import RULES, World
from engine.bpmn.package import Package, read_files
from engine.bpmn.rules import layout
from engine.bpmn.rules.subject import Diagram, Place, Subject
from engine.errors import EngineError
from engine.model import Finding, Severity

Mode = Literal["sketch", "fresh", "search"]
#: the rules whose findings a new picture can mend
LAYOUT_RULES = [rule for rule in RULES.values() if rule.check.__module__ == layout.__name__]


class LayoutRefused(EngineError):
    """A file that cannot be laid out; ``findings`` say why."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        super().__init__(findings[0].message)
        self.findings = findings


@dataclass(frozen=True)
class Tidied:
    """A file as it should be; one quality per picture."""

    data: bytes
    #: None where there was no picture
    before: tuple[Quality | None, ...]
    after: tuple[Quality, ...]
    #: what is still wrong with the new pictures
    findings: tuple[Finding, ...]

    @property
    def passes(self) -> bool:
        return all(quality.passes for quality in self.after)


def tidy(data: bytes, file: str, mode: Mode = "sketch", sheet: str = "A3") -> Tidied:
    """Lay out every picture of a file, or draw the first one.

    :param mode: ``sketch`` keeps the arrangement drawn by a person, ``fresh`` makes one, ``search`` improves it
    :raises LayoutRefused: the file is no BPMN, or of a kind that cannot be laid out
    """
    diagram = _read(data, file)
    if found := [_refusal(rule, place) for rule, place in obstacles(diagram)]:
        raise LayoutRefused(tuple(found))
    before = tuple(_rated(scene, sheet) for scene in diagram.scenes)
    pictures = [_drawn(scene, mode) for scene in diagram.scenes]
    tags = [
        diagram_tag(scene.flat_graph, picture, diagram.root.nsmap)
        for scene, picture in zip(diagram.scenes, pictures, strict=True)
    ]
    try:
        new = replace_diagrams(data, diagram.root.getroottree(), tags)
    except Unreadable:
        message = "文件的写法或者编码特别，改了画面就会连带改动别的内容，所以没有整理。"
        place = Place(file, 1, "", "", message, "请在流程图编辑器里另存为 UTF-8 的文件。")
        raise LayoutRefused((_refusal("layout-unsupported", place),)) from None
    after = tuple(
        rate(scene.flat_graph, picture, sheet) for scene, picture in zip(diagram.scenes, pictures, strict=True)
    )
    return Tidied(new, before, after, tuple(_faults(new, file, sheet)))


def scores(package: Package) -> Iterator[tuple[str, Quality]]:
    """Yield what the pictures of a package are worth, by file."""
    for diagram in Subject.read(package, World({}, {}, {}, {})).diagrams:
        for _, quality in diagram.pictures:
            yield diagram.file, quality


def _read(data: bytes, file: str, sheet: str = "A3") -> Diagram:
    try:
        root = read_xml(data).getroot()
    except XmlRefused as refused:
        place = Place(file, refused.line, "", "", refused.message, "请换一个能打开的流程图文件。")
        raise LayoutRefused((_refusal(refused.rule, place),)) from refused
    alone = Subject(read_files("", "", {file: data}), World({}, {}, {}, {}))
    return Diagram(file, root, alone, sheet)


def _faults(data: bytes, file: str, sheet: str) -> Iterator[Finding]:
    diagram = _read(data, file, sheet)
    return (_finding(rule.id, rule.severity, place) for rule in LAYOUT_RULES for place in rule.check(diagram))


def _drawn(scene: Scene, mode: Mode) -> Picture:
    graph = scene.flat_graph
    if mode == "sketch" and scene.picture.boxes:
        picture = redraw(graph, scene.picture).picture
    else:
        picture = draw(graph, search=mode == "search").picture
    picture.plane = scene.picture.plane or _plane(scene)
    picture.own_ids = scene.picture.own_ids
    return picture


def _plane(scene: Scene) -> str:
    return (scene.pools[0].getparent() if scene.pools else scene.scopes[0]).get("id", "")


def _rated(scene: Scene, sheet: str) -> Quality | None:
    return rate(scene.graph, scene.picture, sheet) if scene.picture.boxes else None


def _refusal(rule: str, place: Place) -> Finding:
    return _finding(rule, "error", place)


def _finding(rule: str, severity: Severity, place: Place) -> Finding:
    return Finding(rule, severity, place.file, place.line, place.element, place.name, place.message, place.hint)
