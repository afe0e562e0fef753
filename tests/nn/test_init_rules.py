"""Weights begin as the rules say: each function as torch has it, in a fixed order, and what names nothing is refused."""

from __future__ import annotations

import inspect
import logging
import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn.utils.parametrizations import orthogonal

from trainwright.config.errors import ConfigError, TrainwrightError
from trainwright.nn.init_options import InitRule
from trainwright.nn.init_rules import apply_init, fan_in, init_functions, report

ARGUMENTS: dict[str, dict[str, Any]] = {"constant": {"val": 0.3}, "sparse": {"sparsity": 0.5}, "xavier_normal": {"gain": 1.4}}
SHAPES = {"dirac": (4, 3, 5)}


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(7, 6, padding_idx=2)
        self.encoder = nn.Sequential(nn.Linear(6, 5), nn.LayerNorm(5), nn.Conv1d(3, 4, 3))
        self.rnn = nn.LSTM(5, 4)
        self.head = nn.Linear(5, 3)
        self.token = nn.Parameter(torch.ones(1, 5))


def rule(**options: Any) -> InitRule:
    return InitRule.model_validate(options)


def torch_functions() -> list[str]:
    return sorted(
        name[:-1] for name, value in vars(nn.init).items() if inspect.isfunction(value) and name.endswith("_") and not name.startswith("_")
    )


@pytest.mark.parametrize("name", torch_functions())
def test_every_function_of_torch_fills_as_torch_does(name: str) -> None:
    model = nn.Module()
    model.weight = nn.Parameter(torch.empty(SHAPES.get(name, (6, 5))))
    given = ARGUMENTS.get(name, {})
    torch.manual_seed(3)
    applied = apply_init(model, [rule(weight={"type": name, **given})])
    torch.manual_seed(3)
    expected = getattr(nn.init, f"{name}_")(torch.empty_like(model.weight), **given)
    assert torch.equal(model.weight, expected)
    assert applied[0].how.startswith(name)
    assert model.weight.requires_grad and model.weight.grad_fn is None


def test_all_of_torch_and_lecun_can_be_named() -> None:
    assert set(init_functions()) == {*torch_functions(), "lecun_normal", "lecun_uniform"}


@pytest.mark.parametrize("kind", ["lecun_normal", "lecun_uniform", {"type": "lecun_normal", "truncated": True}])
def test_lecun_has_the_variance_of_one_over_fan_in(kind: Any) -> None:
    torch.manual_seed(0)
    model = nn.Conv2d(8, 400, 5)
    apply_init(model, [rule(modules="Conv2d", weight=kind)])
    assert float(model.weight.detach().std()) == pytest.approx(math.sqrt(1 / (8 * 25)), rel=0.02)
    assert fan_in(model.weight) == 200


def test_trunc_normal_cuts_at_two_and_not_at_two_deviations() -> None:
    torch.manual_seed(0)
    model = nn.Linear(300, 300)
    apply_init(model, [rule(weight={"type": "trunc_normal", "std": 0.02})])
    assert float(model.weight.detach().abs().max()) > 2.5 * 0.02
    apply_init(model, [rule(weight={"type": "trunc_normal", "std": 0.02, "a": -0.04, "b": 0.04})])
    assert float(model.weight.detach().abs().max()) <= 0.04
    apply_init(model, [rule(weight="trunc_normal")])
    assert 1.9 < float(model.weight.detach().abs().max()) <= 2


def test_rules_choose_by_class_and_name_and_a_later_one_overrides() -> None:
    model = Net()
    before = model.encoder[1].weight.clone()
    rules = [
        rule(modules="Linear", weight="xavier_uniform", bias=0.01),
        rule(names="head", modules=["Linear"], weight={"type": "normal", "std": 5.0}),
        rule(modules="LSTM", weight="orthogonal", bias="zeros", parameters={"weight_ih*": 0.5}),
        rule(names="token", parameters={"token": "zeros"}),
    ]
    applied = apply_init(model, rules)
    assert bool((model.encoder[0].bias == 0.01).all()) and bool((model.head.bias == 0.01).all())
    assert float(model.head.weight.detach().std()) > 1
    assert float(model.encoder[0].weight.detach().abs().max()) <= math.sqrt(6 / 11)
    assert bool((model.rnn.weight_ih_l0 == 0.5).all())
    assert torch.allclose(model.rnn.weight_hh_l0.T @ model.rnn.weight_hh_l0, torch.eye(4), atol=1e-5)
    assert bool((model.rnn.bias_hh_l0 == 0).all()) and bool((model.token == 0).all())
    assert torch.equal(model.encoder[1].weight, before)
    assert [each.name for each in applied][:4] == ["encoder.0.weight", "encoder.0.bias", "head.weight", "head.bias"]
    lines = report(applied).splitlines()
    assert len(lines) == len({each.name for each in applied})
    assert re.search(r"head.weight +3×5 +normal\(std=5.0\) +\(rule 1\)", report(applied))


