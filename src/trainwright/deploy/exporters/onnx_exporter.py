"""ONNX: one file that takes rows as they are, numbers and texts by the names of their columns, and needs no Trainwright."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import numpy as np

from trainwright._version import __version__
from trainwright.config.errors import FOREIGN, RequestError, RunError
from trainwright.config.own_code import describe_failure
from trainwright.deploy.exporters.base import Answers, Arrays, Exporter, Trained
from trainwright.deploy.exporters.description import describe_trained
from trainwright.deploy.exporters.fixed_axes import fill_up, sizes_of
from trainwright.deploy.exporters.onnx_graph import convert, describe_in, name_axes, scopes_of, strip
from trainwright.deploy.exporters.onnx_strings import name_codes, put_in_front, texts_of
from trainwright.deploy.exporters.options import OnnxOptions
from trainwright.domains.deliverable import ROWS, Deliverable
from trainwright.domains.predictor import Tensors

log = logging.getLogger(__name__)

LARGEST = 2_000_000_000
"""Bytes that one ONNX file may have: those of a message of protobuf."""
ROUNDED_ROWS = 2048
"""Rows that an int8 file is proven on: half a point is more than one of them."""
NEEDS = "pip install 'trainwright[export]'"


class OnnxExporter(Exporter):
    """`model.onnx`."""

    suffix: ClassVar[str] = ".onnx"
    describes_itself: ClassVar[bool] = True
    loader: ClassVar[str] = "load_model.py"
    options: OnnxOptions

    def __init__(self, options: OnnxOptions) -> None:
        super().__init__(options)
        self.scopes: dict[str, str] = {}
        """Path of a module → what the written file calls what it gives."""
        if options.int8 is not None:
            self.may_lose, self.proof_rows = options.max_drop, ROUNDED_ROWS

    def write(self, trained: Trained, target: Path) -> list[Path]:
        if self.options.int8 is None:
            return self._write_float(trained, target)
        from trainwright.deploy.exporters.onnx_int8 import write_int8

        with TemporaryDirectory(prefix="trainwright-int8-") as folder:
            (source,) = self._write_float(trained, Path(folder) / target.name)
            self.findings["int8"] = write_int8(trained, self, self.options.int8, source, target)
        return [target]

    def _write_float(self, trained: Trained, target: Path) -> list[Path]:
        onnx = require("onnx", "onnxscript")
        from trainwright.deploy.exporters.onnx_functions import functions
        from trainwright.deploy.tracing.onnx_operators import translations
        from trainwright.deploy.tracing.program import trace_program

        deliverable = trained.deliverable
        refuse_large(sum(each.numel() * each.element_size() for each in (*deliverable.module.parameters(), *deliverable.module.buffers())))
        taken = {each.name for each in deliverable.inputs} | {each.name for each in deliverable.outputs}
        codes = name_codes(deliverable.tables, taken)
        asked = sizes_of(self.options.fixed, deliverable)
        program = trace_program(deliverable, asked)
        model = convert(program, deliverable, codes, self.options.opset, {**translations(), **functions()})
        accepted = {name: size for name, size in deliverable.usual.items() if name in deliverable.guessed and name != ROWS}
        self.fixed = name_axes(model, deliverable, codes, accepted | asked)
        for axis, size in self.fixed.items():
            log.warning("the axis %s has %d entries in this file, and no other number of them", axis, size)
        self.scopes = scopes_of(model.graph)
        strip(model.graph)
        put_in_front(model, deliverable.tables, codes)
        describe_in(model, describe_trained(trained, deliverable.tables, self.fixed))
        model.producer_name, model.producer_version = "trainwright", __version__
        refuse_large(model.ByteSize())
        onnx.checker.check_model(model)
        target.write_bytes(model.SerializeToString())
        return [target]

    def given(self, deliverable: Deliverable, tensors: Tensors) -> Arrays:
        arrays = super().given(deliverable, fill_up(deliverable, tensors, self.fixed))
        return arrays | {name: to_texts(arrays[name], texts_of(table)) for name, table in deliverable.tables.items()}

    def inside(self, target: Path, arrays: Arrays) -> Arrays:
        return values_inside(target, self.scopes, arrays)

    def open(self, target: Path) -> Answers:
        return open_session(target)


def refuse_large(size: int) -> None:
    """Raises RequestError for more bytes of weights than a file can have: before they are traced and converted, which takes minutes."""
    if size > LARGEST:
        why = f"its weights have {size:,} bytes, and one ONNX file can hold {LARGEST:,}"
        fix = "--to pt2 writes a file of any size; without --to the model is copied as it is"
        raise RequestError("this model is too large for one ONNX file", where="--to onnx", why=why, fix=fix)


def open_session(target: Path, threads: int = 1) -> Answers:
    """What answers arrays with an ONNX file, on this many threads; raises RunError for one that cannot be loaded."""
    runtime = require("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    options.add_session_config_entry("session.x64quantprecision", "1")  # int8 products saturate on processors without VNNI otherwise
    try:
        session = runtime.InferenceSession(str(target), options, providers=["CPUExecutionProvider"])
    except FOREIGN as error:  # the runtime raises classes of its own
        fix = "restore it from a copy, or export the run again"
        raise RunError("this ONNX file cannot be loaded", where=str(target), why=describe_failure(error)[:300], fix=fix) from error
    names = [each.name for each in session.get_outputs()]
    takes = {each.name for each in session.get_inputs()}

    def answer(inputs: Arrays) -> Arrays:
        found = session.run(names, {name: each for name, each in inputs.items() if name in takes})
        return dict(zip(names, found, strict=True))

    return answer


def values_inside(target: Path, names: Mapping[str, str], arrays: Arrays) -> Arrays:
    """Values of a file by the names that it calls them, under the keys of `names`; they are made outputs of a copy in memory."""
    onnx, runtime = require("onnx"), require("onnxruntime")
    model = onnx.load(target)
    there = {each.name for each in model.graph.output}
    for name in dict.fromkeys(names.values()):
        if name not in there:
            model.graph.output.append(onnx.ValueInfoProto(name=name))
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    wanted = list(dict.fromkeys(names.values()))
    found = dict(zip(wanted, session.run(wanted, {each.name: arrays[each.name] for each in session.get_inputs()}), strict=True))
    return {path: found[name] for path, name in names.items()}


def to_texts(numbers: np.ndarray, texts: Mapping[int, str]) -> np.ndarray:
    """The numbers of a table as the texts that it gives them for."""
    values, places = np.unique(numbers, return_inverse=True)
    return np.array([texts[int(each)] for each in values], object)[places].reshape(numbers.shape)


def require(name: str, *others: str) -> Any:
    """A library of the extra `export`; raises RequestError with the line that installs it."""
    import importlib

    try:
        found = [importlib.import_module(each) for each in (name, *others)]
    except ModuleNotFoundError as error:
        raise RequestError(f"ONNX needs {error.name}, which is not installed", where="--to onnx", fix=NEEDS) from error
    return found[0]
