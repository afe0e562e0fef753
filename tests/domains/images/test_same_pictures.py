"""What a network is shown follows from (seed, epoch, row), not from workers, micro-batches, ranks or a restart; what is logged too."""

from __future__ import annotations

import csv
import os
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from commands import command_process, trainwright_command

SEEN = """
import hashlib, os, signal
from pathlib import Path
import torch
import trainwright as tw

class Seen(tw.Callback):
    every_rank = True

    class Config(tw.ConfigModel):
        type: str = "seen"
        killed_at: int = 0

    def __init__(self, config):
        self.config = config

    def on_train_start(self, session, system):
        def tell(module, args, output=None):
            if not module.training:
                return
            with open(f"{os.environ['SEEN']}-{session.rank}.txt", "a") as file:
                for picture in args[0]["value"]:
                    print(session.step, hashlib.sha256(picture.contiguous().numpy().tobytes()).hexdigest(), file=file)
        encoder = next(each for name, each in system.named_modules() if type(each).__name__ in ("SmallCNN", "PictureEncoder"))
        encoder.register_forward_pre_hook(tell)

    def on_train_batch_end(self, session, system, batch, index):
        if self.config.killed_at and session.step == self.config.killed_at and not Path("killed.txt").exists():
            Path("killed.txt").write_text("once")
            os.kill(os.getpid(), signal.SIGKILL)
"""
AUGMENTED = "columns.image.augment=[{random_crop: {size: 12}}]"
SETTINGS = [
    "columns.image.size=16",
    "columns.image.transform=[{center_crop: 12}]",
    AUGMENTED,
    "trainer.batch_size=12",
    "trainer.max_epochs=3",
]
SETTINGS += ["trainer.checkpoint.every=2 steps", "trainer.log_every=1 step", "evaluation.baselines=[]", "evaluation.report=false"]
SETTINGS += [
    "columns.image.encoder={type: small_cnn, widths: [4], head_dropout: 0}",
    "model.combiner.type=concat",
    "trainer.trackers=[csv]",
]
TIMES = ("seconds", "samples_per_second")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for number in range(50):
        (place / "p" / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 255, (18 + number % 3, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / "p" / "ab"[number % 2] / f"{number}.png")
    (place / "seen.py").write_text(SEEN)
    return place


def words(place: str, *more: str, killed_at: int = 0) -> list[str]:
    seen = f"trainer.callbacks=[{{type: ./seen.py:Seen, killed_at: {killed_at}}}]"
    return ["train", "p", f"run.dir={place}", *SETTINGS, seen, *more]


def train(folder: Path, place: str, *more: str) -> dict[int, list[str]]:
    """Step → what was shown in it, in any order."""
    done = trainwright_command(*words(place, *more), folder=folder, SEEN=f"{folder}/{place}")
    assert done.returncode == 0, done.stderr
    return shown(folder, place)


def shown(folder: Path, place: str) -> dict[int, list[str]]:
    found = defaultdict[int, list[str]](list)
    for file in folder.glob(f"{place}-*.txt"):
        for line in file.read_text().splitlines():
            step, digest = line.split()
            found[int(step)].append(digest)
    return {step: sorted(each) for step, each in sorted(found.items())}


def metrics(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open() as file:
        return [{name: value for name, value in row.items() if name not in TIMES} for row in csv.DictReader(file)]


def weights(run: Path) -> bytes:
    return (run / "model/model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def one(folder: Path) -> dict[int, list[str]]:
    found = train(folder, "one", "trainer.loader.workers=0")
    assert len(found) == 9 and len({digest for each in found.values() for digest in each}) > 80  # another piece in every epoch
    return found


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_nothing(folder: Path, one: dict[int, list[str]], workers: int) -> None:
    place = f"workers{workers}"
    assert train(folder, place, f"trainer.loader.workers={workers}") == one
    assert weights(folder / place) == weights(folder / "one") and metrics(folder / place) == metrics(folder / "one")


@pytest.mark.parametrize("more", [["trainer.micro_batch_size=5"], ["--devices", "2"]], ids=["micro-batches", "ranks"])
def test_pieces_of_a_step_are_shown_the_same(folder: Path, one: dict[int, list[str]], more: list[str]) -> None:
    assert train(folder, more[0].strip("-").partition("=")[0], *more) == one


def test_a_killed_run_ends_as_one_that_was_not(folder: Path, one: dict[int, list[str]]) -> None:
    environment = {**os.environ, "SEEN": f"{folder}/killed"}
    process = command_process(
        words("killed", "trainer.loader.workers=1", killed_at=5), folder, environment, [folder / "out", folder / "err"]
    )
    process.start()
    process.join(60)
    assert process.exitcode == -9, (folder / "err").read_text()
    time.sleep(0.1)
    done = trainwright_command("resume", "killed", folder=folder, SEEN=f"{folder}/killed")
    assert done.returncode == 0, done.stderr
    assert {step: sorted(set(each)) for step, each in shown(folder, "killed").items()} == one
    assert weights(folder / "killed") == weights(folder / "one")
    assert metrics(folder / "killed") == metrics(folder / "one")
