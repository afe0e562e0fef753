"""A table's run as a predictor: columns that are encoded as in training, a network, and predictions in the words of the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from trainwright.baselines.run import original_truth
from trainwright.calibration.asked import read_threshold
from trainwright.config.errors import DataError, RequestError, RunError
from trainwright.config.trust import as_received
from trainwright.data.expressions.selected import given_rows
from trainwright.data.joined_windows import join_by_row
from trainwright.domains.asked import MeasureOptions, read_asked
from trainwright.domains.deliverable import Deliverable
from trainwright.domains.forms import are_paths, as_rows
from trainwright.domains.pieces import REASON
from trainwright.domains.place import Place
from trainwright.domains.placed import place_rows
from trainwright.domains.predictor import Field, Metrics, Predictor, Tensors
from trainwright.domains.tables.analysis.of_rows import importance_of
from trainwright.domains.tables.conformal_columns import conformal_columns
from trainwright.domains.tables.embeddings import COLUMN, as_column, embeddings_of
from trainwright.domains.tables.explained import TableSubject
from trainwright.domains.tables.measured_intervals import interval_column, measure_intervals
from trainwright.domains.tables.model import Model, rows_at_once
from trainwright.domains.tables.pieces import HELD, TablePieces
from trainwright.domains.tables.position_metrics import measured_outputs
from trainwright.domains.tables.prepared import PreparedTable
from trainwright.domains.tables.probes.measured import measure_probes
from trainwright.domains.tables.row_names import names_of, with_names
from trainwright.domains.tables.taken import TableRows as TableRows
from trainwright.domains.tables.tally import say_counts
from trainwright.domains.tables.unreadable_files import set_policies
from trainwright.explain.explanation import Explanation
from trainwright.explain.study import Asked
from trainwright.features.row_weights import ROW_WEIGHT
from trainwright.features.spec import TargetSpec
from trainwright.features.table_rows import table_rows
from trainwright.metrics import compute, default_metrics
from trainwright.metrics.by_class import by_class
from trainwright.metrics.outcome import Outcome
from trainwright.runs.configured import with_config
from trainwright.runs.directory import RunDirectory
from trainwright.systems.run_config import read_config

WINDOW_ROW = "window.row"
"""The block that says of which row each window is."""
NONE_LEFT = "every row lacks a target or a value whose policy is `drop`, or is left out by `data.where`"


class TablePredictor(Predictor):
    """Answers rows of a source with the columns of training: a path, DataFrame, Arrow table or mapping."""

    endings: ClassVar[tuple[str, ...]] = (".csv", ".parquet", ".jsonl")

    def __init__(self, model: Model, place: Place | None = None, asked: MeasureOptions | None = None, embeds: bool = False) -> None:
        self.model, self.place, self.asked, self.embeds = model, place, asked or MeasureOptions(), embeds
        self.reasons = False
        self.received = None if place is None else place.received
        self.reads = [] if place is None or place.run is None else trained_on(place.run)

    @property
    def inputs(self) -> list[Field]:
        """The columns of the source, by the types that training gave them."""
        encoder = self.model.encoder
        return [Field(name, encoder.features[name].kind, encoder.features[name].row_shape) for name in encoder.inputs]

    @property
    def outputs(self) -> list[Field]:
        """The columns of predictions, by the types they have in Arrow."""
        empty = self.postprocess({name: torch.zeros(shape) for name, shape in self._no_scores().items()})
        return [Field(field.name, str(field.type), _shape_of(field.type)) for field in empty.schema]

    def read(self, data: Any, labelled: bool = False) -> TableRows:
        """The rows of a source, each value encoded once; raises DataError for missing columns or values that it cannot read."""
        source = self.model.encoder.read(as_rows(data, {each.name for each in self.inputs if each.shape}))
        encoded = self.model.encoder.encode(source, targets=labelled)
        say_counts(source, encoded)
        given, kept = given_rows(source)
        places = encoded.rows if kept is None else kept[encoded.rows]
        return TableRows(encoded, np.arange(len(encoded.rows)), places, given, source.name, source=source, names=names_of(source))

    def pieces(self, data: Any) -> TablePieces:
        """The rows of a source, or of a list of files one after the other, read and encoded piece by piece; raises as `read` does."""
        encoder = self.model.encoder
        arrays = {each.name for each in self.inputs if each.shape}
        sources = [encoder.read(as_rows(each, arrays), memory_limit=HELD) for each in (data if are_paths(data) else [data])]
        for source in sources:
            encoder.check_columns(source, encoder.inputs)
        return TablePieces(encoder, sources, self.reasons)

    def own_rows(self, split: str) -> TableRows:
        """The rows of a split, read again as the run's configuration says; raises RunError when the data changed or it is empty."""
        if self.place is None or self.place.run is None:
            fix = "name the rows, or the run itself"
            raise RequestError("an exported model has no rows of its own", where=f"--split {split}", fix=fix)
        return self._rows_of_run(with_config(self.place.path), split)

    def _rows_of_run(self, run: RunDirectory, split: str) -> TableRows:
        prepared = PreparedTable(read_config(run.config))
        prepared.refuse_other_data(run)
        data, size = prepared.data, prepared.config.trainer.evaluation_batch_size
        positions = getattr(data.table, split, None) if split in ("train", "validation", "test") else None
        if positions is None or not len(positions):
            raise RunError(f"this run has no {split} rows", where=str(run.path), fix="see data.split of its config.yaml")
        places, (_, kept) = np.arange(len(positions)), given_rows(data.source)
        numbers = data.table.rows[positions]
        names, column = names_of(data.source, numbers if kept is None else kept[numbers]), interval_column(prepared.config)
        return TableRows(data.table, positions, places, len(places), data.source.name, size, data.source, column, names)

    def some_rows(self, split: str, count: int) -> TableRows:
        """Up to `count` rows of a split, spread evenly over it."""
        rows = self.own_rows(split)
        chosen = np.unique(np.linspace(0, len(rows.positions) - 1, count).astype(np.int64))
        return replace(rows, positions=rows.positions[chosen], places=np.arange(len(chosen)), given=len(chosen), names=None)

    def measure_outputs(self, rows: TableRows, outputs: Mapping[str, np.ndarray]) -> tuple[Metrics, Metrics] | None:
        """The metrics of rows by this model, and by `<target>.probability` or `<target>.prediction` of an artifact of it."""
        targets = self.model.encoder.spec.targets
        if any(each.positions or f"target.{each.name}" not in rows.encoded.blocks for each in targets):
            return None  # rows without their truth, or answers at every position
        wanted = {spec.name: spec.metrics or default_metrics(spec.kind) for spec in targets}
        own = self.outcomes(rows)
        given = {}
        for name, outcome in own.items():
            scores = outputs[f"{name}.probability" if f"{name}.probability" in outputs else f"{name}.prediction"]
            given[name] = replace(outcome, scores=scores.reshape(outcome.scores.shape))
        measured = [{name: compute(each, wanted[name]) for name, each in found.items()} for found in (own, given)]
        return measured[0], measured[1]

    def preprocess(self, rows: Any) -> Tensors:
        """The encoded inputs of rows as they come; of rows that are cut, those of all windows and the row of each."""
        read = self.read(rows)
        taken = table_rows(read.encoded, read.positions)
        found: Tensors = taken.take(torch.arange(len(taken)))
        return found if taken.windows is None else {**found, WINDOW_ROW: torch.from_numpy(taken.windows.rows())}

    def forward(self, tensors: Tensors) -> Tensors:
        """Target → its scores: probabilities `[b, classes]`, or values in original units."""
        scores = self.model.forward({name: each for name, each in tensors.items() if name != WINDOW_ROW})
        window = self.model.encoder.window
        if window is None or WINDOW_ROW not in tensors:
            return scores
        kinds = {target.name: target.kind for target in self.model.encoder.spec.targets}
        return join_by_row(tensors[WINDOW_ROW], scores, window, kinds)

    def postprocess(self, tensors: dict[str, Tensor] | dict[str, np.ndarray]) -> pa.Table:
        """Scores → `<target>_prediction`, and the probability of each class where there are classes."""
        columns: dict[str, pa.Array] = {}
        for target in self.model.encoder.targets:
            outputs: dict[str, Any] = {"scores": np.asarray(tensors[target])}
            if target in self.model.thresholds:
                outputs["threshold"] = np.asarray(self.model.thresholds[target], np.float64)
            feature, fitted = self.model.encoder.features[target], self.model.calibrated.get(target)
            columns |= feature.decode(outputs)
            if fitted is not None and fitted.conformal is not None:
                columns |= conformal_columns(target, feature, fitted.conformal, outputs["scores"])
        return pa.table(columns)

    def key(self) -> Any:
        """The files of the model, and what is asked of it."""
        if self.place is None:
            return None
        files = [[each.name, (found := each.stat()).st_size, found.st_mtime_ns] for each in sorted(self.place.model.iterdir())]
        asked = [self.asked.unreadable, self.asked.all_unreadable, self.model.views, self.model.thresholds, self.embeds, self.reasons]
        return [str(self.place.model.resolve()), files, *asked]

    def decided_at(self, threshold: float | str) -> TablePredictor:
        """The same, with the binary targets decided at this probability, 0 to 1, or at the `tuned` one; raises RequestError."""
        kinds = {spec.name: spec.kind for spec in self.model.encoder.spec.targets}
        chosen = read_threshold(threshold, kinds, {name: float(each["threshold"]) for name, each in self.model.tuned.items()})
        decided = copy(self)
        decided.model = replace(self.model, thresholds={**self.model.thresholds, **chosen})
        return decided

    def deliverable(self) -> Deliverable:
        """The model of raw columns; raises RequestError for columns or a network that cannot be traced."""
        from trainwright.domains.tables.traced import TableDeliverable

        return TableDeliverable(self.model)

    def with_embeddings(self) -> TablePredictor:
        """The same, whose predictions have a column `embedding` too: what the encoders make of each row."""
        embedding = copy(self)
        embedding.embeds = True
        return embedding

    def with_reasons(self) -> TablePredictor:
        """The same, that leaves rows with values it cannot read without an answer, and has a column `reason` that says why."""
        telling = copy(self)
        telling.reasons = True
        return telling

    def answer(self, rows: TableRows) -> pa.Table:
        """A row of predictions for each that was given, in order, after what names it; what `drop` or `data.where` leaves out is null."""
        scores = rows.take(self.model) if len(rows.positions) else {name: np.zeros(shape) for name, shape in self._no_scores().items()}
        table = self.postprocess(scores)
        if self.embeds:
            taken = table_rows(rows.encoded, rows.positions)
            vectors = embeddings_of(self.model, taken, rows_at_once(rows.encoded, rows.asked))
            table = table.append_column(COLUMN, as_column(vectors))
        placed = with_names(place_rows(table, rows.places, rows.given), rows.names)
        return placed if rows.reasons is None else placed.append_column(REASON, rows.reasons)

    @property
    def writes_files(self) -> bool:
        return any(hasattr(self.model.encoder.features[each], "write_answers") for each in self.model.encoder.targets)

    def write_files(self, rows: TableRows, columns: pa.Table, folder: Path) -> pa.Table:
        for target in self.model.encoder.targets:
            feature: Any = self.model.encoder.features[target]
            if not hasattr(feature, "write_answers"):
                continue
            group = next((each.name for each in self.model.encoder.groups if feature.follows in each.columns), "")
            references: list[str | None] = [None] * rows.given
            if group in rows.encoded.references:
                found = rows.encoded.references[group].places.take(pa.array(rows.positions)).to_pylist()
                for place, reference in zip(rows.places.tolist(), found, strict=True):
                    references[place] = reference
            name = f"{target}_prediction"
            written = feature.write_answers(columns[name].to_pylist(), references, folder)
            columns = columns.set_column(columns.column_names.index(name), name, written)
        return columns

    def measure(self, rows: TableRows, split: str) -> dict[str, Any]:
        """`{"rows", "left_out", "metrics": {target: {metric: value}}}`, with `intervals` and `importance` where they are asked for."""
        if not len(rows.positions):
            raise DataError("no row can be evaluated", where=rows.name, why=NONE_LEFT)
        outcomes, (dense, at_positions) = self.outcomes(rows), self._of_positions(rows)
        wanted = {spec.name: spec.metrics or default_metrics(spec.kind) for spec in self.model.encoder.spec.targets}
        found: dict[str, Any] = {"rows": len(rows.positions), "left_out": rows.given - len(rows.positions)}
        measured = {name: compute(outcome, wanted[name]) for name, outcome in outcomes.items()} | dense
        found["metrics"] = {name: measured[name] for name in wanted}
        found |= {"views": list(self.model.views)} if self.model.views else {}
        if self.asked.intervals:
            places = rows.encoded.rows[rows.positions]
            column = self.asked.intervals.by or rows.grouped_by
            measured_by = (outcomes, wanted, rows.source, places, self.asked.seed)
            found["intervals"], found["resampling"] = measure_intervals(self.asked.intervals, column, *measured_by)
        found["classes"] = {name: each for name, outcome in outcomes.items() if (each := by_class(outcome, wanted[name]))}
        found["classes"] |= at_positions
        if self.asked.probes:
            train = self.own_rows("train")
            fitted_to, size = table_rows(train.encoded, train.positions), rows_at_once(rows.encoded, rows.asked)
            found["probes"] = measure_probes(self.model, self.asked.probes, fitted_to, table_rows(rows.encoded, rows.positions), size)
        if self.asked.importance:
            found["importance"] = importance_of(self.model, rows.encoded, rows.positions, outcomes, self.asked.seed).columns
        return found

    def evaluate(self, rows: Any) -> dict[str, Any]:
        """The same of rows as they come; raises DataError without the targets."""
        return self.measure(self.read(rows, labelled=True), "test")

    def _of_positions(self, rows: TableRows) -> tuple[dict[str, Any], dict[str, Any]]:
        """Metrics and classes of the targets with a class at every position, summed up batch by batch."""
        system = self.model.system
        if not any(target.positions for target in system.spec.targets):
            return {}, {}
        device = next(system.parameters()).device
        return measured_outputs(system, table_rows(rows.encoded, rows.positions), rows_at_once(rows.encoded), device)[1:]

    def outcomes(self, rows: TableRows) -> dict[str, Outcome]:
        """Target → truth and scores of its rows."""
        single = [spec for spec in self.model.encoder.spec.targets if not spec.positions]
        scores, blocks = rows.take(self.model) if single else {}, rows.encoded.blocks
        truths = {spec.name: original_truth(spec, blocks[f"target.{spec.name}"][rows.positions]) for spec in single}
        weights = blocks[ROW_WEIGHT][rows.positions] if ROW_WEIGHT in blocks else None
        return {name: self.model.outcome(name, truth, scores[name], weights) for name, truth in truths.items()}

    def explainable(self, data: Any, split: str, target: str, labelled: bool) -> TableSubject:
        """One target over rows of a source, with their truth where it is asked for; raises DataError where none can be answered."""
        rows = self.own_rows(split) if data is None else self.read(data, labelled=labelled)
        if not len(rows.positions):
            raise DataError("no row can be explained", where=rows.name, why=NONE_LEFT)
        return TableSubject(self.model, rows.encoded, rows.positions, rows.source, target)

    def explain(self, asked: Asked, data: Any = None, split: str = "test", target: str = "") -> Explanation:
        """As every predictor does; `target` may be the name of a class too, which is explained, then."""
        specs = self.model.encoder.spec.targets
        owners = (
            [] if asked.output or target in [each.name for each in specs] else [each for each in specs if target in (each.classes or [])]
        )
        if len(owners) == 1:
            asked, target = replace(asked, output=target), owners[0].name
        return super().explain(asked, data, split, target)

    def about(self) -> dict[str, Any]:
        """The run."""
        return {} if self.place is None else {"run": str(self.place.path)}

    def _no_scores(self) -> dict[str, tuple[int, ...]]:
        """Target → the shape of the scores of no rows."""
        targets = self.model.encoder.spec.targets
        return {each.name: _shape_of_none(each) for each in targets}


