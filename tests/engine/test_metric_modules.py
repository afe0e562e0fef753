"""What torchmetrics metrics gathered, and the rows that decisions look back at, survive a restart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from engine_runs import StopAt, fit
from torch import nn

from trainwright.config.errors import Interrupted
from trainwright.engine.metric_modules import load_metric_states, metric_states

torchmetrics = pytest.importorskip("torchmetrics")


def measured() -> Any:
    module: Any = nn.Module()
    module.mean, module.order = torchmetrics.MeanMetric(), torchmetrics.AUROC("binary")
    module.never = torchmetrics.SumMetric()
    module.several = torchmetrics.MetricCollection([torchmetrics.Recall("binary"), torchmetrics.Precision("binary")])
    return module


def update(module: Any, seed: int) -> None:
    scores = torch.rand(16, generator=torch.Generator().manual_seed(seed))
    truth = (scores + 0.3 * torch.randn(16, generator=torch.Generator().manual_seed(seed + 99)) > 0.5).long()
    for metric in (module.order, module.several):
        metric.update(scores, truth)
    module.mean.update(scores)


def values(module: Any) -> list[float]:
    return [float(each) for each in (module.mean.compute(), module.order.compute(), *module.several.compute().values())]


@pytest.mark.parametrize("at", range(1, 6))
def test_metrics_go_on_where_they_were_saved_collections_and_lists_of_scores_too(at: int) -> None:
    whole, cut = measured(), measured()
    for seed in range(6):
        update(whole, seed)
        update(cut, seed)
        if seed + 1 == at:
            saved = {name: tensor.clone() for name, tensor in metric_states(cut).items()}
            cut = measured()
            load_metric_states(cut, saved, torch.device("cpu"))
    assert values(cut) == values(whole)
    assert not any(name.startswith("never/") for name in metric_states(whole))


def test_going_back_takes_out_what_was_gathered_since() -> None:
    module = measured()
    load_metric_states(module, metric_states(module), torch.device("cpu"))
    update(module, 1)
    load_metric_states(module, {}, torch.device("cpu"))
    assert metric_states(module) == {}


def test_without_metrics_csv_the_latest_values_of_a_run_are_those_before_the_restart(tmp_path: Path) -> None:
    options: dict[str, Any] = {"trackers": [], "log_every": "2 steps", "evaluate_every": "6 steps", "max_epochs": 4}
    options["checkpoint"] = {"every": "3 steps", "min_interval": "0 s", "name": "at-{step}-{validation/loss:.6f}"}
    _, whole = fit(tmp_path / "whole", **options)
    with pytest.raises(Interrupted):
        fit(tmp_path / "cut", callbacks=[StopAt(17)], **options)
    _, cut = fit(tmp_path / "cut", resume=True, **options)
    assert cut.metrics == whole.metrics
    names = [sorted(each.name for each in (tmp_path / place / "checkpoints").iterdir()) for place in ("whole", "cut")]
    assert names[0] == names[1]
    assert [{name: row[name] for name in row if name.startswith(("train/", "validation/"))} for row in cut.history[-3:]] == [
        {name: row[name] for name in row if name.startswith(("train/", "validation/"))} for row in whole.history[-3:]
    ]
