"""Every row of a step is given the same picture, and counts the same, whatever micro-batches, ranks and restarts there are."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from commands import trainwright_command

CONFIG = """
data:
  source: pictures
  split: {type: random, validation: 0.125, test: 0.125}
  sampling: {repeats: 2}
  transform: {mix: {mixup: 0.8, cutmix: 1.0, per: sample, p: 0.9, until: 0.8 run}}
columns:
  image:
    size: 16
    normalize: imagenet
    encoder: ./recorder.py:Recorder
    augment:
      - alternating_flip
      - {random_crop: {size: 16, padding: 2}}
      - {rand_augment: rand-m9-n2-mstd0.5-inc1}
      - {random_erasing: 0.5}
      - {progressive_resize: {sizes: [0.5, 0.75, 1.0]}}
  label:
    loss: {type: binary_cross_entropy, threshold: 0.2, smoothing: 0.1}
model: {combiner: concat}
trainer: {max_steps: 6, batch_size: 7, micro_batch_size: 7, evaluate_every: 6 steps, log_every: 1 steps}
evaluation: {baselines: []}
"""
RECORDER = '''
import hashlib, os
import torch
from torch import nn


class Recorder(nn.Module):
    """Notes every picture it is given in training; reads the mean of each channel."""

    def __init__(self, group):
        super().__init__()
        self.tokens, self.width = 1, group.parts["value"][1]

    def forward(self, parts):
        value = parts["value"]
        if self.training:
            with open(f"seen.{os.getpid()}", "a") as file:
                for row in value:
                    digest = hashlib.blake2b(row.detach().contiguous().numpy().tobytes(), digest_size=8).hexdigest()
                    file.write(f"{tuple(row.shape)} {digest}\\n")
        return value.mean(dim=(-2, -1))
'''


def losses(folder: Path) -> list[float]:
    """The training loss of every step."""
    with (folder / "metrics.csv").open() as file:
        return [float(row["train/loss"]) for row in csv.DictReader(file) if row["train/loss"]]


def write_pictures(folder: Path) -> None:
    random = np.random.default_rng(0)
    for name, level in (("dark", 0), ("light", 120)):
        (folder / "pictures" / name).mkdir(parents=True)
        for number in range(16):
            pixels = (level + random.integers(0, 130, (20, 20, 3))).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "pictures" / name / f"{number}.png")


def seen(folder: Path) -> list[str]:
    """All pictures that networks were given in training, and the notes taken away."""
    notes = list(folder.glob("seen.*"))
    found = [line for each in notes for line in each.read_text().splitlines()]
    for each in notes:
        each.unlink()
    return sorted(found)


def test_pictures_and_targets_of_a_step_are_the_same_for_micro_batches_ranks_and_restarts(tmp_path: Path) -> None:
    write_pictures(tmp_path)
    (tmp_path / "c.yaml").write_text(CONFIG)
    (tmp_path / "recorder.py").write_text(RECORDER)
    found, measured = {}, {}
    for name, more in {"whole": [], "micro": ["trainer.micro_batch_size=2"], "ranks": ["--devices", "2"]}.items():
        done = trainwright_command("train", "c.yaml", f"run.dir={name}", *more, folder=tmp_path)
        assert done.returncode == 0, done.stderr
        found[name], measured[name] = Counter(seen(tmp_path)), losses(tmp_path / name)
    assert len(found["whole"]) > 30 and len({each.split(")")[0] for each in found["whole"]}) == 3, "pictures of three sizes"
    assert found["micro"] == found["whole"]
    assert not found["whole"] - found["ranks"] and (found["ranks"] - found["whole"]).total() <= 4, "ranks try two rows before they begin"
    for each in measured.values():
        assert each == pytest.approx(measured["whole"], rel=1e-5) and len(each) == 6
