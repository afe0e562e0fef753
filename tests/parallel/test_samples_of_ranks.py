"""Samples of a run of several processes are those of a run of one, and leave it as it is. Real processes over gloo."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from forked_ranks import on_ranks

from trainwright.parallel.world import World
from trainwright.tracking.csv import read_rows

sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))
from sampled_run import Painter, fit


def samples(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "media" / "samples").glob("*.png"))}


@pytest.mark.parametrize("strategy", [{"type": "ddp", "reduce": "ordered"}, "fsdp"])
def test_two_ranks_sample_as_one_and_train_as_they_would_without(tmp_path: Path, one_thread: None, strategy: Any) -> None:
    def work(world: World, folder: Path) -> Any:
        found = {}
        for name, sampling in (("plain", None), ("sampled", "4 steps")):
            system = fit(folder / name, Painter(norm=False), world=world, strategy=strategy, sampling=sampling, checkpoint={"type": "none"})
            found[name] = {key: value.clone() for key, value in system.state_dict().items()}, len(system.seen)  # type: ignore[arg-type]
        return found

    ranks = on_ranks(tmp_path / "ranks", work)
    for rank in ranks:
        assert all(torch.equal(value, rank["sampled"][0][name]) for name, value in rank["plain"][0].items())
    assert (ranks[0]["sampled"][1], ranks[1]["sampled"][1]) == ((6, 0) if strategy != "fsdp" else (6, 6))
    made = samples(tmp_path / "ranks" / "sampled")
    assert list(made) == [f"step-{step:08d}.png" for step in range(4, 25, 4)]
    if strategy != "fsdp":
        fit(tmp_path / "alone", Painter(norm=False), sampling="4 steps", accumulation=2)
        assert made == samples(tmp_path / "alone")


def test_samples_that_fail_on_one_rank_lose_no_run(tmp_path: Path) -> None:
    class Failing(Painter):
        def sample(self, n: int, generator: torch.Generator) -> Any:
            raise ValueError("no idea what to paint")

    def work(world: World, folder: Path) -> Any:
        return fit(folder / "run", Failing(norm=False), world=world, strategy="ddp", sampling="4 steps").training

    on_ranks(tmp_path / "ranks", work)
    assert [row["step"] for row in read_rows(tmp_path / "ranks" / "run" / "metrics.csv")][-1] == 24
