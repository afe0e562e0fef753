"""Weights that parametrizations compute keep what they promise under every optimizer, and decay leaves what computes them alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn.utils import parametrizations as torchs
from torch.nn.utils import parametrize

import trainwright as tw
from trainwright.config.choice import choose
from trainwright.config.errors import ConfigError
from trainwright.optim import PARTS
from trainwright.optim.build import base_learning_rate, build_optimizer, own_weight_decay
from trainwright.optim.parameter_groups import parameter_groups
from trainwright.optim.parameter_options import ParameterOptions

SHAPES = [(4, 4), (3, 7), (7, 3)]
TRAINED = [name for name in PARTS if name not in ("sparse_adam", "timm")]  # which takes no dense gradient
BY_PATH = ["torch.optim.AdamW", "torch.optim.SGD", "torch.optim.ASGD"]


def options_of(name: str) -> Any:
    """Options with a decay that could not be overlooked, where the optimizer has one."""
    decays = ({"weight_decay": 0.5, "lambd": 0.5}, {"weight_decay": 0.5}, {"rest": {"type": "adamw", "weight_decay": 0.5}})
    inside = {"inner": {"type": "adamw", "learning_rate": 0.05, "weight_decay": 0.5}}
    for more in (*({"learning_rate": 0.05, **each} for each in decays), inside, {}):
        if name.startswith("torch.") and "lambd" in more and not name.endswith("ASGD"):
            continue
        try:
            return choose("optimizer", {"type": name, **more})
        except ValidationError as error:
            refused = error
    raise refused


def optimizer_of(name: str, model: nn.Module, **config: Any) -> Any:
    options = options_of(name)
    rules = ParameterOptions(**config)
    return build_optimizer(options, parameter_groups(rules, model, base_learning_rate(options), own_weight_decay(options)))


def trained(model: nn.Module, optimizer: Any, scale: float = 1.0, steps: int = 6) -> None:
    """A few steps on made rows; with a scale of 0 no gradient moves anything."""
    torch.manual_seed(1)
    x, y = torch.randn(32, model[0].in_features), torch.randn(32, model[0].out_features)

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = scale * nn.functional.mse_loss(model(x), y)
        value.backward()
        return value.detach()

    for _ in range(min(steps, 2) if type(optimizer).__name__ == "LBFGS" else steps):
        first = loss()
        optimizer.step_with(loss, first) if optimizer.redoes else optimizer.step()


def gap(weight: Tensor) -> float:
    """How far the rows, or the columns, are from orthonormal."""
    tall = weight if weight.shape[0] >= weight.shape[1] else weight.mT
    return float(torch.dist(tall.mT @ tall, torch.eye(tall.shape[1])))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", [*TRAINED, "torch.optim.AdamW"])
@pytest.mark.parametrize("how", ["householder", "cayley", "matrix_exp"])
def test_an_orthogonal_weight_stays_orthogonal(name: str, how: str, shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(torchs.orthogonal(nn.Linear(shape[1], shape[0]), orthogonal_map=how))
    before = model[0].weight.detach().clone()
    trained(model, optimizer_of(name, model))
    assert gap(model[0].weight.detach()) < 1e-4
    assert not torch.equal(before, model[0].weight.detach()), "it was trained"


PUT_ON: dict[str, Callable[[nn.Linear], nn.Module]] = {
    "weight_norm": torchs.weight_norm,
    "spectral_norm": torchs.spectral_norm,
    "orthogonal": torchs.orthogonal,
    "old weight_norm": lambda layer: nn.utils.weight_norm(layer),
    "old spectral_norm": lambda layer: nn.utils.spectral_norm(layer),
}


@pytest.mark.parametrize("name", [*TRAINED, *BY_PATH])
@pytest.mark.parametrize("put_on", PUT_ON)
@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
def test_no_decay_reaches_what_a_weight_is_computed_from(name: str, put_on: str) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(PUT_ON[put_on](nn.Linear(5, 3)))
    before = {key: value.detach().clone() for key, value in model.named_parameters()}
    trained(model, optimizer_of(name, model), scale=0.0, steps=3)
    for key, value in model.named_parameters():
        if key != "0.bias":
            assert torch.equal(value.detach(), before[key]), key


@pytest.mark.parametrize("name", TRAINED)
def test_the_largest_singular_value_stays_1_under_spectral_norm(name: str) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(torchs.spectral_norm(nn.Linear(7, 3), n_power_iterations=5))
    trained(model, optimizer_of(name, model), steps=20)
    assert float(torch.linalg.matrix_norm(model.eval()[0].weight.detach(), 2)) == pytest.approx(1, abs=0.02)


class Symmetric(nn.Module):
    """A parametrization of a person's own, with a parameter of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * (x.triu() + x.triu(1).mT)


