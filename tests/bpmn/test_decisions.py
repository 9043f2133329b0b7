"""Decision tables: hit policies are honoured, and whatever does not decide says so with its line."""

from decimal import Decimal
from xml.sax.saxutils import escape

import pytest

from engine.bpmn.decisions import MAX_RULES, NAMESPACES, DecisionError, read_decisions

DMN = NAMESPACES[0]


def table_xml(rules, inputs=("amount",), outputs=("level",), policy="UNIQUE", extra="", id="Decision_seal"):
    """Write one table; a rule is a list of cells, conditions first. Every rule has its own line, from line 2 on."""
    columns = "".join(
        f"<input><inputExpression><text>{escape(text)}</text></inputExpression></input>" for text in inputs
    )
    columns += "".join(f'<output name="{name}"/>' for name in outputs)
    rows = ""
    for number, cells in enumerate(rules, 1):
        asked = "".join(f"<inputEntry><text>{escape(c)}</text></inputEntry>" for c in cells[: len(inputs)])
        given = "".join(f"<outputEntry><text>{escape(c)}</text></outputEntry>" for c in cells[len(inputs) :])
        rows += f'\n<rule id="row_{number}">{asked}{given}</rule>'
    body = f'<decisionTable hitPolicy="{policy}" {extra}>{columns}{rows}</decisionTable>'
    return f'<decision id="{id}" name="谁来审批">{body}</decision>'


def document(*decisions, namespace=DMN, attributes=""):
    return f'<definitions xmlns="{namespace}" id="d" name="d" {attributes}>{"".join(decisions)}</definitions>'.encode()


def read_table(*arguments, **options):
    (table,) = read_decisions(document(table_xml(*arguments, **options))).values()
    return table


def decide(context, *arguments, functions=None, **options):
    return read_table(*arguments, **options).decide(context, functions)


LEVELS = [["<= 1000", '"VD"'], ["(1000..10000]", '"LC"'], ["> 10000", '"VR"']]


@pytest.mark.parametrize(
    ("amount", "level", "row"), [(1000, "VD", 1), (1001, "LC", 2), (10000, "LC", 2), (10001, "VR", 3)]
)
def test_a_table_decides_by_the_row_that_matches(amount, level, row):
    result = decide({"amount": amount}, LEVELS)

    assert result.outputs == {"level": level}
    assert result.rule_ids == (f"row_{row}",)


@pytest.mark.parametrize(
    ("cell", "yes", "no"),
    [("[10..200]", 200, 201), ("not(50)", 51, 50), ('"a","b"', "b", "c"), ("<50, >90", 91, 60), ("50", 50, 51)],
)
def test_cells_that_stock_engines_never_match_do_match(cell, yes, no):
    assert decide({"amount": yes}, [[cell, "true"]]).outputs == {"level": True}
    with pytest.raises(DecisionError, match="没有一行符合"):
        decide({"amount": no}, [[cell, "true"]])


def test_parameters_stand_for_thresholds_in_cells_and_results():
    functions = {"param": {"low": 1000, "who": "VD"}.__getitem__}
    rules = [['<= param("low")', 'param("who")'], ['> param("low")', '"LC"']]

    assert decide({"amount": 900}, rules, functions=functions).outputs == {"level": "VD"}
    assert read_table(rules).literals_of("param") == ("low", "who")


def test_unique_refuses_two_rows_that_match():
    with pytest.raises(DecisionError, match="第 2、3 行却都符合") as failure:
        decide({"amount": 5}, [["> 9", "1"], ["> 3", "1"], ["> 4", "1"]])

    assert failure.value.line == 4


def test_unique_is_the_policy_when_none_is_written():
    xml = document(table_xml(LEVELS)).replace(b'hitPolicy="UNIQUE"', b"")

    assert read_decisions(xml)["Decision_seal"].hit_policy == "UNIQUE"


def test_first_takes_the_first_row_and_does_not_look_below_it():
    rules = [["> 3", '"first"'], ["unknown_name", '"second"'], ["-", '"last"']]

    assert decide({"amount": 5}, rules, policy="FIRST").rule_ids == ("row_1",)
    with pytest.raises(DecisionError, match="unknown_name"):
        decide({"amount": 1}, rules, policy="FIRST")


def test_any_takes_rows_that_agree_and_refuses_rows_that_differ():
    assert decide({"amount": 5}, [["> 3", "1"], ["> 4", "1.0"]], policy="ANY").rule_ids == ("row_1", "row_2")
    for other in ("2", "true"):
        with pytest.raises(DecisionError, match="结果却不一样") as failure:
            decide({"amount": 5}, [["> 3", "1"], ["> 4", other]], policy="ANY")
        assert failure.value.line == 3


