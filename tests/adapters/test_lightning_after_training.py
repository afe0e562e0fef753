"""A LightningModule during and after its run: its logger and trainer, what it was made from, what it predicts, and its end."""

from __future__ import annotations

import functools
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import trainwright as tw
from trainwright.adapters.lightning.hyperparameters import argument_name, make_module, written_hyperparameters
from trainwright.adapters.lightning.written import decode_value, encode_value
from trainwright.config.errors import ConfigError, TrainwrightError
from trainwright.systems.run_config import read_config


@functools.cache
def lightning() -> Any:
    """Takes seconds to import, so only once a test asks."""
    return pytest.importorskip("lightning.pytorch")


@functools.cache
def network() -> Any:
    class Network(lightning().LightningModule):
        def __init__(self, width: int = 3, shape: Any = (1, 2), dtype: torch.dtype = torch.float32) -> None:
            super().__init__()
            self.save_hyperparameters()
            torch.manual_seed(0)
            self.net = nn.Linear(width, 1)
            self.words: list[Any] = []

        def forward(self, x: Tensor) -> Tensor:
            return self.net(x)

        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            return (self(batch[0]) - batch[1]).pow(2).mean()

        def validation_step(self, batch: Any, batch_idx: int) -> None:
            self.log("val_loss", (self(batch[0]) - batch[1]).pow(2).mean())

        def predict_step(self, batch: Any, batch_idx: int) -> Any:
            return {"twice": 2 * self(batch[0] if isinstance(batch, list | tuple) else batch)}

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.1)

        def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
            checkpoint["words"] = ("a", {1: 2})

        def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
            self.words.append(checkpoint["words"])

    return Network


def pairs(rows: int = 16) -> Any:
    x = torch.randn(rows, 3, generator=torch.Generator().manual_seed(0))
    return TensorDataset(x, x.sum(1, keepdim=True))


