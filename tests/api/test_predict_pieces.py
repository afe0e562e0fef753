"""Predictions of a file are written piece by piece, and gone on with after a kill to the same bytes."""

from __future__ import annotations

import gzip
import json
import logging
import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet
import pytest
import torch
from small_tables import QUICK, passengers, write_csv

import trainwright as tw
from trainwright.api.predict import predict_with
from trainwright.api.predictors.kinds import load_predictor
from trainwright.cli.main import main
from trainwright.config.errors import DataError, RequestError
from trainwright.domains.predictor import Predictor
from trainwright.domains.tables import pieces
from trainwright.files import growing

ROWS = 300
PIECE = 64
ENDINGS = (".csv", ".parquet", ".jsonl", ".csv.gz", ".jsonl.gz")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pieces")
    tw.train(write_csv(folder / "table.csv", passengers()), target="survived", run_dir=folder / "run", **QUICK)
    return folder / "run"


@pytest.fixture
def predictor(run: Path, monkeypatch: pytest.MonkeyPatch) -> Predictor:
    """The run's, which takes 64 rows at a time and records each of them."""
    monkeypatch.setattr(pieces, "rows_of_a_piece", lambda encoder: PIECE)
    monkeypatch.setattr(growing, "RECORD_EVERY", -1.0)
    monkeypatch.setattr(pieces, "HELD", 1)
    return load_predictor(run)


@pytest.fixture
def one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return write_csv(tmp_path / "new.csv", passengers(ROWS, seed=1))


def read(path: Path) -> pa.Table:
    """A file of predictions as a table."""
    content = path.read_bytes()
    content = gzip.decompress(content) if path.suffix == ".gz" else content
    if ".parquet" in path.name:
        return pa.parquet.read_table(path)
    return pa.csv.read_csv(pa.BufferReader(content)) if ".csv" in path.name else pa.json.read_json(pa.BufferReader(content))


def left(folder: Path) -> list[str]:
    """What is hidden in a folder."""
    return sorted(each.name for each in folder.iterdir() if each.name.startswith("."))


