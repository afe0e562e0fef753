"""The golden runs: a row for each kind of data, with how its files are written and its configuration."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

ROWS = 240


@dataclass(frozen=True)
class GoldenCase:
    """A run that is compared whole; `write` makes its files, of which `table` is trained on and predicted."""

    name: str
    write: Callable[[Path], None]
    settings: dict[str, Any] = field(default_factory=dict)
    table: str = "table.csv"
    installed: str = ""
    """The fixture that installs the package of its domain."""
    padded: bool = False
    """Whether rows are of any length, and those of a batch padded to the longest."""
    system: dict[str, Any] = field(default_factory=dict)
    """A system that makes samples; without one, `y` is predicted."""

    def config(self, folder: Path, workers: int) -> dict[str, Any]:
        """The configuration of a short run that is often saved."""
        trainer = {
            "max_epochs": 5,
            "batch_size": 16,
            "checkpoint": {"every": "5 steps", "min_interval": "0 s"},
            "trackers": ["csv"],
            "loader": {"workers": workers},
            **self.settings.get("trainer", {}),
        }
        data = {"source": str(folder / self.table), **self.settings.get("data", {})}
        return {**(self._made() if self.system else self._predicted()), **self.settings, "trainer": trainer, "data": data}

    def _predicted(self) -> dict[str, Any]:
        model = {"combiner": {"type": "concat", "depth": 1, "width": 16}}
        evaluation = {"baselines": [], "report": False, "importance": False}
        return {"targets": ["y"], "model": model, "evaluation": evaluation, "run": {"device": "cpu"}}

    def _made(self) -> dict[str, Any]:
        return {"system": self.system, "run": {"device": "cpu"}}


def write_tones(folder: Path) -> None:
    """Sounds of the example domain, as its package makes them."""
    from sounds.data import write_tones as write

    (folder / "tones").mkdir()
    write(folder / "tones", 5)


def write_recordings(folder: Path) -> None:
    """`table.csv` with recordings of two leads and two classes, of 3 to 9 s at 100 or 125 samples a second, and the age of a person."""
    import soundfile

    rng, lines = np.random.default_rng(11), ["signal,age,y"]
    for row in range(ROWS):
        rate, y = (100, 125)[row % 5 == 0], row % 2
        time = np.arange(rate * (3 + row % 7)) / rate
        both = np.stack([np.sin(time * (5 + 3 * y)), np.cos(time * 4)], axis=1) + rng.normal(size=(len(time), 2))
        soundfile.write(folder / f"{row}.wav", both / 8, rate, subtype="FLOAT")
        lines.append(f"{row}.wav,{rng.integers(20, 90)},{'yes' if y else 'no'}")
    (folder / "table.csv").write_text("\n".join([*lines, ""]))


def write_rows(folder: Path, signal: Callable[[np.random.Generator, int, int], np.ndarray] | None) -> None:
    """`table.csv` with two numbers and the target `y`; with `signal` (generator, row, class) a file for each row beside them."""
    rng = np.random.default_rng(5)
    (folder / "arrays").mkdir()
    with (folder / "table.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow([*(["signal"] if signal else []), "a", "b", "y"])
        for row in range(ROWS):
            y = int(rng.integers(2))
            numbers = [f"{rng.normal() + y:.4f}", f"{rng.normal():.4f}", "yes" if y else "no"]
            if signal:
                np.save(folder / "arrays" / f"{row}.npy", signal(rng, row, y))
                numbers.insert(0, f"arrays/{row}.npy")
            table.writerow(numbers)


def write_labelled(folder: Path) -> None:
    """`table.csv` with a wave and the class of each of its samples: a burst somewhere in noise, slow or fast."""
    rng = np.random.default_rng(7)
    lines = ["signal,a,y"]
    for row in range(ROWS):
        label, start, fast = np.zeros(64, np.uint8), int(rng.integers(44)), row % 2
        label[start : start + 16] = 1 + fast
        burst = (label > 0) * np.sin(np.arange(64) * (0.5 + 0.7 * fast)) * 2
        np.save(folder / f"{row}.npy", (burst + 0.3 * rng.normal(size=64)).astype(np.float32))
        np.save(folder / f"{row}-label.npy", label)
        lines.append(f"{row}.npy,{rng.normal():.4f},{row}-label.npy")
    (folder / "table.csv").write_text("\n".join([*lines, ""]))


def waves(rng: np.random.Generator, row: int, y: int) -> np.ndarray:
    """64 samples of noise on a wave whose frequency is the class."""
    found: np.ndarray = (np.sin(np.arange(64) * (0.3 + 0.2 * y)) + rng.normal(size=64)).astype(np.float32)
    return found


def waves_of_any_length(rng: np.random.Generator, row: int, y: int) -> np.ndarray:
    """30 to 63 of them."""
    return waves(rng, row, y)[: 30 + row % 34]


CROP = {"signal": {"type": "file", "transform": [{"random_crop": 48}, {"center_crop": 48}]}}
DROPOUT = {"type": "torch.nn.functional.dropout", "p": 0.2, "applies_in": "train"}
RAGGED = {"signal": {"type": "file", "encoder": {"type": "conv", "width": 8, "depth": 1}, "transform": DROPOUT}}

NOISE = {**DROPOUT, "runs_on": "device"}
MIXED = {
    "columns": {"signal": {"type": "file", "transform": [{"type": "torch.abs", "runs_on": "device"}, NOISE]}},
    "data": {"transform": "mixup"},
    "trainer": {"micro_batch_size": 6},
}


def long_waves(rng: np.random.Generator, row: int, y: int) -> np.ndarray:
    """100 to 399 of them, in two channels."""
    time = np.arange(100 + 37 * row % 300)
    both = np.stack([np.sin(time * (0.3 + 0.2 * y)), np.cos(time * 0.3)], axis=1)
    found: np.ndarray = (both + rng.normal(size=both.shape)).astype(np.float32)
    return found


CONV = {"signal": {"type": "file", "encoder": {"type": "conv", "width": 8, "depth": 1}, "transform": DROPOUT}}
WINDOW = {"length": 64, "stride": 48, "rest": "short"}
BUCKETS = {"signal": {**RAGGED["signal"], "bucket": {"by": "length", "width": 8}}}
CUT = [{"random_crop": 48}, {"center_crop": 48}]
LABELLED = {"signal": {"type": "file", "transform": CUT}, "y": {"type": "file", "draws_as": "signal", "transform": CUT}}

RECORDINGS = {"signal": {"type": "signal", "encoder": {"type": "conv", "width": 8, "depth": 1}, "transform": DROPOUT}}

UNET = {"type": "unet", "width": 4, "multipliers": [1, 1], "depth": 1, "attention": [], "heads": 1, "condition_width": 8}
DIFFUSION = {
    "type": "diffusion",
    "of": "signal",
    "condition": ["y", "a"],
    "condition_dropout": 0.3,
    "columns": CROP,
    "model": UNET,
    "sampler": "dpmpp_2m_sde",
    "steps": 3,
}

CASES = [
    GoldenCase("table", lambda folder: write_rows(folder, None)),
    GoldenCase("files with a random crop", lambda folder: write_rows(folder, waves), {"columns": CROP}),
    GoldenCase(
        "files kept once they were decoded",
        lambda folder: write_rows(folder, waves),
        {
            "columns": {"signal": {"type": "file", "transform": [{"center_crop": 60}, *CROP["signal"]["transform"]]}},
            "data": {"cache": "memory"},
        },
    ),
    GoldenCase("files of any length", lambda folder: write_rows(folder, waves_of_any_length), {"columns": RAGGED}, padded=True),
    GoldenCase("files transformed and mixed in batches", lambda folder: write_rows(folder, waves), MIXED),
    GoldenCase("a class at every position", write_labelled, {"columns": LABELLED}),
    GoldenCase("files drawn by class", lambda folder: write_rows(folder, waves), {"columns": CROP, "data": {"sampling": {"by": "class"}}}),
    GoldenCase(
        "long files cut into windows",
        lambda folder: write_rows(folder, long_waves),
        {"columns": CONV, "data": {"window": WINDOW}},
        padded=True,
    ),
    GoldenCase(
        "recordings of two rates cut into windows",
        write_recordings,
        {"columns": RECORDINGS, "data": {"window": {"length": 250, "stride": 200, "rest": "short"}}},
        padded=True,
    ),
    GoldenCase("files in buckets by length", lambda folder: write_rows(folder, waves_of_any_length), {"columns": BUCKETS}, padded=True),
    GoldenCase(
        "diffusion of signals by class",
        lambda folder: write_rows(folder, waves),
        {"trainer": {"max_epochs": 4, "sampling": {"every": "15 steps", "n": 4}}},
        system=DIFFUSION,
    ),
    GoldenCase("the domain of a package", write_tones, {"targets": ["label"]}, "tones", "sounds_package"),
]
"""Every kind of data brings its row."""
