"""What a step costs in workers of Ray's beside one in processes of our own launcher, and beside none for one process.

    python -m benchmarks.ray_step [--rounds 60]

Both runs are there at the same time and take turns, an epoch each, so that whatever else the machine does falls on both: the median over
rounds of the ratio of neighbouring epochs. The weights that both end with are compared too.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

import trainwright as tw

ROWS, BATCH, BAR = 1280, 64, 1.02
SIDES = ("own", "ray")


class Turns(tw.Callback):
    """Trains an epoch when it is this side's turn, and writes down how long it took."""

    every_rank = True

    def __init__(self, folder: str, side: str) -> None:
        self.folder, self.side, self.round, self.times = Path(folder), SIDES.index(side), 0, []

    def on_train_epoch_start(self, session: Any, system: Any) -> None:
        while not self._place(self.round * 2 + self.side).exists():
            time.sleep(0.002)
        session.world.barrier()
        self.begun = time.perf_counter()

    def on_train_epoch_end(self, session: Any, system: Any) -> None:
        self.times.append(time.perf_counter() - self.begun)
        session.world.barrier()
        self.round += 1
        if session.rank == 0:
            with (self.folder / f"{SIDES[self.side]}.txt").open("a") as file:
                file.write(f"{self.times[-1]}\n")
            self._place((self.round - 1) * 2 + self.side + 1).touch()

    def _place(self, turn: int) -> Path:
        return self.folder / f"turn-{turn}"


def train(side: str, ranks: int, rounds: int, folder: str) -> None:
    """One side's run."""
    torch.manual_seed(0)
    net = nn.Sequential(*[layer for _ in range(4) for layer in (nn.Linear(128, 128), nn.ReLU())], nn.Linear(128, 10))
    x, y = torch.randn(ROWS, 128), torch.randint(10, (ROWS,))
    launch: dict[str, Any] = {"type": "ray", "devices": ranks, "address": "local"} if side == "ray" else {"devices": ranks}
    options: dict[str, Any] = {"checkpoint": "none", "trackers": ["csv"], "evaluation": {"report": False}, "console": False}
    turns = Turns(folder, side)
    tw.fit(net, (x, y), max_epochs=rounds, batch_size=BATCH, run_dir=f"{folder}/{side}", launch=launch, callbacks=[turns], **options)
    torch.save(net.state_dict(), f"{folder}/{side}.pt")


def measure(ranks: int, rounds: int) -> str:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "turn-0").touch()
        words = [sys.executable, "-m", "benchmarks.ray_step", "--ranks", str(ranks), "--rounds", str(rounds), "--folder", folder, "--side"]
        sides = [subprocess.Popen([*words, side]) for side in SIDES]
        assert [each.wait() for each in sides] == [0, 0]
        own, ray = ([float(line) for line in Path(folder, f"{side}.txt").read_text().split()] for side in SIDES)
        one, other = (torch.load(f"{folder}/{side}.pt") for side in SIDES)
        same = all(torch.equal(one[name], other[name]) for name in one)
    skipped = rounds // 10
    ratio = statistics.median(b / a for a, b in zip(own[skipped:], ray[skipped:], strict=True))
    step = statistics.median(own[skipped:]) / (ROWS // BATCH) * 1e3
    verdict = "within" if ratio <= BAR else "above"
    weights = "same weights to the bit" if same else "OTHER WEIGHTS"
    return f"{ranks} rank{'s' if ranks > 1 else ' '}  {step:6.2f} ms a step, on Ray × {ratio:.3f} ({verdict} {BAR}), {weights}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ray_step", description=__doc__)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--ranks", type=int, default=0)
    parser.add_argument("--folder", default="")
    parser.add_argument("--side", default="")
    arguments = parser.parse_args()
    if arguments.side:
        train(arguments.side, arguments.ranks, arguments.rounds, arguments.folder)
        return
    for ranks in (1, 2):
        print(measure(ranks, arguments.rounds), flush=True)


if __name__ == "__main__":
    main()
