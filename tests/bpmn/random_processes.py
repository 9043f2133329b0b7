"""Random processes: nested blocks that are mostly sound, some of them spoiled by moving flows and changing gateways."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from engine.bpmn.package import Package
from tests.bpmn.diagrams import flows, package, process

GATEWAYS = {"xor": "exclusiveGateway", "and": "parallelGateway", "or": "inclusiveGateway"}
BOTH_WAYS = ("xor", "or", "chooser")
#: starts of event sub-processes: one that calls off all around it, one that happens beside it
BEGINS = {"instead": "", "besides": ' isInterrupting="false"'}
#: the same for what their scope throws
ANSWERS = ("rescue", "answer", "answer_beside")
INSTEAD = ("instead", "rescue", "answer")
BESIDE = ("besides", "answer_beside")
#: boundary events of what a sub-process throws
FROM_INSIDE = ("caught", "heard", "heard_beside")
NEVER_TARGETS = (
    *("start", "interrupt", "beside", "caught", "heard", "heard_beside"),
    *("handler", *BEGINS, *ANSWERS, "link_in"),
)


@dataclass
class Scope:
    """A process or sub-process under construction."""

    #: id → (kind, what it hangs on or interrupts)
    nodes: dict[str, tuple[str, str]] = field(default_factory=dict)
    flows: list[tuple[str, str]] = field(default_factory=list)
    #: pairs of link events
    links: list[tuple[str, str]] = field(default_factory=list)
    inner: dict[str, Scope] = field(default_factory=dict)


@dataclass
class RandomProcess:
    """A random process; ``nodes`` counts those of its sub-processes too."""

    seed: int
    most: int = 30
    #: sub-processes throw escalations, and most of their boundaries hear them
    escalates: bool = False
    #: event sub-processes, links, instances of sub-processes, receive tasks behind event gateways, tasks that choose
    varied: bool = False

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.left = self.random.randint(3, self.most)
        self.count = 0
        self.spoils = self.random.choice((0, 0, 1, 1, 2, 3))
        self.with_or = self.random.random() < 0.4
        self.with_ends = self.random.random() < 0.4
        self.main = self._scope()
        #: gateway → ids of its flows in the order in which they are tried
        self.choices: dict[str, list[str]] = {}
        self.package: Package = package(process(*self._written(self.main), declared=self._declared()))

    @property
    def inside(self) -> dict[str, set[str]]:
        """Sub-process → everything inside it."""
        found: dict[str, set[str]] = {}

        def look(scope: Scope) -> set[str]:
            every = set(scope.nodes)
            for id, inner in scope.inner.items():
                found[id] = look(inner)
                every |= found[id]
            return every

        look(self.main)
        return found

    @property
    def hosts(self) -> dict[str, str]:
        """Event that catches an error or hears an escalation → the sub-process it comes out of."""
        scopes = [self.main]
        found = {}
        for scope in scopes:
            found |= {id: host for id, (kind, host) in scope.nodes.items() if kind in FROM_INSIDE}
            scopes.extend(scope.inner.values())
        return found

    @property
    def unfollowed(self) -> set[str]:
        """What is inside event sub-processes that a throw begins: no way leads there that could be followed."""
        scopes = [self.main]
        found: set[str] = set()
        for scope in scopes:
            for id, inner in scope.inner.items():
                if any(kind in ANSWERS for kind, _ in inner.nodes.values()):
                    found |= self.inside[id]
            scopes.extend(scope.inner.values())
        return found

    @property
    def repeated(self) -> set[str]:
        """What lies behind an event that may happen beside its task again and again, and what has instances."""
        scopes = [self.main]
        found: set[str] = set()
        for scope in scopes:
            ahead = [id for id, (kind, _) in scope.nodes.items() if kind in ("beside", "heard_beside")]
            found |= {id for id, (kind, more) in scope.nodes.items() if kind == "sub" and more}
            for id, inner in scope.inner.items():
                if any(kind in BESIDE for kind, _ in inner.nodes.values()):
                    found |= {id, *self.inside[id]}
            seen: set[str] = set()
            while ahead:
                id = ahead.pop()
                if id not in seen:
                    seen |= {id, *self.inside.get(id, ())}
                    ahead += [target for source, target in (*scope.flows, *scope.links) if source == id]
                    ahead += [event for event, (_, host) in scope.nodes.items() if host == id]
            found |= seen
            scopes.extend(scope.inner.values())
        return found

    def called_off(self, passed: set[str]) -> set[str]:
        """Return what may have been called off by the boundary events that were passed."""
        scopes = [self.main]
        found: set[str] = set()
        for scope in scopes:
            for id, (kind, host) in scope.nodes.items():
                if kind in ("interrupt", "caught", "heard") and id in passed:
                    found |= {host, *self.inside.get(host, ())}
                # What ends all of its scope ends what runs beside it, too.
                if id in passed and kind in ("terminate", "error", "escalate_end", "escalate"):
                    found |= self._handlers(scope)
            for inner in scope.inner.values():
                if any(kind in INSTEAD and id in passed for id, (kind, _) in inner.nodes.items()):
                    found |= {*scope.nodes}.union(*(self.inside.get(id, ()) for id in scope.nodes))
            scopes.extend(scope.inner.values())
        return found

    def _handlers(self, scope: Scope) -> set[str]:
        ids = {id for id, (kind, _) in scope.nodes.items() if kind == "handler"}
        return ids.union(*(self.inside[id] for id in ids))

    # Building.

    def _id(self, kind: str) -> str:
        self.count += 1
        self.left -= 1
        return f"{kind}{self.count}"

    def _add(self, scope: Scope, kind: str, more: str = "") -> str:
        id = self._id(kind)
        scope.nodes[id] = (kind, more)
        return id

    def _scope(self, begins: str = "start") -> Scope:
        scope = Scope()
        start = self._add(scope, begins)
        last = self._sequence(scope, start, depth=0)
        scope.flows.append((last, self._add(scope, "end")))
        if self.varied and begins == "start" and self.left > 3 and self.random.random() < 0.4:
            self._handler(scope)
        for _ in range(self.spoils):
            if self.random.random() < 0.8:
                self._spoil(scope)
        return scope

    def _sequence(self, scope: Scope, last: str, depth: int) -> str:
        for _ in range(self.random.randint(1, 3)):
            if self.left <= 0:
                break
            last = self._block(scope, last, depth)
        return last

    def _block(self, scope: Scope, last: str, depth: int) -> str:
        blocks = [self._task, self._task, self._automatic, self._guarded]
        if self.varied:
            blocks += [self._link, self._choice]
        if depth < 3 and self.left > 4:
            blocks += [self._split, self._split, self._loop, self._race]
        if depth < 2 and self.left > 5:
            blocks.append(self._sub_process)
        return self.random.choice(blocks)(scope, last, depth)

    def _after(self, scope: Scope, last: str, kind: str, more: str = "") -> str:
        id = self._add(scope, kind, more)
        scope.flows.append((last, id))
        return id

    def _task(self, scope: Scope, last: str, depth: int) -> str:
        return self._after(scope, last, self.random.choice(("task", "task", "receive", "catch")))

    def _automatic(self, scope: Scope, last: str, depth: int) -> str:
        kinds = ("service", "throw", "escalate", "escalate") if self.escalates else ("service", "throw")
        return self._after(scope, last, self.random.choice(kinds))

    def _link(self, scope: Scope, last: str, depth: int) -> str:
        thrown, caught = self._after(scope, last, "link_out"), self._add(scope, "link_in")
        scope.nodes[thrown], scope.nodes[caught] = ("link_out", caught), ("link_in", caught)
        scope.links.append((thrown, caught))
        return caught

    def _choice(self, scope: Scope, last: str, depth: int) -> str:
        """A task whose own flows have conditions, and what brings them together again."""
        task, merge = self._after(scope, last, "chooser"), self._add(scope, "or")
        for _ in range(2):
            scope.flows.append((self._task(scope, task, depth), merge))
        return merge

    def _guarded(self, scope: Scope, last: str, depth: int) -> str:
        """A task with a boundary event that calls it off, or happens beside it."""
        task = self._after(scope, last, "task")
        if self.random.random() < 0.5:
            event = self._add(scope, "interrupt", task)
            merge = self._after(scope, task, "xor")
            scope.flows.append((self._sequence(scope, event, depth + 2), merge))
            return merge
        event = self._add(scope, "beside", task)
        scope.flows.append((self._sequence(scope, event, depth + 2), self._add(scope, "end")))
        return task

    def _split(self, scope: Scope, last: str, depth: int) -> str:
        kind = self.random.choice(("xor", "and", "and", "or") if self.with_or else ("xor", "and", "and"))
        split, merge = self._after(scope, last, kind), self._add(scope, kind)
        branches = self.random.randint(2, 3)
        for number in range(branches):
            end = self._sequence(scope, split, depth + 1)
            if end == split and number:
                end = self._task(scope, split, depth)
            if number and end != split and self.with_ends and self.random.random() < 0.3:
                ends = ("end", "terminate", "error", *(("escalate_end",) if self.escalates else ()))
                scope.flows.append((end, self._add(scope, self.random.choice(ends))))
            else:
                scope.flows.append((end, merge))
        return merge

    def _loop(self, scope: Scope, last: str, depth: int) -> str:
        merge = self._after(scope, last, "xor")
        body = self._sequence(scope, self._after(scope, merge, "task"), depth + 1)
        again = self._after(scope, body, "xor")
        scope.flows.append((again, merge))
        return again

    def _race(self, scope: Scope, last: str, depth: int) -> str:
        gateway, merge = self._after(scope, last, "race"), self._add(scope, "xor")
        for _ in range(2):
            event = self._after(scope, gateway, self.random.choice(("catch", "receive")) if self.varied else "catch")
            scope.flows.append((self._sequence(scope, event, depth + 2), merge))
        return merge

    def _sub_process(self, scope: Scope, last: str, depth: int) -> str:
        several = self.random.choice(("", "", "true", "false")) if self.varied else ""
        sub = self._after(scope, last, "sub", several)
        self._within(scope, sub)
        return self._around(scope, sub, depth)

    def _within(self, scope: Scope, sub: str, begins: str = "start") -> None:
        spoils, self.spoils = self.spoils, min(self.spoils, 1)
        left, self.left = self.left, min(self.left, self.random.randint(3, 8))
        before = self.left
        scope.inner[sub] = self._scope(begins)
        self.left, self.spoils = left - (before - self.left), spoils

    def _handler(self, scope: Scope) -> None:
        """Draw an event sub-process, and what begins it where that comes from its own scope."""
        begins = self.random.choice([*BEGINS, *(ANSWERS if self.escalates else ())])
        if begins in ANSWERS:
            self._throw(scope, "error" if begins == "rescue" else "escalate")
        self._within(scope, self._add(scope, "handler"), begins)

    def _throw(self, scope: Scope, kind: str) -> None:
        """Put something that throws on one of the flows; an error end behind a gateway."""
        fit = [index for index, (source, _) in enumerate(scope.flows) if scope.nodes[source][0] != "race"]
        index = self.random.choice(fit)
        source, target = scope.flows[index]
        between = self._add(scope, "xor" if kind == "error" else kind)
        scope.flows[index] = (source, between)
        scope.flows.append((between, target))
        if kind == "error":
            scope.flows.append((between, self._add(scope, kind)))

    def _around(self, scope: Scope, sub: str, depth: int) -> str:
        """Draw what hangs on a sub-process, or nothing; return behind what the flow goes on."""
        if self.random.random() < 0.4:
            kind = "caught" if self.random.random() < 0.5 else "interrupt"
            if self.escalates and self.random.random() < 0.7:
                kind = self.random.choice(("heard", "heard_beside"))
            event = self._add(scope, kind, sub)
            if kind == "heard_beside":
                scope.flows.append((self._sequence(scope, event, depth + 2), self._add(scope, "end")))
                return sub
            merge = self._after(scope, sub, "xor")
            scope.flows.append((event, merge))
            return merge
        return sub

    # Spoiling.

    def _spoil(self, scope: Scope) -> None:
        self.random.choice((self._change_gateway, self._move_flow, self._move_flow, self._add_flow))(scope)

    def _change_gateway(self, scope: Scope) -> None:
        gateways = [id for id, (kind, _) in scope.nodes.items() if kind in GATEWAYS]
        if gateways:
            kinds = [*GATEWAYS] if self.with_or else ["xor", "and"]
            scope.nodes[self.random.choice(gateways)] = (self.random.choice(kinds), "")

    def _move_flow(self, scope: Scope) -> None:
        index = self.random.randrange(len(scope.flows))
        source, _ = scope.flows[index]
        target = self._target(scope)
        if (source, target) not in scope.flows and scope.nodes[source][0] != "race" and source != target:
            scope.flows[index] = (source, target)

    def _add_flow(self, scope: Scope) -> None:
        sources = [id for id, (kind, _) in scope.nodes.items() if kind in (*GATEWAYS, "task")]
        if not sources:
            return
        source, target = self.random.choice(sources), self._target(scope)
        if (source, target) not in scope.flows and source != target:
            scope.flows.append((source, target))

    def _target(self, scope: Scope) -> str:
        fit = [id for id, (kind, _) in scope.nodes.items() if kind not in NEVER_TARGETS]
        after_race = {target for source, target in scope.flows if scope.nodes[source][0] == "race"}
        return self.random.choice([id for id in fit if id not in after_race])

    # Writing.

    def _written(self, scope: Scope) -> tuple[str, str]:
        elements = "".join(self._element(scope, id, *said) for id, said in scope.nodes.items())
        return elements, "\n".join(self._line(scope, *flow) for flow in scope.flows)

    def _line(self, scope: Scope, source: str, target: str) -> str:
        leaving = [target for start, target in scope.flows if start == source]
        if scope.nodes[source][0] not in BOTH_WAYS or len(leaving) < 2:
            return f"{source} -> {target}"
        self.choices.setdefault(source, []).append(f"{source}_{target}")
        return f'{source} -> {target} [param("{source}_{target}")]'

    def _element(self, scope: Scope, id: str, kind: str, more: str) -> str:
        message = f'<messageEventDefinition messageRef="M_{id}"/>'
        escalation = '<escalationEventDefinition escalationRef="U"/>'
        link = f'<linkEventDefinition name="{more}"/>'
        on = f'<boundaryEvent id="{id}" attachedToRef="{more}"'
        written = {
            "start": f'<startEvent id="{id}"/>',
            **{begin: f'<startEvent id="{id}"{said}>{message}</startEvent>' for begin, said in BEGINS.items()},
            "rescue": f'<startEvent id="{id}"><errorEventDefinition/></startEvent>',
            "answer": f'<startEvent id="{id}">{escalation}</startEvent>',
            "answer_beside": f'<startEvent id="{id}" isInterrupting="false">{escalation}</startEvent>',
            "chooser": f'<userTask id="{id}"/>',
            "link_out": f'<intermediateThrowEvent id="{id}">{link}</intermediateThrowEvent>',
            "link_in": f'<intermediateCatchEvent id="{id}">{link}</intermediateCatchEvent>',
            "end": f'<endEvent id="{id}"/>',
            "terminate": f'<endEvent id="{id}"><terminateEventDefinition/></endEvent>',
            "error": f'<endEvent id="{id}"><errorEventDefinition errorRef="E"/></endEvent>',
            "task": f'<userTask id="{id}"/>',
            "receive": f'<receiveTask id="{id}" messageRef="M_{id}"/>',
            "catch": f'<intermediateCatchEvent id="{id}">{message}</intermediateCatchEvent>',
            "service": f'<serviceTask id="{id}" camunda:type="external" camunda:topic="t"/>',
            "throw": f'<intermediateThrowEvent id="{id}"/>',
            "race": f'<eventBasedGateway id="{id}"/>',
            "interrupt": f"{on}>{message}</boundaryEvent>",
            "caught": f"{on}><errorEventDefinition/></boundaryEvent>",
            "beside": f'{on} cancelActivity="false">{message}</boundaryEvent>',
            "escalate": f'<intermediateThrowEvent id="{id}">{escalation}</intermediateThrowEvent>',
            "escalate_end": f'<endEvent id="{id}">{escalation}</endEvent>',
            "heard": f"{on}>{escalation}</boundaryEvent>",
            "heard_beside": f'{on} cancelActivity="false">{escalation}</boundaryEvent>',
        }
        if kind in GATEWAYS:
            return f'<{GATEWAYS[kind]} id="{id}"/>'
        if kind in ("sub", "handler"):
            elements, lines = self._written(scope.inner[id])
            said = ' triggeredByEvent="true"' if kind == "handler" else ""
            several = f'<multiInstanceLoopCharacteristics isSequential="{more}"><loopCardinality>2</loopCardinality>'
            several = f"{several}</multiInstanceLoopCharacteristics>" if more else ""
            return f'<subProcess id="{id}"{said}>{elements}{flows(lines)}{several}</subProcess>'
        return written[kind]

    def _declared(self) -> str:
        messages = "".join(f'<message id="M_{kind}{n}" name="M_{kind}{n}"/>' for kind, n in self._events())
        return f'<error id="E" name="E" errorCode="e"/><escalation id="U" name="U" escalationCode="u"/>{messages}'

    def _events(self) -> list[tuple[str, int]]:
        kinds = ("receive", "catch", "interrupt", "beside", *(BEGINS if self.varied else ()))
        return [(kind, n) for kind in kinds for n in range(1, self.count + 1)]
