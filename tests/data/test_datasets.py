"""Datasets named in a config, and what a class or function of one's own may give, become data by split."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import save_file
from torch.utils.data import DataLoader, TensorDataset

from trainwright.config.choice import choose
from trainwright.config.errors import DataError
from trainwright.data.datasets import MadeData, make_data, spec_of, splits_of
from trainwright.data.forms import rows_from

TEXT = "the quick brown fox jumps over the lazy dog. " * 20


def made(**options: Any) -> MadeData:
    return make_data(choose("dataset", options), seed=1)


def taken(data: MadeData, split: str, number: int = 0) -> Any:
    return rows_from(data.splits[split], split, torch.float32).take(torch.tensor([number]))


def tensors(folder: Path, name: str, n: int = 40) -> str:
    x = torch.arange(n * 3.0).view(n, 3)
    save_file({"x": x, "extra": x[:, :1].clone(), "y": torch.arange(n) % 4}, folder / name)
    return str(folder / name)


def test_tensors_from_files_are_input_and_target(tmp_path: Path) -> None:
    options = {"train": tensors(tmp_path, "a.safetensors"), "validation": tensors(tmp_path, "b.safetensors", 8)}
    data = made(type="tensors", inputs=["x"], target="y", **options)
    assert list(data.splits) == ["train", "validation"]
    assert taken(data, "train", 5)["input"].tolist() == [[15.0, 16.0, 17.0]] and taken(data, "train", 5)["target"].tolist() == [1]
    assert data.spec == {
        "shapes": {"input": [3], "target": []},
        "dtypes": {"input": "float32", "target": "int64"},
        "rows": {"train": 40, "validation": 8},
        "classes": 4,
    }


def test_tensors_of_one_file_are_divided_and_keep_their_names(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", image=np.random.rand(60, 2, 2), label=np.arange(60))
    data = made(type="tensors", train=str(tmp_path / "a.npz"), split={"type": "random", "validation": 0.2, "test": 0.1})
    assert data.spec["rows"] == {"train": 42, "validation": 12, "test": 6}
    labels = torch.cat([each["label"] for each in data.splits.values()])
    assert sorted(labels.tolist()) == list(range(60))
    assert taken(data, "test")["image"].dtype == torch.float32
    assert list(made(type="tensors", train=str(tmp_path / "a.npz"), target="label").splits["train"]) == ["input", "target"]


def test_rows_to_predict_need_no_target(tmp_path: Path) -> None:
    save_file({"x": torch.zeros(3, 3)}, tmp_path / "p.safetensors")
    data = made(type="tensors", train=tensors(tmp_path, "a.safetensors"), predict=str(tmp_path / "p.safetensors"), inputs=["x"], target="y")
    assert list(data.splits["predict"]) == ["input"] and set(data.splits) == {"train", "validation", "test", "predict"}


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("a.safetensors", {"inputs": ["xx"]}, "there is no tensor 'xx'\n.*did you mean 'x'"),
        ("b.safetensors", {}, "there is no such file\n.*did you mean 'a.safetensors'"),
        ("a.pt", {}, "the file is not read\n.*it is a pickle.*\n.*convert it: safetensors"),
        ("broken.npz", {}, "the file cannot be read\n.*\n.*give a .safetensors or .npz file"),
        ("broken.safetensors", {}, "the file cannot be read\n.*\n.*give a .safetensors or .npz file"),
        ("objects.npz", {}, "the file cannot be read\n.*allow_pickle"),
        ("uneven.npz", {}, "different numbers of rows\n.*a has 3, b has 4\n.*name those that belong"),
    ],
)
def test_files_of_tensors_that_do_not_serve_are_refused(name: str, options: dict[str, Any], message: str, tmp_path: Path) -> None:
    tensors(tmp_path, "a.safetensors")
    torch.save({"x": torch.zeros(2)}, tmp_path / "a.pt")
    for broken in ("broken.npz", "broken.safetensors"):
        (tmp_path / broken).write_bytes(b"nothing of that kind")
    np.savez(tmp_path / "objects.npz", a=np.array([{}, {}], object))
    np.savez(tmp_path / "uneven.npz", a=np.zeros(3), b=np.zeros(4))
    with pytest.raises(DataError, match=message):
        made(type="tensors", train=str(tmp_path / name), **options)


def test_a_split_beside_validation_files_is_refused() -> None:
    with pytest.raises(ValidationError, match="excludes validation and test files"):
        choose("dataset", {"type": "tensors", "train": "a.npz", "validation": "b.npz", "split": "random"})


def table(folder: Path, rows: int = 60) -> str:
    lines = ["age,city,when,kind,price"]
    for row in range(rows):
        age = "" if row == 7 else str(row)
        lines.append(f"{age},{['Rome', 'Oslo'][row % 2]},2024-01-{row % 28 + 1:02d},{['b', 'a', 'c'][row % 3]},{row / 8}")
    (folder / "t.csv").write_text("\n".join(lines) + "\n")
    return str(folder / "t.csv")


def test_a_table_is_standardised_by_its_training_rows_only(tmp_path: Path) -> None:
    data = made(type="table", path=table(tmp_path), target="kind", features=["age", "city"])
    train, age = data.splits["train"], data.spec["features"][0]
    assert data.spec["width"] == 3 and data.spec["classes"] == ["a", "b", "c"] and sum(data.spec["rows"].values()) == 60
    ages = train["input"][:, 0] * age["std"] + age["mean"]
    present = train["input"][:, 0] != 0
    assert torch.allclose(train["input"][present, 0].double().mean(), torch.tensor(0.0).double(), atol=1e-5)
    assert torch.equal(train["input"][:, 1:].argmax(1)[present], 1 - ages[present].round().long() % 2)  # Oslo before Rome
    assert torch.equal(train["target"][present], torch.tensor([1, 0, 2])[ages[present].round().long() % 3])
    assert [each["name"] for each in data.spec["features"]] == ["age", "city"]


def test_numbers_are_targets_of_regression_and_whole_numbers_classes_unless_said(tmp_path: Path) -> None:
    path = table(tmp_path)
    price = made(type="table", path=path, target="price", features=["age"]).splits["train"]["target"]
    assert price.dtype == torch.float32
    assert made(type="table", path="builtin:iris", target="target").spec["width"] == 4
    assert (
        made(type="table", path=path, target="age", features=["city"], target_is="number").splits["train"]["target"].dtype == torch.float32
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "kin"}, "no column 'kin'\n.*did you mean 'kind'"),
        ({"target": "kind"}, "column 'when' is neither a number nor a category\n.*\n.*name the columns to use in features"),
        ({"target": "age", "features": ["city"], "split": {"type": "time", "column": "when"}}, "is in no training row\n.*stratified"),
        ({"target": "kind", "target_is": "number", "features": ["age"]}, "column 'kind' holds no numbers\n.*string\n.*target_is: class"),
    ],
)
def test_tables_that_do_not_serve_are_refused(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        made(type="table", path=table(tmp_path), **options)


def test_text_becomes_windows_and_the_characters_after_them(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text(TEXT + "Ω" * 100)
    data = made(type="text", path=str(tmp_path / "t.txt"), context=16, stride=3, validation=0.1)
    vocabulary = data.spec["vocabulary"]
    batch = taken(data, "train", 5)
    shown = "".join(vocabulary[code] for code in batch["input"][0])
    assert shown == TEXT[15:31] and "".join(vocabulary[code] for code in batch["target"][0]) == TEXT[16:32]
    assert "Ω" not in vocabulary and data.spec["unknown"]["validation"] == 100 and data.spec["unknown"]["train"] == 0
    assert data.spec["classes"] == len(vocabulary) == len(set(TEXT)) + 1
    train = data.splits["train"]["input"]
    assert train.shape == (data.spec["rows"]["train"], 16) and train.untyped_storage().nbytes() < 8 * len(TEXT) + 800


def test_windows_do_not_overlap_unless_asked(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text(TEXT)
    data = made(type="text", path=str(tmp_path / "t.txt"), context=32, validation=0.2, test=0.2)
    shown = "".join(data.spec["vocabulary"][code] for code in data.splits["train"]["input"].flatten())
    assert TEXT.startswith(shown) and list(data.splits) == ["train", "validation", "test"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the text is empty"),
        (b"\xff\xfe\xfa" * 100, "the text is not UTF-8\n.*\n.*iconv"),
        (b"abc" * 30, "the validation part is too short\n.*9 characters.* 65\n.*a smaller context"),
        (None, "the text cannot be read\n.*No such file"),
    ],
)
def test_texts_that_do_not_serve_are_refused(content: bytes | None, message: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "t.txt").write_bytes(content)
    with pytest.raises(DataError, match=message):
        made(type="text", path=str(tmp_path / "t.txt"))


X, Y = torch.zeros(8, 2), torch.zeros(8)
LOADER = DataLoader(TensorDataset(X, Y), batch_size=2)


class Attributes:
    train, valid, test = (X, Y), (X[:2], Y[:2]), None
    spec = {"classes": 3}


class Methods:
    def __init__(self, n: int = 8, seed: int = 0) -> None:
        self.n, self.seed = n, seed

    def train(self) -> Any:
        return X[: self.n], Y[: self.n]

    def val(self) -> Any:
        return LOADER

    def spec(self) -> dict[str, Any]:
        return {"seed": self.seed}


class Module:
    """Lightning's data module, as one writes it without Lightning."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def prepare_data(self) -> None:
        self.calls.append("prepare")

    def setup(self, stage: str) -> None:
        self.calls.append(stage)

    def train_dataloader(self) -> Any:
        return LOADER

    def val_dataloader(self) -> Any:
        return [LOADER]


