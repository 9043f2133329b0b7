"""One browser for all tests here, a fresh demo county behind a real server for each file."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests import chromium
from tests.browser.server import Served, served
from tests.browser.visitor import Visitor


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = chromium.launch(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def county_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The demo county; at the end the server must have nothing to complain about."""
    with served(tmp_path_factory.mktemp("served") / "county") as server:
        yield server
        assert server.faults() == []


@pytest.fixture
def visit(browser: Browser, county_server: Served) -> Iterator[Callable[..., Visitor]]:
    """Open browsers of one's own; none of them may have met an error when the test ends."""
    opened: list[Visitor] = []

    def visit(width: int = 390, **options: object) -> Visitor:
        opened.append(Visitor(browser, county_server.address, width, **options))
        return opened[-1]

    yield visit
    complaints = [complaint for visitor in opened for complaint in visitor.complaints]
    for visitor in opened:
        visitor.close()
    assert complaints == []
