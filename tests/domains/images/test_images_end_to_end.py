"""From a folder of pictures to a model that answers for others."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from PIL import Image

from commands import trainwright_command


def draw_folder(place: Path, rows: int = 24) -> Path:
    """Two classes of pictures of different sizes: bright on the left, or on the right."""
    rng = np.random.default_rng(0)
    for number in range(rows):
        label = ("left", "right")[number % 2]
        width = 20 + number % 5
        pixels = rng.integers(0, 80, (18, width, 3), dtype=np.uint8)
        half = slice(None, width // 2) if label == "left" else slice(width // 2, None)
        pixels[:, half] += 150
        (place / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(place / label / f"{number}.png")
    return place


def test_a_folder_is_trained_and_another_is_answered(tmp_path: Path) -> None:
    draw_folder(tmp_path / "pictures", 60)
    done = trainwright_command("train", "pictures", "run.dir=run", "trainer.max_epochs=4", "trainer.batch_size=8", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "domain images: a folder of pictures, 60" in done.stderr + done.stdout
    draw_folder(tmp_path / "others", 6)
    done = trainwright_command("predict", "run", "others", "-o", "out.csv", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader((tmp_path / "out.csv").open()))
    assert [row["file"] for row in rows] == sorted(row["file"] for row in rows) and len(rows) == 6
    assert all(row["label_prediction"] == row["file"].partition("/")[0] for row in rows)


def test_a_folder_stands_in_for_the_columns_of_the_table_of_training(tmp_path: Path) -> None:
    draw_folder(tmp_path / "pictures", 40)
    lines = [
        f"pictures/{'left' if number % 2 == 0 else 'right'}/{number}.png,{'left' if number % 2 == 0 else 'right'}" for number in range(40)
    ]
    (tmp_path / "t.csv").write_text("\n".join(["photo,side", *lines]) + "\n")
    done = trainwright_command("train", "t.csv", "--target", "side", "run.dir=run", "trainer.max_epochs=2", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    done = trainwright_command("evaluate", "run", "pictures", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "'image' is read as 'photo'" in done.stderr + done.stdout and "'label' is read as 'side'" in done.stderr + done.stdout
    done = trainwright_command("predict", "run", "pictures/left/0.png", "-o", "one.csv", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [row["file"] for row in csv.DictReader((tmp_path / "one.csv").open())] == ["0.png"]
