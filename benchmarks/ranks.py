"""What a step of two processes costs beside a loop written by hand with one flat all-reduce; two gloo processes, one thread each.

    python -m benchmarks ranks [--rounds 40]

Prints the median over rounds of the ratio of neighbouring epochs for several sizes of model, and the share of the exchange alone. Both
loops take the same half of every batch; they take turns within a round, so whatever else the machine does falls on both.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional

from trainwright.data.rows import TensorRows
from trainwright.engine.config import TrainerConfig
from trainwright.engine.interrupt import Interrupts
from trainwright.engine.loop import train_epoch
from trainwright.engine.trainer import Trainer
from trainwright.parallel.distributed import DistributedWorld
from trainwright.systems.plain import PlainSystem

ROWS, BATCH, RANKS, BAR = 3072, 64, 2, 1.10
WIDTHS = {"6 × Linear(64)": (64, 6), "4 × Linear(512)": (512, 4), "3 × Linear(1024)": (1024, 3)}


def model(width: int, depth: int) -> nn.Module:
    torch.manual_seed(0)
    layers = [layer for _ in range(depth) for layer in (nn.Linear(width, width), nn.ReLU())]
    return nn.Sequential(*layers, nn.Linear(width, 10))


def by_hand(net: nn.Module, x: Tensor, y: Tensor, rank: int) -> Callable[[], None]:
    """The rows of this process by index-select, one flat buffer, one all-reduce, fused AdamW; nothing is logged or agreed."""
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, fused=True)
    params = list(net.parameters())
    flat = torch.zeros(sum(each.numel() for each in params))
    views, start = [], 0
    for each in params:
        views.append(flat[start : start + each.numel()].view(each.shape))
        start += each.numel()
    half = BATCH // RANKS

    def epoch() -> None:
        order = torch.randperm(ROWS, generator=torch.Generator().manual_seed(0))
        for begin in range(0, ROWS, BATCH):
            rows = order[begin + rank * half : begin + (rank + 1) * half]
            loss = functional.cross_entropy(net(x.index_select(0, rows)), y.index_select(0, rows), reduction="sum") / BATCH
            loss.backward()
            torch._foreach_copy_(views, [each.grad for each in params])
            dist.all_reduce(flat)
            for each, view in zip(params, views, strict=True):
                each.grad = view
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    return epoch


def ours(net: nn.Module, x: Tensor, y: Tensor, world: DistributedWorld, folder: Path) -> Callable[[], None]:
    """The loop of the trainer as it is: agreement, seeded steps, running loss and metrics, a logged row every 50 steps."""
    config = TrainerConfig.model_validate({"batch_size": BATCH, "max_epochs": 10**6, "trackers": ["csv"]})
    folder.mkdir(exist_ok=True)
    rows = TensorRows({"input": x, "target": y})
    trainer = Trainer(config, device="cpu", console=False, world=world)
    session = trainer.opening.session(PlainSystem(net, ["input"], "cross_entropy", None), rows, None, folder, Interrupts(world=world))
    if world.is_main:
        session.parts.saver.store.prepare()
    session.plan_next_boundary()
    session.clock.timing.phase("train").__enter__()
    return lambda: train_epoch(session)


def exchange(size: int) -> Callable[[], None]:
    """The all-reduce of an epoch by itself."""
    flat = torch.zeros(size)
    return lambda: [dist.all_reduce(flat) for _ in range(ROWS // BATCH)] and None


def measure(world: DistributedWorld, folder: Path, rounds: int) -> list[str]:
    """A line for each size of model."""
    lines = []
    generator = torch.Generator().manual_seed(0)
    for name, (width, depth) in WIDTHS.items():
        x, y = torch.rand(ROWS, width, generator=generator), torch.randint(0, 10, (ROWS,), generator=generator)
        count = sum(each.numel() for each in model(width, depth).parameters())
        loops = {
            "hand": by_hand(model(width, depth), x, y, world.rank),
            "ours": ours(model(width, depth), x, y, world, folder / name),
            "exchange": exchange(count),
        }
        seconds: dict[str, list[float]] = {each: [] for each in loops}
        for number in range(rounds + 1):
            turn = list(loops)[number % 3 :] + list(loops)[: number % 3]
            for each in turn:
                world.barrier()
                before = time.perf_counter()
                loops[each]()
                world.barrier()
                if number:
                    seconds[each].append(time.perf_counter() - before)
        steps = ROWS // BATCH
        ratio = statistics.median(a / b for a, b in zip(seconds["ours"], seconds["hand"], strict=True))
        step = {each: statistics.median(found) / steps * 1e3 for each, found in seconds.items()}
        lines.append(
            f"  {name:18} {count:>9,} parameters: {step['ours']:6.2f} ms a step, by hand {step['hand']:6.2f}"
            f" (exchange alone {step['exchange']:.2f}): × {ratio:.3f}   (bar {BAR})"
        )
    return lines


def main() -> None:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "parallel"))
    from forked_ranks import on_ranks

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds

    def work(world: Any, folder: Path) -> list[str]:
        return measure(world, folder, rounds)

    with tempfile.TemporaryDirectory() as folder:
        found = on_ranks(Path(folder) / "ranks", work, RANKS, limit=1800)
    print(f"torch {torch.__version__}, {RANKS} gloo processes, 1 thread each, {rounds} rounds of {ROWS // BATCH} steps")
    print("\n".join(found[0]))


if __name__ == "__main__":
    main()
