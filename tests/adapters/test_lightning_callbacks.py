"""Lightning's callbacks beside a LightningModule: called at its hooks in its order, or options of ours, or refused with our own word."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import trainwright as tw
from trainwright.adapters.lightning.answers import REFUSED, answer_callbacks, refuse_untaken
from trainwright.config.errors import ConfigError, Interrupted, ManyErrors
from trainwright.systems.run_config import read_config


@functools.cache
def lightning() -> Any:
    """Takes seconds to import, so only once a test asks."""
    return pytest.importorskip("lightning.pytorch")


@functools.cache
def regressor() -> Any:
    class Regressor(lightning().LightningModule):
        def __init__(self, width: int = 3, rate: float = 0.1) -> None:
            super().__init__()
            self.save_hyperparameters()
            torch.manual_seed(0)
            self.net = nn.Linear(width, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.net(x)

        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            x, y = batch
            loss = (self(x) - y).pow(2).mean()
            self.log("train_loss", loss)
            return loss

        def validation_step(self, batch: Any, batch_idx: int) -> None:
            x, y = batch
            self.log("val_loss", (self(x) - y).pow(2).mean())

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=self.hparams.rate)

    return Regressor


def loader(rows: int = 16, noise: float = 0.0) -> Any:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(rows, 3, generator=generator)
    return DataLoader(TensorDataset(x, x.sum(1, keepdim=True) + noise), batch_size=8)


def train(folder: Path, module: Any = None, *, validation: bool = True, **options: Any) -> Any:
    given = {"max_epochs": 2, "console": False, "run_dir": folder / "run", "trackers": ["csv"], "evaluation": {"report": False}} | options
    return tw.fit(module or regressor()(), loader(), loader(8) if validation else None, **given)


def peer(module: Any, callbacks: list[Any], epochs: int = 2) -> Any:
    """Lightning's own trainer over the same."""
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    trainer = lightning().Trainer(max_epochs=epochs, callbacks=callbacks, accelerator="cpu", num_sanity_val_steps=1, **quiet)
    trainer.fit(module, loader(), loader(8))
    return trainer


HOOKS = (
    *("setup", "teardown", "on_fit_start", "on_fit_end", "on_sanity_check_start", "on_sanity_check_end", "on_train_start", "on_train_end"),
    *("on_train_epoch_start", "on_train_epoch_end", "on_train_batch_start", "on_train_batch_end", "on_before_backward"),
    *("on_after_backward", "on_before_optimizer_step", "on_validation_start", "on_validation_end"),
    *("on_validation_epoch_start", "on_validation_epoch_end", "on_validation_batch_start", "on_validation_batch_end"),
)


def recorder(calls: list[str], module: Any) -> Any:
    """A callback and a module that write down each hook they are called at."""

    def named(who: str, name: str, own: Any = None) -> Any:
        def hook(self: Any, *arguments: Any, **named: Any) -> Any:
            told = f" {len(arguments) + len(named)}"
            if who == "callback":
                assert arguments[1] is module and arguments[0] is module.trainer
            calls.append(f"{who} {name}{told}")

        return hook

    kind = type("Records", (lightning().Callback,), {name: named("callback", name) for name in HOOKS})
    for name in HOOKS:
        setattr(type(module), name, named("module", name))
    return kind()


def test_a_callback_is_called_where_lightning_calls_it_and_before_the_module(tmp_path: Path) -> None:
    orders = []
    for fit in (lambda module, given: train(tmp_path, module, callbacks=[given]), lambda module, given: peer(module, [given])):
        calls: list[str] = []
        module = type("Traced", (regressor(),), {})()
        fit(module, recorder(calls, module))
        orders.append(calls)
    ours, theirs = orders
    assert "callback on_validation_batch_end 5" in ours and "callback on_train_batch_end 5" in ours
    assert ours == theirs


def test_what_a_callback_keeps_logs_and_saves_is_there_when_the_run_is_continued(tmp_path: Path) -> None:
    class Counts(lightning().Callback):
        def __init__(self) -> None:
            self.steps, self.found = 0, dict[str, Any]()

        def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
            self.steps += 1
            self.log("counted", float(self.steps))
            assert set(outputs) == {"loss"} and len(batch) == 2
            if self.steps == 3:
                trainer._session.parts.interrupts.requested = 15

        def state_dict(self) -> dict[str, Any]:
            return {"steps": self.steps, "seen": torch.tensor([self.steps])}

        def load_state_dict(self, state: dict[str, Any]) -> None:
            self.steps = state["steps"]
            assert state["seen"].tolist() == [3]

        def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
            checkpoint["vocabulary"] = {1: ("a", "b"), "two": {3}, "three": torch.float16}

        def on_load_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
            self.found = checkpoint["vocabulary"]

    with pytest.raises(Interrupted):
        train(tmp_path, callbacks=[Counts()])
    again = Counts()
    result = train(tmp_path, callbacks=[again], resume=True)
    assert again.steps == 4 and again.found == {1: ("a", "b"), "two": {3}, "three": torch.float16}
    assert [row["counted"] for row in result.history if "counted" in row][-1] == 3.5  # the mean of both steps, before and after


