"""LightningModules run unchanged: the same weights as by hand and as by Lightning's Trainer, every hook, no override passed over."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import trainwright as tw
from trainwright.adapters.lightning.loaders import open_loaders
from trainwright.adapters.lightning.methods import CALLED, OWN, PLAYED, REFUSED
from trainwright.adapters.lightning.optimizers import read_optimizers
from trainwright.adapters.lightning.strategy import NotThere
from trainwright.adapters.lightning.system import LightningSystem, given_by_place, is_datamodule, is_lightning, loaders_of
from trainwright.config.errors import ConfigError, Interrupted, TrainwrightError
from trainwright.data.forms import rows_from
from trainwright.data.order import epoch_order
from trainwright.data.rows import Rows, TensorRows
from trainwright.engine.callbacks import Callback
from trainwright.engine.config import TrainerConfig
from trainwright.engine.result import FitResult
from trainwright.engine.trainer import Trainer
from trainwright.tracking.csv import read_rows


@functools.cache
def lightning() -> Any:
    """Takes seconds to import, so only once a test asks."""
    return pytest.importorskip("lightning.pytorch")


@functools.cache
def classifier() -> Any:
    class Classifier(lightning().LightningModule):
        def __init__(self, dropout: float = 0.0, rate: float = 0.05) -> None:
            super().__init__()
            self.save_hyperparameters()
            self.net = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Dropout(dropout), nn.Linear(8, 2))

        def loss_of(self, batch: Any) -> Tensor:
            x, y = (batch["input"], batch["target"]) if isinstance(batch, dict) else batch
            return functional.cross_entropy(self.net(x), y)

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            return self.loss_of(batch)

        def validation_step(self, batch: Any, batch_idx: int) -> Any:
            self.log("val_loss", self.loss_of(batch))

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=self.hparams.rate)

    return Classifier


def made(kind: Any = None, **options: Any) -> Any:
    torch.manual_seed(7)
    return (kind or classifier())(**options)


def rows(n: int = 48, seed: int = 0) -> TensorRows:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 5, generator=generator)
    return TensorRows({"input": x, "target": (x[:, 0] + x[:, 1] > 0).long()})


class Ready(Rows):
    """Whole batches in their own order, as a loader without shuffling gives them."""

    batched = True

    def __init__(self, batches: list[Any]) -> None:
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def take(self, indices: Tensor) -> Any:
        return self.batches[int(indices[0])]


def batches(n: int = 48, size: int = 8, seed: int = 0) -> list[Any]:
    blocks = rows(n, seed).blocks
    return list(zip(blocks["input"].split(size), blocks["target"].split(size), strict=True))


def fit(
    folder: Path, module: Any, *, train: Any = None, validation: Any = None, test: Any = None, resume: bool = False,
    callbacks: Any = (), datamodule: Any = None, **options: Any,
) -> FitResult:  # fmt: skip
    train = rows() if train is None else train
    given: dict[str, Any] = {"max_epochs": 2, "log_every": "1 steps", "trackers": ["csv"], "early_stopping": None}
    given |= {} if train.batched else {"batch_size": 8}
    trainer = Trainer(TrainerConfig.model_validate(given | options), seed=3, device="cpu", callbacks=callbacks, console=False)
    return trainer.fit(LightningSystem(module, datamodule), train, validation, test, run=folder, resume=resume)


def peer(module: Any, train: list[Any], validation: list[Any] | None = None, **options: Any) -> Any:
    """The same by Lightning's own Trainer."""
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    trainer = lightning().Trainer(accelerator="cpu", devices=1, num_sanity_val_steps=0, **{"max_epochs": 2, **quiet, **options})
    trainer.fit(module, *(None if data is None else torch.utils.data.DataLoader(data, batch_size=None) for data in (train, validation)))
    return trainer


def same(one: Any, other: Any) -> bool:
    pairs = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
    return all(name == again and torch.equal(tensor, twin) for (name, tensor), (again, twin) in pairs)


def close(one: Any, other: Any) -> None:
    for tensor, twin in zip(one.state_dict().values(), other.state_dict().values(), strict=True):
        torch.testing.assert_close(tensor, twin, rtol=1e-6, atol=1e-7)


# the same weights


def test_a_module_trains_to_the_bits_of_a_loop_written_by_hand(tmp_path: Path) -> None:
    mine, by_hand, data = made(), made(), rows()
    fit(tmp_path, mine, train=data)
    optimizer = by_hand.configure_optimizers()
    for epoch in range(2):
        for places in epoch_order(3, epoch, 48).split(8):
            by_hand.training_step(data.take(places), 0).backward()
            optimizer.step()
            optimizer.zero_grad()
    assert same(mine, by_hand)


@pytest.mark.parametrize("kind", ["one_cycle", "plateau"])
def test_a_run_that_was_cut_continues_to_the_same_bits(tmp_path: Path, kind: str) -> None:
    class Scheduled(classifier()):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            loss = self.loss_of(batch)
            self.log("train_loss", loss, on_step=True, on_epoch=True)
            return loss

        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.AdamW(self.parameters(), lr=0.01)
            if kind == "one_cycle":
                scheduler = torch.optim.lr_scheduler.OneCycleLR(
                    optimizer, 0.1, self.trainer.estimated_stepping_batches, cycle_momentum=False
                )
                return [optimizer], [{"scheduler": scheduler, "interval": "step"}]
            scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, threshold=1.0)
            return {"optimizer": optimizer, "lr_scheduler": scheduler, "monitor": "val_loss"}

    whole, cut = made(Scheduled, dropout=0.3), made(Scheduled, dropout=0.3)
    options = {"validation": rows(20, 1), "monitor": "val_loss", "max_epochs": 4}
    fit(tmp_path / "whole", whole, **options)
    with pytest.raises(Interrupted):
        fit(tmp_path / "cut", cut, callbacks=[Stop(8)], **options)
    again = made(Scheduled, dropout=0.3)
    assert fit(tmp_path / "cut", again, resume=True, **options).steps == 24
    assert same(whole, again) and not same(whole, cut)
    assert table(tmp_path / "whole") == table(tmp_path / "cut")


