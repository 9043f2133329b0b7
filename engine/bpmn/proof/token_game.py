"""The token game of one scope, as the engine plays it: where tokens may lie, and what each of them may do next.

A marking is an integer, one bit per place. What the engine does by itself (gateways, connectors, tables) happens before
anybody or anything outside may act. Choices are free: the conditions of flows do not count here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import NamedTuple

from lxml import etree

from engine.bpmn.document import BPMN
from engine.bpmn.proof.flow_graph import SCOPES, Flow, FlowGraph, Node

#: what the engine does at once; everything else waits for a person, a message or the time
_AT_ONCE = frozenset(
    "startEvent endEvent intermediateThrowEvent serviceTask businessRuleTask sendTask scriptTask exclusiveGateway "
    "inclusiveGateway parallelGateway complexGateway".split()
)
_JOINS = ("parallelGateway", "inclusiveGateway")
#: boundary events that something outside makes happen while the activity waits
_FROM_OUTSIDE = {"message", "timer", "signal", "conditional"}
#: ends that call off everything else in their scope
_KILLING = {"terminate", "error", "cancel"}
#: an inclusive gateway with more flows out than this has too many answers to look at
_MOST_ANSWERS = 6


@dataclass(frozen=True)
class Outcomes:
    """What may become of a sub-process or called process, as far as the scope around it can see."""

    completes: bool = True
    #: it may be over without having waited for anybody
    at_once: bool = True
    waits: bool = True
    #: codes of the error ends that nothing inside catches; None where the code is calculated or unknown
    errors: frozenset[str | None] = frozenset()
    #: codes of the escalations that nothing inside catches; None where the code is unknown
    escalations: frozenset[str | None] = frozenset()
    cancels: bool = False
    #: kind and name of the signals and messages that are thrown inside: all around hears them
    broadcasts: frozenset[tuple[str, str]] = frozenset()
    #: codes of the escalations that are thrown once at most, and of those thrown once on every way that completes
    once: frozenset[str] = frozenset()
    surely: frozenset[str] = frozenset()


#: the events that may hear what is thrown in a scope, the innermost first: the starts of its own event sub-processes,
#: the boundary events of the sub-process that it is, then the same of the scope around it
Layers = tuple[tuple[Node, ...], ...]


class Option(NamedTuple):
    """One thing that may happen to the tokens of a cluster."""

    #: places that get a token
    gain: int
    #: places that would get two at once
    twice: int
    #: ids of the nodes and flows passed
    path: tuple[str, ...]
    #: nodes passed
    nodes: tuple[Node, ...]
    #: the flows chosen at an exclusive or inclusive gateway
    flows: tuple[Flow, ...] = ()
    #: terminate, error, cancel, escalation, signal or message: everything else in the scope is called off
    kills: str = ""
    #: of an error: its code, None when it is calculated or unknown
    code: str | None = None
    #: place of a boundary event that happens beside its activity: only this token is taken
    beside: int = 0
    #: places of boundary events that must have happened before: no token may be left there
    after: int = 0


@dataclass(eq=False)
class Cluster:
    """Tokens that act together and what they may do: all that stands in conflict is in one cluster."""

    node: Node
    rank: int
    #: places whose tokens are taken
    take: int
    options: list[Option] = field(default_factory=list)
    #: the engine does it at once
    at_once: bool = True
    #: places of boundary events that cease to wait when the activity is over
    disarm: int = 0
    #: of a parallel gateway: places on flows that come back to it from behind itself; such a token opens it alone
    back: int = 0
    #: of an inclusive gateway: place on a flow that comes in → the places from which that flow can be reached
    reach: dict[int, int] = field(default_factory=dict)
    #: activity → places that stand for the boundary events waiting with it
    beside: dict[int, int] = field(default_factory=dict)

    def rest(self, marking: int, option: Option) -> int:
        """Return the tokens that stay where they are when one thing happens."""
        return marking & ~(option.beside or self.take | self.disarm)

    def is_open(self, marking: int) -> bool:
        """Tell whether the tokens that lie in the marking may act."""
        if self.reach:
            return bool(self.take & marking) and not self.awaits(marking, marking)
        missing = self.take & ~marking
        if not missing:
            return True
        arrived = self.take & marking
        return bool(arrived & self.back) or bool(arrived and not missing & ~self.back)

    def awaits(self, tokens: int, marking: int) -> bool:
        """Tell whether an inclusive gateway waits for one of these tokens (BPMN 13.4.3).

        An activity and each of its boundary events are awaited for themselves, as they may lead different ways.
        """
        empty = full = 0
        for place, sources in self.reach.items():
            if place & marking:
                full |= sources
            else:
                empty |= sources
        for place, events in self.beside.items():
            if place & tokens:
                tokens |= events
        return bool(empty & ~full & tokens)


class Net:
    """The places and clusters of one scope."""

    def __init__(self, graph: FlowGraph, outcomes: dict[Node, Outcomes], around: Layers = ()) -> None:
        self.graph = graph
        self.outcomes = outcomes
        #: what hears of what is thrown here
        self._around = around
        #: what throws something that calls the scope off
        self.calling_off: set[Node] = set()
        self._rank = graph.ranks()
        self._next = 1
        #: place → what it stands for
        self.places: dict[int, Node | Flow] = {}
        self.at: dict[Node, int] = {}
        self.on: dict[Flow, int] = {}
        self.waiting: dict[Node, int] = {}
        self.armed: dict[Node, int] = {}
        #: a boundary event that calls off its activity → what stands for it where tokens are awaited; never a token
        self.watched: dict[Node, int] = {}
        self.ended: dict[Node, int] = {}
        #: nodes that nothing here can decide
        self.undecided: list[Node] = []
        #: sub-processes and calls that never come back
        self.stuck = 0
        self._lay_places()
        #: tokens that still have something to do
        self.live = sum({*self.at.values(), *self.on.values(), *self.waiting.values()})
        self.ends = sum(self.ended.values())
        self.clusters: list[Cluster] = [cluster for node in graph.nodes for cluster in self._clusters(node)]
        self.of_place = {
            place: cluster for cluster in self.clusters for place in bits(cluster.take) if place in self.places
        }
        self.kills = any(option.kills for cluster in self.clusters for option in cluster.options)
        self.inclusive = [cluster for cluster in self.clusters if cluster.reach]

    @property
    def is_called_off_from_outside(self) -> bool:
        """Tell whether something outside may call the scope off while it waits."""
        return any(
            event.interrupts and _FROM_OUTSIDE.intersection(event.events) for layer in self._around for event in layer
        )

    def begins(self) -> list[Option]:
        """Return the ways in which the scope may begin."""
        found = []
        for entry in self.graph.entries():
            if len(entry) == 1 and entry[0].is_start:
                found.append(self._leave(entry[0]))
            else:
                places = [place for node in entry for place in self._entering(node)]
                found.append(self._option((), (), places))
        return found

    # Places.

    def _place(self, owner: Node | Flow) -> int:
        place, self._next = self._next, self._next << 1
        self.places[place] = owner
        return place

    def _lay_places(self) -> None:
        for node in self.graph.nodes:
            if is_join(node):
                for flow in node.incoming:
                    self.on[flow] = self._place(node)
            elif node.host is None and not node.is_start:
                self.at[node] = self._place(node)
            if node.kind in SCOPES:
                self.waiting[node] = self._place(node)
            if not node.outgoing and not node.is_event_sub_process:
                self.ended[node] = self._place(node)
            for event in node.attached:
                (self.watched if event.interrupts else self.armed)[event] = self._place(event)

    def _entering(self, node: Node) -> list[int]:
        """Return the places that get a token when a node is entered."""
        places = (self.at.get(node, 0), *(self.armed.get(event, 0) for event in node.attached))
        return [place for place in places if place]

    def _deliver(self, flow: Flow) -> list[int]:
        """Return the places that get a token when one passes the flow."""
        return [self.on[flow]] if flow in self.on else self._entering(flow.target)

    # Clusters.

    def _clusters(self, node: Node) -> Iterator[Cluster]:
        rank = self._rank[node]
        if node.host is not None or node.is_start or node.is_event_sub_process:
            return
        if is_join(node):
            yield self._join(node, rank)
        elif node.kind == "eventBasedGateway":
            options = [self._event(flow) for flow in node.outgoing]
            yield Cluster(node, rank, self.at[node], options, at_once=False)
        elif node.kind in SCOPES:
            yield from self._scope(node, rank)
        else:
            if node.kind == "complexGateway":
                self.undecided.append(node)
            at_once = is_at_once(node)
            yield self._activity(node, rank, self.at[node], self._leaving(node), at_once)

    def _join(self, node: Node, rank: int) -> Cluster:
        take = sum(self.on[flow] for flow in node.incoming)
        cluster = Cluster(node, rank, take, self._leaving(node))
        if node.kind == "inclusiveGateway":
            cluster.reach = {self.on[flow]: self._reaching(flow.source, node) for flow in node.incoming}
            for event, place in self.watched.items():
                for activity in (self.at.get(event.host, 0), self.waiting.get(event.host, 0)):
                    cluster.beside[activity] = cluster.beside.get(activity, 0) | place
        else:
            early = self.graph.reached((start for entry in self.graph.entries() for start in entry), without=node)
            cluster.back = sum(self.on[flow] for flow in node.incoming if flow.source not in early)
        return cluster

    def _reaching(self, source: Node, without: Node) -> int:
        """Return the places from which a node can be reached on ways that spare ``without``."""
        found: set[Node] = set()
        ahead = [source]
        while ahead:
            node = ahead.pop()
            if node not in found and node is not without:
                found.add(node)
                ahead.extend(flow.source for flow in (node.host or node).incoming)
        mask = 0
        for node in found:
            mask |= self.at.get(node, 0) | self.waiting.get(node, 0)
            mask |= self.armed.get(node, 0) | self.watched.get(node, 0)
            mask |= sum(self.on.get(flow, 0) for flow in node.incoming)
        return mask

    def _scope(self, node: Node, rank: int) -> Iterator[Cluster]:
        """A sub-process or call: over at once, or after a wait in which its boundary events may happen."""
        known = self.outcomes.get(node, Outcomes())
        if may_be_skipped(node):
            known = replace(known, completes=True, at_once=True)
        over = [*self._errors(node, known), *self._passed_on(node, known)]
        done = self._leaving(node) if known.completes else []
        heard = [event for event in node.attached if hears(event, "escalation", known.escalations)]
        heard += [event for event in node.attached if event not in heard and is_called(event, known.broadcasts)]
        entered = self.at[node]
        sure = sum(self.armed[event] for event in heard if self._surely_happens(event))
        first = Cluster(node, rank, entered, self._escalated(over, done, heard, sure) if known.at_once else [])
        first.disarm = self._armed_on(node)
        yield first
        if known.waits:
            # The boundary events stay armed: only what is over disarms them.
            first.options.append(self._option((), (), [self.waiting[node]], keeps=first.disarm))
            over += [option._replace(after=sure) for option in done] if sure else done
            yield self._activity(node, rank, self.waiting[node], over, at_once=False, heard=heard)
        if not (over or done) and not any(event.interrupts for event in heard):
            self.stuck |= self.waiting[node] | entered

    def _escalated(self, over: list[Option], done: list[Option], heard: list[Node], sure: int) -> list[Option]:
        """Return what may come of a scope that is over at once, its escalations included."""
        options = over if sure else [*over, *done]
        for event in heard:
            after = self._leaving(event)
            together = [_both(one, other) for one in (*over, *done) for other in after]
            options = [*options, *(after if event.interrupts else together)]
        return options

    def _surely_happens(self, event: Node) -> bool:
        """Tell whether an event beside a scope happens once, whenever the scope completes."""
        known = self.outcomes.get(event.host, Outcomes())
        codes = {code for code in known.surely if catches(event, "escalation", code)}
        others = [each for each in event.host.attached if each is not event and hears(each, "escalation", codes)]
        return bool(codes) and not (event.interrupts or others) and self._happens_once(event)

    def _happens_once(self, event: Node) -> bool:
        """Tell whether what an event hears is thrown once at most."""
        known = self.outcomes.get(event.host, Outcomes())
        codes = {code for code in known.escalations if hears(event, "escalation", (code,))}
        once = event.events == ("escalation",) and len(codes) == 1 and codes <= known.once
        return once and not is_repeated(event.host)

    def _activity(
        self, node: Node, rank: int, place: int, over: list[Option], at_once: bool, heard: Sequence[Node] = ()
    ) -> Cluster:
        cluster = Cluster(node, rank, place, list(over), at_once, self._armed_on(node))
        if at_once:
            return cluster
        for event in node.attached:
            if _FROM_OUTSIDE.intersection(event.events) or event in heard:
                place = self.armed.get(event, 0)
                again = place if self._mixes(event) else 0
                for option in self._leaving(event):
                    cluster.options.append(option._replace(beside=place, gain=option.gain | again))
        return cluster

    def _mixes(self, event: Node) -> bool:
        """Tell whether it matters that an event beside an activity may happen again and again.

        Each time is an affair of its own, and one of them stands for all; only an inclusive gateway behind it looks at
        all tokens, and brings together what belongs to one time and to another.
        """
        if event not in self.armed or "timer" in event.events or self._happens_once(event):
            return False
        return any(is_join(node) and node.kind == "inclusiveGateway" for node in self.graph.reached([event]))

    def _armed_on(self, node: Node) -> int:
        return sum(self.armed.get(event, 0) for event in node.attached)

    def _errors(self, node: Node, known: Outcomes) -> Iterator[Option]:
        catching = [event for event in node.attached if "error" in event.events]
        for code in sorted(known.errors, key=str):
            caught = False
            for event in catching:
                if hears(event, "error", (code,)):
                    yield from self._leaving(event)
                caught = caught or catches(event, "error", code)
            if not caught:
                yield _killing(node, "error", code)
        if known.cancels:
            for event in node.attached:
                if "cancel" in event.events:
                    yield from self._leaving(event)

    def _passed_on(self, node: Node, known: Outcomes) -> Iterator[Option]:
        """Return how what is thrown inside a sub-process or call calls off this scope around it."""
        for code in known.escalations:
            caught = any(catches(event, "escalation", code) for event in node.attached)
            if not caught and _calls_off(self._around, "escalation", code):
                yield _killing(node, "escalation")
                break
        for kind, name in known.broadcasts:
            if _calls_off(self._around, kind, name):
                yield _killing(node, kind)

    # What follows a node.

    def _leaving(self, node: Node) -> list[Option]:
        """Return what may follow when a node is left."""
        for kind in _KILLING.intersection(node.events) if node.kind == "endEvent" else ():
            return [_killing(node, kind, code_of(node, "error") if kind == "error" else None)]
        for kind, said in thrown_by(node) if self._around else ():
            if _calls_off(self._around, kind, said):
                self.calling_off.add(node)
                return [_killing(node, kind)]
        if len(node.outgoing) < 2:
            return [self._leave(node)]
        if node.kind in ("exclusiveGateway", "complexGateway"):
            return [self._leave(node, [flow]) for flow in node.outgoing]
        if node.kind == "inclusiveGateway" or any(flow.condition for flow in node.outgoing):
            return [self._leave(node, chosen) for chosen in self._answers(node)]
        return [self._leave(node)]

    def _answers(self, node: Node) -> Iterator[list[Flow]]:
        always = [f for f in node.outgoing if not f.condition and not f.default and node.kind != "inclusiveGateway"]
        free = [flow for flow in node.outgoing if flow not in always and not flow.default]
        if len(free) > _MOST_ANSWERS:
            self.undecided.append(node)
            free = free[:_MOST_ANSWERS]
        for count in range(1, len(free) + 1):
            for chosen in combinations(free, count):
                yield [*always, *chosen]
        default = [flow for flow in node.outgoing if flow.default]
        if default or always:
            yield [*always, *default]

    def _leave(self, node: Node, flows: list[Flow] | None = None) -> Option:
        chosen = node.outgoing if flows is None else flows
        places = [place for flow in chosen for place in self._deliver(flow)]
        if not node.outgoing:
            places.append(self.ended[node])
        named = [node.id, *(flow.id for flow in chosen)]
        return self._option(tuple(filter(None, named)), (node,), places, flows=tuple(flows or ()))

    def _event(self, flow: Flow) -> Option:
        """Return what follows when the event behind an event gateway is the first to happen."""
        gateway, event = flow.source, flow.target
        after = self._leave(event)
        path = tuple(filter(None, (gateway.id, flow.id))) + after.path
        return after._replace(path=path, nodes=(gateway, event), flows=())

    @staticmethod
    def _option(
        path: tuple[str, ...],
        nodes: tuple[Node, ...],
        places: Iterable[int],
        keeps: int = 0,
        flows: tuple[Flow, ...] = (),
    ) -> Option:
        gain = twice = 0
        for place in places:
            twice |= gain & place
            gain |= place
        return Option(gain | keeps, twice, path, nodes, flows=flows)


def _killing(node: Node, kind: str, code: str | None = None) -> Option:
    return Option(0, 0, (node.id,) if node.id else (), (node,), kills=kind, code=code)


def _calls_off(around: Layers, kind: str, said: str | None) -> bool:
    """Tell whether what is thrown surely calls off the scope it is thrown in: the engine does so at once.

    An escalation is caught by the innermost that hears it, a signal or message by all.
    """
    for layer in around:
        if kind != "escalation":
            if any(event.interrupts and len(event.events) == 1 and is_called(event, [(kind, said)]) for event in layer):
                return True
            continue
        hearing = [event for event in layer if hears(event, kind, (said,))]
        # One that names the code goes before one that catches any.
        named = [event for event in hearing if said is not None and code_of(event, kind) == said]
        if hearing:
            return all(event.interrupts for event in named or hearing) and any(catches(e, kind, said) for e in hearing)
    return False


def _both(one: Option, other: Option) -> Option:
    """Return two things that happen together."""
    twice = one.twice | other.twice | (one.gain & other.gain)
    return one._replace(
        gain=one.gain | other.gain, twice=twice, path=one.path + other.path, nodes=one.nodes + other.nodes
    )


def is_at_once(node: Node) -> bool:
    """Tell whether the engine passes a node without waiting for anybody; sub-processes and calls are not asked."""
    plain_catch = node.kind == "intermediateCatchEvent" and (not node.events or "link" in node.events)
    return node.kind in _AT_ONCE or plain_catch


def is_repeated(node: Node) -> bool:
    """Tell whether an activity is done several times, side by side or one after the other."""
    loops = ("multiInstanceLoopCharacteristics", "standardLoopCharacteristics")
    return any(node.element.find(f"{{{BPMN}}}{loop}") is not None for loop in loops)


def may_be_skipped(node: Node) -> bool:
    """Tell whether an activity that is repeated may be repeated not even once: over an empty list, say."""
    loop = node.element.find(f"{{{BPMN}}}standardLoopCharacteristics")
    if loop is not None:
        return loop.get("testBefore", "false").strip() in ("true", "1")
    several = node.element.find(f"{{{BPMN}}}multiInstanceLoopCharacteristics")
    if several is None:
        return False
    count = several.findtext(f"{{{BPMN}}}loopCardinality", "").strip().removeprefix("=")
    return not count.isdecimal() or int(count) == 0


def is_join(node: Node) -> bool:
    """Tell whether a node brings several flows together."""
    return node.kind in _JOINS and len(node.incoming) > 1


def trigger_of(event_sub_process: Node) -> Node | None:
    """Return the start event of an event sub-process."""
    return next(iter(FlowGraph(event_sub_process.element).starts), None)


def code_of(event: Node, kind: str) -> str | None:
    """Return the code that an error or escalation event names; None for any, or one that is calculated."""
    reference, declared = _meant(event, kind)
    if declared is not None:
        code = declared.get(f"{kind}Code") or (reference if kind == "escalation" else None)
        return None if code is not None and code.startswith("=") else code
    return reference if reference and kind == "escalation" else None


def hears(event: Node, kind: str, thrown: Iterable[str | None]) -> bool:
    """Tell whether an event may be meant by one of the errors or escalations that are thrown."""
    wanted = code_of(event, kind)
    return kind in event.events and any(wanted is None or code is None or wanted == code for code in thrown)


def catches(event: Node, kind: str, code: str | None) -> bool:
    """Tell whether an event surely catches an error or escalation of that code."""
    return kind in event.events and code_of(event, kind) in (None, code)


def thrown_by(node: Node) -> Iterator[tuple[str, str | None]]:
    """Return kind and code or name of the escalations, signals and messages that a node throws."""
    if node.kind == "sendTask":
        yield "message", name_of(node, "message")
    elif node.kind in ("endEvent", "intermediateThrowEvent"):
        for kind in node.events:
            if kind == "escalation":
                yield kind, code_of(node, kind)
            elif kind in ("signal", "message"):
                yield kind, name_of(node, kind)


def is_called(event: Node, thrown: Iterable[tuple[str, str | None]]) -> bool:
    """Tell whether an event is meant by one of the signals and messages that are thrown."""
    return any(kind in event.events and name and name_of(event, kind) == name for kind, name in thrown)


def name_of(node: Node, kind: str) -> str:
    """Return the name of the signal or message that an element throws or waits for; "" when it names none."""
    reference, declared = _meant(node, kind)
    return (declared.get("name") if declared is not None else None) or reference


def _meant(node: Node, kind: str) -> tuple[str, etree._Element | None]:
    """Return what an event, or a task, refers to: the reference, "" for none, and what is declared under it."""
    definition = node.definition(kind)
    reference = (node.element if definition is None else definition).get(f"{kind}Ref", "").rpartition(":")[2]
    declared = node.element.getroottree().getroot().iterchildren(f"{{*}}{kind}") if reference else ()
    return reference, next((each for each in declared if each.get("id") == reference), None)


def bits(marking: int) -> Iterator[int]:
    """Yield the places of a marking one by one."""
    while marking:
        place = marking & -marking
        yield place
        marking ^= place
