"""Tensors with many zeros in safetensors files: their indices and values under names of their own, and the dense tensors again.

The file's metadata have under `sparse` the layout and the shape of each, as JSON: `{"net.weight": {"layout": "csr", "shape": [64, 128]}}`.
Of `net.weight` the file holds `net.weight.crow_indices`, `net.weight.col_indices` and `net.weight.values`, as torch names them.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

Layout = Literal["coo", "csr", "csc", "bsr", "bsc"]
LAYOUTS: dict[str, torch.layout] = {
    "coo": torch.sparse_coo,
    "csr": torch.sparse_csr,
    "csc": torch.sparse_csc,
    "bsr": torch.sparse_bsr,
    "bsc": torch.sparse_bsc,
}
IN_BLOCKS = ("bsr", "bsc")
PARTS = {
    "coo": ("indices", "values"),
    "csr": ("crow_indices", "col_indices", "values"),
    "csc": ("ccol_indices", "row_indices", "values"),
    "bsr": ("crow_indices", "col_indices", "values"),
    "bsc": ("ccol_indices", "row_indices", "values"),
}
KEY = "sparse"
MOST = 10_000
"""Bytes of a dense tensor per byte that is stored of it: a file that promises more is not believed."""


@dataclass(frozen=True)
class Packed:
    """What became of the tensors of a file."""

    tensors: dict[str, Tensor]
    """Those that are written."""
    layouts: dict[str, dict[str, Any]]
    """Name of each tensor that is sparse now → its layout and its shape."""
    saved: dict[str, tuple[int, int]]
    """Its bytes before and after."""

    @property
    def metadata(self) -> dict[str, str]:
        """What the file says of them."""
        return {KEY: json.dumps(self.layouts)} if self.layouts else {}


def pack_sparse(tensors: Mapping[str, Tensor], layout: Layout, block: int = 4) -> Packed:
    """Every tensor of two or more dimensions that is smaller so in the layout, all others as they are.

    Dimensions after the first are taken as one. `block` is the side of the blocks of bsr and bsc; what they do not fit stays dense.
    """
    written, layouts, saved = dict[str, Tensor](), dict[str, dict[str, Any]](), dict[str, tuple[int, int]]()
    for name, dense in tensors.items():
        parts = _parts_of(dense.detach().cpu(), layout, block) if dense.dim() >= 2 and dense.numel() else None
        stored = 0 if parts is None else sum(each.nbytes for each in parts.values())
        if parts is None or stored >= dense.nbytes or dense.nbytes > MOST * stored:
            written[name] = dense
            continue
        written |= {f"{name}.{part}": each for part, each in parts.items()}
        layouts[name] = {"layout": layout, "shape": list(dense.shape)}
        saved[name] = (dense.nbytes, stored)
    return Packed(written, layouts, saved)


def unpack_sparse(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None, dense: bool = True) -> dict[str, Tensor]:
    """The tensors that a file was made of, those that are sparse in it dense again, or else in their layout with two dimensions.

    Raises ValueError for indices, shapes and layouts that do not belong together.
    """
    found = dict(tensors)
    for name, each in _read_layouts(metadata).items():
        sparse, shape = _join(name, each, found)
        found[name] = sparse.to_dense().reshape(shape) if dense else sparse
    return found


def _parts_of(dense: Tensor, layout: str, block: int) -> dict[str, Tensor] | None:
    matrix = dense.reshape(dense.shape[0], -1)
    blocks = (block, block) if layout in IN_BLOCKS else None
    if blocks is not None and (matrix.shape[0] % block or matrix.shape[1] % block):
        return None
    with _quiet():
        sparse = matrix.to_sparse(layout=LAYOUTS[layout], blocksize=blocks)
    sparse = sparse.coalesce() if layout == "coo" else sparse
    parts = {part: getattr(sparse, part)() for part in PARTS[layout]}
    return {part: each if part == "values" else _narrow(each) for part, each in parts.items()}


def _narrow(indices: Tensor) -> Tensor:
    """Indices in as few bytes as they need."""
    most = int(indices.max()) if indices.numel() else 0
    return indices.to(torch.uint8 if most < 2**8 else torch.int16 if most < 2**15 else torch.int32 if most < 2**31 else torch.int64)


def _read_layouts(metadata: Mapping[str, str] | None) -> dict[str, Any]:
    text = (metadata or {}).get(KEY, "")
    if not text.startswith("{"):
        return {}
    layouts = json.loads(text)
    wrong = next((name for name, each in layouts.items() if not isinstance(each, dict) or each.get("layout") not in PARTS), None)
    if wrong is not None:
        raise ValueError(f"the layout of '{wrong}' is none of {', '.join(PARTS)}")
    return dict(layouts)


def _join(name: str, told: Mapping[str, Any], found: dict[str, Tensor]) -> tuple[Tensor, list[int]]:
    """A tensor of two dimensions in its layout, made of its parts, which are taken out of `found`; and its shape."""
    shape, layout = told.get("shape"), told["layout"]
    if not isinstance(shape, list) or len(shape) < 2 or not all(isinstance(each, int) and each > 0 for each in shape):
        raise ValueError(f"the shape of '{name}' is {shape!r}")
    missing = next((part for part in PARTS[layout] if f"{name}.{part}" not in found), None)
    if missing is not None:
        raise ValueError(f"'{name}.{missing}' is missing")
    parts = [found.pop(f"{name}.{part}") for part in PARTS[layout]]
    if math.prod(shape) * parts[-1].element_size() > MOST * sum(each.nbytes for each in parts):
        raise ValueError(f"'{name}' would be {shape}, of {parts[-1].numel()} values")
    size = (shape[0], math.prod(shape[1:]))
    try:
        return _made(layout, [each.long() for each in parts[:-1]], parts[-1], size), shape
    except RuntimeError as error:
        raise ValueError(f"the indices of '{name}' do not fit its shape {shape}") from error


def _made(layout: str, indices: list[Tensor], values: Tensor, size: tuple[int, int]) -> Tensor:
    with _quiet():
        if layout == "coo":
            return torch.sparse_coo_tensor(indices[0], values, size, check_invariants=True).coalesce()
        first, second = indices
        return torch.sparse_compressed_tensor(first, second, values, size, layout=LAYOUTS[layout], check_invariants=True)


class _quiet(warnings.catch_warnings):
    """Torch says of its compressed layouts that they are new."""

    def __enter__(self) -> None:
        super().__enter__()
        warnings.filterwarnings("ignore", message="Sparse .* tensor support is in beta")
