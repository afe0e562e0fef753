"""What a class or function of a person's own gives, as data by split: a mapping, a tuple, attributes, a Lightning data module."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from trainwright.config.errors import DataError
from trainwright.config.once import once_per_machine

log = logging.getLogger("trainwright.data")

SPLIT_NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev", "eval", "evaluation"),
    "test": ("test", "testing"),
    "predict": ("predict",),
}
"""Split → what mappings, objects and dictionaries of data sets call it."""

LOADERS = {
    "train": ("train_dataloader", "fit"),
    "validation": ("val_dataloader", "fit"),
    "test": ("test_dataloader", "test"),
    "predict": ("predict_dataloader", "predict"),
}
"""Split → the method of a Lightning data module, and the stage for which `setup` is called before it."""

LIGHTNING = ("lightning", "pytorch_lightning")


def splits_of(made: Any, where: str = "data") -> dict[str, Any]:
    """Data by split (`train`, `validation`, `test`, `predict`) of whatever a dataset part gave; splits that are None are left out.

    Takes a mapping split → data, `(train, validation[, test])`, an object with `splits()`, with attributes or methods named as splits,
    or with Lightning's loaders; other data are the training rows. Raises DataError when nothing is found.
    """
    found = {split: data for split, data in _find_splits(made, where).items() if data is not None}
    if not found:
        fix = "return a mapping such as {'train': …, 'validation': …}, a tuple (train, validation), or give it a method train()"
        raise DataError("no data were given", where=where, why=f"{type(made).__name__} holds no split", fix=fix)
    return found


USED = ("train", "validation", "test", "predict")
"""The splits that a run trains on, measures or is tried with; others are for `predict --split NAME`."""


def say_unused(splits: Iterable[str], used: Iterable[str], instead: str) -> None:
    """Say which splits of the data a run does not use."""
    unused = [f"'{split}'" for split in splits if split not in used]
    if unused:
        log.warning("the data have splits that this run does not use: %s; %s", ", ".join(unused), instead)


def spec_of(made: Any) -> dict[str, Any]:
    """The facts a dataset says of itself in `.spec`, an attribute or a method; empty without one."""
    spec = getattr(made, "spec", None)
    spec = spec() if callable(spec) else spec
    return dict(spec) if isinstance(spec, Mapping) else {}


def in_splits(data: Any, where: str = "data") -> dict[str, Any] | None:
    """A mapping split → data by our names of splits, or None when it is a mapping of columns or no mapping at all.

    Raises DataError when two of its names mean one split.
    """
    if not isinstance(data, Mapping) or not data or any(is_column(each) for each in data.values()):
        return None
    ours: dict[Any, str] = {name: split for split, names in SPLIT_NAMES.items() for name in names}
    meant: dict[str, Any] = {}
    for name in data:
        first = meant.setdefault(ours.get(name, str(name)), name)
        if first is not name:
            what = f"'{first}' and '{name}' both mean the {ours[name]} split"
            raise DataError(what, where=where, fix="keep one of them, or give the other a name of its own")
    return {split: data[name] for split, name in meant.items()}


def is_column(each: Any) -> bool:
    """Whether a value is a tensor, an array, or a list of numbers."""
    if isinstance(each, list):
        return bool(each) and isinstance(each[0], int | float)
    return hasattr(each, "dtype") and hasattr(each, "ndim")


def _find_splits(made: Any, where: str) -> dict[str, Any]:
    if made is None:
        return {}
    if callable(getattr(made, "splits", None)):
        return dict(made.splits())
    if isinstance(made, Mapping):
        return in_splits(made, where) or ({"train": made} if made else {})
    if isinstance(made, tuple) and len(made) in (2, 3) and not any(is_column(each) for each in made):
        return dict(zip(("train", "validation", "test"), made, strict=False))
    if any(callable(getattr(made, method, None)) for method, _ in LOADERS.values()):
        return _of_module(made, where)
    if any(hasattr(made, name) for name in ("__getitem__", "__iter__", "__next__", "tensors")):
        return {"train": made}
    named = _read_named(made)
    return named or ({"train": made} if callable(made) else {})


def _read_named(made: Any) -> dict[str, Any]:
    """Attributes named as splits; methods are called."""
    found: dict[str, Any] = {}
    for split, names in SPLIT_NAMES.items():
        value = next((getattr(made, name) for name in names if getattr(made, name, None) is not None), None)
        if value is not None and not isinstance(value, bool):
            found[split] = value() if _is_method(value, made) else value
    return found


def _is_method(value: Any, made: Any) -> bool:
    return callable(value) and getattr(value, "__self__", None) in (made, type(made))


def _of_module(made: Any, where: str) -> dict[str, Any]:
    """The loaders of a Lightning data module, each after `prepare_data` and the `setup` of its stage."""
    if callable(getattr(made, "prepare_data", None)):
        once_per_machine(made.prepare_data)
    found: dict[str, Any] = {}
    done: set[str] = set()
    for split, (method, stage) in LOADERS.items():
        if not _is_its_own(made, method):
            continue
        if stage not in done and callable(getattr(made, "setup", None)):
            made.setup(stage)
        done.add(stage)
        found[split] = _one_loader(getattr(made, method)(), split, where)
    return found


def _is_its_own(made: Any, method: str) -> bool:
    """Whether a class defines the method itself: Lightning's own only raise."""
    definer = next((each for each in type(made).__mro__ if method in vars(each)), None)
    return definer is not None and definer.__module__.partition(".")[0] not in LIGHTNING


def _one_loader(loader: Any, split: str, where: str) -> Any:
    if not isinstance(loader, list | tuple) or not loader or is_column(loader[0]):
        return loader if loader != [] else None
    if len(loader) > 1:
        what, fix = f"there are {len(loader)} {split} loaders", "return one, or name the others as splits of their own"
        raise DataError(what, where=where, fix=fix)
    return loader[0]
