"""Columns as modules: what they give of raw tensors is what columns encode, bit for bit but where a logarithm or a sine is taken."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from trainwright.config.choice import choose
from trainwright.config.registry import build
from trainwright.features.traced.base import traced_column
from trainwright.features.traced.dates import civil, days_before

ROWS = 400
ROUNDED = {"date", "log", "quantile"}
"""Where torch's and numpy's functions may differ in the last bit of float64, and so in the last of float32."""


def numbers(spread: float = 1.0) -> list[float | None]:
    random = np.random.default_rng(0)
    values = (random.normal(size=ROWS) * spread).round(3).tolist()
    return [None if place % 17 == 3 else value for place, value in enumerate(values)]


def some(words: list[str], low: int, high: int, joined: str) -> list[str | None]:
    random = np.random.default_rng(1)
    rows = [joined.join(random.choice(words, random.integers(low, high))) for _ in range(ROWS)]
    return [None if place % 13 == 5 else row for place, row in enumerate(rows)]


def dates() -> list[str | None]:
    random = np.random.default_rng(2)
    days = [datetime.datetime(1583, 1, 1) + datetime.timedelta(seconds=int(each)) for each in random.integers(0, 22_000_000_000, ROWS)]
    days[:4] = [
        datetime.datetime(2000, 2, 29),
        datetime.datetime(1900, 3, 1),
        datetime.datetime(1970, 1, 1),
        datetime.datetime(2024, 12, 31),
    ]
    return [None if place % 19 == 7 else each.isoformat(sep=" ") for place, each in enumerate(days)]


WORDS = ["red", "green", "blue", "small", "large", "old"]
VECTORS = [None if place % 11 == 2 else [float(place), place / 3, -1.5] for place in range(ROWS)]
SERIES = [None if place % 11 == 2 else [place / 7] * (place % 9) for place in range(ROWS)]
YES = ["yes" if place % 3 else "no" for place in range(ROWS)]
CASES: dict[str, tuple[dict[str, Any], list[Any]]] = {
    "number": ({"type": "number", "scale": "standard"}, numbers()),
    "number by the range": ({"type": "number", "scale": "minmax"}, numbers()),
    "number by quartiles": ({"type": "number", "scale": "robust"}, numbers()),
    "number as it is": ({"type": "number", "scale": "none", "missing": "mean"}, numbers()),
    "number and a constant": ({"type": "number", "missing": "constant", "fill": 7.0}, numbers()),
    "log": ({"type": "number", "scale": "log"}, numbers(1000)),
    "quantile": ({"type": "number", "scale": "quantile", "output": "normal"}, numbers()),
    "uniform quantiles": ({"type": "number", "scale": "quantile", "output": "uniform"}, numbers()),
    "binary": ({"type": "binary"}, [None if place % 17 == 3 else each for place, each in enumerate(YES)]),
    "binary and the mode": ({"type": "binary", "missing": "mode"}, [None if place % 17 == 3 else each for place, each in enumerate(YES)]),
    "category": ({"type": "category", "min_count": 40}, some(WORDS, 1, 2, "")),
    "category and the mode": ({"type": "category", "missing": "mode"}, some(WORDS, 1, 2, "")),
    "set": ({"type": "set"}, some(WORDS, 1, 4, "|")),
    "bag": ({"type": "bag"}, some(WORDS, 1, 6, " ")),
    "sequence": ({"type": "sequence", "max_length": 3}, some(WORDS, 1, 6, " ")),
    "the end of a sequence": ({"type": "sequence", "max_length": 3, "keep": "last"}, some(WORDS, 1, 6, " ")),
    "text": ({"type": "text"}, some(WORDS, 1, 6, " the ")),
    "vector": ({"type": "vector"}, VECTORS),
    "timeseries": ({"type": "timeseries", "max_length": 5}, SERIES),
    "the end of a timeseries": ({"type": "timeseries", "max_length": 5, "keep": "last"}, SERIES),
    "date": ({"type": "date"}, dates()),
    "date and a constant": ({"type": "date", "missing": "constant", "fill": "2020-02-29"}, dates()),
}


@pytest.mark.parametrize("case", CASES)
def test_the_module_of_a_column_gives_what_the_column_encodes(case: str) -> None:
    options, values = CASES[case]
    feature = build("feature", choose("feature", options), name="x", target=False)
    array = pa.array(values)
    feature.fit([array.slice(0, 300)])
    rows = np.arange(ROWS)
    strange = {"binary": "perhaps", "category": "pink", "set": "pink|red", "bag": "pink red", "sequence": "pink red", "text": "pink red"}
    if options["type"] in strange:
        array = pa.array([*values[:-1], strange[options["type"]]])
    module = traced_column(feature).eval()
    raw = {name: torch.from_numpy(np.array(each)) for name, each in module.read(feature, array, rows).items()}
    assert {name: (each.dtype, each.dim()) for name, each in raw.items()} == {
        name: (each.dtype, each.dim()) for name, each in module.example(2, 3).items()
    }
    found, expected = module(raw), feature.encode(array, rows)
    assert found.keys() == expected.keys() == feature.layout().keys()
    for part, wanted in expected.items():
        given = found[part].numpy()
        assert given.dtype == feature.layout()[part].dtype and given.shape == wanted.shape, part
        if case.partition(" ")[0] in ROUNDED:
            np.testing.assert_allclose(given, wanted, rtol=0, atol=1.2e-7 * max(1.0, float(np.abs(wanted).max())))  # the last bit
        else:
            assert np.array_equal(given, wanted), part
    assert np.mean([np.mean(found[part].numpy() == wanted) for part, wanted in expected.items()]) > 0.99


def test_the_calendar_is_that_of_numpy() -> None:
    days = np.concatenate([np.arange(-400_000, 400_000, 37), np.arange(-1000, 1000)]).astype("M8[D]")
    year, month, day = (each.numpy() for each in civil(torch.from_numpy(days.astype(np.int64))))
    assert np.array_equal(year, days.astype("M8[Y]").astype(np.int64) + 1970)
    assert np.array_equal(month - 1, (days.astype("M8[M]") - days.astype("M8[Y]")).astype(np.int64))
    assert np.array_equal(day - 1, (days - days.astype("M8[M]").astype("M8[D]")).astype(np.int64))
    starts = days_before(torch.from_numpy(year)).numpy()
    assert np.array_equal(starts, days.astype("M8[Y]").astype("M8[D]").astype(np.int64))
