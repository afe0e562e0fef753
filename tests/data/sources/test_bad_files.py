from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest

from trainwright.config.errors import DataError
from trainwright.data.sources import from_text
from trainwright.data.sources.opening import from_object

PLENTY, NOTHING = 1 << 40, 0
both = pytest.mark.parametrize("limit", [PLENTY, NOTHING])


def refused(open_, *parts: str) -> DataError:
    """The error that `open_` raises, with every one of `parts` in its text."""
    with pytest.raises(DataError) as caught:
        open_()
    text = str(caught.value)
    assert all(part in text for part in parts), text
    assert caught.value.exit_code == 2
    return caught.value


def test_a_missing_file_names_the_nearest(write) -> None:
    path = write("a,b\n1,2\n", "titanic.csv")
    refused(lambda: from_text(str(path.with_name("titanik.csv"))), "no file", "did you mean", "titanic.csv")
    refused(lambda: from_text(str(path.with_name("titanic.parquet"))), "no file", "titanic.csv")
    refused(lambda: from_text(str(path.parent / "nowhere" / "x.csv")), "nowhere", "does not exist")


def test_a_name_that_is_hardly_alike_is_not_offered(write) -> None:
    path = write("a,b\n1,2\n", "threes.png")
    said = refused(lambda: from_text(str(path.with_name("nothere"))), "no file", "there are: threes.png")
    assert "did you mean" not in str(said)


def test_a_run_is_no_data(tmp_path: Path) -> None:
    """Also one with pictures that it made, which a domain would read as a folder of them."""
    (tmp_path / "examples").mkdir()
    for name in ("run.json", "config.yaml", "examples/0.png"):
        (tmp_path / name).write_text("{}")
    refused(lambda: from_text(str(tmp_path)), "is a run, and no data", f"trainwright resume {tmp_path}")


def test_a_directory_is_no_table(write) -> None:
    path = write("a,b\n1,2\n")
    refused(lambda: from_text(str(path.parent)), "is a directory", "/*.csv")
    (path.parent / "outer" / "inner").mkdir(parents=True)
    path.rename(path.parent / "outer" / "inner" / path.name)
    refused(lambda: from_text(str(path.parent / "outer")), "is a directory", "**/*.csv")


def test_a_folder_without_anything_that_is_read_says_what_would_be(tmp_path: Path) -> None:
    refused(lambda: from_text(str(tmp_path)), "is empty", "*.csv", "WFDB records (.hea)", "sounds (.wav")
    (tmp_path / "inside").mkdir()
    refused(lambda: from_text(str(tmp_path)), "holds folders only")
    (tmp_path / "inside" / "letter.pdf").touch()
    refused(lambda: from_text(str(tmp_path)), "holds nothing that is read", "end in .pdf", "EDF")


def test_a_pattern_without_files_is_refused(tmp_path: Path) -> None:
    refused(lambda: from_text(f"{tmp_path}/*.csv"), "no file matches")


def test_a_pattern_of_several_kinds_is_refused(write) -> None:
    path = write("a\n1\n", "x.csv")
    write("{}\n", "x.jsonl")
    refused(lambda: from_text(f"{path.parent}/x.*"), "several kinds", "csv, jsonl")


def test_an_unknown_built_in_set_names_the_nearest() -> None:
    refused(lambda: from_text("builtin:irisch"), "no built-in set", "did you mean 'iris'")


@both
def test_an_empty_file_is_refused(write, opened, limit: int) -> None:
    refused(lambda: opened(write(""), limit), "is empty", "0 bytes")
    refused(lambda: opened(write("\n\n \n"), limit), "no rows")


@both
def test_a_header_without_rows_is_refused(write, opened, limit: int) -> None:
    refused(lambda: opened(write("a,b\n"), limit), "no rows", "table.csv")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "a PNG image"),
        (pickle.dumps([1, 2, 3]), "a Python pickle"),
        (b"PAR1" + bytes(64), "a Parquet file"),
        (bytes(range(256)) * 8, "no text"),
        (os.urandom(4096).replace(b"\x1f\x8b", b"")[:4000] + b"\x00\x01\x02", "no text"),
    ],
)
def test_a_binary_file_is_refused(write, opened, content: bytes, kind: str) -> None:
    refused(lambda: opened(write(b"\x05" + content if kind == "no text" else content)), "is not a text table", kind)


def test_a_zip_archive_is_refused(write, opened, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "table.csv", "w") as archive:
        archive.writestr("x.csv", "a,b\n1,2\n")
    refused(lambda: opened(tmp_path / "table.csv"), "zip archive")


def test_a_cut_gzip_file_is_refused(write, opened) -> None:
    import gzip

    path = write(gzip.compress(os.urandom(10_000).hex().encode() + b"\n")[:2000], "table.csv.gz")
    refused(lambda: opened(path), "cannot be decompressed")


