"""What a step costs against what it must cost: ``sihua bench`` measures it on the machine it runs on."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from engine.benchmark import crowd, floor, proof, server, steps
from engine.benchmark.county import BenchCounty
from engine.store.session import Database

#: every so many matters one is done with SpiffWorkflow's own serializer, too
STOCK = 10
#: an fsync longer than this lets the disk decide how many completions a second there are
SLOW_FSYNC_MS = 0.5


@dataclass(frozen=True)
class Row:
    """One figure; ``target`` is the most it may be, or the least where ``at_least``."""

    name: str
    value: float
    unit: str
    target: float | None = None
    at_least: bool = False

    @property
    def holds(self) -> bool:
        if self.target is None:
            return True
        return self.value >= self.target if self.at_least else self.value <= self.target


def run(database: str | None = None) -> Iterator[Row]:
    """Yield the figures one by one; with ``database``, an empty one, also those of another database than SQLite.

    The floor of a durable completion is a step of bare SpiffWorkflow in memory on the same diagram plus one FULL
    commit of one row in SQLite; ratios are taken in one run, matter by matter in turns, so that whatever else the
    machine does meets both sides alike. Times are CPU (of this process), medians, but of lint the least.
    """
    with tempfile.TemporaryDirectory(prefix="sihua-bench") as name:
        place = Path(name)
        for name, spent in proof.costs().items():
            yield Row(name, spent, "ms", proof.TARGETS_MS[name])
        least = yield from _steps(place)
        yield from _http(place)
        yield from _crowd(place)
        yield Row("idle_rss", server.idle_rss(place), "MB", 120)
        if database:
            yield from _other_database(place, database, least)


def _steps(place: Path) -> Generator[Row, None, float]:
    """Yield the figures of a step; return the floor."""
    county = _county(place, "steps")
    before = steps.database_bytes(county)
    bare, commit, warm, stock = _in_turns(county, place)
    per_matter = (steps.database_bytes(county) - before) / steps.MATTERS / 1024
    least = bare + commit
    yield Row("bare_step", bare, "ms")
    yield Row("full_commit", commit, "ms")
    yield Row("fsync", floor.fsync_ms(place), "ms wall")
    yield Row("completion", warm, "ms")
    yield Row("completion_over_floor", warm / least, "times", 3)
    yield Row("completion_over_stock", warm / stock, "times", 0.5)
    cold = steps.completion(county, cold=True)
    yield Row("completion_cold_over_floor", cold / least, "times")
    sent = steps.statements(county)
    for name, target in (("completion", 20), ("inbox", 1), ("inbox_page", 3), ("trace", 5), ("stuck", 1)):
        yield Row(f"statements_{name}", sent[name], "statements", target)
    yield Row("state_bytes", steps.state_bytes(county) / 1024, "KB", 12)
    yield Row("db_bytes", per_matter, "KB", 40)
    few, many = steps.vote(county, 10), steps.vote(county, 300)
    yield Row("multi_instance_300", many / few, "times", 6)
    county.engine.close()
    return least


def _in_turns(county: BenchCounty, place: Path) -> tuple[float, float, float, float]:
    """Return ms CPU of a bare step, a commit, a completion, and a step with SpiffWorkflow's own serializer: medians."""
    least, warm, stock = [], [], []
    disk = floor.Disk(place)
    for number in range(steps.MATTERS):
        least += disk.least_steps()
        warm += steps.completions(county, number)
        stock += disk.stock_steps() if number % STOCK == 0 else []
    disk.close()
    bare, commits = zip(*least, strict=True)
    return median(bare), median(commits), median(warm), median(stock)


def _http(place: Path) -> Iterator[Row]:
    county = _county(place, "http", file="sihua.db")
    disk = floor.Disk(county.place)
    commits = disk.full_commits_per_s()
    disk.close()
    yield Row("full_commits_per_s", commits, "/s")
    target = commits * 0.6 if floor.fsync_ms(county.place) > SLOW_FSYNC_MS else 200
    posted, walked = server.completions_per_second(county, None)
    yield Row("http_per_s", posted, "/s", min(target, 200), at_least=True)
    yield Row("http_get_post_get_per_s", walked, "/s")
    county.engine.close()


def _crowd(place: Path) -> Iterator[Row]:
    county = _county(place, "crowd")
    for name, times in crowd.page_growths(county).items():
        yield Row(f"{name}_growth", times, "times", 1.5)
    county.engine.close()


def _other_database(place: Path, url: str, least: float) -> Iterator[Row]:
    name = Database(url).engine.dialect.name
    folder = place / name
    folder.mkdir()
    county = BenchCounty(url, folder)
    warm = steps.completion(county)
    yield Row(f"{name}_completion", warm, "ms")
    yield Row(f"{name}_completion_over_floor", warm / least, "times")
    for page, times in crowd.page_growths(county).items():
        yield Row(f"{name}_{page}_growth", times, "times", 1.5)
    county.engine.close()


def _county(place: Path, name: str, file: str = "county.db") -> BenchCounty:
    folder = place / name
    folder.mkdir()
    return BenchCounty(f"sqlite:///{folder / file}", folder)
