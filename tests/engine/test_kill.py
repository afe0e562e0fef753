"""SIGKILL at random moments: what is continued ends as what was never killed, to the bit."""

from __future__ import annotations

import json
import multiprocessing
import random
import time
from pathlib import Path
from typing import Any

import killed_run
import pytest
import torch
from engine_runs import table
from safetensors.torch import load_file

KILLS = 20
KILLS_PER_RUN = 4


@pytest.fixture(scope="module")
def context() -> Any:
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["killed_run"])
    return server


def run_for(context: Any, folder: Path, seconds: float | None) -> bool:
    """Start or continue the run and SIGKILL it after so long; whether it was killed before it was done."""
    process = context.Process(target=killed_run.process, args=(str(folder),))
    process.start()
    process.join(seconds)
    if process.is_alive():
        process.kill()
        process.join()
    assert process.exitcode in (0, -9), (folder.with_suffix(".stderr")).read_text()
    return bool(process.exitcode)


def outcome(folder: Path) -> dict[str, Any]:
    results = json.loads((folder / "results.json").read_text())
    del results["timing"]
    newest = max((folder / "checkpoints").glob("step-*"))
    state = json.loads((newest / "trainer.json").read_text())
    kept = {name: state[name] for name in ("step", "best", "schedule", "callbacks", "evaluated_at", "stopped_because")}
    return {"results": results, "state": kept, "metrics": table(folder), "checkpoint": newest.name}


def test_a_run_killed_at_random_moments_ends_as_one_that_was_not(context: Any, tmp_path: Path) -> None:
    run_for(context, tmp_path / "first", None)
    begun = time.perf_counter()
    run_for(context, tmp_path / "whole", None)
    length = time.perf_counter() - begun
    expected = outcome(tmp_path / "whole")
    last = torch_files(tmp_path / "whole", expected["checkpoint"])
    moments = random.Random(20260101)
    kills = number = 0
    while kills < KILLS:
        folder, number, left = tmp_path / f"killed-{number}", number + 1, KILLS_PER_RUN
        while left and run_for(context, folder, moments.uniform(0.02, 0.9) * length):
            kills, left = kills + 1, left - 1
        run_for(context, folder, None)
        assert outcome(folder) == expected
        for name, tensors in torch_files(folder, expected["checkpoint"]).items():
            assert tensors.keys() == last[name].keys()
            assert all(torch.equal(tensor, last[name][key]) for key, tensor in tensors.items()), name
    print(f"{kills} kills of {number} runs, none lost")


def torch_files(folder: Path, checkpoint: str) -> dict[str, dict[str, torch.Tensor]]:
    names = [f"checkpoints/{checkpoint}/{name}.safetensors" for name in ("system", "optimizer")]
    return {name: load_file(folder / name) for name in [*names, "model/model.safetensors"]}
