"""A column of paths to arrays: what is found in them, what is refused with row and path, and how rows become batches."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from trainwright.config.choice import choose
from trainwright.config.errors import ConfigError, DataError, RequestError
from trainwright.data.sampled_rows import SampledRows
from trainwright.data.sources.opening import from_object
from trainwright.features.encoding import EncodedTable, TableEncoder
from trainwright.features.npy import WHOLE, Unreadable, read_array, read_header
from trainwright.features.table_rows import table_rows
from trainwright.systems.base import build_system
from trainwright.systems.supervised import SupervisedSystem

ROWS = 12


class Split:
    """All rows but the last two train."""

    train, validation, test = np.arange(ROWS - 2), np.arange(ROWS - 2, ROWS), np.arange(0)


def write(folder: Path, arrays: list[Any], paths: list[str] | None = None) -> Path:
    """A table of paths, a number and a target, with an array in each file; what is no array is written as it is."""
    for row, array in enumerate(arrays):
        file = folder / f"{row}.npy"
        file.write_bytes(array) if isinstance(array, bytes) else np.save(file, array, allow_pickle=True)
    lines = [f"{path},{row},{row % 2}" for row, path in enumerate(paths or [f"{row}.npy" for row in range(len(arrays))])]
    (folder / "t.csv").write_text("\n".join(["signal,a,y", *lines, ""]))
    return folder / "t.csv"


def numbered(shape: tuple[int, ...] = (6,)) -> list[Any]:
    return [np.arange(np.prod(shape), dtype=np.float32).reshape(shape) + 10 * row for row in range(ROWS)]


def fitted(table: Path, options: dict[str, Any] | None = None, **others: Any) -> EncodedTable:
    """The table encoded, its column of files with some options."""
    signal = choose("feature", {"type": "file", **(options or {})})
    columns = {"signal": signal, "a": choose("feature", "number"), "y": choose("feature", "binary")}
    return EncodedTable.fit(from_object(str(table)), Split(), columns, ["signal", "a"], ["y"], **others)


def refused(table: Path, options: dict[str, Any] | None = None) -> RequestError:
    """What is said of the table."""
    with pytest.raises(RequestError) as caught:
        fitted(table, options)
    return caught.value


def whole(error: RequestError) -> str:
    return f"{error.what} {error.where} {error.why} {error.fix}"


def test_rows_are_stacked_and_scaled_by_the_numbers_of_the_training_rows(tmp_path: Path) -> None:
    arrays = numbered()
    table = fitted(write(tmp_path, arrays))
    batch = table_rows(table, np.arange(ROWS)).take(torch.tensor([11, 0]))
    training = np.stack(arrays[: ROWS - 2]).astype(np.float64)
    expected = (np.stack([arrays[11], arrays[0]]) - training.mean()) / training.std()
    torch.testing.assert_close(batch["signal.value"], torch.from_numpy(expected).float()[:, None])
    assert set(batch) == {"signal.value", "number.value", "target.y"}


def test_declared_numbers_scale_instead(tmp_path: Path) -> None:
    arrays = numbered()
    table = fitted(write(tmp_path, arrays), {"mean": 5.0, "std": 2.0})
    value = table_rows(table, np.arange(ROWS)).take(torch.tensor([3]))["signal.value"]
    torch.testing.assert_close(value, (torch.from_numpy(arrays[3]) - 5)[None, None] / 2)


def test_arrays_of_different_lengths_are_padded_to_the_longest_of_the_batch(tmp_path: Path) -> None:
    arrays = [np.ones((2 + row, 3), np.float32) for row in range(ROWS)]
    batch = table_rows(fitted(write(tmp_path, arrays), {"scale": "none"}), np.arange(ROWS)).take(torch.tensor([0, 4]))
    assert batch["signal.value"].shape == (2, 1, 6, 3)
    assert batch["signal.length"].tolist() == [[2], [6]]
    assert batch["signal.value"].sum((1, 2, 3)).tolist() == [6, 18]


def test_arrays_are_padded_to_a_length_and_longer_ones_refused(tmp_path: Path) -> None:
    table = fitted(write(tmp_path, [np.ones(2 + row) for row in range(ROWS)]), {"pad": 12})
    rows = table_rows(table, np.arange(ROWS))
    assert rows.take(torch.tensor([0]))["signal.value"].shape == (1, 1, 12)
    with pytest.raises(DataError, match=r"length 13, which is more than columns\.signal\.pad: 12"):
        rows.take(torch.tensor([ROWS - 1]))


def test_draws_follow_from_seed_epoch_and_row_whatever_the_batch(tmp_path: Path) -> None:
    table = fitted(write(tmp_path, numbered((40,))), {"transform": [{"random_crop": 8}, {"center_crop": 8}]})
    rows = table_rows(table, np.arange(ROWS), training=True)
    rows.begin_epoch(3, 1)
    first = rows.take(torch.tensor([2, 5, 7]))["signal.value"]
    sent = pickle.loads(pickle.dumps(rows))
    sent.begin_epoch(3, 1)
    assert torch.equal(sent.take(torch.tensor([7, 2]))["signal.value"], first[[2, 0]])
    assert len(pickle.dumps(rows)) < 20_000  # no table goes along
    sent.begin_epoch(3, 2)
    assert not torch.equal(sent.take(torch.tensor([2, 5, 7]))["signal.value"], first)


def test_a_row_that_is_drawn_twice_in_an_epoch_is_cut_at_two_places(tmp_path: Path) -> None:
    options = {"transform": [{"random_crop": 8}, {"center_crop": 8}], "scale": "none"}
    rows = table_rows(fitted(write(tmp_path, numbered((4096,))), options), np.arange(ROWS), training=True)
    sampled = SampledRows(rows, np.eye(ROWS)[3], samples=4)  # row 3, four times
    sampled.begin_epoch(1, 2)
    whole = sampled.take(torch.arange(4))["signal.value"]
    assert len(whole.flatten(1).unique(dim=0)) == 4
    assert torch.equal(whole[2], sampled.take(torch.tensor([2]))["signal.value"][0])


def test_rows_that_do_not_train_are_cut_in_the_middle(tmp_path: Path) -> None:
    arrays = numbered((40,))
    options = {"transform": [{"random_crop": 8}, {"center_crop": 8}], "scale": "none"}
    value = table_rows(fitted(write(tmp_path, arrays), options), np.arange(ROWS)).take(torch.tensor([1]))["signal.value"]
    assert value.flatten().tolist() == arrays[1][16:24].tolist()


def damaged() -> list[tuple[str, Any, str]]:
    """(what, content of a file, what is said)"""
    whole_file = np.lib.format.magic(1, 0) + b"\x76\x00" + b"{'descr': '<f4', 'fortran_order': False, 'shape': (6,), }".ljust(117) + b"\n"
    return [
        ("cut off", whole_file + b"\0" * 20, r"cut off: 148 of 152 bytes"),
        ("empty", b"", "it is empty"),
        ("text", b"1,2,3,4,5,6,7\n", "not an .npy file"),
        ("objects", np.array([{}, None, 1, 2, 3, 4], object), "objects, which are not unpickled"),
        ("words", np.array(["a"] * 6), "not numbers"),
        ("other shape", np.zeros(7, np.float32), r"its shape is \(7,\), the others have \(6\)"),
        ("damaged header", whole_file.replace(b"'shape'", b"'shipe'") + b"\0" * 24, "header is damaged"),
    ]


@pytest.mark.parametrize(("content", "said"), [each[1:] for each in damaged()], ids=[each[0] for each in damaged()])
def test_a_file_that_cannot_be_read_is_named_with_its_row(content: Any, said: str, tmp_path: Path) -> None:
    arrays = [*numbered()[:-1], content]
    error = refused(write(tmp_path, arrays))
    assert f"{ROWS} (line {ROWS + 1})" in whole(error) and str(tmp_path / f"{ROWS - 1}.npy") in whole(error)
    assert re.search(said, whole(error))
    assert "unreadable=skip" in error.fix


def test_a_file_that_is_not_there_is_named_with_its_row(tmp_path: Path) -> None:
    error = refused(write(tmp_path, numbered(), [f"{row}.npy" for row in range(ROWS - 1)] + ["none.npy"]))
    assert "it is not there" in whole(error) and f"line {ROWS + 1}" in whole(error) and "none.npy" in whole(error)


@pytest.mark.parametrize("policy", ["skip", "repair"])
def test_the_first_unreadable_files_are_named_with_row_path_and_fault(policy: str, tmp_path: Path) -> None:
    table = fitted(write(tmp_path, [b"nothing", *numbered()[1:-1], b""]), {"unreadable": policy})
    (note,) = [each for each in table.notes() if "cannot be read" in each]
    assert f"row 1 (line 2) '{tmp_path / '0.npy'}' (it is not an .npy file)" in note
    assert f"row {ROWS} (line {ROWS + 1}) '{tmp_path / f'{ROWS - 1}.npy'}' (it is empty)" in note


def test_files_in_rows_of_two_splits_are_counted(tmp_path: Path) -> None:
    paths = [f"{row}.npy" for row in range(ROWS - 2)] + ["3.npy", "4.npy"]
    (note,) = [each for each in fitted(write(tmp_path, numbered(), paths)).notes() if "two splits" in each]
    assert "2 in training and validation;" in note and "{type: grouped, column: signal}" in note
    assert not [each for each in fitted(write(tmp_path, numbered())).notes() if "two splits" in each]


def test_files_of_a_target_in_two_splits_are_counted_too(tmp_path: Path) -> None:
    table = write(tmp_path, numbered((8,)))
    for row in range(ROWS - 1):
        np.save(tmp_path / f"mask{row}.npy", np.arange(8, dtype=np.uint8) % 2)
    lines = [f"{row}.npy,{row},mask{min(row, ROWS - 2)}.npy" for row in range(ROWS)]
    table.write_text("\n".join(["signal,a,y", *lines, ""]))
    columns = {"signal": choose("feature", {"type": "file"}), "y": choose("feature", {"type": "file"})}
    moved = Split()
    moved.train, moved.validation = np.arange(ROWS - 1), np.array([ROWS - 1])
    notes = EncodedTable.fit(from_object(str(table)), moved, columns, ["signal"], ["y"]).notes()
    assert [each for each in notes if "two splits" in each and each.startswith("column 'y'")]


def test_rows_of_unreadable_files_are_left_out_and_counted(tmp_path: Path) -> None:
    arrays = [b"nothing", *numbered()[1:]]
    table = fitted(write(tmp_path, arrays), {"unreadable": "skip"})
    assert table.rows.tolist() == list(range(1, ROWS))
    assert [(each.column, each.rows.tolist()) for each in table.dropped] == [("signal", [0])]


def test_unreadable_files_are_repaired_as_the_mean_and_counted(tmp_path: Path) -> None:
    table = fitted(write(tmp_path, [*numbered()[:-1], b"nothing"]), {"unreadable": "repair"})
    batch = table_rows(table, np.arange(ROWS)).take(torch.tensor([ROWS - 1]))
    assert not batch["signal.value"].any() and table.counts["signal"].invalid == 1


def test_a_file_that_is_damaged_later_is_named_when_it_is_read(tmp_path: Path) -> None:
    rows = table_rows(fitted(write(tmp_path, numbered())), np.arange(ROWS))
    (tmp_path / "4.npy").write_bytes(b"")
    with pytest.raises(DataError) as caught:
        rows.take(torch.tensor([4]))
    assert f"row 5: {tmp_path / '4.npy'}" in whole(caught.value)


def test_a_missing_path_is_told_to_the_model(tmp_path: Path) -> None:
    table = fitted(write(tmp_path, numbered(), ["0.npy", "", *(f"{row}.npy" for row in range(2, ROWS))]))
    batch = table_rows(table, np.arange(ROWS)).take(torch.tensor([0, 1]))
    assert batch["signal.missing"].tolist() == [[0.0], [1.0]] and not batch["signal.value"][1].any()


OWN = """
import torch
count = 0
def nothing(sample): pass
def half(sample): return sample * 0.5
def drawn(sample, generator): return sample + torch.rand(sample.shape, generator=generator)
def counted(sample):
    global count
    count += 1
    return sample + count
