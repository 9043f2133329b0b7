"""Messages that a process sends to itself or to what is drawn beside it, and waits that they never end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lxml import etree

from engine.bpmn.document import BPMN
from engine.bpmn.unfolding import Reached, Step, Unfolding

_B = f"{{{BPMN}}}"
_SENDING = ("intermediateThrowEvent", "endEvent", "sendTask")
_WAITING = ("intermediateCatchEvent", "receiveTask")


def never_answered(main: Unfolding, beside: Mapping[str, Unfolding]) -> Iterator[tuple[Step, Reached]]:
    """Yield each step where the flow waits in vain, with all that is reached without it.

    A message counts as sent from outside unless the same package sends it too.

    :param beside: participant's process id → the other processes drawn in the same diagram; they run at the same time.
    """
    parts = [main, *beside.values()]
    sends: dict[Step, str] = {}
    waits: dict[Step, str] = {}
    for step in (step for part in parts for step in part.steps):
        name = _message_of(step)
        if name and step.node.kind in _SENDING:
            sends[step] = name
        elif name and step.node.kind in _WAITING and not step.enters:
            waits[step] = name
    missing = set(sends.values())
    while True:
        barred = {step for step, name in waits.items() if name in missing}
        reached = [part.reached(barred=barred) for part in parts]
        sent = {name for step, name in sends.items() if any(step in each for each in reached)} & missing
        if not sent:
            break
        missing -= sent
    for step in barred:
        for each in reached:
            before = next((other for other in each if step in other.ahead and _must_wait(other, barred)), None)
            if before is not None:
                yield step, {**each, step: each[before] if before.node is step.node else before}


def _must_wait(before: Step, barred: set[Step]) -> bool:
    """Tell whether nothing else can happen where the flow waits."""
    return before.node.kind != "eventBasedGateway" or all(step in barred for step in before.ahead)


def _message_of(step: Step) -> str:
    """Return the name of the message that an element sends or waits for."""
    element = step.node.element
    definition = element.find(f"{_B}messageEventDefinition")
    reference = (element if definition is None else definition).get("messageRef", "").rpartition(":")[2]
    return _names(element).get(reference, "") if reference else ""


def _names(element: etree._Element) -> dict[str, str]:
    root = element.getroottree().getroot()
    return {message.get("id", ""): message.get("name", "") for message in root.iterchildren(f"{_B}message")}
