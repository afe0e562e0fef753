"""SAM and L-BFGS evaluate the gradient again: with micro-batches, clipping, batch norms, and resumed to the bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from optimizer_cases import continued, optimizer_of, parameters
from torch import Tensor, nn

from trainwright.config.choice import choose
from trainwright.config.errors import ConfigError, RunError, TrainwrightError
from trainwright.optim.build import build_optimizer
from trainwright.optim.clipping import clip_norm, gradients
from trainwright.optim.norm_statistics import hold_norm_statistics
from trainwright.optim.parameter_groups import ParameterGroup, one_group

LBFGS = {"type": "lbfgs", "max_iter": 6, "history_size": 4}


def problem(dtype: torch.dtype = torch.float32) -> tuple[nn.Module, Tensor, Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1)).to(dtype)
    x = torch.randn(48, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return net, x.to(dtype), torch.sin(x.sum(1, keepdim=True)).to(dtype)


def closure(net: nn.Module, x: Tensor, y: Tensor, pieces: int = 1, limit: float | None = None) -> Callable[[], Tensor]:
    """The whole gradient of the step from micro-batches, clipped, and its mean loss, as the loop's redo gives it."""

    def evaluate() -> Tensor:
        net.zero_grad()
        total = torch.zeros((), dtype=x.dtype)
        for rows, truth in zip(x.chunk(pieces), y.chunk(pieces), strict=True):
            loss = (net(rows) - truth).square().sum() / len(x)
            loss.backward()
            total += loss.detach()
        if limit is not None:
            clip_norm(gradients(list(net.parameters())), limit)
        return total

    return evaluate


def steps(optimizer: Any, evaluate: Callable[[], Tensor], count: int) -> list[float]:
    losses = []
    for _ in range(count):
        loss = evaluate()
        optimizer.step_with(evaluate, loss)
        losses.append(float(loss))
    return losses


@pytest.mark.parametrize("line_search", ["strong_wolfe", None])
def test_lbfgs_has_the_bits_of_torchs(line_search: str | None) -> None:
    (net, x, y), (other, _, _) = problem(), problem()
    rate = 1.0 if line_search else 0.1
    optimizer = optimizer_of({**LBFGS, "line_search": line_search, "learning_rate": rate}, dict(net.named_parameters()))
    losses = steps(optimizer, closure(net, x, y), 5)
    theirs = torch.optim.LBFGS(other.parameters(), lr=rate, max_iter=6, history_size=4, line_search_fn=line_search)
    reference = [float(theirs.step(closure(other, x, y))) for _ in range(5)]
    assert losses == reference
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), other.parameters(), strict=True))
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("line_search", ["strong_wolfe", None])
@pytest.mark.parametrize("made", [1, 4])
def test_lbfgs_resumes_to_the_bit(made: int, line_search: str | None) -> None:
    options = {**LBFGS, "line_search": line_search, "learning_rate": 1.0 if line_search else 0.1}
    (whole, x, y), (first, _, _), (second, _, _) = problem(), problem(), problem()
    steps(optimizer_of(options, dict(whole.named_parameters())), closure(whole, x, y), 9)
    before = optimizer_of(options, dict(first.named_parameters()))
    steps(before, closure(first, x, y), made)
    second.load_state_dict(first.state_dict())
    after = optimizer_of(options, dict(second.named_parameters()))
    after.load({key: tensor.clone() for key, tensor in before.tensors().items()}, before.numbers())
    steps(after, closure(second, x, y), 9 - made)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), second.parameters(), strict=True))


def test_lbfgs_evaluates_no_more_often_than_torchs_because_the_first_gradient_is_given() -> None:
    net, x, y = problem()
    calls = 0
    evaluate = closure(net, x, y)

    def counted() -> Tensor:
        nonlocal calls
        calls += 1
        return evaluate()

    optimizer = optimizer_of(LBFGS, dict(net.named_parameters()))
    steps(optimizer, counted, 3)
    assert calls == optimizer.numbers()["func_evals"]