@pytest.mark.parametrize("ending", ENDINGS)
def test_pieces_make_what_all_rows_at_once_make(ending: str, run: Path, predictor: Predictor, rows: Path, tmp_path: Path) -> None:
    whole = tw.load(run).predict(pa.csv.read_csv(rows))
    out = tmp_path / f"out{ending}"
    assert predict_with(predictor, rows, "", out).rows == ROWS
    found = read(out)
    assert found.column_names == whole.column_names and found["survived_prediction"].cast(pa.string()).to_pylist() == [
        str(each) for each in whole["survived_prediction"].to_pylist()
    ]
    at = next(name for name in whole.column_names if "probability" in name)
    assert found[at].to_numpy() == pytest.approx(whole[at].to_numpy(), abs=1e-6)
    assert left(tmp_path) == []
    if ending == ".parquet":
        assert pa.parquet.ParquetFile(out).num_row_groups == -(-ROWS // PIECE)


@pytest.mark.parametrize("kind", [".csv", ".parquet", ".jsonl", ".csv.gz"])
def test_rows_of_every_kind_of_file_are_answered_alike(kind: str, predictor: Predictor, rows: Path, tmp_path: Path) -> None:
    predict_with(predictor, rows, "", tmp_path / "of-csv.csv")
    place, table = tmp_path / f"rows{kind}", pa.csv.read_csv(rows)
    if kind == ".parquet":
        pa.parquet.write_table(table, place)
    elif kind == ".jsonl":
        place.write_text("".join(f"{json.dumps(row)}\n" for row in table.to_pylist()))
    else:
        place.write_bytes(gzip.compress(rows.read_bytes()) if kind.endswith("gz") else rows.read_bytes())
    predict_with(predictor, place, "", tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "of-csv.csv").read_bytes()


def killed_after(count: int, work: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Do work in another process that is killed once it has recorded so many pieces."""
    record = growing.GrowingFile.record

    def record_and_die(self: growing.GrowingFile, done: Any) -> None:
        record(self, done)
        if done["pieces"] == count:
            self.files["rows"].write(b"half a piece")
            self.files["rows"].flush()
            os.kill(os.getpid(), signal.SIGKILL)

    with monkeypatch.context() as patched:
        patched.setattr(growing.GrowingFile, "record", record_and_die)
        process = multiprocessing.get_context("fork").Process(target=work)
        process.start()
        process.join(60)
        assert process.exitcode == -signal.SIGKILL


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_killed_prediction_is_gone_on_with_to_the_same_bytes(
    ending: str, predictor: Predictor, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole, out = tmp_path / f"whole{ending}", tmp_path / f"out{ending}"
    predict_with(predictor, rows, "", whole)
    killed_after(3, lambda: predict_with(predictor, rows, "", out), monkeypatch)
    assert not out.exists() and left(tmp_path) == [f".out{ending}.trainwright.part"]
    with caplog.at_level(logging.INFO, "trainwright"):
        assert predict_with(predictor, rows, "", out).rows == ROWS
    assert f"{out}: {3 * PIECE} rows were predicted before" in caplog.text
    assert out.read_bytes() == whole.read_bytes() and left(tmp_path) == []


@pytest.mark.usefixtures("one_thread")
def test_what_was_counted_before_a_kill_is_told_once_all_is_done(
    predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    table = passengers(ROWS, seed=1)
    table["port"] = np.array(["Atlantis"] * 10 + list(table["port"][10:]))
    rows = write_csv(tmp_path / "new.csv", table)
    killed_after(1, lambda: predict_with(predictor, rows, "", tmp_path / "out.csv"), monkeypatch)
    with caplog.at_level(logging.INFO, "trainwright"):
        predict_with(predictor, rows, "", tmp_path / "out.csv")
    assert "column 'port': 10 values were never seen in training" in caplog.text


@pytest.mark.usefixtures("one_thread")
def test_other_rows_or_another_model_begin_anew(
    run: Path, predictor: Predictor, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    killed_after(2, lambda: predict_with(predictor, rows, "", tmp_path / "out.csv"), monkeypatch)
    write_csv(rows, passengers(ROWS, seed=2))
    with caplog.at_level(logging.INFO, "trainwright"):
        predict_with(predictor, rows, "", tmp_path / "out.csv")
    predict_with(predictor, rows, "", tmp_path / "whole.csv")
    assert "before" not in caplog.text and (tmp_path / "out.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    killed_after(2, lambda: predict_with(predictor, rows, "", tmp_path / "out.csv"), monkeypatch)
    with caplog.at_level(logging.INFO, "trainwright"):
        predict_with(predictor.decided_at(0.3), rows, "", tmp_path / "out.csv")
    assert "before" not in caplog.text and left(tmp_path) == []


@pytest.mark.usefixtures("one_thread")
def test_what_was_recorded_is_not_believed_of_the_bytes_of_other_rows(
    predictor: Predictor, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.csv"
    killed_after(2, lambda: predict_with(predictor, rows, "", out), monkeypatch)
    with monkeypatch.context() as patched:
        patched.setattr(growing, "RECORD_EVERY", 1e9)  # killed before anything of it is recorded
        with pytest.raises(ZeroDivisionError), growing.growing_file(out, {"other": "rows"}) as begun:
            begun.open("rows").write(b"x" * 10_000)
            patched.setattr(begun, "remove", begun.leave)
            raise ZeroDivisionError
    predict_with(predictor, rows, "", out)
    predict_with(predictor, rows, "", tmp_path / "whole.csv")
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_an_interrupted_prediction_is_kept_and_a_failed_one_is_not(
    predictor: Predictor, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, answered = type(predictor).answer, []

    def fail(error: BaseException) -> Callable[..., Any]:
        def answer_twice(self: Any, given: Any) -> Any:
            answered.append(given)
            if len(answered) > 2:
                raise error
            return answer(self, given)

        answered.clear()
        return answer_twice

    for error, kept in ((KeyboardInterrupt(), [".out.csv.trainwright.part"]), (OSError(28, "No space left on device"), [])):
        monkeypatch.setattr(type(predictor), "answer", fail(error))
        with pytest.raises((KeyboardInterrupt, RequestError)):
            predict_with(predictor, rows, "", tmp_path / "out.csv")
        assert left(tmp_path) == kept and not (tmp_path / "out.csv").exists()
        shutil.rmtree(tmp_path / ".out.csv.trainwright.part", ignore_errors=True)


def test_two_processes_do_not_write_one_file(predictor: Predictor, rows: Path, tmp_path: Path) -> None:
    with growing.growing_file(tmp_path / "out.csv", None) as other:
        with pytest.raises(RequestError, match="another process is writing this file"):
            predict_with(predictor, rows, "", tmp_path / "out.csv")
        other.remove()
    assert predict_with(predictor, rows, "", tmp_path / "out.csv").rows == ROWS


def test_several_files_are_answered_one_after_the_other(
    run: Path, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    other = write_csv(tmp_path / "other.csv", passengers(50, seed=3))
    assert main(["predict", str(run), str(rows), str(other), "-o", "both.csv"]) == 0
    assert "both.csv: 350 rows" in capsys.readouterr().out
    for each in (rows, other):
        assert main(["predict", str(run), str(each), "-o", f"{each.stem}-answers.csv"]) == 0
    one, two = ((tmp_path / f"{each.stem}-answers.csv").read_bytes() for each in (rows, other))
    assert (tmp_path / "both.csv").read_bytes() == one + two.split(b"\n", 1)[1]
    assert main(["predict", str(run), str(rows), "nowhere.csv", "-o", "both.csv"]) == 2
    assert main(["predict", str(run), str(rows), str(other), "-o", "other.csv"]) == 2
    assert "this is an input" in capsys.readouterr().err


def test_what_is_wrong_with_a_later_piece_is_told_as_of_all_rows(predictor: Predictor, tmp_path: Path) -> None:
    table = passengers(ROWS, seed=1)
    ages = [f"{each}" for each in passengers(ROWS, seed=1)["fare"]]
    ages[70], ages[200] = "old", "older"
    rows = write_csv(tmp_path / "new.csv", table | {"age": np.array(ages)})
    with pytest.raises(DataError, match="row 71 'old', row 201 'older'"):
        predict_with(predictor, rows, "", tmp_path / "out.csv")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["new.csv"]


def test_bad_rows_are_null_with_a_reason_where_that_is_asked_for(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ages = [f"{each}" for each in passengers(ROWS, seed=1)["fare"]]
    ages[70], ages[200], ages[201] = "old", "inf", "older"
    rows, out = write_csv(tmp_path / "new.csv", passengers(ROWS, seed=1) | {"age": np.array(ages)}), tmp_path / "out.parquet"
    assert main(["predict", str(run), str(rows), "-o", str(out)]) == 2 and not out.exists()
    assert main(["predict", str(run), str(rows), "-o", str(out), "--bad-rows", "null"]) == 0
    found = read(out)
    text = "column 'age' holds text that is not a number"
    told = {70: f"{text}: 'old'", 200: "column 'age' is infinite", 201: f"{text}: 'older'"}
    assert {row: each for row, each in enumerate(found["reason"].to_pylist()) if each} == told
    assert [row for row, each in enumerate(found["survived_prediction"].to_pylist()) if each is None] == list(told)
    mended = [each if row not in told else "9" for row, each in enumerate(ages)]
    good = write_csv(tmp_path / "good.csv", passengers(ROWS, seed=1) | {"age": np.array(mended)})
    assert main(["predict", str(run), str(good), "-o", str(tmp_path / "good.parquet")]) == 0
    kept = pa.array(sorted({*range(ROWS)} - {*told}))
    assert found.drop_columns("reason").take(kept).equals(read(tmp_path / "good.parquet").take(kept))
    assert f"2 rows are left without a prediction: {text}" in capsys.readouterr().err
    assert main(["predict", str(run), str(rows), "-o", str(out), "--bad-rows", "nul"]) == 2
    assert main(["predict", str(run), "--split", "test", "-o", str(out), "--bad-rows", "null"]) == 2
    assert "--bad-rows null has no effect here" in capsys.readouterr().err


def test_rows_that_a_condition_leaves_out_have_it_as_their_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = write_csv(tmp_path / "table.csv", passengers())
    run = tw.train(table, target="survived", run_dir=tmp_path / "run", **QUICK | {"data": {"where": "fare < 20"}})
    monkeypatch.setattr(pieces, "rows_of_a_piece", lambda encoder: PIECE)
    given = passengers(ROWS, seed=1)
    ages = [f"{each}" for each in given["fare"]]
    ages[5] = ages[250] = "old"
    rows = write_csv(tmp_path / "new.csv", given | {"age": np.array(ages)})
    predict_with(run.predictor.with_reasons(), rows, "", tmp_path / "out.parquet")
    bad = dict.fromkeys((5, 250), "column 'age' holds text that is not a number: 'old'")
    told = [None if fare < 20 else "left out by data.where" for fare in given["fare"]]
    assert read(tmp_path / "out.parquet")["reason"].to_pylist() == [each or bad.get(row) for row, each in enumerate(told)]
