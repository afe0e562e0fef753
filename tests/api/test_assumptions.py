"""What was assumed of targets and of the order of rows is said, with the line that changes it, and that line works."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.api.small_tables import write_csv

from trainwright.api.kinds import prepare_run
from trainwright.systems.run_config import read_config

ROWS = 240
RANDOM = np.random.default_rng(0)
MONTHS = np.array([f"{2000 + place // 12}-{place % 12 + 1:02d}" for place in range(ROWS)])
COLUMNS: dict[str, Any] = {
    "month": MONTHS,
    "day": np.array([f"{each}-03" for each in MONTHS]),
    "year": np.array([2000 + place // 12 for place in range(ROWS)]),
    "rating": RANDOM.integers(1, 6, ROWS),
    "count": RANDOM.poisson(20, ROWS),
    "id": np.array([f"k{place}" for place in range(ROWS)]),
    "size": np.where(np.arange(ROWS) < 230, "small", "large"),
    "x": RANDOM.normal(size=ROWS),
    "z": RANDOM.normal(size=ROWS),
}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_csv(tmp_path_factory.mktemp("rows") / "t.csv", COLUMNS)


def said(table: Path, target: str, *settings: str, inputs: str = "[x, z]") -> str:
    given = [f"data.source={table}", f"targets=[{target}]", f"inputs={inputs}", *settings]
    return "\n".join(prepare_run(read_config(None, given)).lines())


TARGETS = [
    ("rating", "whole numbers from 1 to 5 were taken for 5 classes without an order; columns.rating=number predicts a quantity"),
    ("year", "years were taken for 20 classes without an order; columns.year=number predicts a quantity"),
    ("count", "were taken for a quantity; columns.count=category takes the"),
]


@pytest.mark.parametrize(("target", "assumed"), TARGETS)
def test_the_kind_of_a_target_of_whole_numbers_is_said_with_the_line_that_changes_it(table: Path, target: str, assumed: str) -> None:
    other = "category" if target == "count" else "number"
    assert assumed in said(table, target)
    assert "taken for" not in said(table, target, f"columns.{target}={other}").partition("split:")[2]


def test_rows_in_order_of_time_are_named_with_the_split_that_predicts_later_ones(table: Path) -> None:
    told = said(table, "x")
    assert "rows are in order of 'month' and were split at random" in told and "data.split=time data.split.column=month" in told


@pytest.mark.parametrize("column", ["month", "day", "year"])
def test_a_split_by_time_takes_months_days_and_years_and_ends_the_note(table: Path, column: str) -> None:
    told = said(table, "x", "data.split=time", f"data.split.column={column}")
    assert f"split: by time in {column}" in told and "in order of" not in told


def test_rows_in_no_order_of_time_are_not_said_to_be(tmp_path: Path) -> None:
    times, shuffled = {"month", "day", "year"}, RANDOM.permutation(ROWS)
    columns = {name: each[shuffled] if name in times else each for name, each in COLUMNS.items()}
    assert "in order of" not in said(write_csv(tmp_path / "t.csv", columns), "x")


def test_more_different_values_than_were_counted_are_written_as_more(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "t.csv", {"x": RANDOM.normal(size=9000), "y": RANDOM.integers(0, 2, 9000)})
    assert "> 8,192" in said(path, "y", inputs="[x]")
