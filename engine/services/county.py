"""Setting up a county: roles, parameters and registers from ``processes/``, its first units and administrator."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path

from sqlalchemy import Connection, delete, insert, select

from engine.errors import Conflict
from engine.identifiers import new_id
from engine.services.identity import add_appointment, add_person
from engine.services.unit_of_work import Transaction, UnitOfWork, retried
from engine.store.tables import org_unit, parameter, register, role, setting


class County:
    """What is read from files once, at the first start and at every deployment."""

    def __init__(self, unit_of_work: UnitOfWork, processes: Path) -> None:
        self._work = unit_of_work
        self._processes = processes

    @property
    def item_folders(self) -> tuple[Path, ...]:
        """The folders of ``processes/`` that hold a power item, in the order of their codes."""
        return tuple(sorted(path for path in self._processes.iterdir() if path.is_dir() and _is_item(path.name)))

    def is_set_up(self) -> bool:
        """Tell whether the county has units."""
        with self._work.read() as connection:
            return connection.scalar(select(org_unit.c.id).limit(1)) is not None

    @retried
    def load_lists(self) -> None:
        """Bring roles, county parameters and registers into line with the files."""
        with self._work.write() as transaction:
            _load_roles(transaction.connection, _read(self._processes / "roles.json"))
            _load_parameters(transaction.connection, _read(self._processes / "parameters.json"))
            _load_registers(transaction.connection, self._processes / "registers")

    @retried
    def set_up(self, *, county: str, administrator: str, login: str, units: Iterable[str] = ()) -> str:
        """Make the county, its units and its first administrator; return the person's id.

        :param units: ``township`` or ``township/village``, one each.
        :raises Conflict: the database holds a county already.
        """
        if self.is_set_up():
            raise Conflict("county")
        with self._work.write() as transaction:
            unit_id = add_unit(transaction.connection, county, "county", None)
            _add_units(transaction.connection, unit_id, units)
            person_id = add_person(transaction.connection, administrator, unit_id, "", "", login.strip().lower())
            add_appointment(transaction, person_id, "SA", unit_id, transaction.today, None, None)
            transaction.log(unit_id, "county_made", actor_id=person_id)
            return person_id

    def setting(self, key: str) -> object:
        """Return a stored setting; None when it was never set."""
        with self._work.read() as connection:
            return connection.scalar(select(setting.c.value).where(setting.c.key == key))

    @retried
    def save_setting(self, key: str, value: object) -> None:
        """Store a setting."""
        with self._work.write() as transaction:
            save_setting(transaction, key, value)


def save_setting(transaction: Transaction, key: str, value: object) -> None:
    """Store a setting inside a transaction."""
    transaction.connection.execute(delete(setting).where(setting.c.key == key))
    transaction.connection.execute(insert(setting).values(key=key, value=value))


def add_unit(
    connection: Connection,
    name: str,
    level: str,
    parent_id: str | None,
    *,
    service_phone: str = "",
    supervision_phone: str = "",
    position: int = 0,
) -> str:
    """Insert an org unit; return the id."""
    unit_id = new_id()
    connection.execute(
        insert(org_unit).values(
            id=unit_id,
            name=name,
            level=level,
            parent_id=parent_id,
            service_phone=service_phone,
            supervision_phone=supervision_phone,
            position=position,
        )
    )
    return unit_id


def _add_units(connection: Connection, county_id: str, units: Iterable[str]) -> None:
    townships: dict[str, str] = {}
    for position, line in enumerate(filter(None, map(str.strip, units)), 1):
        township, _, village = line.partition("/")
        if township not in townships:
            townships[township] = add_unit(connection, township, "township", county_id, position=position)
        if village:
            add_unit(connection, village, "village", townships[township], position=position)


def _is_item(name: str) -> bool:
    return name[:1].isupper() and "_" in name


def _read(path: Path) -> list[Mapping]:
    return json.loads(path.read_text("utf-8"))


def _load_roles(connection: Connection, listed: list[Mapping]) -> None:
    known = set(connection.scalars(select(role.c.code)))
    for position, each in enumerate(listed):
        values = {
            "lane": each["lane"],
            "level": each["level"],
            "position": position,
            "may": each.get("may", []),
            "may_not": each.get("may_not", []),
            "incompatible": each.get("incompatible", []),
            "succession": each.get("succession", []),
        }
        if each["code"] in known:
            connection.execute(role.update().where(role.c.code == each["code"]).values(**values))
        else:
            connection.execute(insert(role).values(code=each["code"], **values))


def _load_parameters(connection: Connection, listed: list[Mapping]) -> None:
    connection.execute(delete(parameter).where(parameter.c.org_unit == ""))
    rows = [
        {
            "key": each["key"],
            "org_unit": each.get("org_unit", ""),
            "effective_on": date.fromisoformat(each["effective_on"]),
            "value": each["value"],
            "unit": each.get("unit", ""),
            "basis": each.get("basis", ""),
            "origin": each.get("origin", ""),
            "confirm": bool(each.get("confirm", False)),
        }
        for each in listed
    ]
    connection.execute(insert(parameter), rows)


def _load_registers(connection: Connection, folder: Path) -> None:
    connection.execute(delete(register).where(register.c.code.not_in([path.stem for path in folder.glob("*.json")])))
    known = set(connection.scalars(select(register.c.code)))
    for path in sorted(folder.glob("*.json")):
        definition = json.loads(path.read_text("utf-8"))
        if path.stem in known:
            connection.execute(register.update().where(register.c.code == path.stem).values(definition=definition))
        else:
            connection.execute(insert(register).values(code=path.stem, definition=definition))
