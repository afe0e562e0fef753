"""Rows from whatever form a person's data have: tensors, datasets, loaders, Hugging Face data, iterables, generators."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from trainwright.config.errors import DataError, did_you_mean
from trainwright.data.adopted_rows import as_rows, is_like_rows, tell_draws
from trainwright.data.dataset_rows import DatasetRows
from trainwright.data.datasets.splits import in_splits, is_column
from trainwright.data.draws import Draws, keep_draws
from trainwright.data.loader_rows import LoaderRows
from trainwright.data.placed import PlacedBlocks, PlacedTensors
from trainwright.data.rows import Rows, TensorRows, as_blocks, cast, names_of, recast
from trainwright.data.samples import alike, first_of, other_sample
from trainwright.data.streams import StreamRows

log = logging.getLogger("trainwright.data")

BATCH_SIZE = 64
"""Samples of a stream that are joined, unless said."""

FORMS = "(x, y) tensors, a TensorDataset, a Dataset, a DataLoader, an iterable or a function that makes an iterator"


def rows_from(
    data: Any,
    split: str,
    wanted_dtype: torch.dtype,
    *,
    batched: bool | None = None,
    where: str = "tw.fit",
    batch_size: int | None = None,
    max_steps: int | None = None,
    limit: int | None = None,
    ends_epochs: bool = False,
    seed: int = 0,
    unlabelled: bool = False,
    keeps_arrays: bool = False,
    placed: bool = False,
) -> Rows:
    """The rows of a split from data of any form; float64 becomes `wanted_dtype`, small integers int64.

    Args:
        data: tensors or arrays (x…, y), a mapping of them, a TensorDataset, a map-style Dataset, a list of samples, a DataLoader, an
            iterable or iterable dataset, a function that makes an iterator, a generator, Hugging Face data, or Rows as they are.
        split, wanted_dtype: `train`, `validation`, `test` or `predict`; the dtype of the model's parameters.
        batched: whether an item of an iterable is a batch already; None looks at the first one.
        where, batch_size: what messages call the place; samples of an iterable that make a batch.
        max_steps, limit: the length of the run, and of an epoch in batches: data without a length are not counted beyond.
        ends_epochs: whether the end of data without a length, where it comes soon, ends an epoch also under `max_steps`.
        seed, unlabelled: of the run; whether samples of one part, without a target, are allowed.
        placed: whether a batch of tensors or samples given by place can be unpacked too, as that of a loader.
        keeps_arrays: whether arrays in the batches of a loader stay arrays, as a step of one's own takes them.

    Raises:
        DataError: there are none, or what is given is none of these, or the first of them cannot be read.
    """
    stream: dict[str, Any] = {"batched": batched, "batch_size": batch_size or BATCH_SIZE, "limit": limit, "ends_epochs": ends_epochs}
    seed = seed if split == "train" else 0  # an evaluation takes what is random from there, so nothing need be begun again for it
    common: dict[str, Any] = {"seed": seed, "split": split, "where": where, "max_steps": max_steps}
    _refuse(data, split, where)
    data = _tensors(data)
    rows: Rows
    if isinstance(data, Rows) or is_like_rows(data):
        rows = _adopt(data, split, where)
    elif isinstance(data, Mapping):
        return _of_mapping(
            data, split, wanted_dtype, where, {**stream, **common, "unlabelled": unlabelled, "keeps_arrays": keeps_arrays, "placed": placed}
        )
    elif _is_blocks(data, unlabelled):
        rows = _of_blocks(data, wanted_dtype, placed)
    elif isinstance(data, DataLoader):
        rows = _of_loader(data, wanted_dtype, stream, {**common, "arrays": not keeps_arrays})
    elif _is_hugging_face(data):
        rows = _of_hugging_face(data, wanted_dtype, stream, common)
    elif _is_indexed(data) and not (batched and isinstance(data, list)):  # a list of ready batches is gone through as it is
        rows = CastRows(data, sample_names(data, split, where, unlabelled), wanted_dtype, placed=placed)
    elif _is_stream(data):
        rows = StreamRows(data, wanted_dtype, **stream, **common)
    else:
        _refuse_form(data, split, where)
    if not len(rows):
        raise DataError(f"there are no {split} rows", where=where)
    return rows


def _adopt(data: Any, split: str, where: str) -> Rows:
    """Rows of a person's own; of those that train it is said when they draw what cannot be repeated."""
    rows = as_rows(data, where)
    if split == "train":
        tell_draws(rows)
    return rows


