"""Tensors in files, as data by split."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainwright.config.errors import DataError, did_you_mean
from trainwright.config.received import ensure_right
from trainwright.data.datasets import MEMORY_LIMIT, TensorsOptions
from trainwright.data.readable import name_beside
from trainwright.data.rows import TARGET, names_of

UNSAFE = (".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".bin")


class TensorsDataset:
    """Reads the files at once. Raises DataError for a file that is missing or a pickle, an unknown name, and lengths that differ."""

    def __init__(self, options: TensorsOptions, *, seed: int = 0, memory_limit: int = MEMORY_LIMIT) -> None:
        self.options = options
        files = {"train": options.train, "validation": options.validation, "test": options.test, "predict": options.predict}
        self._splits = {split: self._choose_tensors(read_tensors(path), path, split) for split, path in files.items() if path is not None}
        if options.validation is None and options.test is None:
            self._splits = {**self._divide(self._splits["train"], seed), **{k: v for k, v in self._splits.items() if k == "predict"}}
        self.spec = self._spec()

    def splits(self) -> dict[str, dict[str, Tensor]]:
        """Blocks by name for each split."""
        return self._splits

    def _choose_tensors(self, tensors: dict[str, Tensor], path: str, split: str) -> dict[str, Tensor]:
        target = self.options.target
        inputs = self.options.inputs or ([name for name in tensors if name != target] if target else [])
        for name in (*inputs, *([target] if target and split != "predict" else [])):
            if name not in tensors:
                raise DataError(f"there is no tensor '{name}'", where=path, fix=did_you_mean(name, tensors))
        chosen = _by_role(tensors, inputs, target) if inputs else tensors
        lengths = {name: len(each) if each.dim() else 0 for name, each in chosen.items()}
        if len(set(lengths.values())) > 1:
            why = ", ".join(f"{name} has {length}" for name, length in lengths.items())
            fix = "the first dimension of every tensor is the row; name those that belong to the rows in inputs and target"
            raise DataError("the tensors have different numbers of rows", where=path, why=why, fix=fix)
        return chosen

    def _divide(self, blocks: dict[str, Tensor], seed: int) -> dict[str, dict[str, Tensor]]:
        import pyarrow as pa

        from trainwright.data.source import TableSource
        from trainwright.data.splits import RandomOptions
        from trainwright.data.splits.dividing import make_split

        columns = {name: each.numpy() for name, each in blocks.items() if each.dim() == 1 and not each.is_complex()}
        columns = columns or {"row": np.arange(len(next(iter(blocks.values()))))}
        kinds = {name: "category" if each.dtype.kind in "biu" else "number" for name, each in columns.items()}
        targets = [TARGET] if TARGET in columns else []
        source = TableSource(pa.table(columns), self.options.train)
        split = make_split(self.options.split or RandomOptions(), source, seed, targets, kinds)
        parts = {name: torch.from_numpy(rows) for name, rows in split.parts().items() if len(rows)}
        return {part: {name: each.index_select(0, rows) for name, each in blocks.items()} for part, rows in parts.items()}

    def _spec(self) -> dict[str, Any]:
        train = self._splits["train"]
        spec: dict[str, Any] = {
            "shapes": {name: list(each.shape[1:]) for name, each in train.items()},
            "dtypes": {name: str(each.dtype).removeprefix("torch.") for name, each in train.items()},
            "rows": {split: len(next(iter(blocks.values()))) for split, blocks in self._splits.items()},
        }
        target = train.get(TARGET)
        if target is not None and not target.is_floating_point() and not target.is_complex() and target.numel():
            spec["classes"] = int(target.max()) + 1
        return spec


def _by_role(tensors: dict[str, Tensor], inputs: list[str], target: str | None) -> dict[str, Tensor]:
    """The chosen tensors as `input…` and `target`."""
    names = names_of(len(inputs) + 1)
    found = {ours: tensors[name] for ours, name in zip(names, inputs, strict=False)}
    return {**found, TARGET: tensors[target]} if target in tensors else found


def read_tensors(path: str) -> dict[str, Tensor]:
    """The tensors of a `.safetensors` or `.npz` file by name. Raises DataError when it is neither, or cannot be read."""
    file = Path(path)
    if not file.is_file():
        there = [each.name for each in file.parent.iterdir() if each.is_file()] if file.parent.is_dir() else []
        raise DataError("there is no such file", where=path, fix=did_you_mean(file.name, there) or name_beside(file))
    if file.suffix in UNSAFE:
        why = "it is a pickle, which runs whatever code is in it when it is read"
        fix = "convert it: safetensors.torch.save_file(torch.load(path, weights_only=True), 'data.safetensors')"
        raise DataError("the file is not read", where=path, why=why, fix=fix)
    try:
        found = _of_npz(file) if file.suffix == ".npz" else _of_safetensors(file)
    except (OSError, ValueError, TypeError, EOFError, KeyError, zipfile.BadZipFile) as error:
        ensure_right(error, file)
        raise DataError("the file cannot be read", where=path, why=str(error), fix="give a .safetensors or .npz file of arrays") from error
    if not found:
        raise DataError("the file holds no tensors", where=path)
    return found


def _of_npz(file: Path) -> dict[str, Tensor]:
    with np.load(file, allow_pickle=False) as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


def _of_safetensors(file: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError

    from trainwright.files.tensors import load_tensors

    try:
        return load_tensors(file)
    except SafetensorError as error:
        raise ValueError(str(error)) from error
