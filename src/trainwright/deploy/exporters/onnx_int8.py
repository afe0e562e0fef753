"""The int8 file of a trained model, from its float one: calibrated on training rows, compared on others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from trainwright.config.errors import RequestError
from trainwright.config.name_patterns import as_list
from trainwright.deploy.exporters.base import Arrays, Exporter, Trained
from trainwright.deploy.exporters.options import OnnxOptions
from trainwright.deploy.int8.library import need
from trainwright.deploy.int8.report import Request, quantize_file
from trainwright.deploy.parity.batches import take_rows
from trainwright.deploy.parity.proof import count_rows, some_rows
from trainwright.domains.predictor import Tensors

BATCH = 64
"""Rows of a call, in calibration and where time is measured."""
COMPARED = 256
"""Rows on which a layer alone in int8 is compared."""


def write_int8(trained: Trained, exporter: Exporter, mode: Literal["static", "dynamic"], source: Path, target: Path) -> dict[str, Any]:
    """Write the int8 file of the float one; what was done, for the report.

    Raises RequestError where there are no training rows to calibrate on, and what `quantize_file` raises.
    """
    options: OnnxOptions = exporter.options
    request = Request(mode, options.int8_rows, options.int8_ranges, as_list(options.int8_skip), f"--int8 {mode}")
    feeds = list(_training_feeds(trained, exporter, request)) if mode == "static" else []
    others = _compared_feeds(trained, exporter) or feeds or list(_feeds(trained, exporter, trained.deliverable.example()))
    parameters = {name: each.detach().numpy() for name, each in trained.deliverable.module.named_parameters() if each.dim() > 1}
    found = quantize_file(source, target, request, feeds, others, exporter.open, parameters)
    note_in(target, found)
    return found


def _training_feeds(trained: Trained, exporter: Exporter, request: Request) -> Iterator[Arrays]:
    if exporter.options.int8_data:
        tensors = trained.deliverable.read(exporter.options.int8_data)
        return _feeds(trained, exporter, {name: each[: request.rows] for name, each in tensors.items()})
    try:
        rows = trained.predictor.some_rows("train", request.rows)
    except RequestError as error:
        why = f"the ranges of activations are calibrated on training rows: {error.what}"
        fix = "name a file of them: --int8-data FILE, or use --int8 dynamic"
        raise RequestError("static int8 needs training rows", where=request.where, why=why, fix=fix) from error
    return _feeds(trained, exporter, trained.deliverable.read(rows))


def _compared_feeds(trained: Trained, exporter: Exporter) -> list[Arrays]:
    """Rows of the run, those of the test split first; none where it has none of its own."""
    found = some_rows(trained, None, COMPARED)
    return [feed for rows in found.values() for feed in _feeds(trained, exporter, trained.deliverable.read(rows))]


def _feeds(trained: Trained, exporter: Exporter, tensors: Tensors) -> Iterator[Arrays]:
    for start in range(0, count_rows(tensors), BATCH):
        rows = slice(start, min(start + BATCH, count_rows(tensors)))
        yield exporter.given(trained.deliverable, take_rows(trained.deliverable, tensors, rows))


def note_in(target: Path, report: dict[str, Any]) -> None:
    """Say in the file's own description that it is int8, and whether its answers depend on the batch."""
    onnx = need("onnx")
    model = onnx.load(str(target))
    for each in model.metadata_props:
        if each.key == "trainwright":
            kept = {name: report[name] for name in ("mode", "calibration", "answers_depend_on_batch", "float_layers")}
            each.value = json.dumps(json.loads(each.value) | {"int8": kept})
    target.write_bytes(model.SerializeToString())
