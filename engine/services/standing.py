"""Where a matter stands, in sentences: the first answer of its page, what follows, whom to call."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Row

from engine.clock import LOCAL
from engine.services import course, limits
from engine.services.course import Course
from engine.services.limits import limit_text
from engine.views import Clock, Contact, Refusal, Stop

APPLICANT = course.whom_awaited(course.SUPPLEMENT, held=True)
FINAL = {"done": "办结了", "refused": "不予办理", "withdrawn": "申请人已撤回"}


def promise(row: Row, now: datetime) -> Clock:
    """Return the clock of the whole matter; the time it waited for the applicant is added to the promise."""
    if row.state != "open":
        return limits.ended(row.started_at, row.ended_at, row.state == "done")
    if row.held_at is not None:
        return limits.held("暂停计时", row.held_at, now)
    if row.promise is None:
        return limits.running(row.started_at, None, None, "wd", now)
    due = limits.promised_at(row.started_at, row.promise, row.promise_unit, row.held_days)
    return limits.running(row.started_at, due, row.promise, row.promise_unit, now)


def answer(row: Row, stops: tuple[Stop, ...]) -> str:
    """Return the first sentence of the matter page."""
    if row.state != "open":
        return f"{FINAL[row.state]}。"
    if not stops:
        return "系统正在处理。"
    stop = stops[0]
    if stop.clock.state == "hold":
        return f"停在〈{stop.step}〉{stop.clock.elapsed_days} 天 — {stop.clock.hold}"
    limit = limit_text(stop.clock.limit, stop.clock.unit)
    span = f"{stop.clock.elapsed_days} 天" if stop.clock.elapsed_days else "不到 1 天"
    return (
        f"停在〈{stop.step}〉{span}（限 {limit}）— {stop.who}" if limit else f"停在〈{stop.step}〉{span} — {stop.who}"
    )


def follows(row: Row, stops: tuple[Stop, ...]) -> str:
    """Return what follows from where it stands."""
    if row.state == "refused":
        return str((row.refusal or {}).get("text", ""))
    if row.state != "open" or not stops:
        return ""
    clock = stops[0].clock
    if clock.state == "hold":
        return f"{clock.hold}，这期间不计入承诺时限。"
    if clock.state == "red":
        return f"已超期 {clock.count} 个工作日，应当报乡镇纪委。"
    if clock.state == "yellow" and clock.red_at:
        return f"已超期 {clock.count} 个工作日；{_day(clock.red_at)}起转红牌。"
    if clock.due_at:
        return f"这一步应于{_day(clock.due_at - timedelta(seconds=1))}前办完。"
    return ""


def _day(moment: datetime) -> str:
    day = moment.astimezone(LOCAL)
    return f"{day.month}月{day.day}日"


def public_answer(row: Row, stops: tuple[Stop, ...], number: int) -> str:
    """Return the first sentence of the applicant's page."""
    if row.state == "done":
        return "办好了。"
    if row.state == "refused":
        return "这件事不予办理。"
    if row.state == "withdrawn":
        return "您已经撤回。"
    if not stops:
        return "正在办理。"
    if stops[0].clock.state == "hold":
        return "要请您补材料。" if stops[0].who == APPLICANT else f"{stops[0].clock.hold}。"
    late = f"，比规定晚了 {stops[0].clock.count} 个工作日" if stops[0].clock.state in ("yellow", "red") else ""
    return f"办到第 {number} 步〈{stops[0].step}〉{late}。"


def public_follows(row: Row, promise: Clock) -> str:
    """Return what the applicant may expect."""
    if row.state == "refused":
        return "原因和怎么办写在下面；不服可以提出异议。"
    if row.state == "open" and promise.due_at:
        return f"应于{_day(promise.due_at - timedelta(seconds=1))}前办结。"
    if promise.state == "hold":
        return "等您补材料的时间不算在办理时限里。"
    return ""


def refusal(row: Row) -> Refusal | None:
    """Return why a matter was refused; None when it was not."""
    if not row.refusal:
        return None
    said = {key: str(row.refusal.get(key) or "") for key in ("code", "text", "basis", "remedy")}
    return Refusal(said["code"], said["text"], said["basis"], said["remedy"])


def contacts(story: Course, stops: tuple[Stop, ...]) -> tuple[Contact, ...]:
    """Return whom to call: who has it now, who may stand in, who is above."""
    contacts: list[Contact] = []
    directory = story.directory
    for each in (t for t in story.tasks if t.state == "open"):
        role = directory.roles.get(each.role)
        if role is None:
            continue
        contacts += [c for c in directory.contacts(each.role, "现在办") if c.name == story.names.get(each.assignee_id)]
        for code in role.succession:
            contacts += directory.contacts(code, "可代办")
    return (*contacts, *directory.contacts("TG", "上级"), *directory.contacts("TD", "监督"))


def badges(stops: tuple[Stop, ...]) -> dict[str, str]:
    """Return element id → what is written under the element in the picture."""
    return {stop.element: _badge(stop) for stop in stops}


def _badge(stop: Stop) -> str:
    days = stop.clock.elapsed_days
    stood = f"停 {days} 天" if days else "不到 1 天"
    limit = limit_text(stop.clock.limit, stop.clock.unit)
    return f"{stood}，限 {limit}" if limit else stood
