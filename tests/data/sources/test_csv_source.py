from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trainwright.data.hashing import row_hashes
from trainwright.data.source import Source

PLENTY, NOTHING = 1 << 40, 0


def values(source: Source) -> dict[str, list]:
    return source.read().to_pydict()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", ":"])
@pytest.mark.parametrize("limit", [PLENTY, NOTHING])
def test_the_delimiter_is_found(opened, write, delimiter: str, limit: int) -> None:
    path = write("\n".join(delimiter.join(row) for row in [["a", "b", "c"], ["1", "x", "2.5"], ["2", "y", "3.5"]]) + "\n")
    assert values(opened(path, limit)) == {"a": [1, 2], "b": ["x", "y"], "c": [2.5, 3.5]}


def test_runs_of_blanks_separate_values(opened, write) -> None:
    assert values(opened(write("a   b  c\n1  2   3.5\n 4 5 6\n"))) == {"a": [1, 4], "b": [2, 5], "c": [3.5, 6.0]}


@pytest.mark.parametrize("limit", [PLENTY, NOTHING])
def test_a_delimiter_may_be_several_characters(opened, write, limit: int) -> None:
    assert values(opened(write("a::b\n1::x, y\n2::z\n"), limit, delimiter="::")) == {"a": [1, 2], "b": ["x, y", "z"]}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("limit", [PLENTY, NOTHING])
def test_the_encoding_is_found(opened, write, encoding: str, limit: int) -> None:
    path = write("näme,größe\nJosé,1\nZoë,2\n".encode(encoding))
    assert values(opened(path, limit)) == {"näme": ["José", "Zoë"], "größe": [1, 2]}


@pytest.mark.parametrize("limit", [PLENTY, NOTHING])
def test_text_that_stops_being_utf8_late_is_read_as_latin1_with_a_note(opened, write, limit: int) -> None:
    path = write(b"a,b\n" + b"plain,1\n" * 30_000 + "José,2\n".encode("latin-1"))
    source = opened(path, limit)
    assert source.read(np.array([30_000])).to_pydict() == {"a": ["José"], "b": [2]}
    assert any("latin-1" in note for note in source.notes)


def test_a_told_encoding_is_used(opened, write) -> None:
    assert values(opened(write("a,b\nпривет,1\n".encode("cp1251")), encoding="cp1251")) == {"a": ["привет"], "b": [1]}


@pytest.mark.parametrize("limit", [PLENTY, NOTHING])
def test_compressed_text_is_read_whatever_its_name(opened, write, limit: int) -> None:
    for name in ("table.csv.gz", "table.csv"):
        path = write(gzip.compress(b"a,b\n1,2\n3,4\n"), name)
        assert values(opened(path, limit)) == {"a": [1, 3], "b": [2, 4]}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("1,2.5,M\n2,3.5,F\n", ["column_1", "column_2", "column_3"]),
        ("M,1\nF,2\nM,3\n", ["column_1", "column_2"]),
        ("yes,no\nno,yes\nyes,yes\n", ["column_1", "column_2"]),
        ("age,sex\n1,M\n2,F\n", ["age", "sex"]),
        ("name,city\nAnn,Rome\nBob,Oslo\n", ["name", "city"]),
        ("0,1,2\n5,6,7\n", ["0", "1", "2"]),
        (",age\n0,4\n1,5\n", ["Unnamed: 0", "age"]),
        ('"a","b"\n1,\n,2\n', ["a", "b"]),
        ("age sex\nr1 3 M\nr2 4 F\n", ["row", "age", "sex"]),
    ],
)
def test_a_header_is_found_or_made(opened, write, text: str, names: list[str]) -> None:
    assert opened(write(text)).schema.names == names


def test_a_table_without_header_says_so(opened, write) -> None:
    note = opened(write("1,2\n3,4\n")).notes[0]
    assert "column_1" in note and "data.source.header=true" in note


@pytest.mark.parametrize("header", [True, "true"])
def test_a_told_header_is_used(opened, write, header: bool | str) -> None:
    assert opened(write("1,2\n3,4\n"), header=header).schema.names == ["1", "2"]


@pytest.mark.parametrize("limit", [PLENTY, NOTHING])
def test_decimal_commas_are_found(opened, write, limit: int) -> None:
    assert values(opened(write("a;b\n1,5;x\n2,5;y\n"), limit)) == {"a": [1.5, 2.5], "b": ["x", "y"]}
    assert values(opened(write("1,5;2,5\n3,5;4,5\n"), limit)) == {"column_1": [1.5, 3.5], "column_2": [2.5, 4.5]}


def test_single_quotes_and_escapes_are_read(opened, write) -> None:
    assert values(opened(write("a,b\n'x, y',1\n'z, w',2\n'u',3\n"))) == {"a": ["x, y", "z, w", "u"], "b": [1, 2, 3]}
    assert values(opened(write('a,b\n"x \\" y",1\n"z",2\n'), escape="\\")) == {"a": ['x " y', "z"], "b": [1, 2]}


