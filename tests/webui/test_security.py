"""What the pages keep out: forged forms, foreign hosts, open redirects, guessing, disguised files, strangers."""

from __future__ import annotations

import inspect
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from flask import Flask, abort
from flask.testing import FlaskClient
from PIL import Image
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from engine import ProcessEngine, errors, open_for_web
from engine.model import Finding
from tests.browser.photographs import MAKER, jpeg
from tests.conftest import REQUEST, CountyForTest
from webui.app import create_app

PASSWORD = "春天三组修水渠2026"
HTML = b"<!doctype html><script>alert(1)</script>"


@dataclass
class Pages:
    """The pages of a county and one browser that is signed in as nobody yet."""

    engine: ProcessEngine
    app: Flask
    client: FlaskClient

    def token(self, path: str) -> str:
        """Return the CSRF token of a page."""
        return re.search(r'name="csrf_token" value="([^"]+)"', self.client.get(path).text)[1]

    def post(self, path: str, data: dict | None = None, page: str = "/progress", **options):
        return self.client.post(path, data={"csrf_token": self.token(page), **(data or {})}, **options)


@pytest.fixture(scope="module")
def demo_county(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessEngine]:
    engine, _ = open_for_web(tmp_path_factory.mktemp("demo"))
    yield engine
    engine.close()


@pytest.fixture
def demo(demo_county: ProcessEngine) -> Pages:
    app = create_app(demo_county, secret="test", demo=True, secure=False)
    return Pages(demo_county, app, app.test_client())


@pytest.fixture
def real(county: CountyForTest) -> Pages:
    """A county with passwords behind https; nobody is signed in."""
    app = create_app(county.engine, secret="test", demo=False, secure=True)
    app.config["PREFERRED_URL_SCHEME"] = "https"
    client = app.test_client()
    client.environ_base["wsgi.url_scheme"] = "https"
    return Pages(county.engine, app, client)


def sign_in(pages: Pages, person_id: str) -> None:
    """Let a person of the test county in, without the hundred milliseconds a password takes."""
    actor = pages.engine.identity.actor(person_id)
    with pages.client.session_transaction() as session:
        session.update(person=actor.person_id, key=actor.session_key)


def heading(answer) -> str:
    return re.search(r"<h1[^>]*>([^<]*)</h1>", answer.text)[1]


def said(answer) -> str:
    """Return the visible text of the page."""
    body = re.sub(r"(?s)<(script|style|head)\b.*?</\1>", " ", answer.text)
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


# Forged requests.


def test_a_form_without_its_token_does_nothing_and_says_so(demo: Pages):
    before = demo.engine.demo.now
    answer = demo.client.post("/demo/advance")
    assert (answer.status_code, heading(answer)) == (400, "没有办成：这一页放得太久了。")
    assert (demo.engine.demo.now - before).days == 0


def test_every_address_that_takes_a_form_asks_for_the_token(demo: Pages):
    for rule in demo.app.url_map.iter_rules():
        if "POST" not in rule.methods:
            continue
        path = rule.build({name: "x" for name in rule.arguments})[1]
        answer = demo.client.post(path)
        assert answer.status_code in (400, 401), path
        assert heading(answer)


@pytest.mark.parametrize(
    "path", ["/demo/become", "/demo/advance", "/logout", "/progress/X/remind", "/receipt/put-away"]
)
def test_an_act_is_never_a_mere_link(demo: Pages, path: str):
    answer = demo.client.get(path)
    assert (answer.status_code, heading(answer)) == (405, "这样不行，没有办成。")


@pytest.mark.parametrize(
    "elsewhere",
    [
        "//evil.example/",
        "https://evil.example/",
        "/\\evil.example",
        "\\\\evil.example",
        "/x\r\nX-Evil: 1",
        "javascript:alert(1)",
    ],
)
def test_no_link_leads_off_the_site(demo: Pages, elsewhere: str):
    person = demo.engine.demo.people()[0].person_id
    became = demo.post("/demo/become", {"person_id": person, "next": elsewhere}, page="/demo")
    size = demo.client.get("/size", query_string={"to": "large", "next": elsewhere})
    for answer in (became, size):
        assert answer.status_code == 303
        assert re.fullmatch(r"/(tasks)?", answer.location)


