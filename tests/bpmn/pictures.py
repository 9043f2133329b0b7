"""Diagrams with pictures for tests: made of an outline, or of a file whose picture is spoilt on purpose."""

from __future__ import annotations

from collections.abc import Callable

from engine.bpmn.document import read_xml
from engine.bpmn.layout.geometry import Box
from engine.bpmn.layout.graph import Graph
from engine.bpmn.layout.interchange import diagram_tag
from engine.bpmn.layout.picture import Picture
from engine.bpmn.layout.quality import Quality, rate
from engine.bpmn.layout.scene import Scene, read_scenes
from engine.bpmn.layout.splice import replace_diagrams
from engine.bpmn.scaffold import scaffold
from engine.bpmn.tidy import tidy

#: a way with a hand-over, a refusal, a loop and a withdrawal
OUTLINE = """
process trial 试验
pool Participant_trial 试验
lane Lane_applicant 申请人
  start Start_apply 申请
    → Task_register
  end End_withdrawn 已撤回
lane Lane_clerk 村文书
  user Task_register 登记核对
    → Gateway_complete
  boundary:message Boundary_withdraw @Task_register 申请人撤回
    → End_withdrawn
  xor Gateway_complete 材料齐全？
    → Task_approve: 齐全
    → Task_register: 退回补正
lane Lane_director 村委会主任
  user Task_approve 审批用印
    → Gateway_agreed
  xor Gateway_agreed 同意？
    → Task_stamp: 同意
    → End_refused: 不予
  end:error End_refused 不予
  user Task_stamp 盖章留痕
    → End_done
  end End_done 已盖章
"""


def drawn(outline: str = OUTLINE) -> bytes:
    """Return the file of an outline with a fresh picture."""
    return tidy(scaffold(outline)[0], "trial.bpmn", "fresh").data


def scene_of(data: bytes) -> Scene:
    return read_scenes(read_xml(data).getroot())[0]


def quality_of(data: bytes) -> Quality:
    scene = scene_of(data)
    return rate(scene.graph, scene.picture)


def spoilt(data: bytes, change: Callable[[Graph, Picture], None]) -> bytes:
    """Return a file whose picture was changed, everything else as it was."""
    tree = read_xml(data)
    scene = read_scenes(tree.getroot())[0]
    graph = scene.flat_graph
    change(graph, scene.picture)
    return replace_diagrams(data, tree, [diagram_tag(graph, scene.picture, tree.getroot().nsmap)])


def moved(box: Box, x: float = 0, y: float = 0) -> Box:
    return Box(box.x + x, box.y + y, box.width, box.height)
