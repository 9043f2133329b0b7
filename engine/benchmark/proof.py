"""What it costs to check and prove a diagram before it may run: CPU milliseconds, medians."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from engine.bpmn.lint import World, lint
from engine.bpmn.package import Package, read_files

#: the most that each may take
TARGETS_MS = {"lint_proof_40_nodes": 30.0, "lint_proof_17_branches": 50.0}
_ROUNDS = 7
_HEAD = (
    '<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" id="D" targetNamespace="urn:bench">'
    '<message id="M" name="withdraw"/><process id="p" name="p" isExecutable="true">'
)


def costs() -> dict[str, float]:
    """Return what each diagram takes, lint and proof together, the file read afresh each time."""
    world = World({}, {}, {}, {})
    packages = {"lint_proof_40_nodes": forty_nodes(), "lint_proof_17_branches": branches(17, 3)}
    return {name: _median_ms(lambda package=package: lint(package, world)) for name, package in packages.items()}


def forty_nodes() -> Package:
    """Return an item of 40 nodes: five blocks, each with a choice, a way back, two branches and a withdrawal."""
    nodes, flows = ['<startEvent id="s" name="s"/>', '<endEvent id="e" name="e"/>'], []
    last = "s"
    for n in range(4):
        nodes += [f'<userTask id="t{n}{k}" name="t{n}{k}"/>' for k in "abc"]
        nodes += [f'<exclusiveGateway id="x{n}{k}" name="x{n}{k}"/>' for k in "ab"]
        nodes += [f'<parallelGateway id="p{n}{k}" name="p{n}{k}"/>' for k in "ab"]
        event = f'<messageEventDefinition id="d{n}" messageRef="M"/>'
        nodes += [f'<boundaryEvent id="b{n}" name="b{n}" attachedToRef="t{n}a">{event}</boundaryEvent>']
        nodes += [f'<endEvent id="e{n}" name="e{n}"/>']
        flows += [(last, f"x{n}a"), (f"x{n}a", f"t{n}a"), (f"t{n}a", f"x{n}b"), (f"x{n}b", f"x{n}a")]
        flows += [(f"x{n}b", f"p{n}a"), (f"p{n}a", f"t{n}b"), (f"p{n}a", f"t{n}c"), (f"t{n}b", f"p{n}b")]
        flows += [(f"t{n}c", f"p{n}b"), (f"b{n}", f"e{n}")]
        last = f"p{n}b"
    nodes += ['<userTask id="t" name="t"/>', '<userTask id="u" name="u"/>']
    return _package(nodes, [*flows, (last, "t"), ("t", "u"), ("u", "e")])


def branches(count: int, tasks: int) -> Package:
    """Return an item of parallel branches with tasks one after the other."""
    nodes = ['<startEvent id="s" name="s"/>', '<endEvent id="e" name="e"/>']
    nodes += ['<parallelGateway id="a"/>', '<parallelGateway id="b"/>']
    flows = [("s", "a"), ("b", "e")]
    for n in range(count):
        names = [f"t{n}_{k}" for k in range(tasks)]
        nodes += [f'<userTask id="{name}" name="{name}"/>' for name in names]
        flows += list(zip(["a", *names], [*names, "b"], strict=True))
    return _package(nodes, flows)


def _package(nodes: list[str], flows: list[tuple[str, str]]) -> Package:
    drawn = [f'<sequenceFlow id="f{n}" sourceRef="{one}" targetRef="{two}"/>' for n, (one, two) in enumerate(flows)]
    text = f"{_HEAD}{''.join(nodes)}{''.join(drawn)}</process></definitions>"
    return read_files("p", "", {"p.bpmn": text.encode()})


def _median_ms(work: Callable[[], object]) -> float:
    times = []
    for _ in range(_ROUNDS):
        begun = time.process_time()
        work()
        times.append((time.process_time() - begun) * 1000)
    return statistics.median(times)
