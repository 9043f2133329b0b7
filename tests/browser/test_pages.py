"""Every page, looked at as every kind of person: nothing fails, nothing sticks out, nothing bars anybody."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser

from tests import chromium
from tests.browser.photographs import photograph
from tests.browser.server import Served, served, set_up_real_county
from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser

Visit = Callable[..., Visitor]
#: here only what sticks out can differ from a phone
NARROWEST = 320
WIDTHS = (1280, 390, NARROWEST)
#: kind of person → who; "" is anybody from the street
PEOPLE = {
    "public": "", "clerk": "李文清", "director": "王长河", "secretary": "赵德林", "keeper": "陈守印", "board": "周明镜",
    "township": "方远航", "discipline": "刘正言", "designer": "郑图南", "administrator": "温知序",
}  # fmt: skip
#: pages that must be among those that links lead to
EXPECTED = set(
    """
    / /villages/{id} /villages/{id}/items /villages/{id}/items/seal_use
    /villages/{id}/items/seal_use/request /progress /tasks /start /start/seal_use /matters
    /matters/{receipt} /registers /registers/seal_use /diary /notifications /find /designer /designer/rules
    /designer/seal_use /admin /admin/people/{id} /admin/people/{id}/posts/{id}/end /demo /demo/tour
    /demo/restore
    """.split()
)
#: what leads to no page of its own
NO_PAGES = re.compile(r"/(static|size|diagrams|attachments|documents|logout)\b|lang=|/documents/|#")
#: pages of one address pattern that are opened per person
SEVERAL = 4

# Text smaller than 15 px, by what is actually drawn.
SMALL_TEXT = """() => [...document.querySelectorAll('body *')].filter((each) => !each.closest('svg, .diagram, .sr')
  && [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim())
  && each.getClientRects().length && parseFloat(getComputedStyle(each).fontSize) < 15).map((each) => each.outerHTML)"""
OVERHANG = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
AXE = """async () => (await axe.run(document, {resultTypes: ['violations']})).violations
  .filter((each) => ['serious', 'critical'].includes(each.impact))
  .map((each) => `${each.id}: ${each.nodes.map((node) => node.html.slice(0, 160)).join(' | ')}`)"""


@pytest.fixture(scope="module")
def axe() -> str:
    return chromium.axe_source()


def pattern(path: str) -> str:
    """Return the address with the names of single things left out."""
    path = re.sub(r"/[0-9a-f]{20,}\b", "/{id}", path.partition("?")[0])
    return re.sub(r"/[0-9A-Z]{8}\b", "/{receipt}", path)


def links(page: str) -> list[str]:
    found = [html.unescape(href) for href in re.findall(r'href="(/[^"]*)"', page)]
    return [href for href in dict.fromkeys(found) if not NO_PAGES.search(href)]


def crawl(visitor: Visitor, start: str) -> Iterator[tuple[str, str]]:
    """Yield address and content of every page that links lead to, a few of each kind."""
    waiting, seen, counted = [start], {start}, {}
    while waiting:
        path = waiting.pop(0)
        counted[pattern(path)] = counted.get(pattern(path), 0) + 1
        if counted[pattern(path)] > SEVERAL:
            continue
        answer = visitor.context.request.get(path)
        assert answer.status < 400, f"{path}: {answer.status}"
        content = answer.text()
        yield path, content
        for href in links(content):
            if href not in seen:
                seen.add(href)
                waiting.append(href)


def kind_of(path: str, page: str) -> str:
    """Return what tells one template of a page from another: each step has a form of its own."""
    title = re.search(r"<h1[^>]*>([^<]*)", page)
    single_task = pattern(path) == "/tasks/{id}"
    return f"{pattern(path)} {title[1].strip()}" if single_task and title else pattern(path)


def look_closely(visitor: Visitor, name: str, axe: str, widths: tuple[int, ...] = WIDTHS) -> list[str]:
    """Return what is wrong with the page that is open, at each width."""
    page, wrong = visitor.page, []
    if page.locator(".diagram[data-diagram]").count():
        page.locator(".diagram.is-drawn").first.wait_for()
    if page.locator("h1").count() != 1:
        wrong.append(f"{page.locator('h1').count()} h1")
    page.evaluate(axe)
    for width in widths:
        visitor.widen(width)
        if width != NARROWEST:
            wrong += [f"{width} px: {each}" for each in page.evaluate(AXE)]
            visitor.keep_picture(f"page-{name}")
        wrong += [f"{width} px: small text {each}" for each in page.evaluate(SMALL_TEXT)]
        overhang = page.evaluate(OVERHANG)
        wrong += [f"{width} px: {overhang} px stick out"] if overhang > 0 else []
    return [f"{page.url} {each}" for each in wrong]


def test_every_page_opens_fits_and_bars_nobody(visit: Visit, axe: str):
    wrong: list[str] = []
    looked: dict[str, str] = {}
    for kind, person in PEOPLE.items():
        visitor = visit(WIDTHS[0])
        if person:
            visitor.become(person)
            start = visitor.page.evaluate("location.pathname")
        else:
            start = "/"
        for path, content in crawl(visitor, start):
            template = kind_of(path, content)
            if template in looked:
                continue
            looked[template] = kind
            visitor.go(path)
            name = re.sub(r"[^\w]+", "-", template.replace("{id}", "").replace("{receipt}", "")).strip("-") or "home"
            wrong += look_closely(visitor, name, axe)
        if kind == "public":
            assert visitor.page.locator("html").get_attribute("lang") == "zh-Hans"
    assert wrong == []
    assert EXPECTED <= set(looked), EXPECTED - set(looked)
    steps = {template.partition(" ")[2] for template in looked if template.startswith("/tasks/{id} ")}
    assert {"登记核对", "审批用印", "会签用印", "核对批件"} <= steps


def test_pages_that_only_an_act_leads_to_bar_nobody_either(visit: Visit, axe: str):
    wrong: list[str] = []
    villager = visit(WIDTHS[0])
    villager.go("/")
    villager.follow("柳湾村")
    villager.open("用印")
    villager.follow("填申请")
    villager.press("交上去，领回执")
    villager.sees("没有办成")
    wrong += look_closely(villager, "request-incomplete", axe)
    villager.widen(1280)
    for label, text in (("申请人姓名", "贾水生"), ("联系电话", "13800002001"), ("村民小组", "1组"), ("份数", "1"),
                        ("文件名称", "居住情况证明"), ("用途", "办理入学，交镇中心小学")):  # fmt: skip
        villager.write(label, text)
    villager.pick("文件种类", "登记事实证明")
    villager.give("要盖章的文件", photograph())
    villager.press("交上去，领回执")
    wrong += look_closely(villager, "receipt", axe)
    villager.follow("看办到哪了")
    wrong += look_closely(villager, "progress-now", axe)
    villager.follow("撤回申请")
    wrong += look_closely(villager, "withdraw", axe, (390,))

    director = visit(WIDTHS[0])
    director.become("王长河")
    director.go("/tasks")
    director.open("土地承包情况证明")
    director.choose("不予用印")
    director.press("不予用印，告知申请人")
    director.sees("没有办成")
    wrong += look_closely(director, "task-incomplete", axe)
    task = director.page.url
    director.go(f"{task}/recuse")
    wrong += look_closely(director, "recuse", axe, (390,))
    director.go(f"{task}/delegate")
    wrong += look_closely(director, "delegate", axe, (390,))
    for path, status in (("/designer", 403), ("/tasks/nothing", 404), ("/nowhere", 404)):
        assert director.page.goto(path).status == status
        wrong += look_closely(director, f"error-{status}", axe, (390, 320))
    assert wrong == []


@pytest.mark.parametrize("light", ["light", "dark"])
def test_large_type_and_the_dark_fit_and_can_be_read(visit: Visit, axe: str, light: str):
    visitor = visit(390, color_scheme=light)
    visitor.become("王长河")
    visitor.follow("字号：大")
    assert "large" in (visitor.page.locator("html").get_attribute("class") or "")
    visitor.go("/tasks")
    task = visitor.page.locator(".tasks a").first.get_attribute("href")
    visitor.go(task)
    matter = visitor.page.get_by_role("link", name="看整件事").get_attribute("href")
    wrong: list[str] = []
    for name, path in (("home", "/"), ("demo", "/demo"), ("inbox", "/tasks"), ("task", task), ("matter", matter)):
        visitor.go(path)
        wrong += look_closely(visitor, f"large-{light}-{name}", axe, (320, 390))
    assert wrong == []


def test_in_large_type_what_is_chosen_for_a_person_stands_side_by_side(visit: Visit, axe: str):
    clerk = visit(390)
    clerk.become("李文清")
    clerk.follow("字号：大")
    clerk.go("/tasks")
    clerk.open("会议签到")
    choices = clerk.page.locator("fieldset.seat").first.locator("label").all()
    assert len(choices) == 3
    assert len({choice.bounding_box()["y"] for choice in choices}) == 1
    assert look_closely(clerk, "large-attendance", axe, (320, 390)) == []


def test_the_public_pages_speak_english(visit: Visit, axe: str):
    visitor = visit(WIDTHS[0])
    visitor.go("/?lang=en")
    wrong = look_closely(visitor, "english-home", axe, (1280, 320, 390))
    assert visitor.page.locator("html").get_attribute("lang") == "en"
    visitor.follow("石桥村")
    visitor.open("用印")
    wrong += look_closely(visitor, "english-guide", axe, (1280, 320, 390))
    visitor.leave_by(visitor.page.locator("main .btn.main").first)
    wrong += look_closely(visitor, "english-request", axe, (1280, 320, 390))
    assert wrong == []


@pytest.fixture(scope="module")
def real_county(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, str]]:
    """A county that is no demo, and the path at which its administrator sets his password."""
    data = tmp_path_factory.mktemp("real") / "county"
    link = set_up_real_county(data)
    with served(data) as server:
        yield server, link
        assert server.faults() == []


def test_the_administrator_of_a_real_county_gets_in_by_his_link_and_lets_others_in(
    browser: Browser, real_county: tuple[Served, str], axe: str
):
    server, link = real_county
    visitor = Visitor(browser, server.address, 1280)
    visitor.go(link)
    wrong = look_closely(visitor, "welcome", axe, (1280, 390))
    visitor.write("新密码", "短")
    visitor.write("再写一次", "短")
    visitor.press("设好密码，进入")
    visitor.sees("没有办成")
    visitor.write("新密码", "春天三组修水渠2026")
    visitor.write("再写一次", "春天三组修水渠2026")
    visitor.press("设好密码，进入")
    assert visitor.answer == "密码已设好，您已登录。"
    assert visitor.page.goto(link).status == 404, "the link works only once"

    visitor.go("/password")
    wrong += look_closely(visitor, "password", axe, (1280, 390))
    visitor.go("/admin")
    form = visitor.page.locator("form", has_text="加一个人")
    form.get_by_label("姓名").fill("胡新村")
    form.get_by_label("单位").select_option(index=1)
    form.get_by_label("登录名").fill("huxincun")
    visitor.press("加进名册")
    assert "已加 胡新村" in visitor.answer
    visitor.press("发密码链接")
    wrong += look_closely(visitor, "password-link", axe, (1280, 390))
    visitor.press("退出")

    visitor.go("/login")
    visitor.write("登录名", "admin")
    visitor.write("密码", "不是这个密码")
    visitor.press("登录")
    visitor.sees("登录名或密码不对。")
    wrong += look_closely(visitor, "login-refused", axe, (1280, 390))
    visitor.write("密码", "春天三组修水渠2026")
    visitor.press("登录")
    assert visitor.page.url.endswith("/admin")
    assert visitor.page.goto("/demo").status == 404
    assert visitor.complaints == []
    visitor.close()
    assert wrong == []
