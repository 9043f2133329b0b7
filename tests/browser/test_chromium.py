"""The browser that the tests use."""

from __future__ import annotations

import pytest

from tests import chromium

# How many pixels of a character's picture are dark, and its bytes to compare pictures by.
DRAW = """character => {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 48;
  const context = canvas.getContext('2d');
  context.font = '40px "Noto Sans CJK SC", "Noto Sans SC", sans-serif';
  context.fillText(character, 2, 40);
  return Array.from(context.getImageData(0, 0, 48, 48).data.filter((_, at) => at % 4 === 3)).join(' ');
}"""
#: Never given to a character, so every font draws its picture for "missing".
NO_CHARACTER = "\U000fffff"


@pytest.mark.browser
def test_the_browser_shows_chinese(browser):
    page = browser.new_page()
    pictures = {character: page.evaluate(DRAW, character) for character in ("用", "印", "囍", NO_CHARACTER)}
    page.close()
    assert len(set(pictures.values())) == len(pictures)


def test_a_browser_named_but_not_there_is_one_sentence(monkeypatch):
    monkeypatch.setenv(chromium.VARIABLE, "/nowhere/chromium")
    with pytest.raises(chromium.NoBrowser, match="/nowhere/chromium"):
        chromium.find(print)


def test_a_browser_on_the_path_is_taken_before_anything_is_fetched(monkeypatch, tmp_path):
    executable = tmp_path / "chromium"
    executable.write_text("#!/bin/sh\n")
    executable.chmod(0o755)
    monkeypatch.delenv(chromium.VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert chromium.find(pytest.fail) == executable


def test_every_failed_way_to_a_browser_is_named(monkeypatch, tmp_path):
    def refuse(*_, **__):
        raise OSError("refused")

    monkeypatch.delenv(chromium.VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(chromium.subprocess, "run", refuse)
    with pytest.raises(chromium.NoBrowser, match="from_playwright: refused.*from_npm"):
        chromium.find(lambda sentence: None)
