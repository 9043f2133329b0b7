"""SpiffWorkflow's parser taught the bindings of our diagrams; every expression is parsed here, once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from lxml import etree
from SpiffWorkflow.bpmn.parser.BpmnParser import BpmnParser
from SpiffWorkflow.bpmn.parser.ProcessParser import ProcessParser
from SpiffWorkflow.bpmn.parser.task_parsers import ConditionalGatewayParser, SubprocessParser
from SpiffWorkflow.bpmn.parser.TaskParser import TaskParser
from SpiffWorkflow.bpmn.parser.util import full_tag
from SpiffWorkflow.bpmn.parser.ValidationException import ValidationException
from SpiffWorkflow.bpmn.specs.control import BoundaryEventSplit
from SpiffWorkflow.bpmn.specs.event_definitions.base import EventDefinition
from SpiffWorkflow.bpmn.specs.event_definitions.multiple import MultipleEventDefinition
from SpiffWorkflow.bpmn.specs.event_definitions.simple import CancelEventDefinition, NoneEventDefinition
from SpiffWorkflow.bpmn.specs.event_definitions.timer import CycleTimerEventDefinition

from engine.bpmn.document import CAMUNDA
from engine.bpmn.elements import (
    CallActivity,
    ErrorEvent,
    Message,
    ParallelInstances,
    RuleTask,
    SequentialInstances,
    ServiceTask,
    SeveralEvents,
    StandardLoop,
)
from engine.bpmn.expressions import Expression, ExpressionError, parse
from engine.bpmn.gateways import (
    BoundaryJoin,
    Condition,
    ExclusiveGateway,
    InclusiveGateway,
    ParallelGateway,
    ProcessSpec,
)
from engine.bpmn.timers import Timer

if TYPE_CHECKING:
    from SpiffWorkflow.specs.base import TaskSpec

_C = f"{{{CAMUNDA}}}"


class _Element:
    """What every element of the diagram gets, whatever its kind."""

    STANDARD_LOOP_CLASS = StandardLoop
    PARALLEL_MI_CLASS = ParallelInstances
    SEQUENTIAL_MI_CLASS = SequentialInstances

    def parse_extensions(self, node: etree._Element | None = None) -> dict[str, str]:
        return {"kind": etree.QName(self.node).localname}

    def get_position(self, node: etree._Element | None = None) -> dict[str, float]:
        # SpiffWorkflow tries the flows of a gateway from the top of the picture to its bottom; here the order of the
        # file counts, so that moving a shape never changes what happens.
        return {"x": 0.0, "y": 0.0}

    def connect_outgoing(self, outgoing_task: TaskSpec, sequence_flow_node: etree._Element, is_default: bool) -> None:
        ends = (self.task.name, outgoing_task.name)
        self.spec.flows.setdefault(ends, []).append(sequence_flow_node.get("id"))
        super().connect_outgoing(outgoing_task, sequence_flow_node, is_default)

    def expression(self, text: str | None, node: etree._Element) -> str:
        """Parse an expression (a leading ``=`` is allowed) and return the text it is found under at run time."""
        text = (text or "").strip().removeprefix("=").strip()
        known = self.process_parser.parser.expressions
        if text not in known:
            try:
                known[text] = parse(text)
            except ExpressionError as error:
                self.refuse(f"表达式“{text}”写错了：{error}", node)
        return text

    def literal_or_expression(self, text: str | None, node: etree._Element) -> str:
        text = (text or "").strip()
        return "=" + self.expression(text, node) if text.startswith("=") else text

    def refuse(self, message: str, node: etree._Element | None = None) -> NoReturn:
        node = self.node if node is None else node
        error = ValidationException(message, node=node, file_name=self.filename)
        error.id = node.get("id") or self.bpmn_id
        error.line_number = node.sourceline
        raise error

    def _add_boundary_event(self, children: list[etree._Element]) -> BoundaryEventSplit:
        """Wrap the activity and its boundary events; as SpiffWorkflow does, but for the join."""
        name, lane = self.bpmn_id, self.task.lane
        split = BoundaryEventSplit(self.spec, f"{name}.BoundaryEventSplit", lane=lane)
        join = BoundaryJoin(self.spec, f"{name}.BoundaryEventJoin", lane=lane, split_task=split.name, cancel=True)
        split.connect(self.task)
        self.task.connect(join)
        for event in children:
            child = self.process_parser.parse_node(event)
            if isinstance(child.event_definition, CancelEventDefinition) and not getattr(
                self.task, "transaction", False
            ):
                self.refuse("取消事件只能挂在事务子流程上", event)
            split.connect(child)
            child.connect(join)
        return split

    def _add_loop_task(self, loop_characteristics: etree._Element) -> None:
        super()._add_loop_task(loop_characteristics)
        if self.task.condition is not None:
            self.task.condition = self.expression(self.task.condition, loop_characteristics)

    def _add_multiinstance_task(self, loop_characteristics: etree._Element) -> None:
        super()._add_multiinstance_task(loop_characteristics)
        for name in ("cardinality", "condition"):
            text = getattr(self.task, name)
            if text is not None:
                setattr(self.task, name, self.expression(text, loop_characteristics))

    def parse_error_event(self, error_event: etree._Element) -> ErrorEvent:
        error = self.process_parser.parser.errors.get(error_event.get("errorRef"), {})
        code = error.get("error_code")
        code = self.literal_or_expression(code, error_event) if code else None
        return ErrorEvent(error.get("name") or error_event.get("errorRef") or self.bpmn_id, code)

    def get_event_definition(self, xpaths: list[str]) -> EventDefinition:
        found = super().get_event_definition(xpaths)
        if isinstance(found, MultipleEventDefinition):
            return SeveralEvents(found.event_definitions, found.parallel, description="Multiple")
        return found

    def parse_message_event(self, message_event: etree._Element) -> Message:
        """Read a message; on an element that sends it, the inputs say what is handed over."""
        parsed = super().parse_message_event(message_event)
        return Message(parsed.name, self.inputs(), description=parsed.description)

    def inputs(self) -> dict[str, str]:
        """Return the element's ``camunda:inputParameter``: name → text or expression."""
        return {node.get("name"): self.parameter(node) for node in self.parameters("input")}

    def parameters(self, direction: str) -> list[etree._Element]:
        place = f"{full_tag('extensionElements')}/{_C}inputOutput/{_C}{direction}Parameter"
        return self.node.findall(place)

    def parameter(self, node: etree._Element) -> str:
        if len(node):
            self.refuse("参数只能是文字或以“=”开头的表达式", node)
        return self.literal_or_expression(node.text, node)

    def parse_timer_event(self, event: etree._Element) -> Timer:
        """Read a timer; a bare ``P3D`` becomes the text of an expression."""
        timer = super().parse_timer_event(event)
        text = (timer.expression or "").strip()
        expression = self.expression(text if text.startswith("=") else f'"{text}"', event)
        if isinstance(timer, CycleTimerEventDefinition) and etree.QName(self.node).localname != "startEvent":
            self.refuse("重复的定时（timeCycle）只能写在开始事件上")
        return Timer(self.bpmn_id, expression, description=timer.description)

    def _create_task(self, event_definition: EventDefinition, *args, **kwargs) -> TaskSpec:
        """A matter is started from outside, by a person, a message or a moment: its start event waits for nothing."""
        if etree.QName(self.node).localname == "startEvent":
            event_definition = NoneEventDefinition(description="Default")
        return super()._create_task(event_definition, *args, **kwargs)

    def parse_conditional_event(self, event: etree._Element) -> NoReturn:
        self.refuse("不支持条件事件", event)


