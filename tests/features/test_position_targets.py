"""A column of files as a target: a class at every position, read with its row, learnt, measured and predicted."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score
from torch.nn import functional

import trainwright as tw
from trainwright.api.prediction_files import flat
from trainwright.config.choice import choose
from trainwright.config.errors import DataError, RequestError
from trainwright.data.sources.opening import from_object
from trainwright.data.window_options import WindowConfig
from trainwright.engine.system import StepContext
from trainwright.features.encoding import EncodedTable, TableEncoder
from trainwright.features.table_rows import table_rows
from trainwright.systems.base import build_system
from trainwright.systems.supervised import SupervisedSystem

ROWS = 14
SPLIT = SimpleNamespace(train=np.arange(ROWS - 4), validation=np.arange(ROWS - 4, ROWS), test=np.arange(0))
CONTEXT = StepContext(0, 0, 0.0, torch.default_generator)


def labels(shape: tuple[int, ...] = (30,), classes: int = 3) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, classes, shape).astype(np.uint8) for _ in range(ROWS)]


def write(folder: Path, truths: list[Any], arrays: list[np.ndarray] | None = None) -> Path:
    """A table with an array and the classes of its positions; without arrays of their own the classes as numbers."""
    lines = ["signal,a,mask"]
    for row, truth in enumerate(truths):
        np.save(folder / f"{row}.npy", np.asarray(truth, np.float32) if arrays is None else arrays[row])
        np.save(folder / f"{row}-mask.npy", truth)
        lines.append(f"{row}.npy,{row},{row}-mask.npy")
    (folder / "t.csv").write_text("\n".join([*lines, ""]))
    return folder / "t.csv"


def fitted(table: Path, mask: dict[str, Any] | None = None, signal: dict[str, Any] | None = None) -> EncodedTable:
    columns = {
        "signal": choose("feature", {"type": "file", "scale": "none", **(signal or {})}),
        "a": choose("feature", "number"),
        "mask": choose("feature", {"type": "file", **(mask or {})}),
    }
    return EncodedTable.fit(from_object(str(table)), SPLIT, columns, ["signal", "a"], ["mask"])


def system_of(table: EncodedTable) -> SupervisedSystem:
    system = SupervisedSystem({"combiner": {"type": "concat", "depth": 1, "width": 8}})
    build_system(system, table.spec)
    return system


CUT = {"transform": [{"random_crop": 8}, {"center_crop": 8}]}


def test_a_mask_is_cut_where_its_picture_is(tmp_path: Path) -> None:
    """The signal holds the classes themselves, so that both are the same wherever they are cut."""
    table = fitted(write(tmp_path, labels((500,))), {**CUT, "draws_as": "signal"}, CUT)
    rows = table_rows(table, table.train, training=True)
    rows.begin_epoch(3, 1)
    batch = rows.take(torch.arange(6))
    assert batch["target.mask"].dtype == torch.int64 and batch["target.mask"].shape == (6, 8)
    assert torch.equal(batch["signal.value"][:, 0].long(), batch["target.mask"])
    apart = table_rows(fitted(write(tmp_path, labels((500,))), CUT, CUT), table.train, training=True).take(torch.arange(6))
    assert not torch.equal(apart["signal.value"][:, 0].long(), apart["target.mask"])


def test_what_is_found_is_kept_with_the_model(tmp_path: Path) -> None:
    table = fitted(write(tmp_path, labels()))
    spec = TableEncoder.restore(table.encoder.state()).spec.targets[0]
    assert (spec.width, spec.classes, spec.positions, spec.kind) == (3, ["0", "1", "2"], (30,), "category")
    named = fitted(write(tmp_path, labels()), {"classes": ["rest", "slow", "fast", "never"]}).spec.targets[0]
    assert (named.width, named.classes) == (4, ["rest", "slow", "fast", "never"])


def test_the_loss_is_the_mean_over_the_positions_of_a_row_that_count(tmp_path: Path) -> None:
    truths = [each.astype(np.int64) for each in labels()]
    truths[0][:10] = -100
    system = system_of(table := fitted(write(tmp_path, truths)))
    batch = table_rows(table, table.train).take(torch.arange(5))
    loss = system.training_step(batch, CONTEXT)
    output = system.decoders[0](system.encode(batch), batch["signal.value"])
    assert output.shape == (5, 3, 30) and loss.count == 5
    rows = [functional.cross_entropy(output[row : row + 1], batch["target.mask"][row : row + 1], ignore_index=-100) for row in range(5)]
    torch.testing.assert_close(loss.total, torch.stack(rows).sum())


def test_a_row_in_pieces_has_the_gradient_of_the_whole(tmp_path: Path) -> None:
    system = system_of(table := fitted(write(tmp_path, labels((6, 6)))))
    batch = table_rows(table, table.train).take(torch.arange(6))
    system.training_step(batch, CONTEXT).total.backward()
    whole = {name: each.grad.clone() for name, each in system.named_parameters() if each.grad is not None}
    system.zero_grad()
    for start in (0, 4):
        system.training_step({name: each[start : start + 4] for name, each in batch.items()}, CONTEXT).total.backward()
    for name, each in system.named_parameters():
        if each.grad is not None:
            torch.testing.assert_close(each.grad, whole[name], rtol=1e-4, atol=1e-5)


def test_metrics_are_those_of_all_positions_and_hold_nothing(tmp_path: Path) -> None:
    truths = [each.astype(np.int64) for each in labels()]
    truths[3][5:] = -100
    system = system_of(table := fitted(write(tmp_path, truths))).eval()
    rows, metric = table_rows(table, np.arange(ROWS)), system.metrics()
    predicted = []
    for start in (0, 5, 10):
        batch = rows.take(torch.arange(start, min(start + 5, ROWS)))
        with torch.no_grad():
            metric.update(system.evaluation_step(batch, CONTEXT))
            predicted.append(system.predict_step(batch)["mask.scores"].numpy())
    truth, answer = np.stack(truths), np.concatenate(predicted)
    keep = truth >= 0
    found = metric.compute()
    assert found["mask.accuracy"] == pytest.approx(accuracy_score(truth[keep], answer[keep]))
    assert found["mask.f1"] == pytest.approx(f1_score(truth[keep], answer[keep], average="macro"))
    assert metric.memory_of(10**9) == ""


@pytest.mark.parametrize("shape", [(6, 5, 3), (3, 6, 5), (6, 5)])
def test_channels_come_last_or_first(shape: tuple[int, ...], tmp_path: Path) -> None:
    arrays = [np.random.default_rng(row).normal(size=shape).astype(np.float32) for row in range(ROWS)]
    system = system_of(table := fitted(write(tmp_path, labels((6, 5)), arrays))).eval()
    batch = table_rows(table, table.train).take(torch.arange(3))
    assert system.predict_step(batch)["mask.scores"].shape == (3, 6, 5)
    assert system.decoders[0].first.in_channels == (1 if len(shape) == 2 else 3)


def test_predictions_are_lists_of_classes(tmp_path: Path) -> None:
    feature = fitted(write(tmp_path, labels((2, 3))), {"classes": ["no", "old", "new"]}).encoder.features["mask"]
    column = feature.decode({"scores": np.array([[[0, 1, 2], [2, 2, 0]]], np.uint8)})["mask_prediction"]
    assert column.to_pylist() == [[["no", "old", "new"], ["new", "new", "no"]]]
    assert flat(pa.table({"mask_prediction": column})).column(0).to_pylist() == ["no|old|new;new|new|no"]


REFUSED = {
    "fractions": ([each / 2 for each in labels()], {}, {}, "numbers with a fraction.*astype"),
    "lengths": ([each[: 20 + row] for row, each in enumerate(labels())], {}, {}, "different shapes.*center_crop"),
    "one class": ([np.zeros(30, np.uint8)] * ROWS, {}, {}, "one class alone.*classes=2"),
    "more classes": (labels(), {"classes": 2}, {}, "more than the 2 classes.*classes=3"),
    "repair": (labels(), {"unreadable": "repair"}, {}, "`unreadable` cannot be so for the target"),
    "scaled": (labels(), {"scale": "standard"}, {}, "classes are not scaled"),
    "on the device": (labels(), {"transform": [{"type": "torch.abs", "runs_on": "device"}]}, {}, "runs_on: worker"),
    "other positions": (labels(), CUT, {}, r"no input has the 8 positions.*'signal' \(30,\).*same crop"),
    "linear": (labels(), {"decoder": "linear"}, {}, "gives one answer a row.*use positions"),
    "even kernel": (labels(), {"decoder": {"type": "positions", "kernel": 4}}, {}, "kernel must be odd"),
    "loss of values": (labels(), {"loss": "mse"}, {}, "no loss of positions.*cross_entropy"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_target_is_refused(name: str, tmp_path: Path) -> None:
    truths, mask, signal, said = REFUSED[name]
    with pytest.raises(RequestError) as caught:
        system_of(fitted(write(tmp_path, truths, labels()), mask, signal))
    assert re.search(said, str(caught.value).replace("\n", " ")), str(caught.value)


def test_a_class_that_there_is_not_is_named_with_row_and_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainwright.features.file.SAMPLE", 1)
    truths = labels(classes=2)
    table = fitted(write(tmp_path, truths))
    for row in range(ROWS):
        truths[row][3] = 2
    write(tmp_path, truths)
    with pytest.raises(DataError, match=r"(?s)row 1: .*0-mask\.npy.*class 2 at a position.*classes=3"):
        table_rows(table, table.train).take(torch.arange(1))


def test_rows_that_are_cut_into_windows_have_no_class_at_every_position(tmp_path: Path) -> None:
    columns = {"signal": choose("feature", "file"), "a": choose("feature", "number"), "mask": choose("feature", "file")}
    source = from_object(str(write(tmp_path, labels())))
    with pytest.raises(RequestError, match=r"(?s)cannot be cut into windows.*draws_as"):
        EncodedTable.fit(source, SPLIT, columns, ["signal", "a"], ["mask"], window=WindowConfig(length=8))


def test_a_column_repeats_the_draws_of_one_whose_name_is_no_word(tmp_path: Path) -> None:
    table = write(tmp_path, labels((500,)))
    table.write_text(table.read_text().replace("signal,", "my signal,", 1))
    options = {"my signal": {"scale": "none", **CUT}, "mask": {**CUT, "draws_as": "my signal"}}
    columns = {name: choose("feature", {"type": "file", **each}) for name, each in options.items()}
    encoded = EncodedTable.fit(from_object(str(table)), SPLIT, columns, ["my signal"], ["mask"])
    batch = table_rows(encoded, encoded.train, training=True).take(torch.arange(6))
    assert torch.equal(batch["my_signal.value"][:, 0].long(), batch["target.mask"])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"columns": {"signal": "file", "mask": {"type": "file", "draws_as": "signall"}}},
            "'signall', which is no column.*signal",
        ),
        ({"data": {"sampling": {"by": "class"}}}, "rows cannot be drawn by class.*COLUMN"),
    ],
)
def test_what_has_no_effect_on_positions_is_refused(changed: dict[str, Any], said: str, tmp_path: Path) -> None:
    source = {"source": str(write(tmp_path, labels())), **changed.get("data", {})}
    config = {"targets": ["mask"], "columns": {"signal": "file", "mask": "file"}, **changed, "data": source}
    with pytest.raises(RequestError) as caught:
        tw.train(config=config, run_dir=tmp_path / "run")
    assert re.search(said, str(caught.value).replace("\n", " ")), str(caught.value)
    assert not (tmp_path / "run").exists()