def table(folder: Path) -> list[dict[str, str]]:
    """metrics.csv as text, wall-clock columns aside."""
    clock = ("seconds", "samples_per_second")
    return [{name: repr(value) for name, value in row.items() if name not in clock} for row in read_rows(folder / "metrics.csv")]


class Stop(Callback):
    """Asks for what a signal asks for, after some steps."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, session: Any, system: Any, batch: Any, index: int) -> None:
        if session.step == self.step:
            session.parts.interrupts.request()


@functools.cache
def gan() -> Any:
    class Gan(lightning().LightningModule):
        """Two optimizers by hand, each parameter with a gradient only in its own turn."""

        def __init__(self) -> None:
            super().__init__()
            self.automatic_optimization = False
            self.generator, self.critic = nn.Linear(2, 5), nn.Linear(5, 1)
            self.steps: list[int] = []

        def noise(self, n: int) -> Tensor:
            return torch.randn(n, 2)

        def training_step(self, batch: Any, batch_idx: int) -> None:
            real, _ = batch
            first, second = self.optimizers()
            with first.toggle_model():
                assert not any(each.requires_grad for each in self.critic.parameters())
                loss = self.critic(self.generator(self.noise(len(real)))).mean()
                first.zero_grad()
                self.manual_backward(loss)
                self.clip_gradients(first, gradient_clip_val=0.5, gradient_clip_algorithm="norm")
                first.step()
            self.toggle_optimizer(second)
            gap = self.critic(self.generator(self.noise(len(real))).detach()).mean() - self.critic(real).mean()
            second.zero_grad()
            self.manual_backward(-gap)
            second.step()
            self.untoggle_optimizer(second)
            for scheduler in self.lr_schedulers():
                scheduler.step()
            self.log("gap", gap)
            self.steps.append(self.global_step)

        def configure_optimizers(self) -> Any:
            pair = [torch.optim.Adam(part.parameters(), lr=0.01) for part in (self.generator, self.critic)]
            return pair, [torch.optim.lr_scheduler.StepLR(each, 3, 0.5) for each in pair]

    return Gan


def test_manual_optimization_of_two_optimizers_is_resumed_to_the_same_bits(tmp_path: Path) -> None:
    whole, again = made(gan()), made(gan())
    result = fit(tmp_path / "whole", whole, train=Ready(batches()))
    assert whole.steps[:3] == [2, 4, 6] and "gap" in result.history[-1]
    with pytest.raises(Interrupted):
        fit(tmp_path / "cut", made(gan()), train=Ready(batches()), callbacks=[Stop(5)])
    fit(tmp_path / "cut", again, train=Ready(batches()), resume=True)
    assert same(whole, again) and again.steps[0] == 12
    assert all(each.requires_grad for each in again.parameters())


def test_none_from_a_step_counts_as_one_that_changes_nothing_as_in_lightning(tmp_path: Path) -> None:
    class Sometimes(classifier()):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            return None if batch_idx % 2 else {"loss": self.loss_of(batch), "more": batch_idx}

    result = fit(tmp_path, made(Sometimes), train=Ready(batches()), max_epochs=3)
    assert result.steps == 18 and result.epochs == 3


def test_none_of_one_of_several_batches_of_a_step_leaves_out_that_batch_alone(tmp_path: Path) -> None:
    class Picky(classifier()):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            return None if batch[0].isnan().any() else self.loss_of(batch)

    good, bad = batches(32), (torch.full((8, 5), torch.nan), torch.zeros(8, dtype=torch.long))
    mixed, alone = made(Picky), made(Picky)
    given = [good[0], bad, bad, good[1], bad, bad, good[2], bad, good[3], bad]
    result = fit(tmp_path / "mixed", mixed, train=Ready(given), accumulation=2, max_epochs=1)
    fit(tmp_path / "alone", alone, train=Ready(good), max_epochs=1)
    assert result.steps == 5
    close(mixed, alone)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["plain", "scheduled", "played"])
def test_lightnings_own_trainer_gives_the_same_weights_and_measures(tmp_path: Path, form: str) -> None:
    kind = {"plain": classifier, "scheduled": scheduled, "played": played}[form]()
    mine, theirs = made(kind), made(kind)
    data, held_out = batches(44), batches(20, 8, 1)
    result = fit(tmp_path, mine, train=Ready(data), validation=Ready(held_out), monitor="val_loss", checkpoint={"keep_last": 1})
    trainer = peer(theirs, data, held_out)
    last = Trained(mine, tmp_path)
    close(last, theirs)
    assert result.history[-1]["validation/val_loss"] == pytest.approx(float(trainer.callback_metrics["val_loss"]), rel=1e-6)
    assert trainer.global_step == result.steps


@pytest.mark.slow
def test_lightnings_own_trainer_gives_the_same_weights_with_manual_optimization(tmp_path: Path) -> None:
    class Even(gan()):
        def noise(self, n: int) -> Tensor:
            return torch.linspace(-1, 1, 2 * n).reshape(n, 2)

    data, mine, theirs = batches(), made(Even), made(Even)
    fit(tmp_path, mine, train=Ready(data))
    trainer = peer(theirs, data)
    close(mine, theirs)
    assert mine.steps == theirs.steps and trainer.global_step == 24


class Trained:
    """The weights of the last step, where the module was left with those of the best."""

    def __init__(self, module: Any, run: Path) -> None:
        from safetensors.torch import load_file

        newest = sorted((run / "checkpoints").glob("step-*"))[-1]
        found = load_file(newest / "system.safetensors")
        self._state = {name: found[name] for name in module.state_dict()}

    def state_dict(self) -> dict[str, Tensor]:
        return self._state


@functools.cache
def scheduled() -> Any:
    class Scheduled(classifier()):
        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.AdamW(self.parameters(), lr=0.02)
            scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step", "frequency": 2}}

    return Scheduled


@functools.cache
def played() -> Any:
    class Played(classifier()):
        """Overrides everything that Lightning's loop does within a step."""

        def __init__(self) -> None:
            super().__init__()
            self.calls: list[str] = []

        def backward(self, loss: Tensor) -> None:
            self.calls.append("backward")
            (2 * loss).backward()

        def configure_gradient_clipping(self, optimizer: Any, gradient_clip_val: Any = None, gradient_clip_algorithm: Any = None) -> None:
            self.calls.append("clip")
            self.clip_gradients(optimizer, gradient_clip_val=0.1, gradient_clip_algorithm="norm")

        def optimizer_step(self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Any = None) -> None:
            self.calls.append(f"step {epoch} {batch_idx}")
            optimizer.step(closure=optimizer_closure)
            for group in optimizer.param_groups:
                group["lr"] *= 0.9

        def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: Any) -> None:
            self.calls.append("zero")
            optimizer.zero_grad(set_to_none=False)

        def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
            self.calls.append("scheduler")
            scheduler.step()

        def on_before_optimizer_step(self, optimizer: Any) -> None:
            self.calls.append("before step")

        def on_before_zero_grad(self, optimizer: Any) -> None:
            self.calls.append("before zero")

        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)
            return [optimizer], [{"scheduler": torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.7), "interval": "epoch"}]

    return Played