def test_a_parametrization_of_ones_own_is_without_decay_and_its_neighbours_are_not() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    parametrize.register_parametrization(model[0], "weight", Symmetric())
    groups = optimizer_of("adamw", model).parameter_groups
    decay = {name: 0.5 if group.weight_decay is None else group.weight_decay for group in groups for name in group.names}
    assert decay == {
        "0.bias": 0.5,
        "0.parametrizations.weight.original": 0.0,
        "0.parametrizations.weight.0.scale": 0.0,
        "1.weight": 0.5,
        "1.bias": 0.5,
    }


def test_a_rule_that_names_them_asks_for_decay() -> None:
    model = nn.Sequential(torchs.weight_norm(nn.Linear(4, 4)))
    groups = optimizer_of("adamw", model, rules=[{"match": "*.original1", "weight_decay": 0.1}]).parameter_groups
    decay = {name: group.weight_decay for group in groups for name in group.names}
    assert decay["0.parametrizations.weight.original1"] == 0.1 and decay["0.parametrizations.weight.original0"] == 0.0


def test_decay_that_would_make_an_orthogonal_weight_zeros_is_refused() -> None:
    model = nn.Sequential(torchs.orthogonal(nn.Linear(7, 3)))
    with pytest.raises(ConfigError, match=r"would make the orthogonal weight of '0.parametrizations.weight.original' zeros"):
        optimizer_of("adamw", model, rules=[{"match": "0", "weight_decay": 0.1}])
    other = nn.Sequential(torchs.orthogonal(nn.Linear(7, 3), orthogonal_map="matrix_exp"))
    trained(other, optimizer_of("adamw", other, rules=[{"match": "0", "weight_decay": 0.1}]))
    assert gap(other[0].weight.detach()) < 1e-4


@pytest.mark.parametrize("extra", [{}, {"ema": {"decay": 0.9}}, {"swa": {"start": "1 step"}}])
def test_an_orthogonal_weight_survives_a_whole_run_and_its_averages(tmp_path: Path, extra: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(torchs.orthogonal(nn.Linear(8, 3)))
    rows = torch.randn(64, 8), torch.randint(0, 3, (64,))
    tw.fit(model, rows, loss="cross_entropy", max_steps=9, batch_size=16, run_dir=tmp_path / "run", console=False, **extra)
    assert gap(model[0].weight.detach()) < 1e-4


class Own(tw.System):
    """A system that makes its own optimizer."""

    def __init__(self, decay: float, how: str) -> None:
        super().__init__()
        self.decay, self.net = decay, torchs.orthogonal(nn.Linear(8, 3), orthogonal_map=how)

    def training_step(self, batch: Any, context: Any) -> Tensor:
        return nn.functional.cross_entropy(self.net(batch["input"]), batch["target"])

    def configure_optimizers(self) -> Any:
        return torch.optim.AdamW(self.parameters(), lr=1e-2, weight_decay=self.decay)


def fit_own(place: Path, **how: Any) -> tuple[Own, str]:
    torch.manual_seed(0)
    system = Own(**how)
    tw.fit(system, (torch.randn(32, 8), torch.randint(0, 3, (32,))), max_steps=3, run_dir=place, console=False)
    return system, (place / "log.txt").read_text()


def test_decay_that_a_system_asks_for_itself_is_said(tmp_path: Path) -> None:
    system, log = fit_own(tmp_path / "run", decay=0.1, how="matrix_exp")
    assert gap(system.net.weight.detach()) < 1e-4
    assert "WARNING" in log and "net.parametrizations.weight.original" in log


def test_decay_of_signs_that_a_system_asks_for_itself_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="zeros"):
        fit_own(tmp_path / "run", decay=0.1, how="householder")
    assert not (tmp_path / "run").exists()
    system, log = fit_own(tmp_path / "run", decay=0.0, how="householder")
    assert gap(system.net.weight.detach()) < 1e-4 and "WARNING" not in log


def test_optimizers_that_a_system_describes_leave_them_without_decay() -> None:
    from trainwright.optim.configured import read_configured

    model = nn.Sequential(torchs.orthogonal(nn.Linear(8, 3)))
    made = read_configured({"all": {"type": "adamw", "weight_decay": 0.5}}, model)
    assert {name: group.weight_decay for group in made.parameter_groups for name in group.names} == {
        "0.bias": None,
        "0.parametrizations.weight.original": 0.0,
    }


def test_torchs_muon_is_refused_for_them() -> None:
    model = nn.Sequential(torchs.orthogonal(nn.Linear(8, 3, bias=False)))
    with pytest.raises(ConfigError, match="Muon cannot train parametrized weights"):
        optimizer_of("torch.optim.Muon", model)
