"""Which layer suffers by how much: each alone in int8, beside the float file, on the same rows."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainwright.deploy.int8.layers import Layer
from trainwright.deploy.int8.quantizing import Feed, write_dynamic, write_static

Open = Callable[[Path], Callable[[Feed], dict[str, np.ndarray]]]
"""A file → what answers with it."""


@dataclass(frozen=True)
class Damage:
    """What one layer in int8 does to the outputs: `error` is the root mean square of the differences over that of the float outputs
    about their mean (0 is none, 1 as large as what the model says), `changed` the share of rows with another decision (0 to 1)."""

    layer: Layer
    error: float
    changed: float


def measure_sensitivity(
    source: Path, layers: Sequence[Layer], feeds: Iterable[Feed], rows: Sequence[Feed], open_file: Open, ranges: str = "", most: int = 64
) -> list[Damage]:
    """The damage of each layer alone, the worst first; `ranges` as for `write_static`, or "" for dynamic int8.

    Ranges are calibrated once, on `feeds`; the outputs are compared on `rows`. Of more than `most` layers the largest are measured.
    """
    layers = sorted(layers, key=lambda each: -each.values)[:most]
    before, found = _answers(open_file(source), rows), []
    with tempfile.TemporaryDirectory(prefix="trainwright-int8-") as folder:
        cache, alone = Path(folder) / "ranges.json", Path(folder) / "alone.onnx"
        if ranges:
            write_static(source, alone, layers, feeds, ranges, cache)
        for layer in layers:
            if ranges:
                write_static(source, alone, [layer], (), ranges, cache)
            else:
                write_dynamic(source, alone, [layer])
            after = _answers(open_file(alone), rows)
            found.append(Damage(layer, relative_error(before, after), changed_share(before, after)))
    return sorted(found, key=lambda each: (-each.changed, -each.error))


def _answers(answer: Callable[[Feed], dict[str, np.ndarray]], rows: Sequence[Feed]) -> dict[str, np.ndarray]:
    pieces = [answer(each) for each in rows]
    return {name: np.concatenate([each[name] for each in pieces]) for name in pieces[0]}


def relative_error(before: dict[str, np.ndarray], after: dict[str, np.ndarray]) -> float:
    """The root mean square of the differences of float outputs, over that of the first about their mean by output; the largest of them."""
    found = [0.0]
    for name, each in before.items():
        if each.dtype.kind == "f" and each.size:
            spread = float(np.sqrt(np.mean((each - each.mean(axis=0)) ** 2)))
            found.append(float(np.sqrt(np.mean((after[name].astype(np.float64) - each) ** 2))) / (spread or 1.0))
    return max(found)


def changed_share(before: dict[str, np.ndarray], after: dict[str, np.ndarray]) -> float:
    """The share of rows with another class: a whole or Boolean output, or, where there is none, the place of the largest of several."""
    changed = [np.zeros(0, bool)]
    whole = [name for name, each in before.items() if each.dtype.kind in "iub"]
    for name, each in before.items():
        if name in whole:
            changed.append((each != after[name]).reshape(len(each), -1).any(axis=1))
        elif not whole and each.ndim == 2 and each.shape[1] > 1:
            changed.append(each.argmax(axis=1) != after[name].argmax(axis=1))
    longest = max(changed, key=len)
    return float(np.mean(np.any([each for each in changed if len(each) == len(longest)], axis=0))) if len(longest) else 0.0