def test_overrides_within_a_step_are_played_in_lightnings_order_and_resumed_exactly(tmp_path: Path) -> None:
    whole, again = made(played()), made(played())
    fit(tmp_path / "whole", whole)
    step = ["before zero", "zero", "backward", "before step", "clip"]
    assert whole.calls[:7] == ["step 0 0", *step, "step 0 1"]
    assert whole.calls.count("scheduler") == 2
    with pytest.raises(Interrupted):
        fit(tmp_path / "cut", made(played()), callbacks=[Stop(8)])
    fit(tmp_path / "cut", again, resume=True)
    assert same(whole, again)


def test_an_optimizer_step_without_its_closure_is_refused(tmp_path: Path) -> None:
    class Forgets(classifier()):
        def optimizer_step(self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Any = None) -> None:
            pass

    with pytest.raises(TrainwrightError, match="optimizer_step did not call its closure"):
        fit(tmp_path, made(Forgets))


# optimizers


def forms() -> dict[str, Any]:
    parameter = nn.Parameter(torch.zeros(1))
    one = torch.optim.SGD([parameter], lr=0.1)
    step = torch.optim.lr_scheduler.StepLR(one, 1)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(one)
    return {
        "one": (one, []),
        "list": ([one], []),
        "pair": (([one], [step]), [("epoch", 1, None)]),
        "pair of lists": ([[one], [{"scheduler": step, "interval": "step", "frequency": 3}]], [("step", 3, None)]),
        "mapping": ({"optimizer": one, "lr_scheduler": step}, [("epoch", 1, None)]),
        "monitor": ({"optimizer": one, "lr_scheduler": plateau, "monitor": "val_loss"}, [("epoch", 1, "val_loss")]),
        "inner monitor": ({"optimizer": one, "lr_scheduler": {"scheduler": plateau, "monitor": "acc"}}, [("epoch", 1, "acc")]),
        "mappings": ([{"optimizer": one, "lr_scheduler": {"scheduler": step, "interval": "step"}}], [("step", 1, None)]),
    }


@pytest.mark.parametrize("form", list(forms()))
def test_every_form_of_configure_optimizers_is_understood(form: str) -> None:
    given, schedulers = forms()[form]
    found = read_optimizers(given, automatic=True)
    assert len(found.optimizers) == 1
    assert [(each.interval, each.frequency, each.monitor) for each in found.schedulers] == schedulers


def test_wrong_forms_of_configure_optimizers_say_what_to_return() -> None:
    one = forms()["one"][0]
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(one)
    wrong = {
        "a NoneType is no torch optimizer": [None],
        "configure_optimizers made no optimizer": [],
        "2 optimizers need manual optimization": [one, one],
        "unknown key 'lr_schduler'": {"optimizer": one, "lr_schduler": plateau},
        "unknown key 'intervall' of lr_scheduler": {"optimizer": one, "lr_scheduler": {"scheduler": plateau, "intervall": "step"}},
        "ReduceLROnPlateau is not told which metric to hear": {"optimizer": one, "lr_scheduler": plateau},
        "interval 'batch' is unknown": {"optimizer": one, "lr_scheduler": {"scheduler": plateau, "monitor": "a", "interval": "batch"}},
        "StepLR moves an optimizer that was not returned": ([one], [forms()["pair"][0][1][0]]),
    }
    for what, given in wrong.items():
        with pytest.raises(ConfigError) as raised:
            read_optimizers(given, automatic=True)
        assert what in str(raised.value) and "fix:" in str(raised.value)


def test_no_optimizer_and_keys_that_mean_nothing_are_said_and_change_what_they_change_in_lightning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Still(classifier()):
        def configure_optimizers(self) -> Any:
            return None

    module, before = made(Still), made(Still)
    with caplog.at_level(logging.WARNING, "trainwright.systems"):
        assert fit(tmp_path, module, train=Ready(batches())).steps == 12
        one = forms()["one"][0]
        scheduler = {"scheduler": torch.optim.lr_scheduler.StepLR(one, 1), "foo": 1}
        found = read_optimizers({"optimizer": one, "lr_scheduler": scheduler, "zzz": 2}, automatic=True)
    assert same(module, before) and len(found.schedulers) == 1
    assert "configure_optimizers returned None: no weight is changed" in caplog.text
    assert "'foo' of lr_scheduler" in caplog.text and "'zzz' of the optimizer's" in caplog.text


def test_without_configure_optimizers_the_optimizer_of_the_run_is_used(tmp_path: Path) -> None:
    base = lightning().LightningModule

    class Bare(classifier()):
        configure_optimizers = base.configure_optimizers

    result = fit(tmp_path, made(Bare), optimizer={"type": "sgd", "learning_rate": 0.25})
    assert result.history[-1]["learning_rate"] == 0.25


# what is logged


