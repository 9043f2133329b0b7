"""What is proved of diagrams drawn by hand is what the engine does with them, on every walk there is."""

from __future__ import annotations

import pytest

from engine.bpmn.definition import Definition
from engine.bpmn.execution.dialect import DialectError
from engine.bpmn.lint import World, lint
from engine.bpmn.proof.soundness import Flaw
from tests.bpmn.sketches import EveryWalk, Sketch
from tests.bpmn.test_prover_and_engine import shown

#: what the diagrams call: it may come to two errors
CALLED = """
    start qs
    task qt
    xor qx
    end qe
    end:error=E fails
    end:error=F fails2
    qs -> qt -> qx -> qe
    qx -> fails
    qx -> fails2"""
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
    "an event sub-process beside a loop": """
        start s
        xor x
        xor y
        task t
        end e
        s -> x -> t -> y -> e
        y -> x
        handler h {
            start:message hs beside
            task ht
            end he
            hs -> ht -> he
        }""",
    "an event sub-process inside an event sub-process": """
        start s
        task t
        end e
        s -> t -> e
        handler h {
            start:message hs
            task ht
            end he
            hs -> ht -> he
            handler i {
                start:message is beside
                task it
                end ie
                is -> it -> ie
            }
        }""",
    "receive tasks behind an event gateway": """
        start s
        race w
        receive r1
        receive r2
        xor x
        end e
        s -> w -> r1 -> x -> e
        w -> r2 -> x""",
    "an event gateway inside what may be called off": """
        start s
        sub b {
            start bs
            race w
            receive r
            catch:timer c
            xor x
            end be
            bs -> w -> r -> x -> be
            w -> c -> x
        }
        on:message k @b
        on:timer=PT2H l @b beside
        task u
        end e
        end e2
        s -> b -> e
        k -> e
        l -> u -> e2""",
    "an inclusive join that is reached in each round": """
        start s
        or o1
        task t
        task u
        or o2
        xor y
        end e
        s -> o1 -> t -> o2 -> y -> e
        o1 -> u -> o2
        y -> o1""",
    "a link back": """
        start s
        catch:link=L to
        task t
        xor x
        throw:link=L from
        end e
        s -> to -> t -> x -> from
        x -> e""",
    "a link into a join": """
        start s
        and a
        task t
        task u
        throw:link=L from
        catch:link=L to
        and j
        end e
        s -> a -> t -> from
        a -> u -> j -> e
        to -> j""",
    "instances of a part that may be called off, with a step in it that may be": """
        start s
        sub b 2x {
            start bs
            sub c 2> {
                start cs
                task t
                end ce
                cs -> t -> ce
            }
            on:message l @c
            end be
            bs -> c -> be
            l -> be
        }
        on:message k @b
        end e
        s -> b -> e
        k -> e""",
    "instances one of which may fail": """
        start s
        sub b 2x {
            start bs
            task t
            xor x
            end be
            end:error=E fails
            bs -> t -> x -> be
            x -> fails
        }
        on:error=E caught @b
        end e
        end e2
        s -> b -> e
        caught -> e2""",
    "a signal that the other branch waits for": """
        start s
        and a
        task t
        throw:signal=S up
        catch:signal=S c
        and j
        end e
        s -> a -> t -> up -> j -> e
        a -> c -> j""",
    "a signal that may call off a step of the other branch": """
        start s
        and a
        task t
        throw:signal=S up
        task u
        on:signal=S heard @u
        xor x
        and j
        end e
        s -> a -> t -> up -> j -> e
        a -> u -> x -> j
        heard -> x""",
    "a limit beside a step, into an inclusive join": """
        start s
        task t
        on:timer k @t beside
        or o
        task u
        end e
        s -> t -> o -> u -> e
        k -> o""",
    "a call with two errors": """
        start s
        call b =q
        on:error=E k @b
        on:error=F l @b
        end e
        end e2
        end e3
        s -> b -> e
        k -> e2
        l -> e3""",
    "a join of a part and an escalation that always comes once": """
        start s
        sub b {
            start bs
            task t
            throw:escalation=U up
            task u
            end be
            bs -> t -> up -> u -> be
        }
        on:escalation=U heard @b beside
        task v
        and j
        end e
        s -> b -> j -> e
        heard -> v -> j""",
    "an inclusive join of a part and an escalation at once": """
        start s
        sub b {
            start bs
            throw:escalation=U up
            end be
            bs -> up -> be
        }
        on:escalation=U heard @b beside
        or o
        task u
        end e
        s -> b -> o -> u -> e
        heard -> o""",
    "an escalation of an event sub-process that calls off what is around it": """
        start s
        sub b {
            start bs
            task t
            end be
            bs -> t -> be
            handler h {
                start:message hs
                task ht
                end:escalation=U he
                hs -> ht -> he
            }
        }
        on:escalation=U heard @b
        end e
        s -> b -> e
        heard -> e""",
    "work that goes on until it is called off": """
        start s
        sub b {
            start bs
            xor y
            xor x
            task t
            end be
            bs -> y -> be
            y -> x -> t -> x
        }
        on:message k @b
        end e
        s -> b -> e
        k -> e""",
    "a transaction that may be cancelled": """
        start s
        transaction b {
            start bs
            task t
            xor x
            end be
            end:cancel off
            bs -> t -> x -> be
            x -> off
        }
        on:cancel k @b
        end e
        end e2
        s -> b -> e
        k -> e2""",
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
    "a join in an event sub-process whose branches exclude each other": (
        """
        start s
        task t
        end e
        s -> t -> e
        handler h {
            start:message hs beside
            xor x
            task ht
            and a
            end he
            hs -> x -> ht -> a -> he
            x -> a
        }""",
        {("deadlock", "a")},
    ),
    "a join behind an event gateway": (
        """
        start s
        race w
        receive r1
        receive r2
        and a
        end e
        s -> w -> r1 -> a -> e
        w -> r2 -> a""",
        {("deadlock", "a")},
    ),
    "an event that comes again into an inclusive join": (
        """
        start s
        task t
        on:message k @t beside
        or o
        task u
        end e
        s -> t -> o -> u -> e
        k -> o""",
        {("lack-of-sync", "o")},
    ),
    "two links to one place": (
        """
        start s
        and a
        task t
        task u
        throw:link=L from
        throw:link=L from2
        catch:link=L to
        task v
        end e
        s -> a -> t -> from
        a -> u -> from2
        to -> v -> e""",
        {("lack-of-sync", "v")},
    ),
    "a part that one of its branches ends": (
        """
        start s
        sub b {
            start bs
            and a
            task t
            task u
            end:terminate z
            end be
            bs -> a -> t -> z
            a -> u -> be
        }
        task v
        end e
        s -> b -> v -> e""",
        {("terminate-kills-parallel-branch", "z")},
    ),
    "a circle in which nobody has anything to do": (
        """
        start s
        sub b {
            start bs
            task t
            xor y
            xor x
            service v
            end be
            bs -> t -> y -> x -> v -> x
            y -> be
        }
        on:message k @b
        end e
        s -> b -> e
        k -> e""",
        {("livelock", "v")},
    ),
    "a join of instances and what calls them off": (
        """
        start s
        sub b 2x {
            start bs
            task t
            end be
            bs -> t -> be
        }
        on:message k @b
        and j
        end e
        s -> b -> j -> e
        k -> j""",
        {("deadlock", "j")},
    ),
    "a signal that calls off a branch a join waits for": (
        """
        start s
        and a
        task t
        throw:signal=S up
        task u
        on:signal=S heard @u
        and j
        end e
        end e2
        s -> a -> t -> up -> j -> e
        a -> u -> j
        heard -> e2""",
        {("deadlock", "j")},
    ),
    "a limit beside a step, into the join behind it": (
        """
        start s
        task t
        on:message k @t beside
        and j
        end e
        s -> t -> j -> e
        k -> j""",
        {("deadlock", "j")},
    ),
    "a join of a call and its error": (
        """
        start s
        call b =q
        on:error=E k @b
        on:error=F l @b
        and j
        end e
        end e3
        s -> b -> j -> e
        k -> j
        l -> e3""",
        {("deadlock", "j")},
    ),
    "a join of a part and an escalation that may not come": (
        """
        start s
        sub b {
            start bs
            task t
            xor x
            throw:escalation=U up
            end be
            bs -> t -> x -> up -> be
            x -> be
        }
        on:escalation=U heard @b beside
        and j
        end e
        s -> b -> j -> e
        heard -> j""",
        {("deadlock", "j")},
    ),
    "a join of instances and an escalation of each": (
        """
        start s
        sub b 2x {
            start bs
            task t
            throw:escalation=U up
            end be
            bs -> t -> up -> be
        }
        on:escalation=U heard @b beside
        and j
        end e
        s -> b -> j -> e
        heard -> j""",
        {("deadlock", "j")},
    ),
    "a join of a part and an escalation that comes twice": (
        """
        start s
        sub b {
            start bs
            throw:escalation=U up
            throw:escalation=U up2
            end be
            bs -> up -> up2 -> be
        }
        on:escalation=U heard @b beside
        and j
        end e
        s -> b -> j -> e
        heard -> j""",
        {("deadlock", "j")},
    ),
}


