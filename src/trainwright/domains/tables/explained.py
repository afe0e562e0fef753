"""A table's model as what is explained: its columns, wherever they lie in encoded batches, and the answers for one target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn

from trainwright.baselines.run import original_truth
from trainwright.config.errors import DataError, RequestError, did_you_mean
from trainwright.data.source import Source
from trainwright.domains.tables.model import Model
from trainwright.explain.partial_dependence import number_grid
from trainwright.explain.subject import Column, Grid, Measure, Mix, Place, Subject, Tensors
from trainwright.features.base import one_array
from trainwright.features.encoding import EncodedTable
from trainwright.features.row_weights import ROW_WEIGHT
from trainwright.features.spec import InputGroup, TargetSpec
from trainwright.features.table_rows import LazyRows, table_rows
from trainwright.metrics import compute_one, default_monitor, label, mode, options
from trainwright.metrics.outcome import Outcome
from trainwright.systems.readout import scores

MOST_VALUES = 30
"""Values of a category that are tried, those frequent in training."""
PROBED = 4096
"""Values of a column that are tried to see which numbers of an encoding are its own, at most."""
MEASURED = 2048
"""Rows that are predicted at a time where a metric is measured."""


class TableSubject(Subject):
    """One target of a table's model, over rows that were encoded."""

    usual_baseline = "typical"

    def __init__(self, model: Model, table: EncodedTable, positions: np.ndarray, source: Source | None, target: str = "") -> None:
        self.model, self.table, self.positions, self.source = model, table, positions, source
        self.spec = find_target(model.encoder.spec.targets, target)
        self.groups = {group.name: group for group in model.encoder.groups}
        self.module: nn.Module = model.system
        self.rows = table_rows(table, positions)
        self.columns = [column for group in self.groups.values() for column in columns_of(group, self._is_array(group))]
        self.owners = {
            name: owners_of(model.system, number, group)
            for number, (name, group) in enumerate(self.groups.items())
            if not has_floats(group)
        }
        self._name_outputs()
        self.notes = self._notes()
        attends = type(model.system.combiner).__name__ == "FeatureTransformer"
        self.reads_first = 1 if attends else 0

    def _is_array(self, group: InputGroup) -> bool:
        feature = self.model.encoder.features[group.columns[0]]
        return bool(feature.lazy) or group.kind in ("vector", "timeseries")

    def _name_outputs(self) -> None:
        spec = self.spec
        classes = spec.classes if spec.kind in ("binary", "category", "set") else None
        self.outputs = (
            list(classes) if classes else [spec.name] if spec.width == 1 else [f"{spec.name}[{place}]" for place in range(spec.width)]
        )
        self.chooses = classes is not None
        at = ", the mean over its positions" if spec.positions else ""
        self.about = f"the probability of {{}} of '{spec.name}'{at}" if classes else f"'{spec.name}', in its own units"
        self.about_logit = f"the logit of {{}} of '{spec.name}'{at}" if classes else f"'{spec.name}' as the network gives it, standardised"

    def _notes(self) -> list[str]:
        embedded = [column for name in self.owners for column in self.groups[name].columns]
        if not embedded:
            return []
        shown = ", ".join(embedded[:6]) + (", …" if len(embedded) > 6 else "")
        return [f"gradients of columns without numbers ({shown}) are those of their encodings, summed"]

    def answer(self, tensors: Tensors, logit: bool = False) -> Tensor:
        """The scores of the target (b, k), or what its decoder gives."""
        return self.answer_at({}, tensors, logit)

    def points(self, tensors: Tensors) -> Tensors:
        """The parts of columns that are floats; of the other groups their encodings (b, tokens, width)."""
        floats = {f"{group.name}.{part}" for group in self.groups.values() if has_floats(group) for part in self._on_the_way(group)}
        found = {
            name: tensors[name] if tensors[name].is_floating_point() else tensors[name].float()
            for name in sorted(floats)
            if name in tensors
        }
        encoded = self.model.system.encodings(self._inputs(tensors)) if self.owners else []
        return found | {f"{name} encoded": encoded[number] for number, name in enumerate(self.groups) if name in self.owners}

    def _on_the_way(self, group: InputGroup) -> list[str]:
        """The parts that take values between. Whether a recording or picture is there takes none: networks ask for it by more than 0."""
        lazy = self.model.encoder.features[group.columns[0]].lazy
        return [part for part in FLOATS if part in group.parts and not (lazy and part == "missing")]

    def answer_at(self, points: Tensors, tensors: Tensors, logit: bool = False) -> Tensor:
        """The same with other numbers and encodings."""
        system, spec = self.model.system, self.spec
        batch = self._inputs({**tensors, **{name: each for name, each in points.items() if not name.endswith(" encoded")}})
        given = [points.get(f"{name} encoded") for name in self.groups]
        output = system.output_of(spec.name, batch, given)
        if spec.positions:
            found = (output if logit else output.softmax(1)).flatten(2).mean(2)
        else:
            found = scores(spec, output) if not logit else torch.cat([-output, output], 1) if one_logit(spec, output) else output
        return found[:, None] if found.dim() == 1 else found

    def _inputs(self, tensors: Tensors) -> Tensors:
        device = self.device
        return {name: each.to(device) for name, each in tensors.items() if not name.startswith("target.")}

    def credit(self, shares: Tensors) -> dict[str, Tensor]:
        """The shares of floats by column; those of an encoding go to the columns whose numbers they are."""
        found = super().credit(shares)
        for name, owners in self.owners.items():
            for place, column in enumerate(self.groups[name].columns):
                found[column] = (shares[f"{name} encoded"] * owners[place].to(shares[f"{name} encoded"])).flatten(1).sum(1)
        return found

    def baseline(self, kind: str) -> Tensors | None:
        """What training knew as usual of each column (`typical`), or zeros, nothing where there are no numbers (`zero`)."""
        found: Tensors = {}
        for group in self.groups.values():
            rows = [self._one(column, kind) for column in group.columns]
            for part in group.parts:
                found[f"{group.name}.{part}"] = torch.cat([row[part] for row in rows], dim=1)
        return found

    def _one(self, column: str, kind: str) -> Tensors:
        """The parts (1, 1, …) of a single value of a column."""
        feature: Any = self.model.encoder.features[column]
        group = next(group for group in self.groups.values() if column in group.columns)
        if feature.lazy:
            decoder = feature.decoder(False)
            parts = decoder.join([decoder.sample(None, 0)], [0])
            value = {part or "value": each for part, each in parts.items()}
            return {part: value[part] if kind == "typical" else _nothing(part, value[part]) for part in group.parts}
        usual = feature.typical() if kind == "typical" else 0.0 if feature.kind == "number" else None
        encoded = self._encoded(column, [usual])
        return {part: encoded[part] if part in encoded else torch.zeros(1, 1, *shape[1:]) for part, shape in group.parts.items()}

    def _encoded(self, column: str, values: Sequence[Any]) -> Tensors:
        """Parts (n, 1, …) of values of a column; zeros for nothing where a column refuses it."""
        feature: Any = self.model.encoder.features[column]
        try:
            parts = feature.encode(pa.array(values), np.arange(len(values)))
        except DataError:
            if any(value is not None for value in values):
                raise
            parts = {part: np.zeros((len(values), *layout.shape), layout.dtype) for part, layout in feature.layout().items()}
        return {part: torch.from_numpy(np.ascontiguousarray(each))[:, None] for part, each in parts.items()}

    def place_of(self, column: Column) -> str:
        """The encoder of a column that has a group of its own."""
        modules = {id(encoder): name for name, encoder in self.model.system.named_modules() if name.startswith("encoders.")}
        for (encoder, _), group in zip(self.model.system.reads, self.groups.values(), strict=True):
            if group.columns == [column.name]:
                return modules.get(id(encoder), "")
        return ""

    def values(self, column: Column, indices: np.ndarray) -> list[str]:
        """The values as the source has them, those of derived columns as well."""
        if self.source is None or column.array:
            return super().values(column, indices)
        numbers = self.table.rows[self.positions[self._rows_of(indices)]]
        order = np.argsort(numbers, kind="stable")
        read = self.source.read(numbers[order], [column.name])[column.name].to_pylist()
        found = [""] * len(indices)
        for place, value in zip(order, read, strict=True):
            found[place] = "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
        return found

    def name_row(self, index: int) -> str:
        """The row as its source has it, and the window of it."""
        row = int(self._rows_of(np.array([index]))[0])
        number = int(self.table.rows[self.positions[row]])
        name = f"row {number + 1}" if self.source is None else self.source.place(number)
        if not isinstance(self.rows, LazyRows) or self.rows.windows is None:
            return name
        return f"{name}, window {int(self.rows.locate(np.array([index]))[1][0]) + 1}"

    def _rows_of(self, indices: np.ndarray) -> np.ndarray:
        return self.rows.locate(indices)[0] if isinstance(self.rows, LazyRows) else indices

    def grid(self, column: Column, indices: np.ndarray, size: int, low: float, high: float) -> Grid:
        """Numbers between two quantiles of these rows; the most frequent values that training knew of a column of classes."""
        feature: Any = self.model.encoder.features[column.name]
        group = next(group for group in self.groups.values() if column.name in group.columns)
        position = group.columns.index(column.name)
        if feature.kind == "number":
            values: list[Any] = number_grid(self._numbers(feature, indices), size, low, high)
        elif feature.kind in ("category", "binary"):
            tally = dict(zip(feature.classes, feature.tally, strict=True))
            values = sorted(feature.classes, key=lambda word: -tally[word])[:MOST_VALUES]
        else:
            return super().grid(column, indices, size, low, high)
        parts = self._encoded(column.name, values)
        places: dict[Place, Tensor] = {
            (f"{group.name}.{part}", position): parts[part][:, 0] if part in parts else torch.zeros(len(values)) for part in group.parts
        }
        numbers = [float(each) for each in values] if feature.kind == "number" else None
        return Grid(numbers, [f"{each:.6g}" if isinstance(each, float) else str(each) for each in values], places)

    def _numbers(self, feature: Any, indices: np.ndarray) -> np.ndarray:
        """The values of a number in some rows, missing ones left out."""
        if self.source is None:
            raise RequestError("the values of these rows are not at hand", fix="name the data")
        numbers = np.unique(self.table.rows[self.positions[self._rows_of(indices)]], return_counts=True)
        read = one_array(self.source.read(numbers[0], [feature.name])[feature.name])
        values, absent = feature.numbers(read, numbers[0])
        values = np.repeat(values if absent is None else np.where(absent, np.nan, values), numbers[1])
        found: np.ndarray = values[np.isfinite(values)]
        return found

    def measure(self, metric: str, indices: np.ndarray) -> Measure:
        """A metric of the target over these rows, which have the truth. Raises RequestError for rows without, and for windows."""
        name, blocks = self.spec.name, self.table.blocks
        if f"target.{name}" not in blocks or self.spec.positions:
            why = (
                "they were read without it"
                if not self.spec.positions
                else "it has a class at every position, of which no metric is shuffled for"
            )
            raise RequestError(f"the truth of '{name}' is not known of these rows", why=why, fix="use --method occlusion or shapley")
        if isinstance(self.rows, LazyRows) and self.rows.windows is not None:
            raise RequestError(
                "rows that are cut into windows are not shuffled",
                why="a column belongs to all windows of its row",
                fix="use --method occlusion",
            )
        chosen = self._metric(metric)
        return Measure(label(chosen), mode(chosen.type) == "max", lambda change: self._measured(chosen, indices, change))

    def _metric(self, metric: str) -> Any:
        if not metric:
            return options(default_monitor(self.spec.kind))
        known = {label(each): each for each in self.spec.metrics} or {}
        try:
            return known.get(metric) or options(metric)
        except (RequestError, KeyError) as error:
            from trainwright.metrics import PARTS

            raise RequestError(f"there is no metric '{metric}'", where="--metric", fix=did_you_mean(metric, PARTS)) from error

    def _measured(self, metric: Any, indices: np.ndarray, change: Mix | None) -> float:
        found = []
        for start in range(0, len(indices), MEASURED):
            some = indices[start : start + MEASURED]
            tensors = self.take(some)
            with torch.no_grad():
                found.append(self.answer(tensors if change is None else change(tensors, some)).double().cpu().numpy())
        given = np.concatenate(found)
        blocks, rows = self.table.blocks, self.positions[indices]
        truth = original_truth(self.spec, blocks[f"target.{self.spec.name}"][rows])
        shown = given[:, 0] if self.spec.kind == "number" else given
        weights = blocks[ROW_WEIGHT][rows] if ROW_WEIGHT in blocks else None
        outcome: Outcome = self.model.outcome(self.spec.name, truth, shown, weights)
        return float(compute_one(outcome, metric))


