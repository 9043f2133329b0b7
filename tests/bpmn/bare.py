"""SpiffWorkflow as it comes, and the diagrams on which its traps are shown."""

from __future__ import annotations

from lxml import etree
from SpiffWorkflow.bpmn.parser import BpmnParser
from SpiffWorkflow.bpmn.workflow import BpmnWorkflow
from SpiffWorkflow.util.task import TaskState

LINE = '<startEvent id="s"/><userTask id="a"/><userTask id="b"/><endEvent id="e"/>'
LINE_FLOWS = "s -> a\na -> b\nb -> e"
SPLIT = (
    '<startEvent id="s"/><parallelGateway id="split"/><userTask id="a"/><userTask id="b"/>'
    '<parallelGateway id="join"/><userTask id="c"/><endEvent id="e"/>'
)
SPLIT_FLOWS = "s -> split\nsplit -> a\nsplit -> b\na -> join\nb -> join\njoin -> c\nc -> e"
LOOP = (
    '<startEvent id="s"/><userTask id="a"/><exclusiveGateway id="g" default="g_a"/><endEvent id="e"/>',
    "s -> a\na -> g\ng -> a [default]\ng -> e [done]",
)
INSTANCES = (
    '<startEvent id="s"/><userTask id="vote"><multiInstanceLoopCharacteristics{}>'
    '<loopDataInputRef>members</loopDataInputRef><inputDataItem id="member"/></multiInstanceLoopCharacteristics>'
    '</userTask><endEvent id="e"/>'
)


def bare(diagram: bytes, id: str = "p") -> BpmnWorkflow:
    """Return a workflow of SpiffWorkflow as it comes, run to its first wait."""
    parser = BpmnParser()
    parser.add_bpmn_xml(etree.fromstring(diagram).getroottree())
    workflow = BpmnWorkflow(parser.get_spec(id), parser.get_subprocess_specs(id))
    workflow.do_engine_steps()
    return workflow


def bare_complete(workflow: BpmnWorkflow, name: str, **data: object) -> None:
    task = workflow.get_next_task(state=TaskState.READY, spec_name=name)
    task.data.update(data)
    task.run()
    workflow.do_engine_steps()