def test_signing_in_leads_to_the_page_asked_for_and_never_off_the_site(real: Pages, county: CountyForTest):
    administrator = county.people.posts["示范县", "SA"]
    person = real.engine.identity.add_person(
        by=administrator, name="测试员", unit_id=county.people.unit("石桥村"), group_name="", phone="", login="tester"
    )
    real.engine.identity.set_password(real.engine.identity.password_link(person.id, by=administrator), PASSWORD)
    for asked, led in (("/registers", "/registers"), ("//evil.example", "/tasks")):
        answer = real.post("/login", {"login": "tester", "password": PASSWORD, "next": asked}, page="/login",
                           headers={"Referer": "https://localhost/login"})  # fmt: skip
        assert (answer.status_code, answer.location) == (303, led)


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "192.168.1.7:8000", "localhost@evil.example", ""]
)
def test_the_demo_county_answers_to_no_name_but_this_machine(demo: Pages, host: str):
    answer = demo.client.get("/", headers={"Host": host})
    assert (answer.status_code, heading(answer)) == (400, "示范县只能在本机打开。")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8000", "[::1]:8000"])
def test_the_demo_county_answers_to_this_machine(demo: Pages, host: str):
    assert demo.client.get("/", headers={"Host": host}).status_code == 200


def test_a_real_county_has_no_demo(real: Pages):
    for path in ("/demo", "/demo/tour", "/demo/become", "/demo/restore"):
        assert real.client.get(path).status_code == 404


# Sessions and headers.


def test_cookies_are_out_of_reach_of_scripts_and_other_sites(real: Pages):
    cookies = real.client.get("/login").headers.getlist("Set-Cookie")
    cookies += real.client.get("/size?to=large").headers.getlist("Set-Cookie")
    cookies += real.client.get("/?lang=en").headers.getlist("Set-Cookie")
    assert {cookie.partition("=")[0] for cookie in cookies} == {"sihua", "size", "language"}
    for cookie in cookies:
        assert {"Secure", "HttpOnly", "SameSite=Lax"} <= set(cookie.split("; ")), cookie


def test_every_page_carries_the_headers_that_keep_it_to_itself(real: Pages):
    for path in ("/", "/login", "/nowhere", "/static/sihua.css"):
        with real.client.get(path) as answer:
            headers = answer.headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy and "form-action 'self'" in policy
        assert not re.search(r"script-src|unsafe-eval", policy)
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["Strict-Transport-Security"]


def test_a_session_ends_when_the_password_changes(real: Pages, county: CountyForTest):
    clerk = county.post("CL")
    sign_in(real, clerk)
    assert real.client.get("/tasks").status_code == 200
    with real.client.session_transaction() as session:
        session["key"] = "of an older password"
    answer = real.client.get("/tasks")
    assert (answer.status_code, answer.location) == (302, "/login?next=/tasks")


def test_who_is_not_signed_in_is_asked_to_and_keeps_what_he_typed(real: Pages):
    assert real.client.get("/tasks?x=1").location == "/login?next=/tasks?x%3D1"
    answer = real.post("/start/seal_use", {"applicant_name": "张秀英"})
    assert (answer.status_code, heading(answer)) == (401, "太久没动，请重新登录。")


# Guessing.


def test_after_five_wrong_codes_the_right_one_is_not_looked_at_either(real: Pages, county: CountyForTest):
    started = county.ask()
    headers = {"Referer": "https://localhost/progress"}

    def look_up(code: str):
        return real.post("/progress", {"receipt": started.receipt, "code": code}, headers=headers)

    wrong = "000000" if started.code != "000000" else "111111"
    for _ in range(5):
        answer = look_up(wrong)
        assert answer.status_code == 404 and "没有找到这件事。" in said(answer)
    for code in (wrong, started.code):
        answer = look_up(code)
        assert answer.status_code == 429
        assert "试的次数太多，先停一停。" in said(answer) and "过一小时" in said(answer)


def test_a_wrong_receipt_and_a_wrong_code_sound_the_same(real: Pages, county: CountyForTest):
    started = county.ask()
    headers = {"Referer": "https://localhost/progress"}
    pages = [
        said(real.post("/progress", {"receipt": receipt, "code": "000000"}, headers=headers))
        for receipt in (started.receipt, "ZZZZZZZZ")
    ]
    assert pages[0] == pages[1]


