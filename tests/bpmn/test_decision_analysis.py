"""Overlaps, gaps and idle rows of decision tables, each with an input that shows it."""

from __future__ import annotations

import random
from datetime import date

import pytest

from engine.bpmn.decision_analysis import Domain, analyse
from engine.bpmn.decisions import DecisionError
from tests.bpmn.test_decisions import document, read_decisions, read_table, table_xml


def look(rules, *, domains=None, parameters=None, **options):
    return analyse(read_table(rules, **options), parameters or {}, domains or {})


def test_a_whole_table_has_neither_gap_nor_overlap():
    found = look([["<= 1000", "1"], ["(1000..10000]", "2"], ["> 10000", "3"]])
    assert (found.gap, found.overlaps, found.idle, found.complete) == (None, {}, (), True)


@pytest.mark.parametrize(
    ("cells", "gap"),
    [
        (["< 10", "> 10"], 10),
        (["[0..10]", "(10..20]"], -1),
        (["< 50", "> 90"], 50),
        (["not(50)"], 50),
        (["true"], False),
        (['"a"', '"b"'], "（别的文字）"),
    ],
)
def test_a_gap_is_shown_by_an_input_that_no_row_matches(cells, gap):
    table = read_table([[cell, "1"] for cell in cells])
    assert analyse(table, {}, {}).gap == {"amount": gap}
    with pytest.raises(DecisionError, match="没有一行符合"):
        table.decide({"amount": gap})


@pytest.mark.parametrize(
    ("type", "gap"),
    [("integer", None), ("long", None), ("xsd:int", None), ("number", 5.5), ("double", 5.5), ("", 5.5)],
)
def test_between_whole_numbers_is_no_gap_whatever_an_engine_calls_them(type, gap):
    xml = document(table_xml([["<= 5", "1"], [">= 6", "2"]])).decode()
    typed = xml.replace("<inputExpression>", f'<inputExpression typeRef="{type}">').encode()
    found = analyse(read_decisions(typed)["Decision_seal"], {}, {}).gap
    assert found == (None if gap is None else {"amount": gap})


def test_days_have_gaps_too():
    found = look([['date("2026-01-02")', "1"], ['< date("2026-01-02")', "2"]])
    assert found.gap == {"amount": date(2026, 1, 3)}


def test_an_overlap_is_shown_by_an_input_that_both_rows_match():
    found = look([["<= 10", '"x"', "1"], [">= 10", "-", "2"]], inputs=("amount", "kind"))
    assert found.overlaps == {(0, 1): {"amount": 10, "kind": "x"}}


def test_a_row_that_never_decides_is_told():
    rules = [["< 100", "1"], ["< 50", "2"], ["-", "3"]]
    assert look(rules, policy="FIRST").idle == (1,)
    assert look([["-", "1"], ["-", "2"]], policy="FIRST").idle == (1,)


def test_what_the_forms_say_bounds_a_column():
    rules = [['"proof"', "1"], ['"loan"', "2"]]
    assert look(rules).gap == {"amount": "（别的文字）"}
    assert look(rules, domains={"amount": Domain(texts=("proof", "loan"))}).gap is None
    assert look([["<= 10", "1"], [">= 11", "2"]]).gap is not None
    assert look([["<= 10", "1"], [">= 11", "2"]], domains={"amount": Domain(whole=True)}).gap is None


def test_parameters_are_known_and_other_data_is_left_open():
    rules = [['< param("low")', "1"], ['> param("low")', "2"]]
    assert look(rules, parameters={"low": 7}).gap == {"amount": 7}
    open_to_data = look([["< other", "1"], [">= 5", "2"]])
    assert (open_to_data.gap, open_to_data.overlaps) == (None, {})


def test_null_is_asked_about_where_a_cell_names_it():
    assert look([["null", "1"], ["< 5", "2"], [">= 5", "3"]]).gap is None
    assert look([["null", '"x"', "1"], ["< 5", "-", "2"], [">= 5", "-", "3"]], inputs=("amount", "kind")).gap == {
        "amount": None,
        "kind": "（别的文字）",
    }


def test_a_table_with_too_many_combinations_says_so():
    columns = range(20)
    inputs = tuple(f"x{n}" for n in columns)
    rules = [["< 5" if row == column else "-" for column in columns] + ["1"] for row in columns]
    assert not look(rules, inputs=inputs).complete


def test_what_is_found_is_what_the_table_does():
    """Random tables: the gap really stops the table, every overlap really stops a unique one."""
    choose = random.Random(7)
    cells = ("-", "< 3", "<= 3", "3", "> 3", "[2..5]", "(2..5)", "not(4)", "1, 7", ">= 5")
    gaps = overlaps = 0
    for _ in range(150):
        rules = [[choose.choice(cells), choose.choice(cells), str(n)] for n in range(choose.randrange(1, 5))]
        table = read_table(rules, inputs=("a", "b"))
        found = analyse(table, {}, {})
        samples = [{"a": a / 2, "b": b / 2} for a in range(-1, 18) for b in range(-1, 18)]
        stops = {"没有一行符合": False, "只许一行符合": False}
        for sample in samples:
            try:
                table.decide(sample)
            except DecisionError as error:
                for words in stops:
                    stops[words] |= words in error.message
        assert (found.gap is not None) == stops["没有一行符合"], rules
        assert bool(found.overlaps) == stops["只许一行符合"], rules
        gaps += found.gap is not None
        overlaps += bool(found.overlaps)
    assert gaps > 20 and overlaps > 20


RANKED = '<output name="level"><outputValues><text>"refuse","ask","agree"</text></outputValues></output>'


@pytest.mark.parametrize(
    ("policy", "outputs", "rows"),
    [
        ("PRIORITY", {"level": "refuse"}, ("row_3",)),
        ("OUTPUT ORDER", [{"level": "refuse"}, {"level": "ask"}, {"level": "agree"}], ("row_3", "row_2", "row_1")),
    ],
)
def test_results_go_by_the_order_of_the_permitted_values(policy, outputs, rows):
    text = table_xml([["-", '"agree"'], ["> 5", '"ask"'], ["> 9", '"refuse"']], policy=policy)
    with pytest.raises(DecisionError, match="按先后"):
        read_decisions(document(text))
    (table,) = read_decisions(document(text.replace('<output name="level"/>', RANKED))).values()
    result = table.decide({"amount": 10})
    assert (result.outputs, result.rule_ids) == (outputs, rows)
