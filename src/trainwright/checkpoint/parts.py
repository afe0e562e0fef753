"""The tensors of one file of a checkpoint, read when they are asked for: whole, put together from parts, or a box of each alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from trainwright.checkpoint.layout import Entry, Part
from trainwright.config.received import damage, open_regular
from trainwright.files.tensors import NAMES

DTYPES = {name: dtype for dtype, name in NAMES.items()}
Box = tuple[tuple[int, ...], tuple[int, ...]]
"""Where a part begins, and its shape."""
Wanted = Callable[[str, tuple[int, ...]], Box | None]
"""Name of a tensor and its whole shape → the box of it that is wanted; None for all of it."""


class TensorsOnDisk(Mapping[str, Tensor]):
    """Name → tensor of one file, on the CPU; each is read anew when it is asked for, and of the files only what it needs of them.

    Raises RunError for a file that does not hold what the layout says.
    """

    def __init__(self, folder: Path, entries: Mapping[str, Entry], wanted: Wanted | None = None) -> None:
        self._folder, self._entries, self._wanted = folder, entries, wanted
        self._open: dict[str, Any] = {}
        self.bytes_read = 0
        """Bytes that were taken out of the files."""

    @classmethod
    def of_file(cls, path: Path, wanted: Wanted | None = None) -> TensorsOnDisk:
        """Those of a file that one process wrote."""
        made = cls(path.parent, {}, wanted)
        file = made._file(path.name)
        entries = {}
        for name in file.keys():  # noqa: SIM118  (no mapping)
            found = file.get_slice(name)
            shape = tuple(found.get_shape())
            entries[name] = Entry(found.get_dtype(), shape, [Part(path.name, (0,) * len(shape), shape)])
        made._entries = entries
        return made

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of what is read of a tensor."""
        return self._box(name)[1]

    def _box(self, name: str) -> Box:
        whole = self._entries[name].shape
        wanted = None if self._wanted is None else self._wanted(name, whole)
        return wanted or ((0,) * len(whole), whole)

    def __getitem__(self, name: str) -> Tensor:
        entry = self._entries[name]
        offsets, shape = self._box(name)
        dtype = DTYPES[entry.dtype]
        if entry.in_one_piece and entry.shape == shape:
            return self._read(entry, entry.parts[0], name, None)
        found = torch.empty(shape, dtype=dtype)
        for part in entry.parts:
            common = overlap((offsets, shape), (part.offsets, part.shape))
            if common is not None:
                found[common[0]] = self._read(entry, part, name, common[1])
        return found

    def _read(self, entry: Entry, part: Part, name: str, slices: tuple[slice, ...] | None) -> Tensor:
        """A part of a tensor, or some of it; what the file says of it is what the layout says."""
        file = self._file(part.file)
        try:
            held = file.get_slice(name)
        except SafetensorError as error:
            raise damage(self._folder / part.file, f"it has no '{name}', which the layout says") from error
        if held.get_dtype() != entry.dtype or tuple(held.get_shape()) != part.shape:
            why = f"'{name}' is {held.get_dtype()} {held.get_shape()} in it and {entry.dtype} {list(part.shape)} by the layout"
            raise damage(self._folder / part.file, why)
        read = held[slices] if slices else file.get_tensor(name)
        self.bytes_read += read.numel() * read.element_size()
        return read

    def _file(self, name: str) -> Any:
        if name not in self._open:
            os.close(open_regular(self._folder / name))
            self._open[name] = safe_open(self._folder / name, framework="pt")
        return self._open[name]


def overlap(one: Box, other: Box) -> tuple[tuple[slice, ...], tuple[slice, ...]] | None:
    """What two boxes have in common, as slices within each of them; None where that is nothing."""
    within_one, within_other = [], []
    for a, length, b, other_length in zip(*one, *other, strict=True):
        start, end = max(a, b), min(a + length, b + other_length)
        if start >= end:
            return None
        within_one.append(slice(start - a, end - a))
        within_other.append(slice(start - b, end - b))
    return tuple(within_one), tuple(within_other)
