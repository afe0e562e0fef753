"""Events in time as a metric of a class at every frame: as matched one by one, streamed, over ranks, and at the end of a training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import trainwright as tw
from trainwright.config.errors import ConfigError
from trainwright.domains.signals.models.events import mark_frames, match_events, pick_events
from trainwright.metrics import PARTS, from_label, label, options
from trainwright.metrics.batch_outcome import BatchOutcome
from trainwright.metrics.target import TargetMetrics

RATE, FRAMES = 50.0, 300
RNG = np.random.default_rng(0)
CLASSES = ["nothing", "beat", "early"]


def made(rows: int) -> tuple[np.ndarray, np.ndarray, list[list[np.ndarray]]]:
    """Classes (rows, frames) and probabilities (rows, 3, frames) of events, some moved, missed or invented; the times of each class."""
    truth, scores, times = np.zeros((rows, FRAMES), np.int64), np.zeros((rows, 3, FRAMES)), []
    for row in range(rows):
        at = np.sort(RNG.choice(np.arange(10, 290, 20), 8, replace=False)) / RATE
        mine = [at[::2], at[1::2]]
        times.append(mine)
        for place, each in enumerate(mine, start=1):
            truth[row][mark_frames(each, FRAMES, RATE, 0.05) > 0] = place
            moved = each[RNG.random(len(each)) < 0.8] + RNG.normal(0, 0.08)
            invented = RNG.random(int(RNG.integers(0, 2))) * 6
            bumps = mark_frames(np.concatenate([moved, invented]), FRAMES, RATE)
            scores[row, place] = np.convolve(bumps, [0.3, 0.45, 0.3], "same").clip(0, 0.9)
            scores[row, place] += 0.01 * RNG.random(FRAMES)
    scores[:, 0] = 1 - scores[:, 1:].sum(axis=1)
    return truth, scores, times


TRUTH, SCORES, TIMES = made(12)
GIVEN = {"tolerance": 0.1, "rate": RATE, "threshold": 0.4, "distance": 0.1}


def read(outputs: Any) -> BatchOutcome:
    truth, scores = outputs["truth"], outputs["scores"]
    flat = scores.movedim(1, -1).reshape(-1, scores.shape[1])
    return BatchOutcome("category", truth.reshape(-1), flat, keep=truth.reshape(-1) >= 0, positions=tuple(truth.shape[1:]))


def measured(metrics: list[Any], truth: np.ndarray = TRUTH, pieces: int = 1) -> dict[str, float]:
    """Metrics of two ranks that see rows in pieces, joined."""
    ranks = [TargetMetrics(metrics, read, CLASSES, "category") for _ in range(2)]
    for place, rows in enumerate(np.array_split(np.arange(len(truth)), pieces)):
        ranks[place % 2].update({"truth": torch.from_numpy(truth[rows]), "scores": torch.from_numpy(SCORES[rows])})
    ranks[0].merge([ranks[1]])
    return ranks[0].compute()


def by_hand(classes: tuple[int, ...] = (1, 2)) -> np.ndarray:
    """Found, missed and false events of some classes."""
    total = np.zeros(3)
    for row, times in enumerate(TIMES):
        for place in classes:
            total += match_events(pick_events(SCORES[row, place], RATE, 0.4, 0.1), times[place - 1], 0.1)
    return total


def test_events_are_matched_as_one_by_one_in_pieces_over_two_ranks() -> None:
    found, missed, false = by_hand()
    expected = {
        "event_f1": 2 * found / (2 * found + missed + false),
        "event_precision": found / (found + false),
        "event_recall": found / (found + missed),
    }
    metrics = [options(name, **GIVEN) for name in expected]
    for pieces in (1, 2, 5):
        values = measured(metrics, pieces=pieces)
        assert [values[label(each)] for each in metrics] == pytest.approx(list(expected.values()), abs=1e-12)
    assert 0 < false < found and missed > 0


def test_the_mean_over_classes_is_of_those_that_have_events() -> None:
    each = [by_hand((place,)) for place in (1, 2)]
    expected = np.mean([2 * f / (2 * f + m + e) for f, m, e in each])
    metric = options("event_f1", average="macro", **GIVEN)
    assert measured([metric])[label(metric)] == pytest.approx(expected, abs=1e-12)


def test_frames_that_do_not_count_hold_no_event() -> None:
    truth = TRUTH.copy()
    truth[:, 160:] = -100
    metric = options("event_recall", **GIVEN)
    early = [[times[times < 3.2] for times in row] for row in TIMES]
    found = sum(
        match_events(pick_events(SCORES[row, place, :160], RATE, 0.4, 0.1), early[row][place - 1], 0.1).found
        for row in range(12)
        for place in (1, 2)
    )
    total = sum(len(each) for row in early for each in row)
    assert measured([metric], truth)[label(metric)] == pytest.approx(found / total, abs=1e-12)


def test_they_are_of_classes_at_frames_alone_and_name_the_background() -> None:
    with pytest.raises(ConfigError, match="there is no class 'beet'"):
        measured([options("event_f1", background="beet")])
    flat = TargetMetrics(
        [from_label("event_f1")], lambda outputs: BatchOutcome("binary", outputs["truth"], outputs["scores"]), None, "binary"
    )
    with pytest.raises(ConfigError, match="of events in time"):
        flat.update({"truth": torch.tensor([0, 1]), "scores": torch.tensor([0.2, 0.7])})
    assert PARTS["event_f1"].higher_is_better


def write_pulses(folder: Path, rows: int = 48) -> Path:
    """A table of signals (npy) with pulses, and of classes at every frame that mark them."""
    rng, lines = np.random.default_rng(1), ["wave,marks"]
    for row in range(rows):
        times = np.sort(rng.choice(np.arange(1, 15), 5, replace=False)) * 0.2
        marks = mark_frames(times, 160, RATE, 0.06)
        wave = np.convolve(mark_frames(times, 160, RATE), [0.3, 1, 0.3], "same") + 0.1 * rng.normal(size=160)
        np.save(folder / f"w{row}.npy", wave[:, None].astype(np.float32))
        np.save(folder / f"m{row}.npy", marks.astype(np.int64))
        lines.append(f"w{row}.npy,m{row}.npy")
    (folder / "pulses.csv").write_text("\n".join(lines) + "\n")
    return folder / "pulses.csv"


def test_a_training_measures_events_and_refuses_them_of_one_answer_a_row(tmp_path: Path) -> None:
    metric = {"type": "event_f1", "rate": RATE, "tolerance": 0.05, "distance": 0.1}
    config = {
        "targets": ["marks"],
        "columns": {"wave": {"type": "file"}, "marks": {"type": "file", "metrics": [metric]}},
        "trainer": {"max_epochs": 25, "batch_size": 16},
        "evaluation": {"baselines": [], "importance": False, "report": False},
        "run": {"device": "cpu"},
    }
    run = tw.train(write_pulses(tmp_path), config=config, run_dir=tmp_path / "run")
    (key,) = [name for name in run.results["metrics"]["test"]["marks"] if name.startswith("event_f1")]
    assert run.results["metrics"]["test"]["marks"][key] > 0.9
    (tmp_path / "t.csv").write_text("x,y\n" + "".join(f"{k},{'ab'[k % 2]}\n" for k in range(40)))
    with pytest.raises(ConfigError, match="is of events in time, and 'y' has one answer a row"):
        tw.train(tmp_path / "t.csv", target="y", columns={"y": {"metrics": ["event_f1"]}}, run_dir=tmp_path / "refused")
