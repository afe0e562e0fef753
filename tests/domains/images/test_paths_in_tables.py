"""Columns of paths in tables: seen as pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from commands import trainwright_command
from trainwright.data.claims import type_of_files
from trainwright.domains.images.claims import infers


def write_table(place: Path, folder: str, rows: int = 40) -> None:
    """`place/photos.csv` with names of pictures in `folder`, their brightness as the class."""
    rng = np.random.default_rng(0)
    lines = ["photo,kind"]
    for number in range(rows):
        kind = ("dark", "light")[number % 2]
        pixels = rng.integers(0, 60, (16, 16, 3), dtype=np.uint8) + (160 if kind == "light" else 0)
        (place / folder).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(place / folder / f"{number}.PNG")
        lines.append(f"{number}.PNG,{kind}")
    (place / "tables").mkdir(exist_ok=True)
    (place / "tables/photos.csv").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["a/1.jpg", "b/2.JPEG", "c.png#bytes=1+2"], "image"),
        (["a.jpg", "b.txt"], None),
        (["3.5", "4.25"], None),
        (["x.csv", "y.csv"], None),
    ],
)
def test_values_that_end_as_pictures_do_are_pictures(values, expected):
    found = infers("photo", values)
    assert (found and found[0]) == expected
    assert (type_of_files("photo", values) or (None,))[0] == expected


def test_a_column_of_names_of_pictures_is_trained_on_as_pictures(tmp_path):
    write_table(tmp_path, "tables")
    done = trainwright_command("train", "tables/photos.csv", "--target", "kind", "--dry-run", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "photo   image     names of pictures (.png)" in done.stdout + done.stderr
