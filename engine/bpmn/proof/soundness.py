"""Prove that a process can neither hang, nor do a step twice, nor leave work over; else show how it comes to that.

The token game of each process and sub-process is explored by itself; a sub-process or call is one step there, with the
outcomes its own exploration has found. Of things that cannot disturb each other one order only is looked at (stubborn
sets): what can hang, hangs in that order too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from lxml import etree

from engine.bpmn.proof.feasibility import Feasibility, Sources
from engine.bpmn.proof.flow_graph import SCOPES, FlowGraph, Node
from engine.bpmn.proof.gateway_gaps import Gap
from engine.bpmn.proof.token_game import (
    Cluster,
    Layers,
    Net,
    Option,
    Outcomes,
    bits,
    catches,
    hears,
    is_at_once,
    is_called,
    thrown_by,
    trigger_of,
)

#: markings looked at in one scope before the answer is "not proved"
MAX_MARKINGS = 8_000

#: (marking, what is known of the data)
State = tuple[int, tuple]


@dataclass(frozen=True)
class Flaw:
    """One way in which a process goes wrong."""

    #: deadlock, lack-of-sync, unbounded, livelock, dead-activity, improper-completion, terminate-kills-parallel-branch,
    #: or-join-circle, gateway-gap, default-flow-missing or soundness-inconclusive
    rule: str
    #: where it goes wrong; None for the scope as a whole
    node: Node | None
    #: the process or sub-process
    scope: etree._Element
    #: ids of the nodes and flows passed, from the start of the process that is drawn in the same diagram
    path: tuple[str, ...] = ()
    #: other nodes concerned: what is missing at a join, what is called off, what calls off before its turn comes
    others: tuple[Node, ...] = ()
    #: the data that lead there
    gap: Gap | None = None
    #: on the way to it, in its process or sub-process, the flow stands until something happens
    waits: bool = False


@dataclass
class Proof:
    """What exploring one process has shown."""

    flaws: list[Flaw]
    outcomes: Outcomes
    #: markings looked at, sub-processes included
    markings: int

    @property
    def is_sound(self) -> bool:
        return not self.flaws


class Prover:
    """Proves processes that call each other, each once."""

    def __init__(
        self,
        processes: Mapping[str, etree._Element],
        sources: Mapping[etree._Element, Sources] | None = None,
        limit: int = MAX_MARKINGS,
    ) -> None:
        #: process id → process, of all diagrams of a package
        self._processes = processes
        #: root of a diagram → where its values come from
        self._sources = sources or {}
        self._limit = limit
        self._proofs: dict[etree._Element, Proof] = {}
        self._under_way: set[etree._Element] = set()

    def prove(self, scope: etree._Element, around: Layers = ()) -> Proof:
        """Explore a process or sub-process and all that it needs.

        :param around: what hears of what is thrown in a sub-process and leaves it
        """
        known = self._proofs.get(scope)
        if known is None:
            self._under_way.add(scope)
            known = self._proofs[scope] = self._explored(FlowGraph(scope), around)
            self._under_way.discard(scope)
        return known

    def _explored(self, graph: FlowGraph, around: Layers) -> Proof:
        handlers = [node for node in graph.inner if node.is_event_sub_process]
        starts = tuple(start for node in handlers if (start := trigger_of(node)) is not None)
        layers = (starts, *around) if starts else around
        inner = {
            # What leaves an event sub-process is not heard by those beside it.
            node: self.prove(node.element, around if node in handlers else _with_boundary(node, layers))
            for node in graph.inner
            if node.kind != "adHocSubProcess"
        }
        outcomes = {node: proof.outcomes for node, proof in inner.items() if not node.is_event_sub_process}
        for node in graph.nodes:
            if node.kind == "callActivity":
                outcomes[node] = self._called(node)
        explored = self._told_apart(Net(graph, outcomes, layers))
        flaws = list(explored.flaws())
        dead = self._handle(explored, {node: inner[node].outcomes for node in handlers})
        never = {flaw.node for flaw in dead}
        for node in inner:
            if node not in never:
                flaws += explored.seen_inside(node, inner[node].flaws)
        flaws += dead
        return Proof(flaws, explored.outcomes(), explored.size + sum(proof.markings for proof in inner.values()))

    @staticmethod
    def _handle(explored: Exploration, handlers: Mapping[Node, Outcomes]) -> list[Flaw]:
        """Let the event sub-processes of a scope catch what it throws; return those that nothing ever begins."""
        dead: list[Flaw] = []
        if not handlers:
            return dead
        thrown = {"error": explored.errors, "escalation": explored.escalations()}
        broadcasts = explored.broadcasts()
        waits = explored.outcomes().waits
        for node, known in handlers.items():
            trigger = trigger_of(node)
            kind = next((kind for kind in thrown if trigger is not None and kind in trigger.events), "")
            happens = trigger is None or (hears(trigger, kind, thrown[kind]) if kind else waits)
            if happens or is_called(trigger, broadcasts):
                explored.handlers.append((trigger, known))
            else:
                dead.append(Flaw("dead-activity", node, explored.net.graph.scope))
        return dead

    def _told_apart(self, net: Net) -> Exploration:
        """Explore with every answer free; where that goes wrong, once more without the answers that cannot be."""
        explored = Exploration(net, self._limit)
        explored.run()
        sources = self._sources.get(net.graph.scope.getroottree().getroot())
        if sources is None:
            return explored
        feasibility = Feasibility(net.graph, sources)
        explored.suspects = [node for node in net.graph.nodes if feasibility.gap(node)]
        explored.data = feasibility
        if not (explored.suspects or any(explored.flaws())) or not feasibility.knows_anything:
            return explored
        closer = Exploration(net, self._limit, feasibility, suspects=explored.suspects, data=feasibility)
        closer.run()
        return closer if closer.complete else explored

    def _called(self, node: Node) -> Outcomes:
        process = self._processes.get(node.element.get("calledElement", "").rpartition(":")[2])
        if process is None or process in self._under_way:
            return Outcomes(errors=frozenset([None]), escalations=frozenset([None]))
        return self.prove(process).outcomes


def _with_boundary(node: Node, layers: Layers) -> Layers:
    return (tuple(node.attached), *layers) if node.attached else layers


@dataclass(eq=False)
class Exploration:
    """The markings of one net that can be reached, and how."""

    net: Net
    limit: int
    #: None: every answer of a gateway is possible
    feasibility: Feasibility | None = None
    #: state → how it was first reached: (state before, what happened), None for a beginning
    origin: dict[State, tuple[State | None, Option]] = field(default_factory=dict)
    #: state → what follows it
    after: dict[State, list[State]] = field(default_factory=dict)
    #: nodes passed, and the state before the first time
    passed: dict[Node, State | None] = field(default_factory=dict)
    #: states in which all is over
    over: set[State] = field(default_factory=set)
    #: states in which nothing can happen though something is left
    dead: list[State] = field(default_factory=list)
    #: a second token where one lies: (state before, what happened, places)
    twice: list[tuple[State | None, Option, int]] = field(default_factory=list)
    #: an end that calls off what is open: (state before, what happened, places)
    killed: list[tuple[State, Option, int]] = field(default_factory=list)
    errors: frozenset[str | None] = frozenset()
    cancels: bool = False
    complete: bool = True
    #: the event sub-processes that may begin: their start, and what may become of them
    handlers: list[tuple[Node | None, Outcomes]] = field(default_factory=list)
    #: gateways that may have no way out
    suspects: list[Node] = field(default_factory=list)
    #: what is known of the data though every answer is tried
    data: Feasibility | None = None

    def __post_init__(self) -> None:
        self._ahead: deque[State] = deque()
        self._closures: dict[tuple[int, int], bool] = {}
        self._alone = not (self.net.kills or self.net.inclusive)
        self._at_once = sum({c.take for c in self.net.clusters if c.at_once and c.take.bit_count() == 1})
        self._on_joins = sum(self.net.on.values())
        self._joins = [c for c in self.net.clusters if c.take.bit_count() > 1 or c.reach]

    @property
    def size(self) -> int:
        return len(self.origin)

    def run(self) -> None:
        """Explore until nothing is new or the limit is reached."""
        for option in self.net.begins():
            known = self.feasibility.after(option, ()) if self.feasibility else ()
            self._arrive(None, option, (option.gain, known or ()), option.twice)
        while self._ahead:
            if len(self.origin) > self.limit:
                self.complete = False
                return
            self._expand(self._ahead.popleft())

    # Exploring.

    def _expand(self, state: State) -> None:
        marking = state[0]
        after = self.after[state] = []
        opened = self._open(marking)
        if not opened:
            left = marking & self.net.live
            if left and not left & self.net.stuck:
                self.dead.append(state)
            else:
                self.over.add(state)
            return
        first = self._stubborn(marking, opened)
        if first is not None:
            if self._fire(state, first, after):
                return
            # Nothing new came of it: what was put off must not be put off for ever.
            opened = [cluster for cluster in opened if cluster is not first]
        for cluster in opened:
            self._fire(state, cluster, after)

    def _open(self, marking: int) -> list[Cluster]:
        """Return the clusters that may act: the engine's own first, and only then all others."""
        opened = self._driven(marking)
        if not opened:
            waiting = (self.net.of_place.get(place) for place in bits(marking & self.net.live))
            opened = [cluster for cluster in waiting if cluster is not None and not cluster.at_once and cluster.options]
        return sorted(opened, key=_rank) if len(opened) > 1 else opened

    def _driven(self, marking: int) -> list[Cluster]:
        """Return the clusters that the engine lets act by itself; none where the flow stands and waits."""
        at_once = (self.net.of_place[place] for place in bits(marking & self._at_once))
        opened = [cluster for cluster in at_once if cluster.options]
        return opened + [join for join in self._joins if join.take & marking and join.is_open(marking)]

    def _stubborn(self, marking: int, opened: list[Cluster]) -> Cluster | None:
        """Return a cluster that nothing else can disturb, nor it anything else; None when there is none."""
        if len(opened) == 1:
            return None
        if self._alone:
            return opened[0]
        for cluster in opened:
            if not cluster.reach and self._is_apart(marking, cluster):
                return cluster
        return None

    def _is_apart(self, marking: int, cluster: Cluster) -> bool:
        """Tell whether the cluster and all else can go on, each by itself, without the one calling off the other.

        Nor may either come to an inclusive gateway: it looks at all tokens.
        """
        own = cluster.take & marking
        rest = marking & self.net.live & ~own
        return not self._disturbs(rest, own) and not self._disturbs(own, rest)

    def _disturbs(self, moving: int, still: int) -> bool:
        """Tell whether tokens, with others standing still, may reach an inclusive gateway or an end that kills."""
        # A join may open with what already lies there.
        lying = still & self._on_joins
        key = (moving, still if self.net.inclusive else lying)
        if key not in self._closures:
            self._closures[key] = self._may_disturb(moving, still, lying)
        return self._closures[key]

    def _may_disturb(self, moving: int, still: int, lying: int) -> bool:
        reached, found = moving, False
        ahead = list(bits(moving))
        tried: set[Cluster] = set()
        while ahead and not found:
            cluster = self.net.of_place.get(ahead.pop())
            if cluster is None or cluster in tried or (not cluster.reach and not cluster.is_open(reached | lying)):
                continue
            tried.add(cluster)
            if cluster.reach:
                found = not cluster.awaits(still, reached | still)
                continue
            for option in cluster.options:
                found = found or bool(option.kills)
                gained = option.gain & self.net.live & ~reached
                reached |= gained
                ahead.extend(bits(gained))
        return found

    def _fire(self, state: State, cluster: Cluster, after: list[State]) -> bool:
        """Let everything happen that a cluster may do; return whether it led to a state not seen before."""
        marking, before = state
        new = False
        for option in cluster.options:
            if marking & option.after or (option.beside and not marking & option.beside):
                continue
            rest = cluster.rest(marking, option)
            known = self.feasibility.after(option, before) if self.feasibility else before
            if known is None:
                continue
            if option.kills:
                new |= self._kill(state, option, rest & self.net.live, after)
                continue
            reached = (rest | option.gain, known)
            new |= self._arrive(state, option, reached, option.twice | (rest & option.gain))
            after.append(reached)
        return new

    def _arrive(self, before: State | None, option: Option, state: State, twice: int) -> bool:
        for node in option.nodes:
            self.passed.setdefault(node, before)
        if twice:
            self.twice.append((before, option, twice))
            return False
        if state in self.origin:
            return False
        self.origin[state] = (before, option)
        self._ahead.append(state)
        return True

    def _kill(self, state: State, option: Option, left: int, after: list[State]) -> bool:
        for node in option.nodes:
            self.passed.setdefault(node, state)
        if left:
            self.killed.append((state, option, left))
        if option.kills == "error":
            self.errors |= {option.code}
        self.cancels = self.cancels or option.kills == "cancel"
        end = (0, ())
        after.append(end)
        self.over.add(end)
        self.after.setdefault(end, [])
        if end in self.origin:
            return False
        self.origin[end] = (state, option)
        return True

    # What it shows.

    def outcomes(self) -> Outcomes:
        """Return what may become of the scope."""
        ends = any(state[0] & self.net.ends for state in self.over)
        ended = any(self._origin(state).kills == "terminate" for state in self.over)
        completes = ends or ended or bool(self.twice) or not self.complete or not self.net.graph.nodes
        handled = [known for _, known in self.handlers]
        completes = completes or any(known.completes for start, known in self.handlers if start and start.interrupts)
        graph, known = self.net.graph, self.net.outcomes
        waiting = {
            node
            for node in graph.nodes
            if node.host is not None
            or not (known.get(node, Outcomes()).at_once if node.kind in SCOPES else is_at_once(node))
        }
        quick = set()
        ahead = [start for entry in graph.entries() for start in entry]
        while ahead:
            node = ahead.pop()
            if node not in quick and node not in waiting:
                quick.add(node)
                ahead.extend(flow.target for flow in node.outgoing if node not in self.net.calling_off)
        at_once = any(not node.outgoing or node in self.net.calling_off for node in quick)
        waits = any(node in self.passed for node in waiting) or any(known[n].waits for n in known if n in self.passed)
        waits = waits or any(known.waits for known in handled)
        errors = self._uncaught("error", self.errors).union(*(known.errors for known in handled))
        escalations = self._uncaught("escalation", self.escalations())
        escalations = escalations.union(*(known.escalations for known in handled))
        broadcasts = self.broadcasts().union(*(known.broadcasts for known in handled))
        places = {code: node for code, node in self._thrown_once() if code in escalations}
        once = frozenset(places)
        surely = frozenset(code for code in places if not handled and not self._ends_without(places[code]))
        waits = waits or not at_once
        return Outcomes(completes, at_once, waits, errors, escalations, self.cancels, broadcasts, once, surely)

    def _thrown_once(self) -> Iterator[tuple[str, Node]]:
        """Return the escalations that are thrown in one place only, and there only once."""
        places: dict[str | None, list[Node | None]] = {}
        for node in self.passed:
            for kind, code in thrown_by(node):
                if kind == "escalation":
                    places.setdefault(code, []).append(node)
        for known in (*self.net.outcomes.values(), *(known for _, known in self.handlers)):
            for code in known.escalations:
                places.setdefault(code, []).append(None)
        for code, nodes in places.items():
            node = nodes[0] if len(nodes) == 1 and None not in places else None
            if code and node is not None and node not in self.net.graph.reached(node.ahead):
                yield code, node

    def _ends_without(self, node: Node) -> bool:
        """Tell whether the scope may complete on a way that spares a node."""
        graph = self.net.graph
        spared = graph.reached((start for entry in graph.entries() for start in entry), without=node)
        return any(not each.outgoing for each in spared)

    def escalations(self) -> frozenset[str | None]:
        """Return the codes of what is thrown in the scope, or in one inside it whose boundary does not catch it."""
        thrown = {code for node in self.passed for kind, code in thrown_by(node) if kind == "escalation"}
        for node, known in self.net.outcomes.items():
            for code in known.escalations if self._is_reached(node) else ():
                if not any(catches(event, "escalation", code) for event in node.attached):
                    thrown.add(code)
        return frozenset(thrown)

    def broadcasts(self) -> frozenset[tuple[str, str | None]]:
        """Return kind and name of the signals and messages that are thrown in the scope or inside it."""
        thrown = {each for node in self.passed for each in thrown_by(node) if each[0] != "escalation"}
        reached = (known.broadcasts for node, known in self.net.outcomes.items() if self._is_reached(node))
        return frozenset(thrown.union(*reached))

    def _uncaught(self, kind: str, thrown: frozenset[str | None]) -> frozenset[str | None]:
        starts = [start for start, _ in self.handlers if start is not None]
        return frozenset(code for code in thrown if not any(catches(each, kind, code) for each in starts))

    def _origin(self, state: State) -> Option:
        return self.origin[state][1]

    def seen_inside(self, node: Node, flaws: Iterable[Flaw]) -> Iterator[Flaw]:
        """Return what of the flaws of a sub-process comes to light, with the way to it before the way inside it."""
        way = () if node.is_event_sub_process else self.way_into(node)
        # What is wrong inside does not matter where nothing ever leads to.
        for flaw in flaws if way is not None else ():
            if not flaw.waits or self._rests_in(node):
                path = (*way, node.id, *flaw.path) if flaw.path else ()
                yield replace(flaw, path=path, waits=flaw.waits or self._waits_on(way))

    def _rests_in(self, node: Node) -> bool:
        """Tell whether a sub-process ever stands and waits: nothing that is done at once calls it off before."""
        place = self.net.waiting.get(node, 0)
        if node.is_event_sub_process or not place or not self.complete:
            return True
        return any(state[0] & place and not self._driven(state[0]) for state in self.origin)

    def _waits_on(self, way: Collection[str]) -> bool:
        """Tell whether the flow surely stands somewhere on a way of this scope, until something happens."""
        nodes = (node for node in self.net.graph.nodes if node.id in way and node.host is None)
        return any(
            not self.net.outcomes.get(node, Outcomes()).at_once if node.kind in SCOPES else not is_at_once(node)
            for node in nodes
        )

    def way_into(self, node: Node) -> tuple[str, ...] | None:
        """Return a way on which a sub-process is entered; None when it never is."""
        place = self.net.at.get(node, 0)
        state = next((state for state in self.origin if state[0] & place), None)
        return None if state is None else self._way(state)

    def _way(self, state: State | None, *more: Option) -> tuple[str, ...]:
        steps = [option.path for option in reversed(more)]
        while state is not None:
            state, option = self.origin[state]
            steps.append(option.path)
        return tuple(id for path in reversed(steps) for id in path)

    def flaws(self) -> Iterator[Flaw]:
        """Return what goes wrong, each kind once at each place."""
        said: set[tuple[str, Node | None]] = set()
        for flaw in self._flaws():
            kind = "lack-of-sync" if flaw.rule == "unbounded" else flaw.rule
            if (kind, flaw.node) not in said:
                said.add((kind, flaw.node))
                yield replace(flaw, waits=self._waits_on(flaw.path))

    def _flaws(self) -> Iterator[Flaw]:
        scope = self.net.graph.scope
        found = [*self._two_tokens(), *self._dead_ends()]
        if not self.complete or self.net.undecided:
            node = next(iter(self.net.undecided), None)
            found.append(Flaw("soundness-inconclusive", node, scope))
        else:
            found += self._circles()
            if not found and not any(place & state[0] for state in self.after for place in [self.net.stuck]):
                dead = [node for node in self.net.graph.nodes if self._is_dead(node)]
                found += [Flaw("dead-activity", node, scope, others=self._calling_off_before(node)) for node in dead]
        yield from found
        yield from self._no_way_out()
        yield from self._called_off()

    def _is_dead(self, node: Node) -> bool:
        """Tell whether a node is never passed though what comes before it is: what follows it is dead with it.

        Compensation never comes while its activity runs; it is refused by another rule.
        """
        if "compensate" in node.events:
            return False
        before = [flow.source for flow in node.incoming] + ([node.host] if node.host is not None else [])
        if node.kind == "endEvent" and len(self._calling_off_before(node)) == len(before):
            # Behind a throw there must be something, and nothing comes of it.
            return False
        return not self._is_reached(node) and any(self._is_reached(each) for each in before)

    def _calling_off_before(self, node: Node) -> tuple[Node, ...]:
        """Return what comes right before a node and calls the scope off by what it throws."""
        return tuple(flow.source for flow in node.incoming if flow.source in self.net.calling_off)

    def _is_reached(self, node: Node) -> bool:
        """Tell whether a node is passed; a sub-process or call that never comes back is at least entered."""
        return node in self.passed or (node.kind in SCOPES and self.way_into(node) is not None)

    def _two_tokens(self) -> Iterator[Flaw]:
        for before, option, places in self.twice:
            for place in bits(places & ~sum(self.net.armed.values())):
                node = self.net.places[place]
                rule = "improper-completion" if place & self.net.ends else "lack-of-sync"
                if self._grows(before, option):
                    rule = "unbounded"
                yield Flaw(rule, node, self.net.graph.scope, self._way(before, option))

    def _grows(self, before: State | None, option: Option) -> bool:
        """Tell whether an earlier marking on the way was the same but for fewer tokens: it can go on like that."""
        if before is None or self.net.inclusive:
            return False
        reached = self._after(before[0], option) & self.net.live
        state: State | None = before if option.twice & self.net.live else self.origin[before][0]
        while state is not None:
            lying = state[0] & self.net.live
            if lying and not lying & ~reached:
                return True
            state = self.origin[state][0]
        return False

    def _after(self, marking: int, option: Option) -> int:
        """Return where tokens lie when something has happened."""
        fired = next((each for each in self._open(marking) if any(option is one for one in each.options)), None)
        return (marking if fired is None else fired.rest(marking, option)) | option.gain

    def _dead_ends(self) -> Iterator[Flaw]:
        for state in self.dead:
            waiting = {}
            for place in bits(state[0] & self.net.live):
                cluster = self.net.of_place.get(place)
                if cluster is not None:
                    waiting[cluster.node] = cluster
            circle = [node for node, cluster in waiting.items() if cluster.reach]
            for node in waiting:
                missing = [flow.source for flow in node.incoming if not state[0] & self.net.on.get(flow, 0)]
                if circle and node not in circle:
                    continue
                rule = "or-join-circle" if circle else "deadlock"
                others = [each for each in circle if each is not node] if circle else missing
                yield Flaw(rule, node, self.net.graph.scope, self._way(state), tuple(others))

    def _no_way_out(self) -> Iterator[Flaw]:
        """Return the gateways at which no condition holds with some of the data that may come there."""
        maybe: dict[Node, Flaw] = {}
        for state in self.after if self.suspects else ():
            for node in (cluster.node for cluster in self._open(state[0]) if cluster.node in self.suspects):
                gap = self.data.gap(node, state[1] if self.feasibility else None)
                if gap is None:
                    continue
                flaw = Flaw("gateway-gap", node, self.net.graph.scope, (*self._way(state), node.id), gap=gap)
                if gap.sure:
                    yield flaw
                else:
                    maybe.setdefault(node, replace(flaw, rule="default-flow-missing"))
        yield from maybe.values()

    def _circles(self) -> Iterator[Flaw]:
        """Return the states from which no end can be reached, though something can always happen."""
        before: dict[State, list[State]] = {}
        for state, following in self.after.items():
            for each in following:
                before.setdefault(each, []).append(state)
        # Where nothing follows, no answer is possible: that is said of the gateway.
        ahead = [*(state for state, following in self.after.items() if not following), *self.over]
        ahead += (state for state, _, _ in self.twice if state is not None)
        ending = set(ahead)
        while ahead:
            for state in before.get(ahead.pop(), ()):
                if state not in ending:
                    ending.add(state)
                    ahead.append(state)
        for lost in (state for state in self.origin if state not in ending and state in self.after):
            path, nodes = self._round(lost)
            if self.net.is_called_off_from_outside and any(self._waits(node) for node in nodes):
                # Done again and again until something calls it off.
                continue
            # A person's step says more than a gateway.
            first = min(nodes, key=lambda node: node.kind.endswith("Gateway"), default=None)
            yield Flaw("livelock", first, self.net.graph.scope, self._way(lost) + path, nodes)
            return

    def _waits(self, node: Node) -> bool:
        return self.net.outcomes.get(node, Outcomes()).waits if node.kind in SCOPES else not is_at_once(node)

    def _round(self, state: State) -> tuple[tuple[str, ...], tuple[Node, ...]]:
        """Return one way from a state back into one that was seen, the circle for the eye, and its nodes."""
        steps: list[tuple[State, Option]] = []
        seen: set[State] = set()
        while state not in seen and self.after.get(state):
            seen.add(state)
            following = self.after[state][0]
            steps.append((state, self._step(state, following)))
            state = following
        circle = next((index for index, (before, _) in enumerate(steps) if before == state), 0)
        nodes = (node for _, option in steps[circle:] for node in option.nodes)
        return tuple(id for _, option in steps for id in option.path), tuple(dict.fromkeys(nodes))

    def _step(self, state: State, following: State) -> Option:
        """Return what led from a state to one that follows it."""
        marking = state[0]
        for cluster in self._open(marking):
            for option in cluster.options:
                if not option.kills and (cluster.rest(marking, option) | option.gain) == following[0]:
                    return option
        raise LookupError("the markings do not follow each other")

    def _called_off(self) -> Iterator[Flaw]:
        for state, option, left in self.killed:
            nodes = dict.fromkeys(self.net.places[place] for place in bits(left))
            # Nothing is lost where a branch was about to end.
            nodes = [node for node in nodes if node.kind != "endEvent" or node.events]
            if not nodes:
                continue
            way = self._way(state, option)
            yield Flaw("terminate-kills-parallel-branch", option.nodes[-1], self.net.graph.scope, way, tuple(nodes))


_rank: Callable[[Cluster], int] = lambda cluster: cluster.rank  # noqa: E731
