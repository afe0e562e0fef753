"""Several metrics as one: names, joining, what was called otherwise."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import trainwright.metrics.base
from trainwright.config.errors import ConfigError
from trainwright.config.model import PartConfig
from trainwright.metrics import Outcome, compute_one
from trainwright.metrics.asked import named_metrics
from trainwright.metrics.base import Metric
from trainwright.metrics.group import MetricGroup, as_metric
from trainwright.metrics.objects import ObjectMetric
from trainwright.metrics.whole import WholeOutputs

OUTPUTS = {"output": torch.tensor([[2.0, 1.0], [0.0, 1.0], [1.0, 0.0]]), "target": torch.tensor([0, 1, 1])}


class Rows(Metric):
    """How many rows were seen."""

    def update(self, outputs: Mapping[str, Tensor], batch: Any = None) -> None:
        self.add(rows=len(outputs["target"]))

    def compute(self) -> float:
        return float(self.sums["rows"])


class Kept:
    """As torchmetrics has it: states by name with their defaults."""

    higher_is_better = True

    def __init__(self) -> None:
        self._defaults = {"hits": torch.zeros(()), "seen": list[Tensor]()}
        self.reset()

    def reset(self) -> None:
        self.hits, self.seen, self._update_count = torch.zeros(()), list[Tensor](), 0

    def update(self, output: Tensor, target: Tensor) -> None:
        self.hits = self.hits + (output.argmax(1) == target).sum()
        self.seen.append(target)
        self._update_count += 1

    def compute(self) -> Tensor:
        return self.hits / len(torch.cat(self.seen))

    def merge_state(self, other: Any) -> None:
        self.hits, self.seen = self.hits + other.hits, self.seen + other.seen


def group() -> MetricGroup:
    made = named_metrics(["accuracy", "f1", Kept(), lambda output, target: len(target)], "category")
    found = as_metric({"": made, "pixels": named_metrics(["accuracy"], "category"), "rows": Rows()})
    assert isinstance(found, MetricGroup)
    return found


def test_numbers_are_called_by_the_key_and_their_own_name() -> None:
    metric = group()
    metric.update(OUTPUTS)
    values = metric.compute()
    assert list(values) == ["lambda", "Kept", "accuracy", "f1", "pixels.accuracy", "rows"]
    assert values["accuracy"] == values["pixels.accuracy"] == 2 / 3 and values["Kept"] == pytest.approx(2 / 3)
    assert values["rows"] == values["lambda"] == 3
    assert metric.higher_is_better("pixels.accuracy") and metric.higher_is_better("Kept") and metric.higher_is_better("rows") is None
    assert "sums and counts" in metric.holds and "the outputs of all rows" in metric.holds


def test_a_group_joined_saved_and_loaded_is_the_group_of_all_rows() -> None:
    whole = group()
    whole.update(OUTPUTS)
    shards = []
    for start, end in ((0, 1), (1, 3)):
        shard = group()
        shard.update({name: each[start:end] for name, each in OUTPUTS.items()})
        again = group()
        again.load({name: each.clone() for name, each in shard.tensors().items()})
        shards.append(again)
    shards[0].merge(shards[1:])
    assert shards[0].compute() == whole.compute()
    whole.load({})
    whole.update(OUTPUTS)
    assert whole.compute()["rows"] == 3


def test_what_is_no_metric_or_has_a_name_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="a str is no metric"):
        as_metric({"accuracy": "accuracy"})
    twice = as_metric([Rows(), Rows()])
    twice.update(OUTPUTS)
    with pytest.raises(ConfigError, match="two metrics are called 'Rows'"):
        twice.compute()
    with pytest.raises(ConfigError, match="metrics returned a str"):
        as_metric({"x": WholeOutputs(lambda outputs: "no")}).compute()


def test_an_object_without_states_says_that_it_begins_anew(caplog: pytest.LogCaptureFixture) -> None:
    class Bare(Kept):
        def __init__(self) -> None:
            super().__init__()
            self._defaults = {}

    metric = ObjectMetric("bare", Bare(), lambda outputs: (outputs["output"], outputs["target"]))
    metric.update(OUTPUTS)
    assert list(metric.tensors()) == ["updates"] and "begins anew" in caplog.text


def test_names_of_before_are_known_with_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.warns(DeprecationWarning, match="is now trainwright.metrics.formulas.Additive"):
        assert trainwright.metrics.base.Additive.__name__ == "Additive"
    lines = ["from trainwright.metrics.base import Metric", "class Halves(Metric):"]
    lines += ["    def measure(self, outcome):", "        return len(outcome) / 2"]
    (tmp_path / "old_metric.py").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.warns(DeprecationWarning, match="Halves: derive it from"):
        found = compute_one(Outcome("binary", np.array([0, 1, 1]), np.array([0.1, 0.9, 0.4])), PartConfig(type="old_metric:Halves"))
    assert found == 1.5
    sys.modules.pop("old_metric", None)
