"""Arrays of a column of files that are kept once they were decoded: what is kept, and that a run is the same with it."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import trainwright as tw
from trainwright.config.choice import choose
from trainwright.data.cache import CachedData
from trainwright.data.cache.places import disk_root, memory_root, stores_in
from trainwright.data.sources.opening import from_object
from trainwright.features.encoding import EncodedTable
from trainwright.features.kept import count_still, keep_columns
from trainwright.features.table_rows import table_rows

ROWS = 60


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Samples of these tests lie in folders of their own, of which forked and begun processes know too."""
    monkeypatch.setenv("TRAINWRIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("trainwright.data.cache.samples.STILL", 0)
    yield


def write(folder: Path) -> Path:
    """A table of waves in files, two classes of them."""
    rng = np.random.default_rng(3)
    with (folder / "t.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["signal", "a", "y"])
        for row in range(ROWS):
            wave = np.sin(np.arange(64) * (0.5 if row % 2 else 0.3)) + rng.normal(size=64)
            np.save(folder / f"{row}.npy", wave.astype(np.float32))
            table.writerow([f"{row}.npy", f"{rng.normal():.4f}", "fast" if row % 2 else "slow"])
    return folder / "t.csv"


CHAIN = [{"center_crop": 60}, {"type": "torch.abs"}, {"random_crop": 48}, {"center_crop": 48}]


def chain(*given: Any) -> list[Any]:
    return list(choose("feature", {"type": "file", "transform": list(given)}).transform)


def test_what_is_kept_ends_where_something_is_drawn_or_applies_in_training_alone() -> None:
    assert count_still(chain(*CHAIN)) == 2
    assert count_still(chain({"center_crop": 8}, {"permute": [0]}, {"cast": "float32"})) == 3
    assert count_still(chain({"type": "torch.nn.functional.dropout", "p": 0.1}, {"center_crop": 8})) == 0
    assert count_still(chain({"type": "torch.abs", "applies_in": "train"})) == 0


def rows_of(table: Path, cache: str) -> Any:
    columns = {"signal": choose("feature", {"type": "file", "transform": CHAIN}), "y": choose("feature", "binary")}

    class Split:
        train, validation, test = np.arange(40), np.arange(40, ROWS), np.arange(0)

    caching = CachedData.model_validate({"type": "x", "cache": cache})
    found = EncodedTable.fit(from_object(str(table)), Split(), columns, ["signal"], ["y"])
    keep_columns(found.encoder.features, caching)
    return found


@pytest.mark.parametrize("cache", ["memory", "disk"])
def test_rows_are_bit_for_bit_those_that_are_read_each_time(tmp_path: Path, cache: str) -> None:
    table = write(tmp_path)
    without, kept = (table_rows(rows_of(table, each), np.arange(ROWS), training=True) for each in ("off", cache))
    for epoch in range(3):
        for rows in (without, kept):
            rows.begin_epoch(5, epoch)
        one, other = (rows.take(torch.arange(ROWS).flip(0)) for rows in (without, kept))
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_plain_arrays_are_read_as_they_are_unless_it_is_asked_otherwise(tmp_path: Path) -> None:
    table = write(tmp_path)
    table_rows(rows_of(table, "auto"), np.arange(ROWS)).take(torch.arange(4))
    assert stores_in(disk_root()) == [] == [each for each in stores_in(memory_root()) if each.stat().st_mtime > table.stat().st_mtime]


def test_a_second_run_reads_no_file_that_the_first_one_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = write(tmp_path)
    first = table_rows(rows_of(table, "disk"), np.arange(ROWS)).take(torch.arange(ROWS))
    second = table_rows(rows_of(table, "disk"), np.arange(ROWS))
    second.columns[0].decoder.read_array = lambda path: pytest.fail(f"{path} was read")
    assert torch.equal(second.take(torch.arange(ROWS))["signal.value"], first["signal.value"])


def settings(folder: Path, cache: str, workers: int) -> dict[str, Any]:
    return {
        "data": {"source": str(folder / "t.csv"), "cache": cache},
        "targets": ["y"],
        "columns": {"signal": {"type": "file", "transform": CHAIN}},
        "trainer": {"max_epochs": 2, "batch_size": 16, "loader": {"workers": workers}, "trackers": ["csv"]},
        "evaluation": {"baselines": [], "report": False, "importance": False},
        "run": {"device": "cpu", "dir": str(folder / f"run-{cache}-{workers}")},
    }


def test_a_run_is_the_same_with_and_without_a_cache_and_with_any_number_of_workers(tmp_path: Path) -> None:
    write(tmp_path)
    asked = [("off", 0), ("memory", 0), ("disk", 2), ("disk", 0)]
    runs = {(cache, workers): tw.train(config=settings(tmp_path, cache, workers)) for cache, workers in asked}
    found = {}
    for name, run in runs.items():
        weights = run.path / "model"
        numbers = list(csv.DictReader((run.path / "metrics.csv").open()))
        told = [{key: each for key, each in line.items() if not key.endswith(("seconds", "per_second"))} for line in numbers]
        found[name] = ({each.name: each.read_bytes() for each in weights.rglob("*.safetensors")}, told)
    assert found[("off", 0)][0]
    assert all(each == found[("off", 0)] for each in found.values())
    assert stores_in(disk_root())
    assert "kept once they were decoded" in (runs[("disk", 0)].path / "log.txt").read_text()
    assert os.environ["TRAINWRIGHT_CACHE"] in (runs[("disk", 0)].path / "log.txt").read_text()
