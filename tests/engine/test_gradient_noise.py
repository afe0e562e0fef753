"""The gradient-noise scale is that of McCandlish et al. (2018) wherever it can be worked out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from engine_runs import config
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from trainwright.config.errors import ConfigError
from trainwright.data.rows import TensorRows
from trainwright.engine.callbacks import Callback
from trainwright.engine.callbacks.gradient_noise import GradientNoise
from trainwright.engine.callbacks.options import GradientNoiseOptions
from trainwright.engine.system import Loss
from trainwright.engine.trainer import Trainer
from trainwright.tracking.csv import read_rows

STILL: dict[str, Any] = {"optimizer": {"type": "sgd", "learning_rate": 0.0}, "log_every": "1 step", "max_epochs": 1}


class Linear(nn.Module):
    """Σ weight · x, so that the gradient of a row is the row; rows may count as several items."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(width, dtype=torch.float64))

    def training_step(self, batch: dict[str, Tensor], context: Any) -> Loss:
        total = (batch["x"] * batch["items"][:, None] @ self.weight).sum()
        return Loss(total, batch["items"].sum() if (batch["items"] != 1).any() else len(batch["x"]))

    def evaluation_step(self, batch: dict[str, Tensor], context: Any) -> dict[str, Tensor]:
        return {"x": batch["x"]}

    def metrics(self, outputs: dict[str, Tensor]) -> dict[str, float]:
        return {"loss": 0.0}


def noise_rows(number: int, width: int = 4, seed: int = 0, items: Tensor | None = None) -> TensorRows:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(number, width, generator=generator, dtype=torch.float64) + 0.5
    return TensorRows({"x": x, "items": torch.ones(number, dtype=torch.float64) if items is None else items})


class Batches(Callback):
    """Keeps the rows of every step."""

    def __init__(self) -> None:
        self.rows: list[tuple[np.ndarray, np.ndarray]] = []

    def on_train_batch_end(self, session: Any, system: Any, batch: Any, index: int) -> None:
        self.rows.append((batch["x"].numpy(), batch["items"].numpy()))


def run(folder: Path, data: TensorRows, options: GradientNoiseOptions, **trainer: Any) -> tuple[list[dict[str, float]], Batches]:
    batches = Batches()
    made = Trainer(config(**(STILL | trainer)), device="cpu", callbacks=[GradientNoise(options), batches], console=False)
    made.fit(Linear(4), data, run=folder)
    return read_rows(folder / "metrics.csv"), batches


def by_hand(x: np.ndarray, items: np.ndarray, size: int) -> tuple[float, float]:
    """|G|² and tr(Σ) by equations A.2 and A.3 of the paper, written for micro-batches of unequal numbers of items."""
    pieces = [slice(start, start + size) for start in range(0, len(x), size)]
    means = [(x[piece] * items[piece, None]).sum(0) / items[piece].sum() for piece in pieces]
    whole = (x * items[:, None]).sum(0) / items.sum()
    small = np.mean([mean @ mean for mean in means])
    inverse, total = np.mean([1 / items[piece].sum() for piece in pieces]), items.sum()
    variance = (small - whole @ whole) / (inverse - 1 / total)
    return (whole @ whole) - variance / total, variance


@pytest.mark.parametrize(("batch", "micro"), [(8, 4), (8, 2), (8, 3), (7, 6)])
@pytest.mark.parametrize("ragged", [False, True])
def test_each_step_gives_the_estimates_of_the_paper(batch: int, micro: int, ragged: bool, tmp_path: Path) -> None:
    items = torch.arange(1.0, 41.0, dtype=torch.float64) if ragged else None
    rows, batches = run(
        tmp_path, noise_rows(40, items=items), GradientNoiseOptions(every=1, decay=0.0), batch_size=batch, micro_batch_size=micro
    )
    compared = 0
    for row, (x, weights) in zip(rows, batches.rows, strict=True):
        if len(x) > micro:
            squared, variance = by_hand(x, weights, micro)
            assert row["gradient_noise/norm_squared"] == pytest.approx(squared, rel=1e-9)
            assert row["gradient_noise/variance"] == pytest.approx(variance, rel=1e-9)
            expected = variance / squared if squared > 0 else float("nan")
            assert row["gradient_noise/scale"] == pytest.approx(expected, rel=1e-9, nan_ok=True)
            compared += 1
    assert compared >= 5


def test_the_running_scale_comes_to_trace_over_squared_norm(tmp_path: Path) -> None:
    data = noise_rows(20_000)
    x = data.take(torch.arange(20_000))["x"].numpy()
    expected = x.var(axis=0, ddof=1).sum() / (x.mean(axis=0) ** 2).sum()
    rows, _ = run(tmp_path, data, GradientNoiseOptions(every=1, decay=0.999), batch_size=20, micro_batch_size=5)
    assert expected == pytest.approx(4.0, rel=0.05)  # unit variance in four directions, a mean of a half in each
    assert rows[-1]["gradient_noise/scale"] == pytest.approx(expected, rel=0.1)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 5), st.integers(1, 4))
def test_both_estimates_are_right_on_average_over_every_way_to_draw_a_batch(seed: int, pieces: int, size: int) -> None:
    """|g|² = |G|² + tr(Σ) / items holds exactly for the expectations; put into the estimators it gives |G|² and tr(Σ) back."""
    from trainwright.engine.callbacks.gradient_noise import GradientNorms

    draw = np.random.default_rng(seed)
    squared, variance = draw.uniform(0.1, 2, 2)
    counts = draw.integers(1, 9, pieces) * size
    found = GradientNorms(rows=int(counts.sum()))
    found.counts = [torch.tensor(float(count), dtype=torch.float64) for count in counts]
    found.norms = [torch.tensor(squared + variance / count, dtype=torch.float64) for count in counts]
    found._before = {0: torch.tensor([np.sqrt(squared + variance / counts.sum())], dtype=torch.float64)}
    assert found.estimates().tolist() == pytest.approx([squared, variance], rel=1e-6)


def test_a_step_made_again_in_smaller_pieces_is_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    plain = Linear.training_step

    def scarce(self: Linear, batch: dict[str, Tensor], context: Any) -> Loss:
        calls.append(len(batch["x"]))
        if len(calls) == 2:
            raise MemoryError
        return plain(self, batch, context)

    monkeypatch.setattr(Linear, "training_step", scarce)
    rows, batches = run(tmp_path, noise_rows(8), GradientNoiseOptions(every=1, decay=0.0), batch_size=8, micro_batch_size=4)
    assert calls == [4, 4, 2, 2, 2, 2]
    squared, variance = by_hand(*batches.rows[0], 2)
    assert rows[0]["gradient_noise/norm_squared"] == pytest.approx(squared, rel=1e-9)
    assert rows[0]["gradient_noise/variance"] == pytest.approx(variance, rel=1e-9)


def test_only_every_nth_step_is_measured(tmp_path: Path) -> None:
    rows, _ = run(tmp_path, noise_rows(48), GradientNoiseOptions(every=3, decay=0.0), batch_size=8, micro_batch_size=4)
    values = [row["gradient_noise/variance"] for row in rows]
    assert values[0] == values[1] == values[2] != values[3] == values[4] == values[5]


def test_a_step_of_one_piece_is_refused_before_step_1_with_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gradient noise cannot be measured(.|\n)*set trainer.micro_batch_size: 4"):
        run(tmp_path, noise_rows(16), GradientNoiseOptions(), batch_size=8)
