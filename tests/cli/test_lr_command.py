"""`trainwright lr` draws what training will use, and writes only what it is asked for."""

from __future__ import annotations

import csv
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
from torch import nn

from commands import trainwright_command
from trainwright.api.curve import curves_of
from trainwright.config.choice import choose
from trainwright.engine.plan import Plan
from trainwright.optim.parameter_options import ParameterOptions

CONFIG = """\
data: {source: 'builtin:iris'}
trainer:
  max_epochs: 18
  optimizer: {type: adamw, learning_rate: 6e-4}
  schedule: {type: cosine, warmup: 5 epochs, warmup_learning_rate: 1e-5, min_learning_rate: 1e-6, per: epoch}
"""
TIMM = [1e-5, 1.28e-4, 2.46e-4, 3.64e-4, 4.82e-4, 6e-4, 5.913e-4, 5.657e-4, 5.247e-4]


def lr(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return trainwright_command("lr", *words, folder=folder, **{"COLUMNS": "80", **variables})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "c.yaml").write_text(CONFIG)
    return tmp_path


def test_the_curve_the_numbers_and_the_table_fit_the_terminal_and_nothing_is_written(folder: Path) -> None:
    done = lr(folder, "c.yaml")
    assert done.returncode == 0, done.stderr
    assert "105 rows, 16 a step: 7 steps an epoch" in done.stdout
    assert "126 steps in all: 18 epochs" in done.stdout
    assert "35 steps of warm-up: 5 epochs" in done.stdout
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    assert "\x1b" not in done.stdout
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["first", "0", "0", "1e-05"] in rows
    assert ["warmed", "up", "35", "5", "0.0006"] in rows
    assert any(row[:2] == ["last", "125"] for row in rows)
    drawing = [line for line in done.stdout.splitlines() if "⠉" in line or "⠒" in line or "⡇" in line]
    assert len(drawing) >= 5
    assert os.listdir(folder) == ["c.yaml"]


def test_a_narrow_terminal_gets_a_narrow_drawing_and_an_old_one_gets_stars(folder: Path) -> None:
    done = lr(folder, "c.yaml", COLUMNS="40", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert all(len(line) <= 40 for line in done.stdout.splitlines())
    assert sum("*" in line for line in done.stdout.splitlines()) == 12


def test_the_csv_holds_every_step_and_the_golden_table(folder: Path) -> None:
    assert lr(folder, "c.yaml", "--csv", "all.csv").returncode == 0
    with open(folder / "all.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == list(range(126))
    by_epoch = {int(row["epoch"]): float(row["learning_rate"]) for row in rows}
    assert [by_epoch[epoch] for epoch in range(9)] == pytest.approx(TIMM, rel=5e-4)


def test_the_csv_can_be_thinned_and_the_picture_is_whole_xml(folder: Path) -> None:
    done = lr(folder, "c.yaml", "--csv", "few.csv", "--points", "10", "--svg", "rate.svg")
    assert done.returncode == 0, done.stderr
    with open(folder / "few.csv", newline="") as file:
        steps = [int(row["step"]) for row in csv.DictReader(file)]
    assert (len(steps), steps[0], steps[-1]) == (10, 0, 125)
    root = ElementTree.parse(folder / "rate.svg").getroot()
    assert root.tag.endswith("svg")
    assert root.findall(".//{*}path[@class='line c0']")


def test_data_and_settings_stand_in_for_a_config(tmp_path: Path) -> None:
    done = lr(tmp_path, "builtin:iris", "trainer.max_steps=50", "trainer.schedule=plateau")
    assert done.returncode == 0, done.stderr
    assert "note: plateau falls when" in done.stdout
    timed = lr(tmp_path, "builtin:iris", "trainer.max_time=10 s")
    assert "only a time limits this run" in timed.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["c.yaml", "trainer.schedule.warmup=20 epochs"], "longer than the run"),
        (["c.yaml", "trainer.schedule={type: cosin}"], "did you mean 'cosine'"),
        (["c.yaml", "trainer.max_epochs=null", "trainer.max_time=10 s"], "length of the run must be known"),
        (["c.yaml", "--points", "5"], "--csv"),
        (["c.yaml", "--csv", "no/such/place.csv"], "cannot be written"),
        ([], "nothing to draw"),
        (["missing.yaml"], "missing.yaml"),
    ],
)
def test_a_wrong_request_is_told_plainly_and_exits_with_two(folder: Path, words: list[str], message: str) -> None:
    done = lr(folder, *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert os.listdir(folder) == ["c.yaml"]


def test_parameters_with_a_schedule_of_their_own_have_a_line_of_their_own() -> None:
    system = nn.ModuleDict({"encoder": nn.Linear(3, 3), "head": nn.Linear(3, 1)})
    rules = [
        {"match": "head", "schedule": {"type": "constant"}, "learning_rate": 0.5},
        {"match": "encoder.bias", "learning_rate_scale": 0.1},
    ]
    trainer = SimpleNamespace(
        optimizer=choose("optimizer", {"type": "sgd", "learning_rate": 0.1}),
        schedule=choose("schedule", "linear"),
        parameters=ParameterOptions.model_validate({"rules": rules}),
    )
    curves = curves_of(trainer, Plan(100, 10, 10, 10, 50, "max_steps", None), system)
    assert [line.label for line in curves.lines] == ["learning rate", "head"]
    assert curves.sample_rates([0, 25])[25] == pytest.approx([0.05, 0.5])
    assert len(curves.groups) == 3
