"""motion.*: one motion is one matter; its text is fixed by a hash, a rejected text rests, a passed one waits."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from datetime import date

from sqlalchemy import Row, insert, or_, select, update

from engine.clock import local_date
from engine.connectors.call import Call
from engine.errors import Refused
from engine.identifiers import new_id
from engine.store.tables import motion, process_instance


def text_hash(text: str) -> str:
    """Return the hash of a text as people read it: blanks, line ends and full or half width make no other text.

    Nor do characters nobody sees, such as a zero-width space.
    """
    seen = "".join(each for each in unicodedata.normalize("NFKC", text) if unicodedata.category(each) != "Cf")
    plain = re.sub(r"\s", "", seen)
    return hashlib.sha256(plain.encode()).hexdigest()


def fix(call: Call, inputs: Mapping[str, object]) -> dict[str, object]:
    """Fix the plan of this matter: from now on the vote must be on this ``text``.

    Returns ``{motion, hash}``; ``motion`` is the receipt of the matter, the business key of all that follows.
    """
    values = {"title": str(inputs["title"]), "text_hash": text_hash(str(inputs["text"])), "fixed_at": call.now}
    _write(call, values)
    return {"motion": call.matter.receipt, "hash": values["text_hash"]}


def compare(call: Call, inputs: Mapping[str, object]) -> dict[str, object]:
    """Tell whether ``text`` is the plan that was fixed: ``{same}``; false when none was."""
    known = _own(call)
    return {"same": known is not None and known.text_hash == text_hash(str(inputs["text"]))}


def look(call: Call, inputs: Mapping[str, object]) -> dict[str, object]:
    """Tell whether the same ``text`` was rejected in this village and still rests: ``{barred, until, motion}``.

    It rests to the end of its last day, whether it was proposed so or was the plan that was voted on. Also
    ``representatives``: how many there are, for the share of them who may ask for it again; 1 where there are none, for
    then nobody can ask.

    :raises Refused: ``asked_by``: more are said to ask than there are.
    """
    posts = str(call.param("body.VR")).split()
    representatives = len({person_id for code in posts for person_id in call.post_holders(code)})
    asked_by = int(inputs.get("asked_by") or 0)
    if asked_by > representatives:
        reason = f"联名的村民代表填了 {asked_by} 人，全村只有 {representatives} 人"
        raise Refused("asked_by", reason, remedy="请照联名单上签了名的代表人数填")
    proposed = text_hash(str(inputs["text"]))
    row = call.connection.execute(
        select(motion.c.barred_until, process_instance.c.receipt)
        .join(process_instance, process_instance.c.id == motion.c.instance_id)
        .where(
            motion.c.unit_id == call.matter.unit_id,
            or_(motion.c.proposed_hash == proposed, motion.c.text_hash == proposed),
            motion.c.instance_id != call.matter.id,
            motion.c.barred_until >= local_date(call.now),
        )
        .order_by(motion.c.barred_until.desc())
        .limit(1)
    ).one_or_none()
    _write(call, {"proposed_hash": proposed})
    return {
        "barred": row is not None,
        "until": row.barred_until.isoformat() if row else None,
        "motion": row.receipt if row else None,
        "representatives": max(representatives, 1),
    }


def reject(call: Call, inputs: Mapping[str, object]) -> dict[str, object]:
    """Note that the motion was rejected: its text rests for ``months``. Returns ``{until}``."""
    until = _months_after(local_date(call.now), int(inputs["months"]))
    _write(call, {"state": "rejected", "barred_until": until})
    return {"until": until.isoformat()}


def release(call: Call, inputs: Mapping[str, object]) -> dict[str, object]:
    """Allow the motion to be carried out: its notice has ended. Returns ``{motion}``."""
    _write(call, {"state": "released", "released_at": call.now})
    return {"motion": call.matter.receipt}


def check(call: Call, inputs: Mapping[str, object]) -> dict[str, object]:
    """Tell whether a ``motion`` (receipt) of this village may be carried out: ``{found, released, title, asked_in}``.

    A payment or contract that names a motion asks here first; before the notice has ended the answer is no.
    ``asked_in`` is the receipt of the matter that asks.
    """
    row = call.connection.execute(
        select(motion)
        .join(process_instance, process_instance.c.id == motion.c.instance_id)
        .where(
            process_instance.c.receipt == "".join(str(inputs["motion"] or "").split()).upper(),
            motion.c.unit_id == call.matter.unit_id,
        )
    ).one_or_none()
    released = row is not None and row.state == "released"
    title = row.title if row else None
    return {"found": row is not None, "released": released, "title": title, "asked_in": call.matter.receipt}


def _own(call: Call) -> Row | None:
    return call.connection.execute(select(motion).where(motion.c.instance_id == call.matter.id)).one_or_none()


def _write(call: Call, values: Mapping[str, object]) -> None:
    """One row per matter: written at the first call, changed by the later ones."""
    known = _own(call)
    if known is not None:
        call.connection.execute(update(motion).where(motion.c.id == known.id).values(**values))
        return
    base = {"title": call.matter.subject, "text_hash": "", "proposed_hash": "", "state": "open"}
    call.connection.execute(
        insert(motion).values(
            id=new_id(), instance_id=call.matter.id, unit_id=call.matter.unit_id, **{**base, **values}
        )
    )


def _months_after(day: date, count: int) -> date:
    """Return the same day ``count`` months later, the last of the month where there is none."""
    month = day.month - 1 + count
    year, month = day.year + month // 12, month % 12 + 1
    for last in (day.day, 30, 29, 28):
        try:
            return date(year, month, last)
        except ValueError:
            continue
    raise ValueError(day)
