"""Numbers whose written form says more than their value stay text, in a text table and in a column of text alike."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pytest

from trainwright.data.inference import infer
from trainwright.data.profile import profile
from trainwright.data.sources import CSVOptions
from trainwright.data.sources.csv import CSVSource
from trainwright.data.sources.opening import from_object
from trainwright.data.written_numbers import forms_in, reason_to_keep

KEPT = {
    "release and whole": ["1.1", "1.10", "2", "3"],
    "codes": ["00501", "02134", "12345", "90210"],
    "decimals": ["007.5", "012.0", "1.5", "2.5"],
    "phones": ["+4915112345678", "+15551234567", "+442071234567", "+33123456789"],
    "hex": ["0x1F", "0x20", "0xFF", "0x00"],
    "long": ["12345678901234567890", "12345678901234567891", "98765432109876543210", "5"],
    "overflow": ["1e999", "12e5", "7e1234", "3e4"],
    "clock": ["10:30", "11:45", "09:00", "23:59"],
    "addresses": ["10.0.0.1", "10.0.0.2", "192.168.0.1", "172.16.0.9"],
    "fractions": ["1.1", "1.10", "1.2", "1.11"],
    "version": ["1.9", "1.10", "1.11", "2.0"],
}
NUMBERS = {
    "prices": ["1.50", "2.00", "13.10", "7.25"],
    "pandas": ["1.0", "2.0", "", "3.0"],
    "shortest": ["2.0", "1.5", "1.25", "0.125"],
    "signed": ["+1", "-2", "+3", "-4"],
    "rises": ["+0.5", "+1.25", "2", "3"],
    "scientific": ["1e5", "2.5e-3", "7", "1e-9"],
    "minus_zero": ["-0", "1", "2", "3"],
    "zero": ["0", "0.5", "0.25", "10"],
    "precise": ["0.12345678901234567890", "0.5", "0.25", "1.75"],
    "reading": ["1.25", "1.5", "10.125", "3.0"],
}


def write(path: Path, values: list[str], name: str = "x", rows: int = 40) -> Path:
    path.write_text(f"{name},row\n" + "\n".join(f"{values[row % len(values)]},{row * 7 % 11}" for row in range(rows)) + "\n")
    return path


def type_in(source: object, name: str) -> str:
    return next(each.type for each in infer(profile(source), []) if each.name == name)  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "values"), KEPT.items())
@pytest.mark.parametrize("memory", [4 << 30, 0])
def test_a_form_that_numbers_would_lose_stays_text(name: str, values: list[str], memory: int, tmp_path: Path) -> None:
    source = CSVSource(CSVOptions(path=str(write(tmp_path / "t.csv", values, name))), memory)
    assert source.schema.field(name).type == pa.string()
    assert set(source.read(columns=[name])[name].to_pylist()) == set(values)
    assert type_in(source, name) == "category"


@pytest.mark.parametrize(("name", "values"), [item for item in KEPT.items() if item[0] != "clock"])
def test_a_column_of_text_in_memory_is_judged_alike(name: str, values: list[str]) -> None:
    assert type_in(from_object({name: values * 10, "row": range(40)}), name) == "category"


@pytest.mark.parametrize(("name", "values"), NUMBERS.items())
@pytest.mark.parametrize("memory", [4 << 30, 0])
def test_quantities_stay_numbers(name: str, values: list[str], memory: int, tmp_path: Path) -> None:
    source = CSVSource(CSVOptions(path=str(write(tmp_path / "t.csv", values, name))), memory)
    assert not pa.types.is_string(source.schema.field(name).type)
    assert type_in(source, name) == "number"


def test_one_code_at_the_end_of_a_long_file_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("zip,x\n" + "".join(f"{10000 + row % 80000},{row % 7}\n" for row in range(300_000)) + "00501,1\n")
    assert CSVSource(CSVOptions(path=str(path)), 4 << 30).schema.field("zip").type == pa.string()
    values = from_object({"zip": [str(10000 + row % 60000) for row in range(100_000)] + ["00501"], "x": [1, 2] * 50_000 + [3]})
    assert next(each.kept_as_text for each in profile(values) if each.name == "zip") == "leading zeros"


@pytest.mark.parametrize(("delimiter", "shape"), [(";", "{}"), ("\t", "{}"), ("|", " {} "), (",", '"{}"'), ("whitespace", "{}")])
def test_codes_are_seen_behind_any_delimiter_and_quote(delimiter: str, shape: str, tmp_path: Path) -> None:
    between = "   " if delimiter == "whitespace" else delimiter
    path = tmp_path / "t.txt"
    path.write_text("\n".join(between.join(["zip", "x"]) if not row else between.join([shape.format(f"0{row}"), "1"]) for row in range(30)))
    source = from_object(path)
    assert source.read()["zip"].to_pylist()[0].strip() == "01"


def test_codes_are_seen_in_compressed_files_and_other_encodings(tmp_path: Path) -> None:
    text = "zip,x\n" + "".join(f"{row % 4:05d},{row}\n" for row in range(40))
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(text.encode()))
    (tmp_path / "b.csv").write_bytes(text.encode("utf-16"))
    for name in ("a.csv.gz", "b.csv"):
        assert from_object(tmp_path / name).read()["zip"].to_pylist()[:2] == ["00000", "00001"]


def test_minus_signs_far_from_plus_signs_are_seen(tmp_path: Path) -> None:
    for first, second in (("+5", "-5"), ("-5", "+5")):
        (tmp_path / "t.csv").write_text("rise,n\n" + f"{first},1\n" * 250_000 + f"{second},0\n" * 250_000)
        for memory in (4 << 30, 0):
            assert not pa.types.is_string(CSVSource(CSVOptions(path=str(tmp_path / "t.csv")), memory).schema.field("rise").type)


def test_the_text_around_a_time_of_day_is_no_code(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("when,n\n" + "".join(f"2024-01-05 09:{row:02d}:00,{row}\n" for row in range(30)))
    assert pa.types.is_integer(from_object(path).schema.field("n").type)


def test_files_of_one_pattern_agree_that_a_column_is_text(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", ["1.5", "2"], "zip")
    write(tmp_path / "b.csv", ["00501", "10115"], "zip")
    assert set(from_object(f"{tmp_path}/*.csv").read()["zip"].to_pylist()) == {"1.5", "2", "00501", "10115"}


def test_what_is_kept_and_why_is_said() -> None:
    found = infer(profile(from_object({"zip": ["00501", "02134", "12345"] * 20, "x": range(60)})), [])[0]
    assert "leading zeros" in found.why
    many = infer(profile(from_object({"part": [f"{row:05d}" for row in range(60)], "x": [1.5, 2.5] * 30})), [])[0]
    assert many.type == "ignore"
    assert "columns.part=number" in many.warnings[0]


def test_whole_numbers_beyond_floats_are_codes_in_any_form() -> None:
    assert type_in(from_object({"user": [2**60 + row % 4 for row in range(40)], "x": range(40)}), "user") == "category"
    assert type_in(from_object({"user": [2**70 + row % 4 for row in range(40)], "x": range(40)}), "user") == "category"
    assert type_in(from_object({"time": [2**60 + row * 977 for row in range(40)], "x": range(40)}), "time") == "number"


@pytest.mark.parametrize(
    ("values", "form"), [(["00"], "leading zeros"), (["+5", "-5"], ""), (["0", "0.0"], ""), (["١٢٣"], ""), (["1_000"], "")]
)
def test_a_reason_is_found_by_value(values: list[str], form: str) -> None:
    assert reason_to_keep("x", forms_in(pa.array(values)), values) == form


def test_digits_of_other_scripts_and_underscores_are_no_numbers() -> None:
    for values in (["١٢٣", "٤٥٦", "٧٨٩"], ["１２", "３４", "５６"], ["1_000", "2_000", "3_000"]):
        assert type_in(from_object({"x": values * 20, "row": range(60)}), "x") == "category"
