"""Rules of the picture: is everything drawn, does nothing lie on something else, are the shapes of the usual size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import isfinite

from lxml import etree

from engine.bpmn.document import BPMNDI, DC
from engine.bpmn.rules import rule
from engine.bpmn.rules.subject import Diagram, Place, is_true, kind, title

_DRAWN = set(
    "participant lane group messageFlow textAnnotation association dataObjectReference dataStoreReference".split()
)
_DATA = ("dataObjectReference", "dataStoreReference")
_SUB_PROCESSES = ("subProcess", "transaction", "adHocSubProcess")
#: width and height that modelers give a shape (DIAGRAMS §1)
_TASK, _GATEWAY, _EVENT = (100, 80), (50, 50), (36, 36)
_SIZES = {"dataObjectReference": (36, 50), "dataStoreReference": (50, 50)}
#: how many pairs are looked at; a picture with more shapes on each other has been told enough
_MOST_PAIRS = 200_000
#: height of an empty pool, or its width when it stands upright
_EMPTY_POOL = 60


@dataclass(frozen=True)
class _Shape:
    left: float
    top: float
    width: float
    height: float
    expanded: bool
    upright: bool

    @property
    def right(self) -> float:
        return self.left + self.width

    @property
    def bottom(self) -> float:
        return self.top + self.height

    def meets(self, other: _Shape) -> bool:
        across = self.right >= other.left and other.right >= self.left
        return across and self.bottom >= other.top and other.bottom >= self.top

    def holds(self, other: _Shape) -> bool:
        across = self.left <= other.left and other.right <= self.right
        return across and self.top <= other.top and other.bottom <= self.bottom


@rule("no-bpmndi", "warning", aliases=("no-bpmndi",))
def is_drawn(diagram: Diagram) -> Iterator[Place]:
    """What has no place in the picture cannot be seen by anybody."""
    drawn = {reference.rpartition(":")[2] for reference in _references(diagram)}
    if diagram.processes and diagram.nodes and not drawn:
        yield diagram.at(diagram.processes[0], "图里只有内容，没有画面。", "请在流程图编辑器里打开，整理版面以后保存。")
        return
    framed = [element for element in diagram.elements if kind(element) in _DRAWN]
    for element in [*framed, *diagram.nodes, *diagram.flows]:
        if element.get("id") and element.get("id") not in drawn:
            yield diagram.at(element, f"{title(element)}没有画出来。", "请在流程图编辑器里把它画上。")


@rule("no-overlapping-elements", "warning", aliases=("no-overlapping-elements",))
def lies_free(diagram: Diagram) -> Iterator[Place]:
    """Shapes that lie on each other, or outside the frame they belong to, cannot be read."""
    shapes = _shapes(diagram)
    pools = diagram.drawn("participant")
    framed = {pool.get("processRef"): shapes.get(pool.get("id")) for pool in pools}
    data = [element for element in diagram.elements if kind(element) in _DATA]
    data_in: dict[etree._Element, list[etree._Element]] = {}
    for each in data:
        data_in.setdefault(each.getparent(), []).append(each)
    covered = set(_covered(pools, shapes))
    outside: set[etree._Element] = set()
    for scope in diagram.scopes:
        inside = [*diagram.children(scope), *data_in.get(scope, ())]
        covered.update(_covered(inside, shapes))
        frame = framed.get(scope.get("id")) if kind(scope) == "process" else shapes.get(scope.get("id"))
        if frame is not None and (kind(scope) == "process" or frame.expanded):
            placed = [element for element in inside if kind(element) != "dataStoreReference"]
            drawn = [each for each in placed if each.get("id") in shapes]
            outside.update(each for each in drawn if not frame.holds(shapes[each.get("id")]))
    for element in [*pools, *data, *diagram.nodes] if covered or outside else ():
        if element in covered:
            message = f"{title(element)}和别的图形叠在一起。"
            yield diagram.at(element, message, "请在流程图编辑器里把它们移开，或者用“整理版面”（sihua tidy）。")
        elif element in outside:
            message = f"{title(element)}画到了它所在的框外面。"
            yield diagram.at(element, message, "请把它移进框里，或者把框拉大。")


@rule("standard-size", "info", aliases=("standard-size",))
def has_usual_size(diagram: Diagram) -> Iterator[Place]:
    """Shapes of the usual size make one item look like the next, and their names fit."""
    for id, shape in _shapes(diagram).items():
        element = diagram.by_id.get(id)
        width, height = _usual_size(element, shape) if element is not None else (None, None)
        if (width is not None and shape.width != width) or (height is not None and shape.height != height):
            wanted = f"{width}×{height}" if width and height else f"{'宽' if width else '高'} {width or height}"
            message = f"{title(element)}画成了 {shape.width:g}×{shape.height:g}，不是通常的大小。"
            yield diagram.at(element, message, f"请改成 {wanted}，各个事项的图才一样。")


def _usual_size(element: etree._Element, shape: _Shape) -> tuple[float | None, float | None]:
    name = kind(element)
    if name == "participant":
        if element.get("processRef"):
            return None, None
        return (_EMPTY_POOL, None) if shape.upright else (None, _EMPTY_POOL)
    if name in _SUB_PROCESSES:
        return (None, None) if shape.expanded else _TASK
    if name == "callActivity" or name.lower().endswith("task"):
        return _TASK
    if name.endswith("Gateway"):
        return _GATEWAY
    return _EVENT if name.endswith("Event") else _SIZES.get(name, (None, None))


def _references(diagram: Diagram) -> list[str]:
    return [shape.get("bpmnElement") for shape in diagram.root.iter(etree.Element) if "bpmnElement" in shape.attrib]


def _shapes(diagram: Diagram) -> dict[str, _Shape]:
    """Return id of the element → its shape; one without readable bounds is left out."""
    shared, key = diagram.subject.shared, f"shapes of {diagram.file}"
    if key not in shared:
        shared[key] = _read_shapes(diagram)
    return shared[key]


def _read_shapes(diagram: Diagram) -> dict[str, _Shape]:
    shapes = {}
    for shape in diagram.root.iter(f"{{{BPMNDI}}}BPMNShape"):
        bounds = next(shape.iterchildren(f"{{{DC}}}Bounds"), None)
        numbers = _numbers(bounds) if bounds is not None else None
        if numbers:
            upright = shape.get("isHorizontal") == "false"
            id = shape.get("bpmnElement", "").rpartition(":")[2]
            shapes[id] = _Shape(*numbers, is_true(shape, "isExpanded"), upright)
    return shapes


def _numbers(bounds: etree._Element) -> tuple[float, ...] | None:
    try:
        numbers = tuple(float(bounds.get(key, "")) for key in ("x", "y", "width", "height"))
    except ValueError:
        return None
    return numbers if all(map(isfinite, numbers)) else None


def _covered(elements: Iterable[etree._Element], shapes: dict[str, _Shape]) -> Iterator[etree._Element]:
    """Return the elements that meet another of them; a boundary event may meet the step it hangs on."""
    placed = sorted(
        ((shapes[each.get("id")], each) for each in elements if each.get("id") in shapes),
        key=lambda pair: pair[0].left,
    )
    pairs = 0
    for number, (shape, element) in enumerate(placed):
        for other_shape, other in placed[number + 1 :]:
            pairs += 1
            if other_shape.left > shape.right or pairs > _MOST_PAIRS:
                break
            hangs = element.get("attachedToRef") == other.get("id") or other.get("attachedToRef") == element.get("id")
            if shape.meets(other_shape) and not hangs:
                yield element
                yield other
