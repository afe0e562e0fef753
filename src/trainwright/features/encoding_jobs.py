"""What is done with each column of a piece of a table: encoded to its place in the blocks, or kept as what it is decoded from later."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from trainwright.features.base import Counts, Feature, one_array
from trainwright.features.lazy import References
from trainwright.features.spec import InputGroup

Job = Callable[[pa.Table, np.ndarray, dict[str, np.ndarray]], None]
"""Takes a piece of the table, the numbers of its rows, and their places in the blocks."""


def column_jobs(
    features: Mapping[str, Feature],
    groups: Sequence[InputGroup],
    targets: Sequence[str],
    counts: dict[str, Counts],
    references: dict[str, list[References]],
) -> list[Job]:
    """One job per column; those of lazy groups, which `references` names, append to its lists."""
    dense = [group for group in groups if group.name not in references]
    inputs = [_input(features[name], group, position, counts[name]) for group in dense for position, name in enumerate(group.columns)]
    lazy = [_lazy(features[group.columns[0]], counts[group.columns[0]], references[group.name]) for group in groups if group not in dense]
    lazy += [_lazy(features[name], counts[name], references[key]) for name in targets if (key := f"target.{name}") in references]
    return inputs + lazy + [_target(features[name], counts[name]) for name in targets if f"target.{name}" not in references]


def _input(feature: Feature, group: InputGroup, position: int, counts: Counts) -> Job:
    def write(table: pa.Table, rows: np.ndarray, piece: dict[str, np.ndarray]) -> None:
        parts = feature.encode(one_array(table[feature.name]), rows, counts)
        for part in group.parts:
            piece[f"{group.name}.{part}"][:, position] = parts.get(part, 0)

    return write


def _lazy(feature: Any, counts: Counts, kept: list[References]) -> Job:
    def keep(table: pa.Table, rows: np.ndarray, piece: dict[str, np.ndarray]) -> None:
        kept.append(feature.refer(one_array(table[feature.name]), rows, counts))

    return keep


def _target(feature: Feature, counts: Counts) -> Job:
    def write(table: pa.Table, rows: np.ndarray, piece: dict[str, np.ndarray]) -> None:
        piece[f"target.{feature.name}"][:] = feature.encode_target(one_array(table[feature.name]), rows, counts)

    return write


def observe(unit: tuple[Feature, list[str]], table: pa.Table, rows: np.ndarray) -> None:
    """Shows a batch of training rows to a column, or to tied columns one after the other."""
    feature, names = unit
    for name in names:
        feature.name = name
        feature.observe(one_array(table[name]), rows)
