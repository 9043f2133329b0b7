"""The board as a page: one sentence that counts, a row per stop, no ranking; for supervisors only."""

from __future__ import annotations

import html
import json
import re
from datetime import datetime

import pytest

from engine.clock import LOCAL
from engine.store.tables import job
from webui.app import create_app


@pytest.fixture
def visit(county):
    """Return a function that gets a page as a person."""
    app = create_app(county.engine, secret="s" * 40, demo=False, secure=False)

    def get(person_id: str, path: str = "/board"):
        client = app.test_client()
        with client.session_transaction() as session:
            session["person"] = person_id
            session["key"] = county.engine.identity.actor(person_id).session_key
        return client.get(path)

    return get


def township(county, role: str) -> str:
    unit = county.engine.identity.unit(county.people.unit("石桥村"))
    return county.post(role, county.engine.identity.unit(unit.parent_id).name)


def late(county):
    matter = county.ask()
    county.clock.at = datetime(2026, 3, 20, 9, tzinfo=LOCAL)
    while county.engine.jobs.run_due(kinds=("limit",)):
        pass
    return matter


def test_the_page_says_first_how_much_is_stuck(county, visit):
    matter = late(county)
    page = visit(township(county, "TD")).text
    assert "在办 1 件，卡住 1 件：红牌 1。最久的停了 4 天。" in page
    assert f"/matters/{matter.receipt}" in page and "〈登记核对〉" in page and 'href="tel:' in page
    assert "其余" in page
    assert "您有 1 条新通知" in page


def test_the_filter_works_without_scripts(county, visit):
    late(county)
    assert "〈登记核对〉" in visit(township(county, "TD"), "/board?only=late").text
    still = visit(township(county, "TD"), "/board?only=still").text
    assert "这里现在没有卡住的事" in still and "卡住 1 件" in still


def test_a_cadre_who_supervises_nobody_is_not_let_in(county, visit):
    assert visit(county.post("CL")).status_code == 403


def test_the_board_is_the_first_word_of_a_supervisors_menu(county, visit):
    page = visit(township(county, "TD")).text
    assert 'href="/board" aria-current="page"' in page


def test_what_was_given_up_is_listed_for_the_administrator_alone(county, visit):
    county.ask()
    with county.engine.database.write() as connection:
        connection.execute(job.update().where(job.c.kind == "picture.clean").values(state="failed", error="坏了"))
    administrator = next(id for (_, code), id in county.people.posts.items() if code == "SA")
    page = visit(administrator, "/admin/incidents").text
    assert "1 件试了几次都没办成" in page and "处理照片" in page and "坏了" in page and "再试一次" in page
    assert visit(county.post("SB"), "/admin/incidents").status_code == 403


def test_from_a_matter_that_stands_one_comes_back_to_it_in_larger_type(visit, county):
    matter = county.ask()
    page = visit(township(county, "TD"), f"/matters/{matter.receipt}").text
    assert f"/size?to=large&amp;next=/matters/{matter.receipt}" in page


def test_a_card_in_the_record_is_no_step_that_went_well(visit, county):
    page = visit(township(county, "TD"), f"/matters/{late(county).receipt}").text
    assert '<li class="late red"><b>〈登记核对〉红牌</b>' in page
    assert "这件事的牌" in page
    assert '<li class="done"><b>受理</b>' in page


def test_a_matter_of_today_has_stood_less_than_a_day_in_the_picture_as_in_the_sentence(visit, county):
    page = visit(township(county, "TD"), f"/matters/{county.ask().receipt}").text
    assert "停在〈登记核对〉不到 1 天" in page
    badge = json.loads(html.unescape(re.search(r'data-badges="([^"]*)"', page)[1]))
    assert badge == {"Task_register": "不到 1 天，限 1 个工作日"}


def test_the_search_stands_before_what_it_found(visit, county):
    county.ask()
    page = visit(township(county, "TD"), "/find").text
    assert page.index('type="search"') < page.index("土地承包情况证明")
