"""A type of column that is somebody else's is refused before training where its model could not be used afterwards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import trainwright as tw
from trainwright.config.errors import ConfigError
from trainwright.data.source import TableSource
from trainwright.features.base import Counts, Feature, PartLayout, nulls
from trainwright.features.number import NumberFeature
from trainwright.features.options import FeatureConfig, NumberOptions
from trainwright.features.own_types import ensure_remembered

VALUES = [1.0, 2.0, None, 6.0]
ROWS = np.arange(len(VALUES))


class Centred(Feature):
    """Numbers less their mean, with `missing` where asked for; nothing is left out."""

    kind = "centred"
    remembers = ("mean",)

    def __init__(self, config: FeatureConfig, name: str, target: bool = False) -> None:
        super().__init__(config, name, target)
        self.total, self.mean = 0.0, 0.0

    def observe(self, values: pa.Array, rows: np.ndarray) -> None:
        self.fitted_rows += len(values)
        self.missing_in_training += values.null_count
        self.total += float(np.nansum(values.to_numpy(zero_copy_only=False)))

    def finish(self) -> None:
        self.mean = self.total / (self.fitted_rows - self.missing_in_training)

    def layout(self) -> dict[str, PartLayout]:
        return {name: PartLayout((), np.float32) for name in (["value", "missing"] if self.has_indicator else ["value"])}

    def encode(self, values: pa.Array, rows: np.ndarray, counts: Counts | None = None) -> dict[str, np.ndarray]:
        absent = nulls(values)
        self.note_missing(absent, rows, counts)
        numbers = values.to_numpy(zero_copy_only=False).astype(np.float64) - self.mean
        parts = {"value": np.nan_to_num(numbers).astype(np.float32)}
        return {**parts, "missing": np.zeros(len(values), np.float32) + (0 if absent is None else absent)} if self.has_indicator else parts


class Forgetful(Centred):
    """Its mean is 0 once it is read back."""

    remembers = ()


class Unprepared(Centred):
    """It has no mean once it is read back."""

    remembers = ()

    def __init__(self, config: FeatureConfig, name: str, target: bool = False) -> None:
        super().__init__(config, name, target)
        del self.mean


class NotJson(Centred):
    """Its mean is no plain number."""

    def finish(self) -> None:
        super().finish()
        self.mean = np.float32(self.mean)


class Uncounted(Centred):
    """It does not say how many rows it saw."""

    def observe(self, values: pa.Array, rows: np.ndarray) -> None:
        self.total += float(np.nansum(values.to_numpy(zero_copy_only=False)))

    def finish(self) -> None:
        self.mean = self.total


class Silent(Centred):
    """It tells the model nothing of what is missing."""

    def layout(self) -> dict[str, PartLayout]:
        return {"value": PartLayout((), np.float32)}


def tried(kind: type[Feature], config: FeatureConfig) -> int:
    values = pa.array(VALUES)
    feature = kind(config, "x")
    feature.fit([values])
    ensure_remembered({"x": feature}, TableSource(pa.table({"x": values}), "rows"), ROWS)
    return feature.fitted_rows


@pytest.mark.parametrize("missing", ["auto", "indicator", "mean"])
def test_a_type_that_remembers_what_it_was_fitted_to_is_taken(missing: str) -> None:
    assert tried(Centred, FeatureConfig(type="centred", missing=missing)) == len(VALUES)
    assert tried(NumberFeature, NumberOptions(missing=missing)) == len(VALUES)


@pytest.mark.parametrize(
    ("kind", "what", "why"),
    [
        (Forgetful, "forgets what it was fitted to", "it remembers nothing"),
        (Unprepared, "cannot be made again of its state", "no attribute 'mean'"),
        (NotJson, "cannot be made again of its state", "float32 is not JSON serializable"),
        (Uncounted, "does not count the rows it observes", "missing: auto"),
    ],
)
def test_a_type_that_does_not_is_refused_with_what_to_do(kind: type[Feature], what: str, why: str) -> None:
    with pytest.raises(ConfigError, match=what) as caught:
        tried(kind, FeatureConfig(type="centred"))
    assert kind.__name__ in caught.value.what and why in caught.value.why and caught.value.fix
    assert caught.value.where == "columns.x"


def test_a_policy_that_a_type_does_not_follow_is_refused() -> None:
    tried(Silent, FeatureConfig(type="centred"))
    with pytest.raises(ConfigError, match="no part `missing`, so that missing=indicator does nothing"):
        tried(Silent, FeatureConfig(type="centred", missing="indicator"))


def test_it_is_refused_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(NumberFeature, "__module__", "elsewhere")
    monkeypatch.setattr(NumberFeature, "remembers", ("filling", "edges", "transform", "center", "spread"))
    with pytest.raises(ConfigError, match="elsewhere:NumberFeature"):
        tw.train({"x": [1.0, 2.5, 3.0, 4.0] * 20, "y": ["a", "b"] * 40}, target="y", run={"dir": "runs/x"})
    assert not Path("runs").exists()
