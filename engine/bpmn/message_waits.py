"""Messages that a process sends to itself or to what is drawn beside it, and waits that they never end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine.bpmn.token_game import name_of
from engine.bpmn.unfolding import Reached, Step, Unfolding

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
        name = name_of(step.node, "message")
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
