"""A training step of `system=diffusion` beside an EDM loop written by hand with the same network, in turn, on one thread.

    python -m benchmarks diffusion_step [--rounds 12]

Rows lie in memory in both; both draw classes to drop, levels of noise and noise, and neither averages weights. Ours draws noise by row
(the same for any pieces and ranks), stratifies levels, counts and logs. Prints the median over rounds of the ratio of neighbouring epochs.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.step_overhead import our_loop
from trainwright.data.rows import TensorRows
from trainwright.domains.diffusion.layout import Layout, Piece
from trainwright.domains.diffusion.options import DiffusionOptions
from trainwright.domains.diffusion.system import DiffusionSystem
from trainwright.features.spec import InputGroup, TargetSpec
from trainwright.systems.base import build_system

CLASSES, DROPPED, SIGMA_DATA = 10, 0.1, 0.5
CASES = {
    "mlp, 64 numbers, 256 rows": ((1, 8, 8), 256, 4, {"type": "mlp"}),
    "unet of width 32, 16×16, 16 rows": ((1, 16, 16), 16, 2, {"type": "unet", "width": 32}),
}
"""Shape of a row, rows of a step, steps of a round, network."""


def make_system(shape: tuple[int, ...], model: dict[str, object]) -> DiffusionSystem:
    """The system as a run has it, for pictures of ten classes."""
    torch.manual_seed(0)
    group = InputGroup("image", "image", ["image"], None, {"value": (1, *shape)})
    label = TargetSpec("y", "category", CLASSES, [str(each) for each in range(CLASSES)])
    options = DiffusionOptions.model_validate({"model": model, "sigma_data": SIGMA_DATA, "condition_dropout": DROPPED})
    system = DiffusionSystem(options)
    build_system(system, Layout(Piece(group, (0,)), shape, label))  # type: ignore[arg-type]
    return system


def by_hand(x: Tensor, y: Tensor, batch: int, network: torch.nn.Module) -> Callable[[], None]:
    """Preconditioning, loss and density of Karras et al. (2022), index-select and fused AdamW; nothing is logged."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)

    def step(clean: Tensor, classes: Tensor) -> None:
        count = len(clean)
        sigma = (torch.randn(count) * 1.2 - 0.8).exp()
        wide = sigma.view(-1, 1, 1, 1)
        classes = torch.where(torch.rand(count) < DROPPED, CLASSES, classes)
        total = (wide**2 + SIGMA_DATA**2).sqrt()
        noised = clean + wide * torch.randn_like(clean)
        target = (clean - noised * (SIGMA_DATA / total) ** 2) * total / (wide * SIGMA_DATA)
        (network(noised / total, sigma, class_cond=classes) - target).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    def epoch() -> None:
        order = torch.randperm(len(x))
        for start in range(0, len(x), batch):
            rows = order[start : start + batch]
            step(x.index_select(0, rows), y.index_select(0, rows))

    return epoch


def compare(shape: tuple[int, ...], batch: int, steps: int, model: dict[str, object], rounds: int) -> tuple[float, float, float]:
    """Ratios by wall and by processor time, and the milliseconds of a step by hand."""
    x, y = torch.randn(batch * steps, *shape), torch.randint(0, CLASSES, (batch * steps,))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # a checkpoint may still be written
        rows = TensorRows({"image.value": x.unsqueeze(1), "target.y": y})
        ours = our_loop(make_system(shape, model), rows, Path(folder), batch)
        loops = [ours, by_hand(x, y, batch, make_system(shape, model).denoiser.inner_model)]
        for loop in loops:
            loop()
        ratios, alone = [], []
        for number in range(rounds):
            spent = {}
            for which in (0, 1) if number % 2 else (1, 0):
                wall, busy = time.perf_counter(), time.process_time()
                loops[which]()
                spent[which] = time.perf_counter() - wall, time.process_time() - busy
            ratios.append((spent[0][0] / spent[1][0], spent[0][1] / spent[1][1]))
            alone.append(spent[1][1] / steps * 1000)
    wall, busy = (statistics.median(each) for each in zip(*ratios, strict=True))
    return wall, busy, statistics.median(alone)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=12)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, 1 thread, {arguments.rounds} rounds; a step of ours / by hand (bar 1.02)")
    for name, (shape, batch, steps, model) in CASES.items():
        wall, busy, alone = compare(shape, batch, steps, model, arguments.rounds)
        print(f"  {name}: wall {wall:.3f}, processor {busy:.3f}, of {alone:.1f} ms")


if __name__ == "__main__":
    main()