@pytest.mark.parametrize("policy", ["COLLECT", "RULE ORDER"])
def test_collecting_policies_list_every_row_in_order(policy):
    result = decide({"amount": 5}, [["> 3", '"b"'], ["> 9", '"x"'], ["> 4", '"a"']], policy=policy)

    assert result.outputs == [{"level": "b"}, {"level": "a"}]
    assert result.rule_ids == ("row_1", "row_3")


@pytest.mark.parametrize(
    ("aggregation", "expected"), [("SUM", Decimal("6.5")), ("MIN", Decimal("1.5")), ("MAX", 3), ("COUNT", 3)]
)
def test_collect_aggregates(aggregation, expected):
    rules = [["> 1", "2"], ["> 2", "1.5"], ["> 3", "3"], ["> 99", "100"]]

    result = decide({"amount": 5}, rules, policy="COLLECT", extra=f'aggregation="{aggregation}"')

    assert result.outputs == {"level": expected}


def test_only_numbers_can_be_aggregated():
    for cell in ('"a"', "true", "null"):
        with pytest.raises(DecisionError, match="不能汇总"):
            decide({"amount": 5}, [["-", cell], ["-", "1"]], policy="COLLECT", extra='aggregation="SUM"')


@pytest.mark.parametrize("policy", ["UNIQUE", "FIRST", "ANY", "COLLECT", "RULE ORDER"])
def test_no_row_that_matches_is_loud_under_every_policy(policy):
    with pytest.raises(DecisionError, match="没有一行符合"):
        decide({"amount": 5}, [["> 9", "1"]], policy=policy)


def test_an_input_is_calculated_once_and_only_when_a_cell_asks_for_it():
    calls = []
    functions = {"param": lambda key: calls.append(key) or 7}
    rules = [["1", "> 5", '"a"'], ["2", "-", '"b"'], ["3", "> 6", '"c"'], ["3", "< 6", '"d"']]
    table = read_table(rules, inputs=("amount", 'param("x")'))

    assert table.decide({"amount": 2}, functions).outputs == {"level": "b"}
    assert calls == []
    assert table.decide({"amount": 3}, functions).outputs == {"level": "c"}
    assert calls == ["x"]


def test_a_row_stops_at_its_first_false_cell():
    rules = [["true", "> 5", '"a"'], ["false", "-", '"b"']]

    assert decide({"known": False}, rules, inputs=("known", "size")).outputs == {"level": "b"}
    with pytest.raises(DecisionError, match="没有叫 size 的数据"):
        decide({"known": True}, rules, inputs=("known", "size"))


@pytest.mark.parametrize("context", [{"amount": None}, {}])
def test_a_missing_input_is_loud(context):
    with pytest.raises(DecisionError, match="amount"):
        decide(context, LEVELS)
    with pytest.raises(DecisionError):
        decide(context, [['not("a")', "1"], ["-", "2"]], policy="FIRST")


@pytest.mark.parametrize("context", [{"amount": None}, {}])
def test_a_column_that_names_null_may_see_a_missing_input(context):
    rules = [["null", '"missing"'], ["< 5", '"small"'], [">= 5", '"large"']]

    assert decide(context, rules).outputs == {"level": "missing"}
    assert decide({"amount": 4}, rules).outputs == {"level": "small"}
    assert decide({"amount": 4}, [["not(null)", "1"], ["null", "2"]]).outputs == {"level": 1}


def test_a_missing_input_never_falls_into_a_row_that_does_not_name_null():
    with pytest.raises(DecisionError, match="没有一行符合"):
        decide({"a": None, "b": 1}, [["null", "2", "1"], ['not("x")', "1", "2"]], inputs=("a", "b"))


def test_a_value_of_another_kind_is_loud_with_the_line_of_its_row():
    with pytest.raises(DecisionError, match="文字和数字不能比大小") as failure:
        decide({"amount": "5"}, LEVELS)

    assert failure.value.line == 2


def test_dates_are_compared_as_dates():
    rules = [['< date("2026-12-01")', '"before"'], ['>= date("2026-12-01")', "today()"]]
    table = read_table(rules, inputs=("date(signed_on)",))

    assert table.decide({"signed_on": "2026-11-30"}).outputs == {"level": "before"}
    assert table.decide({"signed_on": "2026-12-01"}, {"today": lambda: "2026-12-02"}).outputs == {"level": "2026-12-02"}


