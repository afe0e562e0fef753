"""What a run records of itself: environment, command, code, log, results."""

from __future__ import annotations

import io
import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest

from trainwright.config.errors import RunError
from trainwright.runs import results as layout
from trainwright.runs.code import write_code, write_code_in_background
from trainwright.runs.directory import RunDirectory
from trainwright.runs.environment import command_line, environment
from trainwright.runs.log import console_logging, log_to_file, stop_logging
from trainwright.runs.results import build_results, read_results


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory.create(str(tmp_path / "run"))


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    return subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True, text=True).stdout.strip()


def test_the_environment_names_versions_and_machine_and_imports_nothing_heavy() -> None:
    script = "import sys; from trainwright.runs.environment import environment; environment(); "
    script += "print(sorted({'torch', 'numpy', 'pandas'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"
    found = environment()
    assert found["packages"]["torch"] and found["python"] and found["cores"] >= 1 and found["memory_bytes"] > 0


def test_the_command_can_be_given_to_a_shell_again() -> None:
    assert command_line(["/x/bin/trainwright", "train", "a b.csv", "x=$y"]) == "trainwright train 'a b.csv' 'x=$y'"
    assert command_line(["/x/trainwright/__main__.py", "runs"]) == "python -m trainwright runs"
    assert command_line(["train.py", "--n", "1"]) == "python train.py --n 1"


def test_the_commit_and_uncommitted_changes_are_recorded(run: RunDirectory, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    git(work, "init", "-q")
    (work / "a.py").write_text("x = 1\n")
    git(work, "add", ".")
    git(work, "commit", "-qm", "first")
    assert write_code(run, work)["dirty"] is False
    (work / "a.py").write_text("x = 2\n")
    write_code_in_background(run, work).join()
    state = run.read_json("code.json")
    assert state["commit"] == git(work, "rev-parse", "HEAD")
    assert state["dirty"] is True
    assert "+x = 2" in (run.path / "code" / "diff.patch").read_text()


def test_the_own_source_is_part_of_the_code(run: RunDirectory, tmp_path: Path) -> None:
    state = write_code(run, tmp_path)
    assert state["commit"] is None and state["version"] and re.fullmatch("[0-9a-f]{64}", state["source_sha256"])


def test_no_git_tree_and_no_git_do_no_harm(run: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert write_code(run, tmp_path)["note"] == "not inside a git work tree"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "could not be run" in write_code(run, tmp_path)["note"]


def test_the_file_log_says_when_where_and_how_serious(run: RunDirectory) -> None:
    with log_to_file(run.log):
        logging.getLogger("trainwright.runs").warning("half of it")
    line = run.log.read_text().strip()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - test_record\.py\[\d+\] - WARNING: half of it", line)


def test_the_console_is_plain_and_other_ranks_speak_of_errors_only() -> None:
    stream = io.StringIO()
    log = logging.getLogger("trainwright.runs")
    for rank in (0, 1):
        handler = console_logging(stream=stream, rank=rank)
        log.info("step 1")
        log.error("lost")
        stop_logging(handler)
    assert stream.getvalue() == "step 1\nerror: lost\n[rank 1] error: lost\n"


def test_results_hold_null_for_nan_and_are_read_as_they_were_built(run: RunDirectory) -> None:
    built = build_results(
        metrics={"test": {"y": {"accuracy": float("nan")}, "loss": 0.5}}, intervals={"test": {"y": {"accuracy": (0.1, 0.2)}}}
    )
    assert built["metrics"]["test"]["y"]["accuracy"] is None
    run.write_json("results.json", built)
    assert read_results(run.path) == built


def test_results_that_do_not_fit_are_refused_by_field(run: RunDirectory) -> None:
    with pytest.raises(RunError, match=r"timing\.steps"):
        build_results(timing={"steps": "many"})
    run.write_json("results.json", {"format": 2})
    with pytest.raises(RunError, match="newer"):
        read_results(run.path)


def test_every_field_of_results_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "results.md").read_text()
    for section in (
        layout.Results,
        layout.Baseline,
        layout.Verdict,
        layout.Timing,
        layout.Realised,
        layout.Best,
        layout.Resampling,
        layout.Classes,
    ):
        for name, field in section.model_fields.items():
            assert field.description, f"{section.__name__}.{name} has no docstring"
            assert re.search(rf"`{name}[`.]", page) or name in ("timing", "realised"), f"{name} is not in docs/results.md"
