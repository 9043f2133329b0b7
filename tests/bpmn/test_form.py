"""Forms: what a form-js file asks, and what of an answer is kept."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from engine.bpmn.forms.form import Block, Form, FormError, Option
from engine.errors import InvalidForm

DECISION = {
    "id": "Field_decision",
    "type": "radio",
    "key": "approve.decision",
    "label": "您的决定",
    "values": [{"value": "agree", "label": "同意用印"}, {"value": "refuse", "label": "不予用印"}],
    "validate": {"required": True},
    "properties": {"effect.agree": "交印章保管员", "button.agree": "同意，交印章保管员"},
}
REASON = {
    "id": "Field_reason",
    "type": "textarea",
    "key": "approve.reason",
    "label": "原因",
    "validate": {"required": True, "minLength": 4},
    "conditional": {"hide": '=approve.decision = null or approve.decision != "refuse"'},
}


def form(*components: dict) -> Form:
    content = {"type": "default", "id": "approve", "schemaVersion": 16, "components": list(components)}
    return Form.read(json.dumps(content, ensure_ascii=False, indent=1).encode())


def one(type: str, **settings) -> Form:
    return form({"id": "Field_x", "type": type, "key": "x", "label": "标签", **settings})


def kept(asked: Form, *texts: str, context: dict | None = None) -> object:
    return asked.clean({"x": list(texts)}, context or {})["x"]


def complaint(asked: Form, *texts: str, context: dict | None = None, key: str = "x") -> str:
    with pytest.raises(InvalidForm) as caught:
        asked.clean({"x": list(texts)}, context or {})
    assert list(caught.value.fields) == [key]
    return caught.value.fields[key]


# Reading the file.


def test_a_field_keeps_everything_the_form_says():
    (field,) = form(DECISION | {"description": "看清再选", "defaultValue": "agree"}).fields
    assert (field.key, field.type, field.label, field.description) == (
        "approve.decision",
        "radio",
        "您的决定",
        "看清再选",
    )
    assert field.options == (
        Option("agree", "同意用印", "交印章保管员", "同意，交印章保管员"),
        Option("refuse", "不予用印"),
    )
    assert (field.required, field.default) == (True, "agree")


def test_texts_and_groups_are_blocks_in_the_order_of_the_page():
    asked = form(
        {"id": "Text_1", "type": "text", "text": "# 请带身份证"},
        {
            "id": "Group_1",
            "type": "group",
            "label": "不予",
            "path": "refusal",
            "components": [{**REASON, "key": "why"}],
        },
        DECISION,
    )
    assert asked.blocks == (Block("Text_1", "text", "# 请带身份证"), Block("Group_1", "group", "不予"))
    assert [field.key for field in asked.fields] == ["refusal.why", "approve.decision"]
    assert [component.id for component in asked.components] == ["Text_1", "Group_1", "Field_reason", "Field_decision"]
    assert [field.group for field in asked.fields] == ["Group_1", ""]


def test_properties_written_as_texts_are_read_as_truths():
    settings = {"source": "person", "multiple": "true", "personal": "true"}
    (field,) = one("select", values=[], properties=settings).fields
    assert (field.source, field.multiple, field.personal) == ("person", True, True)
    (field,) = one("select", values=[], properties={"source": "person", "personal": "false"}).fields
    assert (field.personal, field.properties["personal"]) == (False, False)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"type": "button"}, "button"),
        ({"type": "datetime", "subtype": "time"}, "date"),
        ({"disabled": True}, "disabled"),
        ({"type": "select", "valuesKey": "list"}, "valuesKey"),
        ({"type": "select", "values": []}, "选项"),
        ({"type": "select", "values": [{"value": "a"}, {"value": "a"}]}, "相同"),
        ({"type": "select", "values": [{"value": 1}]}, "value"),
        ({"type": "select", "properties": {"source": "internet"}}, "source"),
        ({"validate": {"validationType": "email"}}, "email"),
        ({"validate": {"": 1}}, "不支持的检查"),
        ({"validate": {"minimum": 1}}, "minimum"),
        ({"validate": {"pattern": "(a+)+$"}}, "括号组"),
        ({"validate": {"pattern": "["}}, "正则"),
        ({"validate": {"pattern": "^" + "(" * 400 + "a" + ")" * 400}}, "套得太深"),
        ({"validate": {"pattern": "^a{" + "9" * 5_000 + "}$"}}, "次数"),
        ({"validate": {"maxLength": -1}}, "maxLength"),
        ({"type": "number", "validate": {"max": "=copies"}}, "limit.max"),
        ({"type": "number", "properties": {"limit.max": "copies"}}, "limit.max"),
        ({"conditional": {"hide": "kind = null"}}, "conditional.hide"),
        ({"conditional": {"hide": "=kind ="}}, "conditional.hide"),
        ({"label": '="标签"'}, "label"),
        ({"key": "a b"}, "a b"),
        ({"key": ""}, "没有键"),
        ({"label": "{{ applicant }} 的申请"}, "填进别的内容"),
        ({"description": "共 {{copies}} 份"}, "填进别的内容"),
        ({"type": "text", "text": "{{#if a}}请写{{/if}}"}, "填进别的内容"),
        ({"validate": {"required": "=copies > 1"}}, "required"),
        ({"validate": {"required": "true"}}, "required"),
        ({"type": "filepicker", "multiple": "=more"}, "multiple"),
        ({"type": "number", "serializeToString": True}, "serializeToString"),
        ({"conditional": {"show": "=kind = null"}}, "show"),
        ({"type": "group", "isRepeating": True, "components": []}, "重复的组"),
    ],
)
def test_what_the_server_would_not_follow_is_refused_with_its_line(settings, named):
    with pytest.raises(FormError, match=named) as caught:
        form(DECISION, {"id": "Field_x", "type": "textfield", "key": "x", "label": "标签", **settings})
    lines = json.dumps({"components": [DECISION]}, indent=1).count("\n")
    assert caught.value.line > lines


@pytest.mark.parametrize("key", ["approve.decision", "approve", "approve.decision.more"])
def test_two_fields_cannot_share_a_place_in_the_data(key):
    with pytest.raises(FormError, match="重了|的键都是"):
        form(DECISION, {**REASON, "key": key})


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b'{"type": "default",\n"components": [}', 2),
        (b"<form/>", 1),
        (b"[]", 1),
        (b'{"type": "default", "components": {}}', 1),
        (b'{"type": "default", "components": [1]}', 1),
        (b"\xff\xfe", 1),
        (b" \n", 1),
        ('{"type": "default",\n"id": "表单"}'.encode("gbk"), 2),
        ('{"type": "default"}'.encode("utf-16"), 1),
        (b"[" * 100_000, 1),
    ],
)
def test_a_file_that_is_no_form_is_refused(data, line):
    with pytest.raises(FormError) as caught:
        Form.read(data)
    assert caught.value.line == line


def test_groups_inside_groups_have_an_end():
    component = REASON
    for number in range(7):
        component = {"id": f"Group_{number}", "type": "group", "components": [component]}
    with pytest.raises(FormError, match="最多 5 层"):
        form(component)


# Choices and what belongs to them.


def test_every_field_is_in_the_result_and_what_is_hidden_is_null():
    values = form(DECISION, REASON).clean({"approve.decision": ["agree"]}, {})
    assert values == {"approve": {"decision": "agree", "reason": None}}


def test_what_is_posted_for_a_hidden_field_is_passed_over():
    values = form(DECISION, REASON).clean({"approve.decision": ["agree"], "approve.reason": ["不盖"]}, {})
    assert values["approve"]["reason"] is None


def test_what_belongs_to_the_choice_is_asked_for():
    with pytest.raises(InvalidForm) as caught:
        form(DECISION, REASON).clean({"approve.decision": ["refuse"]}, {})
    assert caught.value.fields == {"approve.reason": "请填写“原因”"}


def test_a_missing_choice_does_not_ask_for_what_hangs_on_it():
    with pytest.raises(InvalidForm) as caught:
        form(DECISION, REASON).clean({}, {})
    assert caught.value.fields == {"approve.decision": "请填写“您的决定”"}


def test_an_answer_goes_before_what_the_matter_already_knows():
    known = {"approve": {"decision": "refuse", "by": "王某"}}
    assert form(DECISION, REASON).clean({"approve.decision": ["agree"]}, known)["approve"]["reason"] is None


def test_a_condition_sees_the_data_of_the_matter():
    asked = one("textfield", validate={"required": True}, conditional={"hide": "=applicant != null"})
    assert kept(asked, "x", context={"applicant": "p1"}) is None
    assert complaint(asked, context={"applicant": None}) == "请填写“标签”"


def test_the_condition_of_a_group_hides_its_fields():
    group = {
        "id": "Group_1",
        "type": "group",
        "conditional": {"hide": "=quick"},
        "components": [
            {
                "id": "Field_x",
                "type": "textfield",
                "key": "x",
                "label": "标签",
                "conditional": {"hide": '=kind = "a"'},
            }
        ],
    }
    asked = form(group)
    assert kept(asked, "字", context={"quick": True, "kind": "b"}) is None
    assert kept(asked, "字", context={"quick": False, "kind": "a"}) is None
    assert kept(asked, "字", context={"quick": False, "kind": "b"}) == "字"


def test_a_condition_that_cannot_be_calculated_is_said_aloud():
    asked = one("textfield", conditional={"hide": "=amount > 5"})
    assert complaint(asked, "字", context={"amount": None}).startswith("“标签”现在没法核对：")


def test_a_condition_over_a_wrong_answer_adds_no_second_complaint():
    amount = {"id": "Field_amount", "type": "number", "key": "amount", "label": "金额"}
    asked = form(
        amount,
        {
            "id": "Field_x",
            "type": "textfield",
            "key": "x",
            "label": "标签",
            "conditional": {"hide": "=amount > 5"},
        },
    )
    with pytest.raises(InvalidForm) as caught:
        asked.clean({"amount": ["many"], "x": ["字"]}, {})
    assert list(caught.value.fields) == ["amount"]


@pytest.mark.parametrize("type", ["select", "radio"])
def test_only_a_listed_option_is_taken(type):
    asked = one(type, values=[{"value": "a", "label": "甲"}, {"value": "b", "label": "乙"}])
    assert kept(asked, "b") == "b"
    assert kept(asked, "") is None
    assert complaint(asked, "甲") == "“标签”只能从列出的 2 项里选"
    assert complaint(asked, "a", "b") == "“标签”只能填一个"


def test_a_checklist_gives_a_list_without_repeats_or_null():
    asked = one("checklist", values=[{"value": "a", "label": "甲"}, {"value": "b", "label": "乙"}])
    assert kept(asked, "b", "a", "b") == ["b", "a"]
    assert kept(asked) is None
    assert complaint(asked, "a", "c") == "“标签”只能从列出的 2 项里选"


def test_a_choice_from_a_list_of_the_engine_is_only_checked_to_be_short():
    asked = one("select", values=[], properties={"source": "person"})
    assert kept(asked, "person-1") == "person-1"
    assert complaint(asked, "p" * 201) == "“标签”里选的一项超过 200 个字"


def test_several_may_be_chosen_where_the_form_says_so():
    asked = one("select", values=[], properties={"source": "person", "multiple": "true"})
    assert kept(asked, "p1", "", "p2") == ["p1", "p2"]
    assert kept(asked, "", "") is None


@pytest.mark.parametrize(("texts", "value"), [(["true"], True), (["on"], True), ([], False), (["false", "true"], True)])
def test_a_box_is_ticked_or_not(texts, value):
    assert kept(one("checkbox"), *texts) is value


def test_a_required_box_must_be_ticked():
    asked = one("checkbox", validate={"required": True})
    assert complaint(asked) == "请填写“标签”"
    assert complaint(asked, "maybe") == "“标签”只能勾选或者不勾选"


def test_attachments_are_a_list_of_ids():
    assert kept(one("filepicker", multiple=True), "a1", "a2") == ["a1", "a2"]
    assert complaint(one("filepicker"), "a1", "a2") == "“标签”只能放 1 份"
    assert complaint(one("filepicker", validate={"required": True})) == "请填写“标签”"


# Texts.


def test_a_text_is_trimmed_and_its_lines_are_normalised():
    assert kept(one("textarea"), "\u3000 第一行\r\n第二行\r \n") == "第一行\n第二行"


def test_blanks_alone_are_no_answer():
    assert kept(one("textfield"), " \u3000\n") is None
    assert complaint(one("textfield", validate={"required": True}), " \u3000") == "请填写“标签”"


def test_a_text_field_has_one_line():
    assert complaint(one("textfield"), "一\n二") == "“标签”只能写一行"


@pytest.mark.parametrize("sign", ["\x00", "\x1b", "\x7f", "\ud800", "\u202e"])
def test_control_characters_are_refused(sign):
    assert "控制字符" in complaint(one("textarea"), f"张{sign}三")


def test_a_rare_character_of_a_name_is_kept():
    assert kept(one("textfield"), "𫖯\ue000") == "𫖯\ue000"


def test_lengths_are_named_in_the_complaint():
    asked = one("textfield", validate={"minLength": 2, "maxLength": 3})
    assert kept(asked, "张三丰") == "张三丰"
    assert complaint(asked, "张") == "“标签”至少 2 个字"
    assert complaint(asked, "张三丰某") == "“标签”最多 3 个字，现在有 4 个"


def test_no_text_is_longer_than_2000():
    assert complaint(one("textarea"), "字" * 2001) == "“标签”最多 2,000 个字，现在有 2,001 个"
    assert "最多 2,000 个字" in complaint(one("textarea", validate={"maxLength": 9_000}), "字" * 2001)


def test_a_pattern_is_checked_with_the_forms_own_words():
    asked = one("textfield", validate={"pattern": "^1[0-9]{10}$"}, properties={"patternMessage": "手机号是 11 位数字"})
    assert kept(asked, "13800000000") == "13800000000"
    assert complaint(asked, "1380000") == "手机号是 11 位数字"
    assert complaint(asked, "１３８００００００００") == "手机号是 11 位数字"


# Numbers and money.


@pytest.mark.parametrize(
    ("text", "value"),
    [("12", 12), ("１２", 12), (" 1,860 ", 1860), ("1 860", 1860), ("-3", -3), ("2.50", Decimal("2.5")), ("3.0", 3)],
)
def test_a_number_is_read_as_people_type_it(text, value):
    found = kept(one("number"), text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", ["十二", "1,86", "1e5", "0x10", "nan", "1.2.3", "--1", "9" * 40])
def test_what_is_no_number_is_refused(text):
    assert complaint(one("number"), text) == "“标签”要填数字，例如 12"


def test_zero_answers_a_required_number():
    assert kept(one("number", validate={"required": True}), "0") == 0


def test_bounds_and_digits_are_named_in_the_complaint():
    asked = one("number", decimalDigits=0, validate={"min": 1, "max": 1000})
    assert complaint(asked, "0") == "“标签”不能小于 1"
    assert complaint(asked, "1001") == "“标签”不能大于 1,000"
    assert complaint(asked, "1.5") == "“标签”要填整数"
    assert complaint(one("number", decimalDigits=1), "1.55") == "“标签”小数点后最多 1 位"


@pytest.mark.parametrize(
    ("text", "fen"),
    [("1860", 186_000), ("1,860", 186_000), ("1860.50", 186_050), ("￥1,860.5元", 186_050), ("0.29", 29)],
)
def test_money_is_typed_in_yuan_and_kept_in_fen(text, fen):
    found = kept(one("number", properties={"unit": "fen"}), text)
    assert found == fen
    assert isinstance(found, int)


def test_bounds_of_money_are_in_yuan():
    asked = one("number", properties={"unit": "fen"}, validate={"max": 1000})
    assert complaint(asked, "1000.01") == "“标签”不能大于 1,000 元"
    assert complaint(asked, "1.005") == "“标签”小数点后最多 2 位"


def test_a_calculated_limit_sees_the_matter_and_the_functions():
    asked = one("number", properties={"limit.max": "=copies"})
    assert kept(asked, "2", context={"copies": 2}) == 2
    assert complaint(asked, "3", context={"copies": 2}) == "“标签”不能大于 2"
    money = one("number", properties={"unit": "fen", "limit.max": '=param("seal.max")'})
    with pytest.raises(InvalidForm, match="不能大于 1,000.00 元"):
        money.clean({"x": ["1000.01"]}, {}, {"param": lambda key: 100_000})


def test_a_limit_that_cannot_be_calculated_is_no_permission():
    asked = one("number", properties={"limit.max": "=copies"})
    assert complaint(asked, "3").startswith("“标签”现在没法核对：")
    assert "算不出来" in complaint(asked, "3", context={"copies": None})
    assert "算不出来" in complaint(asked, "3", context={"copies": "many"})


# Dates.


@pytest.mark.parametrize("text", ["2026-03-05", "2026/3/5", "２０２６.3.5", "2026年3月5日"])
def test_a_date_is_read_as_people_type_it(text):
    assert kept(one("datetime", subtype="date"), text) == "2026-03-05"


@pytest.mark.parametrize("text", ["2026-02-30", "明天", "0001-01-01", "20260305"])
def test_what_is_no_date_is_refused(text):
    assert complaint(one("datetime", subtype="date"), text) == "“标签”要填 1900 年以后的日期，例如 2026-01-31"


def test_a_date_may_have_a_calculated_limit():
    asked = one("datetime", subtype="date", properties={"limit.max": "=today()"})
    today = {"today": lambda: "2026-03-05"}
    assert asked.clean({"x": ["2026-03-05"]}, {}, today) == {"x": "2026-03-05"}
    with pytest.raises(InvalidForm, match="不能晚于 2026年3月5日"):
        asked.clean({"x": ["2026-03-06"]}, {}, today)


# Showing what was kept.


def test_kept_values_are_shown_as_people_read_them():
    asked = form(
        DECISION,
        {"id": "F1", "type": "number", "key": "amount", "label": "金额", "properties": {"unit": "fen"}},
        {"id": "F2", "type": "checkbox", "key": "blank", "label": "空白"},
        {"id": "F3", "type": "datetime", "subtype": "date", "key": "day", "label": "日期"},
        {"id": "F4", "type": "checklist", "key": "kinds", "label": "种类", "values": [{"value": "a", "label": "甲"}]},
        {"id": "F5", "type": "filepicker", "key": "photos", "label": "照片", "multiple": True},
        {"id": "F6", "type": "textfield", "key": "phone", "label": "电话", "properties": {"personal": "true"}},
        {"id": "F7", "type": "number", "key": "copies", "label": "份数"},
    )
    data = {
        "approve": {"decision": "agree"},
        "amount": 186_000,
        "blank": False,
        "day": "2026-11-19",
        "kinds": ["a"],
        "photos": ["x", "y"],
        "phone": "138",
        "copies": 0,
    }
    assert [(label, text) for label, text, _ in asked.display(data)] == [
        ("您的决定", "同意用印"),
        ("金额", "1,860.00 元"),
        ("空白", "否"),
        ("日期", "2026年11月19日"),
        ("种类", "甲"),
        ("照片", "2 份"),
        ("电话", "138"),
        ("份数", "0"),
    ]
    assert [field.key for _, _, field in asked.display(data) if field.personal] == ["phone"]


def test_what_was_not_answered_is_not_shown():
    assert form(DECISION, REASON).display({"approve": {"decision": None}}) == []
