"""A value in the name of a folder is read as training read it, wherever later rows have it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet
import pytest

from trainwright.config.choice import choose
from trainwright.config.errors import DataError
from trainwright.data.sources.opening import from_object
from trainwright.data.splits.base import Split
from trainwright.features.encoding import EncodedTable, TableEncoder

TYPES = {"x": "number", "year": "number", "zip": "category", "land": "category", "share": "number", "y": "number"}
CELLS = [(2020, "00501", "DE", "0.5"), (2021, "10001", "NA", "1.5"), (2022, "501", "a b", "2")]


def write(path: Path, columns: dict[str, list[Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(columns)
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(table, path)
    elif path.suffix == ".csv":
        pyarrow.csv.write_csv(table, path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))
    else:
        pyarrow.feather.write_feather(table, str(path), compression="uncompressed")


def folder_of(cell: tuple[Any, ...]) -> str:
    year, code, land, share = cell
    return f"year={year}/zip={code}/land={land.replace(' ', '%20')}/share={share}"


def table_in(root: Path, form: str) -> Path:
    for number, cell in enumerate(CELLS):
        write(root / folder_of(cell) / f"p.{form}", {"x": [number + 0.25, number + 0.5], "y": [1.5, number + 0.5]})
    return root


def fitted(data: Any) -> TableEncoder:
    """An encoder restored from its state, as a later process has it."""
    source = from_object(data)
    columns = {name: choose("feature", TYPES[name]) for name in source.schema.names}
    nothing = np.empty(0, np.int64)
    split = Split(np.arange(len(source)), nothing, nothing, "all rows train")
    table = EncodedTable.fit(source, split, columns, [name for name in columns if name != "y"], ["y"])
    return TableEncoder.restore(json.loads(json.dumps(table.encoder.state())))


def arrays(encoder: TableEncoder, data: Any) -> dict[str, np.ndarray]:
    blocks = encoder.encode_inputs(data).blocks
    return {name: np.asarray(block) for name, block in blocks.items()}


def assert_alike(first: dict[str, np.ndarray], second: dict[str, np.ndarray], rows: slice = slice(None)) -> None:
    assert first.keys() == second.keys()
    for name, values in first.items():
        np.testing.assert_array_equal(values[rows], second[name])


@pytest.mark.parametrize("form", ["parquet", "csv", "jsonl", "feather"])
def test_each_file_alone_is_read_as_among_all(form: str, tmp_path: Path) -> None:
    root = table_in(tmp_path / "data", form)
    encoder = fitted(root)
    whole = arrays(encoder, root)
    assert_alike(whole, arrays(encoder, f"{root}/year=*/*/*/*/*.{form}"))
    for number, cell in enumerate(CELLS):
        rows = slice(2 * number, 2 * number + 2)
        assert_alike(whole, arrays(encoder, root / folder_of(cell) / f"p.{form}"), rows)
        assert_alike(whole, arrays(encoder, root / folder_of(cell)), rows)


def test_the_same_columns_in_a_file_a_frame_and_a_dict_give_the_same(tmp_path: Path) -> None:
    root = table_in(tmp_path / "data", "parquet")
    encoder = fitted(root)
    whole = arrays(encoder, root)
    frame = from_object(root).read().to_pandas()
    frame.to_parquet(tmp_path / "flat.parquet")
    for data in (frame, tmp_path / "flat.parquet", frame.to_dict("list"), frame.to_dict("records")):
        assert_alike(whole, arrays(encoder, data))
    one = {"x": 0.25, "year": "2020", "zip": "00501", "land": "DE", "share": "0.5"}
    assert_alike(whole, arrays(encoder, one), slice(0, 1))


def test_a_table_that_had_its_columns_inside_is_read_from_folders_too(tmp_path: Path) -> None:
    root = table_in(tmp_path / "data", "csv")
    frame = pd.DataFrame(from_object(root).read().to_pydict()).assign(land=["DE"] * 2 + [""] * 2 + ["a b"] * 2)
    frame.to_csv(tmp_path / "flat.csv", index=False)
    encoder = fitted(tmp_path / "flat.csv")
    assert_alike(arrays(encoder, tmp_path / "flat.csv"), arrays(encoder, root))


def test_numbers_in_folders_have_a_decimal_point_also_beside_a_table_with_commas(tmp_path: Path) -> None:
    for number, share in enumerate(("0.5", "1.5", "2")):
        path = tmp_path / f"share={share}" / "p.csv"
        path.parent.mkdir()
        path.write_text(f"x;y\n{number},25;1,5\n{number},5;{number},75\n")
    encoder = fitted(tmp_path)
    whole = arrays(encoder, tmp_path)
    assert len(np.unique(np.concatenate([each.ravel() for name, each in whole.items() if "value" in name]))) > 3
    assert_alike(whole, arrays(encoder, tmp_path / "share=1.5" / "p.csv"), slice(2, 4))


def test_rows_without_the_folders_are_refused_with_where_training_had_them(tmp_path: Path) -> None:
    encoder = fitted(table_in(tmp_path / "data", "csv"))
    write(tmp_path / "flat.csv", {"x": [1.0]})
    for data in (tmp_path / "flat.csv", {"x": [1.0]}):
        with pytest.raises(DataError) as refused:
            encoder.encode_inputs(data)
        assert "'year', 'zip', 'land', 'share'" in refused.value.what
        assert "in training 'year', 'zip', 'land', 'share' came from the names of folders" in refused.value.why
        assert "year=…/zip=…" in refused.value.fix and "add the column" in refused.value.fix
