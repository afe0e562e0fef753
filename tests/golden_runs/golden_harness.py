"""Runs in processes of their own, forked from one that has imported torch: to the end, or killed at a checkpoint and continued."""

from __future__ import annotations

import csv
import hashlib
import os
import signal
import time
from pathlib import Path
from typing import Any

from fork_server import fork_server

CLOCKS = ("seconds", "per_second")
"""Columns of metrics.csv that no two runs have alike."""
LIMIT = 120
"""Seconds after which a run hangs."""


def train_once(config: dict[str, Any], run: str, resume: bool) -> None:
    """What a process does."""
    import torch

    import trainwright as tw

    torch.set_num_threads(1)
    tw.train(config=config, run_dir=run, resume=resume)


def run_whole(config: dict[str, Any], run: Path, resume: bool = False) -> None:
    """Train to the end."""
    process = fork_server().Process(target=train_once, args=(config, str(run), resume))
    process.start()
    process.join(LIMIT)
    assert process.exitcode == 0, f"{run.name} ended with {process.exitcode}"


def run_killed(config: dict[str, Any], run: Path) -> None:
    """Train until there is a checkpoint, and kill it there."""
    process = fork_server().Process(target=train_once, args=(config, str(run), False))
    process.start()
    begun = time.monotonic()
    while not list(run.glob("checkpoints/step-*/manifest.json")):
        assert process.is_alive(), f"{run.name} ended before it was saved: {process.exitcode}"
        assert time.monotonic() - begun < LIMIT
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert not (run / "results.json").exists(), "it was finished before it was killed"


def outcome(run: Path, table: Path) -> dict[str, Any]:
    """Everything that workers and a restart must not change: weights, metrics.csv, and what is predicted for a table."""
    import trainwright as tw

    with (run / "metrics.csv").open() as file:
        rows = [{key: value for key, value in row.items() if not key.endswith(CLOCKS)} for row in csv.DictReader(file)]
    weights = hashlib.sha256((run / "model" / "model.safetensors").read_bytes()).hexdigest()
    return {"rows": rows, "weights": weights, "predictions": tw.load(run).predict(str(table)).to_pydict()}
