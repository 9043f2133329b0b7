"""The append-only event log: one hash chain per village, salted digests, verification."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import orjson
from sqlalchemy import Connection, Row, bindparam, insert, select, update

from engine.store.prepared import Prepared
from engine.store.tables import (
    Moment,
    chain_head,
    event_log,
    org_unit,
    process_instance,
    register_entry,
    submission,
)
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


#: the greatest number both encoders write
_MOST = 2**53
_CANONICAL = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)


def canonical(value: object) -> bytes:
    """Return the one JSON text of a value: sorted keys, no blanks, UTF-8."""
    if _is_plain(value):
        try:
            return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        except TypeError:
            # Half a character that somebody wrote into the database.
            pass
    return _CANONICAL.encode(value).encode()


def _is_plain(value: object) -> bool:
    """Tell whether the fast encoder writes a value to the letter as the one that the first chains were made with.

    It writes fractions in another way, and knows no numbers of more than 64 bits.
    """
    kind = type(value)
    if kind in _SCALARS:
        return True
    if kind is dict:
        values = value.values()
        if any(type(key) is not str for key in value):
            return False
    elif kind is list or kind is tuple:
        values = value
    else:
        return kind is int and -_MOST <= value <= _MOST
    return all(type(each) in _SCALARS or _is_plain(each) for each in values)


_SCALARS = frozenset((str, bool, type(None)))


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
        rows = _lengthen(connection, unit_id, by_unit[unit_id])
        _APPEND.run_each(connection, rows)


def _lengthen(connection: Connection, unit_id: str, events: Sequence[Event]) -> list[dict[str, object]]:
    """Move the head of a chain on, which locks it; return the rows that come behind it.

    Where it was last seen is tried first: the database tells whether it still stands there, and is asked if not.
    """
    seen = _HEADS.get(unit_id)
    if seen is not None:
        rows = _rows(events, *seen)
        if _move_head(connection, unit_id, seen, rows[-1]):
            return rows
    head = _HEAD.first(connection, {"unit": unit_id})
    if head is None:
        connection.execute(insert(chain_head).values(unit_id=unit_id, number=0, hash=GENESIS))
    known = (head.number, head.hash) if head else (0, GENESIS)
    rows = _rows(events, *known)
    _move_head(connection, unit_id, known, rows[-1])
    return rows


def _rows(events: Iterable[Event], number: int, head: str) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for event in events:
        number += 1
        rows.append(_row(event, number, head))
        head = rows[-1]["hash"]
    return rows


def _move_head(connection: Connection, unit_id: str, known: tuple[int, str], last: Mapping[str, object]) -> bool:
    number, head = known
    moved = {"unit": unit_id, "at": number, "head": head, "number": last["number"], "hash": last["hash"]}
    if _MOVE_HEAD.run(connection, moved) != 1:
        return False
    if len(_HEADS) >= MOST_HEADS:
        _HEADS.clear()
    _HEADS[unit_id] = last["number"], last["hash"]
    return True


#: chains whose heads are remembered; a county has some hundred
MOST_HEADS = 4_096
#: unit → number and hash of its head as seen last: a guess, for the transaction may have been undone
_HEADS: dict[str, tuple[int, str]] = {}
_HEAD = Prepared(
    select(chain_head.c.number, chain_head.c.hash).where(chain_head.c.unit_id == bindparam("unit")).with_for_update()
)
_APPEND = Prepared(insert(event_log))
_MOVE_HEAD = Prepared(
    update(chain_head)
    .where(
        chain_head.c.unit_id == bindparam("unit"),
        chain_head.c.number == bindparam("at"),
        chain_head.c.hash == bindparam("head"),
    )
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
        "data": orjson.loads(canonical(event.data)) if event.data else {},
        "submission_id": event.submission_id,
        "digest": event.digest,
        "prev": prev,
    }
    return {**row, "hash": entry_hash(row)}


# Plain text: for names of SQLAlchemy's own kind the fast encoder would step aside.
_HASHED = [str(key) for key in event_log.c.keys() if key not in ("hash", "prev")]


def entry_hash(row: Mapping[str, object]) -> str:
    """Return SHA-256(prev ‖ canonical JSON of everything else in the entry)."""
    body = {key: row[key] for key in _HASHED}
    for key in _MOMENTS:
        body[key] = _as_text(body[key])
    try:
        return hashlib.sha256(bytes.fromhex(str(row["prev"])) + canonical(body)).hexdigest()
    except ValueError:
        # Somebody wrote into "prev" what was never a hash.
        return ""


_MOMENTS = [str(column.key) for column in event_log.c if isinstance(column.type, Moment)]


def _as_text(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat(timespec="microseconds") if moment is not None else None


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
