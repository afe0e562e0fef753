"""Samples become files by what they are: pictures, sounds, texts, arrays; what can be none is named."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from trainwright.config.errors import ConfigError
from trainwright.runs.media import Media
from trainwright.runs.media.samples import SampleForm, grid_of, write_apart, write_grid, write_together

UNIT = SampleForm()


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("shape", [(5, 1, 6, 7), (5, 3, 6, 7), (5, 4, 6, 7), (5, 6, 7, 3), (5, 6, 7, 1)])
def test_pictures_are_written_as_they_are_in_either_order(tmp_path: Path, shape: tuple[int, ...]) -> None:
    values = torch.rand(shape)
    write_apart(Media(tmp_path), values, UNIT)
    assert names(tmp_path) == [f"{place:04d}.png" for place in range(5)]
    read = np.asarray(Image.open(tmp_path / "0003.png"))
    wanted = values[3].numpy() if shape[1] == 6 else values[3].permute(1, 2, 0).numpy()
    assert np.array_equal(read, np.rint(wanted.squeeze() * 255).astype(np.uint8))


def test_the_range_of_pictures_is_that_of_the_system(tmp_path: Path) -> None:
    values = torch.tensor([-1.0, 0.0, 1.0]).reshape(1, 1, 1, 3)
    write_apart(Media(tmp_path), values, SampleForm((-1, 1)))
    assert np.asarray(Image.open(tmp_path / "0000.png")).tolist() == [[0, 128, 255]]


def test_bytes_are_pictures_without_channels_too(tmp_path: Path) -> None:
    write_apart(Media(tmp_path), torch.full((2, 4, 4), 200, dtype=torch.uint8), UNIT)
    assert np.asarray(Image.open(tmp_path / "0001.png")).tolist() == [[200] * 4] * 4


def test_a_grid_is_a_square_of_pictures_with_a_gap() -> None:
    pixels = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((5, 64, 80, 1), np.uint8) + 1
    made = grid_of(pixels)
    assert made.shape == (64 * 2 + 2, 80 * 3 + 4, 1)
    assert made[0, 0, 0] == 1 and made[0, 82, 0] == 2 and made[66, 82, 0] == 5 and made[66, 164, 0] == 0 and made[64, 0, 0] == 0
    assert grid_of(np.ones((1, 8, 8, 3), np.uint8)).shape == (64, 64, 3)  # small ones are enlarged


def test_sounds_are_waves_of_sixteen_bits(tmp_path: Path) -> None:
    tone = torch.sin(torch.arange(800) * 0.3).expand(2, 800)
    write_apart(Media(tmp_path), tone, SampleForm(rate=8000))
    with wave.open(str(tmp_path / "0001.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth(), file.getnframes()) == (8000, 1, 2, 800)
        read = np.frombuffer(file.readframes(800), "<i2") / 32767
    assert np.abs(read - tone[1].numpy()).max() < 1 / 32767
    write_apart(Media(tmp_path / "stereo"), torch.stack([tone, -tone], 1), SampleForm(rate=8000))
    with wave.open(str(tmp_path / "stereo" / "0000.wav")) as file:
        both = np.frombuffer(file.readframes(800), "<i2").reshape(-1, 2)
    assert np.array_equal(both[:, 0], -both[:, 1]) and both.any()


def test_texts_arrays_and_mappings_have_files_of_their_kind(tmp_path: Path) -> None:
    given = {"poem": ["über alles", "second\nline"], "points": torch.randn(7, 2), "pictures/a": torch.rand(2, 1, 4, 4)}
    write_apart(Media(tmp_path), given, UNIT)
    assert names(tmp_path) == ["pictures-a/0000.png", "pictures-a/0001.png", "poem/0000.txt", "poem/0001.txt", "points.npy"]
    assert (tmp_path / "poem" / "0000.txt").read_text(encoding="utf-8") == "über alles"
    assert np.array_equal(np.load(tmp_path / "points.npy"), given["points"].numpy())  # type: ignore[union-attr]
    write_together(Media(tmp_path / "all"), "samples/step-1", given, UNIT)
    assert names(tmp_path / "all") == [f"samples/step-1/{name}" for name in ("pictures-a.png", "poem.txt", "points.npy")]


def test_trackers_are_given_pictures_and_texts_under_one_name_for_all_steps(tmp_path: Path) -> None:
    class Tracker:
        def __init__(self) -> None:
            self.seen: list[tuple[Any, ...]] = []

        def image(self, name: str, array: Any, step: int) -> None:
            self.seen.append((name, array.shape, step))

        def text(self, name: str, text: str, step: int) -> None:
            self.seen.append((name, text, step))

    tracker = Tracker()
    media = Media(tmp_path, [tracker])
    media.step = 40
    write_together(media, "samples/step-40", torch.rand(4, 1, 64, 64), UNIT, tag="samples")
    write_together(media, "samples/step-40", {"poem": ["a", "b"]}, UNIT, tag="samples")
    assert tracker.seen == [("samples", (130, 130, 3), 40), ("samples/poem", "a\n\n---\n\nb", 40)]


def test_names_of_a_mapping_lead_nowhere_else(tmp_path: Path) -> None:
    given = {"../up": torch.rand(2, 1, 4, 4), "a b/c": torch.rand(2, 1, 4, 4), "..": torch.zeros(3, 2)}
    media = Media(tmp_path / "in")
    write_apart(media, given, UNIT)
    write_grid(media, given | {"..": ["text"]}, UNIT)
    write_together(media, "samples/step-1", given, UNIT)
    assert names(tmp_path) == [
        *(f"in/a-b-c/{name}" for name in ("0000.png", "0001.png", "grid.png")),
        "in/samples.npy",
        *(f"in/samples/step-1/{name}" for name in ("a-b-c.png", "samples.npy", "up.png")),
        *(f"in/up/{name}" for name in ("0000.png", "0001.png", "grid.png")),
    ]


def test_a_grid_is_for_several_pictures_alone(tmp_path: Path) -> None:
    assert [path.name for path in write_grid(Media(tmp_path), torch.rand(4, 1, 8, 8), UNIT)] == ["grid.png"]
    assert write_grid(Media(tmp_path), torch.rand(1, 1, 8, 8), UNIT) == [] == write_grid(Media(tmp_path), ["a", "b"], UNIT)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "sample gave nothing, which cannot be saved"),
        (3.5, "sample gave 'float', which cannot be saved"),
        ({}, "sample gave an empty mapping"),
        ([], "sample gave a list that is no batch"),
        ([torch.zeros(2), torch.zeros(3)], r"no batch\n  why: their shapes are \(2,\), \(3,\)"),
        ({"a": object()}, "'a' of sample gave 'object', which cannot be saved"),
        (torch.zeros(0, 1, 4, 4), r"sample gave no samples: its shape is \(0, 1, 4, 4\)"),
        (torch.tensor(1.0), r"sample gave no samples: its shape is \(\)"),
        (torch.full((1, 1, 2, 2), torch.nan), "sample has 4 NaN among 4 values"),
        (torch.full((1, 1, 2, 2), 7), r"sample is int64 up to 7, which is not within the range 0 to 1"),
    ],
)
def test_what_cannot_be_saved_is_named(tmp_path: Path, given: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        write_apart(Media(tmp_path), given, UNIT)
    assert not names(tmp_path)
