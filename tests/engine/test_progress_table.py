"""The table of a run: what is in it, that it fits 80 columns, and how the lines of long runs thin."""

from __future__ import annotations

import io
import logging
import re
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from engine_runs import config, rows, system

import trainwright as tw
from trainwright.engine.callbacks.terminal import BETWEEN, EVALUATIONS
from trainwright.engine.monitor import BestEvaluations
from trainwright.engine.progress_table import ProgressTable
from trainwright.engine.thinning import Thinning
from trainwright.engine.trainer import Trainer
from trainwright.runs.log import console_logging, log_to_file, stop_logging


def stand_in(monitor: str = "loss", validated: bool = True, steps: int = 9_999) -> Any:
    """What the table reads of a session."""
    best = BestEvaluations(higher=False, keep=1)
    plan = SimpleNamespace(max_steps=steps)
    return SimpleNamespace(
        monitor=SimpleNamespace(name=monitor), best=best, plan=plan, parts=SimpleNamespace(validation=object() if validated else None)
    )


def row(*metrics: str, step: int = 8_000, **logged: float) -> dict[str, float]:
    found = {"step": step, "epoch": 9, "seconds": 1.0, "train/loss": 1.23456, "learning_rate": 1e-3, "gradient_norm": 2.0, **logged}
    return found | {f"validation/{name}": -1.23456e-05 for name in metrics}


ONE = ("loss", "survived.accuracy", "survived.balanced_accuracy", "survived.roc_auc")
SEVERAL = ("loss", "survived.accuracy", "survived.f1", "fare.r2", "fare.rmse", "class.accuracy")
LONG = ("loss", "mean_absolute_percentage_error_of_everything", "symmetric_mean_absolute_percentage_error")


@pytest.mark.parametrize(
    ("metrics", "monitor", "titles"),
    [
        (ONE, "loss", "step epoch train loss validation loss accuracy best so far"),
        (ONE, "survived.roc_auc", "step epoch train loss validation loss roc_auc accuracy best so far"),
        (SEVERAL, "loss", "train validation survived fare class best step epoch loss loss accuracy r2 accuracy so far"),
        (LONG, "loss", "step epoch train loss validation loss mean_abs…_of_everything best so far"),
        (("loss",), "loss", "step epoch train loss validation loss best so far"),
        (("val_loss", "val_accuracy"), "val_loss", "step epoch train loss val_loss val_accuracy best so far"),
    ],
)
def test_the_table_has_loss_headline_metric_and_best_within_eighty_columns(metrics: tuple[str, ...], monitor: str, titles: str) -> None:
    session = stand_in(monitor)
    session.best.offer(8_000, -1.23456e-05)
    first = row(*metrics)
    table = ProgressTable(session, first)
    lines = [*table.heading().splitlines(), table.line(session, first), table.line(session, row(step=8_050))]
    assert " ".join(table.heading().split()) == titles
    assert all(len(line) <= 80 for line in lines), lines
    assert len(lines[-2].removesuffix(" *")) == len(lines[-3]), "numbers stand below their names"
    assert lines[-2].endswith("-1.23e-05 *") and not lines[-1].endswith("*")


def test_without_validation_what_was_logged_is_shown_and_nothing_is_best() -> None:
    session = stand_in(validated=False)
    first = row(generator_loss=0.5, discriminator_loss=0.25)
    table = ProgressTable(session, first)
    assert table.heading().split() == ["step", "epoch", "train", "loss", "generator_loss", "discriminator_loss"]
    assert table.line(session, first).split() == ["8000", "9", "1.235", "0.5", "0.25"]


def test_a_narrow_terminal_has_fewer_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    table = ProgressTable(stand_in(), row(*ONE))
    assert len(table.heading()) <= 50 and "train loss" in table.heading() and "best so far" in table.heading()


@pytest.mark.parametrize(
    ("count", "known"), [(5, True), (30, True), (31, True), (200, True), (20_000, True), (200, False), (20_000, False)]
)
def test_some_thirty_lines_of_a_run_of_any_length_are_shown_the_first_ones_closely(count: int, known: bool) -> None:
    thinning = Thinning(30)
    shown = [place for place in range(1, count + 1) if thinning.shows(place / count if known else 0.0)]
    assert shown[0] == 1 and len(shown) == thinning.shown == count - thinning.hidden
    if known:
        assert min(count, 28) <= len(shown) <= 30
        assert count > 30 or len(shown) == count
    else:
        assert 15 <= len(shown) <= 30
    gaps = [later - earlier for earlier, later in pairwise(shown)]
    assert sum(gaps[-5:]) >= sum(gaps[:5])


def test_a_run_that_ends_long_before_its_limit_still_shows_many_lines() -> None:
    thinning = Thinning(30)
    assert sum(thinning.shows(place / 500) for place in range(1, 26)) >= 10


@pytest.fixture(scope="module")
def long_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, str]:
    """What a run of 120 evaluations says to a pipe, to its log, and to a verbose console."""
    folder, stream, console = tmp_path_factory.mktemp("long"), io.StringIO(), io.StringIO()
    handler = console_logging(logging.DEBUG, stream=console)
    with log_to_file(folder / "log.txt"):
        trainer = Trainer(config(max_epochs=120), device="cpu", console=stream)
        trainer.fit(system(), rows(16), rows(8, seed=1), run=folder / "run")
    stop_logging(handler)
    return stream.getvalue(), (folder / "log.txt").read_text(), console.getvalue()


def test_a_long_run_says_some_forty_lines_and_ends_with_its_last_evaluation(long_run: tuple[str, str, str]) -> None:
    lines = long_run[0].splitlines()
    table = [line for line in lines if re.match(r" *\d+ +\d+ ", line)]
    assert 25 <= len(table) <= EVALUATIONS + BETWEEN and len(lines) <= 45
    assert table[-1].split()[:2] == ["240", "120"]
    assert lines[-1] == f"{120 - len(table)} more rows of this table are in metrics.csv"
    assert max(map(len, lines)) <= 80


def test_the_log_has_every_row_and_the_console_none_of_them_twice(long_run: tuple[str, str, str]) -> None:
    _, logged, console = long_run
    assert len(re.findall(r"validation/loss", logged)) == 120 and "16 rows, 8 per step" in logged and "stopped at step 240" in logged
    assert "validation/loss" not in console


def test_rows_between_evaluations_are_told_when_nothing_was_said_for_a_while(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("trainwright.engine.callbacks.terminal.QUIET", 0.0)
    stream = io.StringIO()
    trainer = Trainer(config(max_epochs=2, evaluate_every="2 epochs"), device="cpu", console=stream)
    trainer.fit(system(), rows(40), rows(8), run=tmp_path)
    assert "step 3/10  epoch 1  train loss 0." in stream.getvalue()


def test_a_fit_without_validation_shows_its_loss(capsys: pytest.CaptureFixture[str]) -> None:
    x = torch.ones(8, 3)
    tw.fit(torch.nn.Linear(3, 1), (x, x[:, :1]), loss="mse", batch_size=4, max_steps=4, log_every="2 steps")
    shown = capsys.readouterr().out
    assert "step  epoch  train loss" in shown and re.search(r"\n +2 +1 +[\d.]+", shown)
