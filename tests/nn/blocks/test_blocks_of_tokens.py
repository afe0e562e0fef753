"""What holds for every block over tokens: compiled as one graph, and in half precision."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from token_blocks import CASES
from torch import nn

from trainwright.config.errors import ConfigError
from trainwright.nn import blocks
from trainwright.tools.graph import Graph


@pytest.mark.slow
def test_every_block_compiles_without_a_break_and_needs_one_graph_for_all_lengths() -> None:
    program = Path(__file__).parent / "token_blocks.py"
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines() == [*(f"{name}: compiled" for name in CASES), "four lengths: 1 graph"]


def test_channels_first_and_another_width_are_told_with_what_is_expected() -> None:
    refused: list[tuple[nn.Module, tuple[int, ...], str, str]] = [
        (blocks.SwinBlock(12, 3, 7), (1, 12, 8, 9), "(rows, …, 12)", "x.movedim(1, -1)"),
        (blocks.PatchMerging(12), (1, 12, 8, 9), "(rows, …, 12)", "x.movedim(1, -1)"),
        (blocks.AxialBlock(16, 4), (1, 16, 5, 6), "(rows, …, 16)", "x.movedim(1, -1)"),
        (blocks.MambaBlock(16), (1, 3, 15), "(rows, length, 16)", "or use width: 15"),
        (blocks.TransformerBlock(16, 4), (2, 16, 7), "(rows, length, 16)", "x.movedim(1, -1)"),
        (blocks.TransformerStack(16, 4, depth=1, positions="rotary"), (2, 5, 7), "(rows, length, 16)", "or use width: 7"),
        (blocks.Attention(16, 4), (2, 5, 17), "(rows, length, 16)", "or use width: 17"),
        (blocks.AttentionPool(16, 4), (2, 5, 8), "(rows, …, 16)", "or use width: 8"),
        (blocks.PerceiverPool(16, 4, 3, context_width=6), (2, 6, 5), "(rows, …, 6)", "x.movedim(1, -1)"),
    ]
    for block, shape, expected, fix in refused:
        with pytest.raises(ConfigError) as caught:
            block(torch.randn(shape))
        assert str(shape) in caught.value.what and caught.value.why == f"tokens are {expected}, channels last" and fix in caught.value.fix


def test_no_tokens_give_none_but_a_scan_which_starts_from_one_refuses_them() -> None:
    for positions in (None, "rotary", "alibi", "relative"):
        stack = blocks.TransformerStack(16, 4, depth=1, positions=positions)
        assert stack(torch.randn(2, 0, 16)).shape == (2, 0, 16) and stack(torch.randn(0, 3, 16)).shape == (0, 3, 16)
    with pytest.raises(ConfigError, match="it has no tokens"):
        blocks.MambaBlock(16)(torch.randn(1, 0, 16))


@pytest.mark.parametrize("text", ["{transformer_block: [16, 4]}", "{mamba_block: 16}", "{learned_positions: [16, 5]}"])
def test_a_graph_says_the_node_that_was_given_another_width(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Graph.from_yaml(f"inputs: {{x: {{shape: [5, 15]}}}}\nnodes:\n  - first: {text}\n")
    assert "nodes[0] (first)" in caught.value.where and "(rows, length, 16), channels last" in caught.value.why


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
