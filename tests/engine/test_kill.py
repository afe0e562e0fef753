"""SIGKILL at random moments: what is continued ends as what was never killed, to the bit."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import killed_run
import pytest
import torch
from engine_runs import table
from safetensors.torch import load_file

from fork_server import fork_server
from trainwright.checkpoint.store import CheckpointStore

pytestmark = pytest.mark.slow

KILLS = 8
"""Those of every kind of system are many more: tests/faults."""
KILLS_PER_RUN = 4


@pytest.fixture(scope="module")
def context() -> Any:
    return fork_server()


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


@pytest.fixture(scope="module")
def whole(context: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """A run that nothing happens to, and how long it takes."""
    folder = tmp_path_factory.mktemp("kill") / "whole"
    begun = time.perf_counter()
    run_for(context, folder, None)
    return folder, time.perf_counter() - begun


def outcome(folder: Path) -> dict[str, Any]:
    results = json.loads((folder / "results.json").read_text())
    del results["timing"]
    newest = max((folder / "checkpoints").glob("step-*"))
    state = json.loads((newest / "trainer.json").read_text())
    kept = {name: state[name] for name in ("step", "best", "schedule", "callbacks", "evaluated_at", "stopped_because")}
    return {"results": results, "state": kept, "metrics": table(folder), "checkpoint": newest.name}


def test_a_run_killed_at_random_moments_ends_as_one_that_was_not(context: Any, tmp_path: Path, whole: tuple[Path, float]) -> None:
    folder, length = whole
    expected = outcome(folder)
    last = torch_files(folder, expected["checkpoint"])
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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_says_how_to_continue_and_what_is_continued_is_the_same(
    context: Any, number: signal.Signals, tmp_path: Path, whole: tuple[Path, float]
) -> None:
    process = started(context, tmp_path / "run", slow=True)
    os.kill(process.pid, number)
    process.join()
    said = (tmp_path / "run.stderr").read_text()
    assert process.exitcode == 75
    assert f"{number.name}: stopped and saved at step 30" in said
    assert "continue with: tw.fit(…, run_dir=" in said
    assert json.loads((tmp_path / "run/run.json").read_text())["status"] == "interrupted"
    run_for(context, tmp_path / "run", None)
    assert outcome(tmp_path / "run") == outcome(whole[0])


def test_a_second_signal_leaves_at_once_and_the_checkpoint_before_is_whole(context: Any, tmp_path: Path) -> None:
    process = started(context, tmp_path / "run", slow=True, stubborn=True)
    os.kill(process.pid, signal.SIGTERM)
    time.sleep(0.5)
    assert process.is_alive()
    os.kill(process.pid, signal.SIGTERM)
    process.join(10)
    assert process.exitcode == -signal.SIGTERM
    latest = CheckpointStore(tmp_path / "run/checkpoints").latest()
    assert latest is not None
    assert latest.manifest.step == 27


def started(context: Any, folder: Path, **options: bool) -> Any:
    """The run, waiting in its slow step."""
    process = context.Process(target=killed_run.process, args=(str(folder),), kwargs=options)
    process.start()
    while not (folder / "checkpoints/slow").exists():
        assert process.is_alive(), folder.with_suffix(".stderr").read_text()
        time.sleep(0.02)
    return process


def torch_files(folder: Path, checkpoint: str) -> dict[str, dict[str, torch.Tensor]]:
    names = [f"checkpoints/{checkpoint}/{name}.safetensors" for name in ("system", "optimizer")]
    return {name: load_file(folder / name) for name in [*names, "model/model.safetensors"]}
