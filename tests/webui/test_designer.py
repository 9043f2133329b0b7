"""What a designer reads: the rules in his language, and each fault where it was made."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from markupsafe import escape

from engine.model import Finding
from webui import designer
from webui.app import create_app


@pytest.fixture
def visit(county):
    """Return a function that gets a page as the designer."""
    app = create_app(county.engine, secret="s" * 40, demo=False, secure=False)
    person_id = county.people.id("郑图南")

    def get(path: str):
        client = app.test_client()
        with client.session_transaction() as session:
            session["person"] = person_id
            session["key"] = county.engine.identity.actor(person_id).session_key
        return client.get(path)

    return get


@pytest.mark.parametrize(("language", "word"), [("zh", "为什么："), ("en", "How to mend")])
def test_the_rule_page_tells_every_rule(county, visit, language, word):
    page = visit(f"/designer/rules?lang={language}")
    assert page.status_code == 200
    assert word in page.text
    for text in county.engine.repository.rules(language):
        assert f'id="{text.id}"' in page.text and str(escape(text.what)) in page.text
    assert page.text.count("<li id=") == len(county.engine.repository.rules())


def test_the_page_of_an_item_shows_faults_at_the_step_that_has_them(county, visit, monkeypatch):
    definition = county.engine.repository.definition("seal_use")
    fault = Finding("x", "error", "seal_use.bpmn", 1, "Task_stamp", "盖章", "〈盖章留痕〉没有期限。", "请写上期限。")
    monkeypatch.setattr(
        type(county.engine.repository), "definition", lambda *_, **__: replace(definition, findings=(fault,))
    )
    page = visit("/designer/seal_use").text
    panel = page[page.index('id="facts-Task_stamp"') :]
    assert "〈盖章留痕〉没有期限。请写上期限。" in panel[: panel.index("</details>")]
    assert re.search(r"data-badges=\"[^\"]*Task_stamp[^\"]*1", page)


def test_badges_count_errors_and_warnings_but_no_hints(county):
    app = create_app(county.engine, secret="s" * 40, demo=False, secure=False)
    findings = [
        Finding("a", severity, "f.bpmn", 1, element, "", "。", "。")
        for severity, element in (("error", "T"), ("error", "T"), ("warning", "T"), ("info", "U"), ("error", ""))
    ]
    with app.test_request_context():
        assert designer._badges(findings) == {"T": "错误 2 提醒 1"}
