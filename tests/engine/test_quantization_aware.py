"""Training that expects to be rounded: only training steps round, and the run stays what it is."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from engine_runs import StopAt, config, fit, same, system, weights
from torch import nn

from trainwright.config.choice import choose
from trainwright.config.errors import ConfigError, Interrupted
from trainwright.config.registry import build
from trainwright.engine.callbacks import Callback
from trainwright.engine.trainer import Trainer
from trainwright.nn.quantization.rounded import RoundedLinear, Rounding, round_layers, unround_layers


def made(**options: Any) -> Any:
    return build("callback", choose("callback", {"type": "quantization_aware", **options}))


@pytest.mark.parametrize(("options", "values"), [(Rounding(), 255), (Rounding("int4", 32), 16)])
def test_a_layer_computes_with_few_values_in_training_and_with_its_own_in_evaluation(options, values) -> None:
    torch.manual_seed(0)
    layer, rows = nn.Linear(64, 6), torch.randn(5, 64)
    before, names, parameters = layer(rows), list(layer.state_dict()), list(layer.parameters())
    model = nn.Sequential(layer)
    layers = round_layers(model, options)
    assert [type(each) for each in layers.values()] == [RoundedLinear]
    rounded = layer.round_weight(layer.weight)
    for group in rounded.reshape(-1, options.group or 64):
        assert len(group.unique()) <= values
    assert 0 < float((rounded - layer.weight).detach().abs().max()) < 0.02
    assert not model(rows).equal(before)
    torch.testing.assert_close(model(rows), before, atol=0.1, rtol=0)
    assert model.eval()(rows).equal(before)
    assert list(layer.state_dict()) == names
    assert all(one is other for one, other in zip(layer.parameters(), parameters, strict=True)), "an optimizer holds them already"
    unround_layers(layers)
    assert type(layer) is nn.Linear
    assert model.train()(rows).equal(before)


def test_gradients_pass_straight_through() -> None:
    torch.manual_seed(0)
    layer, rows = nn.Linear(16, 3), torch.randn(4, 16)
    layer(rows).sum().backward()
    plain = layer.weight.grad.clone()
    layer.zero_grad()
    round_layers(nn.Sequential(layer), Rounding())
    layer(rows).sum().backward()
    torch.testing.assert_close(layer.weight.grad, plain, atol=0.05, rtol=0)
    assert float(layer.weight.grad.abs().min()) > 0


def test_hooks_of_a_layer_stay() -> None:
    layer, seen = nn.Linear(8, 2), []
    layer.register_forward_hook(lambda *_: seen.append(1))
    round_layers(nn.Sequential(layer), Rounding())
    layer(torch.randn(3, 8))
    assert seen == [1]


def test_a_run_learns_other_weights_measures_float_ones_and_has_plain_layers_after(tmp_path: Path) -> None:
    plain, _ = fit(tmp_path / "plain")
    trained, result = fit(tmp_path / "rounded", callbacks=[made(weights="int4", group=8, skip=["model.0"])])
    assert not same(weights(plain), weights(trained))
    assert weights(plain).keys() == weights(trained).keys()
    assert [type(each) for each in trained.modules() if isinstance(each, nn.Linear)] == [nn.Linear, nn.Linear]
    assert result.metrics


def test_it_begins_when_asked_and_not_before(tmp_path: Path) -> None:
    plain, _ = fit(tmp_path / "plain", max_epochs=2)
    late, _ = fit(tmp_path / "late", max_epochs=2, callbacks=[made(begin="2 epochs")])
    assert same(weights(plain), weights(late))
    half, _ = fit(tmp_path / "half", max_epochs=2, callbacks=[made(begin="0.5 run")])
    assert not same(weights(plain), weights(half))


def test_a_run_stopped_and_continued_is_the_same_to_the_bit(tmp_path: Path) -> None:
    whole, _ = fit(tmp_path / "whole", callbacks=[made()])
    for step in (3, 6):
        folder = tmp_path / f"stopped-{step}"
        with pytest.raises(Interrupted):
            fit(folder, callbacks=[made(), StopAt(step)])
        continued, _ = fit(folder, callbacks=[made()], resume=True)
        assert same(weights(whole), weights(continued))


def test_the_validation_of_a_run_is_that_of_its_float_weights(tmp_path: Path) -> None:
    found: list[bool] = []

    class Looks(Callback):
        def on_validation_batch_end(self, session: Any, system: Any, batch: Any, index: int, outputs: Any) -> None:
            layers = [each for each in system.modules() if isinstance(each, RoundedLinear)]
            (output,) = (each for each in outputs.values() if each.dim() == 2)
            for each in layers:
                each.__class__ = nn.Linear
            with torch.no_grad():
                found.append(bool(torch.allclose(system.model(batch["input"]), output, atol=1e-6)))
            for each in layers:
                each.__class__ = RoundedLinear

    fit(tmp_path, callbacks=[made(), Looks()], max_epochs=1)
    assert found and all(found)


def test_what_cannot_be_rounded_is_told() -> None:
    with pytest.raises(ConfigError, match=r"no dense layer to round(.|\n)*int8: static"):
        round_layers(nn.Sequential(nn.Conv1d(2, 2, 3)), Rounding())
    with pytest.raises(ConfigError, match=r"groups of 32 do not fit the layer 0(.|\n)*40 inputs"):
        round_layers(nn.Sequential(nn.Linear(40, 2)), Rounding("int4", 32))
    with pytest.raises(ConfigError, match=r"'heads' names no dense layer(.|\n)*did you mean 'head'"):
        round_layers(nn.ModuleDict({"head": nn.Linear(8, 2)}), Rounding(), ["heads"])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"weights": "int4"}, r"trainer.callbacks: quantization_aware: groups of 32 do not fit"),
        ({"skip": ["*"]}, "no dense layer to round"),
        ({"skip": ["heads"]}, "'heads' names no dense layer"),
    ],
)
def test_what_does_not_fit_the_model_is_told_before_a_run_begins(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        Trainer(config(callbacks=[{"type": "quantization_aware", **options}]), seed=0, device="cpu").check(system(), 43)


def test_a_callback_that_a_program_gives_refuses_what_does_not_fit(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with pytest.raises(ConfigError, match="'heads' names no dense layer"):
        fit(folder, callbacks=[made(skip=["heads"])])
    assert not folder.exists()


def test_without_torchao_the_line_that_installs_it_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchao.quantization.qat", None)
    with pytest.raises(ConfigError, match=r"which is not installed(.|\n)*pip install 'trainwright\[torchao\]'"):
        round_layers(nn.Sequential(nn.Linear(8, 2)), Rounding())
