"""What the engine does not carry out as drawn, asked of a normalised tree before anything of it is run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from functools import lru_cache

from lxml import etree

from engine.bpmn.document import BPMN, CAMUNDA
from engine.bpmn.lifting import ACTIVITIES, NODES, is_event_sub_process, links_of
from engine.bpmn.normal_form import REFERENCES

_B = f"{{{BPMN}}}"
_C = f"{{{CAMUNDA}}}"
_SPIFF = "{http://spiffworkflow.org/bpmn/schema/1.0/core}"
_SCOPES = ("process", "subProcess", "transaction")
_CHOOSING = ("exclusiveGateway", "inclusiveGateway")
_CALLING = ("subProcess", "transaction", "callActivity")
#: steps that are done at once
_AUTOMATIC = ("serviceTask", "businessRuleTask", "sendTask")
_THROWING = (_B + "endEvent", _B + "intermediateThrowEvent")
_TIMES = (_B + "timeDate", _B + "timeDuration", _B + "timeCycle")
#: event definitions that are really carried out, by the element they stand in; "" is none at all
_EVENTS = {
    "startEvent": {"", "message", "timer"},
    "endEvent": {"", "message", "signal", "error", "escalation", "terminate", "cancel"},
    "intermediateCatchEvent": {"message", "signal", "timer", "link"},
    "intermediateThrowEvent": {"", "message", "signal", "escalation", "link"},
    "boundaryEvent": {"message", "signal", "timer", "error", "escalation", "cancel"},
    "sendTask": {"", "message"},
    "receiveTask": {"", "message"},
}
#: what an event sub-process may begin with
_TRIGGERS = {"message", "signal", "timer", "error", "escalation"}

Refusal = tuple[etree._Element, str]


def refusals(root: etree._Element) -> Iterator[Refusal]:
    """Return element and Chinese sentence of everything that is refused."""
    return _Reading(root).refusals()


def _kind(node: etree._Element) -> str:
    return node.tag.rpartition("}")[2]


def _definitions(node: etree._Element) -> list[str]:
    kinds = (_kind(child) for child in node.iterchildren(f"{_B}*"))
    return [kind.removesuffix("EventDefinition") for kind in kinds if kind.endswith("EventDefinition")]


class _Reading:
    """One tree with its index, gone through once."""

    def __init__(self, root: etree._Element) -> None:
        self.root = root
        self.by_id = {node.get("id"): node for node in root.iter(f"{_B}*") if node.get("id")}
        self.declared = {tag: {each.get("id") for each in root.iter(_B + tag)} for tag in REFERENCES.values()}
        self.entering = Counter(flow.get("targetRef") for flow in root.iter(_B + "sequenceFlow"))
        self.leaving = Counter(flow.get("sourceRef") for flow in root.iter(_B + "sequenceFlow"))
        self.hosts = {event.get("attachedToRef") for event in root.iter(_B + "boundaryEvent")}
        #: process or sub-process → its links with their names
        self._links: dict[etree._Element, dict[etree._Element, str]] = {}

    def refusals(self) -> Iterator[Refusal]:
        yield from self._twice()
        for node in self.root.iter(etree.Element):
            for check in self._checks_of(node.tag):
                message = check(self, node)
                if message:
                    yield node, message

    def _twice(self) -> Iterator[Refusal]:
        seen: set[str] = set()
        for node in self.root.iter(*NODES, _B + "sequenceFlow", _B + "process"):
            id = node.get("id")
            if not id:
                yield node, "没有编号（id）"
            elif id in seen:
                yield node, f"编号 {id} 用了两次"
            seen.add(id)

    def _script(self, node: etree._Element) -> str | None:
        around = node.getparent()
        if node.tag in (_B + "scriptTask", _C + "script"):
            return "流程图里不允许有脚本"
        if node.tag.startswith(_SPIFF) and around is not None and not around.tag.startswith(_SPIFF):
            return "SpiffWorkflow 自己的设置里可以有脚本，流程图里不允许"
        return None

    def _quantity(self, node: etree._Element) -> str | None:
        if node.tag in (_B + "adHocSubProcess", _B + "complexGateway", _B + "ioSpecification"):
            return f"不支持 {_kind(node)}"
        if not node.attrib:
            return None
        if node.get("isForCompensation") == "true":
            return "不支持补偿（事后挽回）：要挽回的，画成平常的步骤"
        if node.get("startQuantity", "1") != "1" or node.get("completionQuantity", "1") != "1":
            return "不支持来几次才办一次（startQuantity、completionQuantity）"
        if node.tag in NODES and node.get("instantiate") == "true":
            return "不支持 instantiate：事项由人、消息或者时间从开始事件发起"
        if node.tag == _B + "eventBasedGateway" and node.get("eventGatewayType", "Exclusive") != "Exclusive":
            return "事件网关只能等几件事里先到的一件（Exclusive）"
        return None

    def _repetition(self, node: etree._Element) -> str | None:
        if node.tag == _B + "multiInstanceLoopCharacteristics":
            if node.get("behavior", "All") != "All":
                return "几个人各办一次的步骤，要等所有人都办完（behavior=All）"
            said = [child for child in node if _kind(child) in ("loopCardinality", "loopDataInputRef")]
            if len(said) != 1 or not (said[0].text or "").strip():
                return "几个人各办一次的步骤，要写办几次（loopCardinality）或者名单（loopDataInputRef），只写一样"
            items = [child.get("id") for child in node.iterchildren(_B + "inputDataItem", _B + "outputDataItem")]
            if not all(items):
                return "几个人各办一次的步骤，每个人的那一份（inputDataItem、outputDataItem）要有名称（id）"
        if node.tag == _B + "standardLoopCharacteristics":
            maximum = node.get("loopMaximum")
            if maximum is not None and not (maximum.strip().isascii() and maximum.strip().isdigit()):
                return "循环的次数（loopMaximum）要写整数"
            if maximum is None and not (node.findtext(_B + "loopCondition") or "").strip():
                return "循环要写条件（loopCondition）或者次数（loopMaximum）"
        return None

    def _event(self, node: etree._Element) -> str | None:
        place = _kind(node)
        if node.tag == _B + "eventDefinitionRef":
            return f"引用的事件定义 {node.text or ''} 不存在"
        if node.tag not in NODES or place not in _EVENTS:
            return None
        allowed = _EVENTS[place]
        if place == "startEvent" and _kind(node.getparent()) != "process":
            allowed = _TRIGGERS if is_event_sub_process(node.getparent()) else {""}
        said = _definitions(node) or [""]
        wrong = next((kind for kind in said if kind not in allowed), None)
        if wrong is not None:
            return f"这里不支持 {wrong} 事件" if wrong else "没有写等的是什么事件"
        if len(said) > 1 and ("link" in said or allowed is _TRIGGERS):
            return "这里只能写一个事件"
        if place in ("sendTask", "receiveTask") and said == [""] and not node.get("messageRef"):
            return "没有写是哪个消息"
        return None

    def _edge(self, node: etree._Element) -> str | None:
        place = _kind(node)
        if place in ("startEvent", "boundaryEvent") and self.entering[node.get("id")]:
            return "箭头不能通到开始事件或者边界事件"
        if place == "endEvent" and self.leaving[node.get("id")]:
            return "箭头不能从结束事件出来"
        if place == "startEvent" and next(node.itersiblings(_B + "startEvent", preceding=True), None) is not None:
            return "有几个开始事件，不知道从哪一个开始"
        return None

    def _definition(self, node: etree._Element) -> str | None:
        if node.tag == _B + "messageEventDefinition" and not node.get("messageRef"):
            return "没有写是哪个消息"
        if node.tag == _B + "signalEventDefinition" and not node.get("signalRef"):
            return "没有写是哪个信号"
        if node.tag == _B + "timerEventDefinition":
            times = [child for child in node.iterchildren(*_TIMES) if (child.text or "").strip()]
            if len(times) != 1:
                return "要写一个时间，只写一个"
        return None

    def _reference(self, node: etree._Element) -> str | None:
        for attribute, tag in REFERENCES.items():
            wanted = node.get(attribute)
            if wanted and wanted not in self.declared[tag]:
                return f"{attribute} 指向的 {wanted} 不存在"
        return None

    def _boundary(self, node: etree._Element) -> str | None:
        if node.tag != _B + "boundaryEvent":
            return None
        host = self.by_id.get(node.get("attachedToRef"))
        if host is None or host.tag not in ACTIVITIES or host.getparent() is not node.getparent():
            return "边界事件没有挂在步骤上"
        if is_event_sub_process(host):
            return "边界事件不能挂在事件子流程上"
        kinds = _definitions(node)
        if {"error", "escalation"}.intersection(kinds) and _kind(host) not in _CALLING:
            return "错误和升级只会从子流程或者调用活动里出来，挂在这里永远不会发生"
        if _kind(host) in _AUTOMATIC and {"message", "signal", "timer"}.intersection(kinds):
            return "这一步由系统一口气办完，不会停下来等，挂在上面的事件永远不会发生"
        return self._nothing_thrown(host, kinds)

    def _trigger(self, node: etree._Element) -> str | None:
        """An event sub-process for an error or an escalation waits for one out of its own scope."""
        if node.tag != _B + "startEvent" or not is_event_sub_process(node.getparent()):
            return None
        return self._nothing_thrown(node.getparent().getparent(), _definitions(node))

    @staticmethod
    def _nothing_thrown(scope: etree._Element, kinds: list[str]) -> str | None:
        for kind, word in (("error", "出错"), ("escalation", "升级")):
            thrown = (throw.find(f"{_B}{kind}EventDefinition") for throw in scope.iter(*_THROWING))
            called = scope.tag == _B + "callActivity" or next(scope.iter(_B + "callActivity"), None) is not None
            if kind in kinds and not called and all(each is None for each in thrown):
                return f"里面没有哪里会{word}，等的事永远不会发生"
        return None

    def _flow(self, node: etree._Element) -> str | None:
        if node.tag != _B + "sequenceFlow":
            return None
        ends = [self.by_id.get(node.get(end)) for end in ("sourceRef", "targetRef")]
        if not all(end is not None and end.tag in NODES and end.getparent() is node.getparent() for end in ends):
            return "这条箭头有一头没有接在步骤上"
        source, target = ends
        if is_event_sub_process(source) or is_event_sub_process(target):
            return "事件子流程不接箭头"
        if node.find(_B + "conditionExpression") is not None and source.tag not in ACTIVITIES:
            if _kind(source) not in _CHOOSING:
                return "条件只能写在网关或者步骤的箭头上，写在这里不起作用"
        return self._event_gateway(source, target)

    def _event_gateway(self, source: etree._Element, target: etree._Element) -> str | None:
        if _kind(source) != "eventBasedGateway":
            return None
        if _kind(target) not in ("intermediateCatchEvent", "receiveTask") or "link" in _definitions(target):
            return "事件网关后面只能接等消息、信号或者时间的事件"
        if self.entering[target.get("id")] > 1:
            return "事件网关后面的事件不能再有别的箭头通进来"
        if target.get("id") in self.hosts:
            return "事件网关等的接收任务，边上不能再挂事件"
        return None

    def _scope(self, node: etree._Element) -> str | None:
        if _kind(node) not in _SCOPES:
            return None
        if is_event_sub_process(node) and node.find(_B + "startEvent") is None:
            # Of several the second is refused itself.
            return "事件子流程要有且只有一个开始事件，写明等的是什么"
        if next(node.iterchildren(*NODES), None) is None:
            return "里面什么也没有画"
        return None

    def _link(self, node: etree._Element) -> str | None:
        scope = node.getparent()
        if node.find(_B + "linkEventDefinition") is None:
            return None
        if scope not in self._links:
            self._links[scope] = {event: name for name, event in links_of(scope)}
        links = self._links[scope]
        name = links[node]
        ends = Counter(_kind(event) for event, other in links.items() if other == name)
        if not name or not ends["intermediateThrowEvent"] or ends["intermediateCatchEvent"] != 1:
            return f"链接“{name}”要从一处或者几处发出，到同一个流程里唯一的一处"
        return None

    @staticmethod
    @lru_cache(maxsize=1024)
    def _checks_of(tag: str) -> tuple[_Check, ...]:
        """Return what may be wrong with an element of this tag: with most little."""
        local = tag.rpartition("}")[2]
        return tuple(check for check, kinds in _Reading._checks if not kinds or local in kinds or tag in kinds)

    #: check → the local names or tags it looks at, () for all
    _checks: tuple[tuple[_Check, Collection[str]], ...] = (
        (_script, ()),
        (_quantity, ()),
        (_repetition, ("multiInstanceLoopCharacteristics", "standardLoopCharacteristics")),
        (_event, ("eventDefinitionRef", *_EVENTS)),
        (_edge, ("startEvent", "boundaryEvent", "endEvent")),
        (_definition, ("messageEventDefinition", "signalEventDefinition", "timerEventDefinition")),
        (_reference, ()),
        (_boundary, ("boundaryEvent",)),
        (_trigger, ("startEvent",)),
        (_flow, ("sequenceFlow",)),
        (_scope, _SCOPES),
        (_link, ("intermediateThrowEvent", "intermediateCatchEvent")),
    )


_Check = Callable[[_Reading, etree._Element], str | None]