class WithMarks(TensorDataset):
    """As torchvision's sets, whose `train` says which part they are."""

    train = True


FOUND: dict[str, tuple[Any, list[str]]] = {
    "mapping": ({"training": (X, Y), "dev": LOADER, "test": None}, ["train", "validation"]),
    "mapping of columns": ({"x": X, "y": Y}, ["train"]),
    "tuple of two": ((LOADER, LOADER), ["train", "validation"]),
    "tuple of three": (((X, Y), None, (X, Y)), ["train", "test"]),
    "tensors": ((X, Y), ["train"]),
    "attributes": (Attributes(), ["train", "validation"]),
    "methods": (Methods(), ["train", "validation"]),
    "module": (Module(), ["train", "validation"]),
    "dataset": (WithMarks(X, Y), ["train"]),
    "loader": (LOADER, ["train"]),
    "function": (lambda: iter([(X, Y)]), ["train"]),
}


@pytest.mark.parametrize("name", FOUND)
def test_what_ones_own_code_gives_is_found_by_split(name: str) -> None:
    given, expected = FOUND[name]
    found = splits_of(given, "data")
    assert list(found) == expected
    assert len(rows_from(found["train"], "train", torch.float32)) > 0


def test_a_data_module_is_set_up_before_its_loaders_are_asked_for() -> None:
    module = Module()
    splits_of(module, "data")
    assert module.calls == ["prepare", "fit"]


