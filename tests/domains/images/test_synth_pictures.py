"""Made pictures: the same for a seed, and of use for what they are made for."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from PIL import Image

from trainwright.domains.images.sources.image_folder import ImageFolder
from trainwright.domains.images.sources.options import ImageFolderOptions
from trainwright.domains.images.synth.houses import NOISE, write_houses
from trainwright.domains.images.synth.options import HousesOptions, PicturesOptions
from trainwright.domains.images.synth.pictures import HTML, SIGNS, write_pictures


def made(folder: Path, seed: int = 0, **options) -> Path:
    folder.mkdir()
    write_pictures(folder, seed, PicturesOptions(**{"people": 5, "takes": 1, "size": 16, **options}))
    return folder


def rows(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "index.csv").open()))


def test_a_seed_makes_the_same_files_and_another_others(tmp_path):
    first, again, other = made(tmp_path / "a"), made(tmp_path / "b"), made(tmp_path / "c", seed=1)
    name = rows(first)[0]["path"]
    assert (first / name).read_bytes() == (again / name).read_bytes() != (other / name).read_bytes()
    assert len(rows(first)) == 5 * len(SIGNS) and {each["person"] for each in rows(first)} == {"anna", "ben", "cora", "dan", "eva"}


def test_splits_have_other_people_each_and_are_found_by_name(tmp_path):
    folder = made(tmp_path / "a", splits=True)
    people = {part: {each["person"] for each in rows(folder) if each["path"].startswith(part)} for part in ("train", "val", "test")}
    assert len(set.union(*people.values())) == sum(map(len, people.values())) == 5
    source = ImageFolder(ImageFolderOptions(path=str(folder)), 1 << 20)
    assert source.refusal is None and set(source.table["split"].to_pylist()) == {"train", "validation", "test"}


def test_broken_files_are_of_four_kinds_beside_the_others(tmp_path):
    folder = made(tmp_path / "a", broken=4)
    broken = [(folder / each["path"]).read_bytes() for each in rows(folder)[-4:]]
    assert broken[1] == b"" and broken[2] == HTML and broken[0][:2] == b"\xff\xd8" and broken[3][:2] == b"\0\0"


def test_a_price_of_a_house_needs_the_numbers_and_the_photograph(tmp_path):
    assert write_houses(tmp_path, 0, HousesOptions(rows=400)) == ["--target", "price"]
    table = list(csv.DictReader((tmp_path / "metadata.csv").open()))
    numbers = np.array([[float(each["area"]), float(each["distance"]), 1] for each in table])
    price = np.array([float(each["price"]) for each in table])
    pictures = np.stack([np.asarray(Image.open(tmp_path / each["file_name"]).convert("L"), float) for each in table])
    seen = np.stack([_floors(each) for each in pictures])
    photo = np.concatenate([seen, np.ones((len(table), 1))], 1)

    def unexplained(inputs: np.ndarray) -> float:
        return float(np.std(price - inputs @ np.linalg.lstsq(inputs, price, rcond=None)[0]))

    both = unexplained(np.concatenate([numbers, photo], 1))
    assert NOISE * 0.9 < both < 0.5 * min(unexplained(numbers), unexplained(photo))


def _floors(picture: np.ndarray) -> np.ndarray:
    """What is easily measured of a house: how high it stands above the ground, and how light it is."""
    changes = np.abs(np.diff(picture, axis=1)).max(axis=1) > 25
    rows = np.flatnonzero(changes)
    high = float(rows[-1] - rows[0]) if len(rows) else 0.0
    middle = picture[rows] if len(rows) else picture
    return np.array([high, high**2, float(np.median(middle.std(axis=1))), float(middle.mean())])