class _ConditionalElement(_Element):
    """An exclusive or inclusive gateway."""

    def connect_outgoing(self, outgoing_task: TaskSpec, sequence_flow_node: etree._Element, is_default: bool) -> None:
        condition = None if is_default else self.parse_condition(sequence_flow_node)
        if condition is None and not is_default:
            self.refuse("这条流向没有条件，也不是默认流向", sequence_flow_node)
        self.spec.flows.setdefault((self.task.name, outgoing_task.name), []).append(sequence_flow_node.get("id"))
        self.task.flow_ids.append(sequence_flow_node.get("id"))
        if is_default:
            self.task.connect(outgoing_task)
        else:
            self.task.connect_if(Condition(self.expression(condition, sequence_flow_node)), outgoing_task)


class _ServiceTaskParser(_Element, TaskParser):
    def create_task(self) -> ServiceTask:
        topic = self.node.get(f"{_C}topic")
        if self.node.get(f"{_C}type") != "external" or not topic:
            self.refuse('服务任务要写 camunda:type="external" 和 camunda:topic')
        outputs = self.parameters("output")
        if len(outputs) > 1:
            self.refuse("一个服务任务只能有一个输出参数", outputs[1])
        return ServiceTask(
            self.spec,
            self.bpmn_id,
            topic=topic,
            inputs=self.inputs(),
            output=outputs[0].get("name") if outputs else "",
            output_expression=self.parameter(outputs[0]) if outputs else "",
            **self.bpmn_attributes,
        )


