"""A process with all that it calls drawn in: which steps may come before others, over calls and sub-processes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from lxml import etree

from engine.bpmn.flow_graph import SUB_PROCESSES, Flow, FlowGraph, Node
from engine.bpmn.token_game import catches, code_of, hears, is_join

#: steps of an unfolding; what is called beyond that is one step
MAX_STEPS = 5_000


@dataclass(eq=False, slots=True)
class Step:
    """A node at one place of the unfolding; a call or sub-process is entered by one step and left by another."""

    node: Node
    #: the calls and sub-processes around it, the outermost first
    around: tuple[Node, ...]
    #: steps that may come next
    ahead: list[Step] = field(default_factory=list)
    #: of a parallel join: the steps that must all have come, flows back left out
    awaits: tuple[Step, ...] = ()
    #: the step by which a call or sub-process is left
    leaves: bool = False

    def __repr__(self) -> str:
        return f"<step {self.node.id}>"


#: step → the step that led to it, None at a beginning
Reached = Mapping[Step, "Step | None"]


class Unfolding:
    """The steps of a process and of everything it calls."""

    def __init__(self, process: etree._Element, processes: Mapping[str, etree._Element]) -> None:
        self._processes = processes
        self.steps: list[Step] = []
        self._open_errors: list[tuple[str | None, Step]] = []
        self.first, _, self._open_errors = self._unfold(process, (), (process,))

    def passing(self, ids: Collection[str]) -> list[Step]:
        """Return the steps by which the nodes with these ids are over."""
        return [step for step in self.steps if step.node.id in ids and (step.leaves or not _has_leaving(step))]

    def reached(
        self,
        first: Iterable[Step] | None = None,
        barred: Collection[Step] = (),
        barred_flow: Callable[[Flow], bool] = lambda flow: False,
    ) -> Reached:
        """Return every step that may come, from the start or these steps, when the barred ones never do.

        From the start a parallel join opens when all its branches may have come; from elsewhere, when one has.
        """
        found: dict[Step, Step | None] = {}
        held: set[Step] = set()
        ahead: list[tuple[Step, Step | None]] = [(step, None) for step in (self.first if first is None else first)]
        while ahead:
            step, before = ahead.pop(0)
            if step in found or step in barred or (before is not None and _passes(before, step, barred_flow)):
                continue
            if step.awaits and first is None and not all(each in found for each in step.awaits):
                held.add(step)
                continue
            found[step] = before
            ahead += [(each, step) for each in step.ahead]
            opened = [join for join in held if all(each in found for each in join.awaits)]
            ahead += [(join, step) for join in opened]
            held.difference_update(opened)
        return found

    @staticmethod
    def way(reached: Reached, step: Step) -> tuple[str, ...]:
        """Return the ids of the nodes on the way to a step."""
        ids: list[str] = []
        at: Step | None = step
        while at is not None:
            if at.node.id and not at.leaves:
                ids.append(at.node.id)
            at = reached[at]
        return tuple(reversed(ids))

    # Building.

    def _unfold(
        self, scope: etree._Element, around: tuple[Node, ...], callers: tuple[etree._Element, ...]
    ) -> tuple[list[Step], list[Step], list[tuple[str | None, Step]]]:
        """Return where a scope begins, where it ends, and its errors that nothing in it catches."""
        graph = FlowGraph(scope)
        entered = {node: self._step(node, around) for node in graph.nodes}
        left: dict[Node, list[Step]] = {}
        errors: list[tuple[str | None, Step]] = []
        for node, step in entered.items():
            inner = self._inside(node, callers)
            if inner is None:
                left[node] = [step]
                continue
            begins, ends, thrown = self._unfold(inner, (*around, node), (*callers, inner))
            leaving = self._step(node, around)
            leaving.leaves = True
            step.ahead += begins
            for end in ends:
                end.ahead.append(leaving)
            left[node] = [leaving]
            errors += self._caught(node, thrown, entered)
        self._connect(graph, entered, left)
        ends = []
        for node, steps in left.items():
            if node.kind == "endEvent" and "error" in node.events:
                errors.append((code_of(node, "error"), steps[0]))
            elif not node.outgoing and not node.is_event_sub_process:
                ends += steps
        return [entered[node] for entry in graph.entries() for node in entry], ends, errors

    def _step(self, node: Node, around: tuple[Node, ...]) -> Step:
        step = Step(node, around)
        self.steps.append(step)
        return step

    def _inside(self, node: Node, callers: tuple[etree._Element, ...]) -> etree._Element | None:
        if len(self.steps) > MAX_STEPS or node.is_event_sub_process:
            return None
        if node.kind in SUB_PROCESSES:
            return node.element
        called = self._processes.get(node.element.get("calledElement", "")) if node.kind == "callActivity" else None
        return None if called in callers else called

    @staticmethod
    def _caught(node: Node, thrown: list, entered: Mapping[Node, Step]) -> Iterator[tuple[str | None, Step]]:
        """Lead errors to the boundary events that catch them; return the others."""
        catching = [event for event in node.attached if "error" in event.events]
        for code, end in thrown:
            fit = [event for event in catching if hears(event, "error", (code,))]
            end.ahead += [entered[event] for event in fit]
            if not any(catches(event, "error", code) for event in fit if code is not None):
                yield code, end

    @staticmethod
    def _connect(graph: FlowGraph, entered: Mapping[Node, Step], left: Mapping[Node, list[Step]]) -> None:
        first = [node for entry in graph.entries() for node in entry]
        for node in graph.nodes:
            for step in left[node]:
                step.ahead += [entered[flow.target] for flow in node.outgoing]
            entered[node].ahead += [entered[event] for event in node.attached if "error" not in event.events]
            if is_join(node) and node.kind == "parallelGateway":
                early = graph.reached(first, without=node)
                sources = [flow.source for flow in node.incoming if flow.source in early]
                entered[node].awaits = tuple(step for source in sources for step in left[source])


def _has_leaving(step: Step) -> bool:
    return any(each.around == (*step.around, step.node) for each in step.ahead)


def _passes(before: Step, step: Step, barred_flow: Callable[[Flow], bool]) -> bool:
    """Tell whether every flow between two steps is barred."""
    flows = [flow for flow in before.node.outgoing if flow.target is step.node and before.around == step.around]
    return bool(flows) and all(barred_flow(flow) for flow in flows)
