"""What a forward of a block costs beside the same layers written out by hand.

    python -m benchmarks blocks

Rounds in which the two take turns; prints the median of the ratios within a round, and the ratio of the fastest rounds, which is the one to
read on a machine that does other things too. A case is a line of `CASES`: what makes the block, what makes the same by hand with its
weights, and an input.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainwright.nn import blocks

Forward = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Case:
    """A block, the same by hand made from its layers, and what both are given."""

    name: str
    block: Callable[[], nn.Module]
    by_hand: Callable[..., Forward]
    shape: tuple[int, ...]


def basic_block(block: blocks.BasicBlock) -> Forward:
    """Its layers, called one after the other."""
    conv1, bn1, conv2, bn2, act = block.conv1, block.bn1, block.conv2, block.bn2, block.act
    return lambda x: act(bn2(conv2(act(bn1(conv1(x))))) + x)


def bottleneck(block: blocks.Bottleneck) -> Forward:
    """Its layers, called one after the other."""
    conv1, bn1, conv2, bn2, conv3, bn3, act = block.conv1, block.bn1, block.conv2, block.bn2, block.conv3, block.bn3, block.act
    return lambda x: act(bn3(conv3(act(bn2(conv2(act(bn1(conv1(x)))))))) + x)


def convnext(block: blocks.ConvNeXtBlock) -> Forward:
    """The functions of the paper's code."""

    def forward(x: Tensor) -> Tensor:
        h = block.dwconv(x).permute(0, 2, 3, 1)
        h = block.norm(h)
        h = block.pwconv2(F.gelu(block.pwconv1(h)))
        return x + (block.gamma * h).permute(0, 3, 1, 2)

    return forward


CASES = [
    Case("basic_block", lambda: blocks.BasicBlock(64), basic_block, (4, 64, 16, 16)),
    Case("bottleneck", lambda: blocks.Bottleneck(128), bottleneck, (4, 128, 16, 16)),
    Case("convnext_block", lambda: blocks.ConvNeXtBlock(64), convnext, (4, 64, 16, 16)),
]


def seconds(run: Forward, x: Tensor) -> float:
    """Of one forward."""
    before = time.perf_counter()
    run(x)
    return time.perf_counter() - before


def in_pairs(first: Forward, second: Forward, x: Tensor, rounds: int) -> tuple[list[float], list[float]]:
    """Seconds of each; who goes first changes with every round."""
    found: tuple[list[float], list[float]] = ([], [])
    for number in range(-5, rounds):
        order = (0, 1) if number % 2 else (1, 0)
        pair = {each: seconds((first, second)[each], x) for each in order}
        if number >= 0:
            found[0].append(pair[0])
            found[1].append(pair[1])
    return found


def measure(case: Case, rounds: int) -> tuple[float, float, float]:
    """Seconds by hand, the median of the ratios, the ratio of the fastest."""
    torch.manual_seed(0)
    block, x = case.block().eval(), torch.randn(case.shape)
    by_hand = case.by_hand(block)
    with torch.no_grad():
        torch.testing.assert_close(block(x), by_hand(x))
        ours, theirs = in_pairs(block, by_hand, x, rounds)
    return min(theirs), statistics.median(a / b for a, b in zip(ours, theirs, strict=True)), min(ours) / min(theirs)


def main() -> None:
    """Measure the cases named on the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*(each.name for each in CASES), []])
    parser.add_argument("--rounds", type=int, default=300)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, 1 thread, {arguments.rounds} rounds; bar: at most 1.02")
    for case in CASES:
        if not arguments.names or case.name in arguments.names:
            by_hand, median, best = measure(case, arguments.rounds)
            print(f"  {case.name:28} {by_hand * 1e6:8.0f} µs by hand; block / by hand {median:.3f}, of the fastest {best:.3f}")


if __name__ == "__main__":
    main()