class _RuleTaskParser(_Element, TaskParser):
    def create_task(self) -> RuleTask:
        decision = self.node.get(f"{_C}decisionRef")
        if decision not in self.process_parser.parser.decisions:
            self.refuse(f"没有这张决策表：{decision or '（没有写 camunda:decisionRef）'}")
        result_variable = self.node.get(f"{_C}resultVariable")
        if not result_variable:
            self.refuse("规则任务要写 camunda:resultVariable")
        mapping = self.node.get(f"{_C}mapDecisionResult")
        if mapping not in (None, "singleResult", "singleEntry"):
            self.refuse(f"不支持 mapDecisionResult={mapping}")
        return RuleTask(
            self.spec,
            self.bpmn_id,
            decision=decision,
            result_variable=result_variable,
            single_entry=mapping == "singleEntry",
            **self.bpmn_attributes,
        )


class _CallActivityParser(_Element, TaskParser):
    def create_task(self) -> CallActivity:
        return CallActivity(
            self.spec,
            self.bpmn_id,
            subworkflow_spec=SubprocessParser.get_call_activity_spec(self),
            handed_in=self._mappings("in"),
            handed_out=self._mappings("out"),
            **self.bpmn_attributes,
        )

    def _mappings(self, direction: str) -> tuple[tuple[str, str], ...]:
        pairs = []
        for node in self.node.iterfind(f"./{full_tag('extensionElements')}/{_C}{direction}"):
            source = node.get("source") or node.get("sourceExpression")
            if node.get("variables") == "all":
                pairs.append(("", ""))
            elif source and node.get("target"):
                pairs.append((node.get("target"), self.expression(source, node)))
            elif node.get("businessKey") is None:
                self.refuse(f'camunda:{direction} 要写 source 和 target，或 variables="all"', node)
        return tuple(pairs)


class DiagramParser(BpmnParser):
    """Parses the diagrams of one package."""

    def __init__(self, decisions: set[str]) -> None:
        super().__init__()
        #: ids of the decision tables in the package
        self.decisions = decisions
        #: text → expression, everything the diagrams may ever evaluate
        self.expressions: dict[str, Expression] = {}


class _DiagramProcessParser(ProcessParser):
    def create_spec(self) -> ProcessSpec:
        return ProcessSpec(name=self.bpmn_id, description=self.get_name(), filename=self.filename)


def _parser_classes() -> dict[str, tuple[type, type]]:
    """Return parser and spec class of each element: SpiffWorkflow's parsers with our mixin in front."""
    classes = {}
    for tag, (parser, spec_class) in BpmnParser.PARSER_CLASSES.items():
        if tag not in (full_tag("scriptTask"), full_tag("adHocSubProcess")):
            mixin = _ConditionalElement if issubclass(parser, ConditionalGatewayParser) else _Element
            classes[tag] = (type(parser.__name__, (mixin, parser), {}), spec_class)
    for tag, spec_class in (
        ("exclusiveGateway", ExclusiveGateway),
        ("inclusiveGateway", InclusiveGateway),
        ("parallelGateway", ParallelGateway),
    ):
        classes[full_tag(tag)] = (classes[full_tag(tag)][0], spec_class)
    classes[full_tag("serviceTask")] = (_ServiceTaskParser, ServiceTask)
    classes[full_tag("businessRuleTask")] = (_RuleTaskParser, RuleTask)
    classes[full_tag("callActivity")] = (_CallActivityParser, CallActivity)
    return classes


DiagramParser.PARSER_CLASSES = _parser_classes()
DiagramParser.PROCESS_PARSER_CLASS = _DiagramProcessParser
