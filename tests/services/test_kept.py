"""Lists kept in memory: every change of them is seen by the next step, by whatever hand it came."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, insert, update

from engine.services import kept
from engine.services.kept import version
from engine.services.permission import Directory
from engine.store.tables import appointment, org_unit, parameter, person, relation, role, substitution


def read_version(county) -> str:
    with county.engine.database.read() as connection:
        return version(connection)


CHANGES = {
    "unit": lambda c: update(org_unit).values(service_phone="1"),
    "person": lambda c: update(person).where(person.c.id == c.post("CL")).values(name="新名"),
    "role": lambda c: update(role).where(role.c.code == "CL").values(may=[]),
    "post": lambda c: delete(appointment).where(appointment.c.person_id == c.post("CL")),
    "substitution": lambda c: insert(substitution).values(
        id="s", person_id=c.post("CL"), substitute_id=c.post("VD"), from_on=c.clock.today(), until_on=c.clock.today(),
        made_at=c.clock.now(),
    ),
    "relation": lambda c: insert(relation).values(person_id=c.post("CL"), relative_id=c.post("VD"), kind="夫妻"),
    "parameter": lambda c: update(parameter).where(parameter.c.key == "offline.max").values(value=6),
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_every_change_gives_a_new_version(county, what):
    before = read_version(county)
    with county.engine.database.write() as connection:
        connection.execute(CHANGES[what](county))
    after = read_version(county)
    assert before and after and before != after


def test_a_step_changes_no_version(county):
    before = read_version(county)
    county.register(county.ask())
    assert read_version(county) == before


def test_a_change_is_seen_at_once_and_a_change_taken_back_never_was(county):
    village = county.people.unit("石桥村")

    def clerks(connection) -> tuple[str, ...]:
        return Directory(connection, village, county.clock.today()).holders("CL")

    with county.engine.database.read() as connection:
        assert clerks(connection) == (county.post("CL"),)
    with pytest.raises(ZeroDivisionError), county.engine.database.write() as connection:
        connection.execute(CHANGES["post"](county))
        assert clerks(connection) == ()
        raise ZeroDivisionError
    with county.engine.database.read() as connection:
        assert clerks(connection) == (county.post("CL"),)


def test_answers_are_read_once_per_version():
    asked = []

    def read() -> int:
        asked.append(1)
        return len(asked)

    assert [kept.kept("v1", "test", read=read) for _ in range(2)] == [1, 1]
    assert kept.kept("v2", "test", read=read) == 2
    assert [kept.kept(None, "test", read=read) for _ in range(2)] == [3, 4]
