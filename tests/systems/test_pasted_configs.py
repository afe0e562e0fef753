"""Systems and parts as people of threestudio and Lightning have them: Configs as dataclasses, parts made in hooks, data modules."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import lightning
import pytest
import torch
from pydantic import BaseModel
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import trainwright as tw
from trainwright.config.errors import ConfigError, DataError

QUIET: dict[str, Any] = {"run_dir": None, "console": False, "max_steps": 2}


class Derived(tw.System):
    @dataclass
    class Config(tw.System.Config):
        field_type: str = "my-field"
        field: dict = field(default_factory=dict)
        size: tuple[int, int] = (1, 2)
        width: int = 8

    cfg: Config


class Grown(Derived):
    @dataclass
    class Config(Derived.Config):
        depth: int = 2


class Apart(tw.System):
    @dataclass
    class Config:
        width: int = 8


class Plain(tw.System):
    class Config:
        width: int = 8


class Model(tw.System):
    class Config(tw.ConfigModel):
        width: int = 8


class Other(tw.System):
    class Config(BaseModel):
        width: int = 8


class Below(Apart):
    @dataclass(frozen=True)
    class Config:
        depth: int = 2


@pytest.mark.parametrize("kind", [Derived, Grown, Apart, Plain, Model, Other, Below])
def test_a_config_of_any_form_keeps_the_options_of_its_base(kind: Any) -> None:
    system = kind({"width": 3, "loss": {"lambda_fit": 0.5}, "weights_ignore": ["head.*"]})
    assert (system.cfg.width, system.cfg.loss.lambda_fit.value(0, 0.0), system.cfg.weights_ignore) == (3, 0.5, ["head.*"])
    assert system.loss_weights(tw.StepContext(0, 0, 0.0, torch.default_generator))("fit") == 0.5
    assert kind().cfg.width == 8 and kind().cfg.weights is None
    with pytest.raises(ConfigError, match="unknown option 'los'\n  fix: did you mean 'loss'"):
        kind({"los": {}})


def test_a_config_that_derives_from_its_base_has_the_fields_of_both_and_attributes_all_the_way_down() -> None:
    system = Grown({"depth": 3, "size": [3, 4], "field": {"n": {"m": 1}}})
    assert (system.cfg.depth, system.cfg.size, system.cfg.field.n.m, system.cfg.field["n"]["m"]) == (3, (3, 4), 1, 1)
    assert Derived().cfg.field is not Derived().cfg.field
    assert Grown.Config(width=4).width == 4
    with pytest.raises(AttributeError, match="no option 'nn'"):
        _ = system.cfg.field.nn


def test_a_part_keeps_its_weights_and_says_which_value_must_be_given() -> None:
    class Field(tw.BaseModule):
        @dataclass
        class Config:
            width: int = 3

    class Must(tw.BaseModule):
        @dataclass
        class Config(tw.BaseModule.Config):
            path: str = "???"

    assert Field({"width": 4, "weights": None}).cfg.weights is None
    with pytest.raises(ConfigError, match="path is missing"):
        Must()
    assert Must({"path": "x"}).cfg.path == "x"


def made_later(hook: str, make: Any, step: Any) -> tw.System:
    class Guided(tw.System):
        def build(self, spec: Any) -> None:
            self.net = nn.Linear(3, 1)

    setattr(Guided, hook, lambda self, session: setattr(self, "made", make()))
    Guided.training_step = step
    return Guided()


@pytest.mark.parametrize("hook", ["setup", "on_fit_start"])
def test_what_a_hook_makes_is_there_in_the_step(hook: str, caplog: pytest.LogCaptureFixture) -> None:
    data = {"input": torch.randn(8, 3)}
    tw.fit(made_later(hook, lambda: 2.0, lambda self, batch, _: (self.made * self.net(batch["input"])).pow(2).mean()), data, **QUIET)
    with pytest.raises(DataError, match="no attribute 'nothing'"):
        tw.fit(made_later(hook, lambda: 2.0, lambda self, batch, _: self.made * self.nothing), data, **QUIET)
    assert "not trained" not in caplog.text
    tw.fit(made_later(hook, lambda: nn.Linear(1, 1), lambda self, batch, _: self.made(self.net(batch["input"])).mean()), data, **QUIET)
    assert "made by setup or on_fit_start, and not trained: made.weight, made.bias" in caplog.text


X, Y = torch.randn(8, 3), torch.randn(8, 1)


class Named(tw.System):
    def build(self, spec: Any) -> None:
        self.net = nn.Linear(3, 1)

    def training_step(self, batch: Any, context: Any) -> Any:
        return (self.net(batch["input"]) - batch["target"]).pow(2).mean()


class Unpacked(Named):
    def training_step(self, batch: Any, context: Any) -> Any:
        x, y = batch
        return (self.net(x) - y).pow(2).mean()


class Data(lightning.LightningDataModule):
    def setup(self, stage: str) -> None:
        self.rows = TensorDataset(X, Y)

    def train_dataloader(self) -> Any:
        return DataLoader(self.rows, batch_size=4)

    def val_dataloader(self) -> Any:
        return DataLoader(self.rows, batch_size=4)


class Moving(Data):
    def on_after_batch_transfer(self, batch: Any, place: int) -> Any:
        return batch


@pytest.mark.parametrize("system", [Named, Unpacked])
def test_pairs_reach_a_step_in_one_form_whatever_holds_them(system: Any) -> None:
    made = [(X, Y), TensorDataset(X, Y), list(zip(X, Y, strict=True)), DataLoader(TensorDataset(X, Y), batch_size=4, shuffle=False), Data()]
    for data in made:
        sizes = {} if isinstance(data, DataLoader | Data) else {"batch_size": 4}
        validation = None if isinstance(data, Data) else data
        assert tw.fit(system(), data, validation, **QUIET, **sizes).metrics["validation"]["loss"] > 0


def test_a_data_module_that_moves_batches_is_refused_for_a_system_in_words() -> None:
    with pytest.raises(ConfigError, match=r"Moving\.on_after_batch_transfer would not be called"):
        tw.fit(Named(), Moving(), **QUIET)