def test_several_results_and_a_known_null_among_them():
    rules = [["-", '"VD"', "null", "amount * 2"]]

    assert decide({"amount": 4}, rules, outputs=("who", "board", "fee")).outputs == {
        "who": "VD",
        "board": None,
        "fee": 8,
    }


def test_a_failing_result_is_loud():
    with pytest.raises(DecisionError, match="结果“level”") as failure:
        decide({"amount": 4}, [["-", "amount + missing"]])

    assert failure.value.line == 2


def test_permitted_values_are_enforced_and_known_to_lint():
    def with_values(rules):
        xml = document(table_xml(rules, inputs=("kind",))).decode()
        xml = xml.replace(
            "</inputExpression>", '</inputExpression><inputValues><text>"loan","land"</text></inputValues>'
        )
        xml = xml.replace('name="level"/>', 'name="level"><outputValues><text>"VD","VR"</text></outputValues></output>')
        return read_decisions(xml.encode())["Decision_seal"]

    table = with_values([['"loan"', '"VD"'], ["-", '"XX"']])

    assert table.inputs[0].allowed.literals == {"loan", "land"}
    assert table.literals(0) == {"loan", "land"}
    with pytest.raises(DecisionError, match="“kind”的值 other 不在允许的范围内"):
        table.decide({"kind": "other"})
    with pytest.raises(DecisionError, match="结果“level”的值 XX"):
        with_values([["-", '"XX"']]).decide({"kind": "loan"})
    assert with_values([["null", '"VD"']]).decide({"kind": None}).outputs == {"level": "VD"}


def test_what_a_table_reads_is_known():
    table = read_table([["< 5, limit", "-", "fee"], ["[7..9]", 'not("a")', 'param("x")']], inputs=("amount", "k.sort"))

    assert table.names == {"amount", "k", "limit", "fee"}
    assert table.calls == {"param"}
    assert table.literals(0) == {5, 7, 9}
    assert table.literals(1) == {"a"}
    assert (table.id, table.name, [rule.line for rule in table.rules]) == ("Decision_seal", "谁来审批", [2, 3])
    assert [column.label for column in table.inputs] == ["amount", "k.sort"]


def test_a_file_may_hold_several_tables():
    tables = read_decisions(document(table_xml(LEVELS), table_xml(LEVELS, id="Decision_other")))

    assert list(tables) == ["Decision_seal", "Decision_other"]


def test_the_values_that_a_type_of_the_files_own_permits_are_enforced():
    def typed(definition):
        xml = document(definition, table_xml(LEVELS)).decode()
        return xml.replace("<inputExpression>", '<inputExpression typeRef="tAmount">').encode()

    amount = (
        '<itemDefinition name="tAmount"{}><typeRef>{}</typeRef><allowedValues><text>[0..9000]</text></allowedValues>'
    )
    table = read_decisions(typed(amount.format("", "feel:number") + "</itemDefinition>"))["Decision_seal"]
    assert table.inputs[0].type == "number"
    assert table.decide({"amount": 9000}).outputs == {"level": "LC"}
    with pytest.raises(DecisionError, match="“amount”的值 9001 不在允许的范围内"):
        table.decide({"amount": 9001})
    for unread in (' isCollection="true"', ""):
        more = "" if unread else "<typeConstraint><text>-</text></typeConstraint>"
        with pytest.raises(DecisionError, match="tAmount 有这里不认识的限制"):
            read_decisions(typed(amount.format(unread, "number") + more + "</itemDefinition>"))


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_the_namespaces_of_all_versions_are_read(namespace):
    assert list(read_decisions(document(table_xml(LEVELS), namespace=namespace))) == ["Decision_seal"]


def test_the_only_result_column_may_go_without_a_name():
    xml = document(table_xml(LEVELS)).replace(b'<output name="level"/>', b"<output/>")

    assert read_decisions(xml)["Decision_seal"].decide({"amount": 1}).outputs == {"Decision_seal": "VD"}


def test_a_row_without_id_is_called_by_its_number():
    xml = document(table_xml(LEVELS)).replace(b'<rule id="row_2">', b"<rule>")

    assert read_decisions(xml)["Decision_seal"].decide({"amount": 5000}).rule_ids == ("rule_2",)


def test_comments_and_character_data_in_a_cell_are_read_as_text():
    xml = document(table_xml([["CELL", "1"]])).replace(b"CELL", b"<![CDATA[<]]><!-- small --> 5")

    assert read_decisions(xml)["Decision_seal"].decide({"amount": 4}).outputs == {"level": 1}