def test_early_stopping_ends_the_run_where_lightning_ends_it(tmp_path: Path) -> None:
    def stops() -> Any:
        return lightning().callbacks.EarlyStopping("val_loss", patience=2, min_delta=10.0)

    ours, theirs = stops(), stops()
    result = train(tmp_path, callbacks=[ours], max_epochs=8, average_best=1)
    other = peer(regressor()(), [theirs], 8)
    assert result.steps == other.global_step and result.stopped_because == "early_stopping"
    assert (ours.stopped_epoch, ours.wait_count) == (theirs.stopped_epoch, theirs.wait_count) == (2, 2)
    assert torch.isclose(ours.best_score, theirs.best_score)


def test_early_stopping_hears_values_of_training_where_nothing_is_validated(tmp_path: Path) -> None:
    stops = lightning().callbacks.EarlyStopping("train_loss", stopping_threshold=1e9)
    result = train(tmp_path, validation=False, callbacks=[stops], max_epochs=5)
    assert (result.epochs, result.stopped_because) == (1, "early_stopping")


@functools.cache
def built_in() -> Any:
    return lightning().callbacks


RATES = {"type": "learning_rate_monitor", "momentum": True, "weight_decay": False}
OPTIONS = [
    (lambda: built_in().ModelCheckpoint(monitor="val_loss", save_top_k=3), {"monitor": "val_loss", "checkpoint.keep_best": 3}),
    (lambda: built_in().ModelCheckpoint(monitor="val_acc", mode="max"), {"monitor": "val_acc", "mode": "max"}),
    (lambda: built_in().ModelCheckpoint(every_n_epochs=2, save_top_k=-1), {"checkpoint.keep_every": "2 epochs"}),
    (lambda: built_in().ModelCheckpoint(every_n_train_steps=5), {"checkpoint.every": "5 steps"}),
    (lambda: built_in().ModelCheckpoint(save_top_k=0), {"checkpoint.type": "none"}),
    (lambda: built_in().ModelCheckpoint(monitor="val_loss", save_weights_only=True), {"checkpoint.best_as_weights": True}),
    (lambda: built_in().LearningRateMonitor(log_momentum=True), {"callbacks": [RATES]}),
    (lambda: built_in().DeviceStatsMonitor(cpu_stats=False), {"callbacks": [{"type": "device_stats", "cpu": False}]}),
    (lambda: built_in().GradientAccumulationScheduler({0: 4}), {"accumulation": 4}),
]  # fmt: skip


def test_callbacks_with_a_counterpart_become_options() -> None:
    for make, wanted in OPTIONS:
        found = answer_callbacks([make()]).options
        flat = {f"checkpoint.{name}": each for name, each in found.pop("checkpoint", {}).items()} | found
        assert wanted.items() <= flat.items(), (wanted, flat)


def test_a_run_has_those_options_in_its_configuration_and_tells_the_checkpoint_where_it_lies(tmp_path: Path) -> None:
    keeps = built_in().ModelCheckpoint(monitor="val_loss", save_top_k=2, dirpath=tmp_path / "elsewhere", filename="{epoch}")
    caught: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: caught.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("trainwright.systems").addHandler(handler)
    try:
        result = train(tmp_path, callbacks=[keeps, built_in().LearningRateMonitor(), built_in().RichProgressBar()])
    finally:
        logging.getLogger("trainwright.systems").removeHandler(handler)
    written = read_config(tmp_path / "run/config.yaml").trainer
    assert (written.monitor, written.checkpoint.keep_best, written.callbacks[0].type) == ("val_loss", 2, "learning_rate_monitor")
    assert Path(keeps.best_model_path) == tmp_path / "run/checkpoints/best" and Path(keeps.best_model_path).exists()
    assert float(keeps.best_model_score) == pytest.approx(result.best_value)
    assert any("learning_rate/" in name for row in result.history for name in row)
    assert any("ModelCheckpoint(dirpath=" in each and "names nothing here" in each for each in caught)
    assert any("RichProgressBar is not called: a run shows its own progress" in each for each in caught)
    assert not (tmp_path / "elsewhere").exists()


