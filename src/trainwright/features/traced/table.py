"""All columns of a table as one module, and the host's part beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from trainwright.features.base import one_array
from trainwright.features.encoding import TableEncoder
from trainwright.features.traced.base import traced_column, traced_target

LENGTH = "length"
"""What an axis of any size is called after its column."""


class TracedInputs(nn.Module):
    """`<column>` and `<column>.length` … as a host gives them → the blocks that encoders read, `<group>.<part>`."""

    def __init__(self, encoder: TableEncoder) -> None:
        super().__init__()
        self.groups = [(group.name, list(group.parts), list(group.columns)) for group in encoder.groups]
        self.names = list(encoder.inputs)
        self.columns = nn.ModuleList(traced_column(encoder.features[name]) for name in self.names)

    def axes(self) -> dict[str, int]:
        """The names of axes that may be of any size, `<column>.length`, and how long each is in training, at most."""
        return {f"{name}.{LENGTH}": int(each.usual) for name, each in self._columns() if each.axis}

    def axes_of(self, key: str, tensor: Tensor) -> list[int | str]:
        """The sizes of a tensor's axes behind the rows, the name of an axis where it may be of any size."""
        name, column = next((name, column) for name, column in self._columns() if key == name or is_part(key, name))
        found: list[int | str] = list(tensor.shape[1:])
        if key == name and column.axis:
            found[column.axis - 1] = f"{name}.{LENGTH}"
        return found

    def example(self, rows: int, sizes: Mapping[str, int]) -> dict[str, Tensor]:
        """So many rows, for a tracer, with axes of these sizes."""
        found: dict[str, Tensor] = {}
        for name, column in self._columns():
            made = column.example(rows, sizes.get(f"{name}.{LENGTH}", 0))
            found |= {f"{name}.{part}" if part else name: each for part, each in made.items()}
        return found

    def _columns(self) -> list[tuple[str, Any]]:
        return list(zip(self.names, self.columns, strict=True))

    def forward(self, raw: dict[str, Tensor]) -> dict[str, Tensor]:
        made = {name: column(of_column(raw, name)) for name, column in zip(self.names, self.columns, strict=True)}
        return {
            f"{group}.{part}": torch.stack([made[name][part] if part in made[name] else nothing(made[name]) for name in columns], dim=1)
            for group, parts, columns in self.groups
            for part in parts
        }


class TracedOutputs(nn.Module):
    """`<target>.scores` → `<target>.prediction`, and `<target>.probability` where there are classes."""

    def __init__(self, encoder: TableEncoder, thresholds: dict[str, Any]) -> None:
        super().__init__()
        self.names = list(encoder.targets)
        self.targets = nn.ModuleList(traced_target(encoder.features[name], thresholds.get(name, 0.5)) for name in self.names)

    def forward(self, scores: dict[str, Tensor]) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        for name, target in zip(self.names, self.targets, strict=True):
            found |= {f"{name}.{part}": value for part, value in target(scores[f"{name}.scores"]).items()}
        return found


def of_column(raw: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    """What the host gave of one column."""
    return {each.removeprefix(name).removeprefix("."): raw[each] for each in raw if each == name or is_part(each, name)}


def is_part(key: str, name: str) -> bool:
    """Whether a key is a part of a column: names of columns may have dots themselves."""
    return key in (f"{name}.length", f"{name}.missing")


def nothing(parts: dict[str, Tensor]) -> Tensor:
    """Zeros, for a column of a group that has no `missing`."""
    return torch.zeros_like(next(iter(parts.values())), dtype=torch.float32)


def read_rows(encoder: TableEncoder, inputs: TracedInputs, table: Any, rows: np.ndarray) -> dict[str, Tensor]:
    """Rows of a source as a host gives them; raises what encoding raises."""
    found: dict[str, Tensor] = {}
    for name, column in zip(inputs.names, inputs.columns, strict=True):
        parts: dict[str, np.ndarray] = column.read(encoder.features[name], one_array(table[name]), rows)  # type: ignore[operator]
        found |= {f"{name}.{part}" if part else name: torch.from_numpy(np.array(each)) for part, each in parts.items()}
    return found


def in_json(value: Any) -> Any:
    """A value of a column in plain JSON; None for what is no number."""
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str | list) else str(value)


RULES = ("invalid", "infinity", "format")
"""Options of columns that say what a host does with values that it cannot read, and how dates are written."""


def describe_table(encoder: TableEncoder, inputs: TracedInputs, outputs: TracedOutputs) -> dict[str, Any]:
    """How a host reads each column, and what the numbers of each target stand for, in plain JSON."""
    of_inputs, example = {}, inputs.example(2, inputs.axes())
    for name, column in zip(inputs.names, inputs.columns, strict=True):
        feature = encoder.features[name]
        usual = {"policy": feature.policy, "typical": in_json(feature.typical())}
        usual |= {each: getattr(feature.config, each) for each in RULES if hasattr(feature.config, each)}
        axes = {"axes": inputs.axes_of(name, example[name])}
        of_inputs[name] = {"type": feature.kind, **usual, **axes, **column.describe(feature)}  # type: ignore[operator]
    of_targets = {}
    for name, target in zip(outputs.names, outputs.targets, strict=True):
        feature = encoder.features[name]
        returns = {"returns": feature.returns} if hasattr(feature, "returns") else {}
        of_targets[name] = {"type": feature.kind, **returns, **target.describe(feature)}  # type: ignore[operator]
    reading = {"reading": encoder.reading.state()} if encoder.reading else {}
    return {"inputs": of_inputs, "targets": of_targets, "derived": encoder.derived, **reading}
