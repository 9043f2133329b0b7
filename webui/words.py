"""How dates, limits, money, names of kinds and states read on a screen."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date
from babel.support import NullTranslations
from flask import Flask, g
from flask_babel import get_locale, get_translations, gettext, lazy_gettext, ngettext

from engine.model import TimeLimit
from engine.views import Clock
from webui import ballots

ZONE = ZoneInfo("Asia/Shanghai")
_CHINESE = "zh_Hans_CN"

#: controls of DOMAIN §3
_CONTROLS = {
    "m1": lazy_gettext("记录、签到齐全"),
    "m2": lazy_gettext("该回避的回避"),
    "m3": lazy_gettext("村监委到场、会签"),
    "m4": lazy_gettext("公示，可提异议"),
    "m5": lazy_gettext("独立评估、预算、审计"),
    "m6": lazy_gettext("查拆分"),
    "m7": lazy_gettext("经办、审批、保管由不同的人"),
    "m8": lazy_gettext("与台账核对"),
    "m9": lazy_gettext("抽样复查"),
    "m10": lazy_gettext("定位、拍照、丈量"),
    "m11": lazy_gettext("限时，超期发牌"),
    "m12": lazy_gettext("隐去个人信息"),
    "m13": lazy_gettext("合同登记，到期提醒"),
    "m14": lazy_gettext("密封投标或抽签"),
    "m15": lazy_gettext("材料清单固定"),
}

_GRADES = {"H": lazy_gettext("高风险"), "M": lazy_gettext("中风险"), "L": lazy_gettext("低风险")}

_CATEGORIES = {
    "A": lazy_gettext("重大决策"),
    "B": lazy_gettext("工程项目"),
    "C": lazy_gettext("资金、资产、资源"),
    "D": lazy_gettext("救助惠农"),
    "E": lazy_gettext("便民服务"),
    "F": lazy_gettext("用人"),
    "G": lazy_gettext("党务"),
    "H": lazy_gettext("监督"),
    "S": lazy_gettext("配套事项"),
}

_MATTER_STATES = {
    "open": ("", lazy_gettext("正在办")),
    "done": ("ok", lazy_gettext("已办结")),
    "refused": ("no", lazy_gettext("不予办理")),
    "withdrawn": ("no", lazy_gettext("已撤回")),
    "suspended": ("hold", lazy_gettext("暂停计时")),
}

_STEP_STATES = {
    "done": lazy_gettext("，已办"),
    "todo": lazy_gettext("，还没到"),
    "late": lazy_gettext("，已超期"),
}


_SPAN = re.compile(r"(\d+) (个工作日|天)")


# Dates. A pattern is a message too, so that each language keeps its own order of day and month.


def local(moment: datetime) -> datetime:
    """Return the moment as clocks in China show it; a naive moment is a mistake of the caller."""
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone")
    return moment.astimezone(ZONE)


def _on(value: date | datetime) -> date:
    return local(value).date() if isinstance(value, datetime) else value


def _dated(value: date | datetime, today: date | None, pattern: str, with_year: str) -> str:
    on = _on(value)
    same_year = today is not None and on.year == today.year
    return _written(on, pattern if same_year else with_year)


def _written(on: date, pattern: str) -> str:
    return _formatted(on, pattern, get_locale() or _CHINESE)


@lru_cache(maxsize=4_096)
def _formatted(on: date, pattern: str, locale: Locale | str) -> str:
    # A page says the same few days over and over, and Babel reads the pattern each time.
    return format_date(on, pattern, locale=locale)


def day(value: date | datetime, today: date | None = None) -> str:
    """11月19日; with the year when it is not this year or ``today`` is not given (documents)."""
    return _dated(value, today, gettext("M月d日"), gettext("y年M月d日"))


def full_day(value: date | datetime) -> str:
    """2026年9月1日, as documents and versions are dated."""
    return day(value)


def weekday(value: date | datetime, today: date | None = None) -> str:
    """11月19日（周四）."""
    return _dated(value, today, gettext("M月d日（EEE）"), gettext("y年M月d日（EEE）"))


def time_of_day(value: datetime) -> str:
    """17:30."""
    return f"{local(value):%H:%M}"


def moment(value: datetime, today: date | None = None) -> str:
    """11月16日 15:10."""
    return f"{day(value, today)} {time_of_day(value)}"


def demo_time(value: datetime) -> str:
    """11月20日 周五 10:20: the clock of the demo county."""
    shown = _written(_on(value), gettext("M月d日 EEE"))
    return f"{shown} {time_of_day(value)}"


def span(first: date | datetime, last: date | datetime, today: date | None = None) -> str:
    """11月17日至24日; the month is said once."""
    start, end = _on(first), _on(last)
    tail = day(end, today)
    if (start.year, start.month) == (end.year, end.month):
        tail = _written(end, gettext("d日"))
    return gettext("%(first)s至%(last)s", first=day(start, today), last=tail)


# Limits and the leaf.


def quantity(count: int, unit: str) -> str:
    """2 个工作日, 3 天."""
    said = f"{count:,}"
    if unit == "wd":
        return ngettext("%(count)s 个工作日", "%(count)s 个工作日", count, count=said)
    return ngettext("%(count)s 天", "%(count)s 天", count, count=said)


def limit(clock: Clock) -> str:
    """限 2 个工作日, or nothing when there is no limit."""
    return "" if clock.limit is None else gettext("限 %(time)s", time=quantity(clock.limit, clock.unit))


def time_limit(value: TimeLimit | None) -> str:
    """The limit a diagram states; a parameter is not a number yet, so it says nothing."""
    return "" if value is None or value.value is None else quantity(value.value, value.unit)


def spoken(text: str) -> str:
    """Say in the language of the page a span of time that comes from the engine in words: 2 个工作日, 3 天, 当天."""
    found = _SPAN.fullmatch(text)
    if found:
        return quantity(int(found[1]), "wd" if found[2] == "个工作日" else "d")
    return gettext("当天") if text == "当天" else text


def due(clock: Clock, today: date | None = None) -> str:
    """应于 11月19日（周四）前办完."""
    return "" if clock.due_at is None else gettext("应于 %(day)s前办完", day=weekday(_last_day(clock.due_at), today))


def _last_day(due_at: datetime) -> date:
    # A limit in whole days ends at midnight; people count the day before it as the last one.
    return local(due_at - timedelta(microseconds=1)).date()


def _last_minute(due_at: datetime) -> str:
    shown = time_of_day(due_at)
    return "24:00" if shown == "00:00" else shown


@dataclass(frozen=True)
class Leaf:
    """What stands on a day leaf: band, number, unit; ``small`` when the number is a word or a time."""

    state: str
    band: str
    number: str
    unit: str
    small: bool = False


def leaf(clock: Clock, now: datetime, word: str = "") -> Leaf:
    """Return the leaf of a clock; ``word`` replaces its band."""
    if clock.state in ("on", "warn"):
        made = _leaf_of_time_left(clock, now)
    else:
        made = _LEAVES.get(clock.state, _leaf_without_limit)(clock)
    return Leaf(made.state, word, made.number, made.unit, made.small) if word else made


def _leaf_of_time_left(clock: Clock, now: datetime) -> Leaf:
    state = "" if clock.state == "on" else clock.state
    near = _near(clock, now)
    if near:
        return Leaf(state, near, _last_minute(clock.due_at), gettext("到期"), small=True)
    return Leaf(state, gettext("还有"), str(clock.count), _short_unit(clock.unit))


def _near(clock: Clock, now: datetime) -> str:
    """今天 when the limit ends today; 明天 when less than one whole unit is left; else nothing."""
    if clock.due_at is None:
        return ""
    last, today = _last_day(clock.due_at), _on(now)
    if last == today:
        return gettext("今天")
    if clock.count == 0:
        return gettext("明天") if last == today + timedelta(days=1) else day(last, today)
    return ""


def _leaf_of_card(clock: Clock) -> Leaf:
    band = gettext("黄牌") if clock.state == "yellow" else gettext("红牌")
    if clock.count == 0:
        return Leaf(clock.state, band, gettext("超期"), gettext("不满 1 天"), small=True)
    return Leaf(clock.state, band, gettext("超%(count)s", count=clock.count), _short_unit(clock.unit))


def _leaf_on_hold(clock: Clock) -> Leaf:
    return Leaf("hold", gettext("暂停"), "‖", gettext("不计时"))


def _leaf_of_success(clock: Clock) -> Leaf:
    return Leaf("ok", gettext("办结"), "✓", _days_used(clock))


def _leaf_of_refusal(clock: Clock) -> Leaf:
    return Leaf("no", gettext("未办"), "—", _days_used(clock))


def _days_used(clock: Clock) -> str:
    days = clock.elapsed_days
    return ngettext("用 %(num)d 天", "用 %(num)d 天", days) if days else gettext("当天")


def _leaf_without_limit(clock: Clock) -> Leaf:
    return Leaf("", gettext("已等"), str(clock.elapsed_days), gettext("天"))


_LEAVES: dict[str, Callable[[Clock], Leaf]] = {
    "yellow": _leaf_of_card,
    "red": _leaf_of_card,
    "hold": _leaf_on_hold,
    "ok": _leaf_of_success,
    "no": _leaf_of_refusal,
}


def _short_unit(unit: str) -> str:
    return gettext("工作日") if unit == "wd" else gettext("天")


def left(clock: Clock, now: datetime) -> str:
    """The words of a pill: 还有 2 个工作日, 今天 17:30 到期, 黄牌 超 1 个工作日."""
    if clock.state in ("on", "warn"):
        near = _near(clock, now)
        if near:
            return gettext("%(day)s %(time)s 到期", day=near, time=_last_minute(clock.due_at))
        return gettext("还有 %(time)s", time=quantity(clock.count, clock.unit))
    if clock.state in ("yellow", "red"):
        card = gettext("黄牌") if clock.state == "yellow" else gettext("红牌")
        return f"{card} {over(clock)}"
    if clock.state == "none":
        return gettext("已等 %(time)s", time=quantity(clock.elapsed_days, "d"))
    words = {"hold": gettext("暂停计时"), "ok": gettext("已办结"), "no": gettext("不予办理")}
    return words[clock.state]


def over(clock: Clock) -> str:
    """超 1 个工作日."""
    if clock.count == 0:
        return gettext("超期不满 1 天")
    return gettext("超 %(time)s", time=quantity(clock.count, clock.unit))


# Money, sizes.


def money(fen: int) -> str:
    """1,860 元; fen only where there are some."""
    yuan = Decimal(fen) / 100
    return gettext("%(sum)s 元", sum=f"{yuan:,.2f}" if fen % 100 else f"{yuan:,.0f}")


def accounts(fen: int) -> str:
    """1,860.00 元, as accounts are written."""
    return gettext("%(sum)s 元", sum=f"{Decimal(fen) / 100:,.2f}")


def file_size(size: int) -> str:
    """2.1 MB."""
    if size < 1024 * 1024:
        return f"{max(1, round(size / 1024)):,} KB"
    return f"{size / 1024 / 1024:,.1f}".removesuffix(".0") + " MB"


def file_kind(media_type: str) -> str:
    """What stands in a tile that has no picture."""
    return "PDF" if media_type == "application/pdf" else gettext("照片")


# Names of kinds and states.


def risk_grade(grade: str) -> str:
    return str(_GRADES.get(grade, grade))


def controls(codes: Iterable[str]) -> str:
    """经办、审批、保管由不同的人；限时，超期发牌."""
    return gettext("；").join(str(_CONTROLS.get(code, code)) for code in codes)


def category(letter: str) -> str:
    """Return the part of the power list that a code begins with: E 便民服务."""
    return f"{letter} {_CATEGORIES[letter]}" if letter in _CATEGORIES else letter


def matter_state(state: str) -> tuple[str, str]:
    """Return the class of the pill and its word."""
    shape, word = _MATTER_STATES[state]
    return shape, str(word)


def step_state(state: str) -> str:
    """What a screen reader hears after the name of a step; 正在这一步 and 本件不需要 are printed anyway."""
    return str(_STEP_STATES.get(state, ""))


def by_whom(kind: str, lane: str, person: str) -> str:
    """村文书 李文清; 系统自动 for what no person does."""
    if person:
        return person if person.startswith(lane) else f"{lane} {person}".strip()
    if kind in ("serviceTask", "businessRuleTask", "sendTask"):
        return gettext("系统自动")
    # What is waited for comes from somewhere else than the lane it is drawn in.
    return "" if kind.endswith("Gateway") or kind in ("receiveTask", "endEvent") else lane


def listed(words: Sequence[str]) -> str:
    """甲、乙、丙."""
    return gettext("、").join(words)


def _translations() -> NullTranslations:
    """Return the catalogue of this request; a page asks for it at every word."""
    if "translations" not in g:
        g.translations = get_translations()
    return g.translations


def install(app: Flask, now: Callable[[], datetime]) -> None:
    """Make the words filters of the templates; ``now`` is the engine's clock."""

    def today() -> date:
        return _on(now())

    def dated(word: Callable[..., str]) -> Callable[..., str]:
        # A filter drops what is not there, so that a template may write {{ value | day }} of an optional date.
        return lambda value: "" if value is None else word(value, today())

    app.jinja_env.install_gettext_callables(
        gettext=lambda text: _translations().ugettext(text),
        ngettext=lambda one, several, count: _translations().ungettext(one, several, count),
        newstyle=True,
    )
    plain = (
        time_of_day, limit, time_limit, quantity, spoken, over, money, accounts, file_size, file_kind,
        full_day, risk_grade, controls, category, matter_state, step_state, by_whom, listed, demo_time,
    )  # fmt: skip
    app.jinja_env.filters.update({word.__name__: word for word in plain})
    app.jinja_env.filters.update({word.__name__: dated(word) for word in (day, weekday, moment, due)})
    app.jinja_env.filters.update(
        span=lambda first, last: span(first, last, today()),
        leaf=lambda clock, word="": leaf(clock, now(), word),
        left=lambda clock: left(clock, now()),
        verdict=ballots.verdict,
    )
