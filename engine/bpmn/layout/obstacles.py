"""What keeps a picture from being laid out: said before anything is drawn, so that nothing is half done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from lxml import etree

from engine.bpmn.facts import FLOW_NODES
from engine.bpmn.layout.graph import SUB_PROCESSES, Graph
from engine.bpmn.layout.scene import Scene
from engine.bpmn.rules.subject import Diagram, Place, bpmn, full_title, kind, kind_name, title

#: more nodes than this would take minutes
MOST_NODES = 200
#: what takes room but belongs to no cell
_LOOSE = ("textAnnotation", "group", "dataObjectReference", "dataStoreReference", "messageFlow", "childLaneSet")

#: id of a rule, with what it says about a place
Obstacle = tuple[str, Place]


def obstacles(diagram: Diagram) -> Iterator[Obstacle]:
    """Yield everything in a file that keeps its pictures from being laid out."""
    yield from _left_out(diagram)
    for scene in diagram.scenes:
        yield from _wrong_frame(diagram, scene)
        for scope in scene.scopes[:1]:
            yield from _unfinished(diagram, scope, scene.flat_graph)


def unsupported(diagram: Diagram) -> Iterator[Place]:
    """Yield what no other rule speaks of: sound diagrams of a kind that the layout does not know."""
    return (place for rule, place in obstacles(diagram) if rule == "layout-unsupported")


def _left_out(diagram: Diagram) -> Iterator[Obstacle]:
    hint = "请删去它再整理；写给人看的话放进步骤的说明（documentation）。"
    for element in diagram.elements:
        if kind(element) in _LOOSE:
            message = f"{full_title(element)}不能自动整理版面：只整理一个泳池、一层泳道里的步骤和流向。"
            yield "layout-unsupported", diagram.at(element, message, hint)
    drawn = {scope.get("id") for scene in diagram.scenes for scope in scene.scopes}
    for element in diagram.elements:
        if kind(element) in SUB_PROCESSES and diagram.children(element) and element.get("id") not in drawn:
            message = f"{full_title(element)}画成了展开的样子，不能自动整理版面。"
            yield "layout-unsupported", diagram.at(element, message, "请收起子流程，或者改成调用活动。")


def _wrong_frame(diagram: Diagram, scene: Scene) -> Iterator[Obstacle]:
    for extra in (*scene.pools[1:], *scene.scopes[1:]):
        message = f"一张图上有两个以上的{kind_name(extra)}，不能自动整理版面。"
        yield "layout-unsupported", diagram.at(extra, message, "请一个文件只画一个流程。")
    if not scene.scopes:
        message = "文件里没有流程，没有可整理的版面。"
        yield "no-process", diagram.at(diagram.root, message, "请先画出流程。")


def _unfinished(diagram: Diagram, scope: etree._Element, graph: Graph) -> Iterator[Obstacle]:
    if not any(node.kind == "startEvent" for node in graph.nodes.values()):
        message = f"{full_title(scope)}里没有开始事件，不知道从哪里排起。"
        yield "start-event-missing", diagram.at(scope, message, "请画一个开始事件，连到第一步。")
    if len(graph.nodes) > MOST_NODES:
        message = f"{full_title(scope)}有 {len(graph.nodes)} 个步骤，超过 {MOST_NODES} 个的不自动整理版面。"
        yield "layout-unsupported", diagram.at(scope, message, "请把其中一段改成调用活动。")
    ids = Counter(each.get("id", "") for each in diagram.elements)
    flows = {flow.id for flow in graph.flows}
    for element in scope.iterchildren(bpmn("*")):
        yield from _loose_end(diagram, element, graph, flows, ids)


def _loose_end(
    diagram: Diagram, element: etree._Element, graph: Graph, flows: set[str], ids: Counter[str]
) -> Iterator[Obstacle]:
    id = element.get("id", "")
    is_flow = kind(element) == "sequenceFlow"
    if not is_flow and kind(element) not in FLOW_NODES:
        return
    if not id:
        yield "id-missing", diagram.at(element, f"{title(element)}，画面里没法指到它。", "请给它一个编号（id）。")
    elif ids[id] > 1:
        yield "duplicate-id", diagram.at(element, f"编号 {id} 用了 {ids[id]} 次。", "请让每个编号只用一次。")
    elif is_flow and id not in flows:
        yield "dangling-reference", diagram.at(element, f"{full_title(element)}没有接到两个步骤上。", "请重新连好。")
    elif not is_flow and graph.nodes[id].kind == "boundaryEvent" and not graph.nodes[id].host:
        hint = "请把它挂到一个步骤的边上。"
        yield "dangling-reference", diagram.at(element, f"{full_title(element)}没有挂在步骤上。", hint)
    elif not is_flow and graph.lanes and graph.nodes[id].lane is None:
        hint = "请把它放进一条泳道。"
        yield "node-in-lane", diagram.at(element, f"{title(element)}不在任何泳道里，不知道排在哪里。", hint)
