"""Eight Gaussians on a circle, trained by `system=diffusion` as it is; 2,000 samples are compared with 2,000 new points.

    python -m benchmarks diffusion_gaussians [--seeds 1] [--steps 1000]

Prints the unbiased MMD² under a Gaussian kernel of the median distance, beside that of two sets of real points (the mean of its size over
20 pairs, as it is around 0 by itself), and the least and largest share of points that are nearest to one of the eight.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

import trainwright as tw
from trainwright.metrics.kernels import median_distance, squared_distances, unbiased_mmd

POINTS, SAMPLES, RADIUS, SPREAD = 10_000, 2_000, 2.0, 0.1
ANGLES = np.arange(8) * np.pi / 4
CENTRES = RADIUS * np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)


def draw_points(n: int, seed: int) -> np.ndarray:
    """Points (n, 2), each of one of the eight."""
    draw = np.random.default_rng(seed)
    return CENTRES[draw.integers(0, 8, n)] + SPREAD * draw.normal(size=(n, 2))


def discrepancy(one: np.ndarray, other: np.ndarray, width: float) -> float:
    """Unbiased MMD² of two sets of points."""
    return unbiased_mmd(torch.tensor(one), torch.tensor(other), lambda x, y: torch.exp(-squared_distances(x, y) / (2 * width**2)))


def sample_run(seed: int, steps: int | None, folder: Path) -> tuple[np.ndarray, float]:
    """Samples of a new run (n, 2), and the processor seconds of its training."""
    points = draw_points(POINTS, seed + 1)
    options = {"run": {"dir": str(folder), "seed": seed}, "trainer": {} if steps is None else {"max_steps": steps}}
    began = time.process_time()
    run = tw.train(pa.table({"x": points[:, 0], "y": points[:, 1]}), system={"type": "diffusion", "of": ["x", "y"]}, **options)
    return run.sample(SAMPLES, seed=seed, batch_size=SAMPLES).double().numpy(), time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--steps", type=int, help="steps of training, in place of the default of the system")
    arguments = parser.parse_args()
    real = draw_points(SAMPLES, 1000)
    width = median_distance(torch.tensor(real))
    floor = float(np.mean([abs(discrepancy(draw_points(SAMPLES, 2000 + n), draw_points(SAMPLES, 3000 + n), width)) for n in range(20)]))
    for seed in range(arguments.seeds):
        with tempfile.TemporaryDirectory() as folder:
            made, seconds = sample_run(seed, arguments.steps, Path(folder) / "run")
        found = discrepancy(made, real, width)
        nearest = np.sqrt(((made[:, None] - CENTRES[None]) ** 2).sum(-1))
        shares = np.bincount(nearest.argmin(1), minlength=8) / len(made)
        print(
            f"seed {seed}: {seconds:.0f} s of processor time, MMD² {found:.2e} (real against real {floor:.2e}, at most three times), ",
            end="",
        )
        print(f"  modes {shares.min():.1%} to {shares.max():.1%} (8 to 17), {(nearest.min(1) < 3 * SPREAD).mean():.1%} within 3 deviations")


if __name__ == "__main__":
    main()