def test_values_of_a_split_are_means_weighted_by_rows_and_can_be_monitored(tmp_path: Path) -> None:
    seen = {}

    class Logs(classifier()):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            loss = self.loss_of(batch)
            self.log_dict({"train_loss": loss, "scaled": 2 * loss}, on_step=True, on_epoch=True, prog_bar=True)
            self.log("most", batch_idx, on_step=False, on_epoch=True, reduce_fx=torch.max)
            return loss

        def validation_step(self, batch: Any, batch_idx: int) -> Any:
            self.log("val_acc", (self.net(batch[0]).argmax(1) == batch[1]).float().mean())
            self.log("val_loss", self.loss_of(batch), on_step=True, on_epoch=True)
            self.log("val_largest", float(batch_idx), reduce_fx="max")
            self.log("val_count", 1.0, reduce_fx="sum")

        def on_validation_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
            self.log("hooked", np.float32(batch_idx))

        def on_validation_epoch_end(self) -> None:
            self.log("at_end", 4.0)

        def on_train_epoch_end(self) -> None:
            seen.update(self.trainer.callback_metrics)

    module, held_out = made(Logs), batches(20, 8, 1)
    result = fit(tmp_path, module, train=Ready(batches()), validation=Ready(held_out), monitor="val_acc", max_epochs=1)
    x, y = (torch.cat(each) for each in zip(*held_out, strict=True))
    row = result.history[-1]
    assert result.monitor == "val_acc"
    assert row["validation/val_acc"] == pytest.approx(float((module.net(x).argmax(1) == y).float().mean()))
    assert row["validation/val_loss"] == row["validation/val_loss_epoch"] == row["validation/loss"]
    assert row["validation/val_loss"] == pytest.approx(float(functional.cross_entropy(module.net(x), y).detach()), rel=1e-5)
    assert (row["validation/val_largest"], row["validation/val_count"], row["validation/at_end"]) == (2.0, 3.0, 4.0)
    assert row["validation/hooked"] == pytest.approx((8 * 0 + 8 * 1 + 4 * 2) / 20)
    assert row["most"] == 5.0 and row["scaled"] == pytest.approx(2 * row["train_loss"])
    losses = [each["train_loss"] for each in result.history]
    assert row["train_loss_epoch"] == pytest.approx(sum(losses) / 6, rel=1e-6)
    assert float(seen["val_acc"]) == pytest.approx(row["validation/val_acc"]) and "train_loss_epoch" in seen


def test_torchmetrics_are_joined_over_the_split_and_begin_anew(tmp_path: Path) -> None:
    torchmetrics = pytest.importorskip("torchmetrics")

    class Measured(classifier()):
        def __init__(self) -> None:
            super().__init__()
            self.held_out = torchmetrics.MeanMetric()
            self.seen = torchmetrics.SumMetric()

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            self.seen(torch.ones(len(batch[0])))
            self.log("rows_seen", self.seen, on_step=False, on_epoch=True)
            return self.loss_of(batch)

        def validation_step(self, batch: Any, batch_idx: int) -> Any:
            self.held_out.update(batch[1].float())
            self.log("val_mean", self.held_out)

        def on_train_epoch_end(self) -> None:
            self.totals = [*getattr(self, "totals", []), float(self.seen.compute())]

    module, held_out = made(Measured), batches(20, 8, 1)
    options = {"monitor": "val_mean", "mode": "min"}
    result = fit(tmp_path, module, train=Ready(batches()), validation=Ready(held_out), **options)
    wanted = float(torch.cat([y for _, y in held_out]).float().mean())
    assert [row["validation/val_mean"] for row in result.history if "validation/val_mean" in row] == pytest.approx([wanted, wanted])
    assert module.totals == [48.0, 48.0]


def test_a_torchmetrics_metric_goes_on_where_a_run_was_stopped_within_an_epoch(tmp_path: Path) -> None:
    torchmetrics = pytest.importorskip("torchmetrics")

    class Measured(classifier()):
        def __init__(self) -> None:
            super().__init__()
            self.seen = torchmetrics.SumMetric()

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            self.seen.update(float(batch_idx))
            self.log("seen", self.seen, on_step=False, on_epoch=True)
            return self.loss_of(batch)

    class Stop(Callback):
        def on_train_batch_end(self, session: Any, system: Any, batch: Any, index: int) -> None:
            if session.step == 9:
                session.parts.interrupts.request()

    with pytest.raises(Interrupted):
        fit(tmp_path, made(Measured), train=Ready(batches()), callbacks=[Stop()], max_epochs=3)
    result = fit(tmp_path, made(Measured), train=Ready(batches()), max_epochs=3, resume=True)
    assert [row["seen"] for row in result.history if "seen" in row] == [15.0, 15.0]


def test_a_loss_that_validation_step_returns_is_measured(tmp_path: Path) -> None:
    class Returns(classifier()):
        def validation_step(self, batch: Any) -> Any:
            return {"loss": self.loss_of(batch)}

    result = fit(tmp_path, made(Returns), validation=rows(20, 1))
    assert result.monitor == "loss" and result.metrics["validation"]["loss"] > 0


def test_what_cannot_be_logged_is_said(tmp_path: Path) -> None:
    class Wrong(classifier()):
        value: Any = torch.zeros(3)
        reduce: Any = "mean"

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            self.log("wrong", self.value, reduce_fx=self.reduce)

    with pytest.raises(TrainwrightError, match=r"self.log\('wrong'\): a tensor of shape \(3,\) is no number"):
        fit(tmp_path / "shape", made(Wrong))
    Wrong.value, Wrong.reduce = 1.0, "median"
    with pytest.raises(TrainwrightError, match="there is no reduction 'median'"):
        fit(tmp_path / "reduce", made(Wrong))


def test_a_monitor_that_validation_never_logs_is_refused_before_the_first_step(tmp_path: Path) -> None:
    module = made()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    with pytest.raises(ConfigError, match=r"there is no metric 'val_los'\n  fix: did you mean 'val_loss'"):
        fit(tmp_path, module, validation=rows(20, 1), monitor="val_los", mode="min")
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())


