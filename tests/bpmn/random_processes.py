"""Random processes: nested blocks that are mostly sound, some of them spoiled by moving flows and changing gateways."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from engine.bpmn.package import Package
from tests.bpmn.diagrams import flows, package, process

GATEWAYS = {"xor": "exclusiveGateway", "and": "parallelGateway", "or": "inclusiveGateway"}
BOTH_WAYS = ("xor", "or")
#: boundary events of what a sub-process throws
FROM_INSIDE = ("caught", "heard", "heard_beside")
NEVER_TARGETS = ("start", "interrupt", "beside", "caught", "heard", "heard_beside")


@dataclass
class Scope:
    """A process or sub-process under construction."""

    #: id → (kind, what it hangs on or interrupts)
    nodes: dict[str, tuple[str, str]] = field(default_factory=dict)
    flows: list[tuple[str, str]] = field(default_factory=list)
    inner: dict[str, Scope] = field(default_factory=dict)


@dataclass
class RandomProcess:
    """A random process; ``nodes`` counts those of its sub-processes too."""

    seed: int
    most: int = 30
    #: sub-processes throw escalations, and most of their boundaries hear them
    escalates: bool = False

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
    def repeated(self) -> set[str]:
        """What lies behind an event that may happen beside its task again and again."""
        scopes = [self.main]
        found: set[str] = set()
        for scope in scopes:
            ahead = [id for id, (kind, _) in scope.nodes.items() if kind in ("beside", "heard_beside")]
            seen: set[str] = set()
            while ahead:
                id = ahead.pop()
                if id not in seen:
                    seen |= {id, *self.inside.get(id, ())}
                    ahead += [target for source, target in scope.flows if source == id]
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
            scopes.extend(scope.inner.values())
        return found

    # Building.

    def _id(self, kind: str) -> str:
        self.count += 1
        self.left -= 1
        return f"{kind}{self.count}"

    def _add(self, scope: Scope, kind: str, more: str = "") -> str:
        id = self._id(kind)
        scope.nodes[id] = (kind, more)
        return id

    def _scope(self) -> Scope:
        scope = Scope()
        start = self._add(scope, "start")
        last = self._sequence(scope, start, depth=0)
        scope.flows.append((last, self._add(scope, "end")))
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
            event = self._after(scope, gateway, "catch")
            scope.flows.append((self._sequence(scope, event, depth + 2), merge))
        return merge

    def _sub_process(self, scope: Scope, last: str, depth: int) -> str:
        sub = self._after(scope, last, "sub")
        spoils, self.spoils = self.spoils, min(self.spoils, 1)
        left, self.left = self.left, min(self.left, self.random.randint(3, 8))
        before = self.left
        scope.inner[sub] = self._scope()
        self.left, self.spoils = left - (before - self.left), spoils
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
        on = f'<boundaryEvent id="{id}" attachedToRef="{more}"'
        written = {
            "start": f'<startEvent id="{id}"/>',
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
        if kind == "sub":
            elements, lines = self._written(scope.inner[id])
            return f'<subProcess id="{id}">{elements}{flows(lines)}</subProcess>'
        return written[kind]

    def _declared(self) -> str:
        messages = "".join(f'<message id="M_{kind}{n}" name="M_{kind}{n}"/>' for kind, n in self._events())
        return f'<error id="E" name="E" errorCode="e"/><escalation id="U" name="U" escalationCode="u"/>{messages}'

    def _events(self) -> list[tuple[str, int]]:
        return [(kind, n) for kind in ("receive", "catch", "interrupt", "beside") for n in range(1, self.count + 1)]
