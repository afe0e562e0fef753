"""Our optimizers give the bits of torch's, and their state survives a round trip."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trainwright.config.choice import choose
from trainwright.config.errors import ConfigError, RequestError, RunError
from trainwright.optim.adam import Adam
from trainwright.optim.base import Optimizer
from trainwright.optim.build import build_optimizer
from trainwright.optim.parameter_groups import ParameterGroup, one_group

CASES: list[tuple[str, dict[str, Any], type[torch.optim.Optimizer], dict[str, Any]]] = [
    ("adamw", {"weight_decay": 0.1}, torch.optim.AdamW, {"weight_decay": 0.1}),
    (
        "adamw",
        {"betas": [0.8, 0.95], "eps": 1e-6, "weight_decay": 0.0},
        torch.optim.AdamW,
        {"betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": 0.0},
    ),
    ("adam", {}, torch.optim.Adam, {}),
    ("adam", {"weight_decay": 0.1}, torch.optim.Adam, {"weight_decay": 0.1}),
    ("sgd", {"learning_rate": 1e-3}, torch.optim.SGD, {}),
    ("sgd", {"learning_rate": 1e-3, "momentum": 0.9, "weight_decay": 0.1}, torch.optim.SGD, {"momentum": 0.9, "weight_decay": 0.1}),
    ("sgd", {"learning_rate": 1e-3, "momentum": 0.9, "nesterov": True}, torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    ("sgd", {"learning_rate": 1e-3, "momentum": 0.9, "dampening": 0.5}, torch.optim.SGD, {"momentum": 0.9, "dampening": 0.5}),
]


def parameters(dtype: torch.dtype = torch.float32) -> dict[str, nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    shapes = {"a": (7, 5), "b": (5,), "c": (), "d": (3, 4, 2)}
    return {name: nn.Parameter(torch.randn(shape, generator=generator).to(dtype)) for name, shape in shapes.items()}


def gradient(step: int, shape: torch.Size, dtype: torch.dtype) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(step)).to(dtype)


def run(optimizer: Any, params: dict[str, nn.Parameter], steps: range, skipped: dict[str, set[int]] | None = None) -> None:
    for step in steps:
        for name, param in params.items():
            skip = step in (skipped or {}).get(name, set())
            param.grad = None if skip else gradient(step, param.shape, param.dtype)
        optimizer.step()


def made(name: str, options: dict[str, Any], params: dict[str, nn.Parameter]) -> Optimizer:
    return build_optimizer(choose("optimizer", {"type": name, **options}), params.items())


def assert_same(first: dict[str, nn.Parameter], second: dict[str, nn.Parameter]) -> None:
    for name, param in first.items():
        assert torch.equal(param, second[name]), name


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]} {case[1]}")
def test_the_update_has_the_bits_of_torchs_fused_one(case: Any, dtype: torch.dtype) -> None:
    name, options, theirs, their_options = case
    ours, reference = parameters(dtype), parameters(dtype)
    run(made(name, options, ours), ours, range(20))
    run(theirs(reference.values(), lr=1e-3, fused=True, **their_options), reference, range(20))
    assert_same(ours, reference)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]} {case[1]}")
def test_parameters_without_a_gradient_are_left_alone_as_in_torch(case: Any) -> None:
    name, options, theirs, their_options = case
    skipped = {"a": {0, 1, 7}, "c": {3, 4}, "d": set(range(20))}
    ours, reference = parameters(), parameters()
    run(made(name, options, ours), ours, range(20), skipped)
    for key, param in reference.items():  # one optimizer each: torch's fused SGD fails when only some parameters had a gradient before
        run(theirs([param], lr=1e-3, fused=True, **their_options), {key: param}, range(20), skipped)
    assert_same(ours, reference)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]} {case[1]}")
def test_without_a_fused_kernel_the_update_has_the_bits_of_torchs_plain_one(case: Any) -> None:
    name, options, theirs, their_options = case
    ours, reference = parameters(), parameters()
    optimizer: Any = made(name, options, ours)
    for group in optimizer.groups:
        group.fused = False
    run(optimizer, ours, range(20))
    run(theirs(reference.values(), lr=1e-3, foreach=False, fused=False, **their_options), reference, range(20))
    assert_same(ours, reference)


@pytest.mark.parametrize("skipped", [{}, {"a": {0, 1, 2, 3, 4, 5, 6}, "b": {2}}])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("adamw", {}),
        ("sgd", {"momentum": 0.9, "dampening": 0.5}),
        ("torch.optim.RMSprop", {"lr": 1e-3, "momentum": 0.9}),
        ("torch.optim.Adagrad", {"lr": 1e-3}),
        ("torch.optim.NAdam", {"lr": 1e-3}),
        ("torch.optim.SGD", {"lr": 1e-3, "momentum": 0.9}),
    ],
)
def test_state_taken_and_given_back_continues_to_the_same_bits(name: str, options: dict[str, Any], skipped: dict[str, set[int]]) -> None:
    whole, first = parameters(), parameters()
    run(made(name, options, whole), whole, range(12), skipped)
    before = made(name, options, first)
    run(before, first, range(6), skipped)
    tensors = {key: tensor.clone() for key, tensor in before.tensors().items()}
    second = {key: nn.Parameter(param.detach().clone()) for key, param in first.items()}
    after = made(name, options, second)
    after.load(tensors, before.numbers())
    run(after, second, range(6, 12), skipped)
    assert_same(whole, second)


def test_state_of_another_model_is_refused_by_name() -> None:
    params = parameters()
    saved = made("adamw", {}, params).tensors()
    del params["a"]
    with pytest.raises(RunError, match=r"unknown: exp_avg/a"):
        made("adamw", {}, params).load(saved, {})


def test_torch_optimizers_refuse_their_options_kindly() -> None:
    with pytest.raises(ConfigError) as error:
        made("torch.optim.RMSprop", {"lr": -1.0}, parameters())
    assert "Invalid learning rate" in str(error.value)


def test_a_model_without_parameters_and_parameters_of_no_float_are_refused() -> None:
    with pytest.raises(RequestError, match="no parameters to train"):
        Adam(choose("optimizer", "adam"), [])
    with pytest.raises(RequestError, match=r"'w' is torch[.]complex64"):
        Adam(choose("optimizer", "adam"), one_group([("w", nn.Parameter(torch.zeros(2, dtype=torch.complex64)))]))


def test_nesterov_without_momentum_is_refused() -> None:
    with pytest.raises(ConfigError, match="nesterov needs momentum"):
        made("sgd", {"nesterov": True}, parameters())


def test_groups_of_several_dtypes_are_trained_together() -> None:
    params = {"x": nn.Parameter(torch.ones(3)), "y": nn.Parameter(torch.ones(3, dtype=torch.float64))}
    reference = {name: nn.Parameter(param.detach().clone()) for name, param in params.items()}
    run(made("adamw", {}, params), params, range(5))
    run(torch.optim.AdamW(reference.values(), lr=1e-3, fused=True), reference, range(5))
    assert_same(params, reference)


def in_groups(params: dict[str, nn.Parameter]) -> list[ParameterGroup]:
    return [
        ParameterGroup("slow", ["a", "c"], [params["a"], params["c"]], scale=0.25, weight_decay=0.2),
        ParameterGroup("default", ["b"], [params["b"]]),
        ParameterGroup("own rate", ["d"], [params["d"]], weight_decay=0.0, rate=5e-4),
    ]


def torch_groups(params: dict[str, nn.Parameter], rate: float) -> list[dict[str, Any]]:
    return [
        {"params": [params["a"], params["c"]], "lr": rate * 0.25, "weight_decay": 0.2},
        {"params": [params["b"]], "lr": rate},
        {"params": [params["d"]], "lr": 5e-4, "weight_decay": 0.0},
    ]


GROUPED = [*CASES, ("torch.optim.RMSprop", {"lr": 1e-3, "weight_decay": 0.1}, torch.optim.RMSprop, {"weight_decay": 0.1})]


@pytest.mark.parametrize("case", GROUPED, ids=lambda case: f"{case[0]} {case[1]}")
def test_groups_have_the_bits_of_torchs_groups_while_the_learning_rate_moves(case: Any) -> None:
    name, options, theirs, their_options = case
    kernel = {} if name.startswith("torch.") else {"fused": True}
    ours, reference = parameters(), parameters()
    optimizer = build_optimizer(choose("optimizer", {"type": name, **options}), in_groups(ours))
    expected = theirs(torch_groups(reference, 1e-3), lr=1e-3, **kernel, **their_options)
    for step in range(12):
        rate = 1e-3 / (1 + step)
        optimizer.learning_rate = rate
        expected.param_groups[0]["lr"], expected.param_groups[1]["lr"] = rate * 0.25, rate
        run(optimizer, ours, range(step, step + 1))
        run(expected, reference, range(step, step + 1))
    assert_same(ours, reference)


@pytest.mark.parametrize("name", ["adamw", "torch.optim.RMSprop"])
def test_state_is_named_by_parameter_so_that_other_groups_take_it_over(name: str) -> None:
    whole, first = parameters(), parameters()
    options = choose("optimizer", {"type": name})
    run(build_optimizer(options, whole.items()), whole, range(12))
    before = build_optimizer(options, first.items())
    run(before, first, range(6))
    groups = in_groups(first)
    for group in groups:  # the same settings, otherwise cut up
        group.scale, group.weight_decay, group.rate = 1.0, None, None
    after = build_optimizer(options, groups)
    after.load({key: tensor.clone() for key, tensor in before.tensors().items()}, before.numbers())
    run(after, first, range(6, 12))
    assert_same(whole, first)


def test_a_group_that_asks_for_what_the_optimizer_has_not_is_refused() -> None:
    params = parameters()
    groups = [ParameterGroup("encoder", ["a"], [params["a"]], weight_decay=0.1)]
    with pytest.raises(ConfigError, match="Rprop has no weight decay"):
        build_optimizer(choose("optimizer", {"type": "torch.optim.Rprop", "lr": 0.1}), groups)


OWN = """
from trainwright.config.model import PartConfig
from trainwright.optim.base import LeanOptimizer

