"""Blocks over tokens with an input each. Run as a program it compiles them, apart from tests, whose checks of shapes cannot be compiled.

python tests/nn/blocks/token_blocks.py
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from trainwright.nn import blocks

CASES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "gpt": (lambda: blocks.TransformerStack(16, 4, depth=2, causal=True, activation="gelu_tanh", drop_path=0.1), (2, 5, 16)),
    "llama": (lambda: blocks.TransformerStack(16, 4, depth=2, kv_heads=2, causal=True, positions="rotary", norm="rms"), (2, 5, 16)),
    "interleaved": (lambda: blocks.Attention(16, 2, positions={"type": "rotary", "interleaved": True, "share": 0.5}), (2, 5, 16)),
    "t5": (lambda: blocks.TransformerStack(16, 4, depth=2, positions="relative", activation="geglu"), (2, 5, 16)),
    "alibi": (lambda: blocks.TransformerBlock(16, 4, positions="alibi", causal=True, layer_scale=0.1), (2, 5, 16)),
    "post": (lambda: blocks.TransformerBlock(16, 4, post_norm=True, activation="swiglu"), (2, 5, 16)),
    "learned": (lambda: nn.Sequential(blocks.LearnedPositions(16, [4, 5]), blocks.SinusoidalPositions(16, dims=2)), (2, 4, 5, 16)),
    "axial": (lambda: blocks.AxialBlock(16, 4, dims=3), (2, 3, 4, 2, 16)),
    "swin": (lambda: nn.Sequential(blocks.SwinBlock(16, 4, 3), blocks.SwinBlock(16, 4, 3, shift=True)), (2, 7, 8, 16)),
    "merging": (lambda: blocks.PatchMerging(16), (2, 5, 4, 16)),
    "pool": (lambda: blocks.AttentionPool(16, 4, queries=2), (2, 5, 16)),
    "perceiver": (lambda: blocks.PerceiverPool(16, 4, 3), (2, 5, 16)),
    "mamba": (lambda: blocks.MambaBlock(16), (2, 11, 16)),
    "mamba_step": (lambda: blocks.Mamba(16, scan="sequential"), (2, 5, 16)),
}


def compile_one(name: str) -> None:
    """Raises unless the block compiles as one graph, with the outputs and gradients that it has as it is."""
    make, shape = CASES[name]
    torch._dynamo.reset()
    torch.manual_seed(0)
    block, x = make().eval(), torch.randn(shape, requires_grad=True)
    expected, found = block(x), torch.compile(block, fullgraph=True, backend="aot_eager")(x)
    torch.testing.assert_close(found, expected)
    (theirs,) = torch.autograd.grad(expected.square().sum(), x)
    (ours,) = torch.autograd.grad(found.square().sum(), x)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def count_graphs() -> int:
    """How many graphs a block needs for four lengths."""
    torch._dynamo.reset()
    block = blocks.TransformerStack(16, 4, depth=1, causal=True, positions="rotary").eval()
    counter = torch._dynamo.testing.CompileCounter()
    compiled = torch.compile(block, fullgraph=True, backend=counter, dynamic=True)
    for length in (5, 6, 9, 17):
        x = torch.randn(2, length, 16)
        torch.testing.assert_close(compiled(x), block(x))
    return counter.frame_count


if __name__ == "__main__":
    for each in CASES:
        compile_one(each)
        print(f"{each}: compiled")
    print(f"four lengths: {count_graphs()} graph")
