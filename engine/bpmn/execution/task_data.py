"""JSON data of a matter: copied, merged and compared, never changed in place.

Tasks share the nested values they have inherited, so whoever changes one makes a new value (:func:`merged`); what
comes from outside or goes there is copied (:func:`json_copy`).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import orjson


def json_copy(value: object) -> object:
    """Return a deep copy that has been through JSON, the only kind of value that may enter task data.

    SpiffWorkflow inherits data one level deep, so a later change of ``a["k"]["n"]`` would rewrite the history of
    finished tasks; a copy through JSON cuts every tie and refuses (TypeError) what a restart could not bring back.
    A Decimal becomes the JSON number with the same digits.
    """
    return orjson.loads(orjson.dumps(value, default=_number))


def merged(old: Mapping[str, object], new: Mapping[str, object]) -> dict[str, object]:
    """Return ``old`` with ``new`` laid over it: objects are merged key by key, anything else is replaced.

    SpiffWorkflow's own DeepMerge also merges lists, and loses values doing so: ``[1, 2]`` overlaid with ``[2]``
    gives ``[1]`` there.
    """
    if not old:
        return dict(new)
    result = dict(old)
    for key, value in new.items():
        before = result.get(key)
        result[key] = merged(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return result


def changes(base: Mapping[str, object], now: Mapping[str, object]) -> dict[str, object]:
    """Return what ``now`` has set since ``base``, as nested objects; keys that vanished are not told."""
    found: dict[str, object] = {}
    for key, value in now.items():
        before = base.get(key)
        if key in base and same(before, value):
            continue
        found[key] = changes(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return found


def same(one: object, other: object) -> bool:
    """Return whether both are the same JSON; ``1``, ``1.0`` and ``true`` are three different things."""
    if one is other:
        return True
    if type(one) is str or type(other) is str:
        return one == other
    return orjson.dumps(one) == orjson.dumps(other)


def _number(value: object) -> orjson.Fragment:
    if isinstance(value, Decimal) and value.is_finite():
        return orjson.Fragment(str(value if value % 1 else int(value)))
    raise TypeError(f"not JSON: {type(value).__name__}")