@pytest.mark.parametrize("options", [LBFGS, {"type": "sam", "inner": {"type": "sgd", "learning_rate": 0.1, "momentum": 0.9}}])
def test_micro_batches_give_the_step_of_one_batch(options: dict[str, Any]) -> None:
    (one, x, y), (four, _, _) = problem(torch.float64), problem(torch.float64)
    steps(optimizer_of(options, dict(one.named_parameters())), closure(one, x, y), 3)
    steps(optimizer_of(options, dict(four.named_parameters())), closure(four, x, y, pieces=4), 3)
    for a, b in zip(one.parameters(), four.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)


def test_a_step_of_lbfgs_that_failed_half_way_can_be_made_again_to_the_same_bits() -> None:
    (whole, x, y), (broken, _, _) = problem(), problem()
    steps(optimizer_of(LBFGS, dict(whole.named_parameters())), closure(whole, x, y), 4)
    optimizer, evaluate = optimizer_of(LBFGS, dict(broken.named_parameters())), closure(broken, x, y)
    steps(optimizer, evaluate, 3)
    calls = 0

    def out_of_memory() -> Tensor:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise torch.OutOfMemoryError("no memory")
        return evaluate()

    with pytest.raises(torch.OutOfMemoryError):
        optimizer.step_with(out_of_memory, evaluate())
    steps(optimizer, evaluate, 1)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), broken.parameters(), strict=True))


def test_lbfgs_takes_gradients_in_channels_last() -> None:
    x = torch.randn(4, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Conv2d(4, 1, 3)).to(memory_format=torch.channels_last)
    target = torch.zeros(4, 1, 2, 2)
    evaluate = closure(net, x.contiguous(memory_format=torch.channels_last), target)
    losses = steps(optimizer_of(LBFGS, dict(net.named_parameters())), evaluate, 4)
    assert losses[-1] < 0.1 * losses[0]


def test_lbfgs_with_clipped_gradients_still_learns() -> None:
    net, x, y = problem()
    losses = steps(optimizer_of(LBFGS, dict(net.named_parameters())), closure(net, x, y, limit=0.05), 12)
    assert losses[-1] < 0.7 * losses[0]


def test_lbfgs_refuses_groups_with_settings_of_their_own_and_takes_groups_without() -> None:
    params = parameters()
    plain = [ParameterGroup(name, [name], [param]) for name, param in params.items()]
    assert len(build_optimizer(choose("optimizer", LBFGS), plain).parameter_groups) == 1
    plain[1].scale = 0.1
    with pytest.raises(ConfigError, match="lbfgs has no parameter groups"):
        build_optimizer(choose("optimizer", LBFGS), plain)
    apart = one_group([("w", params["a"]), ("far", nn.Parameter(torch.empty(2, device="meta")))])
    with pytest.raises(ConfigError, match="parameters are on cpu, meta"):
        build_optimizer(choose("optimizer", LBFGS), apart)


def test_lbfgs_state_of_another_model_is_refused() -> None:
    net, x, y = problem()
    optimizer = optimizer_of(LBFGS, dict(net.named_parameters()))
    steps(optimizer, closure(net, x, y), 2)
    with pytest.raises(RunError, match="it holds 41 values, the model 65"):
        optimizer_of(LBFGS, parameters()).load(optimizer.tensors(), optimizer.numbers())
    with pytest.raises(RunError, match="unknown: exp_avg/a"):
        optimizer_of(LBFGS, parameters()).load(optimizer_of("adamw", parameters()).tensors(), {})


def test_a_plain_step_of_a_closure_optimizer_says_what_it_needs() -> None:
    for name in ("lbfgs", "sam"):
        with pytest.raises(TrainwrightError, match="step_with"):
            optimizer_of(name, parameters()).step()


