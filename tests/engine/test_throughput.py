"""Operations are counted as they are worked out by hand, and set against the device's own peak."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from engine_runs import StopAt, fit, same, weights

from trainwright.config.errors import Interrupted
from trainwright.engine.callbacks import Callback
from trainwright.engine.callbacks.options import ThroughputOptions
from trainwright.engine.callbacks.peak_flops import PEAKS, measured_peak, peak_of
from trainwright.engine.callbacks.throughput import Throughput
from trainwright.tracking.csv import read_rows

PER_ROW = 2 * (5 * 8) * 2 + 2 * (8 * 2) * 3
"""Of a row through 5 → 8 → 2: a product forwards, one for the weights' gradient, and one for the gradient of the second layer's inputs."""


@pytest.mark.parametrize("micro", [None, 3])
def test_the_operations_of_a_row_are_those_of_its_matrix_products(micro: int | None, tmp_path: Path) -> None:
    throughput = Throughput(ThroughputOptions(peak=1e9))
    trained, _ = fit(tmp_path / "with", callbacks=[throughput], micro_batch_size=micro)
    assert throughput.per_row == PER_ROW
    for row in read_rows(tmp_path / "with/metrics.csv"):
        assert row["throughput/flops_per_second"] == pytest.approx(PER_ROW * row["throughput/samples_per_second"])
        assert row["throughput/mfu"] == pytest.approx(row["throughput/flops_per_second"] / 1e9)
    plain, _ = fit(tmp_path / "without", micro_batch_size=micro)
    assert same(weights(plain), weights(trained))


def test_steps_and_samples_are_over_the_time_of_training_since_the_last_row(tmp_path: Path) -> None:
    class Slow(Callback):
        def on_train_batch_start(self, session: Any, system: Any, batch: Any, index: int) -> None:
            import time

            time.sleep(0.02)

    fit(tmp_path, callbacks=[Slow(), Throughput(ThroughputOptions(flops=False))], train_rows=48, max_epochs=2)
    for row in read_rows(tmp_path / "metrics.csv"):
        assert 10 < row["throughput/steps_per_second"] <= 50  # a step takes 20 ms at least
        assert row["throughput/samples_per_second"] == pytest.approx(8 * row["throughput/steps_per_second"])


def test_a_run_that_continues_counts_no_second_time(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        fit(tmp_path, callbacks=[Throughput(), StopAt(4)])
    again = Throughput()
    seen: list[Any] = []

    class Sees(Callback):
        def on_train_batch_start(self, session: Any, system: Any, batch: Any, index: int) -> None:
            seen.append((again.per_row, again._counter))

    fit(tmp_path, callbacks=[again, Sees()], resume=True)
    assert set(seen) == {(PER_ROW, None)}


def test_a_step_that_another_callback_left_out_is_not_counted(tmp_path: Path) -> None:
    class Leaves(Callback):
        def on_train_batch_start(self, session: Any, system: Any, batch: Any, index: int) -> int | None:
            return -1 if session.batches_seen == 0 else None

    throughput = Throughput()
    fit(tmp_path, callbacks=[throughput, Leaves()], recovery={"limit": 99})
    assert throughput.per_row == PER_ROW


def test_a_run_that_fails_leaves_no_counter_behind(tmp_path: Path) -> None:
    class Fails(Callback):
        def on_before_optimizer_step(self, session: Any, system: Any) -> None:
            raise RuntimeError("an error")

    throughput = Throughput()
    with pytest.raises(RuntimeError, match="an error"):
        fit(tmp_path, callbacks=[throughput, Fails()])
    assert throughput._counter is None
    assert not torch.utils._python_dispatch._len_torch_dispatch_stack()


@pytest.mark.parametrize(
    ("name", "precision", "tera"),
    [
        ("NVIDIA A100-SXM4-80GB", "bf16", 312),
        ("NVIDIA A100-PCIE-40GB", "tf32", 156),
        ("NVIDIA H100 80GB HBM3", "bf16", 989.4),
        ("NVIDIA H100 PCIe", "bf16", 756),
        ("NVIDIA H100 NVL", "fp16", 835.5),
        ("NVIDIA H200", "fp32", 67),
        ("NVIDIA L4", "bf16", 121),
        ("NVIDIA L40S", "bf16", 362.05),
        ("Tesla T4", "fp16", 65),
        ("Tesla V100-SXM2-16GB", "fp16", 125),
        ("Tesla V100-PCIE-16GB", "fp16", 112),
        ("NVIDIA GeForce RTX 3090", "bf16", 71),
        ("NVIDIA GeForce RTX 4090", "fp16", 165.2),
        ("NVIDIA RTX A6000", "tf32", 77.4),
        ("NVIDIA RTX 6000 Ada Generation", "fp32", 91.1),
        ("AMD Instinct MI300X", "bf16", 1307.4),
    ],
)
def test_the_peak_of_a_device_is_that_of_its_data_sheet(name: str, precision: str, tera: float) -> None:
    assert peak_of(name, precision) == pytest.approx(tera * 1e12)


@pytest.mark.parametrize(
    ("name", "precision"),
    [
        ("NVIDIA GeForce RTX 9999", "bf16"),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", "bf16"),
        ("NVIDIA GeForce RTX 4090 D", "bf16"),
        ("NVIDIA GeForce RTX 3090 Ti", "fp32"),
        ("NVIDIA H200 MIG 1g.18gb", "bf16"),
        ("NVIDIA A10G", "bf16"),
        ("Tesla T4", "bf16"),
        ("Tesla V100-SXM2-16GB", "tf32"),
    ],
)
def test_a_device_or_format_that_is_not_in_the_table_has_no_peak(name: str, precision: str) -> None:
    assert peak_of(name, precision) is None


def test_every_peak_has_a_source_and_lower_precision_is_never_slower() -> None:
    for peak in PEAKS:
        assert peak.source
        assert peak.fp32 <= (peak.tf32 or peak.fp32) <= (peak.half or float("inf"))


def test_the_peak_of_a_cpu_is_measured_and_draws_no_random_number() -> None:
    before = torch.get_rng_state()
    assert measured_peak("fp32", size=256, seconds=0.05) > 1e8
    assert torch.equal(before, torch.get_rng_state())


def test_a_run_on_the_cpu_uses_less_than_its_measured_peak(tmp_path: Path) -> None:
    fit(tmp_path, callbacks=[Throughput()])
    assert all(0 < row["throughput/mfu"] < 1 for row in read_rows(tmp_path / "metrics.csv"))


def test_an_unknown_card_is_named_and_has_no_peak(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    from types import SimpleNamespace

    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Some Card 9")
    session: Any = SimpleNamespace(device=torch.device("cuda", 0), config=SimpleNamespace(precision=SimpleNamespace(type="bf16")))
    throughput = Throughput()
    throughput.on_train_start(session, session)
    assert throughput.peak is None
    assert caplog.text.count("the peak of Some Card 9 at bf16 is not known") == 1


def test_without_a_peak_operations_are_logged_and_no_mfu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainwright.engine.callbacks.throughput.measured_peak", lambda precision: None)
    fit(tmp_path, callbacks=[Throughput()])
    assert all("throughput/flops_per_second" in row and "throughput/mfu" not in row for row in read_rows(tmp_path / "metrics.csv"))
