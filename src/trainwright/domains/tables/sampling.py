"""How training rows are drawn: weights from the training rows alone, and what share of each class an epoch sees by them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trainwright.config.errors import FOREIGN, ConfigError, DataError, did_you_mean
from trainwright.config.foreign import found_at
from trainwright.config.own_code import describe_failure
from trainwright.data.config import SamplingConfig
from trainwright.data.rows import Rows
from trainwright.data.sampled_rows import RepeatedRows, SampledRows, draw_rows
from trainwright.data.source import Source
from trainwright.features.cutting import windows_of
from trainwright.features.encoding import EncodedTable
from trainwright.features.spec import TargetSpec

WHERE = "data.sampling"
CLASS, RARITY = "class", "label_rarity"
CLASSES = ("binary", "category")
SHOWN = 8


@dataclass(frozen=True)
class Sampling:
    """The weights of the training rows, how many are drawn in an epoch, and what comes of it in the first one."""

    by: str
    weights: np.ndarray
    """float64, one per training row in the order of the encoded rows, or per window of them."""
    samples: int
    replacement: bool
    distinct: int
    """Different rows that the first epoch draws."""
    shares: dict[str, dict[str, tuple[float, float]]] = field(default_factory=dict)
    """Target → class or label → its share of the training rows, and of the draws of the first epoch."""
    notes: list[str] = field(default_factory=list)
    repeats: int | None = None
    """How often each row comes, where rows are repeated and not drawn by weights."""

    def of(self, rows: Rows) -> Rows:
        """The training rows as they are drawn."""
        if self.repeats is not None:
            return RepeatedRows(rows, self.repeats, self.samples)
        return SampledRows(rows, self.weights, self.samples, self.replacement)

    def lines(self) -> list[str]:
        """What is said before the first step."""
        if self.repeats is not None:
            return [f"sampling: {self.distinct:,} of {len(self.weights):,} rows in an epoch, each {self.repeats} times, varied otherwise"]
        how = f"{'with' if self.replacement else 'without'} replacement"
        seen = f"{self.distinct:,} of {len(self.weights):,} rows in the first epoch"
        lines = [f"sampling by {self.by}: {self.samples:,} draws per epoch {how}, {seen}"]
        for target, shares in self.shares.items():
            told = [f"{name} {drawn:.1%} (rows {given:.1%})" for name, (given, drawn) in list(shares.items())[:SHOWN]]
            more = f" and {len(shares) - SHOWN} more" if len(shares) > SHOWN else ""
            lines.append(f"sampling: {target}: {', '.join(told)}{more}")
        return [*lines, *(f"note: {each}" for each in self.notes)]

    def describe(self) -> dict[str, Any]:
        """As it stands in data.json."""
        shares = {
            target: {name: {"rows": given, "draws": drawn} for name, (given, drawn) in each.items()} for target, each in self.shares.items()
        }
        if self.repeats is not None:
            rows = len(self.weights)
            return {"repeats": self.repeats, "samples": self.samples, "rows": rows, "distinct_in_first_epoch": self.distinct}
        return {
            "by": self.by,
            "samples": self.samples,
            "replacement": self.replacement,
            "rows": len(self.weights),
            "distinct_in_first_epoch": self.distinct,
            "shares": shares,
        }


def sampling_of(options: SamplingConfig | None, table: EncodedTable, source: Source, seed: int) -> Sampling | None:
    """The sampling that a configuration asks for; None for none. Raises ConfigError or DataError for what cannot be drawn by."""
    if options is None:
        return None
    if options.repeats is not None:
        return _repeated(options, table)
    weights = checked_weights(options.by, row_weights(options, table, source), len(table.train))
    windows = windows_of(table, table.train)
    rows = np.arange(len(weights)) if windows is None else windows.rows()
    if windows is not None:
        weights = (weights / windows.counts)[rows]  # the windows of a row share its weight, however many they are
    samples = len(weights) if options.samples is None else options.samples
    usable = int(np.count_nonzero(weights))
    if not options.replacement and samples > usable:
        what = f"{samples:,} rows cannot be drawn without replacement"
        zero = f", {len(weights) - usable:,} of them of weight 0" if usable < len(weights) else ""
        why = f"there are {len(weights):,} training rows{zero}"
        raise ConfigError(what, where=f"{WHERE}.samples", why=why, fix=f"at most {usable}, or data.sampling.replacement=true")
    drawn = draw_rows(weights, samples, options.replacement, seed, 0)
    whole = [spec for spec in table.spec.targets if not spec.positions]
    shares = {spec.name: shares_of(spec, table, rows[drawn]) for spec in whole if spec.kind in (*CLASSES, "set")}
    notes = [both_act(spec) for spec in table.spec.targets if weighs_classes(spec)]
    return Sampling(options.by, weights, samples, options.replacement, len(np.unique(drawn)), shares, notes)


def _repeated(options: SamplingConfig, table: EncodedTable) -> Sampling:
    """Each row several times; raises ConfigError where all rows lie in memory, whose copies would be the same."""
    windows, repeats = windows_of(table, table.train), options.repeats or 1
    rows = len(table.train) if windows is None else len(windows)
    samples = rows if options.samples is None else options.samples
    if not any(getattr(each, "lazy", False) for each in table.encoder.features.values()):
        why = "no column is read from files, so that a row is the same each time"
        raise ConfigError("repeated rows would be copies", where=f"{WHERE}.repeats", why=why, fix="leave repeats out")
    distinct = min(-(-samples // repeats), rows)
    return Sampling("", np.ones(rows), samples, False, distinct, repeats=repeats)


def row_weights(options: SamplingConfig, table: EncodedTable, source: Source) -> np.ndarray:
    """What each training row weighs, as a class, a label, a column or a function of a person's own says."""
    if options.rarity != "max" and options.by != RARITY:
        fix = f"leave it out, or use data.sampling.by={RARITY}"
        raise ConfigError("rarity has no effect here", where=f"{WHERE}.rarity", why=f"rows are drawn by '{options.by}'", fix=fix)
    if options.by in (CLASS, RARITY):
        spec = chosen_target(options, table)
        target = table.blocks[f"target.{spec.name}"][table.train]
        return class_weights(target) if options.by == CLASS else label_weights(target, options.rarity)
    if options.target:
        why = f"the weights are those of '{options.by}'"
        raise ConfigError("target has no effect here", where=f"{WHERE}.target", why=why, fix="leave it out")
    if options.by in source.schema.names:
        return column_weights(options.by, source, table.rows[table.train])
    if ":" in options.by:
        return function_weights(options.by, source, table.rows[table.train])
    fix = f"{did_you_mean(options.by, [CLASS, RARITY, *source.schema.names])}; a function is ./file.py:name"
    raise DataError(f"'{options.by}' is not a column of the data", where=f"{WHERE}.by", fix=fix)


