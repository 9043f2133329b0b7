"""A process that does a village's work until it is killed: ``python -m tests.faults.cadre``.

It writes down what it is about to do before it does it, and that it was done when it was told so. After a kill it
does the last thing again under the same token, as a browser does whose answer got lost.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from sqlalchemy import select

from engine import ProcessEngine
from engine.clock import Clock
from engine.demo.people import People
from engine.errors import EngineError
from engine.store.tables import task
from tests.walker import Walker

#: matters of one item that are open at once
MOST_OPEN = 4


class Journal:
    """One JSON list a line: ``["start", token]``, ``["complete", token, task]``, then ``["done", token, what]``."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, *entry: str) -> None:
        with self._path.open("a", encoding="utf-8") as journal:
            journal.write(json.dumps(entry) + "\n")

    def entries(self) -> list[list[str]]:
        text = self._path.read_text("utf-8") if self._path.exists() else ""
        # Its writer may be at it, or may have been killed at it.
        return [json.loads(line) for line in text.split("\n")[:-1] if line.endswith("]")]


class Cadre:
    """One who starts matters, completes what is open and, now and then, lets an objection come in."""

    def __init__(self, walker: Walker, journal: Journal) -> None:
        self._walker = walker
        self._journal = journal

    def resume(self) -> None:
        """Do again what nobody has said was done."""
        entries = self._journal.entries()
        if not entries or entries[-1][0] in ("done", "refused"):
            return
        kind, token, *about = entries[-1]
        if kind == "start":
            self._start(token)
        else:
            with self._walker.engine.database.read() as connection:
                row = connection.execute(select(task).where(task.c.id == about[0])).one()
            self._complete(row, token)

    def act(self) -> None:
        chance = self._walker.chance
        rows = self._walker.open_tasks()
        if chance.random() < 0.05:
            try:
                self._walker.object()
            except EngineError:
                return
        elif len({row.instance_id for row in rows}) < MOST_OPEN:
            token = uuid4().hex
            self._journal.write("start", token)
            self._start(token)
        else:
            row, token = chance.choice(rows), uuid4().hex
            self._journal.write("complete", token, row.id)
            self._complete(row, token)

    def _start(self, token: str) -> None:
        try:
            self._journal.write("done", token, self._walker.start(token).matter_id)
        except EngineError as refused:
            self._journal.write("refused", token, repr(refused))

    def _complete(self, row, token: str) -> None:
        try:
            self._walker.complete(row, form_token=token)
            self._journal.write("done", token, row.id)
        except EngineError as refused:
            self._journal.write("refused", token, repr(refused))


def main(place: Path, kind: str, number: str, url: str) -> None:
    clock = Clock()
    engine = ProcessEngine(url, files=place / "files", clock=clock)
    people = People(**json.loads((place / "people.json").read_text("utf-8")), posts=_posts(place), related=frozenset())
    chance = random.Random(f"{number} {os.getpid()}")
    cadre = None
    if kind != "worker":
        cadre = Cadre(Walker(engine, people, chance, kind), Journal(place / f"journal-{number}"))
        cadre.resume()
    while not (place / "stop").exists():
        # All processes are in the same day; the test lets days pass.
        clock.offset = timedelta(days=len((place / "days").read_text("utf-8")))
        if cadre:
            cadre.act()
        else:
            try:
                engine.jobs.run_due()
            except EngineError:
                time.sleep(0.1)
        time.sleep(0.02)
    engine.close()


def _posts(place: Path) -> dict[tuple[str, str], str]:
    return {(village, code): who for village, code, who in json.loads((place / "posts.json").read_text("utf-8"))}


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
