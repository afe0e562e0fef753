"""SIGKILL while a command writes for a person: its output is whole or absent, an earlier one stays, and the next command sweeps the rest.

KILLS=1000 for the nightly run, which kills each command ten times at random moments; SEED for other moments.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
import torch
from torch import nn

import trainwright as tw
from trainwright.cli.main import main

KILLS = int(os.environ.get("KILLS", "200")) // 100
SEED = int(os.environ.get("SEED", "20260301"))
PARTS = """
import torch
from torch import nn
import trainwright as tw


class Small(tw.System):
    def build(self, spec):
        self.net = nn.Linear(3, 2)

    def training_step(self, batch, context):
        return nn.functional.cross_entropy(self.net(batch["input"]), batch["target"])

    def predict_step(self, batch):
        return {"p": self.net(batch["input"])}

    def export(self, folder):
        (folder / "scene.txt").write_text("whole" * 1000)


class Data:
    def __init__(self):
        x = torch.randn(400, 3, generator=torch.Generator().manual_seed(0))
        y = (x[:, 0] > 0).long()
        self.train, self.validation, self.predict = (x, y), (x[:9], y[:9]), (x, y)
"""
OWN = "system: {type: './parts.py:Small'}\ndata: {type: './parts.py:Data'}\ntrainer: {max_steps: 2}\nrun: {device: cpu}\n"
QUICK = ["trainer.max_steps=2", "evaluation.baselines=[]", "evaluation.importance=false", "run.device=cpu"]
COMMANDS: dict[str, tuple[list[str], str]] = {
    "predict csv": (["predict", "table", "rows.csv", "-o", "out.csv", "--escape-formulas"], "out.csv"),
    "predict parquet": (["predict", "table", "rows.csv", "-o", "out.parquet"], "out.parquet"),
    "predict jsonl": (["predict", "table", "rows.csv", "-o", "out.jsonl"], "out.jsonl"),
    "predict tensors": (["predict", "own", "-o", "out.npz"], "out.npz"),
    "export": (["export", "own", "-o", "deep/out"], "deep/out"),
    "convert": (["convert", "old.pt", "out.safetensors", "--force"], "out.safetensors"),
    "report": (["report", "table"], "table/report.html"),
    "evaluate": (["evaluate", "table", "rows.csv", "--json"], ""),
    "lr": (["lr", "rows.csv", "--target", "y", "--csv", "out.rates", *QUICK], "out.rates"),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table, a run on it, a run of a system of one's own, and an old file of weights."""
    folder = tmp_path_factory.mktemp("outputs")
    random = np.random.default_rng(0)
    columns = {"a": random.normal(size=90), "b": random.normal(size=90), "y": random.choice(["yes", "=no"], 90)}
    pyarrow.csv.write_csv(pa.table(columns), folder / "rows.csv")
    (folder / "parts.py").write_text(PARTS)
    (folder / "own.yaml").write_text(OWN)
    torch.save(nn.Linear(60, 60).state_dict(), folder / "old.pt")
    before = Path.cwd()
    os.chdir(folder)
    try:
        assert main(["train", "rows.csv", "--target", "y", "run.dir=table", *QUICK]) == 0
        assert main(["train", "own.yaml", "run.dir=own"]) == 0
    finally:
        os.chdir(before)
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The process whose forks are killed."""
    file = Path(__file__).with_name("output_faults.py")
    environment = {**os.environ, "PYTHONPATH": str(Path(tw.__file__).parents[1])}
    words = [sys.executable, str(file), str(tmp_path_factory.mktemp("server") / "imported")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as process:

        def ask(words: list[str], folder: Path, **how: Any) -> int:
            assert process.stdin and process.stdout
            process.stdin.write(json.dumps({"words": words, "folder": str(folder), **how}) + "\n")
            process.stdin.flush()
            return int(process.stdout.readline())

        yield ask
        assert process.stdin
        process.stdin.close()


def contents(path: Path) -> dict[str, str]:
    """Name → digest of every file at and below a path; nothing when it is absent."""
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return {str(each.relative_to(path)): hashlib.sha256(each.read_bytes()).hexdigest() for each in files}


def remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def around(folder: Path, output: str) -> dict[str, str]:
    """Everything in the folder but the output and what the command said: inputs, runs, and leftovers."""
    without = ("output.txt", *([output] if output else []))
    return {name: digest for name, digest in contents(folder).items() if not name.startswith(without)}


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_an_output_is_whole_or_absent_wherever_the_command_was_killed(name: str, place: Path, server: Any) -> None:
    words, output = COMMANDS[name]
    target = place / output if output else place / "absent"
    if name != "report":
        remove(target)
    begun = time.perf_counter()
    assert server(words, place) == 0, (place / "output.txt").read_text()
    length = time.perf_counter() - begun
    expected, others = contents(target), around(place, output)
    moments, kills = random.Random(f"{SEED} {name}"), 0
    for again in (False, True):  # onto nothing, and onto an earlier output
        for number in itertools.count(1):
            if (name == "export" or not again) and name != "report":
                remove(target)
            code = server(words, place, number=number)
            assert contents(target) in ({}, expected), f"half made: {words}, before call {number}"
            if again and name != "export":
                assert contents(target) == expected
            if code == 0:
                break
            assert code == -9, (place / "output.txt").read_text()
            kills += 1
    for _ in range(KILLS):
        server(words, place, seconds=moments.uniform(0.2, 1.0) * length)
        assert contents(target) in ({}, expected)
        kills += 1
    if name == "export":
        remove(target)
    assert server(words, place) == 0, (place / "output.txt").read_text()
    assert contents(target) == expected and around(place, output) == others
    print(f"{name}: {kills} kills, none left half an output")


FULL = [name for name, (_, output) in COMMANDS.items() if output and name != "lr"]


@pytest.mark.parametrize("name", FULL)
def test_a_disk_that_takes_no_more_leaves_what_was_there(name: str, place: Path, server: Any) -> None:
    words, output = COMMANDS[name]
    if name == "export":
        remove(place / output)
    before, others = contents(place / output), around(place, output)
    assert server(words, place, limit=1500) == 2, (place / "output.txt").read_text()
    said = (place / "output.txt").read_text()
    assert "File too large" in said or "ulimit -f" in said
    assert contents(place / output) == before and around(place, output) == others
