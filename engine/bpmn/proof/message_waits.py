"""Messages and signals that a process sends to itself or to what is drawn beside it, and waits they never end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine.bpmn.proof.token_game import is_repeated, name_of, trigger_of
from engine.bpmn.proof.unfolding import Reached, Step, Unfolding

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


def never_heard(main: Unfolding) -> Iterator[Step]:
    """Yield each step that waits for a signal which is thrown, but never while the flow waits there.

    A signal is not kept: it is heard only by what waits when it is thrown, so the two must be on ways that run side by
    side.
    """
    waits = [step for step in main.steps if _hears_a_signal(step) and not step.enters]
    if not waits:
        return
    throws = [step for step in main.steps if step.node.kind in _SENDING and name_of(step.node, "signal")]
    together = [main.reached([step]) for step in main.steps if _runs_side_by_side(step)]
    if len(main.first) > 1:
        together.append(main.reached())
    for wait in waits:
        heard = [step for step in throws if name_of(step.node, "signal") == name_of(wait.node, "signal")]
        if heard and not any(wait in each and any(step in each for step in heard) for each in together):
            yield wait


def _hears_a_signal(step: Step) -> bool:
    """Tell whether the flow waits for a signal, and for nothing else."""
    alone = all(flow.source.kind != "eventBasedGateway" for flow in step.node.incoming)
    return step.node.kind == "intermediateCatchEvent" and step.node.events == ("signal",) and alone


def _runs_side_by_side(step: Step) -> bool:
    """Tell whether several ways may go on from a step at the same time."""
    node = step.node
    splits = len(node.outgoing) > 1 and node.kind not in ("exclusiveGateway", "eventBasedGateway")
    beside = any(not each.node.interrupts for each in step.ahead if each.node.host is not None)
    return splits or beside or is_repeated(node) or any(_begins_beside(each) for each in step.ahead)


def _begins_beside(step: Step) -> bool:
    start = trigger_of(step.node) if step.node.is_event_sub_process else None
    return start is not None and not start.interrupts


def _must_wait(before: Step, barred: set[Step]) -> bool:
    """Tell whether nothing else can happen where the flow waits."""
    return before.node.kind != "eventBasedGateway" or all(step in barred for step in before.ahead)
