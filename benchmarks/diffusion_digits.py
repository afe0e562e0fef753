"""Digits of 8×8 by class: trained by `system=diffusion` as it is, then 1,000 samples of each seed are measured; a grid and a curve.

    python -m benchmarks diffusion_digits [--seeds 3] [--steps 3000] [--folder made-diffusion]

Samples are classified by an MLP(128, 64) of scikit-learn that was trained on the real digits the network was trained on (400 rows are
held out). FID is in its 64 features, against the held-out rows; the distance of a sample is that to the nearest training row, in
pixels from −1 to 1. Beside each number stands what real digits have: below the distance of held-out digits samples are copies.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.csv as csv
import pyarrow.parquet as parquet
import torch
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

import trainwright as tw
from benchmarks.made_folder import make_anew
from trainwright.metrics.frechet import frechet
from trainwright.report.charts.alone import stand_alone
from trainwright.report.charts.axes import across, frame, span, up
from trainwright.report.charts.lines import Series, line

SAMPLES = 1000
HELD_OUT = 397 / 1797


class Judge:
    """A classifier of real digits, and the rows that it was trained on."""

    def __init__(self, train: np.ndarray, labels: np.ndarray, test: np.ndarray, test_labels: np.ndarray) -> None:
        self.train, self.test = train, test
        self.classifier = MLPClassifier((128, 64), max_iter=300, random_state=0).fit(train, labels)
        self.accuracy = self.classifier.score(test, test_labels)

    def features(self, x: np.ndarray) -> np.ndarray:
        """The 64 numbers before the last layer."""
        for weight, bias in zip(self.classifier.coefs_[:-1], self.classifier.intercepts_[:-1], strict=True):
            x = np.maximum(x @ weight + bias, 0)
        return x

    def fid(self, x: np.ndarray) -> float:
        """The Fréchet distance of some rows to those that were held out."""
        return frechet(moments(self.features(x)), moments(self.features(self.test)))

    def distance(self, x: np.ndarray) -> float:
        """The median distance of a row to the nearest training row."""
        return float(np.median(np.sqrt(((x[:, None] - self.train[None]) ** 2).sum(-1)).min(1)))


def moments(rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and covariance."""
    return torch.tensor(rows.mean(0)).double(), torch.tensor(np.cov(rows.T)).double()


def judge_of(folder: Path) -> Judge:
    """A classifier of the rows that a run was trained on."""
    digits = load_digits()
    pixels, labels = digits.data / 8 - 1, digits.target
    split = np.array(parquet.read_table(folder / "splits.parquet")["split"].to_pylist())
    train, test = split == "train", split == "test"
    return Judge(pixels[train], labels[train], pixels[test], labels[test])


def train(folder: Path, seed: int, steps: int | None) -> float:
    """A run with the defaults of the system, and its processor seconds."""
    split = {"type": "stratified", "validation": 0.0, "test": HELD_OUT, "seed": 0}
    options = {"run": {"dir": str(folder), "seed": seed}, "trainer": {} if steps is None else {"max_steps": steps}}
    began = time.process_time()
    tw.train("builtin:digits_images", system={"type": "diffusion"}, data={"split": split}, **options)
    return time.process_time() - began


def measure(folder: Path, seed: int, steps: int | None) -> tuple[float, float, float]:
    """Share of samples recognised as their class, FID and distance of a new run; printed, the first beside what real digits have."""
    seconds = train(folder, seed, steps)
    judge = judge_of(folder)
    if not seed:
        print(f"real digits: held-out rows recognised {judge.accuracy:.3f}, at a distance of {judge.distance(judge.test):.2f} from")
        print(f"the nearest training row; FID of the training rows {judge.fid(judge.train):.2f}")
    made = tw.load(folder).sample(SAMPLES, seed=seed, batch_size=500).flatten(1).double().numpy()
    right = float((judge.classifier.predict(made) == np.arange(SAMPLES) % 10).mean())
    found = right, judge.fid(made), judge.distance(made)
    print(f"seed {seed}: {seconds:.0f} s of processor time, {describe_numbers(found)}", flush=True)
    return found


def describe_numbers(found: Sequence[float]) -> str:
    """The three numbers."""
    return f"recognised {found[0]:.4f}, FID {found[1]:.3f}, distance {found[2]:.3f}"


def show(folder: Path, run: Path) -> None:
    """The last samples that were drawn while it trained, digits in turn, and the loss."""
    shutil.copy(max((run / "media" / "samples").glob("*.png")), folder / "grid.png")
    rows = csv.read_csv(run / "metrics.csv").to_pydict()
    x, y = across(0.0, float(rows["step"][-1])), up(*span(rows["train/loss"]))
    drawing = frame(x, y, line(Series("loss", "c0", rows["step"], rows["train/loss"]), x, y), title="Loss of training", x_label="step")
    (folder / "curve.svg").write_text(stand_alone(drawing), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, help="steps of training, in place of the default of the system")
    parser.add_argument("--folder", type=Path, default=Path("made-diffusion"))
    arguments = parser.parse_args()
    make_anew(arguments.folder)
    runs = [arguments.folder / f"seed-{seed}" for seed in range(arguments.seeds)]
    found = [measure(run, seed, arguments.steps) for seed, run in enumerate(runs)]
    means = [statistics.mean(each) for each in zip(*found, strict=True)]
    print(f"mean: {describe_numbers(means)}; asked at least 0.985, at most 1.9, at least 1.8")
    show(arguments.folder, runs[0])
    print(f"{arguments.folder / 'grid.png'}, {arguments.folder / 'curve.svg'}")


if __name__ == "__main__":
    main()
