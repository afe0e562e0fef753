"""Transforms of batches tried on a few rows, so that what is wrong with them is said before anything is written."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from trainwright.config.errors import ConfigError
from trainwright.data.counters import fold
from trainwright.data.draws import GENERATORS, keep_draws
from trainwright.data.placed import Placed
from trainwright.data.rows import Rows
from trainwright.data.samples import alike
from trainwright.data.transforms.batches import BatchTransforms, Seed
from trainwright.data.transforms.parts import rows_of, tensors_of

ROWS = 4
"""Rows that transforms are tried on."""
TOLERANCE = 1e-4
"""Difference, relative to the largest number, that a row alone may have from the same row in a batch: libraries sum in another order."""


def seed_of(key: int) -> Seed:
    """Seeds the default generators of torch (CPU), `random` and numpy by a place."""

    def seed(place: str) -> None:
        for each in GENERATORS.values():
            each.seed(fold(key, place))

    return seed


def try_batch_transforms(transforms: BatchTransforms, example: Any, where: str) -> Any:
    """A few rows transformed. Raises ConfigError for transforms that give other numbers for one key, or, where rows are
    predicted, by chance or by the rows beside; DataError for what they raise or give wrong."""
    with keep_draws():
        found, again = (transforms.in_training(copy_batch(example), seed_of(0)) for _ in range(2))
        if not alike(found, again):
            why = "a batch of one seed and number gave two results: a transform keeps randomness of its own"
            fix = "draw from torch's, numpy's or random's default generator, or take `generator`; all are seeded for every batch"
            raise ConfigError("a transform does not give the same for the same seed", where=where, why=why, fix=fix)
        _ensure_without_chance(transforms, example, where)
    return found


def few_rows(rows: Rows) -> Any:
    """A few rows, or one batch of batched ones, in one batch on the CPU."""
    if rows.batched:
        return rows.example()
    rows.begin_epoch(0, 0)
    return rows.take(torch.arange(min(ROWS, len(rows))))


def copy_batch(batch: Any) -> Any:
    """The batch with tensors of its own, so that a transform which works in place changes no other."""
    if isinstance(batch, Tensor):
        return batch.clone()
    if isinstance(batch, dict):
        return {name: copy_batch(each) for name, each in batch.items()}
    return type(batch)(map(copy_batch, batch)) if type(batch) in (tuple, list, Placed) else batch


def _ensure_without_chance(transforms: BatchTransforms, example: Any, where: str) -> None:
    results = []
    for key in (1, 2):
        seed_of(key)("always")
        results.append(transforms.always(copy_batch(example)))
    if not alike(*results):
        what = "a transform that always applies draws by chance"
        raise ConfigError(what, where=where, why="a prediction is then another one each time", fix="add applies_in: train to it")
    rows = rows_of(example)
    if rows is None or rows < 2:
        return
    alone = transforms.always(_first_row(copy_batch(example), rows))
    for (name, whole), (_, one) in zip(tensors_of(results[0]), tensors_of(alone), strict=False):
        if whole.is_floating_point() and len(whole) == rows and not _near(whole[:1], one):
            what = f"a transform that always applies gives a row another '{name}' when other rows are beside it"
            fix = "let it work row by row, or add applies_in: train to it"
            raise ConfigError(what, where=where, why="a prediction would depend on what else is predicted", fix=fix)


def _first_row(batch: Any, rows: int) -> Any:
    if isinstance(batch, Tensor):
        return batch[:1] if batch.dim() and len(batch) == rows else batch
    if isinstance(batch, dict):
        return {name: _first_row(each, rows) for name, each in batch.items()}
    return type(batch)(_first_row(each, rows) for each in batch) if type(batch) in (tuple, list, Placed) else batch


def _near(one: Tensor, other: Tensor) -> bool:
    scale = float(one.abs().max()) if one.numel() else 0.0
    return one.shape == other.shape and torch.allclose(one, other, rtol=0, atol=TOLERANCE * scale + 1e-12, equal_nan=True)
