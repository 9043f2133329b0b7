"""What is proved of diagrams drawn by hand is what the engine does with them, on every walk there is."""

from __future__ import annotations

import pytest

from engine.bpmn.definition import Definition
from engine.bpmn.lint import World, lint
from engine.bpmn.soundness import Flaw
from tests.bpmn.sketches import EveryWalk, Sketch
from tests.bpmn.test_prover_and_engine import WARNINGS, shown

#: the engine does what the drawing says, and comes to an end on every walk
SOUND = {
    "a sub-process that escalates at once": """
        start s
        sub b {
            start ps
            throw:escalation=U up
            end pe
            ps -> up -> pe
        }
        on:escalation=U heard @b
        end e
        s -> b
        heard -> e""",
    "a sub-process that escalates by its end": """
        start s
        sub b {
            start ps
            task t
            end:escalation=U pe
            ps -> t -> pe
        }
        on:escalation=U heard @b
        end e
        s -> b
        heard -> e""",
    "a signal at once that calls off the sub-process it is thrown in": """
        start s
        sub b {
            start ps
            throw:signal=S up
            end pe
            ps -> up -> pe
        }
        on:signal=S heard @b
        end e
        s -> b
        heard -> e""",
    "a message at once that calls off the sub-process it is sent in": """
        start s
        sub b {
            start ps
            send:M up
            end pe
            ps -> up -> pe
        }
        on:message=M heard @b
        end e
        s -> b
        heard -> e""",
    "a signal at once that nothing is called off by": """
        start s
        sub b {
            start ps
            throw:signal=S up
            end pe
            ps -> up -> pe
        }
        on:signal=S heard @b beside
        end e
        end e2
        s -> b -> e
        heard -> e2""",
    "a signal at once that begins an event sub-process": """
        start s
        throw:signal=S up
        end e
        s -> up -> e
        handler h {
            start:signal=S hs beside
            task t
            end he
            hs -> t -> he
        }""",
    "a signal at once that begins an event sub-process instead": """
        start s
        throw:signal=S up
        end e
        s -> up -> e
        handler h {
            start:signal=S hs
            task t
            end he
            hs -> t -> he
        }""",
    "an escalation that leaves two sub-processes": """
        start s
        sub b {
            start ps
            sub q {
                start qs
                xor x
                throw:escalation=U up
                task t
                end qe
                qs -> x -> up -> qe
                x -> t -> qe
            }
            end pe
            ps -> q -> pe
        }
        on:escalation=U heard @b
        end e
        end e2
        s -> b -> e
        heard -> e2""",
}

#: what is wrong, and it is
UNSOUND = {
    "a join of a sub-process and the escalation that calls it off": (
        """
        start s
        sub b {
            start ps
            task t
            throw:escalation=U up
            end pe
            ps -> t -> up -> pe
        }
        on:escalation=U heard @b
        and a
        end e
        s -> b -> a -> e
        heard -> a""",
        {("deadlock", "a")},
    ),
    "a join of a sub-process and the escalation that may call it off": (
        """
        start s
        sub b {
            start ps
            task t
            xor x
            end:escalation=U pe
            end pe2
            ps -> t -> x -> pe
            x -> pe2
        }
        on:escalation=U heard @b
        and a
        end e
        s -> b -> a -> e
        heard -> a""",
        {("deadlock", "a")},
    ),
    "a task behind what calls the sub-process off": (
        """
        start s
        sub b {
            start ps
            throw:escalation=U up
            task t
            end pe
            ps -> up -> t -> pe
        }
        on:escalation=U heard @b
        end e
        end e2
        s -> b -> e2
        heard -> e""",
        {("dead-activity", "t"), ("dead-activity", "e2")},
    ),
    "work beside an error end": (
        """
        start s
        sub b {
            start ps
            and a
            end:error=E pe
            service v
            end pe2
            ps -> a -> pe
            a -> v -> pe2
        }
        on:error=E caught @b
        end e
        s -> b
        caught -> e""",
        {("terminate-kills-parallel-branch", "pe")},
    ),
}


@pytest.mark.parametrize("name", SOUND)
def test_what_is_sound_runs_through(name: str):
    sketch = Sketch(SOUND[name])
    assert told(sketch.prove().flaws) == set()
    walks = list(sketch.walks())
    assert [gone_wrong(walk) for walk in walks if gone_wrong(walk)] == []
    passed = {id for walk in walks for id in walk.passed}
    assert sketch.steps - passed == set(), "no finding, yet never passed"


@pytest.mark.parametrize("name", UNSOUND)
def test_what_is_not_sound_goes_wrong(name: str):
    text, flaws = UNSOUND[name]
    sketch = Sketch(text)
    found = sketch.prove().flaws
    assert told(found) == flaws
    walks = list(sketch.walks())
    passed = {id for walk in walks for id in walk.passed}
    assert {id for rule, id in flaws if rule == "dead-activity"} & passed == set()
    if not {rule for rule, _ in flaws} <= {*WARNINGS, "dead-activity"}:
        assert any(gone_wrong(walk) for walk in walks)
    definition = Definition.read(sketch.package)
    assert [flaw for flaw in found if not shown(definition, sketch, flaw)] == []


def test_what_is_called_off_before_its_turn_is_told_with_what_calls_it_off():
    sketch = Sketch(UNSOUND["a task behind what calls the sub-process off"][0])
    found = lint(sketch.package, World({}, {}, {}, {}))
    (message,) = [each.message for each in found if each.rule == "dead-activity" and each.element == "t"]
    assert message == "永远轮不到用户任务 t：一到中间事件 up，这一段就被中断了。"


@pytest.mark.parametrize(("drawn", "earlier"), [(("PT3H", "PT2H"), "k2"), (("PT2H", "PT3H"), "k1")])
def test_of_two_limits_that_have_run_out_only_the_earlier_calls_the_task_off(drawn: tuple[str, str], earlier: str):
    sketch = Sketch(f"""
        start s
        task t
        on:timer={drawn[0]} k1 @t
        on:timer={drawn[1]} k2 @t
        end e
        s -> t -> e
        k1 -> e
        k2 -> e""")
    assert told(sketch.prove().flaws) == set()
    assert {frozenset(walk.passed) for walk in sketch.walks()} == {frozenset("ste"), frozenset(("s", earlier, "e"))}


def told(flaws: list[Flaw]) -> set[tuple[str, str]]:
    return {(flaw.rule, flaw.node.id) for flaw in flaws}


def gone_wrong(walk: EveryWalk) -> str:
    if walk.failed:
        return str(walk.failed)
    return f"open twice: {walk.twice}" if walk.twice else ""
