"""Whatever people do in whatever order, allowed or not: the rows agree with the diagram and the log stays whole."""

from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta

import pytest

from engine.errors import EngineError
from tests.conftest import CountyForTest
from tests.invariants import check_all
from tests.walker import Walker, deploy

#: what acts are drawn from: what fits comes more often, so that some matters reach their end
ACTS = ["fitting"] * 6 + ["random"] * 3 + ["later"] * 3 + ["start", "object"]
#: matters that are open at once
MOST_OPEN = 4


def walk(county: CountyForTest, item: str, seed: int, acts: int) -> Counter:
    """Let people act at random and check what they touched after each act; return how the acts ended."""
    deploy(county.engine, "S03_card", item)
    chance = random.Random(f"{item} {seed}")
    walker = Walker(county.engine, county.people, chance, item)
    ended: Counter[str] = Counter()
    for _ in range(acts):
        try:
            touched = act(county, walker, chance)
            ended["done"] += 1
        except EngineError as refused:
            touched = None
            ended[type(refused).__name__] += 1
        check_all(county.engine, touched)
    check_all(county.engine)
    assert county.engine.history.verify().whole
    return ended


def act(county: CountyForTest, walker: Walker, chance: random.Random) -> str | None:
    """Do one thing; return the one matter it can have changed, None for any."""
    rows = walker.open_tasks()
    kind = chance.choice(ACTS) if rows else "start"
    if kind == "start" and len({row.instance_id for row in rows}) < MOST_OPEN:
        return walker.start().matter_id
    if kind == "object":
        walker.object()
    elif kind == "later" or not rows:
        county.clock.at += timedelta(days=chance.randint(1, 3))
        walker.by_time()
    else:
        row = chance.choice(rows)
        walker.complete(row) if kind == "fitting" else walker.at_random(row)
        return row.instance_id
    return None


@pytest.mark.parametrize("item", ["E01_seal_use", "A01_dev_plan", "B01_project_init"])
def test_rows_and_diagram_agree_whatever_people_do(county, item):
    ended = walk(county, item, seed=1, acts=30)
    assert ended["done"] > 8 and sum(ended.values()) - ended["done"] > 0, ended


@pytest.mark.full
@pytest.mark.parametrize("seed", range(2, 12))
@pytest.mark.parametrize("item", ["E01_seal_use", "A01_dev_plan", "B01_project_init"])
def test_rows_and_diagram_agree_on_long_walks(county, item, seed):
    ended = walk(county, item, seed, acts=200)
    assert ended["done"] > 80 and sum(ended.values()) - ended["done"] > 10, ended
