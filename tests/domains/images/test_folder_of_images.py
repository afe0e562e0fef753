"""The dataset of a folder's pictures, and the transform of rows of a Hugging Face dataset."""

from __future__ import annotations

import pickle
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch.utils.data import DataLoader

import trainwright as tw


def to_array(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "below").mkdir()
    for number, name in enumerate(["b.PNG", "a.jpg", "below/c.webp"]):
        Image.fromarray(np.full((4, 5), 40 * number, np.uint8)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def test_an_index_gives_a_tuple_of_one_and_a_slice_a_list_of_them(folder: Path) -> None:
    data = tw.FolderOfImages(folder, transform=to_array)
    assert [path.name for path in data.paths] == ["a.jpg", "b.PNG", "c.webp"] and len(data) == 3
    assert isinstance(data[0], tuple) and data[-1][0].shape == (4, 5, 3)
    assert [each[0].shape for each in data[:2]] == [(4, 5, 3)] * 2 and data[3:] == []
    assert repr(data) == f'FolderOfImages(root="{folder}", len: 3)'
    with pytest.raises(IndexError):
        data[3]


def test_pictures_are_rgb_without_a_transform_and_workers_read_them(folder: Path) -> None:
    assert tw.FolderOfImages(str(folder))[1][0].mode == "RGB"
    data = pickle.loads(pickle.dumps(tw.FolderOfImages(folder, transform=to_array)))
    (batch,) = next(iter(DataLoader(data, batch_size=3, num_workers=1)))
    assert batch.shape == (3, 4, 5, 3)


def test_what_is_wrong_with_a_folder_is_told(folder: Path) -> None:
    with pytest.raises(tw.TrainwrightError, match="there is no folder"):
        tw.FolderOfImages(folder / "none")
    with pytest.raises(tw.TrainwrightError, match="no picture in"):
        (folder / "empty").mkdir()
        tw.FolderOfImages(folder / "empty")
    (folder / "a.jpg").write_bytes(b"<html>")
    with pytest.raises(tw.TrainwrightError, match=r"a\.jpg"):
        tw.FolderOfImages(folder)[0]


def test_rows_of_a_hugging_face_dataset_are_transformed() -> None:
    from datasets import Dataset

    pictures = [Image.fromarray(np.full((4, 5), value, np.uint8)) for value in (10, 20)]
    rows = Dataset.from_dict({"image": pictures, "label": [0, 1]})
    rows.set_transform(partial(tw.hf_datasets_augs_helper, transform=to_array, image_key="image"))
    assert [each.shape for each in rows[:2]["image"]] == [(4, 5, 3)] * 2
    assert tw.hf_datasets_augs_helper({"x": pictures}, to_array, "x", mode="L")["x"][0].shape == (4, 5)
    with pytest.raises(tw.TrainwrightError, match="rows have no 'photo'"):
        tw.hf_datasets_augs_helper({"x": pictures}, to_array, "photo")