def test_a_receipt_without_its_code_shows_nothing(real: Pages, county: CountyForTest):
    started = county.ask()
    assert real.client.get(f"/progress/{started.receipt}").location == f"/progress?receipt={started.receipt}"
    assert real.client.get(f"/progress/{started.receipt}/withdraw").status_code == 404


# Files.


def request_path(county: CountyForTest) -> str:
    return f"/villages/{county.people.unit('石桥村')}/items/seal_use/request"


def send_request(pages: Pages, county: CountyForTest, content: bytes, name: str = "文件.jpg"):
    path = request_path(county)
    data = {key: value[0] for key, value in REQUEST.items()} | {
        "document_photo": FileStorage(io.BytesIO(content), name)
    }
    # The client would put a large body into a file and leave it open.
    boundary, body = encode_multipart({"csrf_token": pages.token(path), **data})
    headers = {"Referer": f"https://localhost{path}"}
    return pages.client.post(path, data=body, headers=headers, content_type=f"multipart/form-data; boundary={boundary}")


def test_a_file_that_is_too_large_is_named_and_the_rest_is_kept(real: Pages, county: CountyForTest):
    answer = send_request(real, county, jpeg() + bytes(real.engine.max_upload()))
    assert answer.status_code == 413
    assert "20 MB" in said(answer) and "您填的文字都在。照片和文件请再选一次。" in said(answer)
    assert "土地承包情况证明" in answer.text and 'value="张秀英"' in answer.text


def test_a_page_disguised_as_a_photo_is_refused_and_the_rest_is_kept(real: Pages, county: CountyForTest):
    answer = send_request(real, county, HTML)
    assert answer.status_code == 415
    error = re.search(r'id="f-document_photo-error">([^<]+)<', answer.text)[1]
    assert "不是" in error and error.endswith("。")
    assert 'value="张秀英"' in answer.text


def test_a_body_beyond_all_bounds_gets_a_sentence(county: CountyForTest):
    app = create_app(county.engine, secret="test", demo=False, secure=False, max_body=2 * 1024 * 1024)
    pages = Pages(county.engine, app, app.test_client())
    answer = send_request(pages, county, bytes(3 * 1024 * 1024))
    assert (answer.status_code, heading(answer)) == (413, "没传上：一次最多 2 MB。")


def test_papers_are_handed_out_as_downloads_and_shown_only_redrawn(real: Pages, county: CountyForTest):
    assert send_request(real, county, jpeg(), "../<b>照片.jpg").status_code == 303
    while county.engine.jobs.run_due():
        pass
    clerk = county.post("CL")
    receipt = county.engine.history.find("", by=clerk)[0].receipt
    paper = county.engine.history.trace(receipt, by=clerk).attachments[0]
    sign_in(real, clerk)

    download = real.client.get(f"/attachments/{paper.id}")
    assert download.headers["Content-Disposition"].startswith("attachment;")
    assert paper.name == "b照片.jpg"
    assert download.headers["X-Content-Type-Options"] == "nosniff"
    assert download.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert download.headers["Cache-Control"] == "private, no-store"
    assert download.content_type == "image/jpeg"

    preview = real.client.get(f"/attachments/{paper.id}/preview")
    picture = Image.open(io.BytesIO(preview.data))
    assert preview.content_type == "image/jpeg" and picture.size[0] > 100
    assert MAKER.encode() in jpeg() and b"SecretComment" in jpeg(), "the photograph must tell something"
    assert not picture.getexif() and "comment" not in picture.info
    for secret in (MAKER.encode(), b"SecretComment", b"Exif"):
        assert secret not in preview.data


# Strangers.


