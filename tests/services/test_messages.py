"""Messages between matters: to who waits, to a start, kept until somebody waits; each sending once."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import select

from engine import ProcessEngine
from engine.store.tables import event_log, message, process_instance
from tests.services.drawn import begin, data_of, enforce, item, places

MESSAGES = '<message id="M" name="motion"/><message id="R" name="decided"/>'


def thrower(id: str, name: str, inputs: str = "") -> str:
    said = "".join(
        f'<camunda:inputParameter name="{key}">{value}</camunda:inputParameter>'
        for key, value in (pair.split(":", 1) for pair in filter(None, inputs.split("|")))
    )
    extensions = f"<extensionElements><camunda:inputOutput>{said}</camunda:inputOutput></extensionElements>"
    return (
        f'<intermediateThrowEvent id="{id}">{extensions if said else ""}'
        f'<messageEventDefinition id="d{id}" messageRef="{name}"/></intermediateThrowEvent>'
    )


def catcher(id: str, name: str) -> str:
    return (
        f'<intermediateCatchEvent id="{id}"><messageEventDefinition id="d{id}" messageRef="{name}"/>'
        "</intermediateCatchEvent>"
    )


#: the clerk's task, then the motion is sent and its decision waited for
ASKING = (
    '<startEvent id="s"/><userTask id="a"/>' + thrower("send", "M", "subject:修渠")
    + catcher("wait", "R") + '<userTask id="b"/><endEvent id="e"/>'
)  # fmt: skip
ASKING_FLOWS = "s -> a\na -> send\nsend -> wait\nwait -> b\nb -> e"
#: opened by the motion; the decision is sent back when the clerk is done
ANSWERING = (
    '<startEvent id="s2"><messageEventDefinition id="d2" messageRef="M"/></startEvent><userTask id="a"/>'
    + thrower("answer", "R", "passed:=true") + '<endEvent id="e2"/>'
)  # fmt: skip
ANSWERING_FLOWS = "s2 -> a\na -> answer\nanswer -> e2"


def rows(county, table, *conditions):
    with county.engine.database.read() as connection:
        return connection.execute(select(table).where(*conditions)).all()


def ask(county):
    enforce(county, item("asking", ASKING, ASKING_FLOWS, declared=MESSAGES))
    return begin(county, "asking")


def send(county, matter):
    county.complete(matter, county.post("CL"), {})


def child(county):
    return rows(county, process_instance, process_instance.c.item_id == "answering")


def finish(county, receipt):
    task_id = next(
        stop.task_id for stop in county.engine.history.trace(receipt, by=county.post("SB")).stops if stop.task_id
    )
    county.engine.tasks.complete(task_id, by=county.post("CL"), data={})


def test_a_message_opens_a_matter_whose_answer_comes_back(county):
    enforce(county, item("answering", ANSWERING, ANSWERING_FLOWS, declared=MESSAGES))
    matter = ask(county)
    send(county, matter)
    (opened,) = child(county)
    assert (places(county, matter.matter_id), places(county, opened.id)) == (["wait"], ["a"])
    assert opened.business_key == matter.receipt
    finish(county, opened.receipt)
    assert places(county, matter.matter_id) == ["b"]
    assert {(row.name, row.target_id is not None, str(row.payload)) for row in rows(county, message)} == {
        ("motion", True, "{}"),
        ("decided", True, "{}"),
    }
    assert county.engine.history.verify().whole


def test_only_what_the_element_hands_over_is_told(county):
    enforce(county, item("answering", ANSWERING, ANSWERING_FLOWS, declared=MESSAGES))
    matter = ask(county)
    send(county, matter)
    (opened,) = child(county)
    assert data_of(county, opened.id) == {"subject": "修渠"}


def test_each_motion_has_its_own_answer(county):
    enforce(county, item("answering", ANSWERING, ANSWERING_FLOWS, declared=MESSAGES))
    first, second = ask(county), begin(county, "asking")
    send(county, first)
    send(county, second)
    answered = next(row for row in child(county) if row.business_key == second.receipt)
    finish(county, answered.receipt)
    assert (places(county, first.matter_id), places(county, second.matter_id)) == (["wait"], ["b"])


def test_a_message_nobody_waits_for_is_kept_and_delivered_when_somebody_does(county):
    matter = ask(county)
    sent = thrower("send", "R", f"passed:=true|businessKey:{matter.receipt}")
    early = f'<startEvent id="s"/><userTask id="a"/>{sent}<endEvent id="e"/>'
    enforce(county, item("early", early, "s -> a\na -> send\nsend -> e", declared=MESSAGES))
    send(county, begin(county, "early"))
    (kept,) = rows(county, message)
    assert (kept.name, kept.delivered_at, kept.payload) == ("decided", None, {"passed": True})
    send(county, matter)
    assert places(county, matter.matter_id) == ["b"]
    (delivered, motion) = sorted(rows(county, message), key=lambda row: row.name)
    assert (delivered.target_id, delivered.payload, motion.delivered_at) == (matter.matter_id, {}, None)


def test_a_message_across_villages_stands_in_both_chains(county):
    other = county.people.unit("柳湾村")
    asking = ASKING.replace(
        '<camunda:inputParameter name="subject">修渠</camunda:inputParameter>',
        f'<camunda:inputParameter name="unit">{other}</camunda:inputParameter>',
    )
    enforce(county, item("asking", asking, ASKING_FLOWS, declared=MESSAGES))
    enforce(county, item("answering", ANSWERING, ANSWERING_FLOWS, declared=MESSAGES))
    matter = begin(county, "asking")
    send(county, matter)
    (opened,) = child(county)
    assert opened.unit_id == other
    sent = rows(county, event_log, event_log.c.kind == "sent")
    started = rows(county, event_log, event_log.c.instance_id == opened.id, event_log.c.kind == "started")
    assert [(row.unit_id, row.element) for row in sent] == [(county.people.unit("石桥村"), "send")]
    assert [(row.unit_id, row.data["origin"]) for row in started] == [(other, "message")]
    assert county.engine.history.verify().whole


def test_an_answer_given_at_once_reaches_the_sender_at_the_end_of_its_step(county):
    at_once = (
        '<startEvent id="s2"><messageEventDefinition id="d2" messageRef="M"/></startEvent>'
        + thrower("answer", "R", "passed:=true") + '<endEvent id="e2"/>'
    )  # fmt: skip
    enforce(county, item("answering", at_once, "s2 -> answer\nanswer -> e2", declared=MESSAGES))
    matter = ask(county)
    send(county, matter)
    assert places(county, matter.matter_id) == ["b"]


@pytest.mark.parametrize("matters", [8, pytest.param(100, marks=pytest.mark.full)])
def test_messages_in_both_directions_at_once_lose_and_double_nothing(county, matters):
    """Two villages ask each other, from two threads on each of two hosts."""
    for name, there in (("east", "柳湾村"), ("west", "石桥村")):
        asked = ASKING.replace(
            '<camunda:inputParameter name="subject">修渠</camunda:inputParameter>',
            f'<camunda:inputParameter name="unit">{county.people.unit(there)}</camunda:inputParameter>',
        )
        enforce(county, item(name, asked, ASKING_FLOWS, declared=MESSAGES))
    at_once = (
        '<startEvent id="s2"><messageEventDefinition id="d2" messageRef="M"/></startEvent>'
        + thrower("answer", "R", "passed:=true") + '<endEvent id="e2"/>'
    )  # fmt: skip
    enforce(county, item("answering", at_once, "s2 -> answer\nanswer -> e2", declared=MESSAGES))
    asked = {
        name: [begin(county, name, village) for _ in range(matters)]
        for name, village in (("east", "石桥村"), ("west", "柳湾村"))
    }
    problems: list[Exception] = []

    other = ProcessEngine(county.url, files=county.place / "files", clock=county.clock)

    def run(host, mine, village):
        try:
            for matter in mine:
                clerk = county.post("CL", village)
                host.tasks.complete(county.task(matter, clerk), by=clerk, data={})
        except Exception as problem:
            problems.append(problem)

    threads = [
        threading.Thread(target=run, args=(host, asked[name][half::2], village))
        for half, host in enumerate((county.engine, other))
        for name, village in (("east", "石桥村"), ("west", "柳湾村"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    assert problems == []
    assert all(places(county, matter.matter_id) == ["b"] for each in asked.values() for matter in each)
    assert len(child(county)) == 2 * matters
    assert len({row.call_key for row in rows(county, message)}) == len(rows(county, message)) == 4 * matters
    assert county.engine.history.verify().whole
