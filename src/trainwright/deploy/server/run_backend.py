"""A run as what a server asks, by torch in the process: for models that no exported file can hold."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from trainwright._version import __version__
from trainwright.config.errors import FOREIGN, DataError, TrainwrightError
from trainwright.config.own_code import describe_failure
from trainwright.deploy.host.answers import json_values, list_array
from trainwright.deploy.host.description import Column, Description
from trainwright.deploy.host.faults import Fault, FaultyRows
from trainwright.deploy.host.files import SENT, TooLarge, content_of
from trainwright.deploy.host.pictures import too_large
from trainwright.deploy.host.rows import DTYPES, Asked, RowReader
from trainwright.deploy.server.bodies import Body
from trainwright.domains.images.reading.decoding import TooManyPixels, size_of
from trainwright.domains.images.reading.options import MAX_PIXELS, Decoding
from trainwright.domains.predictor import Field, Predictor
from trainwright.features.npy import Unreadable

FILES = ("image", "signal", "audio", "file")
"""Types of columns whose values are files."""
ENDINGS = {"image": ".png", "audio": ".wav", "signal": ".wav", "file": ".npy"}


class RunBackend:
    """A predictor, asked for one request after the other."""

    joins = False

    def __init__(self, predictor: Predictor, name: str, digest: str, max_pixels: int = MAX_PIXELS) -> None:
        self.predictor, self.name, self.digest, self.max_pixels = predictor, name, digest, max_pixels
        self.fields = {each.name: each for each in predictor.inputs}
        self.arrays = all(_is_dtype(each) for each in self.fields.values())
        columns = {name: Column(name, each.type, {"shape": list(each.shape)}) for name, each in self.fields.items()} if self.arrays else {}
        self.blocks = RowReader(Description(name, digest, columns, {}))

    def schema(self) -> dict[str, Any]:
        """`inputs` and `outputs` of `/schema`."""
        inputs = [
            {
                "name": each.name,
                "type": each.type,
                "required": True,
                "nullable": True,
                "typical": None,
                "shape": list(each.shape),
                "file": each.type in FILES,
            }
            for each in self.fields.values()
        ]
        columns = [
            {"name": each.name, "type": each.type, "classes": None, "columns": {"prediction": each.name}} for each in self.predictor.outputs
        ]
        return {"explains": False, "inputs": inputs, "outputs": columns}

    def example(self) -> list[dict[str, Any]]:
        """No row: what is usual is not known."""
        return []

    def read_json(self, body: Body, columns: Sequence[str] | None = None) -> Asked:
        """Rows of values of JSON, kept as they are: the model reads them with its answer, in the thread that computes."""
        given = {name: each for name, each in (body.columns or {}).items() if columns is None or name in columns}
        if self.arrays:
            return self._blocks(given, body.count)
        return self._asked([dict(zip(given, row, strict=True)) for row in zip(*given.values(), strict=True)], body.count)

    def read_table(self, body: Body) -> Asked:
        """Rows of a table."""
        table = pa.table(body.table)
        if self.arrays:
            return self._blocks({name: table[name].to_pylist() for name in table.column_names}, body.count)
        return self._asked(table.to_pylist() if any(each.type in FILES for each in self.fields.values()) else table, body.count)

    def _blocks(self, columns: Mapping[str, list[Any]], count: int) -> Asked:
        return self.blocks.read_json(columns, count)

    def _asked(self, rows: Any, count: int) -> Asked:
        return Asked(rows, np.arange(count), count)

    def run(self, raw: Any) -> Any:
        """Predictions: a table, or arrays by name. Raises DataError for rows that the model cannot read."""
        with tempfile.TemporaryDirectory(prefix="trainwright-request-") as folder:
            rows = self._with_files(raw, Path(folder)) if isinstance(raw, list) else raw
            try:
                return self.predictor.answer(self.predictor.read(rows))
            except TrainwrightError:
                raise
            except FOREIGN as error:  # a person's own step raises anything over rows that it was not written for
                why = describe_failure(error)[:300]
                raise DataError("the model cannot answer these rows", where="rows", why=why, fix="see /schema for what it takes") from error

    def _with_files(self, rows: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
        """The rows with the content of each file in a file, which the model reads; raises FaultyRows for what is no content."""
        found: list[dict[str, Any]] = []
        faults: list[Fault] = []
        for at, row in enumerate(rows):
            made = dict(row)
            for name in [name for name in row if name in self.fields and self.fields[name].type in FILES and row[name] is not None]:
                path = folder / f"{at}-{len(found)}-{list(self.fields).index(name)}{ENDINGS[self.fields[name].type]}"
                try:
                    path.write_bytes(self._content(row[name], name))
                except TooLarge as error:
                    faults.append(Fault("the file is too large", name, at, str(error), "send a smaller one", too_large=True))
                except Unreadable as error:
                    faults.append(Fault("the file cannot be read", name, at, str(error), SENT))
                made[name] = str(path)
            found.append(made)
        if faults:
            raise FaultyRows(faults)
        return found

    def _content(self, value: Any, name: str) -> bytes:
        """The bytes of a file; raises Unreadable for none, and for a picture of too many pixels. Others the model refuses itself."""
        content = content_of(value)
        if self.fields[name].type == "image":
            try:
                size_of(content, Decoding(max_pixels=self.max_pixels))
            except TooManyPixels as error:
                raise too_large(error, True) from error
            except Unreadable:
                pass  # the model says what is wrong
        return content

    def check(self, outputs: Any, asked: Asked) -> None:
        """Nothing: the run refuses such rows itself."""

    def columns(self, outputs: Any) -> pa.Table:
        """Predictions as a table."""
        if isinstance(outputs, pa.Table):
            return outputs
        return pa.table({name: list_array(each) for name, each in outputs.items()})

    def records(self, outputs: Any) -> list[dict[str, Any]]:
        """Predictions row by row."""
        table = self.columns(outputs)
        columns = [json_values(each.to_pylist()) for each in table.columns]
        return [dict(zip(table.column_names, row, strict=True)) for row in zip(*columns, strict=True)]

    def about(self) -> dict[str, Any]:
        """What is told at `/model`."""
        import torch

        versions = {"trainwright (server)": __version__, "torch": torch.__version__}
        return {"name": self.name, "digest": self.digest, "versions": versions, "engine": "torch"}


def _is_dtype(field: Field) -> bool:
    return field.type in DTYPES
