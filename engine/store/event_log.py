"""The append-only event log: one hash chain per village, salted digests, verification."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from engine.store.prepared import Prepared
from engine.store.tables import chain_head, event_log, org_unit, process_instance, register_entry, submission
from engine.views import Broken, Verification

#: what stands before the first entry of a chain
GENESIS = "0" * 64
#: entries read at a time when a chain is recomputed
PAGE = 500


@dataclass(frozen=True)
class Event:
    """Something that happened; ``data`` holds no personal data."""

    unit_id: str
    kind: str
    at: datetime
    instance_id: str | None = None
    element: str = ""
    actor_id: str | None = None
    on_behalf_of: str | None = None
    acted_at: datetime | None = None
    data: Mapping[str, object] = field(default_factory=dict)
    submission_id: str | None = None
    digest: str = ""


_CANONICAL = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)


def canonical(value: object) -> bytes:
    """Return the one JSON text of a value: sorted keys, no blanks, UTF-8."""
    return _CANONICAL.encode(value).encode()


def new_salt() -> str:
    """Return 128 random bits as hex."""
    return secrets.token_hex(16)


def salted_digest(salt: str, data: object) -> str:
    """Return a digest that cannot be guessed back from a phone number without the salt."""
    return hashlib.sha256(bytes.fromhex(salt) + canonical(data)).hexdigest()


def entry_digest(salt: str, year: int, number: int, data: object) -> str:
    """Return the salted digest of a register entry: what it says, and under which number."""
    return salted_digest(salt, {"year": year, "number": number, "data": data})


def append(connection: Connection, events: Iterable[Event]) -> None:
    """Append events to the chains of their units; call it last in the transaction.

    Chain heads are locked in id order: two transactions over the same units can neither fork a chain nor deadlock.
    """
    by_unit: dict[str, list[Event]] = {}
    for event in events:
        by_unit.setdefault(event.unit_id, []).append(event)
    for unit_id in sorted(by_unit):
        number, head = _lock_head(connection, unit_id)
        rows = []
        for event in by_unit[unit_id]:
            number += 1
            row = _row(event, number, head)
            head = row["hash"]
            rows.append(row)
        _APPEND.run_each(connection, rows)
        _MOVE_HEAD.run(connection, {"unit": unit_id, "number": number, "hash": head})


def _lock_head(connection: Connection, unit_id: str) -> tuple[int, str]:
    head = _HEAD.first(connection, {"unit": unit_id})
    if head is None:
        connection.execute(insert(chain_head).values(unit_id=unit_id, number=0, hash=GENESIS))
        return 0, GENESIS
    return head.number, head.hash


_HEAD = Prepared(
    select(chain_head.c.number, chain_head.c.hash).where(chain_head.c.unit_id == bindparam("unit")).with_for_update()
)
_APPEND = Prepared(insert(event_log))
_MOVE_HEAD = Prepared(
    update(chain_head)
    .where(chain_head.c.unit_id == bindparam("unit"))
    .values(number=bindparam("number"), hash=bindparam("hash"))
)


def _row(event: Event, number: int, prev: str) -> dict[str, object]:
    row = {
        "unit_id": event.unit_id,
        "number": number,
        "instance_id": event.instance_id,
        "kind": event.kind,
        "element": event.element,
        "actor_id": event.actor_id,
        "on_behalf_of": event.on_behalf_of,
        "at": event.at,
        "acted_at": event.acted_at,
        "data": json.loads(canonical(event.data)) if event.data else {},
        "submission_id": event.submission_id,
        "digest": event.digest,
        "prev": prev,
    }
    return {**row, "hash": entry_hash(row)}


_HASHED = [key for key in event_log.c.keys() if key not in ("hash", "prev")]


def entry_hash(row: Mapping[str, object]) -> str:
    """Return SHA-256(prev ‖ canonical JSON of everything else in the entry)."""
    body = {key: _plain(row[key]) for key in _HASHED}
    try:
        return hashlib.sha256(bytes.fromhex(str(row["prev"])) + canonical(body)).hexdigest()
    except ValueError:
        # Somebody wrote into "prev" what was never a hash.
        return ""


def _plain(value: object) -> object:
    return value.astimezone(UTC).isoformat(timespec="microseconds") if isinstance(value, datetime) else value


def entries_hold(rows: Iterable[object]) -> bool:
    """Tell whether each of these entries still has its own hash; the chain between them is :func:`verify`'s."""
    return all(entry_hash(row._mapping) == row.hash for row in rows)


