"""What a training step costs beside loops written by hand: Digits-like rows, 64 → 128 → 10, batch 64, one epoch at a time in turn.

    python benchmarks/step_overhead.py [--rounds 60] [--threads 1]

Prints the median over rounds of the ratio of neighbouring epochs, by wall time and by processor time. The loops take turns within a
round, so whatever else the machine does falls on all of them.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from trainwright.data.rows import TensorRows
from trainwright.engine.config import TrainerConfig
from trainwright.engine.interrupt import Interrupts
from trainwright.engine.loop import train_epoch
from trainwright.engine.trainer import Trainer
from trainwright.features.spec import DataSpec, InputGroup, TargetSpec
from trainwright.systems.base import build_system
from trainwright.systems.config import SupervisedConfig
from trainwright.systems.plain import PlainSystem
from trainwright.systems.supervised import SupervisedSystem

ROWS, BATCH = 1797, 64
EPOCHS_PER_TURN = 1


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))


def best_loop(x: Tensor, y: Tensor) -> Callable[[], None]:
    """Rows in memory, index-select, fused AdamW; nothing is logged."""
    net = model()
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, fused=True)

    def epoch() -> None:
        order = torch.randperm(ROWS)
        for start in range(0, ROWS, BATCH):
            rows = order[start : start + BATCH]
            functional.cross_entropy(net(x.index_select(0, rows)), y.index_select(0, rows)).backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    return epoch


def usual_loop(x: Tensor, y: Tensor) -> Callable[[], None]:
    """DataLoader and AdamW as in the tutorials; nothing is logged."""
    net = model()
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
    loader = DataLoader(TensorDataset(x, y), batch_size=BATCH, shuffle=True)

    def epoch() -> None:
        for inputs, target in loader:
            optimizer.zero_grad()
            functional.cross_entropy(net(inputs), target).backward()
            optimizer.step()

    return epoch


def plain(x: Tensor, y: Tensor) -> tuple[Any, TensorRows]:
    """The network as `tw.fit` trains it."""
    return PlainSystem(model(), ["input"], "cross_entropy", None), TensorRows({"input": x, "target": y})


def supervised(x: Tensor, y: Tensor) -> tuple[Any, TensorRows]:
    """The same network as encoder, combiner and decoder of one vector column."""
    config = {"combiner": {"type": "concat", "depth": 1, "width": 128}, "encoders": {"vector": "passthrough"}}
    system = SupervisedSystem(SupervisedConfig.model_validate(config))
    inputs = [InputGroup("pixels", "vector", ["pixels"], None, {"value": (1, 64)})]
    build_system(system, DataSpec(inputs, [TargetSpec("digit", "category", 10, [str(digit) for digit in range(10)])], ROWS))
    return system, TensorRows({"pixels.value": x.unsqueeze(1).contiguous(), "target.digit": y})


def our_loop(system: Any, rows: TensorRows, folder: Path, batch: int = BATCH) -> Callable[[], None]:
    """The loop of the trainer as it is: seeded steps, running loss and metrics, a logged row every 50 steps, metrics.csv."""
    config = TrainerConfig.model_validate({"batch_size": batch, "max_epochs": 10**6, "trackers": ["csv"], "optimizer": {"type": "adamw"}})
    session = Trainer(config, console=False).opening.session(system, rows, None, folder, Interrupts())
    session.parts.saver.store.prepare()
    session.plan_next_boundary()
    clock = session.clock.timing.phase("train")
    clock.__enter__()
    return lambda: train_epoch(session)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    generator = torch.Generator().manual_seed(0)
    x, y = torch.rand(ROWS, 64, generator=generator), torch.randint(0, 10, (ROWS,), generator=generator)
    with tempfile.TemporaryDirectory() as folder:
        loops = {"best": best_loop(x, y), "usual": usual_loop(x, y)}
        for name, made in (("tw.fit", plain(x, y)), ("supervised", supervised(x, y))):
            place = Path(folder) / name
            place.mkdir()
            loops[name] = our_loop(*made, place)
        for loop in loops.values():
            loop()
        wall: dict[str, list[float]] = {name: [] for name in loops}
        cpu: dict[str, list[float]] = {name: [] for name in loops}
        for number in range(arguments.rounds):
            names = list(loops)
            for name in names[number % 4 :] + names[: number % 4]:
                before, cpu_before = time.perf_counter(), time.process_time()
                for _ in range(EPOCHS_PER_TURN):
                    loops[name]()
                wall[name].append(time.perf_counter() - before)
                cpu[name].append(time.process_time() - cpu_before)
    steps = EPOCHS_PER_TURN * -(-ROWS // BATCH)
    print(f"torch {torch.__version__}, {arguments.threads} thread(s), {arguments.rounds} rounds of {steps} steps")
    for name in loops:
        print(f"  {name:10} {statistics.median(wall[name]) / steps * 1e6:7.1f} µs per step (fastest {min(wall[name]) / steps * 1e6:.1f})")
    for ours in ("tw.fit", "supervised"):
        for other, bar in (("best", 1.25), ("usual", 1.0)):
            by_wall = statistics.median(a / b for a, b in zip(wall[ours], wall[other], strict=True))
            by_cpu = statistics.median(a / b for a, b in zip(cpu[ours], cpu[other], strict=True))
            print(f"  {ours:10} / {other:5}  wall {by_wall:.3f}   processor {by_cpu:.3f}   (bar {bar})")


if __name__ == "__main__":
    main()
