"""A table's model as one traceable module: rows as a host gives them go in, predictions come out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn

from trainwright.config.errors import RequestError
from trainwright.data.expressions.selected import given_rows
from trainwright.domains.deliverable import ROWS, Deliverable, Given, TextTable
from trainwright.domains.placed import place_rows
from trainwright.domains.predictor import Field, Tensors
from trainwright.domains.tables.model import Model
from trainwright.domains.tables.taken import TableRows
from trainwright.domains.tables.traced_conformal import describe_conformal, traced_columns, traced_conformal
from trainwright.features.traced.table import TracedInputs, TracedOutputs, describe_table, is_part, read_rows


class TracedNetwork(nn.Module):
    """`<column>` … → `<target>.prediction`, `.probability`, if calibrated `.low`, `.high` or `.set`: encode, network, decode."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.inputs = TracedInputs(model.encoder)
        self.network = model.system
        self.outputs = TracedOutputs(model.encoder, model.thresholds)
        conformal = traced_conformal(model.calibrated)
        self.calibrated, self.conformal = list(conformal), nn.ModuleList(conformal.values())

    def forward(self, raw: Tensors) -> Tensors:
        scores: Tensors = self.network.predict_step(self.inputs(raw))
        found: Tensors = self.outputs(scores)
        for name, each in zip(self.calibrated, self.conformal, strict=True):
            found |= {f"{name}.{part}": value for part, value in each(scores[f"{name}.scores"]).items()}
        return found


class TracedTable:
    """The three steps of a table's predictor with all of its arithmetic in `forward`; `program` may be what was exported of it."""

    def __init__(self, model: Model, program: Any = None) -> None:
        self.model = model
        self.network = TracedNetwork(model).eval()
        self.program = program or self.network

    def preprocess(self, rows: Any) -> Tensors:
        """Rows as they come → numbers as they are, and texts as numbers by the tables of the columns."""
        return self._read(rows)[0]

    def forward(self, tensors: Tensors) -> Tensors:
        """What a host gave → predictions, and probabilities of classes."""
        with torch.inference_mode():
            found: Tensors = self.program(tensors)
        return found

    def postprocess(self, tensors: Tensors) -> pa.Table:
        """Predictions in the words of the data, by the columns that `Run.predict` gives."""
        encoder, columns = self.model.encoder, dict[str, pa.Array]()
        for name, target in zip(self.network.outputs.names, self.network.outputs.targets, strict=True):
            outputs = {
                key.removeprefix(f"{name}."): each.detach().cpu().numpy() for key, each in tensors.items() if key.startswith(f"{name}.")
            }
            columns |= target.columns(encoder.features[name], outputs)  # type: ignore[operator]
            columns |= traced_columns(name, encoder.features[name], outputs)
        return pa.table(columns)

    def predict(self, rows: Any) -> pa.Table:
        """One row of predictions per row that was given."""
        tensors, places, given = self._read(rows)
        return place_rows(self.postprocess(self.forward(tensors)), places, given)

    def read_again(self, rows: TableRows) -> Tensors:
        """What a host gives of rows that the predictor has read, those of its positions in their order; raises RequestError without any."""
        encoder, source = self.model.encoder, rows.source
        if source is None or not len(rows.positions):
            raise RequestError("there are no rows to predict", where=rows.name, fix="give rows that no policy leaves out")
        numbers = rows.encoded.rows[rows.positions]
        encoder.messages_from(source)
        return read_rows(encoder, self.network.inputs, source.read(numbers, list(encoder.inputs)), numbers)

    def _read(self, data: Any) -> tuple[Tensors, np.ndarray, int]:
        """What a host gives of all rows, the place of each among those that were given, and how many these are."""
        encoder = self.model.encoder
        source = encoder.read(data)
        encoder.check_columns(source, encoder.inputs)
        encoder.messages_from(source)
        pieces, numbers = [], []
        for table, rows in encoder.keep_batches(source, None, list(encoder.inputs)):
            pieces.append(read_rows(encoder, self.network.inputs, table, rows))
            numbers.append(rows)
        if not pieces:
            raise RequestError("there are no rows to predict", where=source.name, fix="give rows that no policy leaves out")
        given, kept = given_rows(source)
        found = np.concatenate(numbers)
        return {name: join_padded([each[name] for each in pieces]) for name in pieces[0]}, found if kept is None else kept[found], given


def join_padded(pieces: list[Tensor]) -> Tensor:
    """Pieces of rows as one, shorter ones padded with 0 at the right."""
    if pieces[0].dim() < 2:
        return torch.cat(pieces)
    longest = max(each.shape[1] for each in pieces)
    return torch.cat([each if each.shape[1] == longest else _pad(each, longest) for each in pieces])


def _pad(piece: Tensor, longest: int) -> Tensor:
    made = piece.new_zeros(len(piece), longest, *piece.shape[2:])
    made[:, : piece.shape[1]] = piece
    return made


class TableDeliverable(Deliverable):
    """A table's model: raw columns in, predictions out."""

    def __init__(self, model: Model) -> None:
        if model.encoder.window is not None:
            why, fix = "a row has as many samples as it has windows, which are joined again", "export the model as it is, without --to"
            raise RequestError("a model of windows cannot be traced", where="columns", why=why, fix=fix)
        self.model, self.traced = model, TracedTable(model)
        self.module = network = self.traced.network
        self.usual = network.inputs.axes()
        self.inputs = [self._given(name, each) for name, each in self.example().items()]
        self.host = describe_model(model, network)
        self.tables = {name: _table_of(each) for name, each in self.host["inputs"].items() if _has_table(each)}
        with torch.inference_mode():
            found = network(self.example())
        self.outputs = [Field(name, str(each.dtype).removeprefix("torch."), tuple(each.shape[1:])) for name, each in found.items()]

    def example_of(self, sizes: Mapping[str, int]) -> Tensors:
        return self.traced.network.inputs.example(sizes[ROWS], sizes)

    def read(self, rows: Any) -> Tensors:
        """Rows as they come, or those that the predictor has read."""
        return self.traced.read_again(rows) if isinstance(rows, TableRows) else self.traced.preprocess(rows)

    def columns(self, outputs: Tensors) -> pa.Table:
        return self.traced.postprocess(outputs)

    def _given(self, name: str, each: Tensor) -> Given:
        column = next(column for column in self.model.encoder.inputs if name == column or is_part(name, column))
        axes = (ROWS, *self.traced.network.inputs.axes_of(name, each))
        return Given(name, column, str(each.dtype).removeprefix("torch."), axes)


def describe_model(model: Model, network: TracedNetwork) -> dict[str, Any]:
    """How a host reads the columns, and what predictions stand for, in plain JSON."""
    described = describe_table(model.encoder, network.inputs, network.outputs)
    for name, each in model.calibrated.items():
        described["targets"][name] |= {} if each.conformal is None else describe_conformal(each.conformal)
    return described


def _has_table(column: dict[str, Any]) -> bool:
    return column.get("gives") == "the number of the text in the table"


def _table_of(column: dict[str, Any]) -> TextTable:
    table = column["table"]
    return TextTable(table["exact"], table["without_case"], column["missing"], column["unknown"])