def train(folder: Path, module: Any, **options: Any) -> Any:
    given = {"max_epochs": 1, "console": False, "run_dir": folder / "run", "trackers": ["csv"], "evaluation": {"report": False}} | options
    return tw.fit(module, DataLoader(pairs(), batch_size=8), DataLoader(pairs(8), batch_size=8), **given)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A run, and what its module saw of the trainer and wrote by its logger."""
    folder, seen = tmp_path_factory.mktemp("finished"), dict[str, Any]()

    class Looks(network()):
        def setup(self, stage: str) -> None:
            self.ended = False

        def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
            trainer = self.trainer
            seen["loop"] = (trainer.fit_loop.epoch_loop.batch_idx, trainer.fit_loop.total_batch_idx, trainer.fit_loop.max_epochs)
            self.logger.experiment.add_histogram("weights", self.net.weight, self.global_step)

        def on_train_end(self) -> None:
            from lightning.pytorch.loggers import TensorBoardLogger

            seen.update({name: getattr(self.trainer, name) for name in ASKED})
            writer = torch.utils.tensorboard.SummaryWriter
            seen["is"] = isinstance(self.logger, TensorBoardLogger), isinstance(self.logger.experiment, writer)
            self.logger.experiment.add_text("said", "words", 2)
            self.logger.experiment.add_image("picture", torch.zeros(3, 4, 4), 2)
            self.logger.experiment.add_scalars("both", {"a": 1.0, "b": 2.0}, 2)
            self.logger.log_hyperparams({"extra": 3})

        def forward(self, x: Tensor) -> Tensor:
            assert not self.ended, "called after teardown"
            return super().forward(x)

        def state_dict(self, *arguments: Any, **named: Any) -> Any:
            assert not self.ended or seen.get("over"), "called after teardown"
            return super().state_dict(*arguments, **named)

        def teardown(self, stage: str) -> None:
            seen.setdefault("torn down", []).append(stage)
            self.ended = True

    Looks.__name__ = "Network"
    train(folder, Looks(shape=(4, 5)), trackers=["csv", "tensorboard"], log_every="1 steps", clip={"norm": 2.0}, evaluate_every="2 steps")
    seen["over"] = True
    return folder / "run", seen


ASKED = {
    "gradient_clip_val": 2.0,
    "gradient_clip_algorithm": "norm",
    "precision": "32-true",
    "log_every_n_steps": 1,
    "max_epochs": 1,
    "check_val_every_n_epoch": None,
    "val_check_interval": 2,
    "limit_train_batches": 1.0,
    "num_sanity_val_steps": 1,
    "max_steps": -1,
    "accumulate_grad_batches": 1,
    "num_devices": 1,
    "world_size": 1,
    "enable_validation": True,
    "fast_dev_run": False,
    "callbacks": [],
    "checkpoint_callback": None,
    "early_stopping_callback": None,
    "ckpt_path": None,
    "should_stop": True,
}


def test_the_trainer_says_what_was_asked_for(finished: Any) -> None:
    _, seen = finished
    assert {name: seen[name] for name in ASKED} == ASKED
    assert seen["loop"] == (1, 1, 1)


def test_the_experiment_is_the_open_summary_writer(finished: Any) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run, seen = finished
    assert seen["is"] == (True, True)
    events = sorted(path for path in (run / "tensorboard").iterdir() if path.is_file())  # a later one has what is written at the end
    found = EventAccumulator(str(events[0])).Reload().Tags()
    assert "weights" in found["histograms"] and "picture" in found["images"] and "said/text_summary" in found["tensors"]
    assert "train/loss" in found["scalars"]


def test_without_event_files_the_experiment_takes_every_call_and_says_so_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Draws(network()):
        def setup(self, stage: str) -> None:
            self.logger.experiment.add_text("early", "is lost")

        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            self.logger.experiment.add_histogram("weights", self.net.weight, batch_idx)
            assert not hasattr(self.logger.experiment, "__len__")
            return super().training_step(batch, batch_idx)

    with caplog.at_level(logging.WARNING, "trainwright.systems"):
        train(tmp_path, Draws())
    assert "add_text records nothing, since the run has not begun: call it in on_fit_start, or later" in caplog.text
    said = [line for line in (tmp_path / "run/log.txt").read_text().splitlines() if "records nothing" in line]
    assert len(said) == 1 and "add_histogram" in said[0] and "trackers=['csv', 'tensorboard']" in said[0]


def test_nothing_is_called_after_teardown(finished: Any) -> None:
    run, seen = finished
    assert seen["torn down"] == ["fit"]
    assert (run / "model.json").is_file(), "it was looked at before"


def test_hyperparameters_are_in_the_run_and_make_the_module_again(finished: Any) -> None:
    run, _ = finished
    written = read_config(run / "config.yaml").system.hyperparameters
    assert decode_value(written) == {"width": 3, "shape": (4, 5), "dtype": torch.float32}
    loaded = tw.load(run, model=network())
    assert dict(loaded.model.hparams) == decode_value(written)
    assert loaded.model.words == [("a", {1: 2})], "what on_save_checkpoint kept was given back once"
    x = pairs().tensors[0]
    assert np.allclose(loaded.predict(x)["twice"], 2 * loaded.model(x).detach().numpy())


@pytest.mark.parametrize("form", [lambda x: x, lambda x: (x,), lambda x: {"input": x}, lambda x: x.numpy(), lambda x: TensorDataset(x, x)])
def test_rows_reach_predict_step_in_the_form_of_training(finished: Any, form: Any) -> None:
    run, _ = finished
    x = pairs().tensors[0]
    loaded = tw.load(run, model=network()())
    assert np.allclose(loaded.predict(form(x))["twice"], 2 * loaded.model(x).detach().numpy())
    assert set(loaded.evaluate(pairs())[""]) == {"loss", "val_loss"}


def test_a_module_that_took_its_hyperparameters_as_one_argument_is_made_with_one() -> None:
    class Configured(lightning().LightningModule):
        def __init__(self, config: Any) -> None:
            super().__init__()
            self.save_hyperparameters(config)
            self.net = nn.Linear(config["width"], config["out"])

    first = Configured({"width": 3, "out": 2})
    again = make_module(Configured, written_hyperparameters(first), argument_name(first))
    assert again.net.weight.shape == (2, 3) and again.hparams.width == 3


def test_a_module_whose_arguments_are_not_in_the_run_is_refused(tmp_path: Path) -> None:
    class Bare(lightning().LightningModule):
        def __init__(self, width: int) -> None:
            super().__init__()

    with pytest.raises(ConfigError) as raised:
        make_module(Bare, {})
    assert "self.save_hyperparameters()" in str(raised.value) and "'width'" in str(raised.value)


def test_other_hyperparameters_are_said_where_a_run_is_continued(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    train(tmp_path, network()())
    with caplog.at_level(logging.WARNING, "trainwright"):
        train(tmp_path, network()(shape=(7, 7)), resume=True)
    assert "hyperparameters differ from those this run was begun with: shape" in caplog.text


KEPT = [
    (1, 2.5, "a", None, True, [1, [2]]),
    {1: "one", "two": {3: (4,)}, "__tuple__": 5},
    {"__tuple__": [1]},
    {"tensor": 1, "dtype": 2},
    [Path("a/b"), torch.bfloat16, torch.device("cpu"), 2 + 3j, b"\x00\xff", {1, 2}],
    [float("inf"), torch.Size([2, 3])],
]


@pytest.mark.parametrize("value", KEPT)
def test_what_is_kept_comes_back_as_it_was(value: Any) -> None:
    import json

    assert decode_value(json.loads(json.dumps(encode_value(value)))) == value


def test_numbers_of_numpy_and_torch_keep_their_types_and_other_objects_are_refused() -> None:
    found = decode_value(encode_value([np.float32(0.1), np.arange(3, dtype=np.int16), torch.tensor([1, 2], dtype=torch.int8)]))
    assert type(found[0]) is np.float32 and found[1].dtype == np.int16 and found[2].dtype == torch.int8
    with pytest.raises(TrainwrightError, match="on_save_checkpoint kept a object"):
        encode_value({"a": [object()]})
