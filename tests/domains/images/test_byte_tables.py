"""Pictures as bytes in the rows of tables, and sets of Hugging Face."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from trainwright.config.errors import DataError
from trainwright.data.sources.opening import from_object
from trainwright.domains.images.claims import claims
from trainwright.domains.images.reading.reference import read_bytes
from trainwright.domains.images.sources.byte_tables import ImageTable
from trainwright.domains.images.sources.options import ImageTableOptions


def png(value: int) -> bytes:
    held = io.BytesIO()
    Image.fromarray(np.full((8, 8, 3), value, np.uint8)).save(held, "PNG")
    return held.getvalue()


PICTURES = [png(10 * number) for number in range(7)]


def opened(path):
    return ImageTable(ImageTableOptions(path=str(path)), 1 << 20)


def held(source, name="image"):
    return [read_bytes(each) for each in source.read()[name].to_pylist()]


@pytest.mark.parametrize("struct", [False, True])
def test_bytes_of_a_parquet_file_are_read_by_row_from_any_group(tmp_path, struct):
    values = [{"bytes": each, "path": None} for each in PICTURES] if struct else PICTURES
    pq.write_table(pa.table({"photo": values, "age": range(7)}), tmp_path / "a.parquet", row_group_size=3)
    assert claims(tmp_path / "a.parquet")[2] == "image_table"
    source = opened(tmp_path / "a.parquet")
    assert held(source, "photo") == PICTURES and source.read()["age"].to_pylist() == list(range(7))
    assert source.declared_columns == {"photo": {"type": "image"}}


def test_a_path_beside_empty_bytes_is_read_from_the_folder_of_the_table(tmp_path):
    (tmp_path / "1.png").write_bytes(PICTURES[1])
    values = [{"bytes": PICTURES[0], "path": "0.png"}, {"bytes": None, "path": "1.png"}]
    pq.write_table(pa.table({"image": values}), tmp_path / "a.parquet")
    assert held(opened(tmp_path / "a.parquet")) == PICTURES[:2]


def test_tables_without_pictures_are_not_claimed(tmp_path):
    pq.write_table(pa.table({"a": [1, 2], "b": [b"x", b"y"]}), tmp_path / "a.parquet")
    assert claims(tmp_path / "a.parquet") is None
    with pytest.raises(DataError, match="has no column of pictures"):
        opened(tmp_path / "a.parquet")


def test_files_named_after_splits_are_the_given_split(tmp_path):
    (tmp_path / "data").mkdir()
    for name, rows in (("train-00000-of-00002", slice(0, 2)), ("train-00001-of-00002", slice(2, 4)), ("test-00000-of-00001", slice(4, 6))):
        pq.write_table(pa.table({"image": PICTURES[rows], "label": ["a", "b"]}), tmp_path / "data" / f"{name}.parquet")
    assert claims(tmp_path)[2] == "image_table"
    source = opened(tmp_path)
    assert source.read()["split"].to_pylist() == ["train"] * 4 + ["test"] * 2
    assert held(source) == PICTURES[:6] and source.default_targets == ["label"] and source.declared_split["column"] == "split"


@pytest.fixture
def given(monkeypatch, tmp_path):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setenv("TRAINWRIGHT_CACHE", str(tmp_path / "cache"))
    datasets.disable_progress_bars()
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    values = [{"bytes": each, "path": None} for each in PICTURES]
    return datasets.Dataset.from_dict({"image": values, "label": [0, 1, 0, 1, 0, 1, -1]}, features=features)


NAMES = ["cat", "dog", "cat", "dog", "cat", "dog", None]


def test_a_set_of_hugging_face_on_disk_has_the_names_of_its_classes(given, tmp_path):
    given.save_to_disk(tmp_path / "set")
    assert claims(tmp_path / "set")[2] == "image_table"
    source = opened(tmp_path / "set")
    assert source.read()["label"].to_pylist() == NAMES and held(source) == PICTURES


def test_a_set_of_several_splits_on_disk_keeps_them(given, tmp_path):
    given.train_test_split(2, shuffle=False).save_to_disk(tmp_path / "set")
    source = opened(tmp_path / "set")
    assert source.read()["split"].to_pylist() == ["train"] * 5 + ["test"] * 2 and held(source) == PICTURES


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_dataset_in_a_program_is_rows_in_its_own_order(given, tmp_path, on_disk):
    if on_disk:
        given.save_to_disk(tmp_path / "set")
        given = type(given).load_from_disk(str(tmp_path / "set"))
    source = from_object(given.select([5, 0, 3]))
    assert held(source) == [PICTURES[5], PICTURES[0], PICTURES[3]] and source.read()["label"].to_pylist() == ["dog", "cat", "dog"]
    assert source.declared_columns["image"] == {"type": "image"} and source.default_targets == ["label"]
