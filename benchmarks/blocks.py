"""What a forward of a block costs beside the same written by hand with its layers.

    python -m benchmarks blocks

Rounds in which the two take turns, in processor time of one thread, since the machine does other things too, with freed memory kept by
the process, since pages that are new every time cost more than a block does; prints the median of the ratios within a round, and the ratio
of the fastest rounds. A case is a line of `CASES`: what makes the block, the forward that one writes by hand, and the shapes of its inputs.
"""

from __future__ import annotations

import argparse
import ctypes
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks import recordings_by_hand as by_hand
from benchmarks.recordings_by_hand import Encoder
from benchmarks.tokens_by_hand import SIDE, TOKENS, mamba, swin_block, transformer_block
from trainwright.nn import blocks

Forward = Callable[..., Tensor]
KEEP_FREED = {-3: 2**30, -1: 2**31 - 1}
"""glibc's M_MMAP_THRESHOLD and M_TRIM_THRESHOLD."""


class ByHand(nn.Module):
    """A forward as the module that one writes around it."""

    def __init__(self, forward: Forward) -> None:
        super().__init__()
        self.run = forward

    def forward(self, *given: Tensor) -> Tensor:
        return self.run(*given)


@dataclass(frozen=True)
class Case:
    """A block, the same by hand made from its layers, and the shapes of what both are given."""

    name: str
    block: Callable[[], nn.Module]
    by_hand: Callable[[Any], Forward]
    shapes: tuple[tuple[int, ...], ...]


def basic_block(block: Any) -> Forward:
    """As in torchvision."""

    def forward(x: Tensor) -> Tensor:
        out = block.act(block.bn1(block.conv1(x)))
        out = block.bn2(block.conv2(out))
        return block.act(out + x)

    return forward


def bottleneck(block: Any) -> Forward:
    """As in torchvision."""

    def forward(x: Tensor) -> Tensor:
        out = block.act(block.bn1(block.conv1(x)))
        out = block.act(block.bn2(block.conv2(out)))
        out = block.bn3(block.conv3(out))
        return block.act(out + x)

    return forward


def preactivated(block: Any) -> Forward:
    """As in the paper's code."""

    def forward(x: Tensor) -> Tensor:
        out = block.conv1(F.relu(block.bn1(x)))
        return block.conv2(F.relu(block.bn2(out))) + x

    return forward


def squeeze_excitation(block: Any) -> Forward:
    """Two linear layers and a product."""

    def forward(x: Tensor) -> Tensor:
        y = torch.sigmoid(block.fc2(F.relu(block.fc1(x.mean((2, 3))))))
        return x * y[:, :, None, None]

    return forward


def convnext(block: Any) -> Forward:
    """As in the paper's code."""

    def forward(x: Tensor) -> Tensor:
        h = block.norm(block.dwconv(x).permute(0, 2, 3, 1))
        h = block.pwconv2(F.gelu(block.pwconv1(h)))
        return x + (block.gamma * h).permute(0, 3, 1, 2)

    return forward


def convnext_v2(block: Any) -> Forward:
    """As in the paper's code."""

    def forward(x: Tensor) -> Tensor:
        h = F.gelu(block.pwconv1(block.norm(block.dwconv(x).permute(0, 2, 3, 1))))
        gx = torch.norm(h, p=2, dim=(1, 2), keepdim=True)
        nx = gx / (gx.mean(dim=-1, keepdim=True) + 1e-6)
        h = block.grn.weight * (h * nx) + block.grn.bias + h
        return x + block.pwconv2(h).permute(0, 3, 1, 2)

    return forward


def unet_block(block: Any) -> Forward:
    """As in diffusers."""

    def forward(x: Tensor, embedding: Tensor) -> Tensor:
        h = block.conv1(F.silu(block.norm1(x)))
        scale, shift = block.time_emb_proj(F.silu(embedding))[:, :, None, None].chunk(2, dim=1)
        h = block.norm2(h) * (1 + scale) + shift
        return x + block.conv2(F.silu(h))

    return forward


def map_attention(block: Any) -> Forward:
    """As in diffusers."""

    def forward(x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        tokens = block.group_norm(x).view(b, c, h * w).transpose(1, 2)
        q, k, v = (each(tokens).view(b, h * w, block.heads, -1).transpose(1, 2) for each in (block.to_q, block.to_k, block.to_v))
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, h * w, c)
        return block.to_out[0](mixed).transpose(1, 2).reshape(b, c, h, w) + x

    return forward


def tcn_block(block: Any) -> Forward:
    """Padding on the left, torch's own weight norm, two convolutions."""
    d = block.conv1.dilation[0]

    def conv(layer: Any, x: Tensor) -> Tensor:
        return F.conv1d(F.pad(x, (2 * d, 0)), torch._weight_norm(layer.weight, layer.scale, 0), layer.bias, dilation=d)

    def forward(x: Tensor) -> Tensor:
        out = F.relu(conv(block.conv1, x))
        out = F.relu(conv(block.conv2, out))
        return F.relu(out + x)

    return forward


def patch_embedding(block: Any) -> Forward:
    """As in timm."""
    return lambda x: block.proj(x).flatten(2).transpose(1, 2)


def fourier_features(block: Any) -> Forward:
    """A product, cosines and sines."""

    def forward(x: Tensor) -> Tensor:
        angle = (2 * torch.pi) * (x @ block.weight.T)
        return torch.cat([torch.cos(angle), torch.sin(angle)], dim=-1)

    return forward


