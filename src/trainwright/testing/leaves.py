"""States and outputs of any form as values by name: `encoder.weight`, `boxes[2].score`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from torch import nn


def leaves_of(value: Any) -> dict[str, Any]:
    """What a module, a path, a table, a mapping, a sequence or a dataclass holds, by name; of anything else itself, under no name."""
    return dict(_walk(_opened(value), ""))


def _opened(value: Any) -> Any:
    """Modules and paths as the tensors of their state; a run by its path."""
    if isinstance(value, nn.Module):
        return value.state_dict()
    if isinstance(value, Path):
        from trainwright.weights.sources import read_weights

        return read_weights(value)[0].tensors
    return value


def _walk(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    inside = _parts(value)
    if inside is None:
        yield name, value
        return
    for key, each in inside:
        joined = f"{name}{key}" if key.startswith("[") or not name else f"{name}.{key}"
        yield from _walk(each, joined)


def _parts(value: Any) -> list[tuple[str, Any]] | None:
    """The things that a value holds, by their names in it; None for one that is compared as a whole."""
    if isinstance(value, pa.Table):
        return [(name, value[name].combine_chunks().to_numpy(zero_copy_only=False)) for name in value.column_names]
    if hasattr(value, "columns") and hasattr(value, "to_numpy"):  # a DataFrame
        return [(str(name), value[name].to_numpy()) for name in value.columns]
    if isinstance(value, Mapping):
        return [(str(key), each) for key, each in value.items()]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [(each.name, getattr(value, each.name)) for each in dataclasses.fields(value)]
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [(f"[{place}]", each) for place, each in enumerate(value)]
    return None
