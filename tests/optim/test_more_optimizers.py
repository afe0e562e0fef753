"""Lion, Muon, schedule-free, lookahead and 8-bit AdamW against closed forms, written-out recurrences and torch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from optimizer_cases import gradient, optimizer_of, parameters, run
from pydantic import ValidationError
from torch import Tensor, nn

from trainwright.config.choice import choose
from trainwright.config.errors import RunError
from trainwright.optim.adamw_8bit import Codes, levels
from trainwright.optim.build import build_optimizer
from trainwright.optim.muon import is_hidden, orthogonal
from trainwright.optim.parameter_groups import ParameterGroup


def with_gradients(optimizer: Any, params: dict[str, nn.Parameter], steps: range, rates: list[float] | None = None) -> None:
    for step in steps:
        for param in params.values():
            param.grad = gradient(step, param.shape, param.dtype)
        if rates is not None:
            optimizer.learning_rate = rates[step]
        optimizer.step()


def test_lion_by_hand() -> None:
    params = {"w": nn.Parameter(torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64))}
    optimizer = optimizer_of({"type": "lion", "learning_rate": 0.1, "betas": [0.9, 0.99], "weight_decay": 0.5}, params)
    params["w"].grad = torch.tensor([2.0, -0.1, 0.0], dtype=torch.float64)
    optimizer.step()  # every weight loses 5 % and moves by 0.1 against the sign of its gradient
    torch.testing.assert_close(params["w"].detach(), torch.tensor([0.85, -1.8, 2.85], dtype=torch.float64))
    params["w"].grad = torch.tensor([-0.1, -0.1, 0.0], dtype=torch.float64)
    optimizer.step()  # 0.9 · 0.02 − 0.1 · 0.1 > 0: the momentum still outweighs the gradient
    torch.testing.assert_close(params["w"].detach(), torch.tensor([0.7075, -1.61, 2.7075], dtype=torch.float64))
    torch.testing.assert_close(optimizer.tensors()["exp_avg/w"], torch.tensor([0.0188, -0.00199, 0.0], dtype=torch.float64))


def test_lion_is_the_published_recurrence() -> None:
    params, rates = parameters(torch.float64), [0.01 * (step + 1) for step in range(10)]
    weights = {name: param.detach().numpy().copy() for name, param in params.items()}
    momentum = {name: np.zeros_like(weight) for name, weight in weights.items()}
    with_gradients(optimizer_of({"type": "lion", "betas": [0.8, 0.95], "weight_decay": 0.3}, params), params, range(10), rates)
    for step, rate in enumerate(rates):
        for name, weight in weights.items():
            grad = gradient(step, torch.Size(weight.shape), torch.float64).numpy()
            update = np.sign(0.8 * momentum[name] + 0.2 * grad)
            weights[name] = weight - rate * (update + 0.3 * weight)
            momentum[name] = 0.95 * momentum[name] + 0.05 * grad
    for name, param in params.items():
        np.testing.assert_allclose(param.detach().numpy(), weights[name], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("nesterov", [True, False])
@pytest.mark.parametrize("adjust", ["original", "match_rms_adamw"])
def test_muon_has_the_bits_of_torchs_for_matrices_and_those_of_adamw_for_the_rest(adjust: str, nesterov: bool) -> None:
    shapes = {"tall": (9, 4), "wide": (3, 8), "bias": (4,), "scale": (), "kernel": (3, 2, 2, 2), "embed": (5, 4)}
    ours, reference = parameters(shapes=shapes), parameters(shapes=shapes)
    options = {"type": "muon", "learning_rate": 0.02, "adjust": adjust, "nesterov": nesterov, "rest": {"learning_rate": 0.01}}
    with_gradients(optimizer_of(options, ours), ours, range(8))
    hidden, rest = ["tall", "wide"], ["bias", "scale", "kernel", "embed"]
    theirs = torch.optim.Muon([reference[name] for name in hidden], lr=0.02, adjust_lr_fn=adjust, nesterov=nesterov)
    adamw = torch.optim.AdamW([reference[name] for name in rest], lr=0.02 * (0.01 / 0.02), fused=True)
    for each in (theirs, adamw):
        with_gradients(each, reference, range(8))
    assert [name for name in hidden + rest if not torch.equal(ours[name], reference[name])] == []


@settings(max_examples=25, deadline=None)
@given(rows=st.integers(1, 24), columns=st.integers(1, 24), seed=st.integers(0, 2**31))
def test_an_orthogonal_update_has_singular_values_near_one(rows: int, columns: int, seed: int) -> None:
    matrix = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))
    given_values = torch.linalg.svdvals(matrix)
    values = torch.linalg.svdvals(orthogonal(matrix, 5).float())
    assert float(values.max()) < 1.3
    clear = int((given_values > 0.05 * matrix.norm()).sum())  # five iterations lift what is not far below the largest
    assert float(values[clear - 1]) > 0.5


def test_muons_two_learning_rates_follow_one_schedule_and_the_rules_of_the_groups() -> None:
    params = parameters(shapes={"w": (4, 4), "b": (4,)})
    groups = [ParameterGroup("all", list(params), list(params.values()), scale=0.5)]
    optimizer = build_optimizer(choose("optimizer", {"type": "muon", "learning_rate": 0.02, "rest": {"learning_rate": 0.001}}), groups)
    rates = {group.label: group.learning_rate(0.01) for group in optimizer.parameter_groups}
    assert rates == {"all (muon)": 0.005, "all (rest)": pytest.approx(0.00025)}
    groups[0].own_rate = True  # a rule that names a rate means that rate
    optimizer = build_optimizer(choose("optimizer", {"type": "muon", "learning_rate": 0.02, "rest": {"learning_rate": 0.001}}), groups)
    assert [group.learning_rate(0.02) for group in optimizer.parameter_groups] == [0.01, 0.01]
    assert groups[0].scale == 0.5


def test_hidden_matrices_are_told_from_inputs_outputs_and_vectors() -> None:
    patterns = choose("optimizer", "muon").rest_match
    hidden = ["combiner.layers.0.weight", "blocks.3.mlp.up.weight"]
    rest = ["encoders.city.table.weight", "decoders.income.weight", "token_embedding.weight", "lm_head.weight"]
    assert [name for name in hidden + rest if is_hidden(name, torch.empty(2, 2), patterns)] == hidden
    assert not is_hidden("combiner.layers.0.bias", torch.empty(2), patterns)


def test_state_of_another_division_between_muon_and_the_rest_is_refused() -> None:
    params = parameters()
    saved = optimizer_of("muon", params).tensors()
    with pytest.raises(RunError, match="momentum_buffer/a"):
        optimizer_of({"type": "muon", "rest_match": ["*"]}, params).load(saved, {})


RATES = [0.1 * (step + 1) / 4 for step in range(3)] + [0.1] * 9


def reference_schedule_free(name: str, decay: float, start: np.ndarray, rates: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Section 3 of the paper in float64, with x written out; Adam's bias correction on the second moment."""
    beta, beta2, eps = 0.9, 0.999, 1e-8
    x, z, square, total = start.copy(), start.copy(), np.zeros_like(start), 0.0
    for step, rate in enumerate(rates):
        y = (1 - beta) * z + beta * x
        grad = gradient(step, torch.Size(start.shape), torch.float64).numpy()
        if name == "schedule_free_adamw":
            square = beta2 * square + (1 - beta2) * grad**2
            grad = grad / (np.sqrt(square / (1 - beta2 ** (step + 1))) + eps)
        z = z - rate * (grad + decay * y)
        total += rate**2
        share = rate**2 / total
        x = (1 - share) * x + share * z
    return (1 - beta) * z + beta * x, x


