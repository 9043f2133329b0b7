"""What a step of a matter costs in this process: time, statements, bytes."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

from sqlalchemy import func, select, text

from engine.benchmark import packages
from engine.benchmark.county import BenchCounty, Open, cpu_ms
from engine.store.tables import instance_state, process_instance

#: matters led to their end where a median over all their steps is taken
MATTERS = 40
#: votes of the many-signer task that are timed
VOTES = 40


def completion(county: BenchCounty, *, cold: bool = False) -> float:
    """Return ms CPU of ``engine.tasks.complete``, the median over all steps of whole matters.

    :param cold: as by a process that has never met the matter
    """
    return median(spent for number in range(MATTERS) for spent in completions(county, number, cold=cold))


def completions(county: BenchCounty, number: int, *, cold: bool = False) -> list[float]:
    """Return ms CPU of each step of one matter; ``number`` says in which village."""
    spent: list[float] = []

    def timed(open_task: Open, typed: dict[str, list[str]]) -> None:
        if cold:
            county.engine.live.clear()
        spent.append(cpu_ms(lambda: county.complete(open_task, typed)))

    county.walk(county.start("twenty_steps", county.villages[number % len(county.villages)]), timed)
    return spent


def vote(county: BenchCounty, signers: int) -> float:
    """Return ms CPU of one vote of a task with that many signers, the median from the first vote on."""
    votes = []
    while len(votes) < min(VOTES, signers * 4):
        matter_id = county.start("signers", county.villages[0], signers=signers)
        for open_task in county.open_tasks([matter_id])[matter_id][:VOTES]:
            typed = {"sign.note": ["同意"]}
            votes.append(cpu_ms(lambda each=open_task, typed=typed: county.complete(each, typed)))
    return median(votes)


def state_bytes(county: BenchCounty) -> int:
    """Return the bytes of the state of a finished matter, on average."""
    with county.engine.database.read() as connection:
        return int(
            connection.scalar(
                select(func.avg(func.length(instance_state.c.state)))
                .join(process_instance, process_instance.c.id == instance_state.c.instance_id)
                .where(process_instance.c.state == "done", process_instance.c.item_id == "twenty_steps")
            )
        )


def database_bytes(county: BenchCounty) -> int:
    """Return the bytes of the whole database, indexes included."""
    with county.engine.database.engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            return connection.scalar(text("select page_count * page_size from pragma_page_count, pragma_page_size"))
        return connection.scalar(
            text("select sum(pg_total_relation_size(oid)) from pg_class where relkind = 'r' and relnamespace ="
                 " current_schema()::regnamespace")
        )  # fmt: skip


def statements(county: BenchCounty) -> dict[str, int]:
    """Return how many statements one call takes when nothing is new any more: what → statements."""
    engine, village = county.engine, county.villages[0]
    clerk = village.posts["CL"]
    matter_id = county.start("twenty_steps", village)
    first = county.open_tasks([matter_id])[matter_id][0]
    county.complete(first, packages.as_typed(packages.values_of(first.element, again=False)))
    receipt = next(row.receipt for row in engine.history.mine(by=clerk) if row.state == "open")
    found = {"completion": _completion_statements(county, matter_id)}
    county.start("twenty_steps", village)
    readers: dict[str, Callable[[], object]] = {
        "inbox": lambda: engine.tasks.inbox(by=clerk),
        "inbox_page": lambda: (engine.identity.actor(clerk), engine.tasks.inbox(by=clerk)),
        "trace": lambda: engine.history.trace(receipt, by=clerk),
        "stuck": lambda: engine.history.stuck(by=clerk),
    }
    for name, read in readers.items():
        read()
        with county.engine.database.statements() as sent:
            read()
        found[name] = len(sent)
    return found


def _completion_statements(county: BenchCounty, matter_id: str) -> int:
    numbers: list[int] = []

    def count(open_task: Open, typed: dict[str, list[str]]) -> None:
        with county.engine.database.statements() as sent:
            county.complete(open_task, typed)
        numbers.append(len(sent))

    county.walk(matter_id, count)
    return max(numbers)
