"""Small parameters, gradients made from the step, and a round trip of an optimizer's state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from trainwright.config.choice import choose
from trainwright.optim.base import Optimizer
from trainwright.optim.build import build_optimizer
from trainwright.optim.parameter_groups import one_group

SHAPES = {"a": (7, 5), "b": (5,), "c": (), "d": (3, 2, 2, 2)}


def parameters(dtype: torch.dtype = torch.float32, shapes: Mapping[str, tuple[int, ...]] = SHAPES) -> dict[str, nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    return {name: nn.Parameter(torch.randn(shape, generator=generator).to(dtype)) for name, shape in shapes.items()}


def gradient(step: int, shape: torch.Size, dtype: torch.dtype) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(step)).to(dtype)


def optimizer_of(options: Any, params: Mapping[str, nn.Parameter]) -> Any:
    made: Optimizer = build_optimizer(choose("optimizer", options), one_group(params.items()))
    return made


def quadratic(params: Mapping[str, nn.Parameter], step: int) -> Tensor:
    """A loss with an optimum that moves with the step: ½·Σ(p − target)²·(1 + p²/10)."""
    total = torch.zeros((), dtype=torch.float64)
    for param in params.values():
        apart = param - gradient(step, param.shape, param.dtype)
        total = total + (0.5 * apart.square() * (1 + 0.1 * param.square())).sum().double()
    return total


def run(optimizer: Any, params: Mapping[str, nn.Parameter], steps: range, skipped: Mapping[str, set[int]] | None = None) -> list[float]:
    """Steps as the loop makes them; the loss before each."""
    losses = []
    for step in steps:

        def evaluate(step: int = step) -> Tensor:
            optimizer.zero_grad()
            loss = quadratic({name: p for name, p in params.items() if step not in (skipped or {}).get(name, set())}, step)
            loss.backward()
            return loss.detach()

        loss = evaluate()
        optimizer.step_with(evaluate, loss) if optimizer.redoes else optimizer.step()
        losses.append(float(loss))
    return losses


def continued(options: Any, params: Mapping[str, nn.Parameter], optimizer: Any) -> tuple[dict[str, nn.Parameter], Any]:
    """Copies of the parameters, and a new optimizer of them that took over the state."""
    tensors = {key: tensor.clone() for key, tensor in optimizer.tensors().items()}
    copies = {name: nn.Parameter(param.detach().clone()) for name, param in params.items()}
    after = optimizer_of(options, copies)
    after.load(tensors, optimizer.numbers())
    return copies, after