@pytest.mark.parametrize("decay", [0.0, 0.2])
@pytest.mark.parametrize("name", ["schedule_free_adamw", "schedule_free_sgd"])
def test_schedule_free_is_the_published_recurrence_through_a_warm_up(name: str, decay: float) -> None:
    params, start = parameters(torch.float64), parameters(torch.float64)
    optimizer = optimizer_of({"type": name, "weight_decay": decay}, params)
    with_gradients(optimizer, params, range(12), RATES)
    averaged = optimizer.averaged()
    for key, param in params.items():
        y, x = reference_schedule_free(name, decay, start[key].detach().numpy(), RATES)
        np.testing.assert_allclose(param.detach().numpy(), y, rtol=1e-6, atol=2e-7)  # step counts are float32, as in torch
        np.testing.assert_allclose(averaged[key].numpy(), x, rtol=1e-6, atol=2e-7)


def test_schedule_free_sgd_of_a_constant_rate_averages_its_iterates_evenly() -> None:
    params = {"w": nn.Parameter(torch.zeros(1, dtype=torch.float64))}
    optimizer = optimizer_of({"type": "schedule_free_sgd", "learning_rate": 1.0}, params)
    for grad in (1.0, 2.0, 6.0):  # z: −1, −3, −9
        params["w"].grad = torch.tensor([grad], dtype=torch.float64)
        optimizer.step()
    torch.testing.assert_close(optimizer.averaged()["w"], torch.tensor([-13 / 3], dtype=torch.float64))


