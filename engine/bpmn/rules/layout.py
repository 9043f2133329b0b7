"""Rules of the picture: what makes a diagram hard to read. The weights are those of ``sihua tidy``."""

from __future__ import annotations

from collections.abc import Iterator

from engine.bpmn.layout.obstacles import unsupported
from engine.bpmn.layout.quality import Fault
from engine.bpmn.rules import rule
from engine.bpmn.rules.subject import Diagram, Place, full_title, title

_TIDY = "请用 sihua tidy 整理版面，或者在流程图编辑器里挪开。"


@rule("layout-overlap", "warning", aliases=("no-overlapping-elements",), instead_of="no-overlapping-elements")
def shapes_lie_apart(diagram: Diagram) -> Iterator[Place]:
    """Two shapes on one spot hide each other."""
    for fault in _faults(diagram, "layout-overlap"):
        one, other = _named(diagram, fault.other), _named(diagram, fault.element)
        yield _at(diagram, fault, f"{one}和{other}画在一处，互相遮住。")


@rule("layout-through-shape", "warning")
def flows_run_round_shapes(diagram: Diagram) -> Iterator[Place]:
    """A flow through a step looks as if the step were part of it."""
    for fault in _faults(diagram, "layout-through-shape"):
        yield _at(diagram, fault, f"{_flow(diagram, fault.element)}从{_named(diagram, fault.other)}上面穿过。")


@rule("layout-shared-line", "warning")
def flows_keep_apart(diagram: Diagram) -> Iterator[Place]:
    """Two flows on one line cannot be told apart."""
    for fault in _faults(diagram, "layout-shared-line"):
        one, other = _flow(diagram, fault.element), _flow(diagram, fault.other)
        yield _at(diagram, fault, f"{one}和{other}有一段叠在一起，分不清。")


@rule("layout-out-of-lane", "warning")
def nodes_stand_in_their_lane(diagram: Diagram) -> Iterator[Place]:
    """A step drawn in a lane that is not its own names the wrong role to every reader."""
    for fault in _faults(diagram, "layout-out-of-lane"):
        lane = _named(diagram, fault.other)
        yield _at(diagram, fault, f"{_named(diagram, fault.element)}归泳道{lane}，却画在它的外面。")


@rule("layout-label", "warning")
def names_stand_free(diagram: Diagram) -> Iterator[Place]:
    """A name that lies on a line, a shape or another name cannot be read."""
    for fault in _faults(diagram, "layout-label"):
        what = full_title(diagram.by_id[fault.element])
        yield _at(diagram, fault, f"{what}的文字压在{_drawn(diagram, fault.other)}上。")


@rule("layout-slanted", "warning")
def flows_run_level_or_upright(diagram: Diagram) -> Iterator[Place]:
    """Slanted lines are hard to follow among level and upright ones."""
    for fault in _faults(diagram, "layout-slanted"):
        yield _at(diagram, fault, f"{_flow(diagram, fault.element)}是斜线。")


@rule("layout-backward", "warning")
def flows_lead_to_the_right(diagram: Diagram) -> Iterator[Place]:
    """A diagram is read from left to right; only a loop leads back."""
    for fault in _faults(diagram, "layout-backward"):
        yield _at(diagram, fault, f"{_flow(diagram, fault.element)}往左走，却不是退回前面的步骤。")


@rule("layout-happy-path", "warning")
def the_usual_way_is_straight(diagram: Diagram) -> Iterator[Place]:
    """The way things usually go runs straight through each lane."""
    for fault in _faults(diagram, "layout-happy-path"):
        yield _at(diagram, fault, f"{_flow(diagram, fault.element)}是正常办理的一步，在同一条泳道里却拐了弯。")


@rule("layout-crossing", "warning")
def few_flows_cross(diagram: Diagram) -> Iterator[Place]:
    """Where many flows cross, readers take the wrong one."""
    for fault in _faults(diagram, "layout-crossing"):
        one, other = _flow(diagram, fault.element), _flow(diagram, fault.other)
        yield _at(diagram, fault, f"{one}和{other}交叉，这张图里交叉的太多。")


@rule("layout-bends", "warning")
def flows_bend_little(diagram: Diagram) -> Iterator[Place]:
    """A flow with many bends is hard to follow."""
    for fault in _faults(diagram, "layout-bends"):
        number, limit = f"{fault.value:g}", f"{fault.limit:g}"
        if fault.element in diagram.by_id and diagram.by_id[fault.element] in diagram.flows:
            yield _at(diagram, fault, f"{_flow(diagram, fault.element)}拐了 {number} 个弯，最多 {limit} 个。")
        else:
            yield _at(diagram, fault, f"图里的流向平均每条拐 {number} 个弯，最多 {limit} 个。")


@rule("layout-too-wide", "warning")
def fits_a_sheet(diagram: Diagram) -> Iterator[Place]:
    """A diagram hangs on the wall: its characters must be high enough to be read there."""
    for picture, quality in diagram.pictures:
        for fault in quality.faults:
            if fault.rule == "layout-too-wide":
                number, limit = f"{fault.value:g}", f"{fault.limit:g}"
                message = f"这张图印在 {fault.other} 纸上，字只有 {number} 毫米高，看不清，至少要 {limit} 毫米。"
                larger = f"请用 {quality.sheet} 纸印，或者" if quality.sheet else "请"
                shown = diagram.by_id.get(picture.plane, diagram.root)
                yield diagram.at(shown, message, f"{larger}把其中一段改成调用活动。")


@rule("layout-unsupported", "info")
def can_be_laid_out(diagram: Diagram) -> Iterator[Place]:
    """Says what keeps ``sihua tidy`` from drawing the picture; the process itself may be in order."""
    if any(picture.boxes for picture, _ in diagram.pictures):
        yield from unsupported(diagram)


def _faults(diagram: Diagram, rule: str) -> Iterator[Fault]:
    return (fault for _, quality in diagram.pictures for fault in quality.faults if fault.rule == rule)


def _at(diagram: Diagram, fault: Fault, message: str) -> Place:
    return diagram.at(diagram.by_id.get(fault.element, diagram.root), message, _TIDY)


def _drawn(diagram: Diagram, id: str) -> str:
    """Return how people call a shape or a flow that lies under a name."""
    element = diagram.by_id[id]
    return _flow(diagram, id) if element in diagram.flows else _named(diagram, id)


def _named(diagram: Diagram, id: str) -> str:
    return title(diagram.by_id[id]) if id in diagram.by_id else id


def _flow(diagram: Diagram, id: str) -> str:
    """Return how people call a flow: by its ends, for most flows have no name."""
    flow = diagram.by_id[id]
    ends = [diagram.by_id.get(flow.get(end, "")) for end in ("sourceRef", "targetRef")]
    if None in ends:
        return full_title(flow)
    return f"从{title(ends[0])}到{title(ends[1])}的流向"
