"""Sparse gradients have the effect of dense ones with the same values, or are refused in words before step 1."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from optimizer_cases import optimizer_of
from torch import Tensor, nn
from torch.nn import functional

import trainwright as tw
from trainwright.config import registry
from trainwright.config.errors import ConfigError
from trainwright.engine.precision import Scaler
from trainwright.engine.precision_options import PrecisionOptions
from trainwright.optim.clipping import clip_gradients, gradients
from trainwright.optim.parameter_options import Clipping
from trainwright.optim.sparse_gradients import refuse_layouts, sparse_parameters

ROWS = torch.randint(0, 20, (32, 4), generator=torch.Generator().manual_seed(0))
TARGETS = torch.randint(0, 3, (32,), generator=torch.Generator().manual_seed(1))
TAKING: list[dict[str, Any]] = [
    {"type": "sgd", "learning_rate": 0.5},
    {"type": "sgd", "momentum": 0.9, "dampening": 0.1},
    {"type": "sgd", "momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
    {"type": "adagrad", "learning_rate": 0.1},
    {"type": "adagrad", "fused": False},
    {"type": "lbfgs", "max_iter": 3},
    {"type": "lookahead", "inner": {"type": "sgd", "momentum": 0.9}, "every": 2},
    {"type": "torch.optim.SGD", "lr": 0.5},
    {"type": "torch.optim.Adagrad", "lr": 0.1},
]
ALONE: list[dict[str, Any]] = [{"type": "sparse_adam"}, {"type": "torch.optim.SparseAdam"}, {"type": "lookahead", "inner": "sparse_adam"}]
REFUSED: list[tuple[dict[str, Any], str]] = [
    *(({"type": name}, "") for name in registry.parts("optimizer") if name not in ("sgd", "adagrad", "lbfgs", "sparse_adam", "timm")),
    ({"type": "adamw"}, "AdamW moves every value"),
    ({"type": "sam", "inner": "sgd"}, "sam moves all weights"),
    ({"type": "muon", "rest": "sgd", "rest_match": ["none"]}, "OrthogonalMomentum moves every value"),
    ({"type": "adagrad", "weight_decay": 0.1}, r"no weight decay for them \(it is 0.1 here\); ours, `sgd`, has"),
    ({"type": "adagrad", "fused": True}, "fused=True takes dense gradients only"),
    ({"type": "torch.optim.SGD", "lr": 0.1, "momentum": 0.9}, "which no checkpoint holds"),
    ({"type": "torch.optim.AdamW"}, "torch's AdamW takes dense gradients only"),
]


@pytest.fixture(autouse=True)
def _silent() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse invariant checks")
        yield


class Bag(nn.Module):
    def __init__(self, sparse: bool = True) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.e, self.out = nn.EmbeddingBag(20, 5, sparse=sparse), nn.Linear(5, 3)

    def forward(self, rows: Tensor) -> Tensor:
        return self.out(self.e(rows))


class Looked(nn.Module):
    """Says nowhere that its gradient will be sparse."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(20, 3))

    def forward(self, rows: Tensor) -> Tensor:
        return functional.embedding(rows, self.table, sparse=True).mean(1)


def stepped(options: dict[str, Any], model: nn.Module, limits: Clipping) -> list[Tensor]:
    """Weights after four steps of two added pieces each, clipped, and taken up in a new optimizer half-way."""
    optimizer = optimizer_of(options, dict(model.named_parameters()))

    def gradient() -> Tensor:
        optimizer.zero_grad()
        losses = [functional.cross_entropy(model(ROWS[half]), TARGETS[half]) / 2 for half in (slice(0, 16), slice(16, 32))]
        for each in losses:
            each.backward()
        clip_gradients(list(model.parameters()), limits)
        return torch.stack(losses).sum().detach()

    for step in range(4):
        if step == 2:
            state = {name: each.clone() for name, each in optimizer.tensors().items()}, optimizer.numbers()
            optimizer = optimizer_of(options, dict(model.named_parameters()))
            optimizer.load(*state)
        loss = gradient()
        optimizer.step_with(gradient, loss) if optimizer.redoes else optimizer.step()
    return [each.detach() for each in model.parameters()]


