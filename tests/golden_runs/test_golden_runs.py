"""A run is the same to the last bit with 0 and 2 workers, killed on the way or not, and by 1 and 2 ranks."""

from __future__ import annotations

from pathlib import Path

import pytest
from golden_cases import CASES, GoldenCase
from golden_harness import outcome, run_killed, run_whole

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_run_is_the_same_with_workers_and_after_a_kill(case: GoldenCase, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if case.installed:
        request.getfixturevalue(case.installed)
    case.write(tmp_path)
    run_whole(case.config(tmp_path, workers=0), tmp_path / "unbroken")
    killed = case.config(tmp_path, workers=2)
    run_killed(killed, tmp_path / "killed")
    run_whole(killed, tmp_path / "killed", resume=True)
    expected = outcome(tmp_path / "unbroken", case, tmp_path)
    assert len(expected["rows"]) > 1
    assert outcome(tmp_path / "killed", case, tmp_path) == expected


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_run_is_the_same_by_two_ranks(case: GoldenCase, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if case.installed:
        request.getfixturevalue(case.installed)
    case.write(tmp_path)
    config = case.config(tmp_path, workers=0)
    pieces = {"micro_batch_size": 8} | config["trainer"] | {"max_epochs": 4}
    run_whole({**config, "trainer": pieces}, tmp_path / "one")
    run_whole({**config, "trainer": {**pieces, "strategy": {"reduce": "ordered"}}, "launch": {"devices": 2}}, tmp_path / "two")
    expected, found = (outcome(tmp_path / name, case, tmp_path) for name in ("one", "two"))
    mine, theirs = found.pop("rows"), expected.pop("rows")
    assert len(mine) == len(theirs) > 1
    if not case.padded:
        assert [unlike(one, other, 0) for one, other in zip(mine, theirs, strict=True)] == [[]] * len(mine)
        assert found == expected
        return
    # A rank pads its rows to the longest of them, where one process pads those of the whole step: zeros that are summed, or not.
    assert [unlike(one, other, 1e-4) for one, other in zip(mine, theirs, strict=True)] == [[]] * len(mine)
    for name, each in expected["predictions"].items():
        assert found["predictions"][name] == (pytest.approx(each, rel=1e-3) if isinstance(each[0], float) else each)


def unlike(row: dict[str, str], other: dict[str, str], within: float) -> list[str]:
    """The columns of two rows that differ; metrics of training rows by more than the order in which each rank sums its own."""
    different = [name for name, value in row.items() if value != other[name] and name != "train/padding"]
    allowed = {name: max(within, 1e-7 if name.startswith("train/") else 0) for name in different}
    return [name for name, rel in allowed.items() if not rel or float(row[name]) != pytest.approx(float(other[name]), rel=rel)]
