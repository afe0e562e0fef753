"""What stands above the header of a text table or a sheet is found, and said; rows that are cut short are no titles."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainwright.config.errors import DataError
from trainwright.data.sniffing import sniff_delimiter
from trainwright.data.source import header_below
from trainwright.data.sources.later import later_rows
from trainwright.data.sources.opening import build_source, from_object, options_of

ROWS = "\n".join(f"{row},{row % 3}" for row in range(30))
WIDE = "\n".join(f"{row},{row % 3},a" for row in range(30))

ABOVE: dict[str, tuple[str, int]] = {
    "Title\nx,y\n" + ROWS: 1,
    "Sales export\nmade by tool\n\nx,y\n" + ROWS: 3,
    "\n\nTitle\n\nx,y\n" + ROWS: 4,
    "Title, with a comma\nx,y,z\n" + WIDE: 1,
    "# one\n# two\nx;y\n" + ROWS.replace(",", ";"): 2,
    "sep=;\nx;y\n" + ROWS.replace(",", ";"): 1,
    "Report,,\n,,\nx,y,z\n" + WIDE: 2,
    "Title\nx;y;z\n" + "\n".join(f"{row};9.{100 + row},70;no" for row in range(30)): 1,
    "Name: a b\nDate: 2020-01-01\n\nx\ty\n" + ROWS.replace(",", "\t"): 3,
}


@pytest.mark.parametrize("text", ABOVE)
def test_titles_comments_and_blank_lines_are_skipped_and_said(text: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    source = from_object(str(path))
    lines = ABOVE[text]
    assert source.schema.names[:2] == ["x", "y"] and len(source) == 30 and source.place(0) == f"row 1 (line {lines + 2})"
    assert any(f"(data.source.skip_rows={lines}" in note for note in source.notes)
    told = build_source(options_of(str(path)).model_copy(update={"skip_rows": lines}), 1)
    assert told.schema.names == source.schema.names and not told.notes and source.read().equals(told.read())
    assert later_rows(str(path), source.written, ["x", "y"]).schema.names == source.schema.names


@pytest.mark.parametrize("text", ["x,y\n" + ROWS, "x\n" + ROWS, "Title\n" + ROWS, "only\n" + "\n".join(map(str, range(30)))])
def test_a_header_is_no_title(text: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    source = from_object(str(path))
    assert len(source) == 30 and not any("skip_rows" in note for note in source.notes)


@pytest.mark.parametrize("delimiter", [";", "|", "\t"])
@pytest.mark.parametrize("row", ["-0.36;9.{},70;no", "-0.36;9,{};no", "Last{}, First;0.126;a", "Last{}, First;7;1", "{};7, 8;1"])
def test_a_comma_in_each_row_below_a_header_without_one_is_no_delimiter(row: str, delimiter: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(("x;y;z\n" + "\n".join(row.format(100 + each) for each in range(60))).replace(";", delimiter))
    source = from_object(str(path))
    assert source.schema.names == ["x", "y", "z"] and len(source) == 60


def test_a_header_of_r_with_one_name_is_read_as_before() -> None:
    assert sniff_delimiter("x\na,1\nb,2\nc,3\n", '"') == ","
    assert sniff_delimiter("one;two\na,1\nb,2\nc,3\n", '"') == ","


@pytest.mark.parametrize("text", ["m,kg\nx,y\n" + ROWS, "Title;;\nm;kg;s\nx;y;z\n" + WIDE.replace(",", ";")])
def test_a_header_below_the_line_that_was_taken_for_it_is_found_by_the_target_and_the_fix_reads_it(text: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    told = header_below(from_object(str(path)), ["y"])
    lines = int(told.partition("skip_rows=")[2].split()[0])
    assert build_source(options_of(str(path)).model_copy(update={"skip_rows": lines}), 1).schema.names[:2] == ["x", "y"]
    assert header_below(from_object(str(path)), ["kg"]) == header_below(from_object(str(path)), ["nowhere"]) == ""


def test_a_row_cut_short_is_named_and_what_stands_above_has_a_fix_that_reads_the_table(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("x,y\n1\n" + ROWS)
    with pytest.raises(DataError, match="line 2 has 1") as error:
        from_object(str(path))
    assert "skip_rows" not in error.value.fix
    path.write_text("Title\nof it\nx,y\n" + ROWS)
    options = options_of(str(path))
    with pytest.raises(DataError) as error:
        build_source(options.model_copy(update={"skip_rows": 0}), 1 << 20)
    assert "data.source.skip_rows=2 " in error.value.fix
    assert build_source(options.model_copy(update={"skip_rows": 2}), 1 << 20).schema.names == ["x", "y"]


def test_an_array_of_objects_is_read_as_lines_of_them_are_and_other_json_is_refused_in_words(tmp_path: Path) -> None:
    rows = [{"x": row, "y": "a" if row % 2 else None, "z": 1.5} for row in range(9)]
    (tmp_path / "lines.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    expected = from_object(str(tmp_path / "lines.jsonl")).read()
    for indent in (None, 2):
        (tmp_path / "t.json").write_text(json.dumps(rows, indent=indent))
        assert from_object(str(tmp_path / "t.json")).read().equals(expected)
        assert build_source(options_of(str(tmp_path / "t.json")), 1).read().equals(expected)
        assert later_rows(str(tmp_path / "t.json"), None, ["x"]).schema.names == ["x", "y", "z"]
    for found, words in (
        ({"data": rows}, "its rows are under 'data'"),
        ({"x": {"0": 1, "1": 2}}, "it has x"),
        ({"x": [1, 2], "y": [3, 4]}, "orient='records'"),
        ([1, 2], "number 1 of the array is a number"),
    ):
        (tmp_path / "t.json").write_text(json.dumps(found))
        with pytest.raises(DataError) as error:
            from_object(str(tmp_path / "t.json"))
        assert words in str(error.value)
    (tmp_path / "t.json").write_text('[{"x": 1},')
    with pytest.raises(DataError, match="is not JSON"):
        from_object(str(tmp_path / "t.json"))


def test_a_sheet_loses_its_title_and_the_other_sheets_are_named_and_found_again(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book, path = openpyxl.Workbook(), tmp_path / "b.xlsx"
    for row in (["Sales report"], [], ["x", "y", "z"], *([row, row % 2, "a"] for row in range(20))):
        book.active.append(row)
    book.create_sheet("other").append(["q", "w"])
    book["other"].append([1, 2])
    book.save(path)
    source = from_object(str(path))
    assert source.schema.names == ["x", "y", "z"] and len(source) == 20
    assert any("skip_rows=1" in note for note in source.notes) and any("the others are other" in note for note in source.notes)
    assert later_rows(str(path), None, ["q"]).schema.names == ["q", "w"]