def test_lightnings_own_data_module_gives_the_loaders_it_defines() -> None:
    lightning = pytest.importorskip("lightning")

    class Mine(lightning.LightningDataModule):  # type: ignore[name-defined,misc]
        def setup(self, stage: str) -> None:
            self.data = TensorDataset(X, Y)

        def train_dataloader(self) -> Any:
            return DataLoader(self.data, batch_size=4)

        def test_dataloader(self) -> Any:
            return DataLoader(self.data, batch_size=8)

    found = splits_of(Mine(), "data")
    assert list(found) == ["train", "test"] and len(found["train"]) == 2


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "data: no data were given\n.*NoneType holds no split\n.*return a mapping"),
        ({"train": None}, "no data were given"),
        (object(), "object holds no split"),
        (type("Two", (), {"val_dataloader": lambda self: [LOADER, LOADER]})(), "there are 2 validation loaders\n.*splits of their own"),
    ],
)
def test_what_holds_no_data_is_refused(given: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        splits_of(given, "data")


def test_a_class_and_a_function_by_path_are_made_with_their_options_and_the_seed(tmp_path: Path) -> None:
    code = "import torch\ndef halves(n: int, seed: int):\n    x = torch.full((n, 2), float(seed))\n    return (x, x), (x, x)\n"
    (tmp_path / "mine.py").write_text(code)
    options = {"type": f"{tmp_path / 'mine.py'}:halves", "n": 6}
    assert choose("dataset", {**options, "seed": 5}).seed == 5
    assert taken(made(**options, seed=5), "validation")["input"].tolist() == [[5.0, 5.0]]
    assert spec_of(Attributes()) == {"classes": 3} and spec_of(Methods(seed=4)) == {"seed": 4} and spec_of(3) == {}


def test_the_table_of_parts_imports_no_torch() -> None:
    code = "import sys; from trainwright.config.registry import parts; assert len(parts('dataset')) == 4; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
