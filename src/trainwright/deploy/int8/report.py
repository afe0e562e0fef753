"""A float ONNX file made int8, checked, and what there is to say of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from trainwright.config.errors import DataError
from trainwright.deploy.int8.layers import find_layers, leave_out, name_nodes
from trainwright.deploy.int8.library import need
from trainwright.deploy.int8.quantizing import Feed, write_dynamic, write_static
from trainwright.deploy.int8.sensitivity import Open, measure_sensitivity
from trainwright.deploy.int8.slower import refuse_slower
from trainwright.deploy.int8.stored import check_stored
from trainwright.deploy.latency import compare_latency


@dataclass(frozen=True)
class Request:
    """What somebody wants of int8: `rows` calibrate a static file by `ranges`; layers that `skip` names stay float."""

    mode: Literal["static", "dynamic"]
    rows: int = 512
    ranges: str = "minmax"
    skip: Collection[str] = field(default=())
    where: str = "int8"
    """What messages call it."""


def quantize_file(
    source: Path,
    target: Path,
    request: Request,
    feeds: Iterable[Feed],
    rows: Sequence[Feed],
    open_file: Open,
    parameters: Mapping[str, np.ndarray],
) -> dict[str, Any]:
    """Write the int8 file of the float one; what was done, by layer and in all, for a report.

    `feeds` are training rows for calibration, `rows` others to compare on; `parameters` what was trained, by name. Raises RequestError
    for dynamic convolutions, ConfigError for a pattern that names nothing, DataError without rows for calibration.
    """
    model = need("onnx").load(str(source))
    name_nodes(model)
    every = find_layers(model, parameters)
    layers = [each for each in leave_out(every, request.skip, request.where) if request.mode == "static" or not each.is_stack]
    feeds = list(feeds) if request.mode == "static" else []
    if request.mode == "static":
        _ensure_rows(feeds, request)
        write_static(source, target, layers, feeds, request.ranges)
    else:
        refuse_slower(source, layers, rows[0], open_file, request.where)
        write_dynamic(source, target, layers)
    ranges = request.ranges if request.mode == "static" else ""
    stored = {each.layer: each for each in check_stored(source, target, layers)}
    damage = measure_sensitivity(source, layers, feeds, rows, open_file, ranges)
    return {
        "mode": request.mode,
        "calibration": {"rows": sum(_count(each) for each in feeds), "ranges": request.ranges} if ranges else None,
        "answers_depend_on_batch": not ranges,
        "size": {"float": source.stat().st_size, "int8": target.stat().st_size},
        "latency": _latency(source, target, rows[0], open_file),
        "layers": [
            {
                "name": each.layer.name,
                "operator": each.layer.operator,
                "weights": each.layer.values,
                "rounding": stored[each.layer].error,
                "bytes": [stored[each.layer].bytes_before, stored[each.layer].bytes_after],
                "output_error": each.error,
                "changed_decisions": each.changed,
            }
            for each in damage
        ],
        "float_layers": [each.name for each in every if each not in layers],
    }


def _ensure_rows(feeds: Sequence[Feed], request: Request) -> None:
    if not feeds:
        why, fix = "the ranges of activations are calibrated on training rows", "give the data of the run, or use int8: dynamic"
        raise DataError("there are no rows for static int8", where=request.where, why=why, fix=fix)


def _latency(source: Path, target: Path, rows: Feed, open_file: Open) -> dict[str, Any]:
    before, after = open_file(source), open_file(target)
    found = compare_latency({"float": lambda: before(rows), "int8": lambda: after(rows)})
    return {
        "rows": _count(rows),
        "float_microseconds": found["float"].microseconds,
        "int8_microseconds": found["int8"].microseconds,
        "times_as_fast": found["int8"].ratio,
    }


def _count(feed: Feed) -> int:
    return len(next(iter(feed.values())))
