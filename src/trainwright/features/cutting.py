"""Which column is cut into windows, and what a reader is told of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from trainwright.config.errors import ConfigError, did_you_mean
from trainwright.data.window_options import WindowConfig
from trainwright.data.windows import Windows, find_covered
from trainwright.features.base import Feature
from trainwright.features.lazy import LazyFeature

if TYPE_CHECKING:
    from trainwright.features.encoding import EncodedTable

WHERE = "data.window"
NUMBERS = ("number", "vector")
"""Targets for which windows cannot vote."""


def cut_columns(
    window: WindowConfig | None, features: Mapping[str, Feature], inputs: Sequence[str], targets: Sequence[str]
) -> WindowConfig | None:
    """Let a column know how its rows are cut; gives the options with its name. Raises ConfigError where there is no such column."""
    bucketed = [name for name in inputs if getattr(features[name].config, "bucket", None)]
    if len(bucketed) > 1:
        what, fix = f"batches cannot be made by two columns: {', '.join(bucketed)}", "keep the bucket of the longer one"
        raise ConfigError(what, where=f"columns.{bucketed[1]}.bucket", fix=fix)
    if window is None:
        return None
    dense = next((name for name in targets if isinstance(features[name], LazyFeature)), None)
    if dense is not None:
        why = "its windows would have to be cut with those of the input and joined again by position"
        fix = "write files of one length, or cut with transform: random_crop and draws_as; and leave data.window out"
        raise ConfigError(f"rows with a class at every position ('{dense}') cannot be cut into windows", where=WHERE, why=why, fix=fix)
    lazy = [name for name in inputs if isinstance(features[name], LazyFeature)]
    name = window.column or (lazy[0] if len(lazy) == 1 else "")
    if not lazy:
        fix = "give a column paths of .npy arrays and columns.NAME.type=file, or leave data.window out"
        raise ConfigError("there is no column of files to cut", where=WHERE, fix=fix)
    if not name:
        listed = ", ".join(lazy)
        raise ConfigError(f"which column is cut: {listed}?", where=WHERE, fix=f"data.window.column={lazy[0]}")
    if name not in inputs:
        raise ConfigError(f"'{name}' is no input", where=f"{WHERE}.column", fix=did_you_mean(name, lazy))
    feature = features[name]
    if not isinstance(feature, LazyFeature):
        why = f"it is of type '{feature.kind}', whose values lie in the table"
        raise ConfigError(f"'{name}' cannot be cut", where=f"{WHERE}.column", why=why, fix=did_you_mean(name, lazy))
    whole = [target for target in targets if isinstance(features[target], LazyFeature)]
    if whole:
        why = "its answer for a row would have to be put together from those of windows, which is not done"
        fix = "cut inputs and targets into files of one length, a row for each, or leave data.window out"
        raise ConfigError(f"the target '{whole[0]}' has a class at every position, and rows are cut", where=WHERE, why=why, fix=fix)
    numbers = [target for target in targets if features[target].kind in NUMBERS]
    if window.join == "vote" and numbers:
        what = f"windows vote for classes, and the target '{numbers[0]}' is a {features[numbers[0]].kind}"
        raise ConfigError(what, where=f"{WHERE}.join", fix="data.window.join=mean")
    feature.window = window.model_copy(update={"column": name})
    return feature.window


def windows_of(table: EncodedTable, positions: np.ndarray) -> Windows | None:
    """The windows of the encoded rows at `positions`; None where each row is one sample."""
    window = table.encoder.window
    if window is None:
        return None
    group = next(group for group in table.spec.inputs if window.column in group.columns)
    kinds = {target.name: target.kind for target in table.spec.targets}
    return Windows(window, table.references[group.name].lengths[positions], kinds)


def describe_windows(table: EncodedTable) -> list[str]:
    """How many windows rows have, what is done with the rest, and how they are joined; nothing where no row is cut."""
    windows = windows_of(table, np.arange(len(table.rows)))
    if windows is None:
        return []
    options, lengths = windows.options, windows.lengths
    rest = (lengths > 0) & (find_covered(options, lengths) < lengths)
    done = {"pad": "are filled up with zeros", "drop": "lose what is left over", "short": "end with a shorter one"}[options.rest]
    how = "the mean over" if options.join == "mean" else "the votes of"
    cut = f"cut into {len(windows):,} windows of {options.length:,} every {options.step:,}"
    left = f"; {int(rest.sum()):,} rows {done}" if rest.any() else ""
    return [f"column '{options.column}': {len(lengths):,} rows are {cut}{left}; a row's prediction is {how} its windows"]