def open_table(place: Place, settings: Sequence[Any] = (), **given: Any) -> TablePredictor:
    """The predictor of a table's run; raises RunError when there is no model yet, RequestError for a model given beside it."""
    if any(each is not None for each in given.values()):
        why = "its own network was trained with its columns"
        raise RequestError("a table's run takes no model from outside", where="tw.load(model)", why=why, fix="leave it out")
    return _open(place, settings)


@as_received
def _open(place: Place, settings: Sequence[Any]) -> TablePredictor:
    asked, model = read_asked(settings), Model.load(place.model, place.received)
    set_policies(model.encoder, asked.unreadable, asked.all_unreadable)
    if asked.views is not None:
        model.look_through(asked.views)
    return TablePredictor(model, place, asked)


def trained_on(run: RunDirectory) -> list[str]:
    """The files that a run was trained on, which are not overwritten by what it predicts."""
    try:
        found = run.read_json("data.json")
        paths = found["source"]["fingerprint"]["paths"]
    except (RequestError, KeyError, TypeError):  # it names none, then; whoever needs the file will say what is wrong with it
        return []
    return [each for each in paths if isinstance(each, str)] if isinstance(paths, list) else []


def _shape_of_none(target: TargetSpec) -> tuple[int, ...]:
    """The shape of the scores of no rows."""
    if target.positions:
        return (0, *target.positions)
    return (0, len(target.classes)) if target.classes else (0,) if target.width == 1 else (0, target.width)


def _shape_of(kind: pa.DataType) -> tuple[int | None, ...]:
    if pa.types.is_fixed_size_list(kind):
        return (kind.list_size, *_shape_of(kind.value_type))
    return (None,) if pa.types.is_list(kind) else ()
