"""document.render: keep the merged data in the transaction, make the file afterwards."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date
from pathlib import PurePosixPath

from sqlalchemy import ColumnElement, and_, insert, select

from engine.clock import local_date
from engine.connectors.call import Call
from engine.errors import Refused
from engine.identifiers import new_id
from engine.store.tables import document, job


def render(call: Call, inputs: Mapping[str, object]) -> dict[str, object]:
    """Queue the document made of ``template`` (``<template>.typ`` beside the diagram) and the other inputs.

    Returns ``{document_id}``. With ``once`` a matter that has a document of that template gets no second one.

    :raises Refused: ``template_missing``.
    """
    template = (PurePosixPath(call.folder) / str(inputs["template"])).as_posix()
    known = call.connection.scalar(select(document.c.id).where(_same(call, template, bool(inputs.get("once")))))
    if known:
        return {"document_id": known}
    source = call.files.get(f"{template}.typ")
    if source is None:
        raise Refused("template_missing", f"没有文书模板〈{template}〉", remedy="请流程设计员补上模板")
    document_id = new_id()
    call.connection.execute(
        insert(document).values(
            id=document_id,
            instance_id=call.matter.id,
            template=template,
            template_digest=hashlib.sha256(source).hexdigest(),
            title=str(inputs.get("title") or template),
            data=_merged(call, inputs),
            call_key=call.key,
            at=call.now,
        )
    )
    call.connection.execute(
        insert(job).values(
            id=new_id(),
            kind="document.render",
            key=f"document:{document_id}",
            payload={"document_id": document_id},
            state="open",
            due_at=call.now,
        )
    )
    return {"document_id": document_id}


def _same(call: Call, template: str, once: bool) -> ColumnElement[bool]:
    if once:
        return and_(document.c.instance_id == call.matter.id, document.c.template == template)
    return document.c.call_key == call.key


def _merged(call: Call, inputs: Mapping[str, object]) -> dict[str, object]:
    village = call.units.get("village")
    around = {level: unit.name for level, unit in call.units.items()}
    return {
        **around,
        "receipt": call.matter.receipt,
        "item_name": call.item_name,
        "promise": call.promise,
        "due": _date(call.due_on) if call.due_on else None,
        "handler": call.actor,
        "subject": call.matter.subject,
        "applicant_name": call.matter.applicant_name,
        "date": _date(local_date(call.now)),
        "service_phone": village.service_phone if village else "",
        "supervision_phone": village.supervision_phone if village else "",
        **{key: value for key, value in inputs.items() if key not in ("template", "once") and value is not None},
    }


def _date(day: date) -> str:
    return f"{day.year}年{day.month}月{day.day}日"
