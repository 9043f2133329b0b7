"""Write a picture as BPMNDiagram: integers, in the order of the process, black and white."""

from __future__ import annotations

from collections.abc import Mapping

from engine.bpmn.canonical import Tag
from engine.bpmn.document import BPMNDI, DC, DI
from engine.bpmn.layout.geometry import Box
from engine.bpmn.layout.graph import Graph
from engine.bpmn.layout.picture import Picture

_PREFIXES = {"bpmndi": BPMNDI, "dc": DC, "di": DI}


def diagram_tag(graph: Graph, picture: Picture, namespaces: Mapping[str | None, str]) -> Tag:
    """Return the element that shows a graph; what the file's root declares need not be declared again.

    :param namespaces: prefix → namespace, as they hold inside the root
    """
    return _Writer(picture, namespaces).diagram(graph)


class _Writer:
    def __init__(self, picture: Picture, namespaces: Mapping[str | None, str]) -> None:
        self.picture = picture
        known = {uri: prefix for prefix, uri in reversed(namespaces.items())}
        self.prefix = {short: known.get(uri, short) for short, uri in _PREFIXES.items()}
        self.declared = {f"xmlns:{short}": uri for short, uri in _PREFIXES.items() if uri not in known}

    def diagram(self, graph: Graph) -> Tag:
        own = self.picture.own_ids
        root = Tag(
            self._name("bpmndi", "BPMNDiagram"), {**self.declared, "id": own.get("", "") or _free("BPMNDiagram_1", own)}
        )
        plane = root.add(
            self._name("bpmndi", "BPMNPlane"),
            id=own.get("plane", "") or _free("BPMNPlane_1", own),
            bpmnElement=self.picture.plane,
        )
        for frame in [graph.pool] if graph.pool else []:
            self._shape(plane, frame.id, isHorizontal="true")
        for lane in graph.lanes:
            self._shape(plane, lane.id, isHorizontal="true")
        for node in graph.nodes.values():
            expanded = "false" if node.is_sub_process else None
            marker = "true" if node.kind == "exclusiveGateway" else None
            self._shape(plane, node.id, isExpanded=expanded, isMarkerVisible=marker)
        for flow in graph.flows:
            self._edge(plane, flow.id)
        return root

    def _shape(self, plane: Tag, id: str, **attributes: str | None) -> None:
        shape = plane.add(self._name("bpmndi", "BPMNShape"), id=self._id(id), bpmnElement=id, **attributes)
        self._bounds(shape, self.picture.boxes[id])
        self._label(shape, id)

    def _edge(self, plane: Tag, id: str) -> None:
        if id in self.picture.ways:
            edge = plane.add(self._name("bpmndi", "BPMNEdge"), id=self._id(id), bpmnElement=id)
            for x, y in self.picture.ways[id]:
                edge.add(self._name("di", "waypoint"), x=round(x), y=round(y))
            self._label(edge, id)

    def _label(self, drawn: Tag, id: str) -> None:
        if id in self.picture.labels:
            self._bounds(drawn.add(self._name("bpmndi", "BPMNLabel")), self.picture.labels[id])

    def _bounds(self, drawn: Tag, box: Box) -> None:
        x, y, width, height = map(round, box)
        drawn.add(self._name("dc", "Bounds"), x=x, y=y, width=width, height=height)

    def _id(self, id: str) -> str:
        return self.picture.own_ids.get(id) or f"{id}_di"

    def _name(self, short: str, local: str) -> str:
        prefix = self.prefix[short]
        return f"{prefix}:{local}" if prefix else local


def _free(id: str, own_ids: Mapping[str, str]) -> str:
    return id if id not in own_ids.values() else f"{id}_new"
