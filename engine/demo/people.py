"""Units, people, posts and relations of the demo county, from ``county.json``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Connection, insert

from engine.clock import FrozenClock
from engine.process_engine import ProcessEngine
from engine.services.county import add_unit
from engine.services.identity import add_appointment, add_person
from engine.services.unit_of_work import Transaction
from engine.store.tables import relation

COUNTY = Path(__file__).with_name("county.json")
#: 0000 is nobody's area code
SERVICE_PHONE = "0000-1234567"
SUPERVISION_PHONE = "0000-7654321"


@dataclass(frozen=True)
class People:
    """Who and where, by name: names are unique in the demo county."""

    ids: Mapping[str, str]
    units: Mapping[str, str]
    #: (village, role code) → person id
    posts: Mapping[tuple[str, str], str]
    #: village → person ids on its roll, in the order of the file
    rolls: Mapping[str, list[str]]
    #: persons who are a relative of somebody
    related: frozenset[str]

    def id(self, name: str) -> str:
        return self.ids[name]

    def of_unit(self, name: str) -> list[str]:
        return self.rolls[name]

    def unit(self, name: str) -> str:
        return self.units[name]


def load_people(engine: ProcessEngine, clock: FrozenClock) -> People:
    """Insert the county; terms began two years ago."""
    county = json.loads(COUNTY.read_text("utf-8"))
    ids: dict[str, str] = {}
    units: dict[str, str] = {}
    posts: dict[tuple[str, str], str] = {}
    rolls: dict[str, list[str]] = {}
    with engine.database.write() as connection:
        transaction = Transaction(connection, clock.now())
        for position, (unit, level, parent) in enumerate(_units(county)):
            units[unit["name"]] = add_unit(
                connection,
                unit["name"],
                level,
                units.get(parent),
                service_phone=SERVICE_PHONE,
                supervision_phone=SUPERVISION_PHONE,
                position=position,
            )
            for each in unit.get("people", ()):
                ids[each["name"]] = _add(transaction, each, units[unit["name"]])
                rolls.setdefault(unit["name"], []).append(ids[each["name"]])
                posts |= {(unit["name"], code): ids[each["name"]] for code in each.get("posts", ())}
        related = _relate(connection, county, ids)
    return People(ids, units, posts, rolls, related)


def _units(county: Mapping) -> Iterator[tuple[Mapping, str, str]]:
    """Yield (unit, level, parent's name): the county, its villages in story order, then the townships above them."""
    yield county, "county", ""
    for township in county["townships"]:
        yield township, "township", county["name"]
        for village in township["villages"]:
            yield village, "village", township["name"]


def _add(transaction: Transaction, each: Mapping, unit_id: str) -> str:
    person_id = add_person(
        transaction.connection, each["name"], unit_id, each.get("group", ""), each.get("phone", ""), None
    )
    since = transaction.today - timedelta(days=730)
    for code in each.get("posts", ()):
        add_appointment(transaction, person_id, code, unit_id, since, since + timedelta(days=1825), None)
    return person_id


def _relate(connection: Connection, county: Mapping, ids: Mapping[str, str]) -> frozenset[str]:
    related: set[str] = set()
    for unit, _, _ in _units(county):
        for each in unit.get("people", ()):
            for relative, kind in each.get("relatives", {}).items():
                pair = ids[each["name"]], ids[relative]
                related |= set(pair)
                connection.execute(insert(relation).values(person_id=pair[0], relative_id=pair[1], kind=kind))
    return frozenset(related)
