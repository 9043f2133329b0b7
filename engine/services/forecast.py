"""What can still come in a matter: the way ahead in the diagram, as far as the data decides it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from engine.bpmn.expressions import ExpressionError, parse
from engine.model import Flow
from engine.services.deployed import Deployed


def ahead(deployed: Deployed, places: Iterable[str], data: Callable[[], Mapping[str, object]]) -> set[str]:
    """Return the ids of the elements reachable from ``places``, in the diagram each stands in.

    A call activity counts as one step: what it calls is told once it is open, and is then a place of its own.

    A gateway whose condition rests only on values that no step to come will write takes its one branch; where
    anything is still open, all branches stay possible.

    :param data: what the matter knows; asked for only where it decides something.
    """
    places = tuple(places)
    way = deployed.ways.known(places, lambda: _way(deployed, places))
    if not way.decided:
        return set(way.reached)
    known = data()
    return _reach(deployed, places, lambda flow: _holds(flow, known) if flow.id in way.decided else None)


@dataclass(frozen=True)
class _Way:
    """What can come after some places, whatever the data say; the same for all matters of a version."""

    reached: frozenset[str]
    #: ids of the flows on the way whose condition rests on what no step to come will write
    decided: frozenset[str]


def _way(deployed: Deployed, places: tuple[str, ...]) -> _Way:
    reached = frozenset(_reach(deployed, places, lambda _: None))
    # What the steps that wait now will write is as open as what comes after them.
    unsettled = frozenset(name for element in reached.union(places) for name in _written(deployed, element))
    # The data of a called process is not seen here: its branches stay open.
    own = {flow.id for flow in deployed.facts.flows}
    flows = (flow for element in reached for flow in deployed.ways.forward.get(element, ()) if flow.id in own)
    return _Way(reached, frozenset(flow.id for flow in flows if _rests_on_known(flow, unsettled)))


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


def _holds(flow: Flow, data: Mapping[str, object]) -> bool | None:
    """Return whether a flow is taken; None while that is open."""
    try:
        return bool(parse(flow.condition.removeprefix("=")).evaluate(data, {}))
    except ExpressionError:
        return None


def _rests_on_known(flow: Flow, unsettled: frozenset[str]) -> bool:
    if not flow.condition:
        return False
    try:
        expression = parse(flow.condition.removeprefix("="))
    except ExpressionError:
        return False
    return not (expression.names & unsettled or expression.calls)


def _written(deployed: Deployed, element: str) -> set[str]:
    """Return the top-level names a step will write."""
    activity = deployed.facts.activity(element)
    form = deployed.forms.get(activity.form)
    names = {field.key.partition(".")[0] for field in form.fields} if form else set()
    return names | set(activity.result.split())
