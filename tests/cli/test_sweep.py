"""`trainwright sweep`: ordinary runs in one folder, one table, killed and continued."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import signal
import time
from pathlib import Path

import pytest

from commands import command_process, trainwright_command
from trainwright.api.group_summary import Summary
from trainwright.cli.sweep import parser, read_axes, split_values
from trainwright.config.errors import RequestError
from trainwright.config.registry import options_class
from trainwright.runs.group import GroupDirectory, name_members

SHORT = [
    "trainer.batch_size=16",
    "trainer.trackers=[csv]",
    "evaluation.baselines=[constant]",
    "model.combiner={type: concat, depth: 1, width: 8}",
]
LONG = [*SHORT, "trainer.max_epochs=60", "trainer.early_stopping=null", "trainer.checkpoint={every: 20 steps, min_interval: 0 s}"]


def options(kind: str, **given: object) -> object:
    return options_class(kind, str(given["type"])).model_validate(given)


def numbers(group: Path) -> dict[str, list[str]]:
    """Of each member, the digest of its weights and its row of the table."""
    with (group / "table.csv").open() as file:
        rows = {row["member"]: list(row.values()) for row in csv.DictReader(file)}
    for name, row in rows.items():
        row.append(json.loads((group / name / "results.json").read_text())["weights_sha256"])
    return rows


@pytest.mark.slow
def test_members_are_ordinary_runs_and_a_killed_group_goes_on_to_the_same_table(tmp_path: Path) -> None:
    grid = ["sweep", "builtin:iris", "--grid", "trainer.optimizer.learning_rate=1e-2,1e-3", *LONG]
    done = trainwright_command(*grid, "run.dir=whole", folder=tmp_path, limit=300, OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("finished  (") == 2 and "target.accuracy of each run" in done.stdout
    alone = ["train", "builtin:iris", "trainer.optimizer.learning_rate=1e-3", *LONG, "run.dir=alone"]
    assert trainwright_command(*alone, folder=tmp_path, OMP_NUM_THREADS="1").returncode == 0
    member = tmp_path / "whole" / "learning_rate=1e-3"
    assert trainwright_command("compare", str(member), "alone", "--weights", folder=tmp_path).returncode == 0

    said = tmp_path / "said.txt"
    process = command_process([*grid, "run.dir=killed", "--jobs", "1"], tmp_path, {**os.environ, "OMP_NUM_THREADS": "1"}, [said, said])
    process.start()
    first = tmp_path / "killed" / "learning_rate=1e-2"
    ends = time.monotonic() + 60
    while not list(first.glob("checkpoints/step-*")) and time.monotonic() < ends:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGTERM)
    process.join(60)
    assert process.exitcode == 75, said.read_text()
    told = json.loads(trainwright_command("runs", "killed", "--json", folder=tmp_path).stdout)
    assert [each["status"] for each in told] == ["interrupted"]
    assert "learning_rate=1e-2  interrupted and saved" in said.read_text()
    again = trainwright_command("sweep", "killed", "launch.devices=1", folder=tmp_path, limit=300, OMP_NUM_THREADS="1")
    assert again.returncode == 0, again.stderr
    assert "learning_rate=1e-2  goes on" in again.stdout and "learning_rate=1e-3  begins" in again.stdout
    assert numbers(tmp_path / "killed") == numbers(tmp_path / "whole")
    third = trainwright_command("sweep", "killed", "--json", folder=tmp_path)
    assert [each["status"] for each in json.loads(third.stdout)["members"]] == ["finished"] * 2


@pytest.mark.parametrize(
    ("path", "fix"),
    [
        ("runs/ratse", "did you mean the group 'runs/rates'?"),
        ("runs/zzzzzz", "available: notes, rates"),
        ("nix/zzzzzz", "give a path that is there"),
        ("tabel.csv", "did you mean 'table.csv'?"),
    ],
)
def test_a_path_that_is_not_there_is_said_before_how_runs_would_differ(path: str, fix: str, tmp_path: Path) -> None:
    (tmp_path / "runs" / "rates").mkdir(parents=True)
    (tmp_path / "runs" / "rates" / "group.json").write_text("{}")
    (tmp_path / "runs" / "notes").mkdir()
    (tmp_path / "table.csv").write_text("a,y\n1,0\n")
    done = trainwright_command("sweep", path, "--target", "y", folder=tmp_path)
    assert done.returncode == 2
    assert f"no table, configuration or group '{path}'" in done.stderr and fix in done.stderr
    there = trainwright_command("sweep", "table.csv", "--target", "y", folder=tmp_path)
    assert there.returncode == 2 and "nothing says how the runs differ" in there.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "nothing says how the runs differ"),
        (["--folds", "3", "data.split={type: time, column: x}"], "folds cannot take the place of this split"),
        (["--folds", "3", "--folds-by", "x"], "folds are asked for twice"),
        (["--groups", "x"], "nothing says how the runs differ"),
        (["--seeds", "2", "--groups", "x"], "groups are kept together in folds"),
        (["--folds-by", "x"], "'x'"),
        (["--folds", "3", "--groups", "x"], "'x'"),
        (["--folds", "151"], "150 rows cannot make 151 folds"),
        (["--seeds", "0"], "'0' is no number of seeds"),
        (["--seeds", "x"], "'x' is no number of seeds"),
        (["--seeds", "3,3"], "3 is given twice"),
        (["--folds", "1"], "no whole number of at least 2"),
        (["--grid", "trainer.max_epochs"], "names no option and its values"),
        (["--grid", "trainer.max_epochs=3"], "one value makes no grid"),
        (["--grid", "trainer.max_epochs=3,3"], "3 is given twice"),
        (["--grid", "trainer.max_epochs=1,,2"], "a value is empty"),
        (["--grid", "run.seed=1,2", "--seeds", "2"], "run.seed is set by --seeds already"),
        (["--grid", "run.seed=1,2", "--grid", "run.seed=3,4"], "run.seed is set by another --grid already"),
        (["--grid", "data.split=random,time", "--folds", "2"], "data.split is set by --folds already"),
        (["--grid", "run.dir=a,b"], "run.dir is set by the group already"),
        (["--grid", "trainer.nix=1,2"], "unknown option 'nix' in trainer"),
        (["--grid", "trainer.max_epochs=1,few"], "few"),
        (["--seeds", "20000"], "20,000 runs are too many"),
        (["--seeds", "2", "--jobs", "0"], "no whole number of at least 1"),
        (["--seeds", "2", "trainer.nix=1"], "unknown option 'nix' in trainer"),
        (["--seeds", "2", "--folds", "3", "data.split=random"], None),
    ],
)
def test_what_makes_no_group_is_told_before_anything_is_written(words: list[str], said: str | None, tmp_path: Path) -> None:
    if said is None:  # a split that is asked for gives way to the folds
        arguments = parser().parse(["builtin:iris", *words])
        members = read_axes(arguments, 0).members(options("split", type="random"))
        assert len(members) == 6 and {each["data.split.seed"] for each in members} == {"0"}
        return
    done = trainwright_command("sweep", "builtin:iris", *words, folder=tmp_path)
    assert done.returncode == 2 and said in done.stderr, done.stderr
    assert not list(tmp_path.iterdir())


def test_a_request_that_every_member_would_refuse_is_told_before_anything_is_written(tmp_path: Path) -> None:
    done = trainwright_command("sweep", "builtin:iris", "--target", "nope", "--seeds", "2", folder=tmp_path)
    assert done.returncode == 2 and done.stderr.count("target 'nope' is not a column") == 1 and not done.stdout
    assert not list(tmp_path.iterdir())


def test_a_group_goes_on_as_it_was_begun_and_is_read_with_care(tmp_path: Path) -> None:
    group = GroupDirectory.create(
        tmp_path / "group", [({"run.seed": "0"}, "data: {source: builtin:iris}\n"), ({"run.seed": "1"}, "{}\n")], ["run.seed"]
    )
    for words in (["--seeds", "3"], ["trainer.max_epochs=3"]):
        done = trainwright_command("sweep", "group", *words, folder=tmp_path)
        assert done.returncode == 2 and "a group goes on as it was begun" in done.stderr
    with group.locked():
        done = trainwright_command("sweep", "group", folder=tmp_path)
    assert done.returncode == 2 and "holds its lock" in done.stderr
    written = group.members[0].config.read_text()
    group.members[0].config.write_text(written + "trainer: {max_epochs: 4}\n")
    done = trainwright_command("sweep", "group", folder=tmp_path)
    assert done.returncode == 2 and "this member is no longer of the group" in done.stderr
    code = "data: {source: builtin:iris}\ntarget: target\nimports: [./mine.py]\n"
    group.members[0].config.write_text(code)
    listed = json.loads((group.folder / "group.json").read_text())
    listed["members"][0]["sha256"] = hashlib.sha256(code.encode()).hexdigest()
    (group.folder / "group.json").write_text(json.dumps(listed))
    (tmp_path / "mine.py").write_text("raise SystemExit('it ran')\n")
    done = trainwright_command("sweep", "group", folder=tmp_path)
    assert done.returncode == 2 and "--trust-code" in done.stderr and "it ran" not in done.stdout + done.stderr
    listed["members"][0]["name"] = "../outside"
    (group.folder / "group.json").write_text(json.dumps(listed))
    done = trainwright_command("sweep", "group", folder=tmp_path)
    assert done.returncode == 2 and "group.json is damaged" in done.stderr


def test_values_are_divided_outside_of_brackets_and_quotes() -> None:
    assert split_values("[8, 16],[32]") == ["[8, 16]", "[32]"]
    assert split_values("{type: sgd, momentum: 0.9},adamw") == ["{type: sgd, momentum: 0.9}", "adamw"]
    assert split_values("'a,b',c") == ["'a,b'", "c"]


def test_folders_are_called_by_what_differs_or_by_number() -> None:
    assert name_members([{"a.lr": "1e-3", "same": "x"}, {"a.lr": "1", "same": "x"}], ["a.lr"]) == ["lr=1e-3", "lr=1"]
    assert name_members([{"o": "{type: sgd}"}, {"o": "adamw"}], ["o"]) == ["0000", "0001"]


def test_spread_is_over_the_members_that_differ_by_seed_and_fold_alone(tmp_path: Path) -> None:
    settings = [{"lr": lr, "run.seed": seed} for lr in ("1", "2") for seed in ("0", "1", "2")]
    group = GroupDirectory.create(tmp_path / "group", [(each, "{}\n") for each in settings], ["lr", "run.seed"])
    values = dict(zip((each.name for each in group.members), (1.0, 2.0, 3.0, 5.0, 7.0, None), strict=True))
    numbers = {name: {"m": value} for name, value in values.items() if value is not None}
    points = Summary(group, {}, numbers).points
    spreads = [each.spread("m") for each in points]
    assert [(each.settings, spread.mean, spread.deviation, len(spread.values)) for each, spread in zip(points, spreads, strict=True)] == [
        ({"lr": "1"}, 2.0, 1.0, 3),
        ({"lr": "2"}, 6.0, pytest.approx(2**0.5), 2),
    ]
    assert points[0].spread("absent") is None and points[0].complete and not points[1].complete


def test_axes_of_a_wrong_kind_are_no_traceback() -> None:
    with pytest.raises(RequestError, match="no number of seeds"):
        read_axes(parser().parse(["x", "--seeds", "-1"]), 0)
