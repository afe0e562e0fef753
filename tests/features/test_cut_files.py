"""Long files cut into windows, and batches of like length: what is read, what is refused, and what a reader is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from trainwright.config.choice import choose
from trainwright.config.errors import DataError, RequestError
from trainwright.data.rows import FirstRows
from trainwright.data.sampled_rows import SampledRows
from trainwright.data.sources.opening import from_object
from trainwright.data.window_options import WindowConfig
from trainwright.engine.config import TrainerConfig
from trainwright.engine.padding_share import padding_share
from trainwright.engine.pieces import order_of
from trainwright.engine.plan import make_plan
from trainwright.features.encoding import EncodedTable, TableEncoder
from trainwright.features.npy import read_piece
from trainwright.features.table_rows import table_rows

LENGTHS = [10, 4, 7, 12, 3, 9, 8, 5, 11, 6, 10, 7]
ROWS = len(LENGTHS)


class Split:
    train, validation, test = np.arange(ROWS - 2), np.arange(ROWS - 2, ROWS), np.arange(0)


def arrays() -> list[np.ndarray]:
    """Row r holds 1000 r, 1000 r + 1, … in two channels."""
    return [np.stack([np.arange(n), -np.arange(n)], 1).astype(np.float32) + 1000 * row for row, n in enumerate(LENGTHS)]


def written(folder: Path, given: list[Any] | None = None) -> Path:
    for row, array in enumerate(given or arrays()):
        file = folder / f"{row}.npy"
        file.write_bytes(array) if isinstance(array, bytes) else np.save(file, array)
    lines = [f"{row}.npy,{row},{row % 2}" for row in range(ROWS)]
    (folder / "t.csv").write_text("\n".join(["signal,a,y", *lines, ""]))
    return folder / "t.csv"


def fitted(table: Path, window: dict[str, Any] | None = None, target: str = "binary", **options: Any) -> EncodedTable:
    signal = choose("feature", {"type": "file", "scale": "none", **options})
    columns = {"signal": signal, "a": choose("feature", "number"), "y": choose("feature", target)}
    cut = None if window is None else WindowConfig(**window)
    return EncodedTable.fit(from_object(str(table)), Split(), columns, ["signal", "a"], ["y"], window=cut)


def refused(table: Path, window: dict[str, Any] | None = None, target: str = "binary", **options: Any) -> RequestError:
    with pytest.raises(RequestError) as caught:
        fitted(table, window, target, **options)
    return caught.value


def firsts(batch: dict[str, torch.Tensor]) -> list[int]:
    """The first number of each window, which says where it was cut."""
    return [int(each) for each in batch["signal.value"][:, 0, 0, 0]]


def test_windows_come_with_the_numbers_and_the_target_of_their_row(tmp_path: Path) -> None:
    table = fitted(written(tmp_path), {"length": 4, "stride": 3})
    rows = table_rows(table, np.array([1, 3]))
    batch = rows.take(torch.arange(len(rows)))
    assert len(rows) == 5 and batch["signal.value"].shape == (5, 1, 4, 2)
    assert firsts(batch) == [1000, 3000, 3003, 3006, 3009]
    assert batch["signal.value"][4, 0, :, 0].tolist() == [3009, 3010, 3011, 0]  # the rest is filled up
    assert batch["target.y"].tolist() == [1] * 5
    assert len(set(batch["number.value"].flatten().tolist())) == 2
    assert "cut into" in table.notes()[-1] and "filled up with zeros" in table.notes()[-1]


def test_rows_that_hold_no_window_are_left_out_and_counted(tmp_path: Path) -> None:
    table = fitted(written(tmp_path), {"length": 8, "rest": "drop"})
    short = [row for row, length in enumerate(LENGTHS) if length < 8]
    assert [(each.column, each.rows.tolist()) for each in table.dropped] == [("signal", short)]
    assert "fewer entries than a window" in table.dropped[0].reason
    assert len(table_rows(table, np.arange(len(table.rows)))) == len(table.rows)


def test_a_shorter_window_at_the_end_keeps_its_length(tmp_path: Path) -> None:
    rows = table_rows(fitted(written(tmp_path), {"length": 4, "rest": "short"}), np.array([3, 5]))
    batch = rows.take(torch.arange(len(rows)))
    assert batch["signal.length"].flatten().tolist() == [4, 4, 4, 4, 4, 1]
    assert not batch["signal.value"][5, 0, 1:].any()


def test_shorter_windows_are_expected_where_no_sampled_row_has_one(tmp_path: Path) -> None:
    alike = [np.ones((8, 2), np.float32) for _ in range(ROWS - 1)] + [np.ones((9, 2), np.float32)]
    rows = table_rows(fitted(written(tmp_path, alike), {"length": 4, "rest": "short"}), np.arange(ROWS - 2, ROWS))
    assert rows.take(torch.arange(5))["signal.length"].flatten().tolist() == [4, 4, 4, 4, 1]


def test_each_window_draws_for_itself_whatever_the_batch(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("import torch\ndef noise(x): return x + torch.rand(())\n")
    table = fitted(written(tmp_path, [np.zeros((12, 2), np.float32)] * ROWS), {"length": 4}, transform=f"{tmp_path / 'own.py'}:noise")
    rows = table_rows(table, np.arange(3), training=True)
    rows.begin_epoch(5, 2)
    whole = rows.take(torch.arange(9))["signal.value"][:, 0, 0, 0]
    assert len(whole.unique()) == 9
    assert torch.equal(rows.take(torch.tensor([7, 2]))["signal.value"][:, 0, 0, 0], whole[[7, 2]])


def test_a_missing_row_is_one_sample(tmp_path: Path) -> None:
    table = fitted(written(tmp_path, [b"nothing", *arrays()[1:]]), {"length": 4}, unreadable="repair")
    rows = table_rows(table, np.array([0, 1]))
    assert len(rows) == 2 and not rows.take(torch.tensor([0]))["signal.value"].any()


def test_a_file_that_lost_its_end_is_named(tmp_path: Path) -> None:
    rows = table_rows(fitted(written(tmp_path), {"length": 4}), np.array([3]))
    np.save(tmp_path / "3.npy", arrays()[3][:5])
    with pytest.raises(DataError, match=r"cannot be read") as caught:
        rows.take(torch.tensor([2]))
    assert "row 4" in caught.value.where and "5 entries, and had more" in caught.value.why


def test_the_fitted_columns_cut_new_rows_alike(tmp_path: Path) -> None:
    table = fitted(written(tmp_path), {"length": 4, "stride": 3})
    restored = TableEncoder.restore(table.encoder.state())
    assert restored.state() == table.encoder.state() and restored.state()["format"] == 3
    new = restored.encode_inputs(str(tmp_path / "t.csv"))
    assert len(table_rows(new, np.arange(ROWS))) == len(table_rows(table, np.arange(ROWS)))


@pytest.mark.parametrize(
    ("window", "target", "said"),
    [
        ({"length": 4, "column": "a"}, "binary", "'a' cannot be cut"),
        ({"length": 4, "column": "signel"}, "binary", "did you mean 'signal'"),
        ({"length": 4, "join": "vote"}, "number", "data.window.join=mean"),
    ],
)
def test_what_cannot_be_cut_is_refused_with_what_can(window: dict[str, Any], target: str, said: str, tmp_path: Path) -> None:
    error = refused(written(tmp_path), window, target)
    assert "data.window" in error.where and said in f"{error.what} {error.why} {error.fix}"


@pytest.mark.parametrize(
    "array", [np.arange(24.0).reshape(6, 4), np.asfortranarray(np.arange(24).reshape(6, 4)), np.arange(6, dtype=">i2")]
)
def test_a_piece_is_what_slicing_gives(array: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", array)
    for first, count in [(0, 2), (3, 2), (4, 9), (6, 1)]:
        piece, shape = read_piece(str(tmp_path / "a.npy"), first, count)
        assert np.array_equal(piece, array[first : first + count]) and shape == array.shape


BUCKET = {"by": "length", "width": 3}


def test_batches_by_length_hold_less_padding(tmp_path: Path) -> None:
    shares = {}
    for name, options in (("without", {}), ("with", {"bucket": {"width": 2}})):
        rows = table_rows(fitted(written(tmp_path), **options), np.tile(np.arange(ROWS), 20), training=True)
        plan = make_plan(TrainerConfig(batch_size=4, max_epochs=1), len(rows))
        order = order_of(rows, 0, 0, plan)
        assert sorted(order.tolist()) == list(range(20 * ROWS))
        batches = [rows.take(order[at : at + 4]) for at in range(0, len(rows), 4)]
        shares[name] = np.mean([float(padding_share(each, rows.padded)) for each in batches])
    assert 0 < shares["with"] < 0.3 * shares["without"]


def test_buckets_follow_limits_and_draws(tmp_path: Path) -> None:
    rows = table_rows(fitted(written(tmp_path), bucket=BUCKET), np.arange(ROWS), training=True)
    assert rows.buckets(0, 0).tolist() == [length // 3 for length in LENGTHS] and rows.sizes().tolist() == LENGTHS
    assert FirstRows(rows, 5).buckets(0, 0).tolist() == [length // 3 for length in LENGTHS[:5]]
    sampled = SampledRows(rows, np.ones(ROWS), 20)
    sampled.begin_epoch(1, 1)
    assert sampled.buckets(1, 1).tolist() == [LENGTHS[row] // 3 for row in sampled._drawn.tolist()]


def test_the_padding_share_is_what_is_beyond_the_lengths(tmp_path: Path) -> None:
    rows = table_rows(fitted(written(tmp_path)), np.arange(ROWS))
    assert float(padding_share(rows.take(torch.tensor([0, 1])), rows.padded)) == pytest.approx(1 - 14 / 20)


def test_buckets_are_refused_where_lengths_are_not_known(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("def halved(x): return x[: len(x) // 2]\n")
    error = refused(written(tmp_path), bucket=BUCKET, transform=f"{tmp_path / 'own.py'}:halved")
    assert "not known before they are read" in error.what and error.where == "columns.signal.bucket"
    alike = [np.ones((5, 2), np.float32)] * ROWS
    assert "all arrays have one length" in refused(written(tmp_path, alike), bucket=BUCKET).why