def fails(sample): raise ValueError("no such wave")
"""


@pytest.mark.parametrize(
    ("function", "said"),
    [("nothing", "nothing gives nothing"), ("counted", "does not give the same for the same seed"), ("fails", "no such wave")],
)
def test_a_transform_that_does_not_work_is_refused_before_the_first_step(function: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN)
    error = refused(write(tmp_path, numbered()), {"transform": f"{tmp_path / 'own.py'}:{function}"})
    assert said in whole(error) and "signal" in whole(error)


def test_own_functions_and_those_of_torch_are_chained(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN)
    chain = [{"torch.permute": {"dims": [1, 0]}}, f"{tmp_path / 'own.py'}:half", {"center_crop": {"size": 2, "dims": [0]}}]
    arrays = numbered((5, 4))
    table = fitted(write(tmp_path, arrays), {"transform": chain, "scale": "none"})
    value = pickle.loads(pickle.dumps(table_rows(table, np.arange(ROWS)))).take(torch.tensor([2]))["signal.value"]
    torch.testing.assert_close(value[0, 0], torch.from_numpy(arrays[2]).T[1:3] * 0.5)


def test_a_function_that_takes_a_generator_draws_from_the_row(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN)
    rows = table_rows(fitted(write(tmp_path, numbered()), {"transform": f"{tmp_path / 'own.py'}:drawn"}), np.arange(ROWS), training=True)
    both = [rows.take(torch.tensor(each))["signal.value"] for each in ([3, 4], [4])]
    assert torch.equal(both[0][1], both[1][0])


def test_a_crop_in_training_alone_names_what_makes_other_rows_alike(tmp_path: Path) -> None:
    error = refused(write(tmp_path, numbered((40,))), {"transform": {"random_crop": 8}})
    assert isinstance(error, ConfigError) and "{center_crop: 8}" in error.fix


def test_the_fitted_column_is_restored_and_reads_a_table_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    encoder = TableEncoder.restore(fitted(write(tmp_path / "one", numbered())).encoder.state())
    arrays = [each * 2 for each in numbered()]
    encoded = encoder.encode_inputs(str(write(tmp_path / "other", arrays)))
    value = table_rows(encoded, np.arange(ROWS)).take(torch.tensor([1]))["signal.value"]
    state = encoder.features["signal"].state()
    torch.testing.assert_close(value[0, 0], (torch.from_numpy(arrays[1]) - state["center"]) / state["spread"])


@pytest.mark.parametrize(
    "array", [np.arange(6, dtype=">i2"), np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.float64(3), np.zeros((0, 4))]
)
def test_arrays_are_read_as_numpy_reads_them(array: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", array)
    found = read_array(str(tmp_path / "a.npy"))
    assert np.array_equal(found, array) and read_header(str(tmp_path / "a.npy")).shape == np.shape(array)


def test_large_arrays_are_mapped_and_read_as_numpy_reads_them(tmp_path: Path) -> None:
    array = np.random.default_rng(0).normal(size=(300, 1000))
    np.save(tmp_path / "a.npy", array)
    found = read_array(str(tmp_path / "a.npy"))
    assert isinstance(found, np.memmap) and np.array_equal(found, array)
    (tmp_path / "a.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-1])
    with pytest.raises(Unreadable, match="cut off"):
        read_array(str(tmp_path / "a.npy"))


def test_the_rows_that_are_looked_at_follow_from_the_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainwright.features.file.SAMPLE", 4)
    table = write(tmp_path, numbered())
    centers = [fitted(table, seed=seed).encoder.features["signal"].center for seed in (0, 0, 1, 2, 3, 4)]  # type: ignore[attr-defined]
    assert centers[0] == centers[1] and len(set(centers)) > 2


@pytest.mark.parametrize("encoder", ["transformer", "rnn", "conv"])
def test_arrays_longer_than_those_that_were_looked_at_are_read(encoder: str, tmp_path: Path) -> None:
    table = fitted(write(tmp_path, [np.ones(3 + row % 3, np.float32) for row in range(ROWS - 1)] + [np.ones(40)]), {"encoder": encoder})
    system = SupervisedSystem({"combiner": {"type": "concat", "depth": 1, "width": 8}})
    build_system(system, table.spec)
    batch = table_rows(table, np.arange(ROWS)).take(torch.tensor([0, ROWS - 1]))
    assert batch["signal.value"].shape[2] == 40 and table.spec.inputs[0].parts["value"] == (1, 5)
    assert system.eval().predict_step(batch)["y.scores"].isfinite().all()


@pytest.mark.parametrize("length", [WHOLE - 129, WHOLE - 128, WHOLE - 127, 3 * WHOLE])
def test_files_about_as_large_as_is_read_at_first_are_whole(length: int, tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 255, length).astype(np.uint8)
    np.save(tmp_path / "a.npy", array)
    assert np.array_equal(read_array(str(tmp_path / "a.npy")), array)
    (tmp_path / "a.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-1])
    with pytest.raises(Unreadable, match="cut off"):
        read_array(str(tmp_path / "a.npy"))
