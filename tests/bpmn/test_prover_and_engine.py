"""What is proved of random processes is what the engine does with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random

import pytest

from engine.bpmn.definition import Definition
from engine.bpmn.document import BPMN, read_xml
from engine.bpmn.execution import token_tree
from engine.bpmn.execution.dialect import DialectError
from engine.bpmn.proof.soundness import Flaw, Proof, Prover
from tests.bpmn.engine_walk import Walk
from tests.bpmn.random_processes import RandomProcess

#: walks through a process that is proved sound
WALKS = 6
#: how often a counter-example is tried: what is not on it is answered at random
TRIES = 60
#: random processes of one full test
BATCH = 400
WARNINGS = {"terminate-kills-parallel-branch"}


def proof_of(made: RandomProcess) -> Proof:
    root = read_xml(made.package.files["p.bpmn"]).getroot()
    processes = {process.get("id"): process for process in root.iterchildren(f"{{{BPMN}}}process")}
    return Prover(processes).prove(processes["p"])


def disagreements(seed: int, seen: Counter, **drawn: bool) -> list[str]:
    """Return in which ways prover and engine do not agree on one random process."""
    made = RandomProcess(seed, **drawn)
    try:
        definition = Definition.read(made.package)
    except DialectError:
        # A node that no flow leads to.
        seen["refused"] += 1
        return []
    proof = proof_of(made)
    rules = {flaw.rule for flaw in proof.flaws}
    seen.update(rules - WARNINGS or {"sound"})
    if "soundness-inconclusive" in rules:
        return []
    wrong = []
    if not rules - WARNINGS - {"dead-activity"}:
        for number in range(WALKS):
            wrong += walked(Walk(definition, made, Random(seed * WALKS + number)), made, proof.flaws)
    wrong += [
        f"{flaw.rule} at {flaw.node} is not to be seen"
        for flaw in proof.flaws
        if flaw.node.id not in made.unfollowed
        and not shown(definition, made, flaw)
        and not ("unbounded" in rules and out_of_reach(definition, made, flaw))
    ]
    return [f"process {seed}: {each}" for each in wrong]


def walked(walk: Walk, made: RandomProcess, flaws: list[Flaw]) -> list[str]:
    """Return what goes wrong on a walk through a process without an error."""
    walk.wander()
    dead = {flaw.node.id for flaw in flaws if flaw.rule == "dead-activity"}
    wrong = [f"dead, yet passed: {id}" for id in dead & set(walk.passed)]
    if walk.failed:
        wrong.append(f"sound, yet {walk.failed}")
    if walk.doubled():
        wrong.append(f"sound, yet open twice: {walk.doubled()}")
    kills = any(flaw.rule in WARNINGS for flaw in flaws)
    if walk.finished and not kills and not walk.refused:
        left = set(walk.cancelled) - made.called_off(set(walk.passed))
        wrong += [f"sound, yet left over: {left}"] if left else []
    return wrong


def shown(definition: Definition, made: RandomProcess, flaw: Flaw) -> bool:
    """Tell whether the engine, led along a counter-example, does what it foretells."""
    if flaw.rule == "dead-activity":
        return True
    return any(_shows(Walk(definition, made, Random(number), flaw.path), flaw) for number in range(TRIES))


def out_of_reach(definition: Definition, made: RandomProcess, flaw: Flaw) -> bool:
    """Tell whether the place of a flaw lies behind a part that never ends: what is told there is told for when it does.

    The prover does not look further into a part whose tokens grow without bound, and goes on behind it.
    """
    walks = [Walk(definition, made, Random(number), flaw.path) for number in range(TRIES)]
    for walk in walks:
        walk.follow(flaw.path)
    # Flows are called <source>_<target>.
    started = [id for id in flaw.path if id.startswith("start") and "_" not in id]
    left = [id for id in flaw.path if id in made.inside and flaw.node.id not in made.inside[id]]
    return bool(started) and not any(all(id in walk.passed for id in (started[-1], *left)) for walk in walks)


def _shows(walk: Walk, flaw: Flaw) -> bool:
    walk.follow(flaw.path)
    if walk.workflow is None:
        # It turned in circles from the start: nothing of it is to be seen.
        return True
    if flaw.rule in ("lack-of-sync", "unbounded", "improper-completion"):
        # Of things that happen at once BPMN leaves the order open; the engine has one, and an end may come first in it.
        return walk.unrelated_twice(flaw.node.id) or (walk.finished and bool(walk.cancelled))
    if flaw.rule in WARNINGS:
        # A step that fails is not told at all.
        return bool(walk.cancelled or walk.failed) or all(node.kind.endswith("Gateway") for node in flaw.others)
    if walk.stuck_at(flaw.node.id):
        # Elsewhere people may still be at work.
        return True
    walk.wander()
    return bool(walk.failed) if flaw.rule != "livelock" else not walk.finished


@pytest.fixture(autouse=True)
def few_automatic_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A circle without a person in it is given up sooner: it takes all of its steps at each try."""
    monkeypatch.setattr(token_tree, "MAX_STEPS", 500)


def test_prover_and_engine_agree_on_random_processes():
    seen: Counter = Counter()
    wrong = [each for seed in range(200) for each in disagreements(seed, seen)]
    assert wrong == []
    assert seen["sound"] > 90
    assert seen["deadlock"] and seen["lack-of-sync"] and seen["improper-completion"] and seen["unbounded"]


def test_prover_and_engine_agree_on_escalations():
    seen: Counter = Counter()
    wrong = [each for seed in range(200) for each in disagreements(seed, seen, escalates=True)]
    assert wrong == []
    assert seen["sound"] > 60


def test_prover_and_engine_agree_on_all_that_is_drawn_seldom():
    seen: Counter = Counter()
    wrong = [each for seed in range(200) for each in disagreements(seed, seen, varied=True, escalates=seed % 2 == 1)]
    assert wrong == []
    assert seen["sound"] > 80


@pytest.mark.full
@pytest.mark.parametrize("first", range(1_000, 17_000, BATCH))
def test_prover_and_engine_agree_on_many_random_processes(
    first: int, record_testsuite_property: Callable[[str, object], None]
):
    """At least 10,000 processes that the engine takes, over all batches; each batch ends within three minutes."""
    seen: Counter = Counter()
    wrong = []
    for seed in range(first, first + BATCH):
        wrong += disagreements(seed, seen, escalates=seed % 4 > 1, varied=seed % 2 == 1)
    record_testsuite_property(f"compared from {first}", BATCH - seen["refused"])
    record_testsuite_property(f"found from {first}", dict(seen))
    assert wrong == [], f"{BATCH - seen['refused']} processes compared, {len(wrong)} disagreements"
    assert BATCH - seen["refused"] >= BATCH * 5 // 8
