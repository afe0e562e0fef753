"""Batches drawn from a description of their tensors, for smoke tests, dry runs and measurements."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from trainwright.config.errors import ConfigError, did_you_mean
from trainwright.tools.graph.plan import Here, Input
from trainwright.tools.graph.reading import INPUT_KEYS, read_example
from trainwright.tools.graph.values import dtype_of

DRAWN = ("low", "high", "exclude_zero", "layout", "density")
"""What a description says beside shape, dtype and batch: how the values are drawn."""
LAYOUTS = {"strided": torch.strided, "coo": torch.sparse_coo, "csr": torch.sparse_csr, "csc": torch.sparse_csc}
WHERE = "make_batch"


def make_batch(spec: Mapping[str, Any], rows: int = 2, *, seed: int = 0, device: str | torch.device = "cpu") -> dict[str, Tensor]:
    """A batch of random tensors: name → `[3, 32, 32]`, the shape of one row, or `{shape, dtype, low, high, exclude_zero, batch, …}`.

    Numbers are uniform in [low, high): [-1, 1) for floating-point ones and [0, 10) for whole ones where nothing is said. `batch` is the
    place of the rows' dimension (0; null for none), `layout` one of strided, coo, csr and csc, of which `density` (0.1) is the share that
    is not 0. A tensor is the same for the same seed and name, whatever else the batch holds, and the random numbers of others stay as they
    are. Raises ConfigError for a description that cannot be read.
    """
    if not isinstance(spec, Mapping) or not spec:
        fix = "give {'x': [3, 32, 32]} or {'x': {'shape': [3, 32, 32], 'dtype': 'float32', 'low': 0, 'high': 1}}"
        raise ConfigError(f"a batch is described by names and shapes, not by {spec!r}", where=WHERE, fix=fix)
    if isinstance(rows, bool) or not isinstance(rows, int) or rows < 0:
        raise ConfigError(f"a batch cannot have {rows!r} rows", where=WHERE, fix="give a whole number, 0 or more")
    return {str(name): _draw(str(name), each, rows, seed, torch.device(device)) for name, each in spec.items()}


def _draw(name: str, given: Any, rows: int, seed: int, device: torch.device) -> Tensor:
    here = Here(WHERE, (name,))
    drawn = {key: given[key] for key in DRAWN if key in given} if isinstance(given, Mapping) else {}
    told = read_example(name, _rest(given, here), here)
    dtype, shape = dtype_of(told.dtype, here), _shape(told, rows)
    low, high = _range(drawn, dtype, here)
    dense = _seeded(shape, dtype, low, high, bool(drawn.get("exclude_zero", False)), seed ^ zlib.crc32(name.encode()))
    return _laid_out(dense, drawn, seed, here).to(device)


def _rest(given: Any, here: Here) -> Any:
    if not isinstance(given, Mapping):
        return given
    unknown = next((key for key in given if key not in (*DRAWN, *INPUT_KEYS)), None)
    if unknown is not None:
        raise here.error(f"unknown option '{unknown}'", fix=did_you_mean(str(unknown), (*INPUT_KEYS, *DRAWN)))
    return {key: each for key, each in given.items() if key not in DRAWN}


def _shape(told: Input, rows: int) -> tuple[int, ...]:
    shape = list(told.shape or ())
    if told.batch is not None:
        shape.insert(told.batch, rows)
    return tuple(shape)


def _range(drawn: Mapping[str, Any], dtype: torch.dtype, here: Here) -> tuple[float | None, float | None]:
    """The bounds of the values; None where torch has no others (bool)."""
    if dtype is torch.bool:
        return None, None
    whole = not (dtype.is_floating_point or dtype.is_complex)
    low, high = drawn.get("low", 0 if whole else -1), drawn.get("high", 10 if whole else 1)
    if not all(isinstance(each, int | float) for each in (low, high)) or not low < high:
        raise here.error(f"no number lies in [{low!r}, {high!r})", fix="give low below high, for example low: 0, high: 1")
    return low, high


def _seeded(shape: tuple[int, ...], dtype: torch.dtype, low: float | None, high: float | None, no_zero: bool, seed: int) -> Tensor:
    """`torch.testing.make_tensor` under a seed of its own: on the CPU, where all machines draw alike."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return torch.testing.make_tensor(shape, dtype=dtype, device="cpu", low=low, high=high, exclude_zero=no_zero)


def _laid_out(dense: Tensor, drawn: Mapping[str, Any], seed: int, here: Here) -> Tensor:
    """The tensor in the layout that is asked for, of a sparse one a share of its values."""
    layout = str(drawn.get("layout", "strided"))
    if layout not in LAYOUTS:
        raise here.error(f"there is no layout '{layout}'", fix=did_you_mean(layout, LAYOUTS))
    if layout == "strided":
        return dense
    density = drawn.get("density", 0.1)
    if not isinstance(density, int | float) or not 0 <= density <= 1:
        raise here.error(f"the density is {density!r}", fix="give the share of the values that are not 0, from 0 to 1")
    if layout in ("csr", "csc") and dense.dim() != 2:
        raise here.error(
            f"a {layout} tensor has two dimensions, not {dense.dim()}", fix="give the shape of one row as [columns], or layout: coo"
        )
    kept = torch.rand(dense.shape, generator=torch.Generator().manual_seed(seed)) < density
    return (dense * kept).to_sparse(layout=LAYOUTS[layout])
