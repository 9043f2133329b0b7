"""A process with all that it calls drawn in: which steps may come before others, over calls and sub-processes.

What an event brings may come wherever the flow waits for something else: behind the steps before a task, though the
task itself is not over. Such a task is entered by one step and left by another, as a call is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from lxml import etree

from engine.bpmn.proof.flow_graph import SUB_PROCESSES, Flow, FlowGraph, Node
from engine.bpmn.proof.token_game import (
    catches,
    code_of,
    hears,
    is_at_once,
    is_called,
    is_join,
    thrown_by,
    trigger_of,
)

#: steps of an unfolding; what is called beyond that is one step
MAX_STEPS = 5_000


#: events that something inside the step throws to them; all others come from outside while it waits
_FROM_INSIDE = ("error", "escalation")


@dataclass(eq=False, slots=True)
class Step:
    """A node at one place of the unfolding; a call or sub-process is entered by one step and left by another."""

    node: Node
    #: the calls and sub-processes around it, the outermost first
    around: tuple[Node, ...]
    #: steps that may come next
    ahead: list[Step] = field(default_factory=list)
    #: of the end of what runs beside its scope: where the scope is left, which this alone does not bring about
    later: list[Step] = field(default_factory=list)
    #: of a parallel join: the steps that must all have come, flows back left out
    awaits: tuple[Step, ...] = ()
    #: the step by which a node is left that another has entered
    leaves: bool = False
    #: the node is left by another step
    enters: bool = False
    #: the flow stands here until something happens
    waits: bool = False

    def __repr__(self) -> str:
        return f"<step {self.node.id}>"


@dataclass
class _Part:
    """What the unfolding of one scope has come to."""

    begins: list[Step]
    ends: list[Step]
    #: the ends of what runs beside the others
    beside: list[Step]
    #: (error or escalation, its code, where it is thrown) of all that nothing inside catches
    thrown: list[tuple[str, str | None, Step]]


#: step → the step that led to it, None at a beginning
Reached = Mapping[Step, "Step | None"]


class Unfolding:
    """The steps of a process and of everything it calls."""

    def __init__(self, process: etree._Element, processes: Mapping[str, etree._Element]) -> None:
        self._processes = processes
        self.steps: list[Step] = []
        self.first = self._unfold(process, (), (process,), watched=False).begins

    def passing(self, ids: Collection[str]) -> list[Step]:
        """Return the steps by which the nodes with these ids are over."""
        return [step for step in self.steps if step.node.id in ids and not step.enters]

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
            ahead += [(each, step) for each in step.later] if first is not None else []
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
            if at.node.id and (not at.leaves or reached[at] is None):
                ids.append(at.node.id)
            at = reached[at]
        return tuple(reversed(ids))

    # Building.

    def _unfold(
        self, scope: etree._Element, around: tuple[Node, ...], callers: tuple[etree._Element, ...], *, watched: bool
    ) -> _Part:
        """Unfold a scope.

        :param watched: something may happen around it while it waits inside
        """
        graph = FlowGraph(scope)
        handlers = [node for node in graph.inner if node.is_event_sub_process]
        since = len(self.steps)
        entered = {node: self._step(node, around) for node in graph.nodes if node not in handlers}
        left: dict[Node, list[Step]] = {}
        part = _Part([entered[node] for entry in graph.entries() for node in entry], [], [], [])
        for node, step in entered.items():
            left[node] = [self._go_through(node, step, entered, callers, part, watched or bool(handlers))]
        self._connect(graph, entered, left)
        for node, steps in left.items():
            if not node.outgoing and not (node.kind == "endEvent" and "error" in node.events):
                part.ends += steps
        self._handle(handlers, self.steps[since:], around, callers, part)
        return part

    def _go_through(
        self,
        node: Node,
        step: Step,
        entered: Mapping[Node, Step],
        callers: tuple[etree._Element, ...],
        part: _Part,
        watched: bool,
    ) -> Step:
        """Unfold what is inside a node; return the step by which it is left."""
        watched = watched or bool(node.attached)
        since = len(self.steps)
        inner = self._inside(node, callers)
        over = step
        if inner is not None:
            inside = self._unfold(inner, (*step.around, node), (*callers, inner), watched=watched)
            over = self._left(step, inside)
            thrown = inside.thrown
        else:
            step.waits = _waits(node)
            if step.waits and watched and node.kind != "eventBasedGateway":
                over = self._left(step, None)
            thrown = [(kind, None, step) for kind in _FROM_INSIDE] if node.kind == "callActivity" else []
            part.thrown += _thrown_in(step)
        part.thrown += _caught({event: entered[event] for event in node.attached}, thrown)
        for event in node.attached:
            _happens(event, entered[event], [step, *self.steps[since:]])
        return over

    def _handle(
        self,
        handlers: list[Node],
        body: list[Step],
        around: tuple[Node, ...],
        callers: tuple[etree._Element, ...],
        part: _Part,
    ) -> None:
        """Unfold the event sub-processes of a scope, each of which may begin wherever the scope waits."""
        begins: dict[Node, Step] = {}
        leaving: list[tuple[str, str | None, Step]] = []
        active = list(body)
        for node in handlers:
            since = len(self.steps)
            step = self._step(node, around)
            inside = self._unfold(node.element, (*around, node), callers, watched=True)
            over = self._left(step, inside)
            leaving += inside.thrown
            trigger = trigger_of(node)
            if trigger is None:
                continue
            begins[trigger] = step
            if trigger.interrupts:
                part.ends.append(over)
            else:
                part.beside.append(over)
                active += self.steps[since:]
        part.thrown = [*_caught(begins, part.thrown), *leaving]
        for trigger, step in begins.items():
            _happens(trigger, step, active)

    def _left(self, step: Step, inside: _Part | None) -> Step:
        """Return the step by which a node is left, once what is inside is over."""
        over = self._step(step.node, step.around)
        over.leaves = step.enters = True
        step.ahead += [over] if inside is None else inside.begins
        for end in inside.ends if inside else ():
            end.ahead.append(over)
        for end in inside.beside if inside else ():
            end.later.append(over)
        return over

    def _step(self, node: Node, around: tuple[Node, ...]) -> Step:
        step = Step(node, around)
        self.steps.append(step)
        return step

    def _inside(self, node: Node, callers: tuple[etree._Element, ...]) -> etree._Element | None:
        if len(self.steps) > MAX_STEPS:
            return None
        if node.kind in SUB_PROCESSES:
            return node.element
        called = self._processes.get(node.element.get("calledElement", "")) if node.kind == "callActivity" else None
        return None if called in callers else called

    @staticmethod
    def _connect(graph: FlowGraph, entered: Mapping[Node, Step], left: Mapping[Node, list[Step]]) -> None:
        first = [node for entry in graph.entries() for node in entry]
        for node in left:
            for step in left[node]:
                step.ahead += [entered[flow.target] for flow in node.outgoing if flow.target in entered]
            if is_join(node) and node.kind == "parallelGateway":
                early = graph.reached(first, without=node)
                sources = [flow.source for flow in node.incoming if flow.source in early]
                entered[node].awaits = tuple(step for source in sources for step in left.get(source, ()))


def _waits(node: Node) -> bool:
    """Tell whether the flow stands at a node until something happens that belongs to it."""
    behind_gateway = any(flow.source.kind == "eventBasedGateway" for flow in node.incoming)
    return node.host is None and not behind_gateway and not is_at_once(node)


def _thrown_in(step: Step) -> list[tuple[str, str | None, Step]]:
    """Return the error or escalation that a step itself throws."""
    thrown = [(kind, code, step) for kind, code in thrown_by(step.node) if kind == "escalation"]
    if step.node.kind == "endEvent" and "error" in step.node.events:
        thrown.append(("error", code_of(step.node, "error"), step))
    return thrown


def _caught(
    catching: Mapping[Node, Step], thrown: list[tuple[str, str | None, Step]]
) -> Iterator[tuple[str, str | None, Step]]:
    """Lead errors and escalations to the events that catch them; return the others."""
    for kind, code, end in thrown:
        fit = [event for event in catching if hears(event, kind, (code,))]
        end.ahead += [catching[event] for event in fit]
        if not any(catches(event, kind, code) for event in fit if code is not None):
            yield kind, code, end


def _happens(event: Node, step: Step, meanwhile: list[Step]) -> None:
    """Let an event from outside, or of a signal or message, happen wherever the flow waits meanwhile."""
    if event.events and not set(event.events) - set(_FROM_INSIDE):
        return
    for each in meanwhile:
        cancels = "cancel" in event.events and "cancel" in each.node.events
        if each.waits or cancels or is_called(event, thrown_by(each.node)):
            each.ahead.append(step)


def _passes(before: Step, step: Step, barred_flow: Callable[[Flow], bool]) -> bool:
    """Tell whether every flow between two steps is barred."""
    flows = [flow for flow in before.node.outgoing if flow.target is step.node and before.around == step.around]
    if step.leaves or before.enters:
        return False
    return bool(flows) and all(barred_flow(flow) for flow in flows)
