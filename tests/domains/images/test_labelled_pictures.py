"""Class folders as pairs of a picture and a class, for a loop of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from drawn_pictures import draw_classes
from torch import nn

import trainwright as tw
from trainwright.config.errors import DataError


def test_an_item_is_a_normalised_picture_and_its_class(tmp_path: Path) -> None:
    draw_classes(tmp_path / "pictures", count=3, side=40)
    found = tw.LabelledPictures(tmp_path / "pictures", size=32)
    assert len(found) == 6 and found.classes == ["green", "red"]
    picture, label = found[5]
    assert picture.shape == (3, 32, 32) and picture.dtype == torch.float32 and label == 1
    plain = tw.LabelledPictures(tmp_path / "pictures", size=40, mean=[0.0] * 3, std=[1.0] * 3)[5][0]
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    again = tw.LabelledPictures(tmp_path / "pictures", size=40)[5][0]
    assert torch.allclose(again, (plain - mean.view(3, 1, 1)) / std.view(3, 1, 1), atol=1e-5)
    assert tw.LabelledPictures(tmp_path / "pictures", size=16, channels=1)[0][0].shape == (1, 16, 16)


def test_a_split_is_one_of_the_folders_own(tmp_path: Path) -> None:
    draw_classes(tmp_path / "pictures" / "train", count=3)
    draw_classes(tmp_path / "pictures" / "val", count=2, classes=("red", "green"))
    train = tw.LabelledPictures(tmp_path / "pictures", size=16, split="train")
    assert len(train) == 6 and train.classes == ["green", "red"]
    with pytest.raises(DataError, match="no split 'trian'") as caught:
        tw.LabelledPictures(tmp_path / "pictures", split="trian")
    assert "train" in caught.value.fix


def test_folders_without_classes_and_broken_pictures_are_named(tmp_path: Path) -> None:
    draw_classes(tmp_path / "pictures", count=2)
    (tmp_path / "pictures" / "red" / "1.png").write_bytes(b"<html>")
    found = tw.LabelledPictures(tmp_path / "pictures", size=16)
    with pytest.raises(DataError, match="cannot be read") as caught:
        found[3]
    assert str(caught.value.where).endswith("red/1.png")
    flat = draw_classes(tmp_path / "one", count=2, classes=("all",)) / "all"
    with pytest.raises(DataError, match="no folder for each class"):
        tw.LabelledPictures(flat)


def test_fit_trains_a_model_of_ones_own_on_them(tmp_path: Path) -> None:
    pictures = tw.LabelledPictures(draw_classes(tmp_path / "pictures", count=8, side=8), size=8)
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
    result = tw.fit(model, pictures, loss="cross_entropy", max_epochs=2, run_dir=str(tmp_path / "run"))
    assert result is not None and (tmp_path / "run" / "results.json").is_file()


def test_a_folder_itself_is_no_data_and_it_is_said_what_is(tmp_path: Path) -> None:
    place = str(draw_classes(tmp_path / "pictures", count=2))
    for given in (place, Path(place)):
        with pytest.raises(DataError, match="train data cannot be a") as caught:
            tw.fit(nn.Linear(1, 1), given)
        assert f"tw.LabelledPictures({place!r}, size=…)" in caught.value.fix and f"tw.train({place!r})" in caught.value.fix


def test_columns_of_pictures_of_a_dataset_are_bytes_until_the_model_makes_them_floats(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    files = sorted(str(each) for each in draw_classes(tmp_path / "pictures", count=2, side=8).rglob("*.png"))
    data = datasets.Dataset.from_dict({"image": files, "label": [0, 0, 1, 1]}).cast_column("image", datasets.Image())
    model, asked = nn.Sequential(nn.Conv2d(3, 2, 8), nn.Flatten()), {"max_epochs": 1, "console": False, "device": "cpu"}
    with pytest.raises(DataError, match=r"image \(2, 3, 8, 8\) uint8") as caught:
        tw.fit(model, data, run_dir=tmp_path / "bytes", **asked)
    assert "x.float() / 255" in caught.value.fix and "with_transform" in caught.value.fix
    floats = nn.Sequential(Floats(), *model)
    assert tw.fit(floats, data, run_dir=tmp_path / "floats", **asked).metrics["train"]["loss"] > 0


class Floats(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.float() / 255
