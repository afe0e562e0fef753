"""The default network beside gradient boosting on twenty tables: paired seeds, and the verdict of each run on its own test rows."""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import trainwright as tw
from benchmarks.made_tables import MADE, write_made
from benchmarks.quality import BUILTIN, FILES


def tables(folder: str, made: Path) -> list[tuple[str, str, str]]:
    """Name, source and target of every table: those that come along, the files found in `folder`, and those that are made."""
    known = [(each.name, each.name, each.target) for each in BUILTIN]
    found = [each for each in FILES if folder and (Path(folder) / each.name).is_file()]
    known += [(each.name, str(Path(folder).resolve() / each.name), each.target) for each in found]
    return known + [(f"made {name}", str(write_made(name, made)), "y") for name in MADE]


def verdict_of(source: str, target: str, seed: int, folder: Path) -> dict[str, Any]:
    """The verdict of one run beside boosting alone."""
    options = {"trainer": {"progress": "none"}, "evaluation": {"report": False, "importance": False, "baselines": ["boosting"]}}
    place = {"dir": str(folder / f"{Path(source).stem.replace(':', '-')}-{seed}"), "seed": seed}
    run = tw.train(source, **({"target": target} if target else {}), **options, run=place)
    found: dict[str, Any] = next(iter(run.results["verdict"].values()))
    return found


def main(folder: str = "", seeds: int = 3, first: int = 20) -> None:
    """Print a line per table, and how often the network is ahead, level and behind beyond the interval."""
    print(f"{'table':<26}{'score':<20}{'network':>9}{'boosting':>9}{'difference':>11}  of each seed", flush=True)
    gaps, standings = [], Counter[str]()
    with tempfile.TemporaryDirectory() as place:
        for name, source, target in tables(folder, Path(place)):
            found = [verdict_of(source, target, seed, Path(place)) for seed in range(first, first + seeds)]
            network, boosting = (statistics.mean(each[key] for each in found) for key in ("network", "best_baseline"))
            gaps.append(network - boosting)
            standings.update(each["standing"] for each in found)
            told = ", ".join(each["standing"] for each in found)
            print(f"{name:<26}{found[0]['metric']:<20}{network:>9.4f}{boosting:>9.4f}{gaps[-1]:>+11.4f}  {told}", flush=True)
    print(f"network − boosting: mean {statistics.mean(gaps):+.4f}, median {statistics.median(gaps):+.4f} over {len(gaps)} tables")
    print(f"tables on which the mean is higher: {sum(each > 0 for each in gaps)}; runs: {dict(standings)}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
