"""`trainwright view` of pictures, and what hashes of them tell."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainwright.cli.main import main
from trainwright.domains.images.viewing.hashes import grouped, look_at, near_pairs


def photograph(seed: int = 0) -> np.ndarray:
    """A smooth picture of one's own for each number."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((96, 72), Image.Resampling.BICUBIC))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "photos"
    for label in ("cat", "dog"):
        (place / label).mkdir(parents=True)
        for number in range(6):
            Image.fromarray(photograph(number + 10 * (label == "dog"))).save(place / label / f"{number}.png")
    Image.fromarray(photograph(3)).resize((60, 45)).save(place / "dog" / "again.jpg", quality=60)
    (place / "dog" / "broken.jpg").write_bytes(b"<html>")
    return place


def test_a_folder_is_told_with_its_classes_what_is_broken_and_copies(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["view", str(folder), "-o", str(tmp_path / "page.html")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "14 in 2 classes" in said and "60×45 to 96×72 pixels" in said
    assert "dog/broken.jpg cannot be read: it is a web page" in said
    assert "2 pictures in 1 group are the same or nearly" in said and "1 picture with copies in other classes" in said
    page = (tmp_path / "page.html").read_text()
    assert page.count("data:image/jpeg") == 13 + 2 and "Classes" in page and "How large they are" in page
    assert '<div class="wide"><p class="warn">' in page  # no paragraph in another, which browsers take apart


def test_one_picture_is_told(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["view", str(folder / "cat" / "1.png"), "-o", str(tmp_path / "page.html")]) == 0
    assert "96×72 pixels, RGB" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cat/11.png", "there is no picture"),
        ("dog/broken.jpg", "cannot be read as a picture"),
        ("empty", "nothing that can be shown"),
    ],
    ids=["absent", "broken", "empty folder"],
)
def test_what_cannot_be_shown_is_said(folder: Path, tmp_path: Path, name: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "empty").mkdir()
    assert main(["view", str(folder / name), "-o", str(tmp_path / "page.html")]) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "page.html").exists()


def test_a_picture_that_was_made_smaller_lighter_and_compressed_is_nearly_the_same(tmp_path: Path) -> None:
    found = [look_at(photograph())]
    for number, change in enumerate((lambda each: each.resize((48, 36)), lambda each: each.point(lambda level: level * 0.8 + 20))):
        changed = tmp_path / f"{number}.jpg"
        change(Image.fromarray(photograph())).save(changed, quality=40)
        found.append(look_at(np.asarray(Image.open(changed))))
    found += [look_at(photograph(seed)) for seed in range(1, 40)]
    assert all(each is not None for each in found)
    hashes, levels = np.array([each[0] for each in found], np.uint64), np.array([each[1] for each in found])  # type: ignore[index]
    assert {(a, b) for a, b, _ in near_pairs(hashes, levels)} == {(0, 1), (0, 2), (1, 2)}


def test_the_hash_is_whether_each_place_is_brighter_than_that_to_its_left() -> None:
    rising = np.tile(np.linspace(0, 255, 90).astype(np.uint8), (80, 1))
    assert look_at(rising)[0] == 2**64 - 1 and look_at(rising[:, ::-1])[0] == 0  # type: ignore[index]
    assert look_at(np.full((80, 90), 7, np.uint8)) is None


def test_pairs_become_groups() -> None:
    assert grouped(6, [(0, 3), (3, 5), (1, 2)]) == [[0, 3, 5], [1, 2]]


def test_a_folder_of_records_is_still_one_of_records(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["synth", "beats", "-o", str(tmp_path / "beats"), "--records", "1", "--minutes", "1"]) == 0
    capsys.readouterr()
    assert main(["view", str(tmp_path / "beats"), "--facts"]) == 2
    assert "name one of its recordings" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "beats")
