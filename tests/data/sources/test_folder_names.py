"""Values that stand in the names of folders are columns, read as those of a text table, in memory and streamed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet
import pytest

from trainwright.config.errors import DataError
from trainwright.data.folder_names import folder_columns, folder_values
from trainwright.data.sources.folders import type_values
from trainwright.data.sources.opening import from_object
from trainwright.data.splits import FilesOptions
from trainwright.data.splits.dividing import with_files

FORMS = ("parquet", "csv", "jsonl", "feather")


def write(path: Path, columns: Mapping[str, list[object]]) -> Path:
    """A file of the kind that its ending names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(dict(columns))
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(table, path)
    elif path.suffix == ".csv":
        pyarrow.csv.write_csv(table, path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))
    else:
        pyarrow.feather.write_feather(table, str(path), compression="uncompressed")
    return path


def parts(root: Path, form: str) -> Path:
    """Six files of three rows, as Spark writes them."""
    for year in (2020, 2021):
        for place, land in enumerate(("DE", "a%20b%2Fc", "__HIVE_DEFAULT_PARTITION__")):
            first = 100 * year + 10 * place
            write(root / f"year={year}" / f"land={land}" / f"zip=0050{place}" / f"part-0.{form}", {"x": [first, first + 1, first + 2]})
    (root / "_SUCCESS").touch()
    (root / ".part-0.crc").write_text("1")
    return root


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("limit", [1 << 30, 1])
@pytest.mark.parametrize("pattern", ["", "/*/*/*/*", "/year=*/**/*.*", "/**/*"])
def test_folder_names_are_the_last_columns(form: str, limit: int, pattern: str, tmp_path: Path) -> None:
    source = from_object(f"{parts(tmp_path / 'data', form)}{pattern}", limit)
    assert source.schema.names == ["x", "year", "land", "zip"] and source.folders == ["year", "land", "zip"]
    assert source.schema.types[1:] == [pa.int64(), pa.string(), pa.string()] and len(source) == 18
    rows = {row["x"]: (row["year"], row["land"], row["zip"]) for row in source.read().to_pylist()}
    for year in (2020, 2021):
        for place, land in enumerate(("DE", "a b/c", None)):
            assert all(rows[100 * year + 10 * place + each] == (year, land, f"0050{place}") for each in range(3))
    said = "columns read from the names of folders: 'year' (2020, 2021); 'land' (DE, missing, a b/c); 'zip' (00500, 00502, 00501)"
    assert sorted(source.notes[-1]) == sorted(said)


@pytest.mark.parametrize("form", FORMS)
def test_any_rows_and_columns_are_the_same_streamed(form: str, tmp_path: Path) -> None:
    root = parts(tmp_path / "data", form)
    held, streamed = from_object(root), from_object(root, 1)
    whole = held.read()
    for indices in (np.array([17, 0, 5, 5, 9]), np.array([], np.int64)):
        for columns in (None, ["land"], ["zip", "x"], ["x"]):
            expected = whole.take(pa.array(indices, pa.int64())).select(columns or whole.column_names)
            assert held.read(indices, columns).equals(expected) and streamed.read(indices, columns).equals(expected)
    for columns in (None, ["year"], ["x", "year"]):
        for pieces in (list(held.batches(columns, 7)), list(streamed.batches(columns, 7))):
            assert [each.num_rows for each in pieces] == [7, 7, 4] and all(
                column.num_chunks == 1 for each in pieces for column in each.columns
            )
            assert pa.concat_tables(pieces).combine_chunks().equals(whole.select(columns or whole.column_names).combine_chunks())
    marked = held.fingerprint()
    assert marked == streamed.fingerprint()
    (root / "year=2021").rename(root / "year=2022")
    assert from_object(root).fingerprint()["sha256"] != marked["sha256"]


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        (["7", "-3"], [7, -3]),
        (["007", "12"], ["007", "12"]),
        (["1.5", "2"], [1.5, 2.0]),
        (["1.1", "1.10", "1.2"], ["1.1", "1.10", "1.2"]),
        (["2024-01-31", "2024-02-01"], ["2024-01-31", "2024-02-01"]),
        (["true", "False"], [True, False]),
        (["12:30", "13:00"], ["12:30", "13:00"]),
        (["12345678901234567890", "1"], ["12345678901234567890", "1"]),
        (["+49151", "+1555"], ["+49151", "+1555"]),
        (["NA", "DE"], ["NA", "DE"]),
        (["NA", "3"], [None, 3]),
        ([None, "3"], [None, 3]),
        ([None, None], [None, None]),
        (['a "quoted", one', "two\nlines", " c "], ['a "quoted", one', "two\nlines", " c "]),
    ],
)
def test_values_have_the_type_that_a_text_table_would_give_them(texts: list[str | None], values: list[object]) -> None:
    found = type_values("v", texts, None)
    assert [str(each) if pa.types.is_date(found.type) else each for each in found.to_pylist()] == values


def test_words_for_missing_values_of_a_text_table_hold_for_its_folders(tmp_path: Path) -> None:
    for land in ("NA", "DE"):
        write(tmp_path / f"land={land}" / "p.csv", {"x": [1]})
        write(tmp_path / "typed" / f"land={land}" / "p.parquet", {"x": [1]})
    assert from_object(f"{tmp_path}/land=*/*.csv").read()["land"].to_pylist() == ["DE", None]
    assert from_object(tmp_path / "typed").read()["land"].to_pylist() == ["DE", "NA"]


