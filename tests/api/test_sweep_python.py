"""`tw.sweep`, and what commands say of the group that it made."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

import trainwright as tw
from commands import trainwright_command
from trainwright.config.errors import ConfigError, RequestError, RunError
from trainwright.systems.run_config import read_config

SHORT = {"trainer": {"max_steps": 3, "trackers": ["csv"]}, "evaluation": {"baselines": [], "importance": False, "intervals": False}}


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> tw.Group:
    place = tmp_path_factory.mktemp("python")
    grid = {"trainer.optimizer.learning_rate": [1e-3, 1e-1]}
    return tw.sweep("builtin:iris", target="target", seeds=2, grid=grid, jobs=2, run_dir=place / "group", **SHORT)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_group_has_its_table_its_best_point_and_its_runs(group: tw.Group) -> None:
    table = group.table
    assert len(table) == 4 and set(table["status"]) == {"finished"} and table["test.target.accuracy"].between(0, 1).all()
    assert [each["settings"] for each in group.summary["points"]] == [
        {"trainer.optimizer.learning_rate": each} for each in ("0.001", "0.1")
    ]
    assert group.best in [each["settings"] for each in group.summary["points"]] and group.best_config is not None
    config = read_config(group.best_config)
    assert str(config.trainer.optimizer.learning_rate) == group.best["trainer.optimizer.learning_rate"] and config.run.seed == 0
    assert {each.status for each in group.runs.values()} == {"finished"} and "4 of 4 runs finished" in repr(group)
    assert "<table>" in group._repr_html_()
    again = tw.sweep(group.path)
    assert again.summary == group.summary
    with pytest.raises(RequestError, match="goes on as it was begun"):
        tw.sweep(group.path, seeds=3)


@pytest.mark.slow
def test_commands_know_a_group(group: tw.Group) -> None:
    page = trainwright_command("report", str(group.path)).stdout.strip()
    assert Path(page) == group.path / "report.html" and "2 values of learning_rate × 2 seeds" in Path(page).read_text()
    shown = trainwright_command("compare", str(group.path))
    assert shown.returncode == 0 and "paired by seeds" in shown.stdout and "target.accuracy of each run" in shown.stdout
    assert json.loads(trainwright_command("compare", str(group.path), "--json").stdout) == group.summary
    listed = trainwright_command("runs", str(group.path.parent)).stdout.splitlines()
    assert len(listed) == 2 and "4 of 4 finished" in listed[1] and "(a group)" in listed[1]
    assert len(trainwright_command("runs", str(group.path)).stdout.splitlines()) == 5
    told = json.loads(trainwright_command("runs", str(group.path.parent), "--json").stdout)
    assert {each["group"] for each in told} == {str(group.path)}
    alone = trainwright_command("compare", str(next(iter(group.runs.values())).path))
    assert alone.returncode == 2 and "one run is compared with nothing" in alone.stderr
    unused = trainwright_command("compare", str(group.path), "--weights")
    assert unused.returncode == 2 and "--weights has no effect here" in unused.stderr
    trained = trainwright_command("train", str(group.best_config), f"run.dir={group.path.parent / 'chosen'}")
    assert trained.returncode == 0, trained.stderr


@pytest.mark.slow
def test_consent_is_handed_to_members_and_stdout_is_for_json_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("print('code of somebody else ran')\n")
    (tmp_path / "received").mkdir()
    (tmp_path / "received" / "run.json").write_text('{"format": 1}')  # a configuration beside it is not this person's own
    config = 'data: {source: "builtin:iris"}\ntarget: target\nimports: [../mine.py]\ntrainer: {max_steps: 2, trackers: [csv]}\n'
    config += "evaluation: {baselines: [], importance: false, intervals: false}\n"
    (tmp_path / "received" / "config.yaml").write_text(config)
    words = ["sweep", "received/config.yaml", "--seeds", "2", "run.dir=group", "--json"]
    refused = trainwright_command(*words, folder=tmp_path)
    assert refused.returncode == 2 and "--trust-code" in refused.stderr and not (tmp_path / "group").exists()
    done = trainwright_command(*words, "--trust-code", folder=tmp_path, limit=240)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [each["status"] for each in found["members"]] == ["finished"] * 2
    assert "code of somebody else ran" in (tmp_path / "group" / "seed=0.txt").read_text()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "nothing says how the runs differ"),
        ({"seeds": 2, "trainer": {"nix": 1}}, "unknown option 'nix'"),
        ({"grid": {"trainer.max_epoch": [1, 2]}}, "max_epoch"),
        ({"grid": {"trainer.max_epochs": [1]}}, "a grid has several values"),
        ({"grid": {"trainer.max_epochs": [1, "few"]}}, "few"),
        ({"folds": 2, "folds_by": "x"}, "folds are asked for twice"),
        ({"folds": 151}, "150 rows cannot make 151 folds"),
    ],
)
def test_a_wrong_request_is_told_before_anything_is_written(given: dict[str, object], said: str, tmp_path: Path) -> None:
    with pytest.raises((ConfigError, RequestError, RunError, tw.TrainwrightError), match=said):
        tw.sweep("builtin:iris", target="target", run_dir=tmp_path / "group", **given)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_data_in_memory_are_refused_with_what_to_do() -> None:
    with pytest.raises(RequestError, match="data in memory cannot be swept") as caught:
        tw.sweep({"x": [1, 2], "y": [0, 1]}, target="y", seeds=2)  # type: ignore[arg-type]
    assert "to_parquet" in str(caught.value.fix)


def test_a_call_without_handlers_of_logs_gets_the_console(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("trainwright"), "handlers", [])
    with pytest.raises(ConfigError, match="nothing says"):
        tw.sweep("builtin:iris", target="target")
    assert logging.getLogger("trainwright").handlers
