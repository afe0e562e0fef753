"""An exported ONNX file as what answers rows of files: ONNX Runtime and the description in the file, and nothing of the run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from trainwright.config.errors import RequestError
from trainwright.data.arrow import PIECE
from trainwright.data.source import Source
from trainwright.data.source_piece import SourcePiece, pieces_of
from trainwright.data.sources.later import later_rows
from trainwright.deploy.host.answers import column_names
from trainwright.deploy.host.faults import FaultyRows
from trainwright.deploy.host.model import HostedModel, open_model
from trainwright.deploy.host.rows import Asked
from trainwright.domains.forms import are_paths, as_rows
from trainwright.domains.pieces import REASON, Pieces
from trainwright.domains.placed import place_rows
from trainwright.domains.predictor import Field, Predictor, Tensors

ROWS = 512
"""Rows that the graph computes at once."""
HELD = 64 << 20
"""Bytes above which files are read piece by piece."""
LARGE, FEW = ("image", "signal", "audio", "file"), 256
"""Columns whose values are files, and rows of a piece where there is one."""
LACKING = "a value is missing without which training left rows out"


@dataclass(frozen=True)
class HostedRows:
    """Rows of a source, read for the graph."""

    source: SourcePiece
    asked: Asked


class HostedPieces(Pieces):
    """Pieces of one or several sources, one after the other; no piece has rows of two."""

    def __init__(self, model: HostedModel, sources: Sequence[Source]) -> None:
        self.model, self.sources = model, list(sources)
        rows = FEW if any(each.kind in LARGE for each in model.description.columns.values()) else PIECE
        self.plan = [[min(rows, len(source) - at) for at in range(0, len(source), rows)] for source in self.sources]
        self.sizes = [count for counts in self.plan for count in counts]
        self.total = sum(self.sizes)
        self.files = [Path(file) for source in self.sources for file in _innermost(source).files]

    def take_from(self, first: int) -> Iterator[HostedRows]:
        for source, counts in zip(self.sources, self.plan, strict=True):
            here, first = counts[first:], max(0, first - len(counts))
            columns = [name for name in source.schema.names if name in self.model.description.columns]
            for piece in pieces_of(source, columns, here, sum(counts) - sum(here)) if here else ():
                yield HostedRows(piece, self.model.read(piece.table, as_text=source.written is not None))


class HostedPredictor(Predictor):
    """Answers rows of a table by the columns of training, with the model in a `.onnx` file."""

    endings: ClassVar[tuple[str, ...]] = (".csv", ".parquet", ".jsonl")

    def __init__(self, model: HostedModel) -> None:
        self.model, self.reasons = model, False
        self.reads = [str(model.path)]

    @property
    def inputs(self) -> list[Field]:
        return [Field(name, each.kind, ()) for name, each in self.model.description.columns.items()]

    @property
    def outputs(self) -> list[Field]:
        targets = self.model.description.targets.items()
        return [Field(str(column_names(name, each)["prediction"]), str(each.get("type", "")), ()) for name, each in targets]

    def pieces(self, data: Any) -> HostedPieces:
        """The rows of a source, or of a list of files one after the other; raises DataError for what cannot be read."""
        reading = self.model.description.reading
        form, options = (reading.form, reading.options) if reading else (None, {})
        names = list(self.model.description.columns)
        several = data if are_paths(data) else [as_rows(data, ())]
        return HostedPieces(self.model, [later_rows(each, form, names, HELD, options=options) for each in several])

    def read(self, data: Any) -> list[HostedRows]:
        return list(self.pieces(data).take_from(0))

    def own_rows(self, split: str) -> Any:
        what, why = "an exported model has no rows of its own", "the file has the model alone"
        raise RequestError(what, where=str(self.model.path), why=why, fix=f"name them: trainwright predict {self.model.path} new.csv")

    def preprocess(self, rows: Any) -> Tensors:
        raise self._of_arrays()

    def forward(self, tensors: Tensors) -> Tensors:
        raise self._of_arrays()

    def postprocess(self, tensors: Tensors) -> pa.Table:
        raise self._of_arrays()

    def _of_arrays(self) -> RequestError:
        what, why = "this model has no tensors", "ONNX Runtime computes it, from arrays of columns"
        return RequestError(what, where=str(self.model.path), why=why, fix="give rows to `predict`")

    def answer(self, rows: Any) -> pa.Table:
        """A row of predictions for each that was given, in order, null where a policy leaves it out; raises DataError for faulty ones."""
        return pa.concat_tables([self._answer(each) for each in (rows if isinstance(rows, list) else [rows])])

    def _answer(self, rows: HostedRows) -> pa.Table:
        asked = rows.asked
        if asked.faults and not self.reasons:
            raise FaultyRows([_placed_in(rows.source, each) for each in asked.faults])
        raws = [{name: each[at : at + ROWS] for name, each in asked.raw.items()} for at in range(0, max(len(asked.places), 1), ROWS)]
        found = [self.model.run(raw) for raw in raws]
        outputs = {name: np.concatenate([each[name] for each in found]) for name in found[0]}
        table = place_rows(self.model.columns(outputs), asked.places, asked.count)
        return table.append_column(REASON, _reasons(asked)) if self.reasons else table

    def measure(self, rows: Any, split: str) -> dict[str, Any]:
        what, why = "an exported model is not measured", "the file has neither metrics nor truth"
        raise RequestError(what, where=str(self.model.path), why=why, fix="trainwright evaluate RUN DATA measures its run")

    def with_reasons(self) -> HostedPredictor:
        telling = copy(self)
        telling.reasons = True
        return telling

    def key(self) -> Any:
        found = self.model.path.stat()
        return [str(self.model.path.resolve()), found.st_size, found.st_mtime_ns, self.reasons]


def open_hosted(path: str) -> HostedPredictor:
    """The predictor of a `.onnx` file; raises RunError for what is none, or where ONNX Runtime is not installed."""
    return HostedPredictor(open_model(path, threads=0))


def _placed_in(source: SourcePiece, fault: Any) -> Any:
    """A fault with the number of its row in the whole source."""
    return fault if fault.row is None else replace(fault, row=fault.row + source.first)


def _reasons(asked: Asked) -> pa.Array:
    """Why each row has no answer, null for those that have one."""
    reasons: list[str | None] = [LACKING] * asked.count
    for place in asked.places.tolist():
        reasons[place] = None
    for each in asked.faults:
        if each.row is not None:
            reasons[each.row] = f"column '{each.column}': {each.what}"
    return pa.array(reasons, pa.string())


def _innermost(source: Any) -> Any:
    while not hasattr(source, "files") and hasattr(source, "source"):
        source = source.source
    return source