@pytest.mark.parametrize("name", SOUND)
def test_what_is_sound_runs_through(name: str):
    sketch = drawn(SOUND[name])
    assert told(sketch.prove().flaws) == set()
    walks = list(sketch.walks())
    assert [gone_wrong(walk) for walk in walks if gone_wrong(walk)] == []
    passed = {id for walk in walks for id in walk.passed}
    assert sketch.steps - passed == set(), "no finding, yet never passed"


@pytest.mark.parametrize("name", UNSOUND)
def test_what_is_not_sound_goes_wrong(name: str):
    text, flaws = UNSOUND[name]
    sketch = drawn(text)
    found = sketch.prove().flaws
    assert told(found) == flaws
    walks = list(sketch.walks())
    passed = {id for walk in walks for id in walk.passed}
    assert {id for rule, id in flaws if rule == "dead-activity"} & passed == set()
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


def test_a_part_over_an_empty_list_is_over_though_it_can_only_fail():
    sketch = Sketch("""
        start s
        sub b 0x {
            start bs
            task t
            end:error=E fails
            bs -> t -> fails
        }
        on:error=E caught @b
        end e
        end e2
        s -> b -> e
        caught -> e2""")
    assert told(sketch.prove().flaws) == set()
    (walk,) = sketch.walks()
    assert walk.finished
    assert walk.passed["e"] == 1


