"""What can still come in a matter: the way ahead in the diagram, as far as the data decides it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from engine.bpmn.expressions import ExpressionError, parse
from engine.model import Flow
from engine.services.deployed import Deployed


def ahead(deployed: Deployed, places: Iterable[str], data: Mapping[str, object]) -> set[str]:
    """Return the ids of the elements reachable from ``places``, in the diagram each stands in.

    A call activity counts as one step: what it calls is told once it is open, and is then a place of its own.

    A gateway whose condition rests only on values that no step to come will write takes its one branch; where
    anything is still open, all branches stay possible.
    """
    places = tuple(places)
    # What the steps that wait now will write is as open as what comes after them.
    possible = _reach(deployed, places, lambda _: None) | set(places)
    unsettled = {name for element in possible for name in _written(deployed, element)}
    # The data of a called process is not seen here: its branches stay open.
    own = {flow.id for flow in deployed.facts.flows}
    return _reach(deployed, places, lambda flow: _holds(flow, data, unsettled) if flow.id in own else None)


def refusing(deployed: Deployed) -> frozenset[str]:
    """Return the elements from which only error ends can be reached: the branch of a refusal."""
    return deployed.ways.refusing


def _reach(deployed: Deployed, places: Iterable[str], holds: Callable[[Flow], bool | None]) -> set[str]:
    outgoing = deployed.ways.forward
    found: set[str] = set()
    # Whoever waits goes on from there, even where the way ahead leads back, as from added papers.
    waiting = set(places)
    todo = [flow for process in deployed.facts.processes for flow in process.flows if flow.source in waiting]
    while todo:
        target = todo.pop().target
        if target in found:
            continue
        found.add(target)
        todo += _taken(outgoing.get(target, []), holds)
    return found


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
    return names | set(activity.result.split())
