"""What a benchmark removes before it begins: what it made, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.made_folder import make_anew


def test_a_folder_that_no_benchmark_made_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    for theirs in (tmp_path, tmp_path / "thesis.txt"):
        with pytest.raises(SystemExit, match="holds what no benchmark made"):
            make_anew(theirs)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
    made = tmp_path / "made"
    make_anew(made)
    (made / "run").mkdir()
    make_anew(made)
    assert [each.name for each in made.iterdir()] == ["made-by-a-benchmark.txt"]
