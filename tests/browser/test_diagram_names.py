"""What the viewer really draws: every name outside a shape lies inside the bounds that the file gives it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route

from engine.bpmn.document import read_xml
from engine.bpmn.layout.scene import read_scenes
from engine.bpmn.scaffold import scaffold
from engine.bpmn.tidy import tidy
from tests.bpmn.random_outlines import random_outline
from webui import assets

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = sorted((ROOT / "processes").rglob("*.bpmn"))
ADDRESS = "http://viewer.test/"
PAGE = (
    '<!DOCTYPE html><html lang="zh"><link rel="icon" href="data:,"><link rel="stylesheet" href="viewer.css">'
    '<body style="margin: 0"><div class="diagram" data-fit="whole" data-diagram="diagram.bpmn"></div>'
    '<script type="module" src="viewer.js"></script></body></html>'
)
#: where the text of each name stands inside its bounds: id → left, top, right, bottom
DRAWN = """() => Object.fromEntries([...document.querySelectorAll('[data-element-id$="_label"]')].map((name) => {
  const box = name.querySelector('text').getBBox();
  return [name.dataset.elementId.slice(0, -6), [box.x, box.y, box.x + box.width, box.y + box.height]];
}))"""
#: pixels that the box of a font reaches beyond what is seen of it: across, and above and below
ACROSS, DOWN = 1, 4

Show = Callable[[bytes], Page]


@pytest.fixture
def show(browser: Browser) -> Iterator[Show]:
    """Draw a file with the built viewer."""
    page = browser.new_page(viewport={"width": 1600, "height": 1200})
    files = {"": (PAGE, "text/html")}
    for name in ("viewer.css", "viewer.js"):
        kind = "text/css" if name.endswith("css") else "text/javascript"
        files[name] = ((ROOT / assets.DIST / name).read_text("utf-8"), kind)

    def answer(route: Route) -> None:
        body, kind = files[route.request.url.removeprefix(ADDRESS)]
        route.fulfill(body=body, content_type=f"{kind}; charset=utf-8")

    page.route("**/*", answer)

    def show(data: bytes) -> Page:
        files["diagram.bpmn"] = (data.decode(), "text/xml")
        page.goto(ADDRESS)
        page.wait_for_selector(".diagram.is-drawn")
        return page

    yield show
    page.close()


def sticking_out(show: Show, data: bytes) -> list[tuple]:
    """Return the names that are drawn beyond their bounds."""
    labels = read_scenes(read_xml(data).getroot())[0].picture.labels
    drawn = show(data).evaluate(DRAWN)
    assert drawn.keys() == labels.keys()
    return [
        (id, box, labels[id])
        for id, box in drawn.items()
        if box[0] < -ACROSS or box[1] < -DOWN or box[2] > labels[id].width + ACROSS or box[3] > labels[id].height + DOWN
    ]


@pytest.mark.parametrize("path", CATALOGUE, ids=lambda path: path.stem)
def test_every_name_of_the_catalogue_lies_inside_its_bounds(show, path):
    assert sticking_out(show, path.read_bytes()) == []


@pytest.mark.parametrize("seed", range(3))
def test_every_name_of_a_random_diagram_lies_inside_its_bounds(show, seed):
    data = tidy(scaffold(random_outline(seed))[0], "random.bpmn", "fresh").data
    assert sticking_out(show, data) == []


def test_names_of_all_kinds_of_signs_lie_inside_their_bounds(show):
    text = """
process p 试
start Start_a 2026年10月1日起ABC
  → Gateway_b
xor Gateway_b 村“两委”同意100%？
  → End_c: 是(Yes)
  → End_d: WWWWW
  → End_e: 村民代表会议表决通过
end End_c 已办结，公示7天
end End_d 村民小组会议表决
end End_e 村民代表会议没有表决通过的重大事项
"""
    data = tidy(scaffold(text)[0], "p.bpmn", "fresh").data
    assert sticking_out(show, data) == []


def test_a_name_in_bounds_too_small_for_it_is_noticed(show):
    data = CATALOGUE[0].read_bytes()
    small = re.sub(rb'(<bpmndi:BPMNLabel>\s+<dc:Bounds x="\d+" y="\d+") width="\d+"', rb'\1 width="20"', data)
    assert small != data
    assert sticking_out(show, small) != []