def chosen_target(options: SamplingConfig, table: EncodedTable) -> TargetSpec:
    """The target that `class` or `label_rarity` goes by: the named one, else the first; raises ConfigError for one of another kind."""
    specs = {spec.name: spec for spec in table.spec.targets if not spec.positions}
    if options.target and options.target not in specs:
        raise ConfigError(f"'{options.target}' is no target", where=f"{WHERE}.target", fix=did_you_mean(options.target, specs))
    if not specs:
        why = "every target has a class at every position, and rows have many"
        fix = "name a column of weights: data.sampling.by=COLUMN"
        raise ConfigError(f"rows cannot be drawn by {options.by}", where=f"{WHERE}.by", why=why, fix=fix)
    kinds = CLASSES if options.by == CLASS else ("set",)
    spec = specs[options.target or next((name for name, each in specs.items() if each.kind in kinds), next(iter(specs)))]
    if spec.kind in kinds:
        return spec
    needs = "classes" if options.by == CLASS else "a set of labels"
    fix = "name a column of weights, or make one: data.derive.weight='2 if price > 100 else 1' data.sampling.by=weight"
    if spec.kind in (*CLASSES, "set"):
        fix = f"data.sampling.by={RARITY if spec.kind == 'set' else CLASS}"
    what = f"by: {options.by} needs {needs}, and the target '{spec.name}' is a {spec.kind}"
    raise ConfigError(what, where=f"{WHERE}.by", fix=fix)


