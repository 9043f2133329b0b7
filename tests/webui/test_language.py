"""The public pages in English: what is ours is said in English, what the county has written stays Chinese."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from engine.process_engine import PROCESSES
from tests.conftest import CountyForTest
from webui.app import create_app

CATALOGUE = Path(__file__).resolve().parents[2] / "webui/translations/en/LC_MESSAGES/messages.po"
CHINESE = re.compile(r"[\u4e00-\u9fff]")
#: parts of a page that are ours, never the county's
OURS = re.compile(r"(?s)<(button|h2|summary|dt|caption|thead|label)\b[^>]*>(.*?)</\1>")


@pytest.fixture
def pages(county: CountyForTest) -> FlaskClient:
    client = create_app(county.engine, secret="test", demo=False, secure=False).test_client()
    client.get("/?lang=en")
    return client


def ours(page: str) -> list[str]:
    """Return the texts of buttons, headings of sections and labels."""
    found = [re.sub(r"<[^>]+>", "", inner) for _, inner in OURS.findall(page)]
    return [html.unescape(text).strip() for text in found if text.strip()]


def test_nothing_in_the_catalogue_is_doubtful_or_empty():
    with CATALOGUE.open("rb") as file:
        catalogue = read_po(file, locale="en")
    messages = [message for message in catalogue if message.id]
    assert messages
    assert [message.id for message in messages if message.fuzzy or not message.string] == []
    assert not catalogue.obsolete


@pytest.mark.parametrize("path", ["", "/items", "/items/seal_use"])
def test_the_pages_of_a_village_speak_english(pages: FlaskClient, county: CountyForTest, path: str):
    page = pages.get(f"/villages/{county.people.unit('石桥村')}{path}").text
    # Villages and items have the names they have.
    texts = [text for text in ours(page) if text not in ("用印", "决议登记")]
    assert texts
    assert [text for text in texts if CHINESE.search(text)] == []


def test_looking_up_a_request_speaks_english(pages: FlaskClient):
    assert [text for text in ours(pages.get("/progress").text) if CHINESE.search(text)] == []


def answer(pages: FlaskClient, county: CountyForTest, receipt: str, code: str) -> str:
    token = re.search(r'name="csrf_token" value="([^"]+)"', pages.get("/progress").text)[1]
    sent = pages.post("/progress", data={"csrf_token": token, "receipt": receipt, "code": code})
    page = pages.get(sent.location).text
    assert [text for text in ours(page) if CHINESE.search(text)] == []
    inside = re.search(r'(?s)<div class="answer">(.*?)</div></div>', page)[1]
    return " ".join(re.sub(r"<[^>]+>", " ", inside).split())


def test_where_a_request_stands_is_said_in_english(pages: FlaskClient, county: CountyForTest):
    started = county.ask()
    now = answer(pages, county, started.receipt, started.code)
    assert now.endswith("It has come to step 1, 〈登记核对〉. Due by Mar 23.")
    county.register(started)
    county.later(4)
    late = answer(pages, county, started.receipt, started.code)
    assert "〈审批用印〉, and is 2 working day(s) late." in late
    county.engine.runtime.correlate(started.receipt, message="withdraw", code=started.code)
    assert "You have withdrawn the request." in answer(pages, county, started.receipt, started.code)


def test_what_is_said_again_is_still_said_where_the_catalogue_says_so():
    with CATALOGUE.open("rb") as file:
        catalogue = read_po(file, locale="en")
    root = CATALOGUE.parents[4]
    wrong = [
        (path, message.id)
        for message in catalogue
        for path, _ in message.locations
        if message.id and not path.startswith("webui/") and message.id not in (root / path).read_text(encoding="utf-8")
    ]
    assert wrong == []


def speak(pages: FlaskClient, county: CountyForTest, text: str = "") -> TestResponse:
    """Put something into the suggestion box."""
    address = f"/villages/{county.people.unit('石桥村')}/suggest"
    token = re.search(r'name="csrf_token" value="([^"]+)"', pages.get(address).text)[1]
    return pages.post(address, data={"csrf_token": token, "text": text})


def test_a_form_that_comes_back_says_in_english_what_is_missing(pages: FlaskClient, county: CountyForTest):
    county.engine.repository.deploy(PROCESSES / "S02_suggestion_collection")
    page = speak(pages, county).text
    assert "Please fill in “Your suggestion”" in page
    assert [text for text in ours(page) if CHINESE.search(text)] == []


def test_who_has_spoken_too_often_reads_in_english_when_he_may_again(pages: FlaskClient, county: CountyForTest):
    county.engine.repository.deploy(PROCESSES / "S02_suggestion_collection")
    answers = [speak(pages, county, f"修路灯 {number}") for number in range(20)]
    assert answers[-1].status_code == 429
    page = html.unescape(answers[-1].text)
    assert "suggestions came within an hour; no more are taken" in page
    assert "Try again after Mar 16," in page and "(telephone 0000-1234567)" in page
