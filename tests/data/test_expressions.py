"""Expressions over columns: values are those of pandas or worked out by hand; what is refused is named with its place."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from trainwright.config.errors import ConfigError, DataError
from trainwright.data.expressions.operands import Written, operand_of, read_operand
from trainwright.data.expressions.selected import SelectedSource, given_rows
from trainwright.data.expressions.selection import Selection
from trainwright.data.expressions.syntax import parse_expression
from trainwright.data.expressions.typed import calculate
from trainwright.data.source import TableSource

TABLE = pa.table(
    {
        "age": pa.array([10, 20, None, 40]),
        "class": ["a", "b", "c", None],
        "fare": pa.array([1.0, None, 0.0, 3.0]),
        "on board": pa.array([True, False, None, True]),
        "name": ["Ax, Mr. Y", "Bé, Miss. Z", None, "nobody"],
        "day": pa.array([datetime.datetime(2024, 5, 30), datetime.datetime(2023, 12, 31, 23), None, datetime.datetime(2024, 2, 29)]),
        "tags": [["x"], [], None, ["y"]],
    }
)
COLUMNS = {name: TABLE[name].combine_chunks() for name in TABLE.column_names}


def value_of(text):
    expression = parse_expression(text, "data.where")
    made = calculate(expression, {field.name: operand_of(field.type) for field in TABLE.schema}, lambda *_: "")
    return made.of({name: COLUMNS[name] for name in expression.columns}).to_pylist()


def refusal_of(text):
    with pytest.raises(ConfigError) as raised:
        value_of(text)
    return str(raised.value)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("age >= 18 and class in ['a', 'b']", [False, True, False, None]),
        ("age >= 18 or class in ['a', 'b']", [True, True, None, True]),
        ("not missing(fare)", [True, False, True, True]),
        ("not `on board`", [False, True, None, False]),
        ("10 < age < 40", [False, True, None, False]),
        ("class not in ('a',)", [False, True, True, None]),
        ("class == 'a'", [True, False, False, None]),
        ("age in [10, 20.0]", [True, True, None, False]),
        ("10 / fare", [10.0, None, None, 10 / 3]),
        ("age // 7", [1, 2, None, 5]),
        ("-age // 7", [-2, -3, None, -6]),
        ("age % 7", [3, 6, None, 5]),
        ("-age % 7", [4, 1, None, 2]),
        ("age * 2 + 1", [21, 41, None, 81]),
        ("age ** 2", [100.0, 400.0, None, 1600.0]),
        ("log(fare)", [0.0, None, None, float(np.log(3))]),
        ("sqrt(-age)", [None, None, None, None]),
        ("abs(age - 15)", [5, 5, None, 25]),
        ("min(age, fare, 15)", [1.0, None, None, 3.0]),
        ("max(age, 15)", [15, 20, None, 40]),
        ("round(fare / 8, 2)", [0.12, None, 0.0, 0.38]),
        ("extract(name, ', ([A-Za-z]+)')", ["Mr", "Miss", None, None]),
        (r"extract(name, r'\w+\.')", ["Mr.", "Miss.", None, None]),
        ("extract(name, '(, )(M)')", [", ", ", ", None, None]),
        ("lower(name) + '!'", ["ax, mr. y!", "bé, miss. z!", None, "nobody!"]),
        ("length(name)", [9, 11, None, 6]),
        ("contains(name, 'Mi')", [False, True, None, False]),
        ("startswith(name, 'no')", [False, False, None, True]),
        ("replace(name, 'Y', 'Q')", ["Ax, Mr. Q", "Bé, Miss. Z", None, "nobody"]),
        ("weekday(day)", [3, 6, None, 3]),
        ("year(day) * 100 + month(day)", [202405, 202312, None, 202402]),
        ("day >= '2024-01-01'", [True, False, None, True]),
        ("'kid' if age < 18 else 'adult'", ["kid", "adult", None, "adult"]),
        ("1 if `on board` else None", [1, None, None, 1]),
        ("number(text(age)) + 1", [11.0, 21.0, None, 41.0]),
        ("number(class)", [None, None, None, None]),
        ("class == '#'", [False, False, False, None]),
        ("age\n > 10", [False, True, None, True]),
    ],
)
def test_an_expression_has_the_value_worked_out_by_hand(text, wanted):
    found = value_of(text)
    assert found == pytest.approx(wanted) if all(isinstance(each, float | None) for each in wanted) else found == wanted
    assert [type(each) for each in found] == [type(each) for each in wanted]


def test_arithmetic_and_conditions_agree_with_pandas_on_random_numbers():
    drawn = np.random.default_rng(3)
    frame = pd.DataFrame({"a": drawn.normal(size=500), "b": drawn.integers(-9, 9, 500), "c": drawn.integers(1, 9, 500)})
    source = TableSource(pa.Table.from_pandas(frame, preserve_index=False), "made")
    selected = SelectedSource.of(source, "a > -1 and b % c != 1", {"x": "(a + b) / c - abs(b) * 2", "y": "b // c"})
    kept = frame[(frame.a > -1) & (frame.b % frame.c != 1)]
    assert np.array_equal(selected.kept, kept.index)
    np.testing.assert_allclose(selected.read(columns=["x"])["x"].to_numpy(), ((kept.a + kept.b) / kept.c - kept.b.abs() * 2).to_numpy())
    np.testing.assert_array_equal(selected.read(columns=["y"])["y"].to_numpy(), (kept.b // kept.c).to_numpy())


@pytest.mark.parametrize(
    ("text", "what", "under", "fix"),
    [
        ("fare > 1 and aeg > 3", "'aeg' is not a column of the data", 13, "did you mean 'age'"),
        ("3 < lenght(name)", "there is no function 'lenght'", 4, "did you mean 'length'"),
        ("age > > 3", "this is no expression", 6, "put texts in quotes"),
        ("age = 3", "this is no expression", 4, "write == to compare"),
        ("age > 3 # old", "'#' stands outside a text", 8, "in quotes"),
        ("3 > 2 or class > 3", "'class' is a text and 3 is a number", 9, "number(class)"),
        ("age and fare > 1", "'age' is a number, not true or false", 0, "age != 0"),
        ("age is None", "`is` has no meaning here", 0, "missing(column)"),
        ("age == None", "compared with None", 0, "missing(column)"),
        ("age > 1 & fare > 1", "'&' has no meaning here", 6, "write `and`"),
        ("name.lower() == 'a'", "only functions with a name can be called", 0, "function(column"),
        ("age > 1 or class in 'ab'", "`in` needs a list", 11, "contains(column"),
        ("day > 'yesterday'", "'yesterday' is no date", 6, "2024-05-31"),
        ("extract(name, '(a')", "the pattern cannot be used", 14, "RE2"),
        ("contains(name, class)", "is the same in all rows", 15, "no column"),
        ("length(name, 3)", "length takes 1 argument, not 2", 0, "length(text)"),
        ("age > 99999999999999999999", "a number is too large", 6, ""),
        ("missing(fare) or missing(tags)", "column 'tags' cannot be used", 25, ""),
    ],
)
def test_a_mistake_is_named_with_a_caret_under_it_and_a_fix(text, what, under, fix):
    told = refusal_of(text)
    assert what in told
    assert fix in told.partition("fix: ")[2]
    shown, caret = told.split("fix: ")[0].rstrip().splitlines()[-2:]
    start = shown.index(text)
    assert caret.index("^") - start == under


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('touch hacked')", "(lambda: 1)()", "[age for age in (1,)]", "age.__class__", "f'{age}' == '1'",
        "b'a' == name", "open('hacked', 'w')", "eval('1')", "(age := 3) > 1", "name[0] == 'A'",
        "{1: 2}", "*age", "age if age", "`", "``", "''", "1 > 0",
        "None", "()", "[age]", "age > 1; age > 2", "extract(name, '\b')", "yield age", "age > 1j", "...",
    ],
)  # fmt: skip
def test_nothing_but_expressions_over_columns_is_taken(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refusal_of(text)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "text",
    ["(" * 250 + "age" + ")" * 250 + " > 3", "not " * 60 + "`on board`", "-" * 300 + "age", "\0 > age", "age > 1 or " * 200 + "age > 2"],
)
def test_too_deep_and_too_long_expressions_are_refused(text):
    refusal_of(text)


def test_a_power_beyond_all_numbers_is_missing_and_a_whole_number_beyond_them_is_refused():
    assert value_of("age ** 10000") == [None] * 4
    with pytest.raises(DataError, match="cannot be calculated"):
        value_of("age * 9000000000000000000")


def test_reserved_words_and_names_with_blanks_or_other_letters_are_columns():
    source = TableSource(pa.table({"from": [1, 2], "größe cm": [3, 4], "ﬁ": [5, 6], "x": ["é", "b"]}), "made")
    selected = SelectedSource.of(source, "x == 'é' and from + `größe cm` + ﬁ == 9", {})
    assert selected.kept.tolist() == [0]


def selected(where="", **derive):
    return SelectedSource.of(TableSource(TABLE, "made"), where, derive)


def test_derived_columns_may_use_each_other_in_any_order_but_not_themselves():
    assert selected(c="b + 1", b="age * 2").read(columns=["c"])["c"].to_pylist() == [21, 41, None, 81]
    with pytest.raises(ConfigError, match=r"derived from itself[\s\S]*b → c → b"):
        selected(b="c + 1", c="b + age")
    with pytest.raises(ConfigError, match="have a column 'age' already"):
        selected(age="fare * 2")


def test_a_condition_that_leaves_no_row_says_what_each_part_leaves():
    with pytest.raises(DataError, match=r"leaves no rows[\s\S]*age > 15: 2; class == 'a': 1"):
        selected("age > 15 and class == 'a'")
    with pytest.raises(ConfigError, match="is no condition"):
        selected("age + 1")


def test_a_mismatch_shows_a_value_of_the_column_with_its_row():
    source = TableSource(pa.table({"size": ["12", None, "13 cm", "14"]}), "made")
    with pytest.raises(ConfigError, match=r"row 3: size is '13 cm'[\s\S]*number\(size\)"):
        SelectedSource.of(source, "size > 12", {})


def test_rows_left_out_keep_their_numbers_and_are_counted():
    rows = selected("fare > 0.5", double="age * 2")
    assert len(rows) == 2
    assert rows.kept.tolist() == [0, 3]
    assert rows.left_out.tolist() == [1, 2]
    assert rows.place(1) == "row 4"
    assert rows.read(np.array([1]), ["double", "class"]).to_pydict() == {"double": [80], "class": [None]}
    assert pa.concat_tables(rows.batches(["age"]))["age"].to_pylist() == [10, 40]
    assert rows.describe() | {"derive": None} == {
        "where": "fare > 0.5", "derive": None, "rows_before": 4, "left_out": 2, "left_out_as_missing": 1,
    }  # fmt: skip
    assert "leaves out 2 of 4 rows, 1 of them because a value it needs is missing" in rows.notes[0]
    assert given_rows(rows)[0] == 4


def test_a_selection_is_kept_as_plain_json_and_restored():
    made = selected("age > 15", double="age * 2").selection
    again = Selection.restore(made.state())
    assert again.state() == made.state() == {"where": "age > 15", "derive": {"double": "age * 2"}, "operands": {"age": "integer"}}


def test_texts_of_later_files_are_read_as_training_had_them():
    written = Written(decimal=",", nulls=("NA",), words_among_texts=True)

    def read(values, operand):
        return read_operand("x", pa.chunked_array([pa.array(values)]), operand, written, lambda row: f"row {row + 1}").to_pylist()

    assert read(["1,5", "NA", " 2 "], "float") == [1.5, None, 2.0]
    assert read(["7", "8,5"], "integer") == [7.0, 8.5]
    assert read(["True", "0", None], "truth") == [True, False, None]
    assert read(["2024-05-30", "2024-05-30 12:00:00"], "time")[1] == datetime.datetime(2024, 5, 30, 12)
    assert read(["NA", "x"], "text") == [None, "x"]
    with pytest.raises(DataError, match=r"row 2: column 'x' is a number in an expression, and has '1\.5'"):
        read(["1,5", "1.5"], "float")
