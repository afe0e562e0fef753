"""Pictures that are rows of files: idx, CIFAR's binary files, arrays."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from trainwright.config.errors import DataError
from trainwright.domains.images.claims import claims
from trainwright.domains.images.reading.rows import read_array_row, read_cifar_row, read_idx_row
from trainwright.domains.images.sources.array_rows import ArrayFile, CIFARFiles, IdxFiles
from trainwright.domains.images.sources.options import ArrayOptions, CIFAROptions, IdxOptions
from trainwright.features.npy import Unreadable

RNG = np.random.default_rng(0)


def idx(array: np.ndarray, kind: int = 8) -> bytes:
    """As the page of MNIST says it: two zeros, the type, the number of dimensions, sizes and numbers, the most significant byte first."""
    return bytes([0, 0, kind, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.astype(array.dtype.newbyteorder(">")).tobytes()


def mnist(folder, packed):
    """Two files of pictures and their labels, as MNIST lies; the pictures of training."""
    write, end = (gzip.compress, ".gz") if packed else (lambda content: content, "")
    pictures = RNG.integers(0, 256, (6, 5, 4), np.uint8)
    for part, rows in (("train", pictures), ("t10k", pictures[:3])):
        (folder / f"{part}-images-idx3-ubyte{end}").write_bytes(write(idx(rows)))
        (folder / f"{part}-labels-idx1-ubyte{end}").write_bytes(write(idx(np.arange(len(rows), dtype=np.uint8) % 2)))
    return pictures


def row_of(reference):
    path, _, row = reference.partition("#row=")
    return path, int(row.partition("&")[0]), row.partition("&column=")[2]


@pytest.mark.parametrize("packed", [False, True])
def test_the_files_of_mnist_are_rows_with_labels_and_a_split(tmp_path, packed):
    pictures = mnist(tmp_path, packed)
    assert claims(tmp_path)[2] == "idx"
    source = IdxFiles(IdxOptions(path=str(tmp_path)), 1 << 20)
    table = source.read()
    assert table["label"].to_pylist() == [0, 1, 0, 1, 0, 1, 0, 1, 0]
    assert table["split"].to_pylist() == ["train"] * 6 + ["test"] * 3
    assert source.declared_split["share"] > 0 and source.declared_columns["label"] == {"type": "category"}
    assert np.array_equal(read_idx_row(*row_of(table["image"][4].as_py())), pictures[4])
    with pytest.raises(Unreadable, match="no row 6"):
        read_idx_row(row_of(table["image"][0].as_py())[0], 6, "")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x00\x00\x08\x03" + b"\x00" * 5, "has 9"),
        (idx(np.zeros((2, 3, 3), np.uint8))[:-1], "2×3×3, which are 34 bytes, and it has 33"),
        (b"<html>", "no idx file"),
        (b"", "empty file"),
    ],
)
def test_idx_files_whose_length_is_not_the_product_of_their_sizes_are_refused(tmp_path, content, said):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(DataError) as caught:
        IdxFiles(IdxOptions(path=str(tmp_path)), 1 << 20)
    assert said in str(caught.value.why)


def test_as_many_labels_as_pictures_are_needed(tmp_path):
    mnist(tmp_path, False)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(np.zeros(5, np.uint8)))
    with pytest.raises(DataError, match="6 pictures and 5 labels"):
        IdxFiles(IdxOptions(path=str(tmp_path)), 1 << 20)


@pytest.mark.parametrize("labels", [1, 2])
def test_the_binary_files_of_cifar_are_rows_of_red_green_and_blue_planes(tmp_path, labels):
    rows = RNG.integers(0, 256, (4, 3072 + labels), np.uint8)
    rows[:, :labels] = [[number % 2] * (labels - 1) + [number % 3] for number in range(4)]
    train, test, names = (
        ("data_batch_1.bin", "test_batch.bin", "batches.meta.txt") if labels == 1 else ("train.bin", "test.bin", "fine_label_names.txt")
    )
    (tmp_path / train).write_bytes(rows.tobytes())
    (tmp_path / test).write_bytes(rows[:2].tobytes())
    (tmp_path / names).write_text("cat\ndog\nfox\n\n")
    assert claims(tmp_path)[2] == "cifar"
    table = CIFARFiles(CIFAROptions(path=str(tmp_path)), 1 << 20).read()
    assert table["label"].to_pylist() == ["cat", "dog", "fox", "cat", "cat", "dog"]
    assert ("coarse" in table.column_names) == (labels == 2)
    found = read_cifar_row(*row_of(table["image"][3].as_py()))
    planes = rows[3, labels:].reshape(3, 32, 32)
    assert np.array_equal(found[..., 0], planes[0]) and np.array_equal(found[..., 2], planes[2])


def test_pickles_of_cifar_are_refused_and_the_binary_version_is_named(tmp_path):
    for name in ("data_batch_1", "batches.meta"):
        (tmp_path / name).write_bytes(b"\x80\x02")
    assert claims(tmp_path)[2] == "cifar"
    with pytest.raises(DataError) as caught:
        CIFARFiles(CIFAROptions(path=str(tmp_path)), 1 << 20)
    assert "pickles" in str(caught.value.why) and "data_batch_1.bin" in str(caught.value.fix)
    (tmp_path / "data_batch_1.bin").write_bytes(b"\0" * 3000)
    with pytest.raises(DataError) as caught:
        CIFARFiles(CIFAROptions(path=str(tmp_path)), 1 << 20)
    assert "3,073" in str(caught.value.why)


def test_arrays_of_a_npz_file_are_found_by_name_and_split(tmp_path):
    pictures = RNG.integers(0, 256, (5, 3, 8, 8), np.uint8)
    np.savez(tmp_path / "set.npz", x_train=pictures, y_train=np.arange(5) % 2, x_test=pictures[:2], y_test=np.arange(2)[:, None])
    assert claims(tmp_path / "set.npz")[2] == "image_array"
    table = ArrayFile(ArrayOptions(path=str(tmp_path / "set.npz")), 1 << 20).read()
    assert table["label"].to_pylist() == [0, 1, 0, 1, 0, 0, 1] and table["split"].to_pylist() == ["train"] * 5 + ["test"] * 2
    assert np.array_equal(read_array_row(*row_of(table["image"][6].as_py())), pictures[1].transpose(1, 2, 0))


def test_several_labels_of_a_picture_are_a_list(tmp_path):
    np.savez(tmp_path / "set.npz", images=np.zeros((2, 8, 8), np.uint8), labels=np.array([[1, 0, 1], [0, 0, 0]]))
    source = ArrayFile(ArrayOptions(path=str(tmp_path / "set.npz")), 1 << 20)
    assert source.read()["label"].to_pylist() == [["0", "2"], []]


def test_a_npy_file_takes_its_labels_from_another(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((3, 8, 8, 3), np.uint8))
    np.save(tmp_path / "y.npy", np.array([1.5, 2.5, 3.5]))
    source = ArrayFile(ArrayOptions(path=str(tmp_path / "x.npy"), labels=str(tmp_path / "y.npy")), 1 << 20)
    assert source.read()["label"].to_pylist() == [1.5, 2.5, 3.5] and "label" not in source.declared_columns


def test_arrays_that_are_no_pictures_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", weights=np.zeros(3))
    with pytest.raises(DataError, match="which array has the pictures"):
        ArrayFile(ArrayOptions(path=str(tmp_path / "a.npz")), 1 << 20)
    np.save(tmp_path / "b.npy", np.zeros((3, 8)))
    with pytest.raises(DataError, match="has no pictures: its shape is"):
        ArrayFile(ArrayOptions(path=str(tmp_path / "b.npy")), 1 << 20)
    np.save(tmp_path / "c.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(DataError, match="cannot be read"):
        ArrayFile(ArrayOptions(path=str(tmp_path / "c.npy")), 1 << 20)
    assert claims(tmp_path / "b.npy") is None
