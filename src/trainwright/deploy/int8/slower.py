"""What would be slower in int8 than in float is measured on the model itself, and refused with the figure."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from trainwright.config.errors import RequestError
from trainwright.deploy.int8.layers import CONVOLUTIONS, Layer
from trainwright.deploy.int8.quantizing import Feed, write_dynamic
from trainwright.deploy.int8.sensitivity import Open
from trainwright.deploy.latency import compare_latency


def refuse_slower(source: Path, layers: Sequence[Layer], rows: Feed, open_file: Open, where: str) -> None:
    """Raise RequestError, with the time measured on `rows`, where convolutions of `layers` would be int8 dynamically.

    ONNX Runtime has one plain kernel for them (ConvInteger), which is slower than its float convolution on every processor it runs on.
    """
    convolutions = [each for each in layers if each.operator in CONVOLUTIONS]
    if not convolutions:
        return
    with tempfile.TemporaryDirectory(prefix="trainwright-int8-") as folder:
        trial = Path(folder) / "dynamic.onnx"
        write_dynamic(source, trial, layers)
        before, after = open_file(source), open_file(trial)
        found = compare_latency({"float": lambda: before(rows), "dynamic": lambda: after(rows)}, repeats=10)
    count, slower = len(next(iter(rows.values()))), 1 / found["dynamic"].ratio
    why = (
        f"measured here on {count} rows: {found['dynamic'].microseconds:,.0f} µs in dynamic int8 against "
        f"{found['float'].microseconds:,.0f} µs in float, {slower:.1f} times as long"
    )
    names = ", ".join(each.name for each in convolutions[:3]) + (" …" if len(convolutions) > 3 else "")
    fix = "int8: static, which makes them faster; or keep them float by int8_skip"
    raise RequestError(f"convolutions are slow in dynamic int8 ({names})", where=where, why=why, fix=fix)
