"""post.find: are there enough different persons for the steps to come (四人分离)."""

from __future__ import annotations

from collections.abc import Mapping

from engine.connectors.call import Call


def find(call: Call, inputs: Mapping[str, object]) -> dict[str, object]:
    """Tell whether every step of ``steps`` (ids, by blank) finds a person of its own.

    Returns ``{found, missing}``; ``missing`` names the lanes for which nobody is left.
    """
    missing = call.find_hands(tuple(str(inputs["steps"]).split()))
    return {"found": not missing, "missing": "、".join(missing)}