def test_weights_for_evaluation_are_never_tensors_that_the_next_step_changes() -> None:
    for options in ("schedule_free_adamw", {"type": "lookahead", "every": 4}):
        params = parameters()
        optimizer = optimizer_of(options, params)
        run(optimizer, params, range(5))
        averaged = optimizer.averaged()
        assert sorted(averaged) == sorted(params)
        assert not {tensor.data_ptr() for tensor in averaged.values()} & {param.data_ptr() for param in params.values()}
        before = {name: tensor.clone() for name, tensor in averaged.items()}
        run(optimizer, params, range(5, 6))
        assert all(torch.equal(before[name], averaged[name]) for name in params)


def test_lookahead_over_sgd_by_hand() -> None:
    params = {"w": nn.Parameter(torch.tensor(8.0))}
    optimizer = optimizer_of({"type": "lookahead", "inner": {"type": "sgd", "learning_rate": 1.0}, "every": 2, "alpha": 0.25}, params)
    seen = []
    for _ in range(4):
        params["w"].grad = torch.tensor(2.0)
        optimizer.step()
        seen.append((params["w"].item(), float(optimizer.averaged()["w"])))
    assert seen == [(6.0, 8.0), (7.0, 7.0), (5.0, 7.0), (6.0, 6.0)]


def test_lookahead_leaves_frozen_weights_where_they_are() -> None:
    params = parameters()
    optimizer = optimizer_of({"type": "lookahead", "every": 3}, params)
    run(optimizer, params, range(2))
    params["a"].requires_grad_(False)
    frozen = params["a"].detach().clone()
    run(optimizer, params, range(2, 8), {"a": set(range(8))})
    assert torch.equal(params["a"], frozen)


def test_lookahead_of_one_step_and_alpha_one_is_the_inner_optimizer() -> None:
    alone, inside = parameters(), parameters()
    with_gradients(optimizer_of("adamw", alone), alone, range(6))
    with_gradients(optimizer_of({"type": "lookahead", "every": 1, "alpha": 1.0, "evaluate": "fast"}, inside), inside, range(6))
    assert [name for name in alone if not torch.equal(alone[name], inside[name])] == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"type": "lookahead", "inner": "lbfgs"}, "lookahead cannot have 'lbfgs'"),
        ({"type": "lookahead", "inner": "schedule_free_sgd"}, "lookahead cannot have 'schedule_free_sgd'"),
        ({"type": "sam", "inner": "sam"}, "sam cannot have 'sam'"),
        ({"type": "muon", "rest": "lookahead"}, "muon cannot have 'lookahead'"),
    ],
)
def test_optimizers_that_do_not_fit_inside_each_other_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        choose("optimizer", options)


