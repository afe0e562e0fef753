"""The command killed with SIGKILL at random moments, from reading the table to writing the report, ends as if never killed."""

from __future__ import annotations

import csv
import json
import os
import random
import time
from pathlib import Path
from typing import Any

import pytest
from small_tables import passengers, write_csv

from commands import command_process
from fork_server import fork_server

KILLS = 8
SETTINGS = ["model.combiner={type: concat, depth: 1, width: 32}", "trainer.max_epochs=20", "trainer.batch_size=16"]
SETTINGS += ["trainer.checkpoint={every: 7 steps, min_interval: 0 s}", "trainer.early_stopping.patience=50"]
SETTINGS += ["trainer.trackers=[csv]", "evaluation.baselines=[constant]"]
CLOCKS = ("seconds", "per_second")


def words(folder: Path, name: str) -> list[str]:
    """The command that trains the table of `folder`, continuing what is there."""
    return ["train", str(folder / "passengers.csv"), "--target", "survived", f"run.dir={folder / name}", "--resume", *SETTINGS]


def run_for(folder: Path, name: str, seconds: float | None = None) -> float | None:
    """Train the table of `folder`, continuing what is there, and SIGKILL it after so long; its seconds if it was done before."""
    said, begun = folder / f"{name}.said", time.perf_counter()
    process = command_process(words(folder, name), folder, dict(os.environ), [said, said])
    process.start()
    process.join(seconds)
    taken = time.perf_counter() - begun
    if process.is_alive():
        process.kill()
        process.join()
    assert process.exitcode in (0, -9), said.read_text()
    return None if process.exitcode else taken


def outcome(run: Path) -> dict[str, Any]:
    """Everything that a restart must not change."""
    results = json.loads((run / "results.json").read_text())
    with (run / "metrics.csv").open() as file:
        rows = [{key: value for key, value in row.items() if not key.endswith(CLOCKS)} for row in csv.DictReader(file)]
    kept = ("metrics", "intervals", "stopped_because", "best", "weights_sha256")
    return {"rows": rows, **{name: results[name] for name in kept}}


@pytest.mark.slow
def test_a_command_killed_at_random_moments_ends_as_one_that_was_not(tmp_path: Path) -> None:
    write_csv(tmp_path / "passengers.csv", passengers())
    fork_server()  # what it imports is no part of the length of a run
    length = run_for(tmp_path, "unbroken")
    assert length is not None
    expected = outcome(tmp_path / "unbroken")
    moments, kills, number = random.Random(20260202), 0, 0
    while kills < KILLS:
        number += 1
        for _ in range(3):
            taken = run_for(tmp_path, f"killed-{number}", moments.uniform(0.02, 0.9) * length)
            if taken is not None:
                length = min(length, taken)  # the machine was busier when it was measured
                break
            kills += 1
        assert run_for(tmp_path, f"killed-{number}") is not None
        assert outcome(tmp_path / f"killed-{number}") == expected
    print(f"{kills} kills of {number} commands, none lost")
