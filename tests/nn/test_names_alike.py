"""One name for one module, with the `model.` that a system puts before it and without, wherever modules and weights are named."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from trainwright.config.errors import ConfigError
from trainwright.engine.module_modes import matching as matching_modes
from trainwright.engine.precision import matching as matching_precision
from trainwright.nn.init_options import InitRule
from trainwright.nn.init_rules import apply_init
from trainwright.nn.module_names import find_modules
from trainwright.nn.parametrization_options import ParametrizationOptions
from trainwright.nn.parametrizations import parametrise
from trainwright.optim.configured import _from_options
from trainwright.optim.gradient_hooks import GradientHooks
from trainwright.optim.matching import SystemNames
from trainwright.optim.muon import is_hidden
from trainwright.optim.parameter_options import GradientHookOptions
from trainwright.systems.plain import PlainSystem
from trainwright.weights.loading import load_weights


def made_model() -> nn.Module:
    model = nn.Module()
    model.body, model.head = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)), nn.Linear(4, 2)
    model.forward = lambda x: model.head(model.body(x))  # type: ignore[method-assign]
    return model


def init(model: nn.Module, name: str) -> object:
    return [each.name for each in apply_init(model, [InitRule(names=name, weight="zeros", bias=0.0)])]


def hooked_function(model: nn.Module, name: str) -> object:
    return [each.name for each in apply_init(model, [InitRule(modules=name, weight="zeros")])]


def rules(model: nn.Module, name: str) -> object:
    return sorted(SystemNames(PlainSystem(model)).parameters([name]))


def norms(model: nn.Module, name: str) -> object:
    return SystemNames(PlainSystem(model)).find_modules([name])


def gradient_hooks(model: nn.Module, name: str) -> object:
    hooks = GradientHooks([GradientHookOptions(match=name, scale=0.5)], PlainSystem(model))
    return [each for each, _ in hooks._hooks[0].named]


def own_optimizer(model: nn.Module, name: str) -> object:
    return _from_options("adam", {"parameters": name, "learning_rate": 0.1}, PlainSystem(model)).parameter_groups[0].names


WAYS = [
    init,
    hooked_function,
    rules,
    norms,
    gradient_hooks,
    own_optimizer,
    lambda model, name: list(find_modules(model, [name], "hooks")),
    lambda model, name: parametrise(model, [ParametrizationOptions(names=f"{name}.weight", type="weight_norm")]),
    lambda model, name: [id(each) for each in matching_precision(PlainSystem(model), [name])],
    lambda model, name: list(matching_modes(PlainSystem(model), [name], "trainer.modes.compile.target")),
    lambda model, name: load_weights(model, made_model().state_dict(), ignore=[name], partial=True).ignored,
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["head", "re:he.d", "he*d"])
def test_a_name_is_understood_with_and_without_model(way, name: str) -> None:
    model = made_model()
    if way is WAYS[7]:
        if name.startswith("re:"):
            pytest.skip("a dot after an expression is one of the expression")
        assert way(model, f"model.{name}") == way(made_model(), name) == ["head.weight"]
        return
    written = name.replace("re:", "re:model\\.") if name.startswith("re:") else f"model.{name}"
    short, long = way(model, name), way(model, written)
    assert short == long
    assert short


@pytest.mark.parametrize("way", [init, hooked_function, rules, gradient_hooks, *WAYS[6:10]])
def test_a_name_that_is_nowhere_is_refused_with_the_nearest(way) -> None:
    with pytest.raises(ConfigError) as refused:
        way(made_model(), "model.haed")
    assert "head" in refused.value.fix


def test_what_stands_as_it_is_written_is_not_read_otherwise() -> None:
    outer = nn.Module()
    outer.model, outer.head = nn.Module(), nn.Linear(2, 2)
    outer.model.head = nn.Linear(3, 3)
    names = SystemNames(PlainSystem(outer))
    assert list(find_modules(outer, ["model.head"], "hooks")) == ["model.head"]
    assert names.parameters(["model.head"]) == {"model.head.weight", "model.head.bias"}  # the system's name of the outer one
    assert names.parameters(["model.model.head"]) == {"model.model.head.weight", "model.model.head.bias"}


def test_muon_leaves_what_is_named_without_model_to_its_rest() -> None:
    weight = torch.zeros(4, 4)
    assert not is_hidden("model.body.0.weight", weight, ["body"])
    assert not is_hidden("model.body.0.weight", weight, ["model.body"])
    assert is_hidden("model.body.0.weight", weight, ["head"])
    assert is_hidden("model.decoders.0.weight", weight, ["decoders.*"])  # as runs that exist were parted
