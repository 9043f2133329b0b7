"""A designer checks a file that is not deployed: findings and the way to them, nothing kept."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from engine import ProcessEngine, open_for_web
from engine.process_engine import PROCESSES
from tests.bpmn.diagrams import process
from webui.app import create_app

HANGS = process(
    '<startEvent id="s"/><exclusiveGateway id="x"/><userTask id="a" name="甲"/><userTask id="b" name="乙"/>'
    '<parallelGateway id="j" name="合并"/><endEvent id="e" name="完"/>',
    "s -> x\nx -> a [1 = 1]\nx -> b [1 = 2]\na -> j\nb -> j\nj -> e",
)


@pytest.fixture(scope="module")
def county(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessEngine]:
    engine, _ = open_for_web(tmp_path_factory.mktemp("demo"))
    yield engine
    engine.close()


@pytest.fixture
def designer(county: ProcessEngine) -> FlaskClient:
    client = create_app(county, secret="test", demo=True, secure=False).test_client()
    with client.session_transaction() as session:
        person = next(each for each in county.demo.people() if each.name == "郑图南")
        actor = county.identity.actor(person.person_id)
        session["person"], session["key"] = actor.person_id, actor.session_key
    return client


def given(client: FlaskClient, name: str, data: bytes):
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/designer/check").text)[1]
    return client.post("/designer/check", data={"csrf_token": token, "file": (io.BytesIO(data), name)})


def packed(folder: Path) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as into:
        for path in folder.iterdir():
            into.write(path, f"{folder.name}/{path.name}")
    return archive.getvalue()


def test_a_diagram_that_hangs_is_shown_with_the_way_to_it(designer: FlaskClient):
    page = given(designer, "hangs.bpmn", HANGS).text
    assert "走到并行网关〈合并〉就停住了" in page
    way = re.search(r"data-path=\"([^\"]+)\".*?<ol[^>]*>(.*?)</ol>", page, re.DOTALL)
    assert "x_a" in way[1]
    assert re.findall(r"<b>(.*?)</b>", way[2]) == ["〈甲〉"]
    assert 'id="diagram-source" aria-label="流程图文件" readonly>&lt;definitions' in page


def test_a_folder_as_zip_is_checked_with_its_forms_and_what_it_calls(designer: FlaskClient):
    page = given(designer, "plan.zip", packed(PROCESSES / "A01_dev_plan")).text
    assert "没有错误" in page


def test_a_diagram_alone_is_checked_with_the_forms_in_force(designer: FlaskClient):
    drawn = (PROCESSES / "E01_seal_use" / "seal_use.bpmn").read_bytes()
    assert "没有错误" in given(designer, "changed.bpmn", drawn).text
    spoiled = drawn.replace(b'camunda:formKey="seal_approve.form"', b'camunda:formKey="other.form"')
    assert spoiled != drawn
    page = given(designer, "changed.bpmn", spoiled).text
    assert "other.form" in page and page.count("不在文件夹里") == 1


def test_a_diagram_of_no_item_is_told_what_is_missing(designer: FlaskClient):
    drawn = (PROCESSES / "E01_seal_use" / "seal_use.bpmn").read_bytes()
    page = given(designer, "new.bpmn", drawn.replace(b'id="seal_use"', b'id="seal_lending"')).text
    assert page.count("不在文件夹里") > 5


@pytest.mark.parametrize("data", [b"PK\x03\x04 no archive", b"PK\x03\x04"])
def test_an_archive_that_cannot_be_opened_is_said_to_be_one(designer: FlaskClient, data: bytes):
    answer = given(designer, "x.zip", data)
    assert answer.status_code == 415
    assert "压缩包打不开" in answer.text


def test_a_file_that_is_no_diagram_gets_a_finding(designer: FlaskClient):
    assert "not-xml" in given(designer, "x.bpmn", b"hello").text


def test_nothing_of_a_checked_file_is_kept(designer: FlaskClient, county: ProcessEngine):
    before = [(item.id, item.version) for item in county.repository.items()]
    given(designer, "hangs.bpmn", HANGS)
    assert [(item.id, item.version) for item in county.repository.items()] == before
