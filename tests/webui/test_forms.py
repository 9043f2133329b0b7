"""Forms as pages show them: values, errors, and fields that follow a choice."""

from __future__ import annotations

import json
from io import BytesIO

from werkzeug.datastructures import FileStorage, MultiDict

from engine.bpmn.forms.form import Form
from engine.views import Choice
from webui import forms

DECISION = {
    "type": "radio",
    "key": "approve.decision",
    "label": "您的决定",
    "values": [
        {"label": "同意", "value": "agree"},
        {"label": "退回", "value": "return"},
        {"label": "不予", "value": "no"},
    ],
    "properties": {"effect.agree": "交印章保管员", "button.agree": "同意用印"},
}
REASON = {
    "type": "textarea",
    "key": "reason",
    "label": "原因",
    "conditional": {"hide": '=approve.decision = null or approve.decision != "no"'},
    "validate": {"required": True},
}
KIND = {
    "type": "select",
    "key": "kind",
    "label": "种类",
    "values": [
        {"label": "证明", "value": "proof"},
        {"label": "合同", "value": "contract"},
        {"label": "借款", "value": "loan"},
    ],
}
AMOUNT = {
    "type": "number",
    "key": "amount",
    "label": "金额",
    "properties": {"unit": "fen"},
    "conditional": {"hide": '=kind = null or not(list contains(["contract", "loan"], kind))'},
}


def form(*components: dict) -> Form:
    for number, component in enumerate(components):
        component.setdefault("id", f"Field_{number}")
    return Form.read(json.dumps({"type": "default", "id": "f", "components": list(components)}).encode())


def shown(*components: dict, **content) -> dict[str, forms.FieldView]:
    return {field.key: field for field in forms.form_view(form(*components), **content).fields}


def test_a_field_of_one_choice_hangs_under_it():
    fields = shown(DECISION, REASON)
    assert list(fields) == ["approve.decision"]
    followers = {option.value: [f.key for f in option.followers] for option in fields["approve.decision"].options}
    assert followers == {"agree": [], "return": [], "no": ["reason"]}


def test_a_field_of_several_choices_stays_in_place_and_says_for_which():
    amount = shown(KIND, AMOUNT)["amount"]
    assert amount.when_key == "kind"
    assert amount.when_values == ("contract", "loan")
    assert amount.hint.startswith("选“合同”、“借款”时填。")


def test_a_field_for_an_empty_list_says_so():
    roll = {"type": "select", "key": "applicant", "label": "申请人", "properties": {"source": "person"}, "values": []}
    off = {"type": "checkbox", "key": "off", "label": "不在册", "conditional": {"hide": "=applicant != null"}}
    fields = shown(roll, off, choices={"applicant": (Choice("p1", "张三"),)})
    assert fields["off"].hint == "“申请人”空着时填。"
    assert [option.label for option in fields["applicant"].options] == ["张三"]


def test_a_field_of_a_ticked_box_hangs_under_it():
    box = {"type": "checkbox", "key": "other", "label": "另有说明"}
    text = {"type": "textfield", "key": "what", "label": "说明", "conditional": {"hide": "=other != true"}}
    assert [field.key for field in shown(box, text)["other"].followers] == ["what"]


def test_a_condition_on_more_than_one_choice_leaves_the_field_shown():
    both = AMOUNT | {"conditional": {"hide": '=kind = "proof" and approve.decision = "no"'}}
    assert shown(DECISION, KIND, both)["amount"].when_key == ""


def test_no_field_is_lost_whatever_follows_what():
    parts = (DECISION, REASON, KIND, AMOUNT)

    def keys(fields):
        for field in fields:
            yield field.key
            yield from keys(field.followers)
            for option in field.options:
                yield from keys(option.followers)

    assert sorted(keys(forms.form_view(form(*parts)).fields)) == sorted(f.key for f in form(*parts).fields)


def test_money_kept_in_fen_is_shown_in_yuan():
    assert shown(KIND, AMOUNT, values={"amount": 186_000})["amount"].value == "1860"
    assert shown(KIND, AMOUNT, values={"amount": 186_050})["amount"].value == "1860.50"
    assert shown(KIND, AMOUNT)["amount"].unit == "元"


def test_what_was_typed_wins_over_what_was_kept():
    fields = shown(KIND, AMOUNT, values={"amount": 100, "kind": "loan"}, submitted={"amount": ["12,5"], "kind": []})
    assert fields["amount"].value == "12,5"
    assert not any(option.checked for option in fields["kind"].options)


def test_a_default_is_shown_until_something_is_kept():
    copies = {"type": "number", "key": "copies", "label": "份数", "defaultValue": 1}
    assert shown(copies)["copies"].value == "1"
    assert shown(copies, values={"copies": None})["copies"].value == ""


def test_an_error_is_described_together_with_the_hint():
    name = {"type": "textfield", "key": "a.name", "label": "名", "description": "全名"}
    assert shown(name, errors={"a.name": "请填"})["a.name"].described_by == "f-a-name-hint f-a-name-error"


def test_texts_and_groups_keep_their_place():
    text = {"type": "text", "id": "T", "text": "请看清楚"}
    kinds = [field.kind for field in forms.form_view(form(text, KIND)).fields]
    assert kinds == ["note", "select"]


def test_raw_takes_only_the_fields_of_the_form_and_drops_blank_entries():
    sent = MultiDict([("kind", "loan"), ("amount", " "), ("csrf_token", "x"), ("is_admin", "1")])
    assert forms.raw(sent, form(KIND, AMOUNT)) == {"kind": ["loan"], "amount": []}


def test_uploads_leave_out_inputs_without_a_file_and_unknown_names():
    picker = {"type": "filepicker", "key": "photo", "label": "照片"}
    given = MultiDict(
        [
            ("photo", FileStorage(BytesIO(b"1"), "a.jpg")),
            ("photo", FileStorage(BytesIO(b""), "")),
            ("evil", FileStorage(BytesIO(b"2"), "b.jpg")),
            ("extra", FileStorage(BytesIO(b"3"), "c.pdf")),
        ]
    )
    found = forms.uploads(given, form(picker), "extra")
    assert {key: [upload.name for upload in files] for key, files in found.items()} == {
        "photo": ["a.jpg"],
        "extra": ["c.pdf"],
    }