@pytest.mark.parametrize("order", ["2x", "2>"])
def test_what_is_open_inside_an_instance_is_called_off_with_it(order: str):
    sketch = Sketch(f"""
        start s
        sub b {order} {{
            start bs
            task t
            end be
            bs -> t -> be
        }}
        on:message k @b
        task u
        end e
        s -> b -> e
        k -> u -> e""")
    walks = [walk for walk in sketch.walks() if walk.passed["k"]]
    assert walks
    for walk in walks:
        assert (gone_wrong(walk), walk.finished) == ("", True)
        assert walk.passed["bs"] == walk.passed["t"] + walk.cancelled.count("t")


def test_an_event_that_comes_twice_at_once_happens_twice():
    (text,) = [text for name, (text, _) in UNSOUND.items() if name.endswith("comes twice")]
    (walk,) = Sketch(text.replace("heard -> j", "heard -> e")).walks()
    assert walk.passed["heard"] == 2


def test_compensation_is_refused():
    with pytest.raises(DialectError):
        next(Sketch("start s\ntask t\non:compensate k @t\ntask u\nend e\ns -> t -> e").walks())


def drawn(text: str) -> Sketch:
    return Sketch(text, {"q": CALLED} if "=q" in text else {})


def told(flaws: list[Flaw]) -> set[tuple[str, str]]:
    return {(flaw.rule, flaw.node.id) for flaw in flaws}


def gone_wrong(walk: EveryWalk) -> str:
    if walk.failed:
        return str(walk.failed)
    return f"open twice: {walk.twice}" if walk.twice else ""


@pytest.mark.parametrize(
    ("before", "told_of"),
    [("a -> fails", set()), ("a -> u -> fails", {("lack-of-sync", "v")})],
    ids=["called off before anybody can act", "called off later"],
)
def test_what_is_wrong_behind_a_wait_is_told_where_the_flow_ever_waits_there(before: str, told_of: set):
    sketch = Sketch(f"""
        start s
        and a
        sub b {{
            start bs
            task t
            and c
            xor j
            task v
            end be
            task w
            bs -> t -> c -> j -> v -> be
            c -> w -> j
        }}
        {"task u" if "u" in before else ""}
        end:error=E fails
        end e
        s -> a -> b -> e
        {before}""")
    found = [flaw for flaw in sketch.prove().flaws if flaw.rule == "lack-of-sync"]
    assert told(found) == told_of
    assert any(walk.passed["t"] for walk in sketch.walks()) is bool(told_of)


def test_what_is_wrong_where_nothing_ever_begins_is_not_told():
    sketch = Sketch("""
        start s
        end e
        s -> e
        handler h {
            start:message hs
            xor x
            task t
            and a
            end he
            hs -> x -> a -> he
            x -> t -> a
        }""")
    assert told(sketch.prove().flaws) == {("dead-activity", "h")}


@pytest.mark.parametrize(
    ("ways", "heard"),
    [
        ("s -> t -> up -> c -> e", False),
        ("s -> c -> t -> up -> e", False),
        ("s -> x -> t -> up -> e\nx -> c -> e", False),
        ("s -> a -> t -> up -> e\na -> c -> e", True),
        ("s -> t -> c -> e\nk -> u -> up -> e", True),
    ],
)
def test_a_signal_is_heard_only_where_the_flow_waits_while_it_is_thrown(ways: str, heard: bool):
    nodes = "start s\ntask t\nthrow:signal=S up\ncatch:signal=S c\nend e"
    more = {"x ->": "xor x", "a ->": "and a", "k ->": "on:message k @t beside\ntask u"}
    nodes += "".join(f"\n{node}" for way, node in more.items() if way in ways)
    sketch = Sketch(f"{nodes}\n{ways}")
    said = [each.element for each in lint(sketch.package, World({}, {}, {}, {})) if each.rule == "signal-unmatched"]
    assert said == ([] if heard else ["c"])
    assert any(walk.passed["c"] for walk in sketch.walks()) is heard
