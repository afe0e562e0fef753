"""Trackers: what was logged is read back, after any kind of end."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from trainwright.tracking import CsvOptions, TensorBoardOptions
from trainwright.tracking.csv import CsvTracker, read_rows
from trainwright.tracking.tensorboard import TensorBoardTracker

ROWS = [
    {"step": 5, "epoch": 1, "train/loss": 0.1 + 0.2, "learning_rate": 1e-3},
    {"step": 10, "epoch": 1, "train/loss": 1 / 3, "learning_rate": 1e-3, "validation/loss": 0.7, "validation/auc": math.nan},
    {"step": 15, "epoch": 2, "train/loss": 5e-324, "learning_rate": 1e-3},
]


def logged(folder: Path) -> CsvTracker:
    tracker = CsvTracker(CsvOptions(), folder)
    tracker.begin(0)
    for row in ROWS:
        tracker.log(row)
    return tracker


def test_rows_read_back_to_the_bit_and_new_columns_take_their_place(tmp_path: Path) -> None:
    logged(tmp_path).close()
    assert repr(read_rows(tmp_path / "metrics.csv")) == repr(ROWS)
    first = (tmp_path / "metrics.csv").read_text().splitlines()[0]
    assert first == "step,epoch,train/loss,learning_rate,validation/loss,validation/auc"


def test_what_a_killed_process_left_half_written_is_swept_when_the_next_begins(tmp_path: Path) -> None:
    logged(tmp_path).close()
    half = tmp_path / ".metrics.999999-0.trainwright.tmp.csv"
    half.write_text("step,epo")
    CsvTracker(CsvOptions(), tmp_path).begin(15)
    assert not half.exists() and len(read_rows(tmp_path / "metrics.csv")) == 3


def test_each_row_is_on_disk_when_it_was_logged(tmp_path: Path) -> None:
    logged(tmp_path)
    assert len(read_rows(tmp_path / "metrics.csv")) == 3


@pytest.mark.parametrize("cut", range(21))
def test_after_any_cut_the_rows_up_to_a_step_are_kept_and_the_file_becomes_the_same(cut: int, tmp_path: Path) -> None:
    logged(tmp_path).close()
    whole = (tmp_path / "metrics.csv").read_bytes()
    (tmp_path / "metrics.csv").write_bytes(whole[: len(whole) - cut])
    tracker = CsvTracker(CsvOptions(), tmp_path)
    assert [row["step"] for row in tracker.begin(10)] == [5, 10]
    tracker.log(ROWS[2])
    tracker.close()
    assert (tmp_path / "metrics.csv").read_bytes() == whole


def test_a_new_run_forgets_the_rows_of_one_that_never_saved(tmp_path: Path) -> None:
    logged(tmp_path).close()
    tracker = CsvTracker(CsvOptions(), tmp_path)
    assert tracker.begin(0) == []
    tracker.log(ROWS[0])
    assert len(read_rows(tmp_path / "metrics.csv")) == 1


def test_a_row_that_the_disk_refused_is_written_with_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = CsvTracker(CsvOptions(), tmp_path)
    tracker.begin(0)
    tracker.log(ROWS[0])

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("trainwright.tracking.csv.os.fsync", refuse)
        with pytest.raises(OSError, match="No space"):
            tracker.log(ROWS[1])
    tracker.log(ROWS[2])
    assert repr(read_rows(tmp_path / "metrics.csv")) == repr(ROWS)


def test_tensorboard_reads_the_scalars_and_forgets_those_after_the_step_continued_from(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    first = TensorBoardTracker(TensorBoardOptions(), tmp_path)
    for row in ROWS:
        first.log(row)
    first.close()
    second = TensorBoardTracker(TensorBoardOptions(), tmp_path)
    second.begin(10)
    second.log({"step": 12, "train/loss": 9.0})
    second.close()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(each.step, each.value) for each in events.Scalars("train/loss")] == [
        (5, pytest.approx(0.3)),
        (10, pytest.approx(1 / 3)),
        (12, 9.0),
    ]