FLOATS = ("value", "missing")


def has_floats(group: InputGroup) -> bool:
    """Whether a group is made of numbers that change by any little."""
    return "value" in group.parts


def _nothing(part: str, value: Tensor) -> Tensor:
    return value if part == "length" else torch.zeros_like(value)


def one_logit(spec: TargetSpec, output: Tensor) -> bool:
    """Whether one logit stands for two classes."""
    return spec.kind == "binary" and output.shape[1] == 1


def columns_of(group: InputGroup, array: bool) -> list[Column]:
    """The columns of a group, with the shape of a row where they hold arrays."""
    ordered = sorted(group.parts, key=lambda part: part != "value")
    shape = tuple(group.parts["value"][1:]) if array and "value" in group.parts else ()
    picture = group.kind == "image" and len(shape) == 3
    length = f"{group.name}.length" if shape and "length" in group.parts else ""
    return [
        Column(name, tuple((f"{group.name}.{part}", position) for part in ordered), shape, array and bool(shape), length, picture)
        for position, name in enumerate(group.columns)
    ]


def find_target(targets: Sequence[TargetSpec], name: str) -> TargetSpec:
    """The target that is explained: by name, or the first. Raises RequestError for one that there is not."""
    found = next((each for each in targets if each.name == name), None) if name else targets[0]
    if found is None:
        known = [each.name for each in targets] + [word for each in targets for word in each.classes or []]
        raise RequestError(f"there is no target '{name}'", where="--target", fix=did_you_mean(name, known))
    return found


def owners_of(system: Any, number: int, group: InputGroup) -> list[Tensor]:
    """For each column of a group which numbers (tokens, width) of its encoding are its own: 1, or less where columns share one.

    It is seen from the encoder: a column's numbers are those that change when it alone takes other values.
    """
    columns = len(group.columns)
    encoder, keys = system.reads[number]
    if columns == 1:
        return [torch.ones(encoder.tokens, encoder.width)]
    changed = []
    for place in range(columns):
        values = torch.linspace(0, group.sizes[place] - 1, min(group.sizes[place], PROBED)).long()
        parts = {part: torch.zeros(len(values), *group.parts[part], dtype=torch.int64) for part, _ in keys}
        next(iter(parts.values()))[:, place] = values.reshape(-1, *[1] * (len(group.parts[keys[0][0]]) - 1))
        with torch.no_grad():
            encoded = encoder({part: each.to(next(system.parameters()).device) for part, each in parts.items()})
        changed.append((encoded != encoded[:1]).any(0).cpu().double())
    shared = torch.stack(changed).sum(0).clamp_min(1)
    return [each / shared for each in changed]
