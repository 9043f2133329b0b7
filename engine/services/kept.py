"""What every step reads and hardly anything changes (units, people, posts, roles, parameters), kept in memory.

The database gives these lists together one random version, new whenever any of them changes, by whatever hand
(migration 0005). What was read under a version holds for all who meet the same version: nothing is ever outdated,
a change that was rolled back is forgotten with its version, and a restored database brings its own version along.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TypeVar

from sqlalchemy import Connection, select

from engine.store.prepared import Prepared
from engine.store.tables import setting

Read = TypeVar("Read")

#: under this key stands the version in ``setting``
KEY = "lists"
#: answers kept; a county has some hundred villages
SIZE = 2_048

VERSION = select(setting.c.value).where(setting.c.key == KEY)
_VERSION = Prepared(VERSION)


class _Kept:
    """The answers read last, by version and what was asked."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[Hashable, object] = OrderedDict()

    def get(self, key: Hashable, read: Callable[[], Read]) -> Read:
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        answer = read()
        with self._lock:
            self._known[key] = answer
            while len(self._known) > SIZE:
                self._known.popitem(last=False)
        return answer


_KEPT = _Kept()


def version(connection: Connection) -> str | None:
    """Return the version of the lists this transaction sees; None in a database that counts none."""
    return _VERSION.scalar(connection, {})


def kept(version: str | None, *asked: Hashable, read: Callable[[], Read]) -> Read:
    """Return the answer to what is asked as of that version, reading it when nobody has asked before.

    Answers are shared: nobody may write to them.
    """
    return _KEPT.get((version, *asked), read) if version else read()