def test_sam_by_hand() -> None:
    """f(w) = ½·|w|² at (3, 4): the gradient has norm 5, the worst point within 0.5 is (3.3, 4.4), and the step is 0.1 times that."""
    params = {"w": nn.Parameter(torch.tensor([3.0, 4.0], dtype=torch.float64))}
    optimizer = optimizer_of({"type": "sam", "rho": 0.5, "inner": {"type": "sgd", "learning_rate": 0.1}}, params)
    seen = []

    def evaluate() -> Tensor:
        optimizer.zero_grad()
        loss = 0.5 * params["w"].square().sum()
        loss.backward()
        seen.append(params["w"].detach().clone())
        return loss.detach()

    optimizer.step_with(evaluate, evaluate())
    torch.testing.assert_close(seen[1], torch.tensor([3.3, 4.4], dtype=torch.float64))
    torch.testing.assert_close(params["w"].detach(), torch.tensor([2.67, 3.56], dtype=torch.float64))


def test_adaptive_sam_is_the_published_move() -> None:
    params = parameters(torch.float64)
    start = {name: param.detach().clone() for name, param in params.items()}
    optimizer = optimizer_of({"type": "sam", "rho": 0.5, "adaptive": True, "eta": 0.02}, params)
    grads = {
        name: torch.randn(param.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(5)) for name, param in params.items()
    }
    for name, param in params.items():
        param.grad = grads[name].clone()
    seen: dict[str, Tensor] = {}

    def redo() -> Tensor:
        seen.update({name: param.detach().clone() for name, param in params.items()})
        return torch.zeros(())

    optimizer.step_with(redo, torch.zeros(()))
    size = {name: start[name].abs() + 0.02 for name in params}
    plain = {name: nn.Parameter(start[name].clone()) for name in params}
    for name, param in plain.items():
        param.grad = grads[name]
    optimizer_of("sgd", plain).step()
    norm = torch.cat([(size[name] * grads[name]).flatten() for name in params]).norm()
    for name in params:
        torch.testing.assert_close(seen[name], start[name] + 0.5 * size[name] ** 2 * grads[name] / norm)
        assert torch.equal(params[name], plain[name]), name  # put back to the bit before the inner step


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_sam_without_a_gradient_of_any_size_moves_nothing(dtype: torch.dtype) -> None:
    params, start = parameters(dtype), parameters(dtype)
    optimizer = optimizer_of("sam", params)
    for param in params.values():
        param.grad = torch.zeros_like(param)
    optimizer.step_with(lambda: torch.zeros(()), torch.zeros(()))
    assert all(torch.equal(params[name], start[name]) for name in params)


def test_sam_puts_the_weights_back_when_the_second_pass_fails() -> None:
    params, start = parameters(), parameters()
    optimizer = optimizer_of("sam", params)
    for param in params.values():
        param.grad = torch.ones_like(param)

    def out_of_memory() -> Tensor:
        raise torch.OutOfMemoryError("no memory")

    with pytest.raises(torch.OutOfMemoryError):
        optimizer.step_with(out_of_memory, torch.zeros(()))
    assert all(torch.equal(params[name], start[name]) for name in params)


def test_sam_resumes_with_the_state_of_what_is_inside() -> None:
    net, x, y = problem()
    params = dict(net.named_parameters())
    options = {"type": "sam", "inner": "adamw"}
    optimizer = optimizer_of(options, params)
    steps(optimizer, closure(net, x, y), 3)
    _, after = continued(options, params, optimizer)
    assert sorted(after.tensors()) == sorted(optimizer_of("adamw", params).tensors())


@pytest.mark.parametrize("momentum", [0.1, None])
def test_running_statistics_are_held_while_the_outputs_stay_those_of_training(momentum: float | None) -> None:
    x = torch.randn(16, 3, 4, generator=torch.Generator().manual_seed(0)) * 3 + 1
    net = nn.Sequential(nn.BatchNorm1d(3, momentum=momentum), nn.InstanceNorm1d(3, track_running_stats=True), nn.BatchNorm1d(3))
    net[2].eval()
    usual = net(x)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with hold_norm_statistics(net):
        held = net(x)
    assert torch.equal(usual, held)
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    net(x)
    assert int(net[0].num_batches_tracked) == 2
