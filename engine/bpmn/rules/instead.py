"""What to draw or write instead of what is not run: one sentence each, for the person who drew it."""

from __future__ import annotations

DELETE = "请删去它，这里用不到。"

_HAPPENS = "请改成等消息、等信号或者等时间的事件；要看内容的，在前面画一个排他网关，把条件写在箭头上。"
_UNDONE = "请把要挽回的画成平常的步骤，用箭头连过去。"
_WHO = "请删去它：由谁办由泳道决定，把这一步画进那个岗位的泳道。"
_WHEN = "请删去它：几天办完写在这一步的期限里。"
_FORM = "请删去它：要填的写成表单文件（.form），在这一步上选这张表单（camunda:formKey）。"
_CALL = "请删去它：系统办的步骤用服务任务，选一个连接器（camunda:topic）。"
_DATA = "请删去它：要填的写进表单，要算的写成决策表，填了以后后面的步骤都看得到。"
_MATCHED = "请删去它：消息按事项的编号找到是哪一件，两头写同一个消息就行。"
_POOLS = "请删去它：两头写同一个消息就连得上；别的单位办的事不用画出来。"
_CALLED = "请删去它：要调用的流程写在调用活动的 calledElement 上，给它的数据写在 camunda:in、camunda:out 里。"
_TABLE = "请删去它：决策表写在规则任务的 camunda:decisionRef 上，结果的名称写在 camunda:resultVariable 上。"
_REPEATED = "请删去它：给几个人各办一次的，名单写在 camunda:collection 上。"
_PROCESS = "请画成流程：一个流程一个文件，用调用活动来调用。"
_STEP = "请把要办的事画成步骤，看得见的才会执行；别的可以删去。"

#: tag of an element, or type of an event, that is not run → what to do about it
_OF_ELEMENTS = {
    "task": "请改成用户任务（由人办）、手工任务（线下办）或者服务任务（系统办）。",
    "transaction": "请改成普通的子流程；要退回的，用箭头连回前面的步骤。",
    "adHocSubProcess": "请改成普通的子流程，把先后用箭头连好；可以同时办的，用并行网关分开。",
    "messageFlow": _POOLS,
    "childLaneSet": "请把里层的泳道画成并列的泳道，一个岗位一条。",
    "partitionElement": DELETE,
    "participantMultiplicity": DELETE,
    "conditional": _HAPPENS,
    "cancel": "请改成错误结束事件（不予办理）或者消息事件（撤回）。",
    "compensate": _UNDONE,
    "implicitThrowEvent": "请改成中间事件，写明发什么消息。",
    "complexBehaviorDefinition": DELETE,
    "rendering": _FORM,
    "choreography": "请画成流程：每一方要办的步骤画在自己的流程里，互相发消息。",
    "globalChoreographyTask": "请画成流程：每一方要办的步骤画在自己的流程里，互相发消息。",
    "extension": DELETE,
    **dict.fromkeys(("conversation", "globalConversation", "subConversation", "callConversation"), _POOLS),
    **dict.fromkeys(("conversationLink", "conversationAssociation", "participantAssociation"), _POOLS),
    **dict.fromkeys(("messageFlowAssociation", "choreographyRef"), _POOLS),
    **dict.fromkeys(("correlationKey", "correlationProperty", "correlationSubscription"), _MATCHED),
    **dict.fromkeys(("globalTask", "globalUserTask", "globalManualTask"), _PROCESS),
    **dict.fromkeys(("globalBusinessRuleTask", "globalScriptTask"), _PROCESS),
    **dict.fromkeys(("potentialOwner", "humanPerformer", "performer", "resourceRole"), _WHO),
    **dict.fromkeys(("ioSpecification", "ioBinding", "dataInput", "dataOutput", "inputSet", "outputSet"), _DATA),
    **dict.fromkeys(("assignment", "transformation"), _DATA),
    **dict.fromkeys(("auditing", "monitoring", "supports", "operationRef"), DELETE),
}
#: event → what it may wait for or send
_OF_EVENTS = {
    "startEvent": "请改成空白的、等消息的或者等时间的开始事件。",
    "endEvent": "请改成空白的结束事件，或者发消息、报错误、终止的结束事件。",
    "boundaryEvent": "请改成等消息、等时间或者等错误的边界事件。",
    "intermediateCatchEvent": "请改成等消息、等信号或者等时间的中间事件。",
    "intermediateThrowEvent": "请改成空白的或者发消息、发信号的中间事件。",
}
#: attribute that is not obeyed, of the standard → what to do about it
_OF_ATTRIBUTES = {
    "isForCompensation": f"请删去它。{_UNDONE}",
    "startQuantity": "请删去它；要等齐几路的，在前面画一个并行网关。",
    "completionQuantity": "请删去它；要同时办几路的，在后面画一个并行网关。",
    "instantiate": "请删去它，在前面画一个等消息的开始事件。",
    "eventGatewayType": "请改成 Exclusive（等几件里先到的一件）；都要等到的，用并行网关分开，再用并行网关合上。",
    "isImmediate": "请删去它：箭头一到，后面那一步就办。",
    "parallelMultiple": "请删去它；都要等到的，用并行网关分开，再用并行网关合上。",
}
#: what the settings of other engines are about
_OF_SETTINGS = {
    _WHO: "assignee owner candidateUsers candidateGroups candidateStarterUsers candidateStarterGroups initiator "
    "assignmentDefinition potentialStarter humanPerformer performer groupId actorId",
    _WHEN: "dueDate followUpDate priority taskSchedule priorityDefinition businessCalendarName",
    _FORM: "formKey formRef formData formDefinition formProperty formHandlerClass formFieldValidation userTaskForm "
    "formVariables allowSendingForm instructionsForEndUser",
    _CALL: "taskDefinition type topic class delegateExpression expression resultVariable connector field taskName "
    "serviceTaskOperator taskHeaders taskPriority errorEventDefinition serviceimplementation serviceinterface "
    "serviceoperation",
    _DATA: "ioMapping inputOutput in out variables local mapException",
    _MATCHED: "subscription businessKey",
    _CALLED: "calledElement calledElementVersion calledElementTenantId variableMappingClass "
    "variableMappingDelegateExpression independent waitForCompletion",
    _TABLE: "calledDecision decisionRefVersion decisionRefTenantId decisionRefVersionTag ruleFlowGroup",
    _REPEATED: "loopCharacteristics collection elementVariable",
}
_BY_SETTING = {name: hint for hint, names in _OF_SETTINGS.items() for name in names.split()}


def of_element(tag: str) -> str:
    """Return what to do about an element that is not run."""
    return _OF_ELEMENTS.get(tag, DELETE)


def of_event(tag: str, type: str) -> str:
    """Return what to do about an event of a type that does not happen there."""
    return _OF_ELEMENTS.get(type) or _OF_EVENTS[tag]


def of_attribute(name: str) -> str:
    """Return what to do about an attribute of the standard that is not obeyed."""
    return _OF_ATTRIBUTES[name]


def of_setting(name: str) -> str:
    """Return what to do about a setting that only another engine obeys."""
    does_something = name.lower().endswith(("listener", "listeners", "script"))
    return _BY_SETTING.get(name, _STEP if does_something else DELETE)
