"""How long a group of 10 folds of iris takes on two processors, beside its runs one after another.

    python benchmarks/groups.py [--rounds 1] [--folds 10] [--jobs 2]

Each round trains the group with `trainwright sweep`, and then each of its configurations with `trainwright train`, one at a time, with as
many threads. The bar is 1.3 times half of the sum of these runs. Processor seconds stand beside wall-clock seconds: they tell what the
group costs where the machine has other work. That the weights are the same is looked at too.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

BAR = 1.3


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=2)
    chosen = parser.parse_args(arguments)
    ratios, costs = [], []
    for number in range(chosen.rounds):
        with tempfile.TemporaryDirectory() as temporary:
            group = Path(temporary) / "group"
            words = ["sweep", "builtin:iris", "--folds", str(chosen.folds), "--jobs", str(chosen.jobs), f"run.dir={group}"]
            together, cost = measure(words)
            alone = [measure(["train", str(each), f"run.dir={each.with_suffix('.alone')}"]) for each in sorted(group.glob("fold=*.yaml"))]
            same = all(weights(each.with_suffix("")) == weights(each.with_suffix(".alone")) for each in sorted(group.glob("fold=*.yaml")))
        total = sum(wall for wall, _ in alone)
        ratios.append(together / (total / chosen.jobs))
        costs.append(cost / sum(processor for _, processor in alone))
        lines = [
            f"round {number + 1}: group {together:.1f} s, its runs one by one {total:.1f} s: {ratios[-1]:.2f} of their sum / {chosen.jobs}",
            f"processor seconds {cost:.1f} and {sum(processor for _, processor in alone):.1f}: {costs[-1]:.2f}",
            f"weights {'the same' if same else 'DIFFER'}",
        ]
        print("; ".join(lines), flush=True)
    print(f"median: {statistics.median(ratios):.2f} of the sum / {chosen.jobs} (bar {BAR}); processor time {statistics.median(costs):.2f}")


def measure(words: Sequence[str]) -> tuple[float, float]:
    """Wall-clock and processor seconds of a command with its children."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    variables = {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    done = subprocess.run([sys.executable, "-m", "trainwright", *words], env=variables, capture_output=True, text=True)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def weights(run: Path) -> str:
    """The digest of the weights of a run."""
    return str(json.loads((run / "results.json").read_text())["weights_sha256"])


if __name__ == "__main__":
    main()
