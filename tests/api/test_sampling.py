"""`data.sampling` through whole runs: what an epoch sees, what is said, kept, refused, and that a killed run goes on bit for bit."""

from __future__ import annotations

import csv
import json
import os
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from small_tables import QUICK, write_csv

import trainwright as tw
from commands import command_process, trainwright_command
from trainwright.cli.main import main
from trainwright.config.errors import RequestError
from trainwright.domains.tables.sampling import class_weights, label_weights

pytestmark = pytest.mark.slow

ROWS = 400


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    drawn = np.random.default_rng(1)
    x, rare = drawn.normal(size=ROWS).round(3), drawn.random(ROWS) < 0.1
    kinds = np.where(rare, "rare", np.where(drawn.random(ROWS) < 0.5, "often", "usual"))
    tags = np.array(["|".join(sorted(set(drawn.choice(["a", "b", "c"], 2)))) for _ in range(ROWS)])
    tags[:8] = "a|z"
    columns = {
        "x": x,
        "y": (x + rare).round(3),
        "kind": kinds,
        "tags": tags,
        "w": np.where(rare, 0.0, 2.0),
        "v": drawn.random(ROWS).round(3),
    }
    return write_csv(tmp_path_factory.mktemp("sampling") / "t.csv", columns)


def trained(table: Path, run: Path, target: str = "kind", sampling: Any = None, data: Any = None, **sections: Any) -> dict[str, Any]:
    """data.json of a run."""
    options = {**(data or {}), **({} if sampling is None else {"sampling": sampling})}
    tw.train(str(table), target=target, run_dir=run, data=options, **QUICK | {"trainer": QUICK["trainer"] | {"max_epochs": 2}} | sections)
    return json.loads((run / "data.json").read_text())


def counts_of(run: Path) -> list[int]:
    rows = list(csv.DictReader((run / "metrics.csv").open()))
    return [int(row["step"]) for row in rows]


def test_classes_are_drawn_alike_often_and_their_shares_are_said_and_kept(table: Path, tmp_path: Path) -> None:
    data = trained(table, tmp_path / "r", sampling={"by": "class", "samples": 900})
    shares = data["sampling"]["shares"]["kind"]
    assert shares["rare"]["rows"] < 0.15
    assert all(each["draws"] == pytest.approx(1 / 3, abs=4 * (2 / 9 / 900) ** 0.5) for each in shares.values())
    assert counts_of(tmp_path / "r")[-1] == 2 * 29  # 900 draws by 32: samples are the length of an epoch
    saved = (tmp_path / "r" / "config.yaml").read_text()
    assert "by: class" in saved


def test_shares_are_said_before_the_first_step(table: Path, capsys: Any, tmp_path: Path) -> None:
    words = ["train", str(table), "--target", "kind", "--dry-run", f"run.dir={tmp_path / 'r'}", "data.sampling.by=class"]
    assert main([*words, "columns.kind.class_weights=auto"]) == 0
    said = capsys.readouterr()
    assert "sampling by class: 280 draws per epoch with replacement" in said.out + said.err
    assert re.search(r"rare \d\d\.\d% \(rows \d+\.\d%\)", said.err)
    assert "both act" in said.out + said.err


def test_weights_of_classes_and_labels_are_one_over_their_training_rows() -> None:
    assert class_weights(np.array([0, 1, 1, 1])).tolist() == [1, 1 / 3, 1 / 3, 1 / 3]
    labels = np.array([[1, 1, 0], [1, 0, 0], [1, 0, 1], [1, 0, 1], [0, 0, 0]], np.float32)
    assert label_weights(labels).tolist() == [1, 1 / 4, 1 / 2, 1 / 2, 1]
    present = np.concatenate([labels > 0, ~(labels > 0).any(axis=1, keepdims=True)], axis=1)
    assert label_weights(labels, "sum") == pytest.approx([sum(1 / present[:, at].sum() for at in np.flatnonzero(row)) for row in present])


def test_rare_labels_columns_and_functions_weigh_rows(table: Path, tmp_path: Path) -> None:
    by_label = trained(table, tmp_path / "labels", "tags", {"by": "label_rarity"})["sampling"]["shares"]["tags"]
    assert by_label["z"]["draws"] > 5 * by_label["z"]["rows"]
    assert trained(table, tmp_path / "column", sampling={"by": "w"})["sampling"]["shares"]["kind"]["rare"]["draws"] == 0
    (tmp_path / "mine.py").write_text("def rare(rows):\n    assert len(rows) == 280\n    return (rows.kind == 'rare') + 0.0\n")
    own = trained(table, tmp_path / "own", sampling={"by": f"{tmp_path}/mine.py:rare", "samples": 50})
    assert own["sampling"]["shares"]["kind"]["rare"]["draws"] == 1
    derived = {"derive": {"weight": "3 if kind == 'usual' else 0"}, "where": "x > -1"}
    assert (
        trained(table, tmp_path / "derived", sampling={"by": "weight"}, data=derived)["sampling"]["shares"]["kind"]["usual"]["draws"] == 1
    )


