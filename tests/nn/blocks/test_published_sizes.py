"""Published models made of blocks have as many parameters as their papers' code, counted without memory."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from trainwright.nn import blocks


class Parameters(nn.Module):
    """Parameters that belong to no layer."""

    def __init__(self, *shapes: tuple[int, ...]) -> None:
        super().__init__()
        self.held = nn.ParameterList(torch.empty(shape) for shape in shapes)


def vit(width: int, heads: int, depth: int) -> list[nn.Module]:
    patches, first, places = nn.Conv2d(3, width, 16, 16), Parameters((1, 1, width)), blocks.LearnedPositions(width, 197)
    return [patches, first, places, blocks.TransformerStack(width, heads, depth=depth), nn.Linear(width, 1000)]


def gpt2() -> list[nn.Module]:
    stack = blocks.TransformerStack(768, 12, depth=12, activation="gelu_tanh", causal=True)
    return [nn.Embedding(50257, 768), blocks.LearnedPositions(768, 1024), stack]


def llama(inner: int, width: int, heads: int, depth: int, kv_heads: int, vocabulary: int) -> list[nn.Module]:
    stack = blocks.TransformerStack(
        width,
        heads,
        depth=depth,
        kv_heads=kv_heads,
        inner=inner,
        activation="swiglu",
        norm="rms",
        bias=False,
        causal=True,
        positions="rotary",
    )
    return [nn.Embedding(vocabulary, width), stack, nn.Linear(width, vocabulary, bias=False)]


def t5_small() -> list[nn.Module]:
    shared = {"inner": 2048, "activation": "relu", "norm": "rms", "bias": False, "positions": "relative"}
    encoder = blocks.TransformerStack(512, 8, depth=6, **shared)
    return [nn.Embedding(32128, 512), encoder, blocks.TransformerStack(512, 8, depth=6, causal=True, context_width=512, **shared)]


def swin_t() -> list[nn.Module]:
    stages: list[nn.Module] = []
    for number, depth in enumerate((2, 2, 6, 2)):
        width = 96 * 2**number
        stages += [blocks.PatchMerging(width // 2)] if number else []
        stages += [blocks.SwinBlock(width, 3 * 2**number, 7, shift=bool(each % 2)) for each in range(depth)]
    return [nn.Conv2d(3, 96, 4, 4), nn.LayerNorm(96), *stages, nn.LayerNorm(768), nn.Linear(768, 1000)]


def mamba_130m() -> list[nn.Module]:
    return [nn.Embedding(50280, 768), *(blocks.MambaBlock(768) for _ in range(24)), nn.RMSNorm(768)]


SIZES: dict[str, tuple[Callable[[], list[nn.Module]], int]] = {
    "ViT-B/16": (lambda: vit(768, 12, 12), 86_567_656),
    "ViT-L/16": (lambda: vit(1024, 16, 24), 304_326_632),
    "GPT-2 small": (gpt2, 124_439_808),
    "LLaMA-7B": (lambda: llama(11008, 4096, 32, 32, 32, 32000), 6_738_415_616),
    "Llama-3-8B": (lambda: llama(14336, 4096, 32, 32, 8, 128256), 8_030_261_248),
    "T5-small": (t5_small, 60_506_624),
    "Swin-T": (swin_t, 28_288_354),
    "Mamba-130m": (mamba_130m, 129_135_360),
}


@pytest.mark.parametrize("name", SIZES)
def test_a_published_model_has_its_parameters(name: str) -> None:
    make, published = SIZES[name]
    with torch.device("meta"):
        modules = make()
    assert sum(each.numel() for module in modules for each in module.parameters()) == published
