"""How long each method takes to explain 1,000 rows of a table with its defaults: command to result, on runs of the default network.

    python -m benchmarks.explain [--tables DIR] [--rows 1000] [--repeats 3]

The tables are titanic and diamonds of DIR, or scikit-learn's breast cancer (569 rows, each twice) where none is named.
The network is trained for 60 steps only: what it has learnt does not change how long it takes, but for the points that integrated gradients
doubles. Times are of the wall and of the processor (this process), the least of the repeats; the model is open and the rows are read and
encoded anew each time.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trainwright.api.predictors.kinds import load_predictor
from trainwright.api.train import train
from trainwright.domains.predictor import Predictor
from trainwright.explain.run import method_options
from trainwright.explain.study import Asked

METHODS = ("integrated_gradients", "occlusion", "shapley", "permutation", "partial_dependence")
TARGETS = {"titanic": "survived", "diamonds": "price"}
MOST = 10
"""Columns for exact Shapley values: the first ones where there are more."""


def tables(folder: str) -> Iterator[tuple[str, Path, str]]:
    """Name, file and target of each table."""
    if folder:
        yield from ((name, Path(folder) / f"{name}.csv", target) for name, target in TARGETS.items())
        return
    import pandas as pd
    from sklearn.datasets import load_breast_cancer

    frame = load_breast_cancer(as_frame=True).frame
    path = Path(tempfile.mkdtemp()) / "breast_cancer.csv"
    pd.concat([frame, frame], ignore_index=True).to_csv(path, index=False)
    yield "breast_cancer", path, "target"


def trained(path: Path, target: str, combiner: str, folder: Path) -> Predictor:
    """A run of 60 steps."""
    quiet = {"baselines": [], "importance": False, "intervals": False, "report": False}
    given: dict[str, Any] = {"model": {"combiner": combiner}, "trainer": {"max_steps": 60, "progress": "none"}, "evaluation": quiet}
    train(str(path), target=target, run_dir=folder, **given)
    return load_predictor(folder)


def measure(predictor: Predictor, path: Path, method: str, rows: int, repeats: int) -> tuple[float, float, int]:
    """The least seconds of the wall and of the processor, and how many rows there were."""
    names = [each.name for each in predictor.inputs]
    columns = names[:MOST] if method == "shapley" and len(names) > MOST else []
    best, processor, seen = float("inf"), float("inf"), 0
    for _ in range(repeats):
        wall, busy = time.perf_counter(), time.process_time()
        found = predictor.explain(Asked(method_options(method, {}), columns=columns, rows=rows), str(path))
        best, processor, seen = min(best, time.perf_counter() - wall), min(processor, time.process_time() - busy), found.n
    return best, processor, seen


def main() -> None:
    """Print seconds by table and method."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", default="")
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args(sys.argv[1:])
    print(f"{'table':<16}{'method':<24}{'rows':>6}{'wall s':>9}{'cpu s':>9}")
    with tempfile.TemporaryDirectory() as folder:
        for name, path, target in tables(asked.tables):
            for combiner, methods in (("auto", METHODS), ("transformer", ("attention_rollout",))):
                predictor = trained(path, target, combiner, Path(folder) / f"{name}-{combiner}")
                for method in methods:
                    wall, busy, seen = measure(predictor, path, method, asked.rows, asked.repeats)
                    print(f"{name:<16}{method:<24}{seen:>6}{wall:>9.2f}{busy:>9.2f}", flush=True)


if __name__ == "__main__":
    main()
