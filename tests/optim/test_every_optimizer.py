"""What holds for every registered optimizer: it learns, it resumes to the bit, it leaves parameters without a gradient alone."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
import torch
from optimizer_cases import SHAPES, continued, gradient, optimizer_of, parameters, run
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from trainwright.config import registry
from trainwright.config.choice import choose
from trainwright.optim.base import Optimizer

OPTIONS: dict[str, dict[str, Any]] = {
    "adamw_8bit": {"smallest": 8, "block_size": 16},
    "lookahead": {"every": 2},
    "muon": {"rest_match": ["b*"]},
}
NAMES = [name for name in registry.parts("optimizer") if name not in ("sparse_adam", "timm")]  # timm's: with_timm.py
MORE = [
    {"type": "lookahead", "inner": {"type": "sam", "inner": {"type": "sgd", "momentum": 0.9}}, "every": 3},
    {"type": "lookahead", "inner": "rmsprop", "every": 4, "evaluate": "fast"},
    {"type": "sam", "inner": "schedule_free_adamw", "adaptive": True},
    {"type": "sam", "inner": {"type": "lookahead", "inner": "lion"}},
    {"type": "muon", "rest": {"type": "sgd", "momentum": 0.9}, "adjust": "match_rms_adamw", "nesterov": False},
    {"type": "schedule_free_sgd", "learning_rate": 0.1, "weight_decay": 0.1},
    {"type": "lbfgs", "line_search": None, "learning_rate": 0.1, "history_size": 3},
    {"type": "rmsprop", "momentum": 0.9, "centered": True, "foreach": False},
    {"type": "rmsprop", "momentum": 0.9, "centered": True, "foreach": True},
    {"type": "nadam", "decoupled_weight_decay": True, "weight_decay": 0.1},
    {"type": "asgd", "t0": 3.0},
    {"type": "adagrad", "fused": False, "lr_decay": 0.1},
]
CASES = [{"type": name, **OPTIONS.get(name, {})} for name in NAMES] + MORE
SKIPPED = {"a": {0, 1, 2, 3, 4, 5, 6}, "b": {2}, "d": set(range(12))}


def ident(case: dict[str, Any]) -> str:
    return " ".join(str(each) for each in case.values())


@pytest.mark.parametrize("skipped", [{}, SKIPPED], ids=["all", "some"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("case", CASES, ids=ident)
def test_state_taken_and_given_back_continues_to_the_same_bits(case: Any, dtype: torch.dtype, skipped: dict[str, set[int]]) -> None:
    whole, first = parameters(dtype), parameters(dtype)
    unbroken = optimizer_of(case, whole)
    run(unbroken, whole, range(12), skipped)
    before = optimizer_of(case, first)
    run(before, first, range(5), skipped)
    assert json.loads(json.dumps(before.numbers())) == before.numbers()
    second, after = continued(case, first, before)
    run(after, second, range(5, 12), skipped)
    assert [name for name in whole if not torch.equal(whole[name], second[name])] == []
    assert {key for key, tensor in unbroken.tensors().items() if not torch.equal(tensor, after.tensors()[key])} == set()


@pytest.mark.parametrize("case", CASES, ids=ident)
def test_the_state_of_an_optimizer_that_made_no_step_can_be_taken_back(case: Any) -> None:
    params = parameters()
    second, after = continued(case, params, optimizer_of(case, params))
    run(optimizer_of(case, params), params, range(3))
    run(after, second, range(3))
    assert [name for name in params if not torch.equal(params[name], second[name])] == []


@pytest.mark.parametrize("case", CASES, ids=ident)
def test_a_parameter_that_never_has_a_gradient_stays_as_it_was(case: Any) -> None:
    params = parameters()
    before = params["d"].detach().clone()
    run(optimizer_of(case, params), params, range(7), {"d": set(range(7))})
    assert torch.equal(params["d"], before)


@pytest.mark.parametrize("case", CASES, ids=ident)
def test_bfloat16_parameters_stay_finite_and_move(case: Any) -> None:
    params = parameters(torch.bfloat16)
    run(optimizer_of(case, params), params, range(3))
    start = parameters(torch.bfloat16)
    for name in SHAPES:
        assert params[name].dtype == torch.bfloat16
        assert bool(params[name].isfinite().all()), name
    assert any(not torch.equal(params[name], start[name]) for name in SHAPES)


def two_moons() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(128, 4, generator=generator)
    return x, torch.tanh(x[:, :1] * x[:, 1:2] + x[:, 2:3])


@pytest.mark.parametrize("case", CASES, ids=ident)
def test_a_small_net_learns(case: Any) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))
    x, y = two_moons()
    optimizer = optimizer_of(case, dict(net.named_parameters()))

    def evaluate() -> torch.Tensor:
        optimizer.zero_grad()
        loss = (net(x) - y).square().mean()
        loss.backward()
        return loss.detach()

    first = float(evaluate())
    for _ in range(40):
        loss = evaluate()
        optimizer.step_with(evaluate, loss) if optimizer.redoes else optimizer.step()
    assert float(evaluate()) < (0.999 if case["type"] in ("adagrad", "asgd") else 0.97) * first


READS = [torch.ops.aten._local_scalar_dense.default, torch.ops.aten.is_nonzero.default, torch.ops.aten.equal.default]


class HostReads(TorchDispatchMode):
    """Counts the operations for which the host waits for a device."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func in READS
        return func(*args, **(kwargs or {}))


