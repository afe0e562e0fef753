"""A training step of the default network of pictures beside a loop written by hand with the same network, in turn, on one thread.

    python -m benchmarks.images_step [--rounds 12] [--side 64]

Pictures lie in memory, normalised, in both. Prints the median over rounds of the ratio of neighbouring epochs of eight steps, by wall time
and by processor time.
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
from torch.nn import functional

from benchmarks.step_overhead import our_loop
from trainwright.data.rows import TensorRows
from trainwright.domains.images.models.auto import for_images
from trainwright.features.spec import DataSpec, InputGroup, TargetSpec
from trainwright.systems.base import build_system
from trainwright.systems.config import SupervisedConfig
from trainwright.systems.parts import make_encoder
from trainwright.systems.supervised import SupervisedSystem, resolve_options

ROWS, BATCH = 512, 64
CLASSES = 10


def make_spec(side: int) -> DataSpec:
    """One column of pictures, ten classes."""
    inputs = [InputGroup("photo", "image", ["photo"], None, {"value": (1, 3, side, side)})]
    return DataSpec(inputs, [TargetSpec("y", "category", CLASSES, [str(each) for each in range(CLASSES)])], ROWS)


def by_hand(x: Tensor, y: Tensor, spec: DataSpec) -> Callable[[], None]:
    """The network and a linear layer, index-select and fused AdamW; nothing is logged."""
    torch.manual_seed(0)
    encoder = make_encoder(for_images(spec.inputs[0], "auto", ROWS), spec.inputs[0])
    head = torch.nn.Linear(int(encoder.width), CLASSES)  # type: ignore[arg-type]
    optimizer = torch.optim.AdamW([*encoder.parameters(), *head.parameters()], lr=1e-3, fused=True)

    def epoch() -> None:
        order = torch.randperm(ROWS)
        for start in range(0, ROWS, BATCH):
            rows = order[start : start + BATCH]
            logits = head(encoder({"value": x.index_select(0, rows)}).flatten(1))
            functional.cross_entropy(logits, y.index_select(0, rows)).backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    return epoch


def supervised(x: Tensor, y: Tensor, spec: DataSpec, folder: Path) -> Callable[[], None]:
    """The same as a supervised run: seeded steps, running loss and metrics, a logged row every 50 steps."""
    system = SupervisedSystem(resolve_options(SupervisedConfig(), spec))
    build_system(system, spec)
    return our_loop(system, TensorRows({"photo.value": x, "target.y": y}), folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--side", type=int, default=64)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    spec = make_spec(arguments.side)
    x, y = torch.randn(ROWS, 1, 3, arguments.side, arguments.side), torch.randint(0, CLASSES, (ROWS,))
    with tempfile.TemporaryDirectory() as folder:
        loops = [supervised(x, y, spec, Path(folder)), by_hand(x, y, spec)]
        for loop in loops:
            loop()
        ratios: list[tuple[float, float]] = []
        for number in range(arguments.rounds):
            spent = {}
            for which in (0, 1) if number % 2 else (1, 0):
                wall, busy = time.perf_counter(), time.process_time()
                loops[which]()
                spent[which] = time.perf_counter() - wall, time.process_time() - busy
            ratios.append((spent[0][0] / spent[1][0], spent[0][1] / spent[1][1]))
    wall, busy = (statistics.median(each) for each in zip(*ratios, strict=True))
    print(
        f"torch {torch.__version__}, 1 thread, {arguments.rounds} rounds of {ROWS // BATCH} steps of {BATCH} pictures of {arguments.side}²"
    )
    print(f"  a step of ours / by hand: wall {wall:.3f}, processor {busy:.3f} (bar 1.05)")


if __name__ == "__main__":
    main()
