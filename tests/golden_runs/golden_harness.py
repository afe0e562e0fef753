"""Runs in processes of their own, forked from one that has imported torch: to the end, or killed at a checkpoint and continued."""

from __future__ import annotations

import csv
import hashlib
import os
import signal
import time
from pathlib import Path
from typing import Any

from golden_cases import GoldenCase

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


def outcome(run: Path, case: GoldenCase, folder: Path) -> dict[str, Any]:
    """Everything that workers and a restart must not change: weights, metrics.csv, and what is predicted for the table, or made."""
    with (run / "metrics.csv").open() as file:
        rows = [{key: value for key, value in row.items() if not key.endswith(CLOCKS)} for row in csv.DictReader(file)]
    found = {"rows": rows, "weights": sha256_of(run / "model" / "model.safetensors")}
    return {**found, **(made(run) if case.system else predicted(run, folder / case.table))}


def predicted(run: Path, table: Path) -> dict[str, Any]:
    """What the model answers for every row."""
    import trainwright as tw

    return {"predictions": tw.load(run).predict(str(table)).to_pydict()}


def made(run: Path) -> dict[str, Any]:
    """Samples that were saved while it trained, and some of the model that came out."""
    import trainwright as tw

    saved = {each.name: sha256_of(each) for each in sorted((run / "media" / "samples").iterdir())}
    assert len(saved) > 1
    return {"saved": saved, "samples": tw.load(run).sample(3, seed=5).tolist()}


def sha256_of(file: Path) -> str:
    """Of its content."""
    return hashlib.sha256(file.read_bytes()).hexdigest()