@pytest.mark.parametrize(
    ("rules", "options", "sentence", "line"),
    [
        ([["> 3", "1"], ["= 3", "1"]], {}, "第 2 行规则的条件：第 1 个字符", 3),
        ([["> 3 and < 9", "1"]], {}, "第 1 行规则的条件", 2),
        ([["contains(?, 1)", "1"]], {}, "不支持 \\?", 2),
        ([["exec('x')", "1"]], {}, "英文双引号", 2),
        ([["-", "VD 和 PS"]], {}, "第 1 行规则的结果", 2),
        ([["-", ""]], {}, "是空的", 2),
        ([["-", "-"]], {}, "缺一个值", 2),
        ([["1", "2"], ['"a",\n\n,"b"', "1"]], {}, "缺一个值", 5),
        ([["-", 'date("2026-02-30")']], {}, "不是日期", 2),
        ([["-", "1"]], {"inputs": ("a b",)}, "第 1 列的表头", 1),
        ([["-", "1"]], {"inputs": ("",)}, "是空的", 1),
        ([["-"]], {}, "格子数和列数", 2),
        ([], {}, "没有一行规则", 1),
        ([["-"]], {"outputs": ()}, "没有结果列", 1),
        ([["-", "1", "2"]], {"outputs": ("x", "x")}, "名称重复", 1),
        ([["-", "1", "2"]], {"outputs": ("x", "")}, "要有名称", 1),
        ([["-", "1"]], {"policy": "PRIORITY"}, "命中策略 PRIORITY 要", 1),
        ([["-", "1"]], {"policy": "OUTPUT ORDER"}, "命中策略 OUTPUT ORDER", 1),
        ([["-", "1"]], {"extra": 'aggregation="SUM"'}, "只有 COLLECT", 1),
        ([["-", "1"]], {"policy": "COLLECT", "extra": 'aggregation="AVG"'}, "汇总方式 AVG", 1),
        (
            [["-", "1", "2"]],
            {"outputs": ("x", "y"), "policy": "COLLECT", "extra": 'aggregation="SUM"'},
            "一个结果列",
            1,
        ),
        ([["-", "1"]] * (MAX_RULES + 1), {}, "超过", 1),
        ([["-", "1"]], {"extra": 'expressionLanguage="http://www.java.com/java"'}, "只能用 FEEL", 1),
        ([["-", "1"]], {"extra": 'expressionLanguage="juel"'}, "juel", 1),
    ],
)
def test_what_is_not_supported_is_refused_with_its_line(rules, options, sentence, line):
    with pytest.raises(DecisionError, match=sentence) as failure:
        read_table(rules, **options)

    assert failure.value.line == line
    assert str(failure.value) == f"第 {line} 行：{failure.value.message}"


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (' id="Decision_seal"', "", "没有 id"),
        ("<inputExpression><text>amount</text></inputExpression>", "", "没有写判断什么"),
        (
            '<output name="level"/>',
            '<output><defaultOutputEntry><text>"x"</text></defaultOutputEntry></output>',
            "默认结果",
        ),
        (
            "<decisionTable",
            '<informationRequirement><requiredDecision href="#b"/></informationRequirement><decisionTable',
            "两步",
        ),
        ("decisionTable", "literalExpression", "没有决策表"),
        ("row_2", "row_1", "规则的 id 重复"),
        ("20191111", "20990101", "DMN 1.1 到 1.6"),
        ("definitions", "something", "DMN 1.1 到 1.6"),
        ("</definitions>", "", "附近"),
        ("<definitions", "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><definitions", "DOCTYPE"),
    ],
)
def test_a_broken_or_foreign_file_is_refused(old, new, sentence):
    xml = document(table_xml(LEVELS)).decode()
    assert old in xml
    with pytest.raises(DecisionError, match=sentence):
        read_decisions(xml.replace(old, new).encode())


def test_a_file_without_tables_or_with_the_same_id_twice_is_refused():
    with pytest.raises(DecisionError, match="没有决策表"):
        read_decisions(document())
    with pytest.raises(DecisionError, match="写了两次"):
        read_decisions(document(table_xml(LEVELS), table_xml(LEVELS)))
    with pytest.raises(DecisionError):
        read_decisions(b"")


def test_a_table_that_calculates_too_much_is_stopped():
    slow = "count(xs) + (if some a in xs satisfies a < 0 then 1 else 0)"
    rules = [[f"> {number}, {slow}", "1"] for number in range(10_000, 10_400)]
    with pytest.raises(DecisionError, match="计算量太大"):
        decide({"amount": 1, "xs": list(range(400))}, rules, policy="COLLECT")
