"""The words of the screens: dates, limits, the day leaf, money."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po

from engine.views import Clock
from webui import words

#: 20 November 2026, a Friday, 10:20 in the villages
NOW = datetime(2026, 11, 20, 2, 20, tzinfo=UTC)
TODAY = date(2026, 11, 20)
WEBUI = Path(words.__file__).parent
#: what a visitor without an account can meet
PUBLIC_PAGES = ("base.html", "components.html", "form.html", "error.html", "fault.html", "portal/*.html")
PUBLIC_CODE = ("portal.py", "voices.py", "words.py", "forms.py", "errors.py", "frame.py")


def clock(state: str, **facts) -> Clock:
    given = {"due_at": None, "count": 0, "unit": "wd"} | facts
    return Clock(state, **given)


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """A local moment of November 2026, as UTC."""
    return datetime(2026, 11, day, hour, minute, tzinfo=words.ZONE).astimezone(UTC)


def test_a_day_of_this_year_is_said_without_the_year():
    assert words.day(date(2026, 11, 19), TODAY) == "11月19日"
    assert words.weekday(date(2026, 11, 19), TODAY) == "11月19日（周四）"


def test_a_day_of_another_year_and_every_day_on_a_document_has_its_year():
    assert words.day(date(2025, 1, 2), TODAY) == "2025年1月2日"
    assert words.full_day(date(2026, 9, 1)) == "2026年9月1日"


def test_a_moment_is_shown_in_local_time():
    late_evening_in_utc = datetime(2026, 11, 19, 23, 5, tzinfo=UTC)
    assert words.moment(late_evening_in_utc, TODAY) == "11月20日 07:05"


def test_a_moment_without_a_zone_is_refused():
    with pytest.raises(ValueError):
        words.time_of_day(datetime(2026, 11, 20, 9, 0))


def test_a_span_says_its_month_once():
    assert words.span(date(2026, 11, 17), date(2026, 11, 24), TODAY) == "11月17日至24日"
    assert words.span(date(2026, 11, 27), date(2026, 12, 4), TODAY) == "11月27日至12月4日"


def test_the_demo_clock_has_day_and_time():
    assert words.demo_time(NOW) == "11月20日 周五 10:20"


@pytest.mark.parametrize(
    ("count", "unit", "said"), [(2, "wd", "2 个工作日"), (3, "d", "3 天"), (1200, "d", "1,200 天")]
)
def test_a_quantity_has_a_space_between_number_and_counter(count, unit, said):
    assert words.quantity(count, unit) == said


def test_a_limit_that_ends_at_midnight_ends_on_the_day_before():
    ends = clock("on", due_at=at(21, 0), count=1, limit=1)
    assert words.due(ends, TODAY) == "应于 11月20日（周五）前办完"
    assert words.left(ends, NOW) == "今天 24:00 到期"


def test_the_leaf_counts_whole_units_left():
    leaf = words.leaf(clock("on", due_at=at(24, 17, 30), count=2), NOW)
    assert (leaf.state, leaf.band, leaf.number, leaf.unit) == ("", "还有", "2", "工作日")


def test_the_leaf_of_the_last_day_shows_the_hour():
    leaf = words.leaf(clock("warn", due_at=at(20, 17, 30), count=0), NOW)
    assert (leaf.state, leaf.band, leaf.number, leaf.unit, leaf.small) == ("warn", "今天", "17:30", "到期", True)


def test_less_than_a_unit_left_but_not_today_says_tomorrow():
    leaf = words.leaf(clock("warn", due_at=at(21, 9), count=0), NOW)
    assert (leaf.band, leaf.number) == ("明天", "09:00")


def test_less_than_a_working_day_left_before_a_holiday_says_the_day():
    leaf = words.leaf(clock("warn", due_at=at(23, 9), count=0), NOW)
    assert (leaf.band, leaf.number) == ("11月23日", "09:00")


@pytest.mark.parametrize(("state", "band"), [("yellow", "黄牌"), ("red", "红牌")])
def test_a_passed_limit_turns_the_leaf_into_the_card(state, band):
    leaf = words.leaf(clock(state, due_at=at(19, 0), count=1), NOW)
    assert (leaf.state, leaf.band, leaf.number, leaf.unit) == (state, band, "超1", "工作日")


def test_a_card_within_the_first_unit_never_says_zero():
    fresh = clock("yellow", due_at=NOW - timedelta(hours=1))
    assert words.leaf(fresh, NOW).number == "超期"
    assert words.left(fresh, NOW) == "黄牌 超期不满 1 天"


def test_a_stopped_clock_and_the_two_ends_have_leaves_of_their_own():
    assert words.leaf(clock("hold"), NOW).number == "‖"
    assert words.leaf(clock("ok", elapsed_days=4), NOW).unit == "用 4 天"
    assert words.leaf(clock("ok"), NOW).unit == "当天"
    assert words.leaf(clock("no", elapsed_days=2), NOW, "撤回").band == "撤回"


def test_a_step_without_limit_shows_how_long_it_waits():
    leaf = words.leaf(clock("none", elapsed_days=3), NOW)
    assert (leaf.band, leaf.number, leaf.unit) == ("已等", "3", "天")


@pytest.mark.parametrize(
    ("state", "said"),
    [("hold", "暂停计时"), ("ok", "已办结"), ("no", "不予办理"), ("none", "已等 0 天")],
)
def test_every_state_has_a_word_in_lists(state, said):
    assert words.left(clock(state), NOW) == said


def test_money_shows_fen_only_where_there_are_some():
    assert words.money(186_000) == "1,860 元"
    assert words.money(186_050) == "1,860.50 元"
    assert words.accounts(186_000) == "1,860.00 元"


@pytest.mark.parametrize(
    ("size", "said"), [(1, "1 KB"), (300_000, "293 KB"), (20 * 1024 * 1024, "20 MB"), (2_200_000, "2.1 MB")]
)
def test_the_size_of_a_file_is_short(size, said):
    assert words.file_size(size) == said


@pytest.mark.parametrize(
    ("kind", "lane", "person", "said"),
    [
        ("userTask", "村文书", "李文清", "村文书 李文清"),
        ("userTask", "村文书", "村文书 李文清", "村文书 李文清"),
        ("userTask", "村文书", "", "村文书"),
        ("serviceTask", "村文书", "", "系统自动"),
        ("exclusiveGateway", "村文书", "", ""),
    ],
)
def test_a_step_says_who_does_it(kind, lane, person, said):
    assert words.by_whom(kind, lane, person) == said


def test_the_one_style_sheet_stays_small():
    assert (WEBUI / "static/sihua.css").stat().st_size < 15 * 1024


def messages_of_public_pages() -> Iterator[str]:
    pages = [path for pattern in PUBLIC_PAGES for path in WEBUI.glob(f"templates/{pattern}")]
    marks = {"_": None, "gettext": None, "ngettext": (1, 2), "lazy_gettext": None}
    for path in [*pages, *(WEBUI / name for name in PUBLIC_CODE)]:
        method = "jinja2.ext:babel_extract" if path.suffix == ".html" else "python"
        for _line, message, _comments, _context in extract_from_file(method, path, keywords=marks):
            yield message[0] if isinstance(message, tuple) else message


def test_every_sentence_of_the_public_pages_has_its_english():
    with (WEBUI / "translations/en/LC_MESSAGES/messages.po").open("rb") as file:
        catalogue = read_po(file, locale="en")
    said = set(messages_of_public_pages())
    assert len(said) > 200
    without = {message for message in said if catalogue.get(message) is None or not catalogue.get(message).string}
    assert without == set()
    assert not list(catalogue.check())