def test_the_levels_of_eight_bits_are_those_of_the_paper() -> None:
    for signed in (True, False):
        found = levels(signed)
        assert len(found) == 256
        assert float(found[-1]) == 1.0
        assert bool((found.diff() > 0).all())
        assert 0.0 in found.tolist()
    assert int((levels(True) > 0.1).sum()) == 65  # 64 levels in the highest decade, and 1 itself
    assert int((levels(False) > 0.1).sum()) == 129


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**31), count=st.integers(1, 700), signed=st.booleans(), spread=st.floats(0, 6))
def test_what_is_written_in_eight_bits_is_read_back_to_the_nearest_level(seed: int, count: int, signed: bool, spread: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(count, generator=generator) * torch.exp(spread * torch.randn(count, generator=generator))
    values = values if signed else values.abs()
    coder = Codes(64, signed)
    blocks = coder.blocks(values)
    codes, scales = torch.zeros(blocks, 64, dtype=torch.uint8), torch.zeros(blocks)
    coder.write(values, codes, scales)
    back = coder.read(codes, scales, values)
    largest = scales.repeat_interleave(64)[:count].double()  # compared in float64: the bound is tight, and float32 would round it away
    share = values.double() / largest
    nearest = (share[:, None] - levels(signed)[None].double()).abs().min(dim=1).values
    error = (back.double() - values.double()).abs() / largest
    smallest = float(levels(signed)[levels(signed) > 0].min())
    product = back.double().abs() / largest / 2**24  # what is read is level × scale, rounded to float32
    rounding = share.abs() / 2**9 + product
    assert bool((error <= nearest + rounding + (0 if signed else smallest)).all())
    assert signed or bool(((back > 0) == (values > 0)).all())


def regression(options: Any) -> tuple[float, Any]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(16, 256), nn.Tanh(), nn.Linear(256, 64), nn.Tanh(), nn.Linear(64, 1))
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(512, 16, generator=generator)
    y = torch.sin(x[:, :1]) * x[:, 1:2]
    optimizer = optimizer_of(options, dict(net.named_parameters()))
    loss = torch.zeros(())
    for _ in range(150):
        optimizer.zero_grad()
        loss = (net(x) - y).square().mean()
        loss.backward()
        optimizer.step()
    return float(loss.detach()), optimizer


def state_bytes(optimizer: Any, name: str) -> int:
    return sum(
        t.numel() * t.element_size() for key, t in optimizer.tensors().items() if key.endswith(f"/{name}") and not key.startswith("step")
    )


def test_adamw_in_eight_bits_learns_like_adamw_with_a_quarter_of_the_state() -> None:
    (full, adamw), (small, ours) = regression("adamw"), regression("adamw_8bit")
    assert small == pytest.approx(full, rel=0.1)
    assert state_bytes(ours, "2.weight") / state_bytes(adamw, "2.weight") < 0.26
    assert state_bytes(ours, "0.bias") == state_bytes(adamw, "0.bias")


def test_small_parameters_in_the_eight_bit_optimizer_are_adamws() -> None:
    ours, reference = parameters(torch.float64), parameters(torch.float64)
    with_gradients(optimizer_of("adamw_8bit", ours), ours, range(10))
    with_gradients(torch.optim.AdamW(reference.values()), reference, range(10))
    for name, param in ours.items():
        torch.testing.assert_close(param, reference[name], rtol=1e-6, atol=1e-8)


def test_one_update_in_eight_bits_is_within_a_level_of_adamws() -> None:
    shapes = {"w": (64, 100)}
    ours, reference = parameters(shapes=shapes), parameters(shapes=shapes)
    options = {"learning_rate": 0.01, "weight_decay": 0.0}
    with_gradients(optimizer_of({"type": "adamw_8bit", **options}, ours), ours, range(6))
    with_gradients(optimizer_of({"type": "adamw", **options}, reference), reference, range(6))
    apart: Tensor = (ours["w"] - reference["w"]).detach().square().mean().sqrt()
    moved: Tensor = (reference["w"] - parameters(shapes=shapes)["w"]).detach().square().mean().sqrt()
    assert float(apart / moved) < 0.03
    assert math.isfinite(float(ours["w"].detach().abs().max()))