def test_a_clerk_of_another_village_finds_nothing(real: Pages, county: CountyForTest):
    started = county.ask()
    clerk, stranger = county.post("CL"), county.post("CL", "双井村")
    paper = county.engine.history.trace(started.receipt, by=clerk).attachments[0]
    task = county.task(started, clerk)
    county.register(started)
    while county.engine.jobs.run_due():
        pass
    document = county.engine.history.trace(started.receipt, by=clerk).documents[0]
    paths = (
        f"/matters/{started.receipt}", f"/attachments/{paper.id}", f"/attachments/{paper.id}/preview",
        f"/documents/{document.id}", f"/tasks/{task}", f"/tasks/{task}/delegate",
    )  # fmt: skip
    sign_in(real, stranger)
    for path in paths:
        answer = real.client.get(path)
        assert (answer.status_code, heading(answer)) == (404, "没有找到。"), path
        assert "张秀英" not in answer.text
    assert started.receipt not in real.client.get(f"/find?q={started.receipt}").text.partition("<main")[2].replace(
        f'value="{started.receipt}"', ""
    )
    sign_in(real, clerk)
    for path in paths[:2]:
        assert real.client.get(path).status_code == 200, path


@pytest.mark.parametrize("path", ["/admin", "/designer", "/admin/people/x", "/designer/seal_use"])
def test_a_clerk_sees_neither_the_designers_nor_the_administrators_pages(real: Pages, county: CountyForTest, path: str):
    sign_in(real, county.post("CL"))
    answer = real.client.get(path)
    assert (answer.status_code, heading(answer)) == (403, "这一步不归您办。")


# Every refusal has its page.

FINDING = Finding("dead", "error", "x.bpmn", 3, "Task_x", "盖章", "这一步走不到。", "连上它。")
REFUSALS = {
    errors.NotFound: (errors.NotFound("matter", "x"), 404, "没有找到。"),
    errors.NotAllowed: (errors.NotAllowed("原因", "怎么办"), 403, "这一步不归您办。"),
    errors.Refused: (errors.Refused("code", "这个不能办。", "依据", "怎么办"), 422, "这个不能办。"),
    errors.Conflict: (errors.Conflict("x"), 409, "这件事刚刚被别人办了。"),
    errors.InvalidForm: (errors.InvalidForm({"a": "请填。"}), 422, "还差 1 处，没有办成。"),
    errors.InvalidProcess: (errors.InvalidProcess([FINDING]), 422, "还不能起用：有 1 处错误。"),
    errors.InvalidFile: (errors.InvalidFile("打不开。", "重拍。"), 415, "没传上。"),
}


@pytest.fixture(scope="module")
def raising(demo_county: ProcessEngine) -> FlaskClient:
    """Pages that raise what they are asked for."""
    app = create_app(demo_county, secret="test", demo=True, secure=False)

    @app.get("/raise/<name>")
    def refuse(name: str):
        raise REFUSALS[getattr(errors, name)][0]

    @app.get("/abort/<int:status>")
    def stop(status: int):
        abort(status)

    @app.get("/fail")
    def fail():
        raise ZeroDivisionError

    return app.test_client()


def test_every_class_of_refusal_is_in_the_table():
    classes = {
        each
        for _, each in inspect.getmembers(errors, inspect.isclass)
        if issubclass(each, errors.EngineError) and each is not errors.EngineError
    }
    assert classes == set(REFUSALS)


@pytest.mark.parametrize("kind", REFUSALS, ids=lambda kind: kind.__name__)
def test_every_refusal_has_its_status_its_headline_and_its_reason(raising: FlaskClient, kind: type):
    error, status, headline = REFUSALS[kind]
    answer = raising.get(f"/raise/{kind.__name__}")
    assert (answer.status_code, heading(answer)) == (status, headline)
    for words in (
        *getattr(error, "fields", {}).values(),
        *([FINDING.message] if kind is errors.InvalidProcess else []),
    ):
        assert words in said(answer)
    for name in ("reason", "basis", "remedy", "instead"):
        assert getattr(error, name, "") in said(answer)


@pytest.mark.parametrize("status", [400, 403, 404, 405, 413, 415, 429])
def test_every_status_of_the_protocol_has_a_page_of_ours(raising: FlaskClient, status: int):
    answer = raising.get(f"/abort/{status}")
    assert answer.status_code == status and heading(answer).endswith("。")


def test_a_fault_has_a_number_and_tells_nothing_else(raising: FlaskClient):
    answer = raising.get("/fail")
    assert (answer.status_code, heading(answer)) == (500, "系统出错，没有办成。")
    assert re.search(r"错误号 [0-9a-f]{8}", said(answer))
    assert "ZeroDivision" not in answer.text and "Traceback" not in answer.text
