"""What can still come in a matter: the way ahead in the diagram, as far as the data decides it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from engine.bpmn.expressions import ExpressionError, parse
from engine.model import Flow

if TYPE_CHECKING:
    from engine.services.deployed import Deployed


class Forecast:
    """The ways through one diagram; what rests on the diagram alone is worked out once."""

    def __init__(self, deployed: Deployed) -> None:
        self._deployed = deployed
        self._outgoing = _forward(deployed)
        #: places → (elements possible whatever the data say, the values that steps among them will write)
        self._known: dict[tuple[str, ...], tuple[set[str], set[str]]] = {}

    def ahead(self, places: tuple[str, ...], data: Mapping[str, object]) -> set[str]:
        """Return the elements reachable from these places with these data; see :func:`ahead`."""
        if places not in self._known:
            possible = self._reach(places, lambda _: None)
            # What the steps that wait now will write is as open as what comes after them.
            writing = possible | set(places)
            self._known[places] = possible, {name for each in writing for name in _written(self._deployed, each)}
        possible, unsettled = self._known[places]
        if not any(flow.condition for each in (*places, *possible) for flow in self._outgoing.get(each, ())):
            return possible
        return self._reach(places, lambda flow: _holds(flow, data, unsettled))

    @cached_property
    def refusing(self) -> frozenset[str]:
        """The elements from which only error ends can be reached."""
        facts = self._deployed.facts
        good = {a.id for a in facts.activities if a.kind == "endEvent" and not a.error_code}
        return frozenset(a.id for a in facts.activities if not (self._reach((a.id,), lambda _: None) | {a.id}) & good)

    def _reach(self, places: Iterable[str], holds: Callable[[Flow], bool | None]) -> set[str]:
        found: set[str] = set()
        # Whoever waits goes on from there, even where the way ahead leads back, as from added papers.
        todo = [flow for flow in self._deployed.facts.flows if flow.source in set(places)]
        while todo:
            target = todo.pop().target
            if target in found:
                continue
            found.add(target)
            todo += _taken(self._outgoing.get(target, []), holds)
        return found


def ahead(deployed: Deployed, places: Iterable[str], data: Mapping[str, object]) -> set[str]:
    """Return the ids of the elements reachable from ``places``.

    A gateway whose condition rests only on values that no step to come will write takes its one branch; where
    anything is still open, all branches stay possible.
    """
    return deployed.forecast.ahead(tuple(places), data)


def refusing(deployed: Deployed) -> frozenset[str]:
    """Return the elements from which only error ends can be reached: the branch of a refusal."""
    return deployed.forecast.refusing


def _forward(deployed: Deployed) -> dict[str, list[Flow]]:
    """Return element id → outgoing flows without those that lead back: a return is not the way ahead."""
    outgoing: dict[str, list[Flow]] = {}
    for flow in deployed.facts.flows:
        outgoing.setdefault(flow.source, []).append(flow)
    back = _back_flows(outgoing, [a.id for a in deployed.facts.activities if a.kind in ("startEvent", "boundaryEvent")])
    return {source: [flow for flow in flows if flow.id not in back] for source, flows in outgoing.items()}


def _back_flows(outgoing: Mapping[str, list[Flow]], roots: Iterable[str]) -> set[str]:
    """Return the flows that close a loop: their target is still being walked through when they are met."""
    back: set[str] = set()
    done: set[str] = set()
    for root in roots:
        path: list[tuple[str, list[Flow]]] = [(root, list(outgoing.get(root, ())))]
        walking = {root}
        while path:
            node, flows = path[-1]
            if not flows:
                path.pop()
                walking.discard(node)
                done.add(node)
                continue
            flow = flows.pop(0)
            if flow.target in walking:
                back.add(flow.id)
            elif flow.target not in done:
                walking.add(flow.target)
                path.append((flow.target, list(outgoing.get(flow.target, ()))))
    return back


def _taken(flows: list[Flow], holds: Callable[[Flow], bool | None]) -> list[Flow]:
    """Return the flows that may be taken; the default, which has no condition, only when no other surely is."""
    answers = {flow.id: holds(flow) for flow in flows if flow.condition}
    certain = [flow for flow in flows if answers.get(flow.id)]
    if certain and None not in answers.values():
        return certain[:1]
    return [flow for flow in flows if answers.get(flow.id) is not False]


def _holds(flow: Flow, data: Mapping[str, object], unsettled: set[str]) -> bool | None:
    """Return whether a flow is taken; None while that is open."""
    if not flow.condition:
        return None
    try:
        expression = parse(flow.condition.removeprefix("="))
        if expression.names & unsettled or expression.calls:
            return None
        return bool(expression.evaluate(data, {}))
    except ExpressionError:
        return None


def _written(deployed: Deployed, element: str) -> set[str]:
    """Return the top-level names a step will write."""
    activity = deployed.facts.activity(element)
    form = deployed.forms.get(activity.form)
    names = {field.key.partition(".")[0] for field in form.fields} if form else set()
    return names | {activity.result} if activity.result else names