class Options(PartConfig):
    type: str = "own"
    learning_rate: float = 0.5

class Descent(LeanOptimizer):
    def __init__(self, options: Options, groups):
        super().__init__(options.learning_rate, groups, weight_decay=0.1)

    def update(self, group, piece, first):
        for param, grad in zip(piece.params, piece.grads, strict=True):
            param.sub_(grad + group.weight_decay * param, alpha=group.learning_rate)

class Plain:
    def __init__(self, parameters, rate: float = 0.25):
        self.named, self.base_learning_rate, self.learning_rate = dict(parameters), rate, rate

    def step(self): ...
    def zero_grad(self): ...
    def parameters(self): return list(self.named.values())
    def tensors(self): return {}
    def numbers(self): return {}
    def load(self, tensors, numbers): ...
"""


def test_an_optimizer_of_ones_own_gets_groups_or_named_parameters_as_it_asks(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN)
    params, reference = parameters(), parameters()
    mine = build_optimizer(choose("optimizer", f"{tmp_path}/own.py:Descent"), in_groups(params))
    run(mine, params, range(1))
    theirs = torch.optim.SGD(torch_groups(reference, 0.5), lr=0.5, weight_decay=0.1)
    run(theirs, reference, range(1))
    for name, param in params.items():
        torch.testing.assert_close(param, reference[name])
    plain = build_optimizer(choose("optimizer", {"type": f"{tmp_path}/own.py:Plain", "rate": 2.0}), params.items())
    assert plain.base_learning_rate == 2.0
    assert plain.parameters() == list(params.values())
    assert (plain.averaged(), list(plain.schedulers)) == (None, [])
    assert (plain.redoes, [group.names for group in plain.parameter_groups]) == (False, [list(params)])