def test_the_same_seed_gives_the_same_weights_whatever_was_there_before() -> None:
    def made(seed: int) -> list[Tensor]:
        model = Net()
        torch.manual_seed(seed)
        apply_init(model, [rule(modules=["Linear", "Conv*"], weight="kaiming-normal_", bias="uniform")])
        return [model.encoder[0].weight, model.encoder[2].bias, model.head.weight]

    assert all(torch.equal(one, other) for one, other in zip(made(1), made(1), strict=True))
    assert not any(torch.equal(one, other) for one, other in zip(made(1), made(2), strict=True))


def test_the_padding_row_of_an_embedding_stays_zero() -> None:
    model = Net()
    apply_init(model, [rule(modules="Embedding", weight="normal")])
    assert not model.embed.weight[2].any() and bool(model.embed.weight[3].any())


def test_tied_weights_are_filled_once() -> None:
    model = nn.ModuleDict({"a": nn.Linear(4, 4), "b": nn.Linear(4, 4)})
    model["b"].weight = model["a"].weight
    assert [each.name for each in apply_init(model, [rule(names="b", weight="normal")])] == ["a.weight"]


def test_weights_that_a_parametrization_gives_are_filled_through_it() -> None:
    model = nn.Sequential(orthogonal(nn.Linear(5, 5)))
    assert [each.name for each in apply_init(model, [rule(weight="eye")])] == ["0.weight"]
    assert torch.allclose(model[0].weight, torch.eye(5), atol=1e-6)


def test_own_functions_are_called_with_the_tensor_or_the_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_init.py").write_text(
        "import torch\n"
        "def ramp(tensor, scale=1.0):\n    return scale * torch.arange(tensor.numel()).view(tensor.shape)\n"
        "def halves(tensor):\n    tensor.fill_(0.5)\n"
        "calls = []\n"
        "def module(m):\n    calls.append(type(m).__name__)\n    m.bias.fill_(7.0)\n"
        "def fails(m):\n    raise KeyError('gone')\n"
    )
    model = Net()
    apply_init(model, [rule(names="head.weight", weight={"type": "./own_init.py:ramp", "scale": 2.0})])
    assert model.head.weight[0].tolist() == [0, 2, 4, 6, 8]
    apply_init(model, [rule(names="head", weight="./own_init.py:halves")])
    assert bool((model.head.weight == 0.5).all())
    applied = apply_init(model, [rule(modules="Linear", function="./own_init.py:module")])
    assert {each.name for each in applied} == {"encoder.0", "head"} and bool((model.head.bias == 7).all())
    assert applied[0].name == "encoder.0"  # the innermost first
    with pytest.raises(
        TrainwrightError, match=r"init.0.function: './own_init.py:fails' fails on 'head' \(Linear\)\n  why: KeyError: 'gone'"
    ):
        apply_init(model, [rule(modules="head", function="./own_init.py:fails")])
    with pytest.raises(ConfigError, match="has no 'rampp'"):
        apply_init(model, [rule(weight="./own_init.py:rampp")])


def test_constant_weights_are_warned_about_and_constant_biases_are_not(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "trainwright.nn"):
        apply_init(Net(), [rule(modules="Linear", bias=0.0)])
        assert not caplog.records
        applied = apply_init(Net(), [rule(names="head", weight=0.1)])
    assert "learn the same" in caplog.text and "head.weight" in caplog.text
    assert "learn the same" in applied[0].note


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"modules": "Liner", "weight": 0.1}, "init.0.modules: no module is called, or is a 'Liner'\n  fix: did you mean 'Linear'?"),
        ({"names": "heed", "weight": 0.1}, "init.0.names: no weight is called 'heed'\n  fix: did you mean 'head'?"),
        ({"weight": "xavier_unifrom"}, "init.0.weight: there is no initialisation 'xavier_unifrom'\n  fix: did you mean 'xavier_uniform'?"),
        (
            {"weight": {"type": "normal", "sd": 1.0}},
            "'normal' cannot be called so\n  why: got an unexpected keyword argument 'sd'\n  fix: did you mean 'std'?",
        ),
        ({"modules": "LayerNorm", "weight": "xavier_uniform"}, "xavier_uniform cannot fill 'encoder.1.weight' of shape (5,)"),
        ({"modules": "Linear", "parameters": {"gamma": 1.0}}, "the rule names nothing with 'gamma' in its name"),
        ({"modules": "Linear", "names": "rnn", "weight": 1.0}, "modules and names together name no weight"),
    ],
)
def test_what_names_nothing_or_does_not_fit_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        apply_init(Net(), [rule(**options)])


def test_nothing_is_filled_when_a_later_rule_names_nothing() -> None:
    model = Net()
    before = model.head.weight.clone()
    with pytest.raises(ConfigError):
        apply_init(model, [rule(names="head", weight=0.5), rule(names="nothing", weight=0.5)])
    assert torch.equal(model.head.weight, before)


def test_lazy_and_meta_weights_are_refused_and_empty_rules_too() -> None:
    with pytest.raises(ConfigError, match=r"'0.weight' has no values yet"):
        apply_init(nn.Sequential(nn.LazyLinear(3)), [rule(weight="normal")])
    with pytest.raises(ConfigError, match="initialise after the dry run"):
        apply_init(nn.Linear(3, 3, device="meta"), [rule(weight="normal")])
    with pytest.raises(ValidationError, match="the rule sets nothing"):
        rule(modules="Linear")
