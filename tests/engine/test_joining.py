"""Pieces of a batch that do not join into the loss of the whole are said before step 1, and only those."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

import trainwright as tw

G = torch.Generator().manual_seed(0)
TOKENS = torch.randint(0, 7, (60, 9), generator=G)
LABELS = torch.where(torch.arange(9)[None] < torch.randint(1, 9, (60, 1), generator=G), TOKENS, -100)
SAID = "for their micro-batches joined"


class Ragged(tw.System):
    """A token model whose loss is the mean over the tokens that count, given in several ways."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how, self.embedding, self.out, self.dropout = how, nn.Embedding(7, 8), nn.Linear(8, 7), nn.Dropout(0.5)
        self.norm, self.calls = nn.BatchNorm1d(8), 0

    def training_step(self, batch: Any, context: Any) -> Any:
        self.calls += 1
        hidden = self.embedding(batch["input"])
        if self.how in ("dropout", "batch norm"):
            hidden = self.dropout(hidden) if self.how == "dropout" else self.norm(hidden.transpose(1, 2)).transpose(1, 2)
        scores, labels = self.out(hidden).transpose(1, 2), batch["target"]
        if self.how == "noise":
            scores = scores + torch.rand_like(scores)
        if self.how in ("mean", "noise"):
            return cross_entropy(scores, labels)
        if self.how == "mask by hand":
            each, kept = cross_entropy(scores, labels, reduction="none"), labels != -100
            return (each * kept).sum() / kept.sum()
        if self.how == "sum and count":
            return tw.Loss(cross_entropy(scores, labels, reduction="sum"), (labels != -100).sum())
        return cross_entropy(scores, labels, reduction="none").mean()  # over rows, padding at 0


def log_of(system: Any, place: Path, **more: Any) -> str:
    torch.manual_seed(0)
    options = {"batch_size": 25, "micro_batch_size": 5, "max_steps": 2, "optimizer": "sgd", **more}
    tw.fit(system, (TOKENS, LABELS), run_dir=place, console=False, **options)
    return (place / "log.txt").read_text()


@pytest.mark.parametrize("how", ["mean", "mask by hand"])
def test_a_mean_over_ragged_tokens_is_said_with_its_fix(how: str, tmp_path: Path) -> None:
    log = log_of(Ragged(how), tmp_path / "run")
    assert "WARNING" in log and SAID in log and "tw.Loss(total, count)" in log


@pytest.mark.parametrize("how", ["sum and count", "mean over rows", "dropout", "batch norm", "noise"])
def test_what_joins_exactly_or_differs_by_chance_is_not_said(how: str, tmp_path: Path) -> None:
    assert SAID not in log_of(Ragged(how), tmp_path / "run")


def test_without_micro_batches_nothing_is_tried(tmp_path: Path) -> None:
    system = Ragged("mean")
    assert SAID not in log_of(system, tmp_path / "run", micro_batch_size=25)


def test_trying_changes_neither_weights_nor_counts(tmp_path: Path) -> None:
    system = Ragged("mean")
    log_of(system, tmp_path / "run", max_steps=3, micro_batch_size=12)
    assert system.calls == 3 + 3 + 1, "two batches of 25 rows in pieces of 12, and one of 10"
    assert float(system.norm.num_batches_tracked) == 0


class Net(nn.Module):
    """The same as a plain module."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.out = nn.Embedding(7, 8), nn.Linear(8, 7)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.embedding(x)).transpose(1, 2)  # type: ignore[no-any-return]


def test_a_plain_function_is_said_and_the_loss_of_that_name_is_exact(tmp_path: Path) -> None:
    def own(output: Tensor, target: Tensor) -> Tensor:
        return cross_entropy(output, target) + 0.0

    assert SAID in log_of(Net(), tmp_path / "function", loss=own)
    assert SAID not in log_of(Net(), tmp_path / "name", loss="cross_entropy")


class Returning(nn.Module):
    """As a model of Hugging Face: it takes labels and returns its loss."""

    def __init__(self) -> None:
        super().__init__()
        self.net = Net()

    def forward(self, input_ids: Tensor, labels: Tensor) -> dict[str, Tensor]:
        return {"loss": cross_entropy(self.net(input_ids), labels)}


def test_a_model_that_returns_its_loss_over_tokens_is_exact(tmp_path: Path) -> None:
    rows = [{"input_ids": one, "labels": other} for one, other in zip(TOKENS, LABELS, strict=True)]
    options: dict[str, Any] = {"batch_size": 25, "micro_batch_size": 5, "max_steps": 2, "console": False}
    tw.fit(Returning(), rows, run_dir=tmp_path / "run", **options)
    assert SAID not in (tmp_path / "run" / "log.txt").read_text()


def test_a_lightning_module_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lightning = pytest.importorskip("lightning")

    class Module(lightning.LightningModule):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.net, self.calls = Net(), 0

        def training_step(self, batch: Any, index: int) -> Tensor:
            self.calls += 1
            loss = cross_entropy(self.net(batch[0]), batch[1])
            self.log("own", loss)
            return loss

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    module = Module()
    with caplog.at_level(logging.WARNING):
        log = log_of(module, tmp_path / "run")
    assert SAID in log and module.calls == 2 * 5


@pytest.mark.parametrize("how, accumulation, said", [("mean", 3, True), ("mean", 1, False), ("rows", 3, False)])
def test_ready_batches_that_make_a_step_together_are_compared_too(
    how: str, accumulation: int, said: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Rows(Ragged):
        def training_step(self, batch: Any, context: Any) -> Any:
            return super().training_step(batch, context) if how == "mean" else self.embedding(batch["input"]).pow(2).mean()

    rows = [{"input": tokens, "target": labels} for tokens, labels in zip(TOKENS, LABELS, strict=True)]
    loader = DataLoader(rows, batch_size=6, shuffle=True)  # type: ignore[arg-type]
    with caplog.at_level(logging.WARNING):
        tw.fit(Rows("mean"), loader, max_steps=2, accumulation=accumulation, run_dir=tmp_path / "run", console=False)
    assert (SAID in caplog.text) == said
