"""A designer sees on the picture how a diagram comes to hang."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from engine.process_engine import PROCESSES
from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser


def spoiled() -> bytes:
    """The seal item with a choice drawn as a parallel gateway."""
    text = (PROCESSES / "E01_seal_use" / "seal_use.bpmn").read_text(encoding="utf-8")
    choice = re.compile(r'<bpmn:exclusiveGateway id="Gateway_route"(.*?)</bpmn:exclusiveGateway>', re.DOTALL)
    return choice.sub(r'<bpmn:parallelGateway id="Gateway_route"\1</bpmn:parallelGateway>', text).encode()


def check(visitor: Visitor) -> None:
    visitor.become("郑图南")
    visitor.go("/designer")
    visitor.open("检查一个还没有起用的文件")
    visitor.give("流程图（.bpmn）", {"name": "seal_use.bpmn", "mimeType": "text/xml", "buffer": spoiled()})
    visitor.press("检查，不保存")


def test_the_way_to_a_fault_is_walked_on_the_picture(visit: Callable[..., Visitor]):
    designer = visit(1280)
    check(designer)
    designer.sees_diagram("path")
    way = designer.page.locator("details[data-path]").first.locator("li")
    expect(designer.page.locator(".diagram-number").last).to_have_text(str(way.count()))
    designer.page.locator("details[data-path] summary").last.click()
    expect(designer.page.locator(".diagram-number")).not_to_have_count(way.count())
    designer.page.get_by_role("button", name="在图上走一遍").last.click()
    designer.sees(re.compile("第 [2-9] 步，共"))
    designer.keep_picture("designer-check")


def test_without_scripts_the_way_is_a_list_of_names(visit: Callable[..., Visitor]):
    designer = visit(390, scripts=False)
    check(designer)
    designer.page.locator("details[data-path] summary").first.click()
    designer.sees(re.compile("〈登记核对〉"))
    designer.keep_picture("designer-check-plain")
