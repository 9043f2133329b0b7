"""SpiffWorkflow's parser taught the bindings of our diagrams; every expression is parsed here, once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from lxml import etree
from SpiffWorkflow.bpmn.parser.BpmnParser import BpmnParser
from SpiffWorkflow.bpmn.parser.event_parsers import SIGNAL_EVENT_XPATH
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
from engine.bpmn.execution.elements import (
    CallActivity,
    Foreseeing,
    ParallelInstances,
    RuleTask,
    SequentialInstances,
    ServiceTask,
    StandardLoop,
)
from engine.bpmn.execution.events import (
    BoundaryEvent,
    EndEvent,
    ErrorEvent,
    Escalation,
    EventGateway,
    Message,
    SeveralEvents,
    Signal,
)
from engine.bpmn.execution.gateways import (
    BoundaryJoin,
    Condition,
    ExclusiveGateway,
    InclusiveGateway,
    ParallelGateway,
    ProcessSpec,
)
from engine.bpmn.execution.timers import Timer
from engine.bpmn.expressions import Expression, ExpressionError, parse
from engine.bpmn.lifting import DRAWN_ID, DRAWN_KIND, FRAME, OF

if TYPE_CHECKING:
    from SpiffWorkflow.specs.base import TaskSpec

_C = f"{{{CAMUNDA}}}"


class _Element:
    """What every element of the diagram gets, whatever its kind."""

    STANDARD_LOOP_CLASS = StandardLoop
    PARALLEL_MI_CLASS = ParallelInstances
    SEQUENTIAL_MI_CLASS = SequentialInstances

    def parse_extensions(self, node: etree._Element | None = None) -> dict[str, str]:
        """Return the tag people know the element by, and what ``lifting`` has written on it."""
        said = {"kind": self.node.get(DRAWN_KIND) or etree.QName(self.node).localname}
        for name, attribute in (("of", OF), ("frame", FRAME)):
            if self.node.get(attribute) is not None:
                said[name] = self.node.get(attribute)
        return said

    def parse_node(self) -> TaskSpec:
        """Make the spec of this node and return the one a flow enters it by; ``connect`` comes when all are made."""
        self.task = self._named(self.create_task())
        self.task.extensions = self.parse_extensions()
        for tag, add in (
            ("standardLoopCharacteristics", self._add_loop_task),
            ("multiInstanceLoopCharacteristics", self._add_multiinstance_task),
        ):
            for characteristics in self.node.iterchildren(full_tag(tag)):
                add(characteristics)
                self._named(self.task)
        entry = self.task
        boundaries = self.process_parser.get_boundary_events(self.bpmn_id)
        if boundaries:
            entry = self._add_boundary_event(boundaries)
        return entry

    def _named(self, spec: TaskSpec) -> TaskSpec:
        """Let the spec answer by the id that is drawn, by none when it is not drawn."""
        if self.node.get(OF) is not None:
            spec.bpmn_id = None
        elif self.node.get(DRAWN_ID):
            spec.bpmn_id = self.node.get(DRAWN_ID)
        return spec

    def leaving(self) -> list[tuple[etree._Element, etree._Element]]:
        """Return the flows that leave this node, each with the node it leads to."""
        flows = self.process_parser.get_outgoing_sequence_flows(self.bpmn_id)
        return [(flow, self.process_parser.get_node_by_id(flow.get("targetRef"))) for flow in flows]

    def connect(self) -> None:
        """Connect the spec to those it leads to, in the order of the file."""
        leaving, default = self.leaving(), self.node.get("default")
        if len(leaving) == 1 and isinstance(self.task, ExclusiveGateway | InclusiveGateway):
            ((flow, _),) = leaving
            default = default if self.parse_condition(flow) is not None else flow.get("id")
        for flow, target in leaving:
            self.connect_outgoing(self.process_parser.parse_node(target), flow, flow.get("id") == default)

    def get_position(self, node: etree._Element | None = None) -> dict[str, float]:
        # SpiffWorkflow tries the flows of a gateway from the top of the picture to its bottom; here the order of the
        # file counts, so that moving a shape never changes what happens.
        return {"x": 0.0, "y": 0.0}

    def connect_outgoing(self, outgoing_task: TaskSpec, sequence_flow_node: etree._Element, is_default: bool) -> None:
        self._note_flow(outgoing_task, sequence_flow_node)
        super().connect_outgoing(outgoing_task, sequence_flow_node, is_default)

    def _note_flow(self, outgoing_task: TaskSpec, flow: etree._Element) -> None:
        if flow.get(OF) is None:
            self.spec.flows.setdefault((self.task.name, outgoing_task.name), []).append(flow.get("id"))

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
        if code is None and error_event.get("errorRef") and etree.QName(self.node).localname == "boundaryEvent":
            self.refuse("错误没有代码（errorCode），会把别的错误也接住", error_event)
        return ErrorEvent(error.get("name") or error_event.get("errorRef") or self.bpmn_id, code)

    def parse_escalation_event(self, escalation_event: etree._Element) -> Escalation:
        reference = escalation_event.get("escalationRef")
        escalation = self.process_parser.parser.escalations[reference] if reference else {}
        return Escalation(escalation.get("name") or self.bpmn_id, escalation.get("escalation_code"))

    def parse_signal_event(self, signal_event: etree._Element) -> Signal:
        name = self.process_parser.parser.signals[signal_event.get("signalRef")]
        return Signal(name, self.inputs())

    def get_event_definition(self, xpaths: list[str]) -> EventDefinition:
        if etree.QName(self.node).localname == "endEvent":
            # SpiffWorkflow makes it an end that signals nothing.
            xpaths = [*xpaths, SIGNAL_EVENT_XPATH]
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
        if etree.QName(self.node).localname == "eventBasedGateway":
            event_definition = SeveralEvents()
        return super()._create_task(event_definition, *args, **kwargs)

    def parse_conditional_event(self, event: etree._Element) -> NoReturn:
        self.refuse("不支持条件事件", event)


class _ConditionalElement(_Element):
    """An exclusive or inclusive gateway."""

    def connect_outgoing(self, outgoing_task: TaskSpec, sequence_flow_node: etree._Element, is_default: bool) -> None:
        condition = None if is_default else self.parse_condition(sequence_flow_node)
        if condition is None and not is_default:
            self.refuse("这条箭头没有条件，也不是默认箭头", sequence_flow_node)
        self._note_flow(outgoing_task, sequence_flow_node)
        self.task.flow_ids.append(sequence_flow_node.get("id"))
        if is_default:
            self.task.connect(outgoing_task)
        else:
            self.task.connect_if(Condition(self.expression(condition, sequence_flow_node)), outgoing_task)


class _ServiceTaskParser(_Element, TaskParser):
    def create_task(self) -> TaskSpec:
        topic = self.node.get(f"{_C}topic")
        if self.node.get(f"{_C}type") != "external" or not topic:
            self.refuse('服务任务要写 camunda:type="external" 和 camunda:topic')
        outputs = self.parameters("output")
        if len(outputs) > 1:
            self.refuse("一个服务任务只能有一个输出参数", outputs[1])
        return self.spec_class(
            self.spec,
            self.bpmn_id,
            topic=topic,
            inputs=self.inputs(),
            output=outputs[0].get("name") if outputs else "",
            output_expression=self.parameter(outputs[0]) if outputs else "",
            **self.bpmn_attributes,
        )


class _RuleTaskParser(_Element, TaskParser):
    def create_task(self) -> TaskSpec:
        decision = self.node.get(f"{_C}decisionRef")
        if decision not in self.process_parser.parser.decisions:
            self.refuse(f"没有这张决策表：{decision or '（没有写 camunda:decisionRef）'}")
        result_variable = self.node.get(f"{_C}resultVariable")
        if not result_variable:
            self.refuse("规则任务要写 camunda:resultVariable")
        mapping = self.node.get(f"{_C}mapDecisionResult")
        if mapping not in (None, "singleResult", "singleEntry"):
            self.refuse(f"不支持 mapDecisionResult={mapping}")
        return self.spec_class(
            self.spec,
            self.bpmn_id,
            decision=decision,
            result_variable=result_variable,
            single_entry=mapping == "singleEntry",
            **self.bpmn_attributes,
        )


class _CallActivityParser(_Element, TaskParser):
    def create_task(self) -> TaskSpec:
        return self.spec_class(
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
    """Makes all specs of a process and connects them then.

    SpiffWorkflow follows flow after flow in one recursion, which breaks off after some hundred steps.
    """

    def create_spec(self) -> ProcessSpec:
        return ProcessSpec(name=self.bpmn_id, description=self.get_name(), filename=self.filename)

    def add_tasks(self) -> None:
        self._entries: dict[str, TaskSpec] = {}
        self._unconnected: list[_Element] = []
        for node in self.node.iterchildren(full_tag("startEvent")):
            self.parse_node(node)
        made: list[_Element] = []
        while self._unconnected:
            parser = self._unconnected.pop()
            made.append(parser)
            for _, target in reversed(parser.leaving()):
                self.parse_node(target)
        for parser in made:
            parser.connect()

    def parse_node(self, node: etree._Element) -> TaskSpec:
        """Return the spec by which a flow enters a node; its own flows are followed later."""
        id = node.get("id")
        if id not in self._entries:
            parser_class, spec_class = self.parser._get_parser_class(node.tag)
            parser = parser_class(self, spec_class, node, self.nsmap, lane=self.lane)
            self._entries[id] = parser.parse_node()
            self._unconnected.append(parser)
        return self._entries[id]


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
        ("eventBasedGateway", EventGateway),
        ("boundaryEvent", BoundaryEvent),
        ("endEvent", EndEvent),
    ):
        classes[full_tag(tag)] = (classes[full_tag(tag)][0], spec_class)
    classes[full_tag("serviceTask")] = (_ServiceTaskParser, ServiceTask)
    classes[full_tag("businessRuleTask")] = (_RuleTaskParser, RuleTask)
    classes[full_tag("callActivity")] = (_CallActivityParser, CallActivity)
    return {
        tag: (parser, type(spec_class.__name__, (Foreseeing, spec_class), {}))
        for tag, (parser, spec_class) in classes.items()
    }


DiagramParser.PARSER_CLASSES = _parser_classes()
DiagramParser.PROCESS_PARSER_CLASS = _DiagramProcessParser
