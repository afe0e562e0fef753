"""An exported model that answers rows by ONNX Runtime: its file, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from trainwright.config.errors import RequestError, RunError
from trainwright.data.arrow import pandas_later
from trainwright.deploy.host.answers import TargetWriter
from trainwright.deploy.host.description import RE_EXPORT, Description, read_description
from trainwright.deploy.host.faults import Fault, FaultyRows
from trainwright.deploy.host.rows import Asked, Raw, RowReader, require_whole
from trainwright.domains.placed import place_rows

PIP = "pip install 'trainwright[serve]'"
DTYPES = {
    "tensor(double)": "float64",
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(uint8)": "uint8",
    "tensor(bool)": "bool",
    "tensor(string)": "string",
}


class HostedModel:
    """A model file with its description: rows → arrays → what the graph gives → predictions."""

    def __init__(self, session: Any, description: Description, path: Path) -> None:
        self.session, self.description, self.path = session, description, path
        self.reader = RowReader(description)
        self.outputs = [each.name for each in session.get_outputs()]
        self.writers = [TargetWriter(name, each) for name, each in description.targets.items()]
        self.parts = {
            name: [(each, each.removeprefix(name).removeprefix(".")) for each in self.outputs if f"{each}.".startswith(f"{name}.")]
            for name in description.targets
        }
        self.inputs = {each.name for each in session.get_inputs()}

    def read(self, table: pa.Table, as_text: bool = False) -> Asked:
        """The rows of a table; raises DataError where columns are missing, and tells what is wrong with rows in `faults`."""
        return self.reader.read(table, as_text)

    def run(self, raw: Raw) -> Raw:
        """What the graph gives for some rows; raises RunError where it cannot be computed."""
        feeds = {name: each for name, each in raw.items() if name in self.inputs}
        try:
            found = self.session.run(self.outputs, feeds)
        except Exception as error:
            why = str(error).splitlines()[0][:300]
            raise RunError("the model could not be computed", where=self.path.name, why=why, fix=RE_EXPORT) from error
        return dict(zip(self.outputs, found, strict=True))

    def refuse_infinite(self, outputs: Mapping[str, np.ndarray], asked: Asked) -> None:
        """Raise FaultyRows for rows of which the graph computes no finite number: a value is beyond float32 once it is scaled."""
        if not self.description.targets_are_columns:
            return
        finite = np.ones(len(asked.places), bool)
        for each in outputs.values():
            if each.dtype.kind == "f" and not np.isfinite(each).all():
                finite &= np.isfinite(each).reshape(len(each), -1).all(axis=1)
        if not finite.all():
            raise FaultyRows([self._infinite(int(at), asked) for at in np.flatnonzero(~finite)])

    def _infinite(self, at: int, asked: Asked) -> Fault:
        """The fault of one row, with the number that is farthest from those of training."""
        numbers = {name: abs(float(asked.raw[name][at])) for name, each in self.description.columns.items() if each.kind == "number"}
        there = {name: each for name, each in numbers.items() if each == each}
        name = max(there, key=lambda each: there[each], default="")
        why = f"{there[name]:g} is beyond what it can compute with" if name else "its values are beyond what it can compute with"
        return Fault("the model gives no finite number", name, int(asked.places[at]), why, "send values of the size that training had")

    def columns(self, outputs: Mapping[str, np.ndarray]) -> pa.Table:
        """Predictions in the words of the data, by the columns of `predict`."""
        columns: dict[str, pa.Array] = {}
        for each in self.writers:
            columns |= each.columns(self._of(each.name, outputs))
        return pa.table(columns)

    def records(self, outputs: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
        """The same row by row, as values of JSON: null for what is no finite number."""
        columns: dict[str, list[Any]] = {}
        for each in self.writers:
            columns |= each.values(self._of(each.name, outputs))
        return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]

    def _of(self, target: str, outputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The outputs of a target, by what stands after its name."""
        return {part: outputs[name] for name, part in self.parts[target] if name in outputs}

    def predict(self, table: pa.Table, as_text: bool = False) -> pa.Table:
        """A row of predictions for each that was given, null where a policy leaves it out; raises FaultyRows for values it cannot read."""
        asked = require_whole(self.read(table, as_text))
        outputs = self.run(asked.raw)
        self.refuse_infinite(outputs, asked)
        return place_rows(self.columns(outputs), asked.places, asked.count)


def open_model(path: str | os.PathLike[str], threads: int = 1) -> HostedModel:
    """The model in a `.onnx` file, computed by so many threads; raises RunError for a file that is none, or that says nothing of itself."""
    file = Path(path)
    if not file.is_file():
        raise RunError("there is no such file", where=str(file), fix="name a file that `trainwright export RUN --to onnx` wrote")
    pandas_later()
    session = open_session(file, threads)
    dtypes = {each.name: DTYPES.get(each.type, each.type) for each in session.get_inputs()}
    description = read_description(session.get_modelmeta().custom_metadata_map, dtypes, str(file))
    if derived := description.more.get("derived"):
        why = f"{', '.join(map(repr, derived))}: expressions over columns are no part of an exported model"
        fix = "name the run itself, or give its data these columns and train on them"
        raise RequestError("the model takes columns that are derived from others", where=str(file), why=why, fix=fix)
    return HostedModel(session, description, file)


def open_session(file: Path, threads: int) -> Any:
    """ONNX Runtime with a model loaded; raises RunError where it is not installed, or the file is no model."""
    try:
        import onnxruntime
    except ImportError as error:
        raise RunError("this needs onnxruntime, which is not installed", where=str(file), fix=PIP) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    # threads that spin while they wait take the processor from those who ask
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # sums of int8 would overflow on processors without instructions of their own for them
    options.add_session_config_entry("session.x64quantprecision", "1")
    try:
        return onnxruntime.InferenceSession(os.fspath(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        why = str(error).splitlines()[0][:300]
        raise RunError("this is no model that ONNX Runtime can load", where=str(file), why=why, fix=RE_EXPORT) from error
