"""What metrics cost: beside the forward pass of an evaluation, in memory, in a checkpoint, and at every training step.

    python benchmarks/metrics_cost.py [--rows 1000000]

Times are taken in turn within one process, so whatever else the machine does falls on both. Peaks of memory are those of whole processes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import nn

from trainwright.engine.running_metrics import RunningMetrics
from trainwright.metrics.asked import named_metrics
from trainwright.systems.plain import PlainSystem

BATCH = 4096
SETS = (["accuracy"], ["accuracy", "balanced_accuracy", "f1", "mcc"], ["accuracy", "f1", "log_loss", "ece"], ["roc_auc"])

PROGRAM = """
import json, resource, sys
from pathlib import Path
import torch
from torch import nn
from torch.nn import functional
torch.manual_seed(0)
torch.set_num_threads(1)
x, y = torch.randn(20_000, 64), torch.randint(0, 1000, (20_000,))
model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1000))
if sys.argv[1] == "bare":
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for _ in range(2):
        order = torch.randperm(len(x))
        for start in range(0, len(x), 256):
            rows = order[start : start + 256]
            functional.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
            optimizer.zero_grad()
        with torch.no_grad():
            for start in range(0, len(x), 256):
                functional.cross_entropy(model(x[start : start + 256]), y[start : start + 256])
else:
    import trainwright as tw
    run = Path(sys.argv[2])
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tw.fit(model, (x, y), (x, y), metrics=json.loads(sys.argv[3]), batch_size=256, max_epochs=2, run_dir=run, console=False,
           evaluation_batch_size=256, trackers=["csv"], checkpoint={"every": "30 steps", "keep_last": "all"})
    sizes = [sum(f.stat().st_size for f in folder.iterdir()) for folder in (run / "checkpoints").glob("step-*")]
    print(max(sizes) / (3 * 4 * sum(p.numel() for p in model.parameters())), file=sys.stderr)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""
"""One process: the loop by hand, or the same through the engine; prints its peak of resident memory in bytes."""


def timed(call: Callable[[], object]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def evaluation(rows: int) -> None:
    """The updates of metrics beside the forward pass that gives them their rows, batch by batch, each right after the other."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    inputs = [torch.randn(BATCH, 64) for _ in range(8)]
    targets = [torch.randint(0, 10, (BATCH,)) for _ in inputs]
    batches = max(rows // BATCH, 1)
    print(f"evaluation of {batches * BATCH:,} rows, 10 classes, network 64-64-64-10, batches of {BATCH}:")
    with torch.no_grad():
        outputs = [{"output": net(each), "target": target} for each, target in zip(inputs, targets, strict=True)]
        for names in SETS:
            metric = named_metrics(names, "category")
            pairs = [(timed(partial(net, inputs[n % 8])), timed(partial(metric.update, outputs[n % 8]))) for n in range(batches)]
            end = timed(metric.compute)
            ahead, after = (sum(each) for each in zip(*pairs, strict=True))
            ratio = statistics.median(b / a for a, b in pairs)
            words = f"updates {ratio:6.1%} of the forward pass (median), compute() {end:.3f} s, together {(after + end) / ahead:6.1%}"
            print(f"  {', '.join(names):42} {words}")


def memory() -> None:
    """Peaks of two processes, and the largest checkpoint beside weights and optimizer."""
    print("20,000 rows, 1,000 classes, batch 256, two epochs, validated on as many rows:")
    with tempfile.TemporaryDirectory() as folder:
        bare = int(subprocess.run([sys.executable, "-c", PROGRAM, "bare"], check=True, capture_output=True, text=True).stdout)
        print(f"  loop by hand {bare / 1e6:.0f} MB")
        for names in (["accuracy"], ["accuracy", "f1", "log_loss"], ["accuracy", "roc_auc"]):
            place = str(Path(folder) / "-".join(names))
            command = [sys.executable, "-c", PROGRAM, "ours", place, json.dumps(names)]
            found = subprocess.run(command, check=True, capture_output=True, text=True)
            peak, share = int(found.stdout), float(found.stderr.split()[-1])
            beside = f"checkpoint {share:.3f} × weights and optimizer"
            print(f"  {', '.join(names):24} {peak / 1e6:.0f} MB ({(peak - bare) / 1e6:+.0f} MB); {beside}")


def step() -> None:
    """What a training step pays to have its rows measured: taking in outputs of 64 rows and 10 classes, summing up included."""
    system = PlainSystem(nn.Linear(4, 10), ["input"])
    running = RunningMetrics(system)
    outputs = [{"output": torch.randn(64, 10), "target": torch.randint(0, 10, (64,))} for _ in range(64)]
    times = []
    for _ in range(60):
        start = time.perf_counter()
        for _ in range(16):
            for each in outputs:
                running.add(each)
        times.append((time.perf_counter() - start) / 1024)
    print(f"training metrics: {statistics.median(times) * 1e6:.1f} us a step of 64 rows and 10 classes")


def main() -> None:
    """All of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    arguments = parser.parse_args()
    step()
    evaluation(arguments.rows)
    memory()


if __name__ == "__main__":
    main()
