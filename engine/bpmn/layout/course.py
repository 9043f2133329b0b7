"""The order in which a graph is read: what comes first, which flows lead back, which way is the happy one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from engine.bpmn.layout.graph import Graph

#: an end nobody wishes for is worth less than the longest way
_UNHAPPY = -(10**6)


@dataclass(frozen=True)
class Leaving:
    """A flow out of a node, or out of a boundary event on it."""

    target: str
    flow: str
    by_boundary: bool


@dataclass(frozen=True)
class Course:
    """How a graph is read; all in document order, so that the same file always gives the same picture."""

    #: ids of the nodes with a cell, each behind what leads to it, loops left aside
    order: tuple[str, ...]
    leaving: Mapping[str, tuple[Leaving, ...]]
    #: flows that lead back
    loops: frozenset[str]
    #: the longest way from the start to an end that is no refusal
    happy_nodes: tuple[str, ...]
    happy_flows: tuple[str, ...]

    def ahead(self, id: str) -> list[Leaving]:
        """Return the flows out of a node that do not lead back."""
        return [each for each in self.leaving[id] if each.flow not in self.loops]

    def ends(self, id: str) -> bool:
        return not self.leaving[id]


def read_course(graph: Graph) -> Course:
    leaving = _leaving(graph)
    starts = _starts(graph, leaving)
    order, loops = _walk([*starts, *leaving], leaving)
    happy_nodes, happy_flows = _happy_way(graph, starts, order, leaving, loops)
    return Course(tuple(order), leaving, frozenset(loops), happy_nodes, happy_flows)


def _leaving(graph: Graph) -> dict[str, tuple[Leaving, ...]]:
    found: dict[str, list[Leaving]] = {node.id: [] for node in graph.standing}
    for flow in graph.flows:
        source = graph.carrier(flow.source)
        if source in found and flow.target in found:
            found[source].append(Leaving(flow.target, flow.id, source != flow.source))
    return {id: tuple(flows) for id, flows in found.items()}


def _starts(graph: Graph, leaving: Mapping[str, tuple[Leaving, ...]]) -> list[str]:
    starts = [node.id for node in graph.standing if node.kind == "startEvent"]
    entered = {each.target for flows in leaving.values() for each in flows}
    return starts or [id for id in leaving if id not in entered]


def _walk(first: list[str], leaving: Mapping[str, tuple[Leaving, ...]]) -> tuple[list[str], set[str]]:
    """Walk depth first; return the nodes in topological order and the flows that lead back."""
    done: list[str] = []
    loops: set[str] = set()
    seen: set[str] = set()
    on_way: set[str] = set()
    for start in first:
        if start in seen:
            continue
        seen.add(start)
        on_way.add(start)
        way = [(start, iter(leaving[start]))]
        while way:
            id, rest = way[-1]
            step = next(rest, None)
            if step is None:
                way.pop()
                on_way.discard(id)
                done.append(id)
            elif step.target in on_way:
                loops.add(step.flow)
            elif step.target not in seen:
                seen.add(step.target)
                on_way.add(step.target)
                way.append((step.target, iter(leaving[step.target])))
    return done[::-1], loops


def _happy_way(
    graph: Graph, starts: list[str], order: list[str], leaving: Mapping[str, tuple[Leaving, ...]], loops: set[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    worth: dict[str, int] = {}
    step: dict[str, Leaving] = {}
    for id in reversed(order):
        ahead = [each for each in leaving[id] if each.flow not in loops]
        node = graph.nodes[id]
        worth[id] = 0 if not ahead and node.kind == "endEvent" and not node.ends_unhappily else _UNHAPPY
        # Only a flow that leads further than what was seen before: what is written first wins a tie.
        for each in ahead:
            if not each.by_boundary and (id not in step or worth[each.target] + 1 > worth[id]):
                worth[id], step[id] = worth[each.target] + 1, each
    if not starts:
        return (), ()
    nodes = [max(starts, key=lambda id: worth[id])]
    while nodes[-1] in step:
        nodes.append(step[nodes[-1]].target)
    return tuple(nodes), tuple(step[id].flow for id, _ in pairwise(nodes))