@pytest.mark.parametrize(("name", "higher"), [("val_loss", False), ("val/acc", True), ("valid_accuracy", True), ("val_thing", None)])
def test_which_way_is_better_is_read_from_a_name(name: str, higher: bool | None) -> None:
    assert LightningSystem(made()).higher_is_better(name) is higher


# hooks


def traced() -> Any:
    calls: list[str] = []

    def recorded(name: str, own: Any) -> Any:
        def hook(self: Any, *arguments: Any, **named: Any) -> Any:
            calls.append(f"{name}/{len(arguments) + len(named)}")
            return own(self, *arguments, **named)

        return hook

    base = classifier()
    hooks = [name for name in CALLED if name.startswith("on_") or name in ("setup", "teardown", "prepare_data", "configure_model")]
    kind = type("Traced", (base,), {name: recorded(name, getattr(base, name)) for name in hooks if "checkpoint" not in name})
    return kind, calls


LATER = {"on_before_zero_grad", "on_validation_model_eval", "on_validation_model_train"}
"""Called elsewhere here, as the page says: after the update, with the gradients still there; within the mode that they are to change."""


@pytest.mark.slow
def test_hooks_are_called_in_lightnings_order_with_its_arguments(tmp_path: Path) -> None:
    (mine, own), (theirs, other) = traced(), traced()
    fit(tmp_path, made(mine), train=Ready(batches(16)), validation=Ready(batches(8)), monitor="val_loss", sanity_check=0)
    peer(made(theirs), batches(16), batches(8))
    transfers = ("batch_transfer", "transfer_batch_to_device")
    own, other = ([each for each in calls if not any(part in each for part in transfers)] for calls in (own, other))
    without = [[each for each in calls if each.split("/")[0] not in LATER] for calls in (own, other)]
    assert without[0] == without[1]
    assert sorted(own) == sorted(other)


def test_every_public_method_of_a_lightning_module_is_called_played_refused_or_its_own() -> None:
    public = {name for name in set(dir(lightning().LightningModule)) - set(dir(nn.Module)) if not name.startswith("_")}
    known = CALLED | set(PLAYED) | set(REFUSED) | OWN
    assert public == known


def test_hooks_for_moving_a_batch_are_called_within_the_step(tmp_path: Path) -> None:
    class Moves(classifier()):
        def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
            return batch[0] * 1.0, batch[1]

        def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
            return [each.to(device) for each in batch]

        def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
            return {"input": batch[0], "target": batch[1]}

        def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
            assert set(batch) == {"input", "target"} and set(outputs) == {"loss"}

    mine, plain = made(Moves), made()
    fit(tmp_path / "moved", mine, train=Ready(batches()))
    fit(tmp_path / "plain", plain, train=Ready(batches()))
    assert same(mine, plain)


def test_a_modes_override_holds_while_a_split_is_measured(tmp_path: Path) -> None:
    class KeepsDropout(classifier()):
        def on_validation_model_eval(self) -> None:
            self.train()

        def validation_step(self, batch: Any, batch_idx: int) -> Any:
            assert self.training
            self.log("val_loss", self.loss_of(batch))

    fit(tmp_path, made(KeepsDropout), validation=rows(20, 1), monitor="val_loss")


# the trainer that a module sees


def test_the_trainer_says_where_the_run_is(tmp_path: Path) -> None:
    seen: dict[str, Any] = {}

    class Asks(classifier()):
        def setup(self, stage: str) -> None:
            assert self.trainer.is_global_zero and self.trainer.world_size == 1 and stage == "fit"

        def configure_optimizers(self) -> Any:
            trainer = self.trainer
            seen["planned"] = (trainer.estimated_stepping_batches, trainer.max_epochs, trainer.max_steps, trainer.num_training_batches)
            return super().configure_optimizers()

        def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
            trainer = self.trainer
            assert trainer.training and not trainer.validating and trainer.optimizers and trainer.state.fn == "fit"
            seen.setdefault("places", []).append((self.current_epoch, self.global_step, batch_idx, trainer.is_last_batch))

        def on_validation_start(self) -> None:
            assert self.trainer.validating != self.trainer.sanity_checking and not self.trainer.training
            seen.setdefault("validated", []).append((self.trainer.sanity_checking, self.current_epoch))

        def on_train_epoch_end(self) -> None:
            seen.setdefault("ended", []).append(self.current_epoch)
            self.logger.log_metrics({"by_logger": 3.0 + self.current_epoch})
            if self.current_epoch == 1:
                self.trainer.should_stop = True

        def on_train_end(self) -> None:
            assert self.device.type == "cpu" and self.trainer.datamodule is None and Path(self.trainer.default_root_dir) == tmp_path
            for missing in ("tuner", "save_checkpoint"):
                with pytest.raises(NotThere) as raised:
                    getattr(self.trainer, missing)
                seen[missing] = str(raised.value)

    result = fit(tmp_path, made(Asks), validation=rows(20, 1), monitor="val_loss", max_epochs=3)
    assert seen["planned"] == (18, 3, -1, 6)
    assert seen["places"][5:7] == [(0, 5, 5, True), (1, 6, 0, False)]
    assert seen["validated"] == [(True, 0), (False, 0), (False, 1)] and seen["ended"] == [0, 1]
    assert "there is no 'trainer.tuner' here" in seen["tuner"] and "available: " in seen["tuner"] and "current_epoch" in seen["tuner"]
    assert result.stopped_because == "trainer.should_stop" and result.history[6]["by_logger"] == 3.0


def test_the_trainer_has_the_loaders_that_were_given_and_the_last_training_batch_after_a_validation(tmp_path: Path) -> None:
    seen: list[Any] = []
    sets = [torch.utils.data.TensorDataset(*rows(24, seed).blocks.values()) for seed in (0, 1)]
    train, validation = (torch.utils.data.DataLoader(each, batch_size=size) for each, size in zip(sets, (4, 8), strict=True))

    class Asks(classifier()):
        def on_train_epoch_end(self) -> None:
            seen.append((self.trainer.is_last_batch, self.trainer.train_dataloader, self.trainer.val_dataloaders))

    tw.fit(made(Asks), train, validation=validation, monitor="val_loss", mode="min", max_epochs=2, run_dir=tmp_path, console=False)
    assert seen == [(True, train, validation)] * 2


