"""body.members, vote.tally: who is entitled, and the totals of a vote. Whether it passes stands in a decision table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NoReturn

from sqlalchemy import select

from engine.connectors.call import Call
from engine.errors import Refused
from engine.store.tables import person

PRESENT, RECUSED, ABSENT = "present", "recused", "absent"
#: how many count where a diagram does not say
COUNTERS = 2
#: what the counters sign
TOTALS = ("voting", "yes", "no", "abstain")


def members(call: Call, inputs: Mapping[str, object]) -> dict[str, object]:
    """Freeze who belongs to a ``body`` now: the posts that the parameter ``body.<code>`` names, each person once.

    Returns ``{members, count}``; a member is ``{id, name, group}``. Whoever is appointed later has no seat here. A body
    nobody belongs to has no members: its meeting has no quorum, and people learn it where they call it.
    """
    posts = str(call.param(f"body.{inputs['body']}")).split()
    ids = list(dict.fromkeys(person_id for code in posts for person_id in call.post_holders(code)))
    rows = call.connection.execute(select(person.c.id, person.c.name, person.c.group_name).where(person.c.id.in_(ids)))
    listed = sorted((row.group_name, row.name, row.id) for row in rows)
    return {
        "members": [{"id": id, "name": name, "group": group} for group, name, id in listed],
        "count": len(listed),
    }


def tally(call: Call, inputs: Mapping[str, object]) -> dict[str, object]:
    """Count a meeting from its ``attendance`` (a row per person) and, where there was a vote, from its totals.

    Ballots come as totals only (``voting``, ``yes``, ``no``, ``abstain``), signed by ``counters``, at least
    ``counters_min`` of them and none of those who watch them (``watched_by``: ``role:<lane>``): nothing that passes
    here relates a person to a choice. Who is recused leaves the base unless ``recused_in_base``.

    Returns ``{entitled, recused, absent, present, base, voting, yes, no, abstain}``; without a vote ``voting`` is the
    number present and the totals are 0.

    :raises Refused: ``tally_wrong``: the figures contradict each other.
    """
    seats = inputs["attendance"]
    said = count(seats, include_recused=bool(call.param("recused_in_base")))
    if inputs.get("voting") is None:
        return {**said, "voting": said[PRESENT], "yes": 0, "no": 0, "abstain": 0}
    votes = {name: int(inputs[name] or 0) for name in TOTALS}
    check(votes, said[PRESENT])
    least = int(inputs.get("counters_min") or COUNTERS)
    _check_counters(call, seats, list(inputs.get("counters") or []), least, str(inputs.get("watched_by") or ""))
    return {**said, **votes}


def count(seats: Sequence[Mapping], *, include_recused: bool) -> dict[str, int]:
    """Count an attendance list: ``entitled``, ``recused``, ``absent``, ``present`` and the ``base`` of the vote."""
    counted = {state: sum(seat["choice"] == state for seat in seats) for state in (PRESENT, RECUSED, ABSENT)}
    inside = counted[RECUSED] if include_recused else 0
    return {"entitled": len(seats), **counted, "base": len(seats) - counted[RECUSED] + inside}


def check(votes: Mapping[str, int], present: int) -> None:
    """Check that the totals agree with each other and with who was there; Refused ``tally_wrong``."""
    if votes["voting"] > present:
        _refuse(f"投票时在场 {votes['voting']} 人，比签到的 {present} 人多")
    cast = votes["yes"] + votes["no"] + votes["abstain"]
    if min(votes.values()) < 0 or cast != votes["voting"]:
        _refuse(f"同意、反对、弃权加起来是 {cast} 票，投票时在场的是 {votes['voting']} 人，两个数要一样")


def _check_counters(
    call: Call, seats: Sequence[Mapping], counters: Sequence[object], least: int, watched_by: str
) -> None:
    lane = watched_by.removeprefix("role:")
    if lane and not set(call.holders(lane)).isdisjoint(counters):
        _refuse(f"计票由{lane}监督，计票人里不能有{lane}的人", "请另定计票人，重新点票、签名，再交")
    here = {seat["id"] for seat in seats if seat["choice"] == PRESENT}
    if len(set(counters)) < least or not here.issuperset(counters):
        _refuse(f"计票人要有 {least} 个不同的人，都签到在场")


def _refuse(reason: str, remedy: str = "请对照签了名的计票单改正后再交") -> NoReturn:
    raise Refused("tally_wrong", f"票数对不上：{reason}", remedy=remedy)
