"""What samplers cost beyond the calls of the denoiser, as a share of a denoiser of about 5 ms, in processor time on one thread.

    python -m benchmarks.sampler_overhead [SAMPLER …] [--rounds 10] [--steps 20] [--batch 1]

The denoiser is a convolutional network that takes about 5 ms for a picture of 3 × 32 × 32 on the machine of the documentation, when that is
quiet. Its own time is measured within each run and taken off, and the rest divided by it, so that whatever else the machine does falls on
both. The samplers take turns within a round; the median over rounds is printed, and the least of all rounds in microseconds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import torch
from torch import Tensor, nn

from trainwright.domains.diffusion.samplers import PARTS
from trainwright.domains.diffusion.samplers.table import SamplerPart
from trainwright.domains.diffusion.schedules.ramps import get_sigmas_karras

SHARES = {"brownian": 6.0}
"""Per cent of a call that are allowed; 3 of any other kind of noise."""


class Timed:
    """A denoiser of the price of a network, which measures its own processor time."""

    distilled = "lcm"

    def __init__(self, width: int) -> None:
        torch.manual_seed(0)
        layers = [nn.Conv2d(3, width, 3, padding=1), nn.SiLU()]
        for _ in range(3):
            layers += [nn.Conv2d(width, width, 3, padding=1), nn.SiLU()]
        self.network = nn.Sequential(*layers, nn.Conv2d(width, 3, 3, padding=1)).eval()
        self.seconds, self.calls = 0.0, 0

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        start = time.thread_time()
        made: Tensor = x * 0.5 + 0.001 * self.network(x)
        self.seconds += time.thread_time() - start
        self.calls += 1
        return made


def overhead(name: str, denoiser: Timed, x: Tensor, sigmas: Tensor) -> tuple[float, float]:
    """Seconds of processor time for each call: beyond the denoiser, and of the denoiser."""
    options: dict[str, Any] = {"restarts": {0.1: (3, 1, 1.0)}} if name == "restart" else {}
    denoiser.seconds, denoiser.calls = 0.0, 0
    start = time.thread_time()
    PARTS[name].load()(denoiser, x, sigmas, **options)
    whole = time.thread_time() - start
    return (whole - denoiser.seconds) / denoiser.calls, denoiser.seconds / denoiser.calls


def measure(names: list[str], rounds: int, steps: int, batch: int, width: int) -> dict[str, list[tuple[float, float]]]:
    """Of every sampler, in turn, one measurement a round; the first round warms up."""
    denoiser, sigmas = Timed(width), get_sigmas_karras(steps, 0.02, 10)
    x = torch.randn(batch, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * sigmas[0]
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for turn in range(rounds + 1):
        for name, kept in found.items():
            one = overhead(name, denoiser, x, sigmas)
            if turn:
                kept.append(one)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="samplers; all without")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--width", type=int, default=84, help="of the network")
    args = parser.parse_args()
    torch.set_num_threads(1)
    found = measure(args.names or list(PARTS), args.rounds, args.steps, args.batch, args.width)
    print(f"{'sampler':24} % of a call  allowed   µs a call, least   the denoiser, least, ms")
    for name, each in found.items():
        share = statistics.median(beyond / own for beyond, own in each) * 100
        part = PARTS[name]
        allowed = SHARES.get(part.noise, 3.0) if isinstance(part, SamplerPart) else 3.0
        least, own = min(beyond for beyond, _ in each), min(own for _, own in each)
        print(f"{name:24} {share:9.2f} % {allowed:6.0f} % {least * 1e6:16.0f} {own * 1e3:22.2f}")


if __name__ == "__main__":
    main()
