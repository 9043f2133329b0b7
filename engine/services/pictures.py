"""Which diagram of an item is shown, and what one run has taken of it: a called process is a picture of its own."""

from __future__ import annotations

from dataclasses import replace

from engine.errors import NotFound
from engine.model import Activity, ProcessFacts
from engine.services import standing
from engine.services.course import Course
from engine.views import Picture, Stop


def drawn(facts: ProcessFacts, call: str = "") -> Picture:
    """Return the picture that a call activity leads to, the item's own for "".

    :raises NotFound: the item has no such call activity.
    """
    process, path = facts, [("", facts.name)]
    if call:
        activity = _call(facts, call)
        process = facts.process_called_by(activity)
        path += [(each.id, each.name) for each in _way_down(facts, activity)]
    calls = {each.id: each.name for each in process.activities if facts.process_called_by(each) is not None}
    return Picture(process.id, tuple(path), calls)


def taken(course: Course, stops: tuple[Stop, ...], call: str | None = None) -> Picture:
    """Return a picture with the marks of a matter: what the last run of that call has taken.

    Without ``call`` it is the one in which the matter stops.

    :raises NotFound: the item has no such call activity.
    """
    stop = stops[0].element if stops else ""
    shown = drawn(course.deployed.facts, course.call_around(stop) if call is None else call)
    process, at = _process(course.deployed.facts, shown), shown.path[-1][0]
    ids = {each.id for each in (*process.activities, *process.flows)}
    marks = {id: mark for id, mark in course.marks(at).items() if id in ids}
    if at and at not in (course.row.calls or ()):
        # That run is over: where the matter stands now is another picture's affair.
        return replace(shown, marks=marks)
    here = {element: text for element, text in standing.badges(stops).items() if element in ids}
    return replace(shown, marks=dict.fromkeys(here, "now") | marks, badges=here, focus=stop if stop in ids else "")


def _process(facts: ProcessFacts, picture: Picture) -> ProcessFacts:
    return next(each for each in facts.processes if each.id == picture.process_id)


def _call(facts: ProcessFacts, id: str) -> Activity:
    try:
        activity = facts.activity(id)
    except KeyError as error:
        raise NotFound("流程图", id) from error
    if facts.process_called_by(activity) is None:
        raise NotFound("流程图", id)
    return activity


def _way_down(facts: ProcessFacts, activity: Activity) -> list[Activity]:
    """Return the call activities from the item down to this one; of several ways the first that is drawn."""
    owner = facts.owner(activity.id)
    if owner is facts:
        return [activity]
    above = next((each for process in facts.processes for each in process.activities if each.called == owner.id), None)
    return [*(_way_down(facts, above) if above else ()), activity]