def class_weights(target: np.ndarray) -> np.ndarray:
    """One over how many training rows have the row's class (codes, n)."""
    _, codes, counts = np.unique(target, return_inverse=True, return_counts=True)
    return 1.0 / counts[codes.reshape(-1)].astype(np.float64)


def label_weights(target: np.ndarray, rarity: str = "max") -> np.ndarray:
    """One over how many training rows have the row's rarest label (n, labels), or the `sum` over its labels; having none is a label."""
    present = target > 0
    both = np.concatenate([present, ~present.any(axis=1, keepdims=True)], axis=1)
    counts = both.sum(axis=0, dtype=np.float64)
    rare = np.divide(1.0, counts, out=np.zeros_like(counts), where=counts > 0)
    found: np.ndarray = both @ rare if rarity == "sum" else np.where(both, rare, 0.0).max(axis=1)
    return found


def column_weights(name: str, source: Source, rows: np.ndarray) -> np.ndarray:
    """The numbers of a column in the training rows (NaN where missing)."""
    import pyarrow as pa

    column = source.read(rows, [name])[name]
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_boolean(column.type)):
        fix = f'give a column of numbers, or make one: data.derive.weight="number({name})"'
        raise DataError(f"column '{name}' holds no numbers", where=f"{WHERE}.by", why=f"it is {column.type}", fix=fix)
    values = column.cast(pa.int8()) if pa.types.is_boolean(column.type) else column
    return values.cast(pa.float64(), safe=False).to_numpy()


def function_weights(path: str, source: Source, rows: np.ndarray) -> np.ndarray:
    """What a function of a person's own returns for the training rows, given as a DataFrame with their row numbers as its index."""
    from trainwright.data.arrow import pandas_now

    pandas_now()
    function = found_at(path)[0]
    frame = source.read(rows).to_pandas()
    frame.index = rows
    try:
        return np.asarray(function(frame), dtype=np.float64)
    except FOREIGN as error:
        why = describe_failure(error)
        fix = "it is given the training rows as a DataFrame, and returns a number for each"
        raise ConfigError(f"'{path}' gives no weights", where=f"{WHERE}.by", why=why, fix=fix) from error


def checked_weights(by: str, weights: np.ndarray, rows: int) -> np.ndarray:
    """The weights; raises DataError for a wrong number of them, for one that is missing, negative or not finite, and where all are 0."""
    if weights.shape != (rows,):
        what = f"'{by}' gives weights of shape {weights.shape}, and there are {rows} training rows"
        raise DataError(what, where=f"{WHERE}.by", fix="return one number per row")
    wrong = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if len(wrong):
        value = weights[wrong[0]]
        told = "missing" if np.isnan(value) else f"{value:g}"
        what = f"the weight of {len(wrong):,} training rows is missing, negative or not finite"
        fix = "give every row a number of 0 or more; data.derive makes such a column, data.where leaves rows out"
        raise DataError(what, where=f"{WHERE}.by", why=f"that of training row {wrong[0] + 1} is {told}", fix=fix)
    if not weights.any():
        raise DataError(f"all weights by '{by}' are 0", where=f"{WHERE}.by", why="no row could be drawn", fix="give some rows more than 0")
    return weights


def shares_of(spec: TargetSpec, table: EncodedTable, drawn: np.ndarray) -> dict[str, tuple[float, float]]:
    """Class or label → its share of the training rows, and of those drawn; the most frequent first."""
    target = table.blocks[f"target.{spec.name}"][table.train]
    present = target > 0 if spec.kind == "set" else target.reshape(-1, 1) == np.arange(len(spec.classes or ()))
    given, seen = present.mean(axis=0), present[drawn].mean(axis=0)
    order = np.argsort(-given, kind="stable")
    return {(spec.classes or [])[place]: (float(given[place]), float(seen[place])) for place in order}


def weighs_classes(spec: TargetSpec) -> bool:
    """Whether the loss of a target has weights for its classes."""
    options: Mapping[str, Any] = {} if spec.loss is None else spec.loss.model_dump(include={"class_weight", "pos_weight"})
    return spec.class_weights is not None or any(each is not None for each in options.values())


def both_act(spec: TargetSpec) -> str:
    """What is said of a target whose classes are weighed too."""
    return f"data.sampling and the class weights of '{spec.name}' both act: a class drawn more often weighs more again"
