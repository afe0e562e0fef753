"""What noise by key and Brownian paths cost, in µs of one thread, beside `torch.randn`, and torchsde's tree where it is installed.

    python -m benchmarks.brownian_noise

Each number is the best of many: what a call takes when nothing else runs, as far as the machine had such a moment.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise

import torch

from trainwright.diffusion import BrownianNoise, get_sigmas_karras, normal_by_key, row_keys

PICTURE = (3, 32, 32)
REPEATS = 60


def best_of(call: Callable[[], object], count: int = 500) -> float:
    """The shortest of `count` calls, in µs."""
    shortest = float("inf")
    for _ in range(count):
        began = time.perf_counter()
        call()
        shortest = min(shortest, time.perf_counter() - began)
    return shortest * 1e6


def per_step(make: Callable[[], Callable[[float, float], object]], steps: int) -> float:
    """The mean over the steps of a schedule of the shortest time of each, in µs."""
    sigmas = get_sigmas_karras(steps + 1, 0.002, 80.0, dtype=torch.float64)[:-1].tolist()
    shortest = [float("inf")] * steps
    for _ in range(REPEATS):
        noise = make()
        noise(80.1, 80.0)
        for step, pair in enumerate(pairwise(sigmas)):
            began = time.perf_counter()
            noise(*pair)
            shortest[step] = min(shortest[step], time.perf_counter() - began)
    return sum(shortest) / steps * 1e6


def trees() -> Callable[[], Callable[[float, float], object]] | None:
    """torchsde's tree as k-diffusion has it; None where it is not installed."""
    try:
        from torchsde import BrownianTree
    except ImportError:
        return None

    def make() -> Callable[[float, float], object]:
        tree = BrownianTree(0.002, torch.zeros(1, *PICTURE), 81.0, entropy=1)
        return lambda sigma, sigma_next: tree(sigma_next, sigma)

    return make


def our_path() -> BrownianNoise:
    """The noise of one sample."""
    return BrownianNoise(row_keys(1, "benchmark", rows=range(1)), PICTURE)


def main() -> None:
    torch.set_num_threads(1)
    one = torch.zeros(1)
    print(f"one operation on one number {best_of(lambda: one.add_(1)):8.1f}")
    for batch in (1, 16, 64):
        keys = row_keys(0, "benchmark", rows=range(batch))
        drawn = best_of(lambda batch=batch: torch.randn(batch, *PICTURE), 200)
        keyed = best_of(lambda keys=keys: normal_by_key(keys, PICTURE), 200)
        print(f"batch {batch:3}: torch.randn {drawn:8.1f}   normal_by_key {keyed:8.1f}")
    tree = trees()
    for steps in (20, 100):
        beside = f"   torchsde's tree {per_step(tree, steps):8.1f}" if tree else ""
        print(f"{steps:3} steps: Brownian path {per_step(our_path, steps):8.1f}{beside}")


if __name__ == "__main__":
    main()
