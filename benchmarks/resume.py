"""How long it takes from the call of `Trainer.fit` to the first step: of a new run, and of one continued within an epoch of 10 M rows.

    python benchmarks/resume.py [--rounds 5] [--rows 10000000]

One column of floats and a tiny model in batches of 1000, so that an epoch has 10,000 steps; the runs to be continued are real ones that
were stopped at 10 %, 50 % and 99 % of their first epoch. Prints medians, and ratios to the new run of the same round: of the call alone,
and with the start of a process and its imports before it, which both pay.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.processes import seconds
from trainwright.config.errors import Interrupted
from trainwright.data.rows import TensorRows
from trainwright.engine.callbacks import Callback
from trainwright.engine.config import TrainerConfig
from trainwright.engine.trainer import Trainer
from trainwright.systems.plain import PlainSystem

BATCH, PLACES, BAR = 1000, (0.1, 0.5, 0.99), 1.2
OPTIONS = {"batch_size": BATCH, "max_epochs": 2, "trackers": [], "early_stopping": None, "optimizer": "sgd", "log_every": "1000 steps"}


class StopAt(Callback):
    """Asks for what a signal asks for, after so many steps, and notes when the first one had its batch."""

    def __init__(self, steps: int) -> None:
        self.steps, self.begun = steps, 0.0

    def on_train_batch_start(self, session: Any, system: Any, batch: Any, index: int) -> None:
        self.begun = self.begun or time.perf_counter()

    def on_train_batch_end(self, session: Any, system: Any, batch: Any, index: int) -> None:
        if session.step >= self.steps:
            session.parts.interrupts.request()


def stopped_after(steps: int, rows: TensorRows, folder: Path, resume: bool = False) -> float:
    """Train until so many steps are made; seconds from the call of `fit` to the first step of this call."""
    torch.manual_seed(0)
    system = PlainSystem(nn.Linear(1, 1), ["input"], "mse", None)
    stop = StopAt(steps)
    trainer = Trainer(TrainerConfig.model_validate(OPTIONS), callbacks=[stop], console=False)
    start = time.perf_counter()
    try:
        trainer.fit(system, rows, run=folder, resume=resume)
    except Interrupted:
        return stop.begun - start
    raise RuntimeError("the run was not stopped")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=10_000_000)
    chosen = parser.parse_args(arguments)
    x = torch.rand(chosen.rows, 1, generator=torch.Generator().manual_seed(0))
    rows = TensorRows({"input": x, "target": 2 * x})
    epoch = chosen.rows // BATCH
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        stops = {place: round(place * epoch) for place in PLACES}
        before = None
        for steps in stops.values():  # one run that goes on from place to place
            kept = folder / str(steps)
            if before is not None:
                shutil.copytree(before, kept)
            stopped_after(steps, rows, kept, resume=before is not None)
            before = kept
        new: list[float] = []
        continued: dict[float, list[float]] = {place: [] for place in PLACES}
        for turn in range(chosen.rounds + 1):  # the first warms up
            new.append(stopped_after(1, rows, folder / f"new-{turn}"))
            for place, steps in stops.items():
                again = folder / f"again-{place}-{turn}"
                shutil.copytree(folder / str(steps), again)
                continued[place].append(stopped_after(steps + 1, rows, again, resume=True))
    imports = statistics.median(seconds([sys.executable, "-c", "import trainwright.engine.trainer"]) for _ in range(chosen.rounds))
    print(f"{chosen.rows:,} rows, {epoch:,} steps an epoch, {chosen.rounds} rounds, {torch.get_num_threads()} thread(s)")
    print(f"  new run              {statistics.median(new[1:]) * 1e3:8.1f} ms to the first step")
    for place, times in continued.items():
        ratio = statistics.median(a / b for a, b in zip(times[1:], new[1:], strict=True))
        whole = statistics.median((imports + a) / (imports + b) for a, b in zip(times[1:], new[1:], strict=True))
        spent = f"{statistics.median(times[1:]) * 1e3:8.1f} ms"
        print(f"  continued at {place:4.0%}    {spent}   ratio {ratio:.2f}, with the process' start {whole:.2f} (bar {BAR})")


if __name__ == "__main__":
    main()
