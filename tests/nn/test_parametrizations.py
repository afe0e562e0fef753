"""Parametrised weights train, are copied, averaged, saved and baked like any others, and state dicts go both ways."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trainwright.config.errors import ConfigError
from trainwright.files.tensors import load_tensors, save_tensors
from trainwright.nn.parametrised_state import load_weights, plain_state
from trainwright.nn.parametrization_options import ParametrizationOptions
from trainwright.nn.parametrizations import bake, cached, parametrise, parametrised_weights
from trainwright.optim.average_options import EMAOptions
from trainwright.optim.averages import Averages
from trainwright.optim.schedules.base import Extent
from trainwright.optim.swap import weights_inside

TYPES = ["weight_norm", "spectral_norm", "orthogonal"]
OWN = """
import torch
from torch import nn

class Symmetric(nn.Module):
    def __init__(self, scale: float = 1.0):
        super().__init__()
        self.scale = scale
    def forward(self, x):
        return self.scale * (x.triu() + x.triu(1).T)
    def right_inverse(self, a):
        return a.triu() / self.scale

class Positive(nn.Module):
    def forward(self, x):
        return x.exp()

class Narrow(nn.Module):
    def forward(self, x):
        return x[:1]
"""


def option(**given: Any) -> ParametrizationOptions:
    return ParametrizationOptions.model_validate(given)


def net(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 4))


def parametrised_net(kind: str, seed: int = 0, steps: int = 3) -> nn.Sequential:
    model = net(seed)
    parametrise(model, [option(names="*.weight", type=kind)])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.randn(8, 6)).square().mean().backward()
        optimizer.step()
    return model


X = torch.randn(5, 6, generator=torch.Generator().manual_seed(9))


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "own_parametrization.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    return "./own_parametrization.py"


def test_each_type_gives_weights_with_its_property() -> None:
    norm = parametrised_net("spectral_norm", steps=50).eval()
    assert float(torch.linalg.matrix_norm(norm[0].weight.detach(), 2)) == pytest.approx(1, abs=0.02)
    turned = parametrised_net("orthogonal")[0].weight
    assert torch.allclose(turned @ turned.T, torch.eye(6), atol=1e-5)
    weight_norm = parametrised_net("weight_norm")[2]
    magnitude = weight_norm.parametrizations.weight.original0
    assert torch.allclose(weight_norm.weight.norm(dim=1, keepdim=True), magnitude, atol=1e-6)


@pytest.mark.parametrize("kind", TYPES)
def test_baking_leaves_a_plain_model_that_computes_the_same(kind: str) -> None:
    model = parametrised_net(kind)
    state = plain_state(model)
    before = model.eval()(X)
    model.train()
    assert bake(model) == ["0.weight", "2.weight"]
    assert model.training and list(model.state_dict()) == ["0.bias", "0.weight", "2.bias", "2.weight"]
    assert type(model[0]) is nn.Linear and isinstance(model[0].weight, nn.Parameter) and model[0].weight.requires_grad
    assert torch.allclose(model(X), before, atol=1e-6)
    assert all(torch.allclose(state[name], value, atol=1e-6) for name, value in model.state_dict().items())
    assert parametrised_weights(model) == [] and bake(model) == []


@pytest.mark.parametrize("kind", TYPES)
def test_checkpoints_and_copies_survive(kind: str, tmp_path: Path) -> None:
    model = parametrised_net(kind).eval()
    save_tensors(tmp_path / "weights.safetensors", model.state_dict())
    other = parametrised_net(kind, seed=1).eval()
    other.load_state_dict(load_tensors(tmp_path / "weights.safetensors"))
    assert torch.equal(other(X), model(X))
    twin = copy.deepcopy(model)
    assert torch.equal(twin(X), model(X))
    with torch.no_grad():
        next(twin.parameters()).add_(1)
    assert not torch.equal(twin(X), model(X))


@pytest.mark.parametrize("kind", TYPES)
def test_a_moving_average_of_parametrised_weights_keeps_their_property(kind: str) -> None:
    model = parametrised_net(kind, steps=0)
    averages = Averages(EMAOptions(decay=[0.5]), None, model, Extent(steps_per_epoch=4, steps=40))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
    expected = {name: param.detach().clone() for name, param in model.named_parameters()}
    for step in range(1, 5):
        optimizer.zero_grad()
        model(X).square().mean().backward()
        optimizer.step()
        averages.update(step)
        decay = averages.decay_at(step, 0.5)
        expected = {name: decay * expected[name] + (1 - decay) * param.detach() for name, param in model.named_parameters()}
    model.eval()
    trained = model(X)
    with averages.swap_in():
        assert not torch.equal(model(X), trained)
        for name, param in model.named_parameters():
            assert torch.allclose(param, expected[name], atol=1e-6)
        if kind == "orthogonal":
            assert torch.allclose(model[0].weight @ model[0].weight.T, torch.eye(6), atol=1e-5)
        state = plain_state(model)
    assert torch.equal(model(X), trained)
    averages.release()
    plain = net()
    plain.load_state_dict(state)
    averaged = averages.weights()
    assert averaged is not None
    with weights_inside(model, {name: value for name, value in averaged.items() if name in expected}):
        assert torch.allclose(plain(X), model(X), atol=1e-6)


@pytest.mark.parametrize("kind", ["weight_norm", "orthogonal"])
def test_a_plain_checkpoint_goes_into_a_parametrised_model(kind: str) -> None:
    plain = parametrised_net("orthogonal")
    bake(plain)
    model = parametrised_net(kind, seed=1)
    assert load_weights(model, plain.state_dict()) == {"0.weight": "through right_inverse", "2.weight": "through right_inverse"}
    assert torch.allclose(model(X), plain(X), atol=1e-5)


def test_spectral_norm_takes_a_plain_weight_and_finds_its_norm() -> None:
    plain, model = net(), parametrised_net("spectral_norm", seed=1).eval()
    load_weights(model, plain.state_dict())
    for place in (0, 2):
        assert torch.allclose(model[place].weight, plain[place].weight / torch.linalg.matrix_norm(plain[place].weight, 2), atol=1e-4)


@pytest.mark.parametrize("dim", [0, 1, None])
def test_weight_norm_goes_into_a_plain_model(dim: int | None) -> None:
    model, plain = nn.Sequential(nn.Conv2d(3, 4, 2)), nn.Sequential(nn.Conv2d(3, 4, 2))
    parametrise(model, [option(names="0.weight", type="weight_norm", dim=dim)])
    assert list(load_weights(plain, model.state_dict())) == ["0.weight"]
    assert torch.allclose(plain[0].weight, model[0].weight, atol=1e-6)


def test_other_parametrised_checkpoints_are_refused_by_a_plain_model_which_stays_as_it_is() -> None:
    model, plain = parametrised_net("spectral_norm"), net(4)
    before = {name: value.clone() for name, value in plain.state_dict().items()}
    said = (
        "the saved '0.weight' is parametrised and the model's is plain\n  why: it was saved as 0._u, 0._v, original\n  fix: give the model"
    )
    with pytest.raises(ConfigError, match=re.escape(said)):
        load_weights(plain, model.state_dict())
    assert all(torch.equal(value, before[name]) for name, value in plain.state_dict().items())
    load_weights(plain, plain_state(model))
    assert torch.allclose(plain(X), model.eval()(X), atol=1e-6)


def test_a_state_dict_of_the_same_form_is_loaded_as_it_is_and_another_model_is_refused() -> None:
    model, other = parametrised_net("weight_norm"), parametrised_net("weight_norm", seed=2)
    assert load_weights(other, model.state_dict()) == {}
    assert torch.equal(other(X), model(X))
    state = dict(model.state_dict())
    state["3.bias"] = state.pop("2.bias")
    state["0.bias"] = torch.zeros(2)
    with pytest.raises(ConfigError, match=re.escape("missing: 2.bias; unknown: 3.bias; other shape: 0.bias (2,) for (6,)")):
        load_weights(other, state)


def test_own_parametrizations_take_arguments_and_assigned_values(own: str) -> None:
    model = net()
    assert parametrise(model, [option(names="0.weight", type=f"{own}:Symmetric", scale=2.0)]) == ["0.weight"]
    assert torch.equal(model[0].weight, model[0].weight.T)
    value = torch.randn(6, 6)
    model[0].weight = value + value.T
    assert torch.allclose(model[0].weight, value + value.T, atol=1e-6)
    plain = copy.deepcopy(model)
    bake(plain)
    assert torch.allclose(plain(X), model(X))
    load_weights(model, plain.state_dict())
    assert torch.allclose(plain(X), model(X), atol=1e-6)


def test_one_without_right_inverse_can_be_put_on_and_baked_but_not_loaded_into(own: str) -> None:
    model = net()
    before = model[0].weight.detach().clone()
    parametrise(model, [option(names="*.weight", modules="Linear", type=f"{own}:Positive")])
    assert torch.allclose(model[0].weight, before.exp())
    with pytest.raises(
        ConfigError, match=r"the saved '0.weight' is plain and the model's is parametrised\n  why: Positive has no right_inverse"
    ):
        load_weights(model, net().state_dict())
    bake(model)
    assert torch.allclose(model[0].weight, before.exp())


def test_several_on_one_weight_are_chained_in_order(own: str) -> None:
    model = net()
    parametrise(model, [option(names="0.weight", type=f"{own}:Symmetric"), option(names="0.weight", type="spectral_norm")])
    assert len(model[0].parametrizations.weight) == 2
    assert torch.allclose(model[0].weight, model[0].weight.T, atol=1e-6)


def test_recurrent_weights_train_and_are_copied_after_they_have_run() -> None:
    torch.manual_seed(0)
    model = nn.ModuleDict({"rnn": nn.LSTM(3, 4)})
    parametrise(model, [option(names="*.weight_hh_l0", type="orthogonal"), option(names="*.weight_ih_l0", type="weight_norm")])
    x = torch.randn(5, 2, 3)
    out: Tensor = model["rnn"](x)[0]
    out.sum().backward()
    assert model["rnn"].parametrizations.weight_hh_l0.original.grad.abs().sum() > 0
    twin = copy.deepcopy(model)
    assert torch.equal(twin["rnn"](x)[0], out)
    with torch.no_grad():
        twin["rnn"].parametrizations.weight_ih_l0.original0.mul_(2)
    assert not torch.equal(twin["rnn"](x)[0], out) and torch.equal(model["rnn"](x)[0], out)
    bake(model)
    assert torch.allclose(model["rnn"](x)[0], out, atol=1e-6) and type(model["rnn"]) is nn.LSTM
    copy.deepcopy(model)


def test_inside_cached_a_weight_is_computed_once(own: str) -> None:
    model = net()
    parametrise(model, [option(names="0.weight", type=f"{own}:Symmetric")])
    assert model[0].weight is not model[0].weight
    with cached():
        assert model[0].weight is model[0].weight


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"names": "0.wight", "type": "weight_norm"},
            "parametrizations.0.names: no weight is called '0.wight'\n  fix: did you mean '0.weight'?",
        ),
        ({"names": "0.weight", "type": "weight_nrm"}, "there is no parametrization 'weight_nrm'\n  fix: did you mean 'weight_norm'?"),
        (
            {"names": "0.weight", "type": "weight_norm", "dims": 0},
            "'weight_norm' cannot be made so\n  why: got an unexpected keyword argument 'dims'\n  fix: did you mean 'dim'?",
        ),
        ({"names": "0.weight", "type": "spectral_norm", "dim": 7}, "'spectral_norm' cannot be put on '0.weight' of shape (6, 6)"),
        ({"names": "0.bias", "type": "orthogonal"}, "'orthogonal' cannot be put on '0.bias' of shape (6,)"),
        ({"names": "0.weight", "type": "torch.nn.functional.relu"}, "cannot be made so"),
        ({"names": "*.bias", "modules": "Tanh", "type": "weight_norm"}, "names and modules together name no weight"),
    ],
)
def test_what_does_not_fit_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        parametrise(net(), [option(**options)])


def test_one_that_changes_the_shape_is_refused_unless_it_is_said_to_be_unsafe(own: str) -> None:
    with pytest.raises(ConfigError, match=r"Narrow' cannot be put on '0.weight' of shape"):
        parametrise(net(), [option(names="0.weight", type=f"{own}:Narrow")])
    model = net()
    parametrise(model, [option(names="0.weight", type=f"{own}:Narrow", unsafe=True)])
    assert model[0].weight.shape == (1, 6)


def test_a_tied_weight_is_refused_and_a_shared_module_is_not() -> None:
    model = net()
    model[2] = nn.Linear(6, 6)
    model[2].weight = model[0].weight
    with pytest.raises(ConfigError, match=r"'0.weight' is tied\n  why: it is the same tensor as '2.weight'"):
        parametrise(model, [option(names="0.weight", type="weight_norm")])
    layer = nn.Linear(6, 6)
    shared = nn.Sequential(layer, layer)
    assert parametrise(shared, [option(names="*.weight", type="weight_norm")]) == ["0.weight"]
    plain = nn.Sequential(*[nn.Linear(6, 6)] * 2)
    plain.load_state_dict(plain_state(shared))
    assert torch.allclose(plain(X), shared(X), atol=1e-6)
