"""Samples of different lengths as one batch: padded, with their lengths beside them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from trainwright.config.errors import ConfigError, DataError, did_you_mean

LENGTHS = "_lengths"
"""What the name of a field's lengths ends in."""


class Padded:
    """A collate function: samples → mapping of tensors, sequences padded to the longest of the batch, `<field>_lengths` (int64, b) beside.

    A sample is a mapping of fields, a tuple (fields `0`, `1`, …, or those of `names`), or one tensor (`x`). Without `fields` every field of
    one dimension or more is taken as a sequence along its first, so that batches have the same fields whatever their lengths.
    """

    def __init__(
        self,
        batch_first: bool = True,
        value: float | Mapping[str, float] = 0.0,
        pad_to_multiple: int | None = None,
        fields: Sequence[str] | None = None,
        names: Sequence[str] | None = None,
    ) -> None:
        """`value` fills up, one for all or by field (-100 for class labels); `pad_to_multiple` needs `fields`, lest it pads vectors too.

        Raises ConfigError for options that do not go together.
        """
        if pad_to_multiple is not None and (pad_to_multiple < 1 or fields is None):
            what = "pad_to_multiple is 1 or more" if fields is not None else "pad_to_multiple needs the names of the sequences"
            raise ConfigError(what, fix="for example fields: [x], pad_to_multiple: 8")
        self.batch_first, self.value, self.pad_to_multiple = batch_first, value, pad_to_multiple
        self.fields = None if fields is None else list(fields)
        self.names = None if names is None else list(names)

    def __call__(self, samples: Sequence[Any]) -> dict[str, Any]:
        """The batch. Raises DataError naming field and sample for samples that do not go together."""
        if not samples:
            raise DataError("there are no samples to make a batch of")
        rows = [self._name_parts(sample) for sample in samples]
        self._check_fields(rows)
        batch: dict[str, Any] = {}
        for name in rows[0]:
            given = [row[name] for row in rows]
            if name not in (self.fields or ()) and {type(each) for each in given} in ({bool}, {int}, {float}):
                batch[name] = torch.tensor(given)
                continue
            values = [_as_tensor(each) for each in given]
            if not all(isinstance(value, Tensor) for value in values):
                batch[name] = given
            elif self._is_sequence(name, values):
                batch[name] = self._pad(name, values)
                batch[name + LENGTHS] = torch.tensor([value.size(0) for value in values])
            else:
                batch[name] = _stack(name, values)
        return batch

    def _name_parts(self, sample: Any) -> dict[str, Any]:
        if isinstance(sample, Mapping):
            return dict(sample)
        values = list(sample) if isinstance(sample, tuple | list) else [sample]
        names = self.names or (["x"] if not isinstance(sample, tuple | list) else [str(place) for place in range(len(values))])
        if len(names) != len(values):
            raise DataError(f"a sample has {len(values)} values for {len(names)} names", why=f"names: {', '.join(names)}")
        return dict(zip(names, values, strict=True))

    def _check_fields(self, rows: list[dict[str, Any]]) -> None:
        first = set(rows[0])
        for number, row in enumerate(rows):
            if set(row) != first:
                odd = sorted(first ^ set(row))
                raise DataError(
                    f"samples 0 and {number} of the batch have different fields", why=f"only one has {', '.join(map(str, odd))}"
                )
        for name in [*(self.fields or []), *(self.value if isinstance(self.value, Mapping) else [])]:
            if name not in first:
                raise DataError(f"samples have no field '{name}'", fix=did_you_mean(name, map(str, rows[0])))

    def _is_sequence(self, name: str, values: list[Any]) -> bool:
        if self.fields is not None:
            if name in self.fields and any(not value.dim() for value in values):
                raise DataError(f"'{name}' is no sequence", why="it is a single number", fix="take it out of fields")
            return name in self.fields
        return all(value.dim() for value in values)

    def _pad(self, name: str, values: list[Tensor]) -> Tensor:
        _check_alike(name, values, from_dim=1)
        fill = self.value.get(name, 0) if isinstance(self.value, Mapping) else self.value
        fill = _fitting(name, values[0].dtype, fill)
        out = pad_sequence(values, batch_first=True, padding_value=fill)
        over = -out.size(1) % (self.pad_to_multiple or 1)
        if over:
            out = torch.cat([out, out.new_full((len(out), over, *out.shape[2:]), fill)], dim=1)
        return out if self.batch_first else out.transpose(0, 1).contiguous()


def pad_collate(samples: Sequence[Any]) -> dict[str, Any]:
    """`Padded` with its defaults, as a plain function."""
    return Padded()(samples)


def _as_tensor(value: Any) -> Any:
    """Numbers and arrays as tensors (floats in the default dtype); anything else as it is."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, bool | int | float | complex):
        return torch.tensor(value)
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biufc":
        return torch.as_tensor(value)
    if isinstance(value, list) and value and all(isinstance(each, bool | int | float) for each in value):
        return torch.tensor(value)
    return value


def _check_alike(name: str, values: list[Tensor], from_dim: int) -> None:
    first = values[0]
    if len({(value.dtype, value.shape[from_dim:], value.dim()) for value in values}) == 1:
        return
    for number, value in enumerate(values):
        if value.dtype != first.dtype:
            why = f"sample 0 is {first.dtype}, sample {number} is {value.dtype}".replace("torch.", "")
            raise DataError(f"'{name}' has different dtypes in one batch", why=why, fix="convert them in the dataset")
        if value.dim() != first.dim() or value.shape[from_dim:] != first.shape[from_dim:]:
            why = f"sample 0 has shape {tuple(first.shape)}, sample {number} {tuple(value.shape)}"
            fix = "only the first dimension may differ" if from_dim else "name it in fields to have it padded"
            raise DataError(f"'{name}' does not fit into one batch", why=why, fix=fix)


def _stack(name: str, values: list[Tensor]) -> Tensor:
    _check_alike(name, values, from_dim=0)
    return torch.stack(values)


def _fitting(name: str, dtype: torch.dtype, value: float) -> float:
    """The padding value; refused when a whole-number field cannot hold it."""
    if dtype.is_floating_point or dtype.is_complex:
        return value
    low, high = (0, 1) if dtype == torch.bool else (torch.iinfo(dtype).min, torch.iinfo(dtype).max)
    if not math.isfinite(value) or value != int(value) or not low <= value <= high:
        shown = str(dtype).removeprefix("torch.")
        raise DataError(f"'{name}' is {shown}, which cannot hold the padding value {value:g}", fix="give it a value of its own")
    return int(value)