def test_the_length_of_the_run_is_not_known_in_setup() -> None:
    class Early(classifier()):
        def setup(self, stage: str) -> None:
            self.steps = self.trainer.estimated_stepping_batches

    with pytest.raises(ConfigError, match=r"the length of the run is not known yet"):
        LightningSystem(made(Early))


def test_a_module_is_left_as_it_was_given_but_for_its_weights(tmp_path: Path) -> None:
    module = made()
    system = LightningSystem(module)
    assert list(system.state_dict()) == list(module.state_dict()) == [name for name, _ in system.named_parameters()]
    assert not isinstance(vars(module).get("log"), type(None))
    fit(tmp_path, module)
    assert module._trainer is None and "log" not in vars(module) and module.training
    with pytest.raises(RuntimeError, match="not attached"):
        _ = module.trainer


def test_submodules_that_are_lightning_modules_log_too(tmp_path: Path) -> None:
    class Outer(lightning().LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.inner = classifier()()

        def training_step(self, batch: Any) -> Any:
            loss = self.inner.loss_of(batch)
            self.inner.log("inner_loss", loss)
            return loss

        def configure_optimizers(self) -> Any:
            return self.inner.configure_optimizers()

    assert "inner_loss" in fit(tmp_path, made(Outer)).history[-1]


# splits, predictions, data modules, checkpoints


def test_test_and_prediction_run_through_the_module(tmp_path: Path) -> None:
    stages: list[str] = []

    class Whole(classifier()):
        def setup(self, stage: str) -> None:
            stages.append(stage)

        def teardown(self, stage: str) -> None:
            stages.append(f"-{stage}")

        def test_step(self, batch: Any, batch_idx: int) -> Any:
            self.log("test_loss", self.loss_of(batch))

        def predict_step(self, batch: Any, batch_idx: int) -> Any:
            return {"logits": self.net(batch["input"]), "place": batch_idx}

    module = made(Whole)
    result = fit(tmp_path, module, test=rows(10, 2))
    assert result.metrics["test"]["test_loss"] == pytest.approx(float(module.loss_of(rows(10, 2).blocks).detach()), rel=1e-6)
    assert stages == ["fit", "test", "-fit", "-test"]
    trainer = Trainer(TrainerConfig(), device="cpu", console=False)
    assert torch.equal(trainer.predict(LightningSystem(module), rows(10, 2))["logits"], module.net(rows(10, 2).blocks["input"]))


def test_a_split_is_measured_without_a_run() -> None:
    module = made()
    trainer = Trainer(TrainerConfig(), device="cpu", console=False)
    found = trainer.validate(LightningSystem(module), rows(20, 1))
    assert found["val_loss"] == pytest.approx(float(module.loss_of(rows(20, 1).blocks).detach()), rel=1e-6)
    assert trainer.test(LightningSystem(module), rows(20, 1)) == found and module._trainer is None


@functools.cache
def datamodule() -> Any:
    class Data(lightning().LightningDataModule):
        def __init__(self) -> None:
            super().__init__()
            self.calls: list[str] = []
            self.seen = 0

        def prepare_data(self) -> None:
            self.calls.append("prepare")

        def setup(self, stage: str) -> None:
            self.calls.append(stage)
            self.sets = [torch.utils.data.TensorDataset(*rows(n, seed).blocks.values()) for n, seed in ((48, 0), (20, 1), (10, 2))]

        def train_dataloader(self) -> Any:
            return torch.utils.data.DataLoader(self.sets[0], batch_size=8)

        def val_dataloader(self) -> Any:
            return [torch.utils.data.DataLoader(self.sets[1], batch_size=8)]

        def test_dataloader(self) -> Any:
            return torch.utils.data.DataLoader(self.sets[2], batch_size=8)

        def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
            self.seen += 1
            return batch

        def teardown(self, stage: str) -> None:
            self.calls.append(f"-{stage}")

        def state_dict(self) -> dict[str, Any]:
            return {"seen": self.seen, "table": torch.arange(2)}

        def load_state_dict(self, state_dict: dict[str, Any]) -> None:
            self.seen = state_dict["seen"]
            assert torch.equal(state_dict["table"], torch.arange(2))

    return Data


def test_a_data_module_gives_its_loaders_and_keeps_its_state(tmp_path: Path) -> None:
    data = datamodule()()
    old = type("Old", (), {"__module__": "pytorch_lightning.core.module"})
    assert is_lightning(type("LightningModule", (), {"__module__": "pytorch_lightning.core.module"})()) and not is_lightning(old())
    assert is_datamodule(data) and not is_lightning(data) and is_lightning(made()) and not is_lightning(nn.Linear(1, 1))
    module, system = made(), LightningSystem(made(), datamodule()())
    loaders = system.loaders()
    assert list(loaders) == ["train", "validation", "test"] and len(loaders["train"]) == 6
    assert system.trainer.datamodule is system.datamodule and system.trainer.val_dataloaders is loaders["validation"]
    with pytest.raises(Interrupted):
        fit(tmp_path, module, datamodule=data, train=Ready(batches()), callbacks=[Stop(4)])
    again = datamodule()()
    fit(tmp_path, made(), datamodule=again, train=Ready(batches()), resume=True)
    assert again.calls == ["prepare", "fit", "-fit"] and again.seen == 12
    assert system.datamodule.calls == ["prepare", "fit", "test"] and list(loaders_of(datamodule()())) == list(loaders)


def test_rows_that_were_given_by_place_come_by_place(tmp_path: Path) -> None:
    class ByPlace(classifier()):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            x, y = batch
            return functional.cross_entropy(self.net(x), y)

    data, mine, plain = rows(), made(ByPlace), made()
    pair = (data.blocks["input"], data.blocks["target"])
    samples = [{"input": torch.zeros(5), "target": torch.tensor(0)}]
    assert given_by_place(pair, rows_from(pair, "train", torch.float32)) and not given_by_place(data, data)
    assert not given_by_place(data.blocks, rows_from(data.blocks, "train", torch.float32))
    assert not given_by_place(samples, rows_from(samples, "train", torch.float32))
    dataset = torch.utils.data.TensorDataset(*pair)
    assert given_by_place(dataset, rows_from(dataset, "train", torch.float32))
    system = LightningSystem(mine)
    system.positional = True
    config = TrainerConfig.model_validate({"max_epochs": 2, "batch_size": 8, "micro_batch_size": 4, "early_stopping": None})
    Trainer(config, seed=3, device="cpu", console=False).fit(system, data, run=tmp_path / "place")
    fit(tmp_path / "named", plain, micro_batch_size=4, optimizer="adamw")
    assert same(mine, plain)


def test_loaders_of_a_module_are_found_and_empty_ones_left_out() -> None:
    class Loads(classifier()):
        def train_dataloader(self) -> Any:
            return torch.utils.data.DataLoader(torch.zeros(4, 5))

        def val_dataloader(self) -> Any:
            return []

    assert list(loaders_of(made(Loads))) == ["train"] and loaders_of(made()) == {}


def test_a_step_that_fetches_its_batches_wants_them_ready() -> None:
    class Fetches(classifier()):
        def training_step(self, dataloader_iter: Iterator[Any]) -> Any:
            return self.loss_of(next(dataloader_iter)[0])

    data, system = Ready(batches()), LightningSystem(made(Fetches))
    with pytest.raises(ConfigError, match=r"training_step\(dataloader_iter\) needs a loader"):
        system.hear_loaders({"train": rows()})
    system.hear_loaders({"train": data})
    assert not data.resumable and "fetched ahead" in data.why_not_resumable


def test_several_loaders_are_resumed_to_the_bit_and_each_pass_of_a_short_one_has_its_own_order(tmp_path: Path) -> None:
    class Pairs(classifier()):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            return self.loss_of(batch["a"]) + 2 * self.loss_of(batch["b"][0])

    def data(n: int, seed: int) -> Any:
        return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*rows(n, seed).blocks.values()), batch_size=8, shuffle=True)

    def train(folder: Path, callbacks: Any = (), resume: bool = False) -> Any:
        module = made(Pairs)
        given = {"a": data(16, 0), "b": [data(48, 1)]}
        tw.fit(module, given, max_epochs=3, run_dir=folder, callbacks=callbacks, resume=resume, console=False, evaluation={"report": False})
        return module

    whole = train(tmp_path / "whole")
    with pytest.raises(Interrupted):
        train(tmp_path / "cut", [Stop(8)])
    assert same(whole, train(tmp_path / "cut", resume=True))
    joined = open_loaders({"a": data(16, 0), "b": [data(48, 1)]}, "train", torch.float32, keeps_arrays=True, unlabelled=True)
    firsts = [joined.take(torch.tensor([place]))["a"][0] for place in (0, 2, 4)]
    assert len(joined) == 6 and not torch.equal(firsts[0], firsts[1]) and not torch.equal(firsts[1], firsts[2])


