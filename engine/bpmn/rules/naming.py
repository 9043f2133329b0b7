"""Rules of names: what people read in the picture, and the ids behind it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import etree

from engine.bpmn.rules import rule
from engine.bpmn.rules.subject import Diagram, Place, full_title, has_condition, kind, title

#: nobody reads a name at these
_NAMELESS = ("parallelGateway", "eventBasedGateway", "subProcess", "transaction", "adHocSubProcess")
_HANDWORK = ("userTask", "manualTask")
_CHOOSING = ("exclusiveGateway", "inclusiveGateway")
#: two lines of six characters are what a box of the standard size holds (DIAGRAMS §1)
_LONGEST_NAME = 12
_SPACES = re.compile(r"[ \t\r\n\u00a0\u3000]+")


@rule("label-required", aliases=("label-required",))
def has_name(diagram: Diagram) -> Iterator[Place]:
    """People read names: steps, events, questions, answers, lanes and pools have one."""
    frames = [element for element in diagram.elements if kind(element) in ("lane", "participant")]
    for element in [*frames, *diagram.nodes, *diagram.flows]:
        if _wants_name(diagram, element) and not (element.get("name") or "").strip():
            hint = "请给它起一个名称：步骤是动词加事情，网关是一句问话，箭头是回答。"
            yield diagram.at(element, f"{title(element)}没有名称。", hint)


def _wants_name(diagram: Diagram, element: etree._Element) -> bool:
    if kind(element) == "sequenceFlow":
        return has_condition(element)
    if kind(element).endswith("Gateway") and len(diagram.leaving(element)) < 2:
        return False
    return kind(element) not in _NAMELESS


@rule("naming-convention", "info")
def names_read_well(diagram: Diagram) -> Iterator[Place]:
    """A name has no stray spaces, fits its box, and a gateway asks a question that its flows answer."""
    for element in named_elements(diagram):
        name = element.get("name", "")
        if name != tidy_name(name):
            message = f"{full_title(element)}的名称里有多余的空格或者换行。"
            yield diagram.at(element, message, "请删去多余的空格和换行。")
        name = tidy_name(name)
        if kind(element) in _HANDWORK and len(name) > _LONGEST_NAME:
            message = f"{title(element)}的名称有 {len(name)} 个字，框里放不下。"
            yield diagram.at(element, message, f"请写成动词加事情，最多 {_LONGEST_NAME} 个字，六个字以内最好。")
        if kind(element) in _CHOOSING and len(diagram.leaving(element)) > 1 and name[-1:] not in ("？", "?", ""):
            yield diagram.at(
                element, f"{full_title(element)}要选择，名称却不是一句问话。", "请改成问话，例如“同意用印？”。"
            )


def named_elements(diagram: Diagram) -> list[etree._Element]:
    """Return what has a name that people read; a message or an error is looked up by its name instead."""
    frames = [element for element in diagram.elements if kind(element) in ("lane", "participant", "process")]
    return [element for element in [*frames, *diagram.nodes, *diagram.flows] if element.get("name")]


def tidy_name(name: str) -> str:
    """Return a name without spaces at its ends, every run of spaces as one; a line break is kept by most modelers."""
    return _SPACES.sub(" ", name).strip()


@rule("flow-id-missing", "info")
def flows_have_ids(diagram: Diagram) -> Iterator[Place]:
    """A flow without an id runs, but no scenario, no comparison of versions and no trace can name it."""
    for flow in diagram.flows:
        if not flow.get("id"):
            ends = [diagram.by_id.get(flow.get(end, "")) for end in ("sourceRef", "targetRef")]
            way = "到".join(title(end) for end in ends if end is not None)
            message = f"从{way}的箭头没有编号（id）。" if None not in ends else "有一条箭头没有编号（id）。"
            yield diagram.at(flow, message, "请给它一个编号，例如 Flow_register_approve。")


@rule("superfluous-label", "info", aliases=("superfluous-label",))
def only_answers_are_labelled(diagram: Diagram) -> Iterator[Place]:
    """A flow is only labelled where it answers a question; elsewhere the label says what is not asked."""
    for flow in diagram.flows:
        source = diagram.by_id.get(flow.get("sourceRef", ""))
        if source is None or not flow.get("name", "").strip() or has_condition(flow):
            continue
        forks = kind(source) in _CHOOSING and len(diagram.leaving(source)) > 1
        if not forks and source.get("default") != flow.get("id", ""):
            message = f"{full_title(flow)}写了名称，它前面却没有要回答的问题。"
            yield diagram.at(flow, message, "请删去这条箭头的名称，要说明的写进步骤的名称里。")
