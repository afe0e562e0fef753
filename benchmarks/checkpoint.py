"""What a checkpoint of 1 GiB costs training: the wait beside that of a blocking save, and the step time while it is written.

    python benchmarks/checkpoint.py [--rounds 5] [--threads N] [--mib 1024] [--batch 64] [--folder DIR] [--scheduler nice|idle]

A multi-layer perceptron with AdamW, whose weights and moments are so large together. In every round, from one process: the time of a
blocking save, steps without a save, then a save in the background and the steps until it is on disk. Prints medians over the rounds,
and how busy the machine was with other things, since the writer gets only what training and those leave.

Beside them stand the floors. Wait: the state copied once by as many threads, with nothing else going on; no copy that is whole before the
step can be faster, unless it overlaps with the gradient. Time lost in all: the processor time of a save, which somebody has to spend; on
cores that training uses fully it comes out of training. `--scheduler idle` gives the writer Linux's SCHED_IDLE in place of niceness 10.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line does: threads that spin leave the writer no core

import torch
from torch import Tensor, nn

from trainwright.checkpoint import background
from trainwright.checkpoint.snapshot import Snapshot, SnapshotMemory, keys_of, size_of
from trainwright.data.rows import TensorRows
from trainwright.engine.config import TrainerConfig
from trainwright.engine.interrupt import Interrupts
from trainwright.engine.loop import train_step
from trainwright.engine.saving.contents import tensors_of
from trainwright.engine.session import Session
from trainwright.engine.trainer import Trainer
from trainwright.systems.plain import PlainSystem

WIDTH = 2048
STEPS_BEFORE = 8


def session_of(mib: int, batch: int, folder: Path) -> Session:
    """A session whose checkpoint has about so many MiB, its optimizer's state made."""
    layers = max(round(mib * 2**20 / 12 / (WIDTH * WIDTH + WIDTH)), 1)
    torch.manual_seed(0)
    hidden = [module for _ in range(layers) for module in (nn.Linear(WIDTH, WIDTH), nn.ReLU())]
    system: Any = PlainSystem(nn.Sequential(*hidden, nn.Linear(WIDTH, 10)), ["input"], "cross_entropy", None)
    rows = TensorRows({"input": torch.randn(batch, WIDTH), "target": torch.randint(0, 10, (batch,))})
    config = TrainerConfig.model_validate({"batch_size": batch, "max_epochs": 10**6, "log_every": "1000000 steps", "trackers": []})
    session = Trainer(config, device="cpu", console=False).opening.session(system, rows, None, folder, Interrupts())
    session.parts.saver.store.prepare()
    session.clock.next_boundary = 10**9
    return session


def become_idle() -> None:
    """Let the calling thread run when no other wants to."""
    os.sched_setscheduler(threading.get_native_id(), os.SCHED_IDLE, os.sched_param(0))


class Bench:
    """One session, stepped and saved."""

    def __init__(self, session: Session, rows: dict[str, Tensor]) -> None:
        self.session, self.rows, self.batch = session, rows, len(rows["target"])
        self.memory = SnapshotMemory()

    @property
    def stalled(self) -> float:
        """Seconds that training has waited for checkpoints."""
        return self.session.clock.timing.read()["checkpoint"]

    def step(self) -> float:
        """Seconds of a step."""
        begun = time.perf_counter()
        train_step(self.session, self.rows, 0, rows=self.batch)
        self.session.position.batches_seen = self.session.step
        return time.perf_counter() - begun

    def blocking(self) -> dict[str, float]:
        """Seconds of a save that training waits for, and of processor time in it."""
        os.sync()
        begun, worked = time.perf_counter(), time.process_time()
        assert self.session.parts.saver.save(self.session, wait=True)
        return {"blocking": time.perf_counter() - begun, "processor": time.process_time() - worked}

    def copying(self, threads: int) -> float:
        """Seconds that so many threads take to copy the state into memory that was touched before."""
        files = tensors_of(self.session)
        self.memory.reserve(size_of(files))
        snapshot = Snapshot(files, self.memory, keys_of(tensor for each in files.values() for tensor in each.values()))
        helpers = [threading.Thread(target=snapshot.copy) for _ in range(threads - 1)]
        begun = time.perf_counter()
        for each in helpers:
            each.start()
        snapshot.hold_changes()
        for each in helpers:
            each.join()
        return time.perf_counter() - begun

    def background(self) -> dict[str, float]:
        """The wait for a save in the background, and the steps meanwhile, beside those before."""
        os.sync()
        saver = self.session.parts.saver
        before = [self.step() for _ in range(STEPS_BEFORE)]
        stalled, begun = self.stalled, time.perf_counter()
        assert saver.save(self.session)
        first = time.perf_counter() - begun + self.step()
        stalled = self.stalled - stalled
        during = []
        while saver.busy:
            during.append(self.step())
        saver.wait()
        usual = statistics.median(before)
        steps = during[:-1] or during  # the last one saw the end of it
        return {
            "stall": stalled,
            "first": first - usual,
            "before": usual,
            "during": statistics.median(steps) if steps else usual,
            "extra": first + sum(during) - usual * (1 + len(during)),
            "steps": float(len(during)),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--folder", default=None)
    parser.add_argument("--scheduler", choices=["nice", "idle"], default="nice")
    arguments = parser.parse_args()
    if arguments.scheduler == "idle":
        background.yield_to_others = become_idle
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        session = session_of(arguments.mib, arguments.batch, Path(folder))
        bench = Bench(session, session.train.take(torch.arange(arguments.batch)))
        session.parts.saver.begin(session)
        for _ in range(3):
            bench.step()
        session.parts.saver.wait()
        bench.blocking()
        bench.copying(arguments.threads)
        rounds = [{**bench.blocking(), "copy": bench.copying(arguments.threads), **bench.background()} for _ in range(arguments.rounds)]
        session.parts.saver.close()
        size = size_of(tensors_of(session))
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print(f"torch {torch.__version__}, {arguments.threads} of {os.cpu_count()} cores for training, {size / 2**30:.2f} GiB")
    print(f"{arguments.rounds} rounds, load at the end {load:.1f}")
    middle = {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}
    print(f"  blocking save                        {middle['blocking']:.2f} s")
    print(f"  training waits for the copy          {middle['stall'] * 1e3:.0f} ms")
    print(f"  step before                          {middle['before'] * 1e3:.0f} ms")
    print(f"  step while it is written             {middle['during'] * 1e3:.0f} ms ({middle['steps']:.0f} steps)")
    wait = statistics.median(each["stall"] / each["blocking"] for each in rounds)
    first = statistics.median(each["first"] / each["blocking"] for each in rounds)
    step = statistics.median(each["during"] / each["before"] for each in rounds)
    extra = statistics.median(each["extra"] / each["blocking"] for each in rounds)
    copy = statistics.median(each["copy"] / each["blocking"] for each in rounds)
    processor = statistics.median(each["processor"] / each["blocking"] for each in rounds)
    print(f"  wait / blocking save                 {wait:.4f}   (bar 0.05)")
    print(f"  floor: the copy alone / blocking save                   {copy:.4f}")
    print(f"  lengthening of the step with the copy / blocking save   {first:.4f}")
    print(f"  step while written / before          {step:.3f}   (bar 1.10)")
    print(f"  all time lost / blocking save        {extra:.3f}")
    print(f"  floor: processor time of a save, over the cores / blocking save   {processor / arguments.threads:.3f}")


if __name__ == "__main__":
    main()
