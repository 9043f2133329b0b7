"""Workflows kept in memory between two steps of a matter, so that the second need not load it again."""

from __future__ import annotations

import threading
from collections import OrderedDict

from engine.bpmn.workflow import Workflow

#: matters kept; one takes 50 to 200 KB
SIZE = 128


class LiveMatters:
    """Workflow objects by matter and state token, each in one owner's hands: taken out while in use.

    The token is random and new with every save: a database put back from a backup, or moved on by another process,
    never meets an object of another past.
    """

    def __init__(self, size: int = SIZE) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[str, Workflow]] = OrderedDict()

    def clear(self) -> None:
        """Let everything go."""
        with self._lock:
            self._kept.clear()

    def take(self, matter_id: str, token: str) -> Workflow | None:
        """Take a matter's workflow out; None when none is kept in just this state."""
        with self._lock:
            known, workflow = self._kept.pop(matter_id, ("", None))
        return workflow if known == token else None

    def put(self, matter_id: str, token: str, workflow: Workflow) -> None:
        """Keep a workflow whose state is committed under that token; one that has ended, or moved on, is let go."""
        if not workflow.leave() or workflow.finished:
            return
        with self._lock:
            self._kept[matter_id] = token, workflow
            self._kept.move_to_end(matter_id)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
