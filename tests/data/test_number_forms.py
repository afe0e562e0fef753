"""Numbers as people write them: which form is read, what is only offered, and how each value comes out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwright.config.errors import ConfigError
from trainwright.data.number_facts import FORMS, NumberFacts, could_be_written, find_form, offer_for
from trainwright.data.number_forms import NumberForm
from trainwright.data.number_source import NumberSource, read_numbers
from trainwright.data.sniffing import sniff_decimal
from trainwright.data.sources.opening import from_object

READ: dict[str, tuple[list[str], list[float]]] = {
    "thousands": (["1,234", "950", "12,345,678.5"], [1234, 950, 12345678.5]),
    "thousands in each value": (["1,234", "5,950", "12,345"], [1234, 5950, 12345]),
    "points between thousands": (["1.234,56", "950", "-12.345,1"], [1234.56, 950, -12345.1]),
    "points alone, twice in a value": (["1.234.567", "12.345", "999"], [1234567, 12345, 999]),
    "blanks of typesetters": (["1\u202f234", "950", "12\u00a0345,5"], [1234, 950, 12345.5]),
    "blanks beside smaller numbers": (["1 234", "950", "12 345"], [1234, 950, 12345]),
    "apostrophes": (["1'234.50", "950", "12’345"], [1234.5, 950, 12345]),
    "lakhs and crores": (["12,34,567", "1,23,456.50", "99"], [1234567, 123456.5, 99]),
    "a currency before": (["$5.00", "$1,200.50", "-$3"], [5, 1200.5, -3]),
    "a currency after": (["5 €", "6,50 €", "1.234,00 €"], [5, 6.5, 1234]),
    "the name of a currency": (["Rs. 500", "Rs. 1,500", "Rs.20.5"], [500, 1500, 20.5]),
    "percent": (["12 %", "3.5%", "0"], [12, 3.5, 0]),
    "parentheses": (["(123)", "456", "($7.5)"], [-123, 456, -7.5]),
    "a minus behind, and one of typesetters": (["7-", "−5.5", "3"], [-7, -5.5, 3]),
    "no cents": (["9189.-", "CHF 1.50", "45.–"], [9189, 1.5, 45]),
    "no cents in each value": (["9189.-", "45.-", "7.--"], [9189, 45, 7]),
    "no cents, and a sign": (["-9'189.-", "Fr. 45.–", "1'007.—"], [-9189, 45, 1007]),
    "no cents after a comma": (["9.189,-", "45,50 €", "7,- €"], [9189, 45.5, 7]),
    "a minus behind some with no cents": (["9189.-", "45-", "7.5-"], [9189, -45, -7.5]),
    "decimal commas": (["12,5", "3,75", "0,333"], [12.5, 3.75, 0.333]),
}


def found(values: list[str], decimal: str = "", insisted: bool = False) -> Any:
    facts = NumberFacts()
    for value in values:  # however they are cut
        facts.add(pa.array([value, None]))
    return find_form("price", facts, decimal, insisted)


@pytest.mark.parametrize("name", READ)
def test_a_form_that_only_one_reading_fits_is_read(name: str) -> None:
    texts, numbers = READ[name]
    form = found(texts).form
    assert could_be_written(pa.array(texts))
    assert [float(each) for each in form.plain(pa.array(texts)).to_pylist()] == numbers


@pytest.mark.parametrize(
    ("texts", "line"),
    [
        (["1,234", "5950", "12,345"], "columns.price.thousands=comma"),
        (["€ 5", "6 €", "1.234 €"], "columns.price.thousands=point"),
        (["250 000", "950 000", "120 000"], "columns.price.thousands=blank"),
        (["12 %", "15%", "0.35"], "columns.price=number"),
        (["(1)", "(2)", "(3)"], "columns.price=number"),
        (["9189-", "45-", "7.5-"], "columns.price=number"),
        (["192.168.100.200", "10.100.100.123", "127.100.100.101"], "columns.price.thousands=point"),
        (["1,2", "2,3", "1,3", "2,1", "3,1", "3,2"], "columns.price.decimal=comma"),
        (["$5", "€5", "£7"], "several units"),
    ],
)
def test_what_could_be_read_otherwise_is_offered_with_its_line_and_not_read(texts: list[str], line: str) -> None:
    answer = found(texts)
    assert answer.form is None and line in answer.offer


@pytest.mark.parametrize(
    "texts",
    [
        ["00501", "1,234", "12,345"],
        ["2020-01-02", "2021-03-04", "2021-01-02"],
        ["12.05.2020", "13.05.2020", "14.06.2021"],
        ["5 kg", "6 kg", "7 kg"],
        ["1-5", "2-7", "3-8"],
        ["A1", "B2", "C3"],
        ["1.10.123", "2.3.4", "10.0.0"],
        ["1,5,7", "2,3", "1,9"],
        ["$5", "$6"],
    ],
)
def test_codes_dates_ranges_lists_and_pairs_of_classes_stay_as_they_are(texts: list[str]) -> None:
    answer = found(texts)
    assert answer.form is None and not answer.offer


def test_the_lines_are_those_of_the_command_line_for_any_name() -> None:
    facts = NumberFacts()
    facts.add(pa.array(["250 000", "950 000", "120 000"]))
    assert 'columns."total price".thousands=blank' in find_form("total price", facts, "", False).offer


def test_a_decimal_mark_that_the_file_shows_decides_what_a_point_is() -> None:
    assert found(["1.234", "950", "12.345"]).form is None
    assert found(["1.234", "950", "12.345"], ",").form == NumberForm(".", ",")


def test_what_a_person_says_is_read_in_the_likeliest_way() -> None:
    assert found(["1,234", "5950", "12,345"], insisted=True).form == NumberForm(",", ".")
    assert found(["(1)", "(2)", "(3)"], insisted=True).form.plain(pa.array(["(2)"])).to_pylist() == ["-2"]
    assert found(["1-", "2-", "3-"], insisted=True).form.plain(pa.array(["2-"])).to_pylist() == ["-2"]


@settings(deadline=None)
@given(st.integers(-(10**12), 10**12), st.integers(0, 99), st.sampled_from(FORMS), st.sampled_from(["{}", "$ {}", "{} €", "{}%"]))
def test_a_number_is_the_same_in_every_form(whole: int, cents: int, form: NumberForm, unit: str) -> None:
    grouped = f"{abs(whole):,}".replace(",", form.thousands)
    written = ("-" if whole < 0 else "") + unit.format(f"{grouped}{form.decimal}{cents:02d}")
    plain = form.plain(pa.array([written]))[0].as_py()
    assert math.isclose(float(plain), math.copysign(abs(whole) + cents / 100, whole or 1))
    assert form.plain(pa.array([written]), ",")[0].as_py() == plain.replace(".", ",")


def test_a_source_is_the_same_in_memory_and_piece_by_piece_and_keeps_what_is_no_number() -> None:
    data = {"price": [f"{n:,}" for n in range(900, 1140)], "odd": [f"{n:,}" for n in range(900, 1130)] + ["?!"] * 10, "x": ["a", "b"] * 120}
    source = read_numbers(from_object(data), {})
    assert isinstance(source, NumberSource) and source.schema.types == [pa.float64(), pa.string(), pa.string()]
    whole, pieces = source.read(), pa.concat_tables(source.batches(rows=7))
    assert whole.equals(pieces.combine_chunks()) or whole.to_pydict() == pieces.to_pydict()
    assert whole["price"].to_pylist() == list(range(900, 1140)) and whole["odd"][100].as_py() == "1000"
    assert whole["odd"][-1].as_py() == "?!" and source.read(np.array([105, 3]), ["price"])["price"].to_pylist() == [1005, 903]
    assert read_numbers(from_object(data), {name: {"type": "category"} for name in data}).schema.types[0] == pa.string()
    as_decimals = read_numbers(from_object(data), {"price": {"decimal": "comma"}})
    assert as_decimals.read(np.array([105]), ["price"])["price"].to_pylist() == [1.005]


def test_a_mark_that_would_mean_two_things_is_refused() -> None:
    with pytest.raises(ConfigError, match="comma cannot be both"):
        read_numbers(from_object({"p": ["1,234", "2,345", "3,456"]}), {"p": {"thousands": "comma", "decimal": "comma"}})


def test_the_line_for_texts_that_a_number_column_refused() -> None:
    assert offer_for("p", ["1,234", "5,678"]) == "columns.p.thousands=comma"
    assert offer_for("p", ["1.234,5"]) == "columns.p.thousands=point"
    assert not offer_for("p", ["abc"]) and not offer_for("p", [])


def test_thousands_between_tabs_are_no_decimal_commas_and_between_semicolons_are() -> None:
    rows = [["price", "x"], ["1,234", "5"], ["2,345", "6"]]
    assert sniff_decimal(rows, "\t") == "." and sniff_decimal(rows, ";") == ","
    assert sniff_decimal([*rows, ["0,5", "1"]], "\t") == ","