IMAGE, SIGNAL = ((4, 64, 32, 32),), ((8, 64, 500),)
LLAMA = {"kv_heads": 2, "activation": "swiglu", "norm": "rms", "bias": False, "causal": True, "positions": "rotary", "inner": 344}
SENTENCE = ((4, TOKENS, 128),)

CASES = [
    Case("basic_block", lambda: blocks.BasicBlock(64), basic_block, IMAGE),
    Case("bottleneck", lambda: blocks.Bottleneck(64), bottleneck, IMAGE),
    Case("basic_block, preactivation", lambda: blocks.BasicBlock(64, preactivation=True), preactivated, IMAGE),
    Case("squeeze_excitation", lambda: blocks.SqueezeExcitation(256), squeeze_excitation, ((16, 256, 14, 14),)),
    Case("convnext_block", lambda: blocks.ConvNeXtBlock(64), convnext, IMAGE),
    Case("convnext_block, grn", lambda: blocks.ConvNeXtBlock(64, layer_scale=0, grn=True), convnext_v2, IMAGE),
    Case("unet_block", lambda: blocks.UNetBlock(64, embedding=128), unet_block, (*IMAGE, (4, 128))),
    Case("map_attention", lambda: blocks.MapAttention(64), map_attention, ((4, 64, 16, 16),)),
    Case("tcn_block", lambda: blocks.TCNBlock(64, dilation=4), tcn_block, SIGNAL),
    Case("patch_embedding", lambda: blocks.PatchEmbedding(3, 192, 16), patch_embedding, ((4, 3, 224, 224),)),
    Case("fourier_features", lambda: blocks.FourierFeatures(2, 256), fourier_features, ((4096, 2),)),
    Case("transformer_block", lambda: blocks.TransformerBlock(128, 4), transformer_block, SENTENCE),
    Case("transformer_block, causal", lambda: blocks.TransformerBlock(128, 4, causal=True), transformer_block, SENTENCE),
    Case("transformer_block, llama", lambda: blocks.TransformerBlock(128, 4, **LLAMA), transformer_block, SENTENCE),
    Case("swin_block", lambda: blocks.SwinBlock(96, 3, 7), swin_block, ((1, SIDE, SIDE, 96),)),
    Case("swin_block, shift", lambda: blocks.SwinBlock(96, 3, 7, shift=True), swin_block, ((1, SIDE, SIDE, 96),)),
    Case("mamba", lambda: blocks.Mamba(64), mamba, ((2, 256, 64),)),
    Case("xresnet1d50, encoder", lambda: Encoder("xresnet1d", (12, 250)), by_hand.xresnet1d, ((8, 1, 12, 250),)),
    Case("small_resnet1d, encoder", lambda: Encoder("small_resnet1d", (12, 1000)), by_hand.small_resnet1d, ((8, 1, 12, 1000),)),
    Case("inception1d, encoder", lambda: Encoder("inception1d", (12, 250)), by_hand.inception1d, ((8, 1, 12, 250),)),
    Case("crnn, encoder", lambda: Encoder("crnn", (1, 64, 100), pooling="mean_max"), by_hand.crnn, ((8, 1, 1, 64, 100),)),
    Case("ast tiny, encoder", lambda: Encoder("ast", (1, 128, 128)), by_hand.ast, ((4, 1, 1, 128, 128),)),
]


def seconds(run: Forward, given: list[Tensor]) -> float:
    """Processor time of one forward."""
    before = time.thread_time()
    run(*given)
    return time.thread_time() - before


def in_pairs(first: Forward, second: Forward, given: list[Tensor], rounds: int) -> tuple[list[float], list[float]]:
    """Seconds of each; who goes first changes with every round."""
    found: tuple[list[float], list[float]] = ([], [])
    for number in range(-10, rounds):
        order = (0, 1) if number % 2 else (1, 0)
        pair = {each: seconds((first, second)[each], given) for each in order}
        if number >= 0:
            found[0].append(pair[0])
            found[1].append(pair[1])
    return found


def measure(case: Case, rounds: int) -> tuple[float, float, float]:
    """Seconds by hand, the median of the ratios, the ratio of the fastest."""
    torch.manual_seed(0)
    block, given = case.block().eval(), [torch.randn(shape) for shape in case.shapes]
    for each in block.parameters():  # nothing may be 0, which is quicker to some
        nn.init.normal_(each, std=0.1)
    by_hand = ByHand(case.by_hand(block))
    with torch.no_grad():
        torch.testing.assert_close(block(*given), by_hand(*given), rtol=1e-4, atol=1e-4)
        ours, theirs = in_pairs(block, by_hand, given, rounds)
    return min(theirs), statistics.median(a / b for a, b in zip(ours, theirs, strict=True)), min(ours) / min(theirs)


def main() -> None:
    """Measure the cases whose names begin as said on the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--rounds", type=int, default=200)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if sys.platform == "linux":
        libc = ctypes.CDLL("libc.so.6")
        for option, value in KEEP_FREED.items():
            libc.mallopt(option, value)
    print(f"torch {torch.__version__}, 1 thread, {arguments.rounds} rounds; bar: at most 1.02")
    for case in CASES:
        if not arguments.names or case.name.startswith(tuple(arguments.names)):
            by_hand, median, best = measure(case, arguments.rounds)
            print(f"  {case.name:28} {by_hand * 1e6:8.0f} µs by hand; block / by hand {median:.3f}, of the fastest {best:.3f}", flush=True)


if __name__ == "__main__":
    main()
