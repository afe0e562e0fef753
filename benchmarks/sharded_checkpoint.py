"""What a checkpoint of 1 GiB that two processes hold in parts costs training: the wait beside that of a blocking save.

    python -m benchmarks sharded_checkpoint [--rounds 5] [--mib 1024] [--strategy fsdp]

A multi-layer perceptron with AdamW under a strategy that deals weights and moments over two gloo processes, one thread each; together
they are so large. In every round: the time of a blocking save, then a save in the background and the steps until it is on disk. The
wait is that of the process that waited longest, and includes what the processes agree on before the first byte is written. Prints
medians over the rounds, and how busy the machine was with other things.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from torch import nn

from benchmarks.checkpoint import WIDTH, Bench
from trainwright.checkpoint.snapshot import size_of
from trainwright.data.rows import TensorRows
from trainwright.engine.config import TrainerConfig
from trainwright.engine.interrupt import Interrupts
from trainwright.engine.saving.contents import tensors_of
from trainwright.engine.session import Session
from trainwright.engine.trainer import Trainer
from trainwright.systems.plain import PlainSystem

RANKS, BATCH, BAR = 2, 16, 0.05


def session_of(world: Any, mib: int, strategy: str, folder: Path) -> Session:
    """A session of one of the processes, whose checkpoint has about so many MiB in all."""
    layers = max(round(mib * 2**20 / 12 / (WIDTH * WIDTH + WIDTH)), 1)
    torch.manual_seed(0)
    hidden = [module for _ in range(layers) for module in (nn.Linear(WIDTH, WIDTH), nn.ReLU())]
    system: Any = PlainSystem(nn.Sequential(*hidden, nn.Linear(WIDTH, 10)), ["input"], "cross_entropy", None)
    generator = torch.Generator().manual_seed(0)
    inputs, targets = torch.randn(BATCH, WIDTH, generator=generator), torch.randint(0, 10, (BATCH,), generator=generator)
    options = {"batch_size": BATCH, "max_epochs": 10**6, "log_every": "1000000 steps", "trackers": [], "strategy": strategy}
    trainer = Trainer(TrainerConfig.model_validate(options), device="cpu", console=False, world=world)
    rows = TensorRows({"input": inputs, "target": targets})
    session = trainer.opening.session(system, rows, None, folder, Interrupts(world=world))
    world.first(session.parts.saver.store.prepare)
    session.parts.saver.prepare(session)
    session.clock.next_boundary = 10**9
    return session


def measure(world: Any, folder: Path, mib: int, strategy: str, rounds: int) -> dict[str, Any]:
    """The rounds of one process."""
    session = session_of(world, mib, strategy, folder / "run")
    bench = Bench(session, session.train.take(torch.arange(BATCH // RANKS)))
    bench.batch = BATCH  # rows of the step over all processes
    session.parts.saver.begin(session)
    for _ in range(2):
        bench.step()
    session.parts.saver.wait()
    bench.blocking()
    found = []
    for _ in range(rounds):
        world.barrier()
        found.append({**bench.blocking(), **background(bench, world)})
    session.parts.saver.close()
    return {"rounds": found, "bytes": size_of(tensors_of(session))}


def background(bench: Bench, world: Any) -> dict[str, float]:
    """The wait for a save in the background, and the steps until it is on disk for all."""
    saver, before = bench.session.parts.saver, [bench.step() for _ in range(2)]
    world.barrier()
    stalled = bench.stalled
    assert saver.save(bench.session)
    bench.step()
    stalled, during = bench.stalled - stalled, []
    while world.any(saver.busy):
        during.append(bench.step())
    saver.wait()
    usual = statistics.median(before)
    return {"stall": stalled, "before": usual, "during": statistics.median(during) if during else usual, "steps": float(len(during))}


def main() -> None:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "parallel"))
    from forked_ranks import on_ranks

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--strategy", default="fsdp")
    given = parser.parse_args()

    def work(world: Any, folder: Path) -> dict[str, Any]:
        return measure(world, folder, given.mib, given.strategy, given.rounds)

    with tempfile.TemporaryDirectory() as folder:
        found = on_ranks(Path(folder) / "ranks", work, RANKS, limit=1800)
    both = list(zip(*(each["rounds"] for each in found), strict=True))
    worst = [{name: max(each[name] for each in ranks) for name in ranks[0]} for ranks in both]
    middle = {name: statistics.median(each[name] for each in worst) for name in worst[0]}
    wait = statistics.median(each["stall"] / each["blocking"] for each in worst)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    size = sum(each["bytes"] for each in found)
    print(f"torch {torch.__version__}, {RANKS} gloo processes, 1 thread each, {given.strategy}, {size / 2**30:.2f} GiB in parts")
    print(f"{given.rounds} rounds, load at the end {load:.1f} on {os.cpu_count()} cores")
    print(f"  blocking save                {middle['blocking']:.2f} s")
    print(f"  training waits               {middle['stall'] * 1e3:.0f} ms")
    print(f"  step before, while written   {middle['before'] * 1e3:.0f} ms, {middle['during'] * 1e3:.0f} ms ({middle['steps']:.0f} steps)")
    print(f"  wait / blocking save         {wait:.4f}   (bar {BAR})")


if __name__ == "__main__":
    main()