LEAN = ("adamw", "adam", "sgd", "adamw_8bit", "lion", "muon", "schedule_free_adamw", "schedule_free_sgd", "lookahead", "sam")


@pytest.mark.parametrize("name", LEAN)
@pytest.mark.parametrize("skipped", [{}, SKIPPED], ids=["all", "some"])
def test_a_step_reads_nothing_from_the_device(name: str, skipped: dict[str, set[int]]) -> None:
    params = parameters()
    optimizer = optimizer_of({"type": name, **OPTIONS.get(name, {})}, params)
    reads = HostReads()
    for step in range(8):
        for key, param in params.items():
            param.grad = None if step in skipped.get(key, set()) else gradient(step, param.shape, param.dtype)
        with reads:
            optimizer.step_with(lambda: torch.zeros(()), torch.zeros(())) if optimizer.redoes else optimizer.step()
    assert reads.count == 0
    with reads:
        float(torch.ones(()))
    assert reads.count == 1


def test_our_own_optimizers_import_neither_dynamo_nor_sympy() -> None:
    code = f"""
import sys, torch
from trainwright.config.choice import choose
from trainwright.optim.build import build_optimizer
for name in {[name for name in LEAN if name != "lookahead"]}:
    w = torch.nn.Parameter(torch.ones(3, 3))
    optimizer = build_optimizer(choose("optimizer", {{"type": "lookahead", "inner": name}} if "free" not in name else name), [("w", w)])
    w.grad = torch.ones(3, 3)
    optimizer.step_with(lambda: torch.zeros(()), torch.zeros(())) if optimizer.redoes else optimizer.step()
assert not {{"torch._dynamo", "sympy", "scipy", "sklearn"}} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("case", CASES, ids=ident)
def test_parameters_in_channels_last_are_trained_as_others(case: Any) -> None:
    shapes = {"kernel": (4, 3, 3, 3)}
    plain, last = parameters(shapes=shapes), parameters(shapes=shapes)
    last["kernel"].data = last["kernel"].data.to(memory_format=torch.channels_last)
    options = {**case, "smallest": 16} if case["type"] == "adamw_8bit" else case
    run(optimizer_of(options, plain), plain, range(4))
    run(optimizer_of(options, last), last, range(4))
    close = {"rtol": 5e-3, "atol": 3e-4} if case["type"] == "lbfgs" else {"rtol": 1e-4, "atol": 1e-5}  # its line search enlarges rounding
    torch.testing.assert_close(last["kernel"], plain["kernel"], **close)
    assert last["kernel"].is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("case", CASES, ids=ident)
def test_the_protocol_is_kept(case: Any) -> None:
    params = parameters()
    optimizer: Optimizer = optimizer_of(case, params)
    assert optimizer.base_learning_rate == optimizer.learning_rate > 0
    optimizer.learning_rate = 0.0
    assert optimizer.learning_rate == 0.0
    assert {id(param) for param in optimizer.parameters()} == {id(param) for param in params.values()}
    assert sorted(name for group in optimizer.parameter_groups for name in group.names) == sorted(SHAPES)
    params["a"].grad = torch.ones(7, 5)
    optimizer.zero_grad()
    assert params["a"].grad is None


@pytest.mark.parametrize("case", [case for case in CASES if case["type"] not in ("lbfgs", "rprop", "adafactor")], ids=ident)
def test_a_learning_rate_of_zero_moves_nothing(case: Any) -> None:
    params, start = parameters(), parameters()
    optimizer = optimizer_of(case, params)
    optimizer.learning_rate = 0.0
    run(optimizer, params, range(3))
    for name in SHAPES:
        torch.testing.assert_close(params[name], start[name], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", [each for each in registry.parts("optimizer") if each not in ("sparse_adam", "timm")])
def test_a_bad_option_is_refused_by_name(name: str) -> None:
    from pydantic import ValidationError

    with pytest.raises(ValidationError, match="no_such_option"):
        choose("optimizer", {"type": name, "no_such_option": 1})
    if "learning_rate" in registry.parts("optimizer")[name].config.model_fields:
        with pytest.raises(ValidationError, match="greater than"):
            choose("optimizer", {"type": name, "learning_rate": -1.0})


def test_every_optimizer_has_one_line_in_the_list() -> None:
    for name, part in registry.parts("optimizer").items():
        assert 10 < len(part.summary) < 80, name
        assert part.config.model_fields["type"].default == name
        assert all(field.description for key, field in part.config.model_fields.items() if key != "type"), name