def _refuse_form(data: Any, split: str, where: str) -> NoReturn:
    """Raise DataError for what is none of the forms of data."""
    if hasattr(data, "__getitem__") and not hasattr(data, "__len__"):
        why, fix = "without it the rows cannot be counted nor put in order", f"give {type(data).__name__} a __len__(self)"
        raise DataError(f"the {split} data have no length", where=where, why=why, fix=fix)
    raise DataError(f"{split} data cannot be a {type(data).__name__}", where=where, fix=f"give {FORMS}")


def tuple_of_splits(data: Any) -> dict[str, Any] | None:
    """The splits in `(train, validation)` or `(train, validation, test)`, by name; None where the tuple may be one data set.

    One that holds a Dataset, a DataLoader or Hugging Face data is none; of one that only looks like splits it is said what it is taken for.
    """
    if not isinstance(data, tuple) or len(data) not in (2, 3):
        return None
    if any(_is_whole(each) for each in data):
        splits = {split: each for split, each in zip(("train", "validation", "test"), data, strict=False) if each is not None}
        log.info("the training data are a tuple of %d data sets: taken for %s", len(data), ", ".join(splits))
        return splits
    if all(_are_columns(each) for each in data):
        kinds = ", ".join(f"{split}=data[{place}]" for place, split in enumerate(("train_data", "validation", "test")[: len(data)]))
        log.warning(
            "the training data are a tuple of %d tuples: taken for %d samples; if they are splits, give %s", len(data), len(data), kinds
        )
    return None


def _is_whole(data: Any) -> bool:
    """Whether data are a data set or a loader, which can be no column and no sample of another one."""
    return isinstance(data, Dataset | DataLoader) or _is_hugging_face(data)


def _are_columns(data: Any) -> bool:
    """Whether data are tensors or arrays with a value for each of the same two or more rows."""
    columns = list(data.values()) if isinstance(data, Mapping) else data if isinstance(data, tuple | list) else []
    shapes = [tuple(each.shape) for each in columns if isinstance(each, Tensor | np.ndarray)]
    return 2 <= len(shapes) == len(columns) and all(len(each) and each[0] == shapes[0][0] > 1 for each in shapes)


class CastRows(DatasetRows):
    """Rows of a Dataset, floats in the model's dtype; where a row is another one when it is read again, no run over them can be resumed."""

    def __init__(self, dataset: Any, names: Sequence[str], wanted: torch.dtype, *, bulk: bool = True, placed: bool = False) -> None:
        """`placed`: whether samples given by place make batches that can be unpacked too."""
        super().__init__(dataset, names, bulk=bulk)
        self._wanted, self.placed = wanted, placed and bool(names)
        self.why_not_resumable = self._why_other_samples() if len(dataset) else ""

    def take(self, indices: Tensor) -> dict[str, Any]:
        """The rows at `indices` (int64, b), joined on the CPU."""
        batch = {name: recast(each, self._wanted) for name, each in super().take(indices).items()}
        return PlacedBlocks(batch) if self.placed else batch

    def _why_other_samples(self) -> str:
        first, again = (self._reader.samples([0], [0]) for _ in range(2))
        return "" if alike(first, again) else other_sample(self.dataset)


