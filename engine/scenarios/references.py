"""Who and what the references of a scenario (``@…``) mean in the county it is played in."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import select

from engine.demo.people import People
from engine.demo.story import sample_picture
from engine.process_engine import ProcessEngine
from engine.services.matters import Upload
from engine.store.tables import role


class References:
    """The references of one scenario, which begins in one unit."""

    def __init__(self, engine: ProcessEngine, people: People, unit: str, receipts: Sequence[str]) -> None:
        """``receipts`` are those of the matters that stand before the scenario, the newest first."""
        self.unit_id = people.unit(unit)
        self._engine = engine
        self._people = people
        self._unit = unit
        self._receipts = receipts
        with engine.database.read() as connection:
            self._roles = dict(connection.execute(select(role.c.lane, role.c.code)).all())
        #: the persons of the last attendance list, in its order
        self._seats: list[str] = []

    def person(self, reference: str) -> str:
        """Return the id of who a lane or ``@post:lane``, or ``@villager:number``, is in that unit or above it."""
        name, _, number = reference.partition(":")
        if name == "@villager":
            return self._villagers()[int(number or 1) - 1]
        code = self._roles[reference.removeprefix("@post:")]
        posts = self._people.posts
        return next(posts[place, code] for place in self._places() if (place, code) in posts)

    def posts_of(self, person_id: str | None) -> list[str]:
        """Return the lanes of a person's posts; [] for nobody."""
        return [post.lane for post in self._engine.identity.actor(person_id).posts] if person_id else []

    def values(
        self, data: Mapping[str, object], *, task_id: str = "", by: str = ""
    ) -> tuple[dict[str, list[str]], dict[str, list[Upload]]]:
        """Return (typed values, uploads); what is chosen from a task's page is looked up there as ``by`` sees it."""
        values: dict[str, list[str]] = {}
        files: dict[str, list[Upload]] = {}
        for key, given in data.items():
            for each in given if isinstance(given, list) else [given]:
                text = str(each)
                if text.startswith("@photo"):
                    upload = Upload(f"{text.removeprefix('@')}.png", io.BytesIO(sample_picture()))
                    files.setdefault(key, []).append(upload)
                elif text.startswith("@seats:"):
                    values[key] = self._attendance(text, self._choices(task_id, by, key))
                elif text == "@basis":
                    values.setdefault(key, []).append(self._choices(task_id, by, key)[0])
                else:
                    values.setdefault(key, []).append(self._value(text))
        return values, files

    def _value(self, text: str) -> str:
        if text.startswith("@seat:"):
            return self._seats[int(text.removeprefix("@seat:")) - 1]
        if text.startswith("@receipt"):
            return self._receipts[int(text.partition(":")[2] or 1) - 1]
        return self.person(text) if text.startswith("@") else text

    def _choices(self, task_id: str, by: str, key: str) -> list[str]:
        return [choice.value for choice in self._engine.tasks.open(task_id, by=by).choices[key]]

    def _attendance(self, text: str, people: list[str]) -> list[str]:
        """Seat people as ``@seats:present=21,recused=1`` says, in the order of the list; the rest is absent."""
        self._seats = people
        wanted = [part.partition("=")[::2] for part in text.removeprefix("@seats:").split(",")]
        choices = [choice for choice, count in wanted for _ in range(int(count))]
        if len(choices) > len(people):
            raise KeyError(f"签到表有 {len(people)} 人，情形里写了 {len(choices)} 人")
        choices += ["absent"] * (len(people) - len(choices))
        return [f"{person_id}={choice}" for person_id, choice in zip(people, choices, strict=True)]

    def _places(self) -> Iterator[str]:
        """Yield the names of the unit and of those above it."""
        units = {each.id: each for each in self._engine.identity.units()}
        place = units[self.unit_id]
        while place is not None:
            yield place.name
            place = units.get(place.parent_id)

    def _villagers(self) -> list[str]:
        busy = {*self._people.posts.values(), *self._people.related}
        return [person_id for person_id in self._people.of_unit(self._unit) if person_id not in busy]