def test_what_a_module_puts_into_a_checkpoint_comes_back(tmp_path: Path) -> None:
    class Keeps(classifier()):
        counted = 0

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            self.counted += 1
            return self.loss_of(batch)

        def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
            assert checkpoint["global_step"] == self.counted and "net.0.weight" in checkpoint["state_dict"]
            checkpoint["own"] = {"counted": self.counted, "tensor": torch.ones(2)}

        def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
            self.counted = checkpoint["own"]["counted"]
            assert torch.equal(checkpoint["own"]["tensor"], torch.ones(2)) and checkpoint["epoch"] == 1

    with pytest.raises(Interrupted):
        fit(tmp_path, made(Keeps), callbacks=[Stop(8)])
    again = made(Keeps)
    fit(tmp_path, again, resume=True)
    assert again.counted == 12


# mistakes


def test_what_cannot_be_honoured_is_refused_before_the_first_step() -> None:
    class Logs(classifier()):
        def log(self, name: str, value: Any, **options: Any) -> None:
            super().log(name, value, **options)

    class Old(classifier()):
        def training_step(self, batch: Any, batch_idx: int, optimizer_idx: int) -> Any:
            return None

    class Without(lightning().LightningModule):
        pass

    class Unbegun(classifier()):
        def __init__(self) -> None:
            pass

    wrong = {
        "Logs: 'log' is overridden and cannot be honoured here\n  fix: override log_dict": Logs,
        "training_step(optimizer_idx) is of Lightning 1": Old,
        "Without has no training_step": Without,
        "Unbegun was not begun\n  why: super().__init__() was not called": Unbegun,
    }
    for what, kind in wrong.items():
        with pytest.raises(ConfigError) as raised:
            LightningSystem(kind())
        assert what in str(raised.value)


def test_a_split_without_a_step_is_not_measured_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Blind(classifier()):
        validation_step = None

    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*rows().blocks.values()), batch_size=8)
    with caplog.at_level(logging.WARNING, "trainwright.systems"):
        result = tw.fit(made(Blind), loader, loader, loader, max_epochs=1, run_dir=tmp_path / "run", console=False)
    assert result.steps == 6 and list(result.metrics) == ["train"]
    assert [split in caplog.text for split in ("the validation data are not measured: Blind has no", "the test data are")] == [True, True]
    with pytest.raises(ConfigError, match="Blind has no validation_step\n  why: there are validation data"):
        fit(tmp_path / "engine", made(Blind), validation=rows(20, 1))


def test_methods_that_are_none_are_left_out_as_lightning_leaves_them_out(tmp_path: Path) -> None:
    names = ("prepare_data", "setup", "configure_model", "teardown", "on_train_start", "val_dataloader", "validation_step", "predict_step")
    module, plain = made(), made()
    for name in names:
        setattr(module, name, None)
    fit(tmp_path / "none", module, train=Ready(batches()))
    fit(tmp_path / "plain", plain, train=Ready(batches()))
    assert same(module, plain)
    module.training_step = None
    with pytest.raises(ConfigError, match="Classifier has no training_step"):
        LightningSystem(module)