class Columns:
    """A Hugging Face dataset that hands out whole batches of its columns."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, row: int) -> Any:
        return self.dataset[row]

    def __getitems__(self, rows: list[int]) -> list[Any]:
        return [dict(self.dataset[rows])]


class ColumnRows(CastRows):
    """Rows of a Hugging Face dataset, whose columns are read for a whole batch at once."""

    def __init__(self, dataset: Any, names: Sequence[str], wanted: torch.dtype) -> None:
        super().__init__(Columns(dataset), names, wanted)
        self.dataset = dataset

    def _join(self, samples: list[Any], numbers: list[int]) -> dict[str, Any]:
        batch: dict[str, Any] = samples[0]
        ragged = [name for name, each in batch.items() if isinstance(each, list) and isinstance(each[0], Tensor)]
        if ragged:
            fix = "make them alike in the with_transform(…) of the dataset, or give a DataLoader with a collate_fn that does"
            why = f"column '{ragged[0]}' holds tensors of different shapes"
            raise DataError("the samples of a batch cannot be joined", where=f"rows {first_of(numbers)}", why=why, fix=fix)
        return batch


def sample_names(data: Any, split: str, where: str, unlabelled: bool = False) -> list[str]:
    """Block names of the samples of a map-style dataset; none for mappings and dataclasses, which bring their own.

    Raises DataError when there are no samples, or they are no pairs.
    """
    if not len(data):
        raise DataError(f"there are no {split} rows", where=where)
    with keep_draws():
        Draws(0, 0).row(0)
        sample = data[0]
    if isinstance(sample, Mapping) or (is_dataclass(sample) and not isinstance(sample, type)):
        return []
    parts = len(sample) if isinstance(sample, tuple | list) else 1
    if parts >= 2:
        return names_of(parts)
    if unlabelled:
        return ["input"]
    fix = "give samples of (input, target), or (input, input, …, target)"
    raise DataError(f"a sample of the {split} data is a {type(sample).__name__}, not a pair", where=where, fix=fix)


def _refuse(data: Any, split: str, where: str) -> None:
    """Raises DataError for what is certainly no data, with what to give instead."""
    module = type(data).__module__.partition(".")[0]
    if data is None:
        raise DataError(f"there are no {split} data", where=where, fix=f"give {FORMS}")
    fix = f"give {FORMS}"
    if isinstance(data, str | bytes | Path):
        fix = f"read the file first, and {fix}; for a table in a file and no model of your own use tw.train(data, target=…)"
        if not isinstance(data, bytes) and os.path.isdir(data):
            fix = f"of pictures in a folder for each class give tw.LabelledPictures({str(data)!r}, size=…), which takes split= too; for a"
            fix += f" network that Trainwright makes use tw.train({str(data)!r})"
    elif module in ("pandas", "polars", "pyarrow"):
        fix = "give tensors: (torch.tensor(df[inputs].values), torch.tensor(df[target].values)); or use tw.train(df, target=…)"
    elif any(type(each).__module__.startswith("scipy.sparse") for each in (data if isinstance(data, tuple | list) else [data])[:8]):
        fix = "give torch's sparse tensor: torch.sparse_csr_tensor(m.indptr, m.indices, m.data, m.shape), of m.tocsr()"
        raise DataError(f"the {split} data hold a matrix of scipy", where=where, fix=fix)
    elif isinstance(data, type):
        fix = f"give an instance: {data.__name__}(…)"
    elif isinstance(data, tuple | list) and (whole := next((each for each in data if _is_whole(each)), None)) is not None:
        kind = "DataLoader" if isinstance(whole, DataLoader) else "Dataset"
        why = f"a {kind} gives inputs and targets together"
        fix = f"give one {kind} alone, and those of other splits as validation= and test="
        fix += "; torch.utils.data.ConcatDataset makes one of several" if kind == "Dataset" else ""
        raise DataError(f"the {split} data are a {type(data).__name__} with a {kind} in it", where=where, why=why, fix=fix)
    elif not isinstance(data, torch.nn.Module):
        return
    raise DataError(f"{split} data cannot be a {type(data).__name__}", where=where, fix=fix)


def _tensors(data: Any) -> Any:
    return data.tensors if isinstance(data, TensorDataset) else data


def _is_blocks(data: Any, unlabelled: bool) -> bool:
    fewest = 1 if unlabelled and isinstance(data, tuple) else 2
    return isinstance(data, tuple | list) and len(data) >= fewest and all(isinstance(each, Tensor | np.ndarray) for each in data)


def _is_indexed(data: Any) -> bool:
    if isinstance(data, Tensor | np.ndarray | str | IterableDataset):
        return False
    return hasattr(data, "__len__") and hasattr(data, "__getitem__")


def _is_stream(data: Any) -> bool:
    if isinstance(data, Tensor | np.ndarray | set | frozenset):
        return False
    return isinstance(data, Iterable) or callable(data)


def _is_hugging_face(data: Any) -> bool:
    """Whether data are Hugging Face's, by what they offer."""
    return callable(getattr(data, "with_format", None)) and hasattr(data, "column_names") and hasattr(data, "features")


