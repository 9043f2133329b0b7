"""What came of a matter, held against what its scenario expects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Row, select

from engine.services.course import PASSED_KINDS
from engine.store.tables import document, event_log, process_instance, register_entry, task


@dataclass(frozen=True)
class Outcome:
    """Everything of one matter that a scenario may expect something of."""

    matter: Row
    #: in the order they happened
    events: Sequence[Row]
    tasks: Sequence[Row]
    #: registers of its entries
    entries: Sequence[str]
    #: templates of its documents, in the order they were made
    documents: Sequence[str]
    #: items of the matters it has opened
    opened: Sequence[str]

    @classmethod
    def read(cls, connection: Connection, matter_id: str) -> Outcome:
        """Read it from the database."""
        matter = connection.execute(select(process_instance).where(process_instance.c.id == matter_id)).one()
        events = select(event_log).where(event_log.c.instance_id == matter_id).order_by(event_log.c.number)
        tasks = select(task).where(task.c.instance_id == matter_id).order_by(task.c.created_at, task.c.id)
        entries = select(register_entry.c.register).where(register_entry.c.instance_id == matter_id)
        documents = select(document.c.template).where(document.c.instance_id == matter_id).order_by(document.c.at)
        opened = select(process_instance.c.item_id).where(
            process_instance.c.business_key == matter.receipt, process_instance.c.id != matter_id
        )
        return cls(
            matter,
            connection.execute(events).all(),
            connection.execute(tasks).all(),
            connection.scalars(entries).all(),
            connection.scalars(documents).all(),
            connection.scalars(opened).all(),
        )

    @property
    def path(self) -> list[str]:
        """The nodes the matter has passed."""
        return [event.element for event in self.events if event.kind in PASSED_KINDS]

    @property
    def assignees(self) -> dict[str, str | None]:
        """Open step → person id, None for nobody."""
        return {each.element: each.assignee_id for each in self.tasks if each.state == "open"}

    def difference(self, expect: Mapping, before: int, lanes: Mapping[str, Sequence[str]]) -> str:
        """Return what is otherwise than expected, "" when nothing is.

        :param before: nodes that were passed before the expected path begins.
        :param lanes: open step → lanes of the posts of who has it.
        """
        refusal = self.matter.refusal
        got = {
            "state": self.matter.state,
            "refused": {"reason": refusal.get("code")} if refusal else None,
            "path": self.path[before:],
            "entries": dict(Counter(self.entries)),
            "documents": list(self.documents),
            "opens": dict(Counter(self.opened)),
        }
        for key, wanted in expect.items():
            if key == "assignee":
                problem = _wrong_assignee(lanes, wanted)
            elif key == "limits":
                have = {each.element: f"{each.limit_value} {each.limit_unit}" for each in self.tasks}
                have = {element: have.get(element) for element in wanted}
                problem = "" if have == wanted else f"期限应是 {wanted}，实际是 {have}"
            else:
                problem = "" if got[key] == wanted else f"{key} 应是 {wanted}，实际是 {got[key]}"
            if problem:
                return problem
        return ""


def _wrong_assignee(have: Mapping[str, Sequence[str]], wanted: Mapping[str, str | None]) -> str:
    """``wanted`` names for each open step the lane of who has it, or null for 没人办."""
    if set(have) != set(wanted):
        return f"开着的步骤应是 {list(wanted)}，实际是 {list(have)}"
    for element, lane in wanted.items():
        if (lane is None and have[element]) or (lane is not None and lane not in have[element]):
            return f"{element} 应轮到 {lane or '没人'}，实际是 {have[element]}"
    return ""
