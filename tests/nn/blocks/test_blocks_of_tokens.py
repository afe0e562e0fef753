"""What holds for every block over tokens: compiled as one graph, and in half precision."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from token_blocks import CASES


@pytest.mark.slow
def test_every_block_compiles_without_a_break_and_needs_one_graph_for_all_lengths() -> None:
    program = Path(__file__).parent / "token_blocks.py"
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines() == [*(f"{name}: compiled" for name in CASES), "four lengths: 1 graph"]


@pytest.mark.parametrize("name", CASES)
def test_a_block_trains_under_autocast_and_runs_in_half_precision(name: str) -> None:
    make, shape = CASES[name]
    torch.manual_seed(0)
    block, x = make(), torch.randn(shape)
    with torch.autocast("cpu", torch.bfloat16):
        y = block(x)
    y.float().square().mean().backward()
    assert all(each.grad is not None and each.grad.isfinite().all() for each in block.parameters())
    half = block.to(torch.bfloat16)(x.bfloat16())
    assert half.dtype == torch.bfloat16
    assert half.isfinite().all()
