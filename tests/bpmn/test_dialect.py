"""What SpiffWorkflow would drop, misread or execute in a diagram is lifted or refused; ``bare`` shows what it does."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from SpiffWorkflow.bpmn.parser.ValidationException import ValidationException
from SpiffWorkflow.util.task import TaskState

from engine.bpmn.execution.dialect import DialectError
from engine.bpmn.facts import read_facts
from engine.bpmn.workflow import StepFailed
from tests.bpmn.bare import LINE, LINE_FLOWS, bare, bare_complete
from tests.bpmn.diagrams import definition, do, opened, package, process, start


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('pathlib').Path({file!r}).touch()",
        "open({file!r}, 'w')",
        "[].__class__.__base__",
        "9**9**9",
        "(lambda: 1)()",
    ],
)
def test_python_in_a_condition_is_never_executed(expression: str, tmp_path: Path):
    canary = tmp_path / "canary"
    condition = expression.format(file=str(canary))
    diagram = process(
        '<startEvent id="s"/><exclusiveGateway id="g" default="g_e"/><userTask id="a"/><endEvent id="e"/>',
        f"s -> g\ng -> e [default]\na -> e\ng -> a [{condition.replace('[', '(').replace(']', ')')}]",
    )
    with pytest.raises(DialectError):
        definition(diagram)
    assert not canary.exists()


def test_bare_executes_python_in_a_condition(tmp_path: Path):
    canary = tmp_path / "canary"
    condition = f"__import__('pathlib').Path('{canary}').touch()"
    diagram = process(
        '<startEvent id="s"/><exclusiveGateway id="g" default="g_e"/><userTask id="a"/><endEvent id="e"/>',
        f"s -> g\ng -> e [default]\na -> e\ng -> a [{condition}]",
    )
    bare(diagram)
    assert canary.exists()


def test_the_engine_evaluates_nothing_that_was_not_read_with_the_diagram():
    workflow = start(definition(process(LINE, LINE_FLOWS)))
    spiff_task = next(iter(workflow._tree.tasks.values()))
    with pytest.raises(StepFailed):
        workflow._tree.script_engine.evaluate(spiff_task, "1 + 1")
    with pytest.raises(StepFailed):
        workflow._tree.script_engine.execute(spiff_task, "x = 1")
    with pytest.raises(StepFailed):
        _ = workflow._tree.script_engine.environment


REFUSED = {
    "a script task": ('<scriptTask id="a"><script>x = 1</script></scriptTask>', ""),
    "a pre-script of SpiffWorkflow": (
        '<userTask id="a"><extensionElements><x:preScript xmlns:x="http://spiffworkflow.org/bpmn/schema/1.0/core">'
        "x = 1</x:preScript></extensionElements></userTask>",
        "",
    ),
    "an ad hoc sub-process": ('<adHocSubProcess id="a"/>', ""),
    "an activity for compensation": ('<userTask id="a" isForCompensation="true"/>', ""),
    "a start quantity": ('<userTask id="a" startQuantity="2"/>', ""),
    "a link event": (
        '<intermediateThrowEvent id="a"><linkEventDefinition id="l" name="x"/></intermediateThrowEvent>',
        "",
    ),
    "a conditional event": (
        '<intermediateCatchEvent id="a"><conditionalEventDefinition id="c"><condition>x</condition>'
        "</conditionalEventDefinition></intermediateCatchEvent>",
        "",
    ),
    "an event definition by reference": (
        '<intermediateCatchEvent id="a"><eventDefinitionRef>M</eventDefinitionRef></intermediateCatchEvent>',
        "",
    ),
    "an unresolved message": ('<receiveTask id="a" messageRef="nowhere"/>', ""),
    "an input and output specification": ('<userTask id="a"><ioSpecification id="io"/></userTask>', ""),
    "a decision table that is not there": ('<businessRuleTask id="a" camunda:decisionRef="nowhere"/>', ""),
    "a service task without a topic": ('<serviceTask id="a"/>', ""),
    "a called process that is not there": ('<callActivity id="a" calledElement="nowhere"/>', ""),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_spiffworkflow_would_drop_or_misread_is_refused(name: str):
    element, declared = REFUSED[name]
    diagram = process(f'<startEvent id="s"/>{element}<endEvent id="e"/>', "s -> a\na -> e", declared=declared)
    with pytest.raises(DialectError) as caught:
        definition(diagram)
    assert caught.value.message


def test_a_refusal_names_file_element_and_line():
    elements = '<startEvent id="s"/>\n\n<scriptTask id="a"/>\n<endEvent id="e"/>'
    with pytest.raises(DialectError) as caught:
        definition(process(elements, "s -> a\na -> e"))
    assert (caught.value.file, caught.value.element, caught.value.line) == ("p.bpmn", "a", 3)


def test_bare_a_task_called_end_finishes_the_matter():
    workflow = bare(process(LINE, LINE_FLOWS).replace(b'"b"', b'"End"'))
    bare_complete(workflow, "a")
    assert workflow.completed
    assert "e" not in {task.task_spec.name for task in workflow.get_tasks(state=TaskState.COMPLETED)}


def test_bare_ignores_a_condition_on_the_only_flow_out_of_a_task():
    workflow = bare(process(LINE, "s -> a\na -> b [False]\nb -> e"))
    bare_complete(workflow, "a")
    assert workflow.get_next_task(state=TaskState.READY, spec_name="b") is not None


def test_flows_without_an_id_are_lifted():
    diagram = process(LINE, LINE_FLOWS).replace(b' id="a_b"', b"").replace(b' id="b_e"', b"")
    workflow = start(definition(diagram))
    do(workflow, "a")
    assert opened(workflow) == ["b"]
    do(workflow, "b")
    assert [passed.flow for passed in workflow.take_passed()] == ["s_a", "Flow_a_b", "Flow_b_e", None]


def test_bare_loses_everything_behind_a_flow_without_an_id():
    workflow = bare(process(LINE, LINE_FLOWS).replace(b' id="a_b"', b""))
    assert "b" not in workflow.spec.task_specs


def test_a_node_that_no_flow_leads_to_is_refused():
    with pytest.raises(DialectError) as caught:
        definition(process(LINE, "s -> a\na -> e\nb -> e"))
    assert caught.value.element == "b"


def test_bare_breaks_off_at_a_long_chain():
    count = sys.getrecursionlimit()
    elements = '<startEvent id="s"/>' + "".join(f'<userTask id="t{n}"/>' for n in range(count)) + '<endEvent id="e"/>'
    lines = "s -> t0\n" + "".join(f"t{n} -> t{n + 1}\n" for n in range(count - 1)) + f"t{count - 1} -> e"
    with pytest.raises(ValidationException) as caught:
        bare(process(elements, lines))
    assert isinstance(caught.value.__context__, RecursionError)


def test_the_order_of_conditions_is_that_of_the_file_not_of_the_picture():
    shapes = "".join(
        f'<bpmndi:BPMNShape xmlns:bpmndi="http://www.omg.org/spec/BPMN/20100524/DI" id="{id}_di" bpmnElement="{id}">'
        f'<dc:Bounds xmlns:dc="http://www.omg.org/spec/DD/20100524/DC" x="0" y="{y}" width="1" height="1"/>'
        "</bpmndi:BPMNShape>"
        for id, y in (("a", 200), ("b", 100))
    )
    elements = '<startEvent id="s"/><exclusiveGateway id="g"/><userTask id="a"/><userTask id="b"/><endEvent id="e"/>'
    plain = process(elements, "s -> g\ng -> a [True or true]\ng -> b [True or true]\na -> e\nb -> e")
    plain = plain.replace(b"True or true", b"true")
    drawn = plain.replace(
        b"</definitions>",
        b'<bpmndi:BPMNDiagram xmlns:bpmndi="http://www.omg.org/spec/BPMN/20100524/DI">'
        + shapes.encode()
        + b"</bpmndi:BPMNDiagram></definitions>",
    )
    assert opened(start(definition(drawn))) == ["a"]
    workflow = bare(drawn.replace(b">true<", b">True<"))
    assert [task.task_spec.name for task in workflow.get_tasks(state=TaskState.READY)] == ["b"]


def test_data_associations_are_drawings_and_touch_no_data():
    elements = (
        '<dataObject id="O"/><dataObjectReference id="R" dataObjectRef="O"/><startEvent id="s"/>'
        '<userTask id="a"><dataOutputAssociation id="out"><targetRef>R</targetRef></dataOutputAssociation></userTask>'
        '<userTask id="b"><dataInputAssociation id="in"><sourceRef>R</sourceRef></dataInputAssociation></userTask>'
        '<endEvent id="e"/>'
    )
    workflow = start(definition(process(elements, LINE_FLOWS)), {"O": 1})
    do(workflow, "a")
    do(workflow, "b")
    assert workflow.data == {"O": 1}


BESIDE_THE_TEXT = ("<documentation>为什么</documentation>", "<extensionElements/>", "<!-- 为什么 -->", "")


@pytest.mark.parametrize("inside", BESIDE_THE_TEXT)
def test_the_text_of_an_expression_is_read_whole_whatever_stands_beside_it(inside: str):
    loop = (
        "<multiInstanceLoopCharacteristics><loopCardinality>@3</loopCardinality>"
        "<completionCondition>nrOfCompletedInstances@ = 2</completionCondition></multiInstanceLoopCharacteristics>"
    )
    diagram = process(
        f'<startEvent id="s"/><userTask id="a">{loop}</userTask><exclusiveGateway id="g" default="g_e"/>'
        '<userTask id="b"/><endEvent id="e"/>',
        "s -> a\na -> g\ng -> e [default]\nb -> e\ng -> b [x@ = 1]",
    ).replace(b"@", inside.encode())
    assert read_facts(package(diagram)).flows[-1].condition == "x = 1"
    workflow = start(definition(diagram), {"x": 1})
    do(workflow, "a")
    do(workflow, "a")
    assert opened(workflow) == ["b"]


def test_declarations_for_other_software_change_nothing():
    declared = (
        '<itemDefinition id="I" structureRef="String" itemKind="Information"/><message id="M" name="go" itemRef="I"/>'
        '<relationship type="x"><source>p</source><target>p</target></relationship>'
        '<interface id="F" name="窗口"><operation id="O" name="收件"><inMessageRef>M</inMessageRef>'
        "<outMessageRef>M</outMessageRef><errorRef>E</errorRef></operation></interface>"
        '<resource id="R" name="村文书"><resourceParameter id="P" name="级别" type="I"/></resource>'
    )
    elements = (
        '<startEvent id="s"/><userTask id="a"><auditing/><monitoring/></userTask>'
        '<receiveTask id="b" messageRef="M"/><endEvent id="e"/>'
    )
    bare_elements = elements.replace("<auditing/><monitoring/>", "")
    lines = "s -> a\na -> b\nb -> e"
    plain = definition(process(bare_elements, lines, declared='<message id="M" name="go"/>'))
    full = definition(process("<supportedInterfaceRef>F</supportedInterfaceRef>" + elements, lines, declared=declared))
    walks = []
    for shared in (plain, full):
        workflow = start(shared)
        do(workflow, "a")
        assert workflow.receive("go", {"x": 1})
        walks.append(([each.element for each in workflow.take_passed()], workflow.finished, workflow.data))
    assert walks[0] == walks[1] and walks[0][1]
