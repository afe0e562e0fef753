"""Transforms of whole batches, on the device: what each draws follows from (seed, its place, epoch, batch number)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from trainwright.config.errors import FOREIGN, DataError, TrainwrightError
from trainwright.config.model import PartConfig
from trainwright.config.own_code import at_own_line
from trainwright.config.registry import build
from trainwright.data.samples import own_words
from trainwright.data.transforms import applies_always, show_transform
from trainwright.data.transforms.parts import rows_of
from trainwright.data.transforms.place import BatchPlace

Seed = Callable[[str], None]
"""Seeds the default generators for the transform at a place."""


class BatchTransforms:
    """What is done to batches before a step is given them; a system holds it, and the engine calls it."""

    by_row: bool = False
    """Whether each row is given the same whatever rows are beside it and nothing is drawn, so that a process may have some of them."""

    in_network: bool = False
    """Whether the system itself does what always applies, as a part of its network."""
    makes_shares: bool = False
    """Whether classes of training rows become shares of each class."""

    def in_training(self, batch: Any, seed: Seed) -> Any:
        """The batch of a whole step, before it is cut into micro-batches."""
        raise NotImplementedError

    def tell_place(self, place: BatchPlace) -> None:
        """Where in the run the next batch is."""

    def always(self, batch: Any) -> Any:
        """Rows that are evaluated or predicted, under what always applies: the same for each row whatever rows are beside it."""
        raise NotImplementedError


class BatchChain:
    """Transforms of a tensor of rows, or of a whole batch, in order; copies and other processes make them again from their options."""

    def __init__(self, options: Sequence[PartConfig], where: str, first: int = 0) -> None:
        """`first`: the number of the first one among all at `where`, which decides what it draws."""
        self.options, self.where, self.first = list(options), where, first
        self.steps = [
            (f"{where}.{place}", show_transform(each), applies_always(each), build("transform", each))
            for place, each in enumerate(options, first)
        ]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.options, self.where, self.first)

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def draws(self) -> bool:
        """Whether any of it applies in training alone, and may draw."""
        return not all(always for _, _, always, _ in self.steps)

    @property
    def other_sizes(self) -> bool:
        """Whether training rows may come out in other sizes than others."""
        return any(getattr(each, "other_sizes", False) for each in self.options)

    def tell_place(self, place: BatchPlace) -> None:
        """Tell the transforms that follow the run where the next batch is."""
        for *_, call in self.steps:
            if hasattr(call, "tell_place"):
                call.tell_place(place)

    def __call__(self, batch: Any, seed: Seed | None) -> Any:
        """The batch transformed, without `seed` by what always applies alone. Raises DataError naming the transform that fails.

        What is asked for its gradient, as where an answer is explained, keeps it.
        """
        with torch.set_grad_enabled(seed is None and torch.is_grad_enabled() and asks_gradient(batch)):
            return self._apply(batch, seed)

    def _apply(self, batch: Any, seed: Seed | None) -> Any:
        for place, name, always, call in self.steps:
            if seed is not None:
                seed(place)
            elif not always:
                continue
            batch = self._check_call(call, batch, name)
        return batch

    def _check_call(self, call: Any, batch: Any, name: str) -> Any:
        try:
            found = call(batch)
        except TrainwrightError:
            raise
        except FOREIGN as error:
            what = f"transform {name} failed on a batch"
            raise DataError(what, where=self.where, why=own_words(error), fix=f"{at_own_line(error)}, or leave {name} out") from error
        refuse_other_kind(batch, found, name, self.where)
        rows, given = rows_of(found), rows_of(batch)
        if rows != given:
            why = "targets, weights and other columns belong to the rows as they are"
            what = f"transform {name} gives {rows} rows of {given}"
            raise DataError(what, where=self.where, why=why, fix="give as many rows as it is given, in the same order")
        return found


def asks_gradient(batch: Any) -> bool:
    """Whether a tensor, or one of a batch, is asked for its gradient."""
    every = batch.values() if isinstance(batch, Mapping) else [batch]
    return any(isinstance(each, torch.Tensor) and each.requires_grad for each in every)


def refuse_other_kind(given: Any, found: Any, name: str, where: str) -> None:
    """Raise DataError where a transform gives nothing, another kind of thing, or other parts than it was given."""
    if found is None or not isinstance(found, type(given) if not isinstance(given, Mapping) else Mapping):
        told = "nothing" if found is None else f"a {type(found).__name__}"
        wanted = f"a {type(given).__name__}, as it is given"
        raise DataError(f"transform {name} gives {told}", where=where, why="a transform gives what goes on", fix=f"let it return {wanted}")
    lacking = [str(key) for key in given if key not in found] if isinstance(given, Mapping) else []
    if lacking:
        what = f"transform {name} gives a batch without '{lacking[0]}'"
        raise DataError(what, where=where, why=f"it was given {', '.join(map(str, given))}", fix="return all parts: {**batch, …}")