def test_a_told_delimiter_that_splits_nothing_names_a_better_one(write, opened) -> None:
    refused(lambda: opened(write("a;b;c\n1;2;3\n4;5;6\n"), delimiter=","), "one column", "';'", "into 3 values")


@both
def test_ragged_rows_are_named_by_line(write, opened, limit: int) -> None:
    text = "a,b,c\n" + "1,2,3\n" * 5 + "4,5\n" + '"x\ny",5,6\n' + "1,2,3,4\n"
    refused(lambda: opened(write(text), limit), "do not all have 3 values", "line 7 has 2", "line 10 has 4", "invalid_rows=skip")


@both
def test_many_ragged_rows_are_counted(write, opened, limit: int) -> None:
    refused(lambda: opened(write("a,b\n" + "1,2\n" * 300 + "1\n" * 100), limit), "line 302 has 1", "100 rows in all")


@both
def test_a_quote_that_is_never_closed_is_refused(write, opened, limit: int) -> None:
    text = "a,b\n" + "1,2\n" * 40_000 + '"x,2\n' + "1,2\n" * 2_000_000
    refused(lambda: opened(write(text), limit, quote='"'), "fix:")


@both
def test_duplicate_column_names_are_refused(write, opened, limit: int) -> None:
    refused(lambda: opened(write("a,b,a\n1,2,3\n"), limit), "duplicate column names", "'a' in columns 1, 3")


def test_an_unknown_encoding_names_the_nearest(write, opened) -> None:
    refused(lambda: opened(write("a,b\n1,2\n"), encoding="latin1x"), "unknown encoding", "did you mean 'latin-1'")


@both
def test_bytes_that_are_not_the_told_encoding_are_named_by_line(write, opened, limit: int) -> None:
    early = write("a,b\nx,1\nJosé,2\n".encode("latin-1"))
    refused(lambda: opened(early, limit, encoding="utf-8"), "is not utf-8", "0xe9 in line 3", "data.source.encoding")
    late = write(b"a,b\n" + b"x,1\n" * 50_000 + "José,2\n".encode("latin-1"))
    refused(lambda: opened(late, limit, encoding="utf-8"), "is not utf-8", "line 50002")


@both
def test_files_of_a_pattern_with_other_columns_are_refused(write, opened, limit: int) -> None:
    path = write("a,b\n1,2\n", "1.csv")
    write("a,c\n1,2\n", "2.csv")
    refused(lambda: opened(path.parent / "*.csv", limit), "'2.csv' does not have the columns of '1.csv'", "missing: b", "extra: c")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_refused(write) -> None:
    path = write("a,b\n1,2\n")
    path.chmod(0)
    refused(lambda: from_text(str(path)), "cannot be read", "Permission denied")


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_a_file_that_is_not_of_its_kind_is_refused(write, opened, kind: str) -> None:
    refused(lambda: opened(write("a,b\n1,2\n" * 20, f"x.{kind}"), type=kind), "is not a")


@both
def test_a_broken_line_of_json_is_named(write, opened, limit: int) -> None:
    path = write('{"a": 1}\n{"a": 2}\n{"a": \n', "x.jsonl")
    refused(lambda: opened(path, limit, type="jsonl"), "line 3", "is not JSON")
    refused(lambda: opened(write('{"a": 1}\n[1]\n', "x.jsonl"), limit, type="jsonl"), "line 2", "no JSON object")
    refused(lambda: opened(write(b"\x89PNG\r\n\x1a\n", "x.jsonl"), limit, type="jsonl"), "a PNG image")
    refused(lambda: opened(write("\n\n", "x.jsonl"), limit, type="jsonl"), "no rows")


def test_a_missing_sheet_names_the_nearest(tmp_path: Path, opened) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.title = "Passengers"
    book.active.append(["a", "b"])
    book.save(tmp_path / "x.xlsx")
    refused(lambda: opened(tmp_path / "x.xlsx", type="xlsx", sheet="passenger"), "no sheet 'passenger'", "did you mean 'Passengers'")
    refused(lambda: opened(tmp_path / "x.xlsx", type="xlsx", sheet=3), "no sheet number 3")
    refused(lambda: opened(tmp_path / "x.xlsx", type="xlsx"), "no rows")


def test_a_file_that_is_no_workbook_is_refused(write, opened) -> None:
    pytest.importorskip("openpyxl")
    refused(lambda: opened(write("a,b\n1,2\n", "x.xlsx"), type="xlsx"), "is not an Excel workbook")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (3, "is not a table"),
        ({}, "no columns"),
        ({"a": []}, "no rows"),
        ({"a": [1, 2], "b": [1]}, "different lengths"),
        (pa.table([[1], [2]], names=["a", "a"]), "duplicate column names"),
    ],
)
def test_objects_that_are_no_table_are_refused(data: object, words: str) -> None:
    refused(lambda: from_object(data), words)