def test_words_for_missing_are_missing(opened, write) -> None:
    assert values(opened(write("a,b\n1,x\n?,NA\nNaN,\nnull,None\n"))) == {"a": [1, None, None, None], "b": ["x", None, None, None]}
    assert values(opened(write("a,b\n1,x\n-9,y\n"), nulls=["-9"])) == {"a": [1, None], "b": ["x", "y"]}


@pytest.mark.parametrize("limit", [PLENTY, NOTHING])
def test_blanks_after_delimiters_belong_to_no_value(opened, write, limit: int) -> None:
    table = values(opened(write("39, State-gov, 7\n50, ?, 8\n38, Private, 9\n"), limit))
    assert table == {"column_1": [39, 50, 38], "column_2": ["State-gov", None, "Private"], "column_3": [7, 8, 9]}


@pytest.mark.parametrize("limit", [PLENTY, NOTHING])
def test_rows_of_the_wrong_length_can_be_skipped_and_are_counted(opened, write, limit: int) -> None:
    source = opened(write("a,b\n1,2\n3\n4,5,6\n7,8\n"), limit, invalid_rows="skip")
    assert values(source) == {"a": [1, 7], "b": [2, 8]}
    assert any("2 rows" in note for note in source.notes)
    assert values(source) == {"a": [1, 7], "b": [2, 8]}


@pytest.mark.parametrize("limit", [PLENTY, NOTHING])
def test_several_files_are_one_table_with_types_that_fit_all(opened, write, tmp_path: Path, limit: int) -> None:
    write("a,b,c\n1,2,\n2,3,\n", "1.csv")
    write("c,b,a\nx,2.5,3\n", "2.csv")
    write("a;b;c\n0x;7;y\n", "3.csv")
    source = opened(tmp_path / "*.csv", limit)
    assert values(source) == {"a": ["1", "2", "3", "0x"], "b": [2.0, 3.0, 2.5, 7.0], "c": [None, None, "x", "y"]}
    assert source.read(columns=["c", "b"]).column_names == ["c", "b"]


@pytest.mark.parametrize("limit", [PLENTY, NOTHING])
def test_places_name_the_line(opened, write, limit: int) -> None:
    assert opened(write("a,b\n1,2\n3,4\n"), limit).place(1) == "row 2 (line 3)"
    assert opened(write("1,2\n3,4\n"), limit).place(1) == "row 2 (line 2)"
    assert opened(write('a,b\n"x\ny",2\n3,4\n'), limit).place(1) == "row 2"


def test_a_type_that_only_a_late_row_contradicts_is_widened(opened, write) -> None:
    text = "a,b,c\n" + "1,2020-01-01,true\n" * 600_000 + "1.5,2020-01-01 10:00,maybe\n"
    path = write(text)
    whole, streamed = opened(path), opened(path, NOTHING)
    assert streamed.schema == whole.schema == pa.schema([("a", pa.float64()), ("b", pa.timestamp("us")), ("c", pa.string())])
    assert len(streamed) == len(whole) == 600_001
    assert streamed.read(np.array([600_000, 0])).equals(whole.read(np.array([600_000, 0])))


CELLS = st.one_of(
    st.integers(-(10**6), 10**6).map(str),
    st.floats(allow_nan=False, allow_infinity=False, width=32).map(str),
    st.sampled_from(["", "NA", "?", "true", "false", "True", "0", "1", "2020-02-01", "2020-02-01 10:11:12", "10:11", "1e5", "007"]),
    st.text("ab ,;\"'\n\té0.", max_size=6),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.integers(2, 4).flatmap(lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1, max_size=20)))
def test_streamed_and_in_memory_tables_are_the_same(opened, tmp_path: Path, rows: list[list[str]]) -> None:
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    writer.writerow([f"name_{number}" for number in range(len(rows[0]))])
    writer.writerows(rows)
    path = tmp_path / "table.csv"
    path.write_text(out.getvalue(), encoding="utf-8", newline="")
    whole, streamed = (opened(path, limit, delimiter=",", header=True, quote='"') for limit in (PLENTY, NOTHING))
    assert whole.schema == streamed.schema
    assert len(whole) == len(streamed)
    for left, right in zip(whole.batches(rows=7), streamed.batches(rows=7), strict=True):
        assert left.equals(right)
        assert left.column(0).num_chunks == right.column(0).num_chunks == 1
    chosen = np.arange(len(whole))[::-2]
    assert whole.read(chosen, ["name_1"]).equals(streamed.read(chosen, ["name_1"]))
    assert (row_hashes(whole) == row_hashes(streamed)).all()


def test_pieces_have_the_size_asked_for(opened, write) -> None:
    path = write("a\n" + "\n".join(map(str, range(1, 200_001))) + "\n")
    for limit in (PLENTY, NOTHING):
        source = opened(path, limit, header=True)
        assert [piece.num_rows for piece in source.batches()] == [65536, 65536, 65536, 3392]


def test_the_fingerprint_is_of_the_bytes(opened, write) -> None:
    import hashlib

    path = write("a,b\n1,2\n")
    print_ = opened(path).fingerprint()
    assert print_["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (print_["rows"], print_["bytes"], print_["paths"]) == (1, 8, [str(path)])
