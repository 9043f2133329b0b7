"""What BPMN 2.0 lets stand where: the children and attributes of each element, and the values of those attributes.

Source: OMG formal/2011-01-03, the tables of attributes and the XML schema of each chapter. What is not run at all is
left out, choreographies and scripts for example: another rule says so, whatever stands in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_DATA = "ioSpecification property dataInputAssociation dataOutputAssociation"
_RESOURCES = "resourceRole performer humanPerformer potentialOwner"
_EVENT_DEFINITIONS = (
    "messageEventDefinition timerEventDefinition errorEventDefinition escalationEventDefinition signalEventDefinition"
    " conditionalEventDefinition compensateEventDefinition cancelEventDefinition terminateEventDefinition"
    " linkEventDefinition"
)
_NODES = (
    "task userTask manualTask serviceTask sendTask receiveTask scriptTask businessRuleTask callActivity subProcess"
    " transaction adHocSubProcess exclusiveGateway inclusiveGateway parallelGateway complexGateway eventBasedGateway"
    " startEvent endEvent boundaryEvent intermediateCatchEvent intermediateThrowEvent implicitThrowEvent event"
    " callChoreography choreographyTask subChoreography"
)
_FLOW = f"laneSet sequenceFlow dataObject dataObjectReference dataStoreReference {_NODES}"
_ARTIFACTS = "association group textAnnotation"
_ROOTS = (
    "category collaboration choreography globalChoreographyTask conversation globalConversation correlationProperty"
    " dataStore endPoint error escalation globalTask globalBusinessRuleTask globalManualTask globalScriptTask"
    " globalUserTask interface itemDefinition message partnerEntity partnerRole process resource signal"
    f" {_EVENT_DEFINITIONS}"
)
_CONVERSATION = (
    "conversationNode conversation subConversation callConversation conversationAssociation"
    " participantAssociation messageFlowAssociation correlationKey choreographyRef conversationLink"
)
_FLAG, _NUMBER = ("true", "false", "1", "0"), re.compile(r"\s*[+-]?[0-9]+\s*")

#: element, or group that others build on → (what it builds on, attributes, children); an attribute may have ``:kind``
_TABLE: dict[str, tuple[str, str, str]] = {
    "base": ("", "id", "documentation extensionElements"),
    # What stands inside is another namespace's affair.
    "extensionElements": ("", "", ""),
    "flowElement": ("base", "name", "auditing monitoring categoryValueRef"),
    "flowNode": ("flowElement", "", "incoming outgoing"),
    "activity": (
        "flowNode",
        "isForCompensation:flag startQuantity:number completionQuantity:number default",
        f"{_DATA} {_RESOURCES} standardLoopCharacteristics multiInstanceLoopCharacteristics",
    ),
    "definitions": (
        "base",
        "name targetNamespace expressionLanguage typeLanguage exporter exporterVersion",
        f"import extension relationship {_ROOTS}",
    ),
    "callable": ("base", "name", "supportedInterfaceRef ioSpecification ioBinding"),
    "process": (
        "callable",
        "processType:None|Public|Private isClosed:flag isExecutable:flag definitionalCollaborationRef",
        f"auditing monitoring property correlationSubscription supports {_RESOURCES} {_FLOW} {_ARTIFACTS}",
    ),
    "collaboration": (
        "base",
        "name isClosed:flag",
        f"participant messageFlow {_ARTIFACTS} {_CONVERSATION}",
    ),
    "participant": (
        "base",
        "name processRef",
        "interfaceRef endPointRef participantMultiplicity",
    ),
    "participantMultiplicity": ("base", "minimum:number maximum:number", ""),
    "messageFlow": ("base", "name sourceRef targetRef messageRef", ""),
    "laneSet": ("base", "name", "lane"),
    "lane": ("base", "name partitionElementRef", "partitionElement flowNodeRef childLaneSet"),
    "childLaneSet": ("base", "name", "lane"),
    "sequenceFlow": ("flowElement", "sourceRef targetRef isImmediate:flag", "conditionExpression"),
    # --- activities
    "userTask": ("activity", "implementation", "rendering"),
    "manualTask": ("activity", "", ""),
    "serviceTask": ("activity", "implementation operationRef", ""),
    "sendTask": ("activity", "implementation messageRef operationRef", ""),
    "receiveTask": ("activity", "implementation messageRef operationRef instantiate:flag", ""),
    "businessRuleTask": ("activity", "implementation", ""),
    "callActivity": ("activity", "calledElement", ""),
    "subProcess": ("activity", "triggeredByEvent:flag", f"{_FLOW} {_ARTIFACTS}"),
    "standardLoopCharacteristics": ("base", "testBefore:flag loopMaximum", "loopCondition loopMaximum"),
    "multiInstanceLoopCharacteristics": (
        "base",
        "isSequential:flag behavior:None|One|All|Complex oneBehaviorEventRef noneBehaviorEventRef",
        "loopCardinality loopDataInputRef loopDataOutputRef inputDataItem outputDataItem complexBehaviorDefinition"
        " completionCondition",
    ),
    # --- gateways
    "gateway": ("flowNode", "gatewayDirection:Unspecified|Converging|Diverging|Mixed", ""),
    "exclusiveGateway": ("gateway", "default", ""),
    "inclusiveGateway": ("gateway", "default", ""),
    "parallelGateway": ("gateway", "", ""),
    "eventBasedGateway": ("gateway", "instantiate:flag eventGatewayType:Exclusive|Parallel", ""),
    # --- events
    "event": ("flowNode", "", f"property eventDefinitionRef {_EVENT_DEFINITIONS}"),
    "catch": ("event", "parallelMultiple:flag", "dataOutput dataOutputAssociation outputSet"),
    "throw": ("event", "", "dataInput dataInputAssociation inputSet"),
    "startEvent": ("catch", "isInterrupting:flag", ""),
    "boundaryEvent": ("catch", "attachedToRef cancelActivity:flag", ""),
    "intermediateCatchEvent": ("catch", "", ""),
    "intermediateThrowEvent": ("throw", "", ""),
    "endEvent": ("throw", "", ""),
    "messageEventDefinition": ("base", "messageRef", "operationRef"),
    "timerEventDefinition": ("base", "", "timeDate timeDuration timeCycle"),
    "errorEventDefinition": ("base", "errorRef", ""),
    "escalationEventDefinition": ("base", "escalationRef", ""),
    "signalEventDefinition": ("base", "signalRef", ""),
    "conditionalEventDefinition": ("base", "", "condition"),
    "compensateEventDefinition": ("base", "waitForCompletion:flag activityRef", ""),
    "cancelEventDefinition": ("base", "", ""),
    "terminateEventDefinition": ("base", "", ""),
    "linkEventDefinition": ("base", "name", "source target"),
    # --- what they name
    "message": ("base", "name itemRef", ""),
    "error": ("base", "name errorCode structureRef", ""),
    "escalation": ("base", "name escalationCode structureRef", ""),
    "signal": ("base", "name structureRef", ""),
    # --- drawn for people
    "association": ("base", "sourceRef targetRef associationDirection:None|One|Both", ""),
    "group": ("base", "categoryValueRef", ""),
    "textAnnotation": ("base", "textFormat", "text"),
    "category": ("base", "name", "categoryValue"),
    "categoryValue": ("base", "value", ""),
    "dataObject": ("flowElement", "isCollection:flag itemSubjectRef", "dataState"),
    "dataObjectReference": ("flowElement", "itemSubjectRef dataObjectRef", "dataState"),
    "dataStoreReference": ("flowElement", "itemSubjectRef dataStoreRef", "dataState"),
    "dataStore": ("base", "name capacity:number isUnlimited:flag itemSubjectRef", "dataState"),
}
#: hold text and nothing but text: no element of BPMN may stand inside
_TEXTS = "documentation text script incoming outgoing flowNodeRef".split()
#: hold a text, and beside it what every element may have
EXPRESSIONS = (
    "conditionExpression timeDate timeDuration timeCycle loopCardinality loopCondition completionCondition condition"
).split()
#: elements in which text has a meaning
TEXTS = frozenset((*_TEXTS, *EXPRESSIONS, "extensionElements"))
_OF_TEXTS = ("id", "textFormat", "language", "evaluatesToTypeRef")


@dataclass(frozen=True)
class Content:
    """What one element may hold."""

    #: attribute → its values, a pattern they must match whole, or None for any text
    attributes: Mapping[str, tuple[str, ...] | re.Pattern[str] | None]
    children: frozenset[str]


def _built(name: str) -> Content:
    attributes: dict[str, tuple[str, ...] | re.Pattern[str] | None] = {}
    children: set[str] = set()
    while name:
        name, given, inside = _TABLE[name]
        for attribute in given.split():
            key, _, kind = attribute.partition(":")
            values = {"": None, "flag": _FLAG, "number": _NUMBER}.get(kind, tuple(kind.split("|")))
            attributes.setdefault(key, values)
        children.update(inside.split())
    return Content(attributes, frozenset(children))


#: element → what it may hold; elements that are not listed are not judged
CONTENT_MODEL: Mapping[str, Content] = {
    **{name: _built(name) for name in _TABLE},
    **{name: Content(dict.fromkeys(_OF_TEXTS), frozenset()) for name in _TEXTS},
    **{name: Content(dict.fromkeys(_OF_TEXTS), _built("base").children) for name in EXPRESSIONS},
}


def is_misplaced(child: str, parent: str) -> bool:
    """Tell whether BPMN knows both elements, and not one inside the other."""
    content = CONTENT_MODEL.get(parent)
    known = child in CONTENT_MODEL or parent == "extensionElements"
    return content is not None and known and child not in content.children


def allows(values: tuple[str, ...] | re.Pattern[str] | None, value: str) -> bool:
    """Tell whether an attribute may have this value."""
    if values is None:
        return True
    return value.strip() in values if isinstance(values, tuple) else bool(values.fullmatch(value))