def verify(connection: Connection, against: Mapping[str, Mapping[str, object]] | None = None) -> Verification:
    """Recompute every chain; name the first bad entry of each, cut tails and dropped chains.

    ``against`` are heads published earlier: ``{unit id: {"number": n, "hash": "…"}}``.
    """
    names = dict(connection.execute(select(org_unit.c.id, org_unit.c.name)).all())
    heads = {row.unit_id: row for row in connection.execute(select(chain_head))}
    units = sorted(set(heads) | set(connection.scalars(select(event_log.c.unit_id).distinct())))
    broken: list[Broken] = []
    published: dict[str, dict[str, object]] = {}
    entries = 0
    for unit_id in units:
        known = (against or {}).get(unit_id, {})
        count, head, faults = _walk(connection, unit_id, names.get(unit_id, unit_id), known)
        entries += count
        broken += faults or _check_head(heads.get(unit_id), count, head, names.get(unit_id, unit_id))
        published[unit_id] = {"number": count, "hash": head}
    # Each matter leaves entries: a village that has matters has a chain, even if nobody kept the heads.
    expected = set(against or {}) | set(connection.scalars(select(process_instance.c.unit_id).distinct()))
    for unit_id in sorted(expected - set(units)):
        broken.append(Broken(names.get(unit_id, unit_id), 0, "整条记录链不见了"))
    broken += [
        Broken(names.get(unit_id, unit_id), number, fault) for unit_id, number, fault in _register_faults(connection)
    ]
    return Verification(len(units), entries, tuple(broken), published)


def _register_faults(connection: Connection) -> Iterator[tuple[str, int, str]]:
    """Yield (unit id, log number, fault) for the register entries that are not what was logged."""
    logged = connection.execute(
        select(event_log.c.unit_id, event_log.c.number, event_log.c.data, event_log.c.digest).where(
            event_log.c.kind == "registered"
        )
    ).all()
    for event in logged:
        row = connection.execute(_ENTRY, {"entry": str(event.data.get("entry"))}).one_or_none()
        if row is None:
            yield event.unit_id, event.number, "台账里这一条不见了"
        elif entry_digest(row.salt, row.year, row.number, row.data) != event.digest:
            yield event.unit_id, event.number, "台账里这一条被改动过"


_ENTRY = select(register_entry.c.salt, register_entry.c.year, register_entry.c.number, register_entry.c.data).where(
    register_entry.c.id == bindparam("entry")
)


def _walk(
    connection: Connection, unit_id: str, name: str, known: Mapping[str, object]
) -> tuple[int, str, list[Broken]]:
    """Return (entries, last hash, first fault) of one chain."""
    number, prev = 0, GENESIS
    for row in _entries(connection, unit_id):
        number += 1
        if row is None:
            return number, prev, [Broken(name, number, "这一条被改动过，读不出来")]
        fault = _fault(row, number, prev)
        if not fault and known.get("number") == number and known.get("hash") != row["hash"]:
            fault = "与早先公布的校验码不符，之前的记录被改写过"
        if fault:
            return number, str(row["hash"]), [Broken(name, number, fault)]
        prev = str(row["hash"])
    if number < int(known.get("number", 0)):
        return number, prev, [Broken(name, number + 1, f"末尾少了记录：早先公布到第 {known['number']} 号")]
    return number, prev, []


def _entries(connection: Connection, unit_id: str) -> Iterator[Mapping[str, object] | None]:
    """Yield the entries of a chain in order; None, the last one, stands for an entry that cannot be read."""
    after, size = -1, PAGE
    while True:
        try:
            rows = _page(connection, unit_id, after, size)
        except ValueError:
            if size == 1:
                yield None
                return
            # One of these: come to it entry by entry, so that the faults before it are seen first.
            size = 1
            continue
        if not rows:
            return
        yield from (row._mapping for row in rows)
        after = rows[-1].number


def _page(connection: Connection, unit_id: str, after: int, size: int) -> Sequence[Row]:
    statement = (
        select(event_log, submission.c.salt, submission.c.data.label("submitted"))
        .outerjoin(submission, submission.c.id == event_log.c.submission_id)
        .where(event_log.c.unit_id == unit_id, event_log.c.number > after)
        .order_by(event_log.c.number)
        .limit(size)
    )
    return connection.execute(statement).all()


def _fault(row: Mapping[str, object], number: int, prev: str) -> str:
    if row["number"] != number:
        return "这一条不见了"
    if row["prev"] != prev or entry_hash(row) != row["hash"]:
        return "这一条被改动过"
    if row["submission_id"] and not _is_submitted(row):
        return "这一步填写的内容被改动过"
    return ""


def _is_submitted(row: Mapping[str, object]) -> bool:
    """Tell whether what was filled in is what was logged; what has been erased, salt and all, can no longer tell."""
    if not row["salt"] and not row["submitted"]:
        return True
    try:
        return salted_digest(str(row["salt"]), row["submitted"]) == row["digest"]
    except ValueError:
        return False


def _check_head(head, count: int, last: str, name: str) -> list[Broken]:
    if head is None or head.number != count or head.hash != last:
        return [Broken(name, count + 1, "末尾的记录与链头不符，可能被截掉")]
    return []
