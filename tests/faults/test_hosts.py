"""Two web and two worker processes with folders of their own on one database: everything works whichever answers."""

from __future__ import annotations

import time

import pytest

from engine.demo.story import sample_picture
from tests.conftest import REQUEST, VILLAGE
from tests.faults.processes import CLERKS, PATIENCE, Visitor


@pytest.mark.only_on("postgresql")
def test_whichever_machine_answers_the_work_goes_on(living_county):
    here, there = living_county.web(), living_county.web()
    for _ in range(2):
        living_county.worker()
    for machine in (here, there):
        machine.wait_until_it_answers()
    village, photo = living_county.people.unit(VILLAGE), sample_picture()
    asking = f"/villages/{village}/items/seal_use/request"

    # A villager opens the form on one machine, sends it to the other and reads the receipt on the first.
    villager = Visitor()
    page = villager.get(here, asking)
    fields = {key: value[0] for key, value in REQUEST.items()}
    tokens = {name: page.hidden(name) for name in ("csrf_token", "form_token")}
    assert villager.post(there, asking, {**fields, **tokens}, {"document_photo": photo}).status == 303
    assert "查询码" in villager.get(here, "/receipt").text

    # The clerk signs in on one machine and is signed in on both.
    clerk = Visitor()
    clerk.sign_in(here, CLERKS[VILLAGE])
    assert "土地承包情况证明" in clerk.get(there, "/tasks").text
    engine = living_county.engine()
    by = living_county.people.posts[VILLAGE, "CL"]
    receipt = engine.history.find("", by=by)[0].receipt
    stop = engine.history.trace(receipt, by=by).stops[0]
    task = f"/tasks/{stop.task_id}"

    # A draft with a paper kept on one machine is there on the other.
    page = clerk.get(there, task)
    tokens = {name: page.hidden(name) for name in ("csrf_token", "form_token")}
    typed = {**tokens, "kind": "proof", "not_on_roll": "true"}
    assert clerk.post(there, f"{task}/draft", typed, {"extra_material": photo}).status == 303
    page = clerk.get(here, task)
    assert "草稿已存" in page.text
    attachments = engine.tasks.open(stop.task_id, by=by).attachments
    assert len(attachments) == 2
    for machine in (here, there):
        for attachment in attachments:
            assert clerk.get(machine, f"/attachments/{attachment.id}").body == photo

    # A worker draws the pictures anew, whichever it is.
    assert _becomes(lambda: {clerk.get(there, f"/attachments/{each.id}/preview").status for each in attachments}, {200})

    # The step is done on one machine; the other knows it at once, and a second tap there changes nothing.
    tokens = {name: page.hidden(name) for name in ("csrf_token", "form_token")}
    filled = {**tokens, "applicant": living_county.people.id("张秀英"), "kind": "proof", "papers": "complete"}
    first = clerk.post(here, task, filled)
    assert first.status == 303, first.text
    assert clerk.post(there, task, filled).status == 303
    assert "登记核对" in clerk.get(there, f"/matters/{receipt}").text
    assert engine.history.trace(receipt, by=by).stops[0].step != "登记核对"
    assert engine.history.verify().whole
    assert engine.jobs.incidents() == ()
    engine.close()


def _becomes(read, wanted) -> bool:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if read() == wanted:
            return True
        time.sleep(0.2)
    return False
