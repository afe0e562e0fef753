"""Reading the arrays of a column: from a path to a tensor, and from tensors to a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from trainwright.config.errors import DataError, TrainwrightError
from trainwright.data.transforms.chain import Chain
from trainwright.data.windows import cut_window, without_length
from trainwright.features.kept import count_still
from trainwright.features.lazy import Decoder
from trainwright.features.npy import Unreadable, how_to_mend, shape_fault

if TYPE_CHECKING:
    from trainwright.features.file import FileFeature


class ArrayDecoder(Decoder):
    """Path → array, transformed and scaled; arrays of one shape are stacked, sequences padded with their lengths beside them."""

    def __init__(self, feature: FileFeature, training: bool) -> None:
        self.name, self.repairs = feature.name, feature.config.unreadable == "repair"
        self.raw_shape, self.shape = feature.raw_shape, tuple(feature.shape)
        self.sequence, self.indicator = feature.is_sequence, feature.has_indicator
        self.pad = None if feature.config.pad == "batch" else int(feature.config.pad)
        self.ragged = feature.ragged
        self.center, self.spread = feature.center, feature.spread
        self.read_array, self.read_piece = feature.read_array, feature.read_piece
        self.cache, self.kept_files = feature.sample_cache(), feature.kept_files
        kept = 0 if self.cache is None else count_still(feature.in_workers)
        self.first, self.chain = Chain(feature.in_workers[:kept], training), Chain(feature.in_workers[kept:], training)
        self.draws = bool(self.first.steps or self.chain.steps)
        self.window, self.axis = feature.window, feature.axis
        self.padded = [("value", "length", 2 if self.axis == 0 else -1)] if self.ragged else []

    def sample(self, reference: str | None, row: int, place: int = 0) -> Tensor | None:
        """The array of a path in float32, not scaled, or None without one; raises DataError naming row and path."""
        if reference is None:
            return None
        try:
            kept = self._begun(reference, row, place)
        except Unreadable as error:
            if self.repairs:
                return None
            raise self._wrong("a file cannot be read", row, reference, str(error), how_to_mend(self.name, [str(error)], "it")) from error
        found = apply_transforms(self.chain, kept, self.name, row, reference)
        self._check_shape(found, row, reference)
        return self.numbers(found, row, reference)

    def _begun(self, reference: str, row: int, place: int) -> Tensor:
        """The array after the transforms whose result is kept, where any is. Raises Unreadable or DataError."""

        def make() -> tuple[list[int], Tensor]:
            array, shape = self._read(reference, place)
            self._check_raw(shape, row, reference)
            return list(shape), apply_transforms(self.first, torch.from_numpy(array), self.name, row, reference)

        kept_as = None if self.cache is None else self.kept_files(reference)
        if self.cache is None or kept_as is None:
            return make()[1]
        files, part = kept_as
        shape, found = self.cache.of_files(files, f"{place}{part}", make)
        self._check_raw(tuple(shape), row, reference)
        kept: Tensor = found
        return kept

    def _check_raw(self, shape: tuple[int, ...], row: int, path: str) -> None:
        fault = shape_fault(shape, self.raw_shape)
        if fault:
            raise self._wrong("a file holds another array than before", row, path, fault)

    def numbers(self, found: Tensor, row: int, path: str) -> Tensor:
        """What is kept of an array until it is joined with others: float32, not scaled."""
        return found.float()

    def _read(self, path: str, place: int) -> tuple[np.ndarray, tuple[int, ...]]:
        """An array, or the window of it that is asked for, and the shape of the whole."""
        if self.window is None:
            array = self.read_array(path)
            return array, array.shape
        array, shape = self.read_piece(path, place * self.window.step, self.window.length)
        if not array.shape[self.axis] and shape[self.axis]:
            raise Unreadable(f"it has {shape[self.axis]:,} entries, and had more")
        return cut_window(self.window, array, self.axis), shape

    def join(self, samples: list[Tensor | None], rows: list[int]) -> dict[str, Tensor]:
        """`value` (b, 1, …), scaled, with `length` (b, 1) or `missing` (b, 1)."""
        if self.sequence:
            return self._pad(samples)
        nothing = torch.full(self.shape, self.center)  # the mean, which is zero once it is scaled
        value = torch.stack([nothing if each is None else each for each in samples]).reshape(len(samples), 1, *self.shape or (1,))
        parts = {"value": value.sub_(self.center).div_(self.spread)}
        if self.indicator:
            parts["missing"] = torch.tensor([[float(each is None)] for each in samples])
        return parts

    def _pad(self, samples: list[Tensor | None]) -> dict[str, Tensor]:
        nothing = torch.zeros(self._with_length(0))
        there = [nothing if each is None else (each - self.center) / self.spread for each in samples]
        lengths = [each.shape[self.axis] for each in there]
        longest = self.pad or (max(*lengths, 1) if self.ragged else self.shape[self.axis])
        value = torch.zeros(len(there), 1, *self._with_length(longest))
        for place, each in enumerate(there):
            value[place, 0].narrow(self.axis, 0, lengths[place]).copy_(each)
        return {"value": value, "length": torch.tensor([[length] for length in lengths])}

    def _with_length(self, length: int) -> list[int]:
        """The shape of a sample of some length."""
        shape = list(self.shape)
        shape[self.axis] = length
        return shape

    def _check_shape(self, found: Tensor, row: int, path: str) -> None:
        shape = tuple(found.shape)
        if not self.ragged and shape != self.shape:
            raise self._wrong(f"an array has shape {shape} after its transforms", row, path, f"the others have {self.shape}")
        if self.ragged and (len(shape) != len(self.shape) or without_length(shape, self.axis) != without_length(self.shape, self.axis)):
            others = "×".join("any" if each is None else str(each) for each in without_length(self.shape, self.axis))
            raise self._wrong(f"an array has shape {shape} after its transforms", row, path, f"the others have {others}")
        if self.ragged and self.pad is not None and shape[self.axis] > self.pad:
            what = f"an array has length {shape[self.axis]}, which is more than columns.{self.name}.pad: {self.pad}"
            raise self._wrong(what, row, path, "it is not cut in silence", f"a larger pad, or transform: {{center_crop: {self.pad}}}")

    def _wrong(self, what: str, row: int, path: str, why: str, fix: str = "") -> DataError:
        return DataError(what, where=f"column '{self.name}', row {row + 1}: {path}", why=why, fix=fix or "write the file again")


def apply_transforms(chain: Chain, array: Tensor, name: str, row: int, path: str) -> Tensor:
    """An array after its transforms; raises DataError naming row and path for what goes wrong in them."""
    try:
        found = chain(array)
    except TrainwrightError as error:
        where = f"column '{name}', row {row + 1}: {path}"
        raise DataError(error.what, where=where, why=error.why, fix=error.fix) from error
    if found.is_complex():
        what = "the transforms give complex numbers"
        raise DataError(what, where=f"columns.{name}.transform", fix="add torch.abs, torch.angle or torch.view_as_real")
    return found
