"""Processes come to one answer, the same to the last bit on each of them; one process asks nobody."""

from __future__ import annotations

import math
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from forked_ranks import on_ranks

from trainwright.config.errors import ConfigError, ManyErrors, RunError, TrainwrightError
from trainwright.parallel.distributed import DistributedWorld
from trainwright.parallel.launched import ensure_one_process
from trainwright.parallel.world import World


def refused() -> None:
    raise RunError("this place is taken", where="runs/x", fix="choose another")


def full_disk() -> None:
    raise OSError(28, "No space left on device")


def errors_of(world: World, make: Any) -> str:
    try:
        world.first(make)
    except (TrainwrightError, OSError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def refusal() -> str:
    try:
        ensure_one_process("train this run")
    except ConfigError as error:
        return str(error)
    return ""


def answers(world: World, folder: Path) -> dict[str, Any]:
    """Every question of a world, asked with what differs by rank."""
    r = world.rank
    numbers = torch.randn(1000, dtype=torch.float64, generator=torch.Generator().manual_seed(r)) * 10.0 ** (8 * r)
    asked: list[int] = []
    started = [world.start_gather([r, 0.1 * r]), world.start_gather([7.0, math.inf])]
    found = {
        "place": (world.rank, world.size, world.local_rank, world.is_main),
        "sum": (world.sum(r + 1), world.sum(0.1 + r), world.sum(torch.tensor([r, 2]))),
        "sum of floats": world.sum(numbers),
        "min": (world.min(3 - r), world.min(0.5 + r), world.min(torch.tensor([1.0 - r, r]))),
        "any": (world.any(r == 1), world.any(False), world.any(True)),
        "gather": (world.gather({"rank": r, "loss": math.nan}), world.gather(torch.arange(r + 1))),
        "broadcast": (world.broadcast(f"from {r}"), world.broadcast(torch.tensor([float(r)])), world.broadcast(None)),
        "first": (world.first(lambda: asked.append(r) or "made"), asked),
        "errors": (errors_of(world, refused), errors_of(world, full_disk)),
        "later": [each.read() for each in started],
        "refused": refusal(),
    }
    world.barrier()
    return found


def test_two_processes_come_to_one_answer(tmp_path: Path) -> None:
    first, second = on_ranks(tmp_path, answers)
    assert (first.pop("place"), second.pop("place")) == ((0, 2, 0, True), (1, 2, 1, False))
    assert "each of the 2 processes that init_process_group joined would train this run by itself" in first["refused"]
    assert second["refused"] == "torch.distributed: rank 1 of 2 ends too; rank 0 says why"
    assert first["first"] == ("made", [0])
    assert second["first"] == ("made", [])  # rank 0 alone was asked
    assert torch.equal(first["gather"][1][1], second["gather"][1][1])
    assert torch.equal(first["gather"][1][0], torch.tensor([0]))
    assert [each["rank"] for each in second["gather"][0]] == [0, 1]
    assert torch.equal(first["sum of floats"], second["sum of floats"])
    ones = [torch.randn(1000, dtype=torch.float64, generator=torch.Generator().manual_seed(r)) * 10.0 ** (8 * r) for r in range(2)]
    assert torch.equal(first["sum of floats"], ones[0] + ones[1])
    for found in (first, second):
        assert found["sum"][:2] == (3, 0.1 + 1.1)
        assert found["sum"][2].tolist() == [1, 4]
        assert found["min"][:2] == (2, 0.5)
        assert found["min"][2].tolist() == [0.0, 0.0]
        assert found["any"] == (True, False, True)
        assert (found["broadcast"][0], found["broadcast"][1].tolist(), found["broadcast"][2]) == ("from 0", [0.0], None)
        assert found["errors"][0].startswith("RunError: runs/x: this place is taken")
        assert found["errors"][1] == "OSError: [Errno 28] No space left on device"
        assert found["later"] == [[[0.0, 0.0], [1.0, 0.1]], [[7.0, math.inf], [7.0, math.inf]]]


def sums_in_order(world: World, folder: Path) -> torch.Tensor:
    return world.sum(torch.full((3,), [1e16, 1.0, -1e16][world.rank], dtype=torch.float64))


def test_sums_are_added_in_the_order_of_ranks(tmp_path: Path) -> None:
    # (1e16 + 1) - 1e16 is 0 in float64; in another order it is 1
    assert [each.tolist() for each in on_ranks(tmp_path, sums_in_order, size=3)] == [[0.0, 0.0, 0.0]] * 3


def leaves_early(world: DistributedWorld, folder: Path) -> str:
    if world.rank == 1:
        return ""
    try:
        world.barrier()
    except TrainwrightError as error:
        return str(error)
    return "nothing"


def test_a_process_that_left_is_told_to_those_that_wait_for_it(tmp_path: Path) -> None:
    said, _ = on_ranks(tmp_path, leaves_early)
    assert "another process of this run has ended" in said


def test_one_process_is_asked_nothing() -> None:
    world = World()
    one = torch.tensor([1.0])
    assert (world.rank, world.size, world.is_main) == (0, 1, True)
    assert world.sum(one) is one
    assert world.min(3) == 3
    assert world.any(True) is True
    assert world.gather("a") == ["a"]
    assert world.broadcast(one) is one
    assert world.start_gather([1.0]).read() == [[1.0]]
    with pytest.raises(RunError):
        world.first(refused)


def test_the_world_of_one_process_imports_no_torch() -> None:
    program = "import sys; from trainwright.parallel.world import World; World().barrier(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_several_mistakes_go_from_process_to_process_whole() -> None:
    error = ManyErrors([ConfigError("one", where="a", fix="b"), ConfigError("two")])
    back = pickle.loads(pickle.dumps(error))
    assert (str(back), len(back.errors), back.exit_code) == (str(error), 2, 2)
