"""What everything the engine does beside the step costs: logging, progress, checkpoints, averages, metrics, long runs.

    python -m benchmarks.engine [--rounds 40] [--threads 1] [--steps 100000]

Ratios of neighbouring turns in one run, against loops written by hand that do nothing beside training (and the average, where ours has
one). A turn is some epochs of Digits-like rows, 64 → 128 → 10, batch 64; the long step is a network of about 10 ms per step.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.step_overhead import BATCH, ROWS, model
from trainwright.data.rows import TensorRows
from trainwright.engine.callbacks import Callback
from trainwright.engine.config import TrainerConfig
from trainwright.engine.interrupt import Interrupts
from trainwright.engine.loop import train_epoch
from trainwright.engine.trainer import Trainer
from trainwright.systems.plain import PlainSystem

LONG_ROWS, LONG_BATCH, LONG_WIDTH = 16384, 256, 768
METRICS = 20


def best_loop(net: nn.Module, x: Tensor, y: Tensor, batch: int, decay: float | None = None) -> Callable[[], None]:
    """The best loop by hand: rows in memory, index-select, fused AdamW, an average by one foreach call; nothing is logged."""
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, fused=True)
    params = [each.detach() for each in net.parameters()]
    shadow = [each.clone() for each in params]

    def epoch() -> None:
        order = torch.randperm(len(x))
        for start in range(0, len(x), batch):
            rows = order[start : start + batch]
            functional.cross_entropy(net(x.index_select(0, rows)), y.index_select(0, rows)).backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            if decay is not None:
                torch._foreach_lerp_(shadow, params, 1 - decay)

    return epoch


class Metrics(Callback):
    """Logs many values of every step."""

    def on_train_batch_end(self, session: Any, system: Any, batch: Any, index: int) -> None:
        for number in range(METRICS):
            session.log(f"metric/{number}", float(number + session.logs.running_loss.steps))


def our_loop(net: nn.Module, x: Tensor, y: Tensor, batch: int, folder: Path, callbacks: tuple[Callback, ...] = (), **more: Any) -> Any:
    """The trainer's own loop with a row every 50 steps in metrics.csv and TensorBoard, progress, and a checkpoint every 10 seconds."""
    folder.mkdir()
    options = {"batch_size": batch, "max_epochs": 10**6, "checkpoint": {"every": "10 s"}, **more}
    rows = TensorRows({"input": x, "target": y})
    console = (folder / "progress.txt").open("w")
    trainer = Trainer(TrainerConfig.model_validate(options), console=console, callbacks=callbacks)
    session = trainer.opening.session(PlainSystem(net, ["input"], "cross_entropy", None), rows, None, folder, Interrupts())
    session.parts.saver.store.prepare()
    session.parts.saver.begin(session)
    for tracker in session.parts.trackers:
        tracker.begin(0)
    for hook in session.parts.hooks.on_train_start:
        hook(session, session.system)
    session.plan_next_boundary()
    session.clock.timing.phase("train").__enter__()

    def epoch() -> None:
        train_epoch(session)

    epoch.session = session  # type: ignore[attr-defined]
    return epoch


def in_turn(loops: dict[str, Callable[[], None]], rounds: int, epochs: int) -> dict[str, list[float]]:
    """Seconds of every loop's turns; the order changes from round to round."""
    for loop in loops.values():
        loop()
    seconds: dict[str, list[float]] = {name: [] for name in loops}
    names = list(loops)
    for number in range(rounds):
        start = number % len(names)
        for name in names[start:] + names[:start]:
            before = time.perf_counter()
            for _ in range(epochs):
                loops[name]()
            seconds[name].append(time.perf_counter() - before)
    return seconds


def ratio(seconds: dict[str, list[float]], ours: str, other: str) -> float:
    """The median of the ratios of neighbouring turns."""
    return statistics.median(a / b for a, b in zip(seconds[ours], seconds[other], strict=True))


def small_steps(folder: Path, rounds: int) -> None:
    """A step of about 0.3 ms."""
    generator = torch.Generator().manual_seed(0)
    x, y = torch.rand(ROWS, 64, generator=generator), torch.randint(0, 10, (ROWS,), generator=generator)
    made = (x, y, BATCH)
    loops: dict[str, Callable[[], None]] = {
        "best": best_loop(model(), *made),
        "best with an average": best_loop(model(), *made, decay=0.999),
        "ours": our_loop(model(), *made, folder / "plain"),
        "ours with an average": our_loop(model(), *made, folder / "ema", ema=0.999),
        "ours with 20 metrics": our_loop(model(), *made, folder / "metrics", callbacks=(Metrics(),)),
    }
    seconds = in_turn(loops, rounds, 2)
    for name, values in seconds.items():
        print(f"  {name:22} {statistics.median(values) / (2 * -(-ROWS // BATCH)) * 1e6:7.1f} µs per step")
    for ours, other, bar in (
        ("ours", "best", "1.05"),
        ("ours with an average", "best", "1.15"),
        ("ours with an average", "best with an average", "–"),
        ("ours with 20 metrics", "best", "1.05"),
    ):
        print(f"  {ours:22} / {other:22} {ratio(seconds, ours, other):.3f}   (bar {bar})")


def long_steps(folder: Path, rounds: int) -> None:
    """A step of about 10 ms."""
    generator = torch.Generator().manual_seed(0)
    x, y = torch.rand(LONG_ROWS, 64, generator=generator), torch.randint(0, 10, (LONG_ROWS,), generator=generator)

    def net() -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(64, LONG_WIDTH), nn.ReLU(), nn.Linear(LONG_WIDTH, LONG_WIDTH), nn.ReLU(), nn.Linear(LONG_WIDTH, 10))

    loops = {"best": best_loop(net(), x, y, LONG_BATCH), "ours": our_loop(net(), x, y, LONG_BATCH, folder / "long")}
    seconds = in_turn(loops, rounds, 1)
    steps = LONG_ROWS // LONG_BATCH
    length = statistics.median(seconds["best"]) / steps * 1e3
    print(f"  a step of {length:.1f} ms: ours / best {ratio(seconds, 'ours', 'best'):.3f}   (bar 1.01)")


def flat(folder: Path, steps: int) -> None:
    """Time per step and memory along a long run."""
    generator = torch.Generator().manual_seed(0)
    x, y = torch.rand(ROWS, 64, generator=generator), torch.randint(0, 10, (ROWS,), generator=generator)
    epoch = our_loop(model(), x, y, BATCH, folder / "flat", trackers=["csv"])
    session = epoch.session
    marks = [each for each in (100, 1000, 10_000, 30_000, 100_000) if each <= steps]
    begun = (0, time.perf_counter())
    for mark in marks:
        while session.step < mark:
            epoch()
        now = (session.step, time.perf_counter())
        pages = int(Path("/proc/self/statm").read_text().split()[1]) if Path("/proc/self/statm").exists() else 0
        size = pages * resource.getpagesize() / 2**20
        print(f"  to step {session.step:7,}: {(now[1] - begun[1]) / (now[0] - begun[0]) * 1e6:6.1f} µs per step, {size:.0f} MiB")
        begun = now


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=100_000)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"torch {torch.__version__}, {arguments.threads} thread(s), {arguments.rounds} rounds")
    with tempfile.TemporaryDirectory() as place:
        small_steps(Path(place), arguments.rounds)
        long_steps(Path(place), max(arguments.rounds // 2, 5))
        flat(Path(place), arguments.steps)


if __name__ == "__main__":
    main()
