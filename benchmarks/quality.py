"""What a run with no configuration reaches on real tables: mean test score over seeds, beside the baselines on the same rows."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Table:
    """A table, what is predicted, the score, and the least it should be."""

    name: str
    target: str
    metric: str
    bar: float | None = None
    settings: tuple[str, ...] = field(default=())


BUILTIN = (
    Table("builtin:breast_cancer", "", "accuracy", 0.96),
    Table("builtin:digits", "", "accuracy", 0.97),
    Table("builtin:iris", "", "accuracy"),
    Table("builtin:wine", "", "accuracy"),
    Table("builtin:diabetes", "", "r2"),
)
FILES = (
    Table("titanic.csv", "survived", "accuracy", 0.80),
    Table("penguins.csv", "species", "accuracy", 0.98),
    Table("mpg.csv", "mpg", "r2"),
    Table("abalone.csv", "column_9", "r2"),
    Table("winequality-red.csv", "column_12", "accuracy"),
    Table("sonar.csv", "column_61", "accuracy"),
    Table("diamonds.csv", "price", "r2", 0.975),
)


def score(table: Table, source: str, seed: int, folder: Path) -> dict[str, float]:
    """Test score of the network and of each baseline, and the seconds of the whole process."""
    run = folder / f"run-{seed}"
    command = [
        sys.executable,
        "-m",
        "trainwright.cli.main",
        "train",
        source,
        f"run.dir={run}",
        f"run.seed={seed}",
        "evaluation.report=false",
    ]
    command += ["evaluation.importance=false", *(["--target", table.target] if table.target else []), *table.settings]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    results = json.loads((run / "results.json").read_text())
    target = next(name for name in results["metrics"]["test"] if name != "loss")
    found = {"network": results["metrics"]["test"][target][table.metric], "seconds": time.perf_counter() - start}
    return found | {name: each["test"][target][table.metric] for name, each in results["baselines"].items() if each.get("test")}


def main(tables: str = "", seeds: int = 5) -> None:
    """Print a line per table and the mean difference to gradient boosting."""
    wanted = [(table, table.name) for table in BUILTIN]
    wanted += [(table, str(Path(tables).resolve() / table.name)) for table in FILES if tables and (Path(tables) / table.name).is_file()]
    print(f"{'table':<24}{'score':<10}{'network':>9}{'linear':>9}{'boosting':>9}{'bar':>8}{'seconds':>9}")
    gaps = []
    for table, source in wanted:
        with tempfile.TemporaryDirectory() as folder:
            found = [score(table, source, seed, Path(folder)) for seed in range(seeds)]
        mean = {name: statistics.mean(each[name] for each in found) for name in found[0]}
        gaps.append(mean["network"] - mean.get("boosting", float("nan")))
        bar = f"{table.bar:.3f}" if table.bar else "–"
        print(
            f"{table.name:<24}{table.metric:<10}{mean['network']:>9.4f}{mean.get('linear', float('nan')):>9.4f}"
            f"{mean.get('boosting', float('nan')):>9.4f}{bar:>8}{mean['seconds']:>9.1f}",
            flush=True,
        )
    print(f"network − boosting, mean over tables: {statistics.mean(gaps):+.4f}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