@pytest.mark.parametrize("measured", ["nothing", "a mapping", "another name"])
def test_without_a_metric_that_decides_the_last_weights_are_kept_and_that_is_said_once(
    measured: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Quiet(classifier()):
        def validation_step(self, batch: Any, batch_idx: int) -> Any:
            if measured == "another name":
                self.log("acc", 0.5)
            return {"x": self.loss_of(batch)} if measured == "a mapping" else None

    mine, alone = made(Quiet), made(Quiet)
    with caplog.at_level(logging.WARNING, "trainwright.engine"):
        result = fit(tmp_path / "mine", mine, train=Ready(batches()), validation=Ready(batches(16, 8, 1)))
    fit(tmp_path / "alone", alone, train=Ready(batches()))
    assert same(mine, alone) and result.best is None and result.realised["kept"] == "last"
    assert caplog.text.count("no evaluation picks the best weights, since 'loss' is not measured") == 1
    for waiting in ({"early_stopping": {"patience": 3}}, {"schedule": "plateau"}, {"monitor": "accc", "mode": "max"}):
        with pytest.raises(ConfigError, match=r"nothing was measured|there is no metric"):
            fit(tmp_path / "waits", made(Quiet), train=Ready(batches()), validation=Ready(batches(16, 8, 1)), **waiting)


def test_a_step_that_returns_something_else_is_refused(tmp_path: Path) -> None:
    class Wrong(classifier()):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            return {"los": self.loss_of(batch)}

    with pytest.raises(TrainwrightError, match="training_step returned a mapping without 'loss'"):
        fit(tmp_path, made(Wrong))


def numbers(values: Any) -> dict[str, float]:
    return {name: round(float(each), 5) for name, each in values.items()}


@pytest.mark.parametrize("reduce", ["mean", "sum", "max", "min"])
def test_what_a_module_reads_of_its_logged_values_is_what_lightning_has_there(tmp_path: Path, reduce: str) -> None:
    seen: list[Any] = []

    class Logs(classifier()):
        def note(self, place: str) -> None:
            trainer = self.trainer
            seen.append((place, *map(numbers, (trainer.callback_metrics, trainer.logged_metrics, trainer.progress_bar_metrics))))

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            value = float(batch_idx + 1 + 10 * self.current_epoch)
            self.log("both", value, on_step=True, on_epoch=True, reduce_fx=reduce, prog_bar=True)
            self.log("step", value, reduce_fx=reduce)
            self.log("epoch", value, on_step=False, on_epoch=True, reduce_fx=reduce, prog_bar=True, logger=False)
            return self.loss_of(batch)

        def validation_step(self, batch: Any, batch_idx: int) -> None:
            self.log("val_both", float(batch_idx), on_step=True, on_epoch=True, reduce_fx=reduce)
            self.log("val_loss", float(batch_idx), prog_bar=True)

        def on_train_epoch_end(self) -> None:
            self.note("epoch")
            self.log("late", float(self.current_epoch))

        def on_train_epoch_start(self) -> None:
            self.note("start")

        def on_train_end(self) -> None:
            self.note("end")

    train, held_out = batches(), batches(16, 8, 1)
    peer(made(Logs), train, held_out)
    theirs = seen.copy()
    seen.clear()
    fit(tmp_path, made(Logs), train=Ready(train), validation=Ready(held_out), sanity_check=0)
    assert [place for place, *_ in seen] == [place for place, *_ in theirs]
    for ours, other in zip(seen, theirs, strict=True):
        assert ours == other, ours[0]


@pytest.mark.parametrize("monitor", ["both", "both_epoch", "both_step", "epoch", "late"])
@pytest.mark.parametrize("played", [False, True])
def test_a_plateau_hears_the_epoch_and_not_its_last_batch(tmp_path: Path, monitor: str, played: bool) -> None:
    heard: list[list[float]] = []

    class Plateau(torch.optim.lr_scheduler.ReduceLROnPlateau):
        def step(self, metrics: Any, epoch: Any = None) -> None:  # type: ignore[override]
            heard[-1].append(round(float(metrics), 5))
            super().step(metrics, epoch)

    class Logs(classifier()):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            value = float(batch_idx + 1 + 10 * self.current_epoch)
            self.log("both", value, on_step=True, on_epoch=True)
            self.log("epoch", value, on_step=False, on_epoch=True)
            return self.loss_of(batch)

        def on_train_epoch_end(self) -> None:
            self.log("late", 2.0 + self.current_epoch)

        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
            scheduler = {"scheduler": Plateau(optimizer, patience=0), "monitor": monitor}
            return {"optimizer": optimizer, "lr_scheduler": scheduler}

    class Plays(Logs):
        def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: Any) -> None:
            optimizer.zero_grad()

    kind = Plays if played else Logs
    heard.append([])
    peer(made(kind), batches())
    heard.append([])
    fit(tmp_path, made(kind), train=Ready(batches()))
    assert heard[1] == heard[0] and len(heard[0]) == 2


def test_the_value_of_an_epoch_is_the_same_when_the_run_was_cut_within_it(tmp_path: Path) -> None:
    ends: list[dict[str, float]] = []

    class Logs(classifier()):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            self.log("both", float(batch_idx), on_step=True, on_epoch=True)
            return self.loss_of(batch)

        def on_train_epoch_end(self) -> None:
            ends.append(numbers(self.trainer.callback_metrics))

    class Stops(Callback):
        def on_train_batch_end(self, session: Any, system: Any, batch: Any, index: int) -> None:
            if session.step == 9:
                session.parts.interrupts.requested = 1

    fit(tmp_path / "whole", made(Logs), train=Ready(batches()))
    whole = ends.copy()
    ends.clear()
    with pytest.raises(Interrupted):
        fit(tmp_path / "cut", made(Logs), train=Ready(batches()), callbacks=[Stops()])
    fit(tmp_path / "cut", made(Logs), train=Ready(batches()), resume=True)
    assert ends == whole and whole[-1] == {"both": 2.5, "both_step": 5.0, "both_epoch": 2.5}