def _of_blocks(data: Any, wanted: torch.dtype, placed: bool) -> TensorRows:
    rows = _tensor_rows(as_blocks([torch.as_tensor(each) for each in data]), wanted)
    return PlacedTensors(rows.blocks) if placed else rows


def _tensor_rows(blocks: Mapping[str, Tensor], wanted: torch.dtype) -> TensorRows:
    return TensorRows({name: cast(each, wanted) for name, each in blocks.items()})


def _of_mapping(data: Mapping[str, Any], split: str, wanted: torch.dtype, where: str, rest: dict[str, Any]) -> Rows:
    """Rows of named columns, or of the split that a mapping of data sets holds."""
    if data and all(is_column(each) for each in data.values()):
        rows = _tensor_rows({name: torch.as_tensor(each) for name, each in data.items()}, wanted)
        if not len(rows):
            raise DataError(f"there are no {split} rows", where=where)
        return rows
    splits = in_splits(data, where)
    if splits is None:
        wrong = {name: type(each).__name__ for name, each in data.items() if not is_column(each)}
        why = ", ".join(f"{name} is a {kind}" for name, kind in wrong.items()) or "it is empty"
        what = f"the mapping of {split} data holds more than columns of numbers"
        raise DataError(what, where=where, why=why, fix="give tensors or arrays")
    if split not in splits:
        raise DataError(f"the data have no '{split}' split", where=where, fix=did_you_mean(split, [str(name) for name in data]))
    return rows_from(splits[split], wanted_dtype=wanted, **rest)


def _of_loader(loader: Any, wanted: torch.dtype, stream: dict[str, Any], common: dict[str, Any]) -> Rows:
    """Batches of a DataLoader, each as the loader gives it: by number where it has an index and torch's own `__iter__`, else in order.

    Raises DataError where the items of one without a batch size are said to be samples.
    """
    alone = loader.batch_size is None and loader.batch_sampler is None
    if alone and stream["batched"] is False:
        what = f"the items of the DataLoader of the {common['split']} data are said to be samples (batched=False)"
        why = "what a DataLoader gives is what a step sees, with batch_size=None too"
        fix = "give the DataLoader a batch_size, or give its dataset itself"
        raise DataError(what, where=common["where"], why=why, fix=fix)
    wanted_dtype = None if alone else wanted
    if alone:
        log.info("the DataLoader of the %s data has batch_size=None: each of its items is a batch, as it is", common["split"])
    if isinstance(loader.dataset, IterableDataset) or type(loader).__iter__ is not DataLoader.__iter__:
        return StreamRows(loader, wanted_dtype, **stream, **common)
    return LoaderRows(loader, wanted_dtype, **common)


def _of_hugging_face(data: Any, wanted: torch.dtype, stream: dict[str, Any], common: dict[str, Any]) -> Rows:
    """Rows of a Hugging Face dataset, its columns as tensors unless another format or a transform was set."""
    if not hasattr(data, "__len__"):
        shown = data.with_format("torch") if getattr(data, "_formatting", None) is None else data
        return StreamRows(shown, wanted, **{**stream, "batched": bool(stream["batched"])}, **common)
    kind = (getattr(data, "format", None) or {}).get("type")
    if kind is None:
        data = data.with_format("torch")
    names = sample_names(data, common["split"], common["where"])
    if kind not in (None, "torch"):
        return CastRows(data, names, wanted, bulk=kind != "custom")  # what is random in a transform follows from the row
    return ColumnRows(data, names, wanted)
