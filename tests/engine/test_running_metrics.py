"""What is kept of training outputs between two evaluations: bounded, and the same whenever it was saved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from engine_runs import fit, system
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import trainwright as tw
from trainwright.config.errors import ConfigError
from trainwright.engine.running_metrics import GATHERED_BYTES, RunningMetrics
from trainwright.metrics.base import Metric
from trainwright.metrics.recent import KEPT_BYTES
from trainwright.systems.plain import PlainSystem


def plain(metrics: Any = ("accuracy", "f1", "log_loss", "roc_auc"), classes: int = 3) -> PlainSystem:
    return PlainSystem(nn.Linear(2, classes), ["input"], "cross_entropy", [metrics] if callable(metrics) else list(metrics))


def outputs_of(seed: int, rows: int, classes: int = 3, half: bool = False) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    output = torch.randn(rows, classes, generator=generator)
    return {"output": output.bfloat16() if half else output, "target": torch.randint(0, classes, (rows,), generator=generator)}


def size(tensors: dict[str, Tensor]) -> int:
    return sum(each.nbytes for each in tensors.values())


@settings(max_examples=25, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 900), min_size=1, max_size=40),
    saves=st.sets(st.integers(0, 39)),
    half=st.booleans(),
)
def test_training_metrics_are_the_same_to_the_bit_whenever_they_were_saved(sizes: list[int], saves: set[int], half: bool) -> None:
    whole, cut = RunningMetrics(plain()), RunningMetrics(plain())
    for place, rows in enumerate(sizes):
        for running in (whole, cut):
            running.add(outputs_of(place, rows, half=half))
        if place in saves:
            saved, cut = cut.tensors(), RunningMetrics(plain())
            cut.load({name: tensor.clone() for name, tensor in saved.items()}, torch.device("cpu"))
    assert repr(cut.values()) == repr(whole.values())


def test_rows_are_handed_on_together_after_a_restart_whatever_order_a_file_has_their_names_in() -> None:
    updates: list[int] = []

    class Summed(Metric):
        def update(self, outputs: Mapping[str, Tensor], batch: Any = None) -> None:
            updates.append(len(outputs["z"]))

        def compute(self) -> dict[str, float]:
            return {}

    class Own(tw.System):
        def metrics(self) -> Summed:
            return Summed()

    running = RunningMetrics(Own())
    running.add({"z": torch.zeros(3), "a": torch.zeros(3)})
    saved = running.tensors()
    again = RunningMetrics(Own())
    again.load({name: saved[name] for name in sorted(saved)}, torch.device("cpu"))
    again.add({"z": torch.zeros(4), "a": torch.zeros(4)})
    again.values()
    assert updates == [7]


def test_what_a_checkpoint_holds_of_them_does_not_grow_with_rows_and_classes() -> None:
    running, largest = RunningMetrics(plain(classes=500)), 0
    for seed in range(30):
        running.add(outputs_of(seed, 500, classes=500))
        largest = max(largest, size(running.tensors()))
    assert largest < KEPT_BYTES + GATHERED_BYTES + 50_000
    running.reset()
    assert running.tensors() == {} and running.values() == {}


def test_a_function_of_ones_own_sees_the_recent_rows_within_the_bytes_that_are_kept() -> None:
    seen: list[int] = []

    def share(output: Tensor, target: Tensor) -> float:
        seen.append(len(output))
        return float((output.argmax(dim=1) == target).double().mean())

    running = RunningMetrics(plain(share, classes=100))
    for seed in range(40):
        running.add(outputs_of(seed, 100, classes=100))
    expected = [outputs_of(seed, 100, classes=100) for seed in range(40)]
    rows = KEPT_BYTES // (100 * 4 + 8)
    output, target = (torch.cat([each[name] for each in expected])[-rows:] for name in ("output", "target"))
    assert running.values() == {"share": share(output, target)}
    assert seen == [rows, rows]


def test_outputs_lose_their_graph_and_do_not_hold_what_they_are_a_part_of() -> None:
    running = RunningMetrics(system())
    large = torch.zeros(1_000_000, 2)
    running.add({"output": (torch.ones(3, 2, requires_grad=True) * 2), "target": torch.zeros(3, dtype=torch.int64)})
    running.add({"output": large[:3], "target": torch.zeros(3, dtype=torch.int64)})
    held = [tensor for group in running._groups for piece in group for tensor in piece.values()]
    assert not any(tensor.requires_grad for tensor in held)
    assert all(tensor.untyped_storage().nbytes() < 1000 for tensor in held)


def test_outputs_of_a_system_of_ones_own_that_do_not_fit_together_are_named() -> None:
    class Own(tw.System):
        def metrics(self, outputs: dict[str, Tensor]) -> dict[str, float]:
            return {"rows": float(len(outputs["x"]))}

    running = RunningMetrics(Own())
    running.add({"x": torch.zeros(3, 2)})
    running.add({"x": torch.zeros(4, 2)})
    assert running.values() == {"rows": 7.0}
    running.add({"x": torch.zeros(3, 5)})
    with pytest.raises(ConfigError, match="outputs of two batches do not fit together"):
        running.values()


def test_the_loss_of_an_evaluation_row_is_over_the_rows_since_the_last_evaluation(tmp_path: Any) -> None:
    _, result = fit(tmp_path, max_epochs=None, max_steps=12, log_every="4 steps", evaluate_every="6 steps", batch_size=8, train_rows=48)
    _, every = fit(
        tmp_path / "every", max_epochs=None, max_steps=12, log_every="1 step", evaluate_every="100 steps", batch_size=8, train_rows=48
    )
    by_step = {row["step"]: row["train/loss"] for row in every.history[:11]}
    loss = {row["step"]: row["train/loss"] for row in result.history}
    assert loss[4] == pytest.approx(sum(by_step[step] for step in range(1, 5)) / 4, rel=1e-6)
    assert loss[6] == pytest.approx(sum(by_step[step] for step in range(1, 7)) / 6, rel=1e-6)
    assert loss[8] == pytest.approx((by_step[7] + by_step[8]) / 2, rel=1e-6)


class InAttributes(tw.Metric):
    """Counts in an attribute of its own, where nothing else can begin it anew."""

    def __init__(self):
        super().__init__()
        self.rows = 0

    def update(self, outputs, batch=None):
        self.rows += len(outputs["target"])

    def compute(self):
        return {"rows": self.rows}


def test_training_rows_are_counted_anew_after_every_evaluation_wherever_they_are_counted(tmp_path):
    x = torch.randn(24, 3)
    y = (x[:, 0] > 0).long()
    options = {"loss": "cross_entropy", "metrics": [InAttributes()], "max_epochs": 3, "console": False}
    result = tw.fit(torch.nn.Linear(3, 2), (x, y), (x, y), batch_size=8, run_dir=tmp_path / "run", **options)
    assert [row["train/rows"] for row in result.history] == [24, 24, 24]
