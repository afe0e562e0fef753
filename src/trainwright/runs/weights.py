"""Whether two sets of weights are the same, bit for bit, and where they differ most; reads safetensors without torch."""

from __future__ import annotations

import json
import os
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from trainwright.config.errors import RunError
from trainwright.config.received import open_regular

DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?", "C64": "<c8",
}  # fmt: skip
PIECE = 4_000_000
SHOWN = 8


@dataclass(frozen=True)
class Stored:
    """A tensor in a file: its type as safetensors names it, its shape, and its bytes."""

    dtype: str
    shape: tuple[int, ...]
    data: np.ndarray

    def values(self, start: int, end: int) -> np.ndarray | None:
        """Elements `start` to `end` as numbers, float64 or complex; None for a type that has no numbers here."""
        if self.dtype == "BF16":  # the upper half of a float32
            return (self.data.view("<u2")[start:end].astype(np.uint32) << 16).view(np.float32).astype(np.float64)
        if self.dtype not in DTYPES:
            return None
        piece = self.data.view(DTYPES[self.dtype])[start:end]
        return piece.astype(np.complex128 if self.dtype == "C64" else np.float64)


@dataclass
class WeightsDifference:
    """How the second set of weights differs from the first."""

    tensors: int = 0
    """Tensors in both, of the same shape and type."""
    parameters: int = 0
    """Numbers in them."""
    changed: dict[str, float | None] = field(default_factory=dict)
    """Tensor → largest absolute difference; NaN where only one side is NaN, None where its type cannot be measured."""
    scales: dict[str, float] = field(default_factory=dict)
    """Changed tensor → its largest absolute value in the first."""
    missing: list[str] = field(default_factory=list)
    """Tensors of the first that the second lacks."""
    extra: list[str] = field(default_factory=list)
    """Tensors of the second that the first lacks."""
    reshaped: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Tensor → type and shape in the first and in the second."""

    @property
    def identical(self) -> bool:
        """Whether every tensor is the same, bit for bit."""
        return not (self.changed or self.missing or self.extra or self.reshaped)

    @property
    def largest(self) -> tuple[str, float | None]:
        """The tensor that differs most and by how much; a NaN on one side counts as most."""
        if not self.changed:
            return "", 0.0
        rank = {name: -1.0 if value is None else np.inf if np.isnan(value) else value for name, value in self.changed.items()}
        name = max(rank, key=rank.__getitem__)
        return name, self.changed[name]

    def lines(self) -> list[str]:
        """The difference in words."""
        if self.identical:
            return [f"identical, bit for bit: {self.tensors} tensors, {self.parameters:,} numbers"]
        said = []
        if self.changed:
            name, value = self.largest
            size = "of a type that cannot be measured" if value is None else "NaN on one side" if np.isnan(value) else f"{value:.6g}"
            said.append(f"{len(self.changed)} of {self.tensors} tensors differ; the largest difference is {size}, in {name}")
        for what, names in (("missing in the second", self.missing), ("only in the second", self.extra)):
            if names:
                said.append(f"{what}: {_list_names(names)}")
        said += [f"{name}: {first} → {second}" for name, (first, second) in list(self.reshaped.items())[:SHOWN]]
        if len(self.reshaped) > SHOWN:
            said.append(f"… {len(self.reshaped) - SHOWN} more tensors have another shape or type")
        return said

    def to_dict(self) -> dict[str, Any]:
        """The difference as JSON can hold it."""
        name, value = self.largest
        shapes = {key: list(each) for key, each in self.reshaped.items()}
        return {
            "identical": self.identical, "tensors": self.tensors, "parameters": self.parameters,
            "largest": {"tensor": name, "difference": value} if self.changed else None,
            "changed": self.changed, "missing": self.missing, "extra": self.extra, "reshaped": shapes,
        }  # fmt: skip


def compare_weights(first: Path, second: Path) -> WeightsDifference:
    """Compare two safetensors files tensor by tensor, in bounded memory. Raises RunError when one cannot be read."""
    a, b = read_stored(first), read_stored(second)
    found = WeightsDifference(missing=sorted(a.keys() - b.keys()), extra=sorted(b.keys() - a.keys()))
    for name in sorted(a.keys() & b.keys()):
        x, y = a[name], b[name]
        if (x.dtype, x.shape) != (y.dtype, y.shape):
            found.reshaped[name] = (_kind(x), _kind(y))
            continue
        found.tensors += 1
        found.parameters += int(np.prod(x.shape, dtype=np.int64))
        if not np.array_equal(x.data, y.data):
            found.changed[name], found.scales[name] = _largest(x, y)
    return found


def read_stored(path: Path) -> dict[str, Stored]:
    """The tensors of a safetensors file, mapped and not loaded. Raises RunError when the file is damaged or cannot be read."""
    try:
        os.close(open_regular(path.resolve()))  # which names a missing right; safetensors would say that there is no such file
        with safe_open(path, framework="numpy"):  # checks the header and that offsets and length agree
            pass
        with open(path, "rb") as file:
            length = struct.unpack("<Q", file.read(8))[0]
            header = json.loads(file.read(length))
        start = 8 + length
        size = path.stat().st_size - start
        content = np.memmap(path, dtype=np.uint8, mode="r", offset=start, shape=(size,)) if size else np.empty(0, np.uint8)
    except (SafetensorError, OSError, ValueError, struct.error) as error:
        raise RunError(
            "these weights cannot be read", where=str(path), why=str(error), fix="give a run, a checkpoint or a .safetensors file"
        ) from error
    entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
    return {name: Stored(entry["dtype"], tuple(entry["shape"]), content[slice(*entry["data_offsets"])]) for name, entry in entries.items()}


def _largest(x: Stored, y: Stored) -> tuple[float | None, float]:
    """The largest absolute difference, and the largest finite absolute value of the first."""
    count = int(np.prod(x.shape, dtype=np.int64))
    most = scale = 0.0
    for start in range(0, count, PIECE):
        a, b = x.values(start, start + PIECE), y.values(start, start + PIECE)
        if a is None or b is None:
            return None, 0.0
        with np.errstate(invalid="ignore"):
            difference = np.abs(a - b)
        difference[(a == b) | (np.isnan(a) & np.isnan(b))] = 0.0  # equal infinities and two NaN are no difference
        if np.isnan(difference).any():
            return np.nan, scale
        most = max(most, float(np.max(difference, initial=0.0)))
        scale = max(scale, float(np.max(np.abs(a), initial=0.0, where=np.isfinite(a))))
    return most, scale


def _kind(tensor: Stored) -> str:
    return f"{tensor.dtype} [{', '.join(map(str, tensor.shape))}]"


def _list_names(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f", … ({len(names)} in all)" if len(names) > SHOWN else "")
