"""Telling a person: into the own pages, and into the outbox for a channel outside, which is never claimed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, insert, select

from engine.identifiers import new_id
from engine.store.tables import job, notification

#: what an outbox row says while no gateway for short messages is set up
NO_CHANNEL = "未配置通道"


def tell(
    connection: Connection, now: datetime, *, instance_id: str, person_id: str | None, text: str, key: str
) -> str | None:
    """Put a text into a person's pages (None: the applicant's progress page); return its id, None when it is there.

    The outbox row stays parked: nothing here says that anything was delivered.
    """
    if connection.scalar(select(notification.c.id).where(notification.c.call_key == key)) is not None:
        return None
    notice_id = new_id()
    connection.execute(
        insert(notification).values(
            id=notice_id, instance_id=instance_id, person_id=person_id, text=text, channel="pages", at=now, call_key=key
        )
    )
    connection.execute(
        insert(job).values(
            id=new_id(),
            kind="notify.deliver",
            key=f"notify:{notice_id}",
            payload={"notice_id": notice_id},
            state="parked",
            due_at=now,
            error=NO_CHANNEL,
        )
    )
    return notice_id
