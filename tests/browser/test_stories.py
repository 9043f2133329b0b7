"""The stories of the first item, walked by people in a browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.photographs import photograph
from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser

Visit = Callable[..., Visitor]
CLERK, DIRECTOR, DEPUTY, SECRETARY, KEEPER = "李文清", "王长河", "何秀兰", "赵德林", "陈守印"
TOWN_DISCIPLINE, DESIGNER = "刘正言", "郑图南"
#: 桑园村 has no keeper; its township is 白塔镇
TOWN_OF_SANGYUAN = "方远航"


@dataclass(frozen=True)
class Receipt:
    number: str
    code: str


def ask_for_the_seal(villager: Visitor, document: str, kind: str = "登记事实证明", village: str = "石桥村") -> Receipt:
    """Fill in the public form; return what is on the receipt."""
    villager.go("/")
    villager.follow(village)
    villager.open("用印")
    villager.follow("填申请")
    villager.write("申请人姓名", "张秀英")
    villager.write("联系电话", "13800001001")
    villager.write("村民小组", "3组")
    villager.write("文件名称", document)
    villager.write("用途", "办理种植业保险，交镇农业服务中心")
    villager.pick("文件种类", kind)
    villager.write("份数", "2")
    villager.give("要盖章的文件", photograph())
    villager.press("交上去，领回执")
    number, code = villager.page.locator("dd.big").all_inner_texts()
    return Receipt(number, code)


def look_up(villager: Visitor, receipt: Receipt) -> None:
    villager.go("/progress")
    villager.write("回执号", receipt.number)
    villager.write("查询码", receipt.code)
    villager.press("查进度")


def take_up(cadre: Visitor, name: str, document: str) -> None:
    """Be this cadre and open his task of the matter."""
    cadre.become(name)
    cadre.go("/tasks")
    cadre.open(document)


def register(clerk: Visitor, document: str) -> None:
    take_up(clerk, CLERK, document)
    clerk.pick("申请人（村民名册）", "张秀英")
    clerk.choose("齐全")
    clerk.press("材料齐全，受理")


def approve(director: Visitor, document: str) -> None:
    take_up(director, DIRECTOR, document)
    director.choose("同意用印")
    director.write("批准份数", "2")
    director.press("同意用印，交下一步")


def test_six_persons_take_one_matter_from_the_request_to_the_seal(visit: Visit):
    document = "家庭收入情况证明"
    villager, cadre = visit(390), visit(1280)

    receipt = ask_for_the_seal(villager, document)
    assert re.fullmatch(r"[0-9A-Z]{8}", receipt.number) and re.fullmatch(r"\d{6}", receipt.code)
    villager.keep_picture("story-1-receipt")

    take_up(cadre, CLERK, document)
    cadre.keep_picture("story-2-register")
    cadre.pick("申请人（村民名册）", "张秀英")
    button = cadre.page.locator("[data-decides]")
    expect(button).to_have_text("按上面所选办理")
    cadre.choose("齐全")
    expect(button).to_have_text("材料齐全，受理")
    cadre.leave_by(button)
    assert cadre.answer == "已交〈审批用印〉 村委会主任 王长河。"

    look_up(villager, receipt)
    villager.sees("审批用印 — 正在这一步")
    villager.sees_diagram("done", "now")

    approve(cadre, document)
    assert cadre.answer == "已交〈核对批件〉 印章保管员 陈守印。"
    take_up(cadre, KEEPER, document)
    cadre.keep_picture("story-4-compare")
    cadre.choose("核对无误")
    cadre.press("核对无误，可以盖章")
    take_up(cadre, KEEPER, document)
    cadre.write("实盖份数", "2")
    cadre.give("盖好章的文件", photograph("盖好章.jpg"))
    cadre.press("办完这一步")
    assert cadre.answer == "这件事办结了。"
    cadre.keep_picture("story-4-done")

    cadre.become(TOWN_DISCIPLINE)
    cadre.go(f"/find?q={receipt.number}")
    cadre.open(document)
    cadre.sees("办结")
    cadre.sees(re.compile("审批用印.*王长河"))
    cadre.sees("记录完整")
    cadre.sees_diagram("done")
    cadre.keep_picture("story-5-matter")

    cadre.become(DESIGNER)
    cadre.go("/designer")
    cadre.open("用印")
    cadre.sees_diagram()
    cadre.sees("可以起用")
    cadre.sees("在 A3 纸上字高")
    cadre.keep_picture("story-6-designer")

    look_up(villager, receipt)
    assert "办好了" in villager.answer
    villager.sees_diagram("done")
    villager.keep_picture("story-7-done")


def test_the_applicant_gets_the_receipt_of_acceptance_as_a_document(visit: Visit):
    document = "家庭成员情况证明"
    villager = visit()
    receipt = ask_for_the_seal(villager, document)
    register(visit(1280), document)
    paper = villager.page.get_by_role("link", name=re.compile("受理回执"))
    look_up(villager, receipt)
    for _ in range(60):
        if paper.count():
            break
        # Documents are made a moment after the step.
        villager.page.wait_for_timeout(500)
        villager.page.reload()
    with villager.page.expect_download() as download:
        paper.click()
    assert download.value.suggested_filename.endswith(".pdf")
    assert download.value.path().read_bytes().startswith(b"%PDF")


def test_the_applicant_adds_the_missing_paper_on_the_progress_page(visit: Visit):
    document = "分户情况说明"
    villager, clerk = visit(), visit(1280)
    receipt = ask_for_the_seal(villager, document)
    take_up(clerk, CLERK, document)
    clerk.pick("申请人（村民名册）", "张秀英")
    clerk.choose("补正")
    clerk.write("要补什么", "请补一张家庭成员名单。")
    clerk.press("材料不全，请申请人补正")

    look_up(villager, receipt)
    villager.sees("请补一张家庭成员名单。")
    villager.sees("等材料的日子不算期限")
    villager.keep_picture("supplement-asked")
    villager.press("补上材料，接着办")
    villager.sees("请选照片或文件，或者写几句说明。")
    villager.give("拍照或选文件", photograph("名单.jpg"))
    villager.press("补上材料，接着办")
    assert "材料已补上" in villager.answer
    villager.keep_picture("supplement-given")

    clerk.go("/tasks")
    clerk.open(document)
    clerk.sees("名单.jpg")


def test_the_applicant_withdraws(visit: Visit):
    document = "宅基地四邻说明"
    villager = visit()
    receipt = ask_for_the_seal(villager, document)
    look_up(villager, receipt)
    villager.follow("撤回申请")
    villager.keep_picture("withdraw-asked")
    villager.press("撤回，不办了")
    assert villager.answer == "申请已撤回。"
    villager.keep_picture("withdrawn")
    expect(villager.page.get_by_role("link", name="撤回申请")).to_have_count(0)

    clerk = visit(1280)
    clerk.become(CLERK)
    clerk.go("/tasks")
    expect(clerk.page.locator("main")).not_to_contain_text(document)


def test_a_refusal_tells_the_applicant_why_on_what_basis_and_what_to_do(visit: Visit):
    document = "承包面积证明"
    villager, cadre = visit(), visit(1280)
    receipt = ask_for_the_seal(villager, document)
    register(cadre, document)
    take_up(cadre, DIRECTOR, document)
    cadre.choose("不予用印")
    cadre.press("不予用印，告知申请人")
    cadre.sees("还差 4 处，没有办成")
    cadre.keep_picture("refusal-incomplete")
    cadre.pick("不予的原因", "内容与事实或者登记不符")
    cadre.write("原因说明", "证明里写的面积和台账登记的不一致。")
    cadre.page.get_by_label("依据", exact=True).select_option(index=1)
    cadre.page.get_by_label("怎么办", exact=True).fill("请带承包合同到村便民服务室更正。")
    cadre.press("不予用印，告知申请人")
    assert cadre.answer.endswith("不能再改回来。")
    for said in (
        f"用印 · {document} — 张秀英",
        "证明里写的面积和台账登记的不一致。",
        "请带承包合同到村便民服务室更正。",
    ):
        cadre.sees(said)
    cadre.keep_picture("refusal-confirm")
    cadre.press("不予用印，告知申请人")
    assert cadre.answer == "这件事按不予办理结束，已告知申请人。"

    look_up(villager, receipt)
    rows = villager.page.locator("dl.why > div")
    assert rows.locator("dt").all_inner_texts() == ["原因", "依据", "怎么办"]
    expect(rows.nth(0)).to_contain_text("证明里写的面积和台账登记的不一致。")
    expect(rows.nth(2)).to_contain_text("请带承包合同到村便民服务室更正。")
    assert rows.nth(1).locator("dd").inner_text().strip()
    villager.keep_picture("refused")


def test_a_larger_paper_needs_the_second_signature(visit: Visit):
    document = "扶持资金申请"
    cadre = visit(1280)
    ask_for_the_seal(visit(), document, kind="以村委会名义提出的申请")
    register(cadre, document)
    approve(cadre, document)
    assert cadre.answer == "已交〈会签用印〉 村党支部书记 赵德林。"
    take_up(cadre, SECRETARY, document)
    cadre.choose("同意用印")
    cadre.press("同意用印，交印章保管员")
    assert cadre.answer == "已交〈核对批件〉 印章保管员 陈守印。"


def test_where_nobody_is_left_the_township_names_somebody(visit: Visit):
    township = visit()
    township.become(TOWN_OF_SANGYUAN)
    township.go("/tasks")
    township.sees("没人办")
    township.keep_picture("nobody-inbox")
    township.leave_by(township.page.locator("#unmanned .tasks a").first)
    township.keep_picture("nobody-task")
    township.follow("确定谁来办")
    chosen = township.page.get_by_role("radio").first
    name = chosen.locator("xpath=..").inner_text().split()[-1]
    chosen.check()
    township.write("为什么由他办", "保管员空缺，镇里指定一次。")
    township.keep_picture("nobody-appoint")
    township.press("由他办这一步")
    assert "已交给" in township.page.get_by_role("status").first.inner_text()

    appointed = visit(1280)
    appointed.become(name)
    appointed.go("/tasks")
    appointed.sees("蚕桑种植证明")


def test_the_first_sentence_says_where_a_matter_is_stuck_and_whom_to_call(visit: Visit):
    watcher = visit()
    watcher.become(TOWN_DISCIPLINE)
    watcher.go("/find?q=灵活就业情况证明")
    watcher.open("灵活就业情况证明")
    stuck = r"停在〈审批用印〉\s*\d+ 天（限 2 个工作日[^）]*）— 村委会主任 王长河"
    assert re.match(stuck, watcher.answer), watcher.answer
    watcher.sees_diagram("done", "late")
    contacts = watcher.page.locator("#contacts")
    expect(contacts).to_contain_text("13800000102")
    watcher.keep_picture("stuck")
    watcher.press("催办")
    assert watcher.answer.startswith("已催办 村委会主任 王长河")


def test_the_demo_clock_goes_on_and_everything_can_be_restored(visit: Visit):
    visitor = visit()
    clock = visitor.page.locator("aside.demo")
    receipt = ask_for_the_seal(visitor, "随便盖一个")
    visitor.go("/demo")
    before = clock.inner_text()
    visitor.press("＋1 个工作日")
    assert "往后拨了 1 个工作日" in visitor.answer
    assert clock.inner_text() != before
    visitor.keep_picture("demo-clock")

    visitor.follow("全部恢复原样")
    visitor.keep_picture("demo-restore")
    visitor.press("恢复原样")
    assert visitor.answer == "全部恢复原样了。"
    assert clock.inner_text().split()[:2] == before.split()[:2]
    look_up(visitor, receipt)
    visitor.sees("没有找到这件事。")


def test_the_director_approves_without_scripts_on_a_phone(visit: Visit):
    director = visit(390, scripts=False)
    take_up(director, DIRECTOR, "土地承包情况证明")
    director.choose("同意用印")
    director.press("按上面所选办理")
    director.sees("还差 1 处，没有办成")
    assert director.row("同意用印").is_checked()
    director.keep_picture("without-scripts")
    director.write("批准份数", "2")
    director.press("存草稿")
    director.sees(re.compile(r"草稿已存，\d\d:\d\d"))
    assert director.page.get_by_label("批准份数").input_value() == "2"
    director.press("按上面所选办理")
    assert director.answer == "已交〈核对批件〉 印章保管员 陈守印。"
    director.page.go_back()
    director.sees("这一步已经办过了")


def test_the_deputy_approves_for_the_directors_daughter_with_the_keyboard_alone(visit: Visit):
    deputy = visit(1280)
    take_up(deputy, DEPUTY, "务农情况证明")
    keys = deputy.page.keyboard
    tab_to(deputy, deputy.row("同意用印"))
    keys.press("Space")
    tab_to(deputy, deputy.page.get_by_label("批准份数"))
    keys.type("1")
    tab_to(deputy, deputy.page.locator("[data-decides]"))
    keys.press("Enter")
    deputy.page.wait_for_url("**/done")
    assert deputy.answer == "已交〈核对批件〉 印章保管员 陈守印。"


def tab_to(visitor: Visitor, target: Locator) -> None:
    """Press Tab until the target has the focus, which must then be seen."""
    for _ in range(80):
        visitor.page.keyboard.press("Tab")
        if target.evaluate("element => element === document.activeElement"):
            break
    expect(target).to_be_focused()
    ring = """element => [element, element.closest('label')].filter(Boolean)
      .some((each) => getComputedStyle(each).outlineStyle === 'solid')"""
    assert target.evaluate(ring), "the focus cannot be seen"
    expect(target).to_be_in_viewport()


def test_who_comes_second_keeps_what_he_typed_and_is_shown_the_way_on(visit: Visit):
    clerk = visit()
    take_up(clerk, CLERK, "大棚建设情况证明")
    clerk.pick("申请人（村民名册）", "谢有田")
    clerk.choose("补正")
    clerk.write("要补什么", "请写明大棚在哪一块地。")
    # The same person, in a window he had forgotten.
    forgotten = clerk.context.new_page()
    forgotten.goto(clerk.page.url)
    roll = forgotten.get_by_label("申请人（村民名册）").first
    roll.select_option(roll.locator("option").filter(has_text="谢有田").get_attribute("value"))
    forgotten.get_by_role("radio", name=re.compile("^齐全")).check()
    forgotten.get_by_role("button", name="材料齐全，受理").click()
    forgotten.wait_for_url("**/done")
    clerk.press("材料不全，请申请人补正")
    clerk.sees("这件事刚刚被别人办了。")
    clerk.sees("请写明大棚在哪一块地。")
    clerk.sees(re.compile("文件种类.*登记事实证明", re.DOTALL))
    clerk.keep_picture("conflict")
    clerk.follow("看最新进度")
    clerk.sees("大棚建设情况证明")


def test_the_verdict_of_a_meeting_stands_there_while_the_figures_are_filled_in(visit: Visit):
    clerk = visit(1280)
    clerk.become(CLERK)
    clerk.go("/tasks")
    clerk.open("会议签到")
    people = clerk.page.locator("fieldset.seat")
    # Counting waits for nothing: on the page before this one nobody has a seat.
    expect(people).to_have_count(30)
    for seat in range(people.count()):
        people.nth(seat).locator(f"input[value={'absent' if seat < 3 else 'present'}]").check()
    expect(clerk.page.locator("#ballot .say")).to_have_text("够法定人数：实到 27 人，要 20 人。")
    expect(clerk.page.locator("#ballot .seats .need")).to_have_count(1)
    clerk.give("签到表", photograph())
    clerk.leave_by(clerk.page.locator("[data-decides]"))
    clerk.go("/tasks")
    clerk.open("表决计票")
    address = clerk.page.url
    clerk.choose("表决了")
    for label, number in (("投票时在场", "27"), ("同意", "20"), ("反对", "7"), ("弃权（含废票）", "0")):
        clerk.page.get_by_role("textbox", name=label, exact=True).fill(number)
    expect(clerk.page.locator("#ballot .say")).to_have_text("未通过：同意 20 人，还差 1 人。")
    expect(clerk.page.locator("#ballot output")).to_contain_text("3 × 20 = 60 ≤ 2 × 30 = 60")
    plain = visit(390, scripts=False)
    plain.become(CLERK)
    plain.go(address)
    plain.choose("表决了")
    for label, number in (("投票时在场", "27"), ("同意", "21"), ("反对", "6"), ("弃权（含废票）", "0")):
        plain.page.get_by_role("textbox", name=label, exact=True).fill(number)
    plain.press("重新核算")
    expect(plain.page.locator("#ballot .say")).to_have_text("通过：同意 21 人，要 21 人。")
    expect(plain.page.get_by_role("textbox", name="同意", exact=True)).to_have_value("21")


def test_a_guide_goes_to_paper_with_its_whole_picture(visit: Visit):
    villager = visit(1280)
    villager.go("/")
    villager.follow("石桥村")
    villager.open("用印")
    villager.sees_diagram()
    # What printing complains about is found when the browser is put away.
    assert villager.page.pdf(format="A4")
    villager.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    villager.page.emulate_media(media="print")
    villager.page.set_viewport_size({"width": 680, "height": 960})
    picture = villager.page.locator(".diagram .viewport").first
    expect(picture).to_be_visible()
    drawn = picture.bounding_box()
    assert drawn["x"] >= 0 and drawn["x"] + drawn["width"] <= 680


def test_from_a_call_activity_one_gets_to_the_picture_of_what_it_calls(visit: Visit):
    designer = visit(1280)
    designer.become(DESIGNER)
    designer.go("/designer/dev_plan")
    designer.leave_by(designer.page.get_by_role("link", name="五议 看里面"))
    designer.sees_diagram()
    expect(designer.page.locator("nav#picture [aria-current=page]")).to_have_text("五议")
    designer.leave_by(designer.page.get_by_role("link", name="党员大会审议 看里面"))
    designer.sees_diagram()
    expect(designer.page.locator(".djs-element[data-element-id=Task_vote]")).to_be_attached()
    expect(designer.page.locator("#facts-Task_vote")).to_be_attached()
