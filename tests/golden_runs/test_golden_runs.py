"""A run is the same to the last bit with 0 and 2 workers, and whether or not it was killed on the way."""

from __future__ import annotations

from pathlib import Path

import pytest
from golden_cases import CASES, GoldenCase
from golden_harness import outcome, run_killed, run_whole


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_run_is_the_same_with_workers_and_after_a_kill(case: GoldenCase, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if case.installed:
        request.getfixturevalue(case.installed)
    case.write(tmp_path)
    run_whole(case.config(tmp_path, workers=0), tmp_path / "unbroken")
    killed = case.config(tmp_path, workers=2)
    run_killed(killed, tmp_path / "killed")
    run_whole(killed, tmp_path / "killed", resume=True)
    expected = outcome(tmp_path / "unbroken", tmp_path / case.table)
    assert len(expected["rows"]) > 1
    assert outcome(tmp_path / "killed", tmp_path / case.table) == expected