def test_those_of_configure_callbacks_take_the_place_of_given_ones(tmp_path: Path) -> None:
    class Own(tw.Callback):
        seen = 0

        def on_train_end(self, session: Any, system: Any) -> None:
            Own.seen += 1

    class Asks(regressor()):
        def configure_callbacks(self) -> Any:
            return [built_in().EarlyStopping("val_loss", stopping_threshold=1e9), Own()]

    given = built_in().EarlyStopping("val_loss", patience=50)
    seen = Asks()
    assert train(tmp_path, seen, callbacks=[given], max_epochs=4).epochs == 1
    assert Own.seen == 1 and given.wait_count == 0


def refused() -> Iterator[tuple[Any, str]]:
    calls = built_in()
    yield calls.StochasticWeightAveraging(swa_lrs=0.1), "swa="
    yield calls.BackboneFinetuning(), "parameters="
    yield calls.BatchSizeFinder(), "batch_size='auto'"
    yield calls.LearningRateFinder(), "tune"
    yield calls.EMAWeightAveraging(), "ema="
    yield calls.GradientAccumulationScheduler({0: 2, 3: 4}), "accumulation=4"
    yield calls.ModelCheckpoint(monitor="val_loss", every_n_epochs=3), "evaluate_every='3 epochs'"
    yield type("Mine", (calls.ModelCheckpoint,), {"on_train_end": lambda *_: None})(), "plain callback"
    yield type("Writes", (calls.BasePredictionWriter,), {})("batch"), "predict"


def test_the_others_are_refused_with_the_option_that_does_the_same() -> None:
    for given, words in refused():
        with pytest.raises(ConfigError) as raised:
            answer_callbacks([given])
        assert words in str(raised.value.fix), (given, raised.value)
    with pytest.raises(ManyErrors):
        answer_callbacks([each for each, _ in refused()])


def test_every_callback_of_lightnings_has_an_answer() -> None:
    plain = {"Callback", "EarlyStopping", "LambdaCallback", "Timer", "Checkpoint"}
    done = {"ProgressBar", "RichProgressBar", "TQDMProgressBar", "ModelSummary", "RichModelSummary", "OnExceptionCheckpoint"}
    options = {"ModelCheckpoint", "LearningRateMonitor", "DeviceStatsMonitor", "ThroughputMonitor", "GradientAccumulationScheduler"}
    assert set(built_in().__all__) <= plain | done | options | set(REFUSED) | {"BackboneFinetuning", "EMAWeightAveraging"}


def test_a_configuration_is_told_what_configure_callbacks_would_have_made_of_it() -> None:
    refuse_untaken(answer_callbacks([built_in().EarlyStopping("val_loss")]), nn.Identity())
    with pytest.raises(ConfigError) as raised:
        refuse_untaken(answer_callbacks([built_in().ModelCheckpoint(monitor="val_loss", save_top_k=2)]), nn.Identity())
    assert "trainer.checkpoint: {'keep_best': 2}" in str(raised.value) and "ModelCheckpoint" in str(raised.value)
    with pytest.raises(ConfigError, match="configure_callbacks gives Callback"):
        refuse_untaken(answer_callbacks([tw.Callback()]), nn.Identity())


def test_what_is_given_twice_is_refused_where_it_differs(tmp_path: Path) -> None:
    keeps = built_in().ModelCheckpoint(monitor="val_loss")
    with pytest.raises(ConfigError, match="ModelCheckpoint asks for monitor='val_loss', and monitor='loss' is given too"):
        train(tmp_path, callbacks=[keeps], monitor="loss")
    with pytest.raises(ConfigError, match="two ModelCheckpoints ask for monitor='val_loss' and monitor='b'"):
        train(tmp_path, callbacks=[keeps, built_in().ModelCheckpoint(monitor="b")])
    assert not (tmp_path / "run").exists()


def test_on_another_model_our_option_is_named(tmp_path: Path) -> None:
    stops = built_in().EarlyStopping("val_loss", patience=7)
    with pytest.raises(ConfigError) as raised:
        tw.fit(nn.Linear(3, 1), loader(), loss="mse", callbacks=[stops], run_dir=tmp_path / "run")
    assert "early_stopping={'patience': 7}" in str(raised.value) and "no LightningModule" in str(raised.value)
    assert not (tmp_path / "run").exists()