@pytest.mark.parametrize("options", TAKING, ids=str)
def test_a_sparse_gradient_has_the_effect_of_the_dense_one(options: dict[str, Any]) -> None:
    for limits in (Clipping(), Clipping(norm=0.2, value=0.05, per_parameter=0.1)):
        if options["type"] == "lbfgs" and limits.any:
            continue  # a clipped line search goes other ways for a rounding
        for one, other in zip(stepped(options, Bag(), limits), stepped(options, Bag(sparse=False), limits), strict=True):
            torch.testing.assert_close(one, other)


@pytest.mark.parametrize(("options", "why"), REFUSED, ids=str)
def test_what_cannot_take_them_is_refused_with_what_can(options: dict[str, Any], why: str) -> None:
    model = Bag()
    with pytest.raises(ConfigError, match=f"'e.weight' has sparse gradients.*\n.*{why}.*\n.*sgd, adagrad or lbfgs"):
        refuse_layouts(model, optimizer_of(options, dict(model.named_parameters())))


@pytest.mark.parametrize("options", [*TAKING, *ALONE], ids=str)
def test_what_takes_them_is_not_refused(options: dict[str, Any]) -> None:
    table = nn.Embedding(4, 2, sparse=True)
    optimizer = optimizer_of(options, dict(table.named_parameters()))
    before = table.weight.detach().clone()
    refuse_layouts(table, optimizer)
    assert torch.equal(table.weight, before) and list(sparse_parameters(table)) == ["weight"]  # asked, and not moved


def test_sparse_adam_is_named_where_all_is_sparse_and_refused_where_something_is_dense() -> None:
    table, model = nn.Embedding(4, 2, sparse=True), Bag()
    with pytest.raises(ConfigError, match="use sparse_adam, sgd, adagrad or lbfgs"):
        refuse_layouts(table, optimizer_of("adamw", dict(table.named_parameters())))
    for options in ALONE:
        with pytest.raises(ConfigError, match=r"takes sparse gradients only\n.*2 parameters have dense ones, 'out.weight' first"):
            refuse_layouts(model, optimizer_of(options, dict(model.named_parameters())))


def test_a_gradient_that_nobody_foresaw_is_refused_by_the_step_itself() -> None:
    for options in ("adamw", "lion", "rmsprop", {"type": "torch.optim.Adam"}):
        model = Looked()
        optimizer = optimizer_of(options, dict(model.named_parameters()))
        model(ROWS).sum().backward()
        with pytest.raises(ConfigError, match="'table' has sparse gradients"):
            optimizer.step()
        assert not model.table.any()


def test_scaled_gradients_are_unscaled_and_seen_to_be_finite() -> None:
    model = Bag()
    functional.cross_entropy(model(ROWS), TARGETS).backward()
    scaler = Scaler(PrecisionOptions(type="fp16", initial_scale=4.0), torch.device("cpu"))
    before = model.e.weight.grad.to_dense()  # type: ignore[union-attr]
    assert scaler.unscale(gradients(model.parameters()))
    torch.testing.assert_close(model.e.weight.grad.to_dense() * 4, before)  # type: ignore[union-attr]
    model.e.weight.grad.coalesce().values()[0, 0] = torch.inf  # type: ignore[union-attr]
    assert not scaler.unscale(gradients(model.parameters()))


def test_a_run_trains_them_with_everything_round_it_and_refuses_before_its_first_step(tmp_path: Path) -> None:
    asked: dict[str, Any] = {"loss": "cross_entropy", "batch_size": 16, "micro_batch_size": 6, "console": False}
    asked |= {"ema": 0.5, "clip": {"norm": 1}}
    made = {}
    for sparse in (True, False):
        place, optimizer = tmp_path / str(sparse), {"type": "sgd", "momentum": 0.9, "weight_decay": 0.01}
        for steps in (3, 6):
            model = Bag(sparse)
            tw.fit(model, (ROWS, TARGETS), optimizer=optimizer, max_steps=steps, run_dir=place, resume=steps > 3, **asked)
        made[sparse] = model
    for one, other in zip(made[True].parameters(), made[False].parameters(), strict=True):
        torch.testing.assert_close(one, other)
    for model in (Bag(), Looked()):
        with pytest.raises(ConfigError, match="has sparse gradients"):
            tw.fit(model, (ROWS, TARGETS), max_steps=3, run_dir=tmp_path / "no", **asked)
    assert not (tmp_path / "no").exists() and sparse_parameters(model)
