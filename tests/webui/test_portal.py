"""The pages of a village as a villager meets them: found by what he calls it, and told what is missing."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from tests.conftest import CountyForTest
from webui.app import create_app


@pytest.fixture
def pages(county: CountyForTest) -> FlaskClient:
    return create_app(county.engine, secret="test", demo=False, secure=False).test_client()


def village(county: CountyForTest) -> str:
    return f"/villages/{county.people.unit('石桥村')}"


def found(pages: FlaskClient, county: CountyForTest, query: str) -> list[str]:
    page = pages.get(village(county), query_string={"q": query}).text
    listed = re.search(r'(?s)<section class="sheet" role="status">(.*?)</section>', page)[1]
    return re.findall(r"<a[^>]*>([^<]*)</a>", listed)


def test_an_item_is_found_by_what_its_steps_do_and_not_by_what_it_excludes(pages, county):
    seal = next(item for item in county.engine.repository.items() if item.id == "seal_use")
    assert "派出所" in seal.facts.excludes
    assert found(pages, county, "盖章") == ["用印"]
    assert found(pages, county, "用印")[0] == "用印"
    assert found(pages, county, "派出所") == []


@pytest.mark.parametrize("path", ["{village}/notices", "{village}/suggest", "/answers", "/notices/nowhere"])
def test_where_villagers_speak_up_they_stay_in_the_village(pages, county, path):
    page = pages.get(path.format(village=village(county))).text
    assert 'aria-label="主菜单"' in page
    assert ">查进度</a>" in page and ">English</a>" in page
    if "{village}" in path:
        assert "石桥村 权力公开" in page and ">权力清单</a>" in page


def post(pages: FlaskClient, path: str, **data: str):
    token = re.search(r'name="csrf_token" value="([^"]+)"', pages.get(path).text)[1]
    return pages.post(path, data={"csrf_token": token, **data})


@pytest.mark.parametrize("path", ["/progress", "/answers"])
def test_an_empty_field_is_asked_for_and_nothing_is_looked_up(pages, path):
    empty = post(pages, path)
    assert empty.status_code == 422
    assert "请填回执号。" in empty.text and "请填查询码。" in empty.text
    assert "没有找到" not in empty.text
    half = post(pages, path, receipt="ABCD2345").text
    assert "请填回执号。" not in half and "请填查询码。" in half and 'value="ABCD2345"' in half


def test_a_wrong_code_keeps_the_receipt_that_was_typed(pages, county):
    started = county.ask()
    wrong = post(pages, "/progress", receipt=started.receipt, code="000000")
    assert wrong.status_code == 404
    assert f'value="{started.receipt}"' in wrong.text and 'value="000000"' not in wrong.text