def test_a_single_file_has_the_columns_of_its_own_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "year=2021" / "p.parquet", {"x": [1, 2]})
    (tmp_path / "year=2020").mkdir()
    monkeypatch.chdir(tmp_path)
    for named in ("year=2021/p.parquet", "year=2021", "year=2021/", tmp_path / "year=2021", "year=2020/../year=2021/p.parquet"):
        assert from_object(named).read()["year"].to_pylist() == [2021, 2021]


def test_a_path_without_such_folders_makes_no_column(tmp_path: Path) -> None:
    (tmp_path / "a=b.csv").write_text("x,y\n1,2\n")
    assert folder_columns([tmp_path / "a=b.csv", Path("=x/a.csv"), Path("year=1/../a.csv")]) == {}
    assert folder_values(Path("a=b=c/d%3De=/100%/k=%FF/p.csv")) == {"a": "b=c", "d=e": None, "k": "%FF"}
    source = from_object(tmp_path / "a=b.csv")
    assert not source.notes and not source.folders


@pytest.mark.parametrize("limit", [1 << 30, 1])
@pytest.mark.parametrize(
    ("folder", "inside"),
    [("2020", 2020), ("2020", "2020"), ("2020", 2020.0), ("007", 7), ("true", True), ("DE", "DE"), ("__HIVE_DEFAULT_PARTITION__", None)],
)
def test_a_column_of_both_that_agrees_is_read_from_the_files_and_said(folder: str, inside: object, limit: int, tmp_path: Path) -> None:
    for form in ("parquet", "csv"):
        write(tmp_path / form / "k=1" / f"v={folder}" / f"p.{form}", {"x": [1, 2], "v": [inside, inside]})
        source = from_object(tmp_path / form, limit)
        assert source.schema.names == ["x", "v", "k"] and source.folders == ["k"]
        assert "the files and the names of their folders both have 'v', and agree; the files are read" in source.notes


@pytest.mark.parametrize("limit", [1 << 30, 1])
@pytest.mark.parametrize("form", FORMS)
def test_a_column_of_both_that_differs_is_refused(form: str, limit: int, tmp_path: Path) -> None:
    write(tmp_path / "year=2020" / f"p.{form}", {"x": [1, 2], "year": [2020, 2020]})
    write(tmp_path / "year=2021" / f"q.{form}", {"x": [1, 2], "year": [2021, 2019]})
    with pytest.raises(DataError, match=r"'year' is 2019 in '.*q\..*', whose folder says 2021"):
        from_object(tmp_path, limit)


def test_files_whose_folders_make_different_columns_are_refused_naming_both(tmp_path: Path) -> None:
    write(tmp_path / "year=2020" / "p.csv", {"x": [1]})
    write(tmp_path / "month=1" / "p.csv", {"x": [1]})
    with pytest.raises(DataError) as refused:
        from_object(tmp_path)
    assert "'month'" in refused.value.why and "'year'" in refused.value.why and "year=2020" in refused.value.why
    write(tmp_path / "deep" / "year=2020" / "year=2021" / "p.csv", {"x": [1]})
    with pytest.raises(DataError, match="two values of 'year'"):
        from_object(tmp_path / "deep" / "year=2020")


def test_the_order_of_folders_does_not_matter(tmp_path: Path) -> None:
    write(tmp_path / "a=1" / "b=2" / "p.csv", {"x": [1]})
    write(tmp_path / "b=3" / "a=4" / "p.csv", {"x": [2]})
    assert from_object(tmp_path).read().to_pylist() == [{"x": 1, "a": 1, "b": 2}, {"x": 2, "a": 4, "b": 3}]


def test_a_table_with_a_log_and_a_folder_without_columns_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "plain" / "p.csv", {"x": [1]})
    with pytest.raises(DataError, match="is a directory"):
        from_object(tmp_path / "plain")
    write(tmp_path / "delta" / "year=2020" / "p.parquet", {"x": [1]})
    (tmp_path / "delta" / "_delta_log").mkdir()
    with pytest.raises(DataError, match="is a Delta table"):
        from_object(tmp_path / "delta")


def test_links_are_followed_and_no_folder_is_read_twice(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere" / "p.csv", {"x": [1]})
    root = tmp_path / "data"
    write(root / "year=2020" / "p.csv", {"x": [2]})
    (root / "year=2021").symlink_to(tmp_path / "elsewhere")
    (root / "year=2020" / "up").symlink_to(root)
    assert from_object(root).read().to_pylist() == [{"x": 2, "year": 2020}, {"x": 1, "year": 2021}]


def test_codes_in_the_folders_of_one_split_stay_text_in_all(tmp_path: Path) -> None:
    write(tmp_path / "train" / "zip=00501" / "p.csv", {"x": [1], "code": [5]})
    write(tmp_path / "test" / "zip=10001" / "p.csv", {"x": [2], "code": [6]})
    split = FilesOptions.model_validate({"type": "files", "test": str(tmp_path / "test")})
    source = with_files(split, from_object(tmp_path / "train"), 1 << 30)
    assert source.read()["zip"].to_pylist() == ["00501", "10001"] and source.folders == ["zip"]
