"""A table's model as one traceable module: rows as a host gives them go in, predictions come out; and its export by torch.export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn

from trainwright.config.errors import FOREIGN, RequestError
from trainwright.config.own_code import describe_failure
from trainwright.data.expressions.selected import given_rows
from trainwright.domains.place import find_place
from trainwright.domains.predictor import Tensors
from trainwright.domains.tables.model import Model
from trainwright.domains.tables.placed import place_rows
from trainwright.domains.tables.predictor import open_table
from trainwright.domains.tables.traced_conformal import describe_conformal, traced_columns, traced_conformal
from trainwright.features.traced.table import TracedInputs, TracedOutputs, describe_table, read_rows
from trainwright.files.text import write_json

PROGRAM, COLUMNS = "model.pt2", "columns.json"
FORMAT = 1


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
            outputs = {key.removeprefix(f"{name}."): each.numpy() for key, each in tensors.items() if key.startswith(f"{name}.")}
            columns |= target.columns(encoder.features[name], outputs)  # type: ignore[operator]
            columns |= traced_columns(name, encoder.features[name], outputs)
        return pa.table(columns)

    def predict(self, rows: Any) -> pa.Table:
        """One row of predictions per row that was given."""
        tensors, places, given = self._read(rows)
        return place_rows(self.postprocess(self.forward(tensors)), places, given)

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


def export_program(model: Model) -> Any:
    """The `torch.export.ExportedProgram` of a table's model, for any number of rows; raises RequestError for what cannot be traced."""
    if model.encoder.window is not None:
        why, fix = "a row has as many samples as it has windows, which are joined again", "export the model as it is, without --to"
        raise RequestError("a model of windows cannot be traced", where="columns", why=why, fix=fix)
    network = TracedNetwork(model).eval()
    example = network.inputs.example()
    dynamic = torch.export.Dim.DYNAMIC
    shapes = {name: {0: dynamic, 1: dynamic} if f"{name}.length" in example else {0: dynamic} for name in example}
    try:
        with torch.no_grad():
            return torch.export.export(network, (example,), dynamic_shapes=(shapes,))
    except FOREIGN as error:  # torch raises whatever it met
        why = describe_failure(error)[:300]
        fix = "export the model as it is, without --to"
        raise RequestError("the network of this run cannot be traced", where="--to torch", why=why, fix=fix) from error


def export_torch(path: Path, folder: Path) -> None:
    """Write what `write_program` writes of the run or the exported model at `path`; raises RequestError for one that is no table's."""
    place = find_place(path)
    if not (place.model / "features.json").is_file():
        why = "its inputs are not columns with types, of which it is known how each is encoded"
        fix = "leave --to out; a system writes other formats by its own export(folder)"
        raise RequestError("only a table's model is exported so", where=str(path), why=why, fix=fix)
    write_program(open_table(place).model, folder)


def write_program(model: Model, folder: Path) -> None:
    """Write model.pt2, which torch alone loads, and columns.json: how a host reads the columns, and what predictions stand for."""
    program, network = export_program(model), TracedNetwork(model)
    torch.export.save(program, folder / PROGRAM)
    described = describe_table(model.encoder, network.inputs, network.outputs)
    for name, each in model.calibrated.items():
        described["targets"][name] |= {} if each.conformal is None else describe_conformal(each.conformal)
    shapes = {
        name: {"dtype": str(each.dtype).removeprefix("torch."), "shape": _shape(name, each, example)}
        for example in [network.inputs.example()]
        for name, each in example.items()
    }
    write_json(folder / COLUMNS, {"format": FORMAT, "tensors": shapes, **described})


def _shape(name: str, each: Tensor, example: Tensors) -> list[int | None]:
    """The shape of a tensor, None for what may be of any size."""
    ragged = f"{name}.length" in example
    return [None, *([None] if ragged else []), *each.shape[1 + ragged :]]
