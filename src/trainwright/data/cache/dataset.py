"""A map-style dataset of a person's own whose samples are kept once they were read."""

from __future__ import annotations

import hashlib
import inspect
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, TensorDataset

from trainwright._version import __version__
from trainwright.config.errors import DataError
from trainwright.data.cache import CachedData
from trainwright.data.cache.records import Unkept
from trainwright.data.cache.samples import SampleCache, open_cache
from trainwright.files.loaded_code import loaded_files

log = logging.getLogger("trainwright.data")

FILES = "cache_files"
"""The method of a dataset that names the files of a sample: `cache_files(index)`, a path or several."""


class CachedDataset(Dataset[Any]):
    """A dataset each sample of which is read once; in all else it answers as the one inside."""

    def __init__(self, dataset: Any, cache: SampleCache, files: Callable[[Any], Any] | None) -> None:
        """`files`: tells the files that a sample is made of; without it a sample is known by its number."""
        self.dataset, self.cache, self.files = dataset, cache, files

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, key: Any) -> Any:
        """The sample of a key, as the dataset gave it."""
        if isinstance(key, torch.Tensor) and key.dim() == 0:
            key = key.item()
        if not isinstance(key, int):
            return self.dataset[key]
        if self.files is None:
            return self.cache.of_number(key, lambda: self.dataset[key])
        given = self.files(key)
        paths = [given] if isinstance(given, str | Path) else list(given)
        return self.cache.of_files([str(each) for each in paths], str(key), lambda: self.dataset[key])

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "dataset" not in vars(self):
            raise AttributeError(name)
        return getattr(self.dataset, name)


def keep_samples(data: Any, options: CachedData | None, split: str) -> Any:
    """The data of a split with its samples kept as the options say; `auto` keeps none, since nobody said that they may be kept.

    Raises DataError for data whose samples cannot be had one by one.
    """
    if options is None or options.cache in ("off", "auto"):
        return data
    if isinstance(data, TensorDataset | torch.Tensor | tuple | dict):
        log.info("note: the %s data lie in memory as they are: data.cache has nothing to keep", split)
        return data
    if not hasattr(data, "__getitem__") or not hasattr(data, "__len__") or hasattr(data, "batch_sampler"):
        why = f"{split} data of type {type(data).__name__} do not give a sample by its number"
        raise DataError("samples cannot be kept", where="data.cache", why=why, fix="give its dataset, or leave data.cache out")
    if callable(getattr(data, "set_epoch", None)):
        why = f"{type(data).__name__} has set_epoch: its samples are others in every epoch"
        fix = "leave data.cache out, or draw in data.transform with applies_in: train"
        raise DataError("samples cannot be kept", where="data.cache", why=why, fix=fix)
    files, why = getattr(data, FILES, None), f"the dataset has no {FILES}(index)"
    recipe = ""
    if callable(files):
        try:
            recipe = _recipe(data)
        except Unkept as error:
            files, why = None, str(error)
    cache = open_cache(options, recipe, f"{split} samples", lasting=files is not None)
    if cache is None:
        return data
    log.info("note: %s%s", cache.describe(), "" if files is not None else f"; for this run alone: {why}")
    return CachedDataset(data, cache, files)


def _recipe(data: Any) -> str:
    """What samples are made by: the class, all that it holds, and all code of a person's own that is loaded. Raises Unkept."""
    held = hashlib.sha256()
    for name, value in sorted(vars(data).items()):
        _add_value(held, value, name)
    found = sorted((str(path), hashlib.sha256(path.read_bytes()).hexdigest()) for path in set(loaded_files().values()))
    told = [__version__, torch.__version__, type(data).__module__, type(data).__qualname__, held.hexdigest(), found]
    return json.dumps(told)


def _add_value(made: Any, value: Any, name: str) -> None:
    """Add what an attribute holds to a checksum. Raises Unkept for what is no plain data: whether it is the same later cannot be told."""
    made.update(f"{type(value).__name__}:".encode())
    if isinstance(value, str | int | float | bool | None | Path):
        made.update(repr(value).encode())
    elif isinstance(value, list | tuple):
        for each in value:
            _add_value(made, each, name)
    elif isinstance(value, dict):
        for key, each in value.items():
            _add_value(made, key, name)
            _add_value(made, each, name)
    elif isinstance(value, np.ndarray | torch.Tensor) and not (isinstance(value, np.ndarray) and value.dtype.hasobject):
        held = value if isinstance(value, np.ndarray) else value.detach().cpu().contiguous().view(torch.uint8).numpy()
        made.update(f"{held.dtype}{value.shape}".encode() + np.ascontiguousarray(held).tobytes())
    elif inspect.isfunction(value) and value.__closure__ is None:
        made.update(f"{value.__module__}.{value.__qualname__}".encode())  # its code is among that of a person's own, or installed
    else:
        raise Unkept(f"its attribute {name} is a {type(value).__name__}, which cannot be compared with that of another run")
    made.update(b";")
