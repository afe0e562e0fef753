"""The configurations that lie in configs/diffusion make a few steps on made data, and samples while they do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

import trainwright as tw

CONFIGS = Path(__file__).parents[3] / "configs" / "diffusion"
UNET = {"model": {"type": "unet", "width": 4, "multipliers": [1, 1], "depth": 1, "heads": 1, "condition_width": 8}, "steps": 2}
SHORT = {"max_steps": 2, "batch_size": 4, "evaluation_batch_size": 512, "precision": "fp32", "checkpoint": "weights"}
SHORT |= {"sampling": {"every": "2 steps", "n": 2}}
RANDOM = np.random.default_rng(0)


def write_vectors(folder: Path) -> str:
    angle = 2 * np.pi * RANDOM.integers(0, 8, 40) / 8
    lines = [f"{np.cos(each)},{np.sin(each)}" for each in angle + 0.05 * RANDOM.normal(size=40)]
    (folder / "points.csv").write_text("\n".join(["x,y", *lines, ""]))
    return str(folder / "points.csv")


def write_idx(folder: Path) -> str:
    for part in ("train", "t10k"):
        for name, array in (
            ("images-idx3", RANDOM.integers(0, 256, (8, 28, 28), np.uint8)),
            ("labels-idx1", np.arange(8, dtype=np.uint8) % 2),
        ):
            head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
            (folder / f"{part}-{name}-ubyte").write_bytes(head + array.tobytes())
    return str(folder)


def write_pictures(folder: Path) -> str:
    for number, (height, width) in enumerate([(70, 90), (64, 64), (120, 66)] * 4):
        (folder / "album").mkdir(exist_ok=True)
        pixels = RANDOM.integers(0, 256, (height, width, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "album" / f"{number}.png")
    return str(folder / "album")


def write_signals(folder: Path) -> str:
    for number in range(12):
        soundfile.write(folder / f"{number}.wav", np.sin(np.arange(300 + 10 * number) / 9), 100, subtype="FLOAT")
    (folder / "table.csv").write_text("\n".join(["signal", *(f"{number}.wav" for number in range(12)), ""]))
    return str(folder / "table.csv")


CASES: dict[str, tuple[Callable[[Path], str] | None, dict[str, object], tuple[int, ...]]] = {
    "vectors": (write_vectors, {"steps": 2}, (2,)),
    "digits": (None, {"steps": 2}, (1, 8, 8)),
    "digits_by_class": (None, {"steps": 2}, (1, 8, 8)),
    "mnist": (write_idx, UNET, (1, 28, 28)),
    "image_folder": (write_pictures, UNET, (3, 64, 64)),
    "signals": (write_signals, UNET, (1, 256)),
    "faces": (write_pictures, UNET, (3, 64, 64)),
}
"""Configuration → what writes its data, what is made smaller, and the shape of a sample."""


@pytest.mark.parametrize("name", CASES)
def test_a_configuration_makes_steps_and_samples(name: str, tmp_path: Path) -> None:
    write, system, shape = CASES[name]
    (tmp_path / "data").mkdir()
    data = {} if write is None else {"path": write(tmp_path / "data")}
    run = tw.train(config=CONFIGS / f"{name}.yaml", run_dir=tmp_path / "run", system=system, data=data, trainer=SHORT)
    assert run.results["metrics"]["train"][""]["loss"] > 0
    assert tuple(run.sample(2, seed=1).shape) == (2, *shape)
    assert list((tmp_path / "run/media/samples").iterdir())


def test_every_configuration_is_tried() -> None:
    assert {each.stem for each in CONFIGS.glob("*.yaml")} == set(CASES)