def test_evaluation_is_of_every_row_once(table: Path, tmp_path: Path) -> None:
    trained(table, tmp_path / "r", sampling={"by": "class", "samples": 40})
    rows = pd.read_csv(table)
    found = tw.load(tmp_path / "r").evaluate(str(table))
    assert set(found) == {"kind"}
    assert len(tw.load(tmp_path / "r").predict(rows.drop(columns="kind"))) == ROWS
    with np.load(tmp_path / "r" / "outcomes" / "kind.npz") as kept:
        assert len(kept["rows"]) == len(np.unique(kept["rows"])) == 60


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (["data.sampling.by=v", "data.derive.u=v - 0.5", "data.sampling.by=u"], "missing, negative or not finite"),
        (["data.derive.u=log(w)", "data.sampling.by=u"], "is missing"),
        (["data.derive.u=w * 0", "data.sampling.by=u"], "all weights by 'u' are 0"),
        (["data.sampling.by=tags"], "holds no numbers"),
        (["data.sampling.by=kimd"], "did you mean 'kind'"),
        (["data.sampling.by=label_rarity"], "needs a set of labels"),
        (["data.sampling={by: class, rarity: sum}"], "rarity has no effect here"),
        (["data.sampling={by: class, samples: 0}"], "data.sampling={by: class, samples: 0}"),
        (["data.sampling={by: class, samples: 281, replacement: false}"], "cannot be drawn without replacement"),
        (["data.sampling={by: w, replacement: false}"], "of them of weight 0"),
        (["data.sampling={by: v, target: kind}"], "target has no effect here"),
        (["data.sampling={by: class, target: knd}"], "did you mean 'kind'"),
        (["data.sampling={samples: 5}"], "by"),
        (["data.sampling.by=./none.py:weigh"], "none.py"),
        (["targets=[y]", "data.sampling.by=class"], "the target 'y' is a number"),
    ],
)
def test_what_cannot_be_drawn_by_is_refused_before_anything_is_written(
    settings: list[str], told: str, table: Path, tmp_path: Path, capsys: Any
) -> None:
    target = [] if settings[0].startswith("targets") else ["--target", "kind"]
    assert main(["train", str(table), *target, f"run.dir={tmp_path / 'r'}", *settings]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert "Traceback" not in error
    assert not (tmp_path / "r").exists()


def test_a_function_that_fails_or_gives_too_few_weights_is_refused(table: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("def fails(rows):\n    return rows.none\ndef short(rows):\n    return [1.0]\n")
    for name, told in (("fails", "gives no weights"), ("short", "one number per row")):
        with pytest.raises(RequestError, match=told):
            trained(table, tmp_path / "r", sampling={"by": f"{tmp_path}/bad.py:{name}"})


@pytest.mark.parametrize("name", ["sampling", "where", "derive"])
def test_data_of_a_system_of_ones_own_say_what_to_do_instead(name: str, tmp_path: Path, capsys: Any) -> None:
    data = {"type": "table", "path": "builtin:iris", "target": "target", name: {"by": "class"}}
    model = {"type": "torch.nn.Linear", "in_features": 4, "out_features": 3}
    config = {"model": model, "loss": "cross_entropy", "data": data, "run": {"dir": str(tmp_path / "r")}}
    (tmp_path / "own.yaml").write_text(json.dumps(config))
    assert main(["train", str(tmp_path / "own.yaml")]) == 2
    error = capsys.readouterr().err
    assert f"unknown option '{name}' of dataset 'table'" in error
    assert "runs of a table have it" in error
    assert not (tmp_path / "r").exists()


def command(table: Path, run: Path, workers: int) -> list[str]:
    words = ["train", str(table), "--target", "kind", f"run.dir={run}", "--resume", "data.sampling={by: class, samples: 300}"]
    words += ["data.memory_limit=1 kB", f"trainer.loader.workers={workers}", "trainer.batch_size=16", "trainer.max_epochs=6"]
    words += ["model.combiner={type: concat, depth: 1, width: 16}", "trainer.checkpoint={every: 7 steps, min_interval: 0 s}"]
    words += ["trainer.trackers=[csv]", "evaluation={baselines: [], importance: false, report: false, intervals: false}"]
    return words


def outcome(run: Path) -> dict[str, Any]:
    """Everything that workers and a restart must not change."""
    results = json.loads((run / "results.json").read_text())
    rows = [
        {key: each for key, each in row.items() if not key.endswith(("seconds", "per_second"))}
        for row in csv.DictReader((run / "metrics.csv").open())
    ]
    return {"rows": rows, **{name: results[name] for name in ("metrics", "best", "weights_sha256")}}


def test_a_run_killed_within_an_epoch_goes_on_bit_for_bit_with_and_without_workers(table: Path, tmp_path: Path) -> None:
    assert trainwright_command(*command(table, tmp_path / "whole", 0)).returncode == 0
    wanted = outcome(tmp_path / "whole")
    for workers in (0, 2):
        run = tmp_path / f"killed-{workers}"
        said = tmp_path / "said.txt"
        process = command_process(command(table, run, workers), tmp_path, dict(os.environ), [said, said])
        process.start()
        until = time.monotonic() + 120
        while not list(run.glob("checkpoints/step-*")) and process.is_alive() and time.monotonic() < until:
            time.sleep(0.01)
        process.kill()
        process.join()
        assert not (run / "results.json").exists(), "it was to be killed before its end"
        assert trainwright_command(*command(table, run, 2 - workers)).returncode == 0  # and on with another number of workers
        assert outcome(run) == wanted
