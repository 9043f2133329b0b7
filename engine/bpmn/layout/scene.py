"""What each picture of a file shows: the graph of a process, of several, or of a sub-process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lxml import etree

from engine.bpmn.document import BPMN
from engine.bpmn.layout.graph import SUB_PROCESSES, Graph, read_graph
from engine.bpmn.layout.picture import Picture, read_pictures
from engine.bpmn.layout.quality import Quality, rate


@dataclass(frozen=True)
class Scene:
    """One picture of a file with the processes or the sub-process it shows; ``picture`` is new where there is none."""

    picture: Picture
    scopes: tuple[etree._Element, ...]
    #: pools with the processes shown, in document order
    pools: tuple[etree._Element, ...]

    @property
    def graph(self) -> Graph:
        """Everything that may be drawn in the picture, also inside sub-processes drawn open."""
        return read_graph(self.scopes, self.pools[0] if self.pools else None, deep=True)

    @property
    def flat_graph(self) -> Graph:
        """What a layout places."""
        return read_graph(self.scopes, self.pools[0] if self.pools else None)


def read_scenes(root: etree._Element) -> list[Scene]:
    """Return every picture of a file; one that is still to be drawn when there is none."""
    scenes = [_scene(root, picture) for picture in read_pictures(root)]
    return [scene for scene in scenes if scene.scopes] or [_scene(root, Picture())]


def rate_all(scenes: Sequence[Scene], sheet: str = "A3") -> list[tuple[Picture, Quality]]:
    """Return every picture that is drawn, with what it is worth."""
    drawn = [scene for scene in scenes if scene.picture.boxes]
    return [(scene.picture, rate(scene.graph, scene.picture, sheet)) for scene in drawn]


def _scene(root: etree._Element, picture: Picture) -> Scene:
    processes = list(root.iterchildren(_bpmn("process")))
    pools = list(root.iter(_bpmn("participant")))
    named = [each for each in root.iter(f"{{{BPMN}}}*") if picture.plane and each.get("id") == picture.plane]
    shown = named[0] if named else None
    if shown is not None and etree.QName(shown).localname in SUB_PROCESSES:
        return Scene(picture, (shown,), ())
    if shown is not None and shown.tag == _bpmn("process"):
        return Scene(picture, (shown,), tuple(pool for pool in pools if pool.get("processRef") == shown.get("id")))
    return Scene(picture, tuple(processes), tuple(pools))


def _bpmn(tag: str) -> str:
    return f"{{{BPMN}}}{tag}"
