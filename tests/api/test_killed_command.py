"""The command killed with SIGKILL at random moments, from reading the table to writing the report, ends as if never killed."""

from __future__ import annotations

import csv
import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from small_tables import passengers, write_csv

KILLS = 8
SETTINGS = ["model.combiner={type: concat, depth: 1, width: 32}", "trainer.max_epochs=60", "trainer.batch_size=16"]
SETTINGS += ["trainer.checkpoint={every: 7 steps, min_interval: 0 s}", "trainer.early_stopping.patience=50"]
SETTINGS += ["trainer.trackers=[csv]", "evaluation.baselines=[constant]"]
CLOCKS = ("seconds", "per_second")


def command(folder: Path, name: str) -> list[str]:
    """Train the table of `folder`, continuing what is there."""
    words = ["train", str(folder / "passengers.csv"), "--target", "survived", f"run.dir={folder / name}", "--resume", *SETTINGS]
    return [sys.executable, "-m", "trainwright", *words]


def whole(folder: Path, name: str) -> float:
    """Run to the end; its seconds."""
    start = time.perf_counter()
    subprocess.run(command(folder, name), check=True, capture_output=True)
    return time.perf_counter() - start


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
    whole(tmp_path, "first")
    length = whole(tmp_path, "unbroken")
    expected = outcome(tmp_path / "unbroken")
    moments, kills, number = random.Random(20260202), 0, 0
    while kills < KILLS:
        number += 1
        for _ in range(3):
            begun = time.perf_counter()
            process = subprocess.Popen(command(tmp_path, f"killed-{number}"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            try:
                said = process.communicate(timeout=moments.uniform(0.4, 1.0) * length)[0]
                assert process.returncode == 0, said.decode()
                length = min(length, time.perf_counter() - begun)  # the machine was busier when it was measured
                break
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                kills += 1
        whole(tmp_path, f"killed-{number}")
        assert outcome(tmp_path / f"killed-{number}") == expected
    print(f"{kills} kills of {number} commands, none lost")
