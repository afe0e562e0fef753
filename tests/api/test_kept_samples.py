"""Samples of data of one's own that are kept: runs are the same with it, and what cannot be kept is said."""

from __future__ import annotations

import csv
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import trainwright as tw
from trainwright.config.errors import RequestError

CODE = """
import pathlib
import torch
from PIL import Image
import numpy as np

READ = pathlib.Path(__file__).parent / "read.txt"


class Pictures(torch.utils.data.Dataset):
    def __init__(self, folder, rows=40, first=0, modulus=2):
        self.paths = [str(each) for each in sorted(pathlib.Path(folder).glob("*.png"))][first : first + rows]
        self.labels = [int(pathlib.Path(each).stem) % modulus % 2 for each in self.paths]

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, row):
        with READ.open("a") as file:
            file.write("x")
        picture = np.asarray(Image.open(self.paths[row]))
        return torch.from_numpy(picture.copy()).float()[None] / 255, self.labels[row]


class Known(Pictures):
    def cache_files(self, row):
        return self.paths[row]


class Random(Pictures):
    def __getitem__(self, row):
        picture, label = super().__getitem__(row)
        return picture + 0.1 * torch.rand(1), label


class Told(Pictures):
    def set_epoch(self, epoch):
        self.epoch = epoch


def known(folder):
    return {"train": Known(folder, 30), "validation": Known(folder, 10, 30)}


def relabelled(folder):
    return {"train": Known(folder, 30, modulus=3), "validation": Known(folder, 10, 30, modulus=3)}


def unknown(folder):
    return {"train": Pictures(folder, 30), "validation": Pictures(folder, 10, 30)}


def drawn(folder):
    return {"train": Random(folder, 30)}


def told(folder):
    return {"train": Told(folder, 30)}


def model():
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 2))
"""


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Samples of these tests lie in folders of their own."""
    monkeypatch.setenv("TRAINWRIGHT_CACHE", str(tmp_path / "cache"))
    yield


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Forty pictures of 8 × 8, and the code that reads them."""
    import numpy as np
    from PIL import Image

    (tmp_path / "p").mkdir()
    rng = np.random.default_rng(0)
    for number in range(40):
        Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(tmp_path / "p" / f"{number:02d}.png")
    (tmp_path / "mine.py").write_text(textwrap.dedent(CODE))
    return tmp_path


def train(folder: Path, data: str, name: str, cache: Any, workers: int = 0, **trainer: Any) -> Any:
    """The run's weights and metrics, and how often a picture was read for it."""
    (folder / "read.txt").unlink(missing_ok=True)
    run = tw.train(
        config={
            "system": {"type": "plain", "model": f"{folder}/mine.py:model", "loss": "cross_entropy", "metrics": ["accuracy"]},
            "data": {
                "type": f"{folder}/mine.py:{data}",
                "folder": str(folder / "p"),
                "cache": cache,
                "transform": [{"random_crop": [8, 8]}, {"type": "torch.nn.functional.dropout", "p": 0.2, "applies_in": "train"}],
            },
            "trainer": {"max_epochs": 3, "batch_size": 10, "loader": {"workers": workers}, "trackers": ["csv"], **trainer},
            "evaluation": {"report": False},
            "run": {"dir": str(folder / name), "device": "cpu"},
        }
    )
    rows = [
        {key: value for key, value in row.items() if not key.endswith(("seconds", "per_second"))}
        for row in csv.DictReader((run.path / "metrics.csv").open())
    ]
    weights = {each.relative_to(run.path): each.read_bytes() for each in (run.path / "model").rglob("*.safetensors")}
    return (weights, rows), len((folder / "read.txt").read_text()) if (folder / "read.txt").exists() else 0


def test_runs_are_the_same_with_and_without_a_cache_and_samples_are_read_once(pictures: Path, caplog: pytest.LogCaptureFixture) -> None:
    plain, read = train(pictures, "known", "plain", "off")
    assert read >= 3 * 40 and plain[0]
    for name, data, cache, workers, most in (
        ("first", "known", "disk", 0, 45),
        ("again", "known", "disk", 2, 5),
        ("memory", "unknown", "memory", 2, 45),
        ("number", "unknown", "disk", 0, 45),
    ):
        found, read = train(pictures, data, name, cache, workers)
        assert found == plain, name
        assert read <= most, name
    assert "for this run alone: the dataset has no cache_files(index)" in caplog.text


def test_labels_that_changed_are_seen_though_pictures_did_not(pictures: Path) -> None:
    first, _ = train(pictures, "known", "first", "disk")
    other, read = train(pictures, "relabelled", "other", "disk")
    assert read >= 40 and other != first


def test_samples_that_draw_are_read_each_time_and_that_is_said(pictures: Path, caplog: pytest.LogCaptureFixture) -> None:
    plain, _ = train(pictures, "drawn", "plain", "off")
    found, read = train(pictures, "drawn", "kept", "memory")
    assert found == plain and read >= 90
    assert caplog.text.count("something random is drawn") == 1


def test_data_that_follow_the_epoch_are_refused(pictures: Path) -> None:
    with pytest.raises(RequestError) as caught:
        train(pictures, "told", "told", "disk")
    assert "set_epoch" in caught.value.why and not (pictures / "told").exists()


@pytest.mark.parametrize(("wrong", "said"), [("dsik", "disk"), (3, "cache"), ("memory:50%", "cache")])
def test_a_wrong_word_is_refused_with_the_right_ones(pictures: Path, wrong: Any, said: str) -> None:
    with pytest.raises(RequestError) as caught:
        train(pictures, "known", "wrong", wrong)
    assert said in str(caught.value)
