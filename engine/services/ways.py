"""The ways through the diagrams of one version, worked out once: forward flows, and what only refusals lie behind."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from functools import cached_property
from typing import TypeVar

from engine.model import Flow, ProcessFacts

Answer = TypeVar("Answer")

#: answers kept for one version; matters stand at far fewer combinations of places
MOST_KNOWN = 1_000


class Ways:
    """Shared by all matters of the version; nobody writes to it."""

    def __init__(self, facts: ProcessFacts) -> None:
        self._facts = facts
        self._known: dict[Hashable, object] = {}

    def known(self, asked: Hashable, work_out: Callable[[], Answer]) -> Answer:
        """Return what was worked out for this before; it depends on the diagrams alone."""
        if asked not in self._known:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[asked] = work_out()
        return self._known[asked]

    @cached_property
    def forward(self) -> Mapping[str, list[Flow]]:
        """Element id → outgoing flows without those that lead back: a return is not the way ahead."""
        outgoing: dict[str, list[Flow]] = {}
        roots: list[str] = []
        for process in self._facts.processes:
            for flow in process.flows:
                outgoing.setdefault(flow.source, []).append(flow)
            roots += [a.id for a in process.activities if a.kind in ("startEvent", "boundaryEvent")]
        back = _back_flows(outgoing, roots)
        return {source: [flow for flow in flows if flow.id not in back] for source, flows in outgoing.items()}

    @cached_property
    def refusing(self) -> frozenset[str]:
        """The elements from which only error ends can be reached: the branch of a refusal."""
        activities = [activity for process in self._facts.processes for activity in process.activities]
        before: dict[str, list[str]] = {}
        for source, flows in self.forward.items():
            for flow in flows:
                before.setdefault(flow.target, []).append(source)
        good: set[str] = set()
        todo = [a.id for a in activities if a.kind == "endEvent" and not a.error_code]
        while todo:
            element = todo.pop()
            if element not in good:
                good.add(element)
                todo += before.get(element, [])
        return frozenset(activity.id for activity in activities) - good


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
