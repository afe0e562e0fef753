"""Muon (Jordan et al. 2024) for hidden weight matrices, with another optimizer for all other parameters."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from trainwright.config.name_patterns import fits, other_spelling
from trainwright.optim.base import Group, KernelPiece, LeanOptimizer, Optimizer, check_names, nothing_to_train
from trainwright.optim.build import build_optimizer
from trainwright.optim.options import MuonOptions
from trainwright.optim.parameter_groups import ParameterGroup
from trainwright.optim.parts import part_of

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic whose iteration drives all singular values towards 1; chosen by Jordan for a steep slope at 0."""
SMALLEST_NORM = 1e-7


def orthogonal(matrix: Tensor, iterations: int) -> Tensor:
    """About U·Vᵀ of the singular value decomposition, `rows columns`, by Newton–Schulz iterations in bfloat16."""
    a, b, c = COEFFICIENTS
    tall = matrix.size(0) > matrix.size(1)
    x = matrix.bfloat16().T if tall else matrix.bfloat16()
    x = x / x.norm().clamp(min=SMALLEST_NORM)
    for _ in range(iterations):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x


def shape_factor(shape: torch.Size, adjust: str) -> float:
    """What the learning rate of a `rows columns` matrix is multiplied by."""
    rows, columns = shape
    return math.sqrt(max(1, rows / columns)) if adjust == "original" else 0.2 * math.sqrt(max(rows, columns))


class OrthogonalMomentum(LeanOptimizer):
    """The update of the matrices, bit-equal to `torch.optim.Muon`."""

    STATE = ("momentum_buffer",)

    def __init__(self, options: MuonOptions, groups: Sequence[ParameterGroup]) -> None:
        super().__init__(options.rate, groups, options.weight_decay)
        self.options = options

    def update(self, group: Group, piece: KernelPiece, first: bool) -> None:
        """m ← μ·m + (1 − μ)·g; w ← w·(1 − rate·decay) − rate·factor·orthogonal(m, or g interpolated to m)."""
        momentum = self.options.momentum
        buffers = piece.state["momentum_buffer"]
        torch._foreach_lerp_(buffers, piece.grads, 1 - momentum)
        updates = torch._foreach_lerp(piece.grads, buffers, momentum) if self.options.nesterov else buffers
        if group.weight_decay:
            torch._foreach_mul_(piece.params, 1 - group.learning_rate * group.weight_decay)
        for param, update in zip(piece.params, updates, strict=True):
            part = part_of(param)  # of a matrix that is dealt over processes each of them makes the whole update
            shape = param.shape if part is None else torch.Size(part.shape)
            found = orthogonal(update if part is None else part.whole(update), self.options.iterations)
            param.add_(found if part is None else part.own(found), alpha=-group.learning_rate * shape_factor(shape, self.options.adjust))


class Muon(Optimizer):
    """Two optimizers behind one learning rate; every parameter is in one of them, so their states go side by side."""

    def __init__(self, options: MuonOptions, groups: Sequence[ParameterGroup]) -> None:
        whole = [group for group in groups if not group.parametrized]  # the update of a weight is none of what it is computed from
        hidden = _part(whole, "muon", lambda name, param: is_hidden(name, param, options.rest_match))
        rest = _part(whole, "rest", lambda name, param: not is_hidden(name, param, options.rest_match))
        rest += _part([group for group in groups if group.parametrized], "rest", lambda name, param: True)
        if not hidden and not rest:
            raise nothing_to_train()
        self.base_learning_rate = self._rate = options.rate
        self.parts: list[Optimizer] = []
        if hidden:
            self.parts.append(OrthogonalMomentum(options, hidden))
        if rest:
            self.parts.append(build_optimizer(options.rest, rest))
            for group in rest:  # its own rate becomes a scale of the common one, so that schedules see a single rate
                group.scale *= 1.0 if group.own_rate else self.parts[-1].base_learning_rate / options.rate
        self.parameter_groups = hidden + rest
        self.learning_rate = options.rate

    @property
    def learning_rate(self) -> float:
        """Of the matrices in the next step; that of the rest keeps its proportion to it."""
        return self._rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self._rate = value
        for part in self.parts:
            part.learning_rate = value

    def step(self) -> None:
        """Update every parameter that has a gradient."""
        for part in self.parts:
            part.step()

    def zero_grad(self) -> None:
        """Drop all gradients."""
        for part in self.parts:
            part.zero_grad()

    def parameters(self) -> list[nn.Parameter]:
        """The parameters that are trained."""
        return [param for part in self.parts for param in part.parameters()]

    def layout_fault(self, name: str, sparse: bool) -> str:
        """As the part that trains the parameter."""
        holders = (part for part in self.parts if any(name in group.names for group in part.parameter_groups))
        return next((part.layout_fault(name, sparse) for part in holders), "")

    def tensors(self) -> dict[str, Tensor]:
        """State of both, as tensors named `<state>/<parameter>`."""
        return {key: tensor for part in self.parts for key, tensor in part.tensors().items()}

    def numbers(self) -> dict[str, Any]:
        """State of both that is no tensor, by the same names."""
        return {key: value for part in self.parts for key, value in part.numbers().items()}

    def load(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Take the state back; raises RunError when it belongs to other parameters or to another division of them."""
        owner = {name: part for part in self.parts for group in part.parameter_groups for name in group.names}
        names = {key.partition("/")[2] for key in (*tensors, *numbers)}
        check_names(names & set(owner), names)
        for part in self.parts:
            mine = {key: value for key, value in tensors.items() if owner[key.partition("/")[2]] is part}
            part.load(mine, {key: value for key, value in numbers.items() if owner[key.partition("/")[2]] is part})


def is_hidden(name: str, param: Tensor, rest_match: Sequence[str]) -> bool:
    """Whether a parameter is a hidden weight matrix: two dimensions, and a name that none of the patterns matches."""
    return param.dim() == 2 and not any(_is_rest(name, pattern) for pattern in rest_match)


def _is_rest(name: str, pattern: str) -> bool:
    """The patterns that hold unless others are given are of the names of a whole system, as runs that exist were parted by them."""
    usual = MuonOptions.model_fields["rest_match"].get_default()
    return fits(name, pattern) or (pattern not in usual and fits(other_spelling(name), pattern))


def _part(groups: Sequence[ParameterGroup], label: str, belongs: Callable[[str, Tensor], bool]) -> list[ParameterGroup]:
    found = []
    for group in groups:
        pairs = [(name, param) for name, param in zip(group.names, group.params, strict=True) if belongs(name, param)]
        if pairs:
            names, params = [name for name, _ in pairs], [param for _, param in pairs]
            found.append(replace(group, label=f"{group.label} ({label})", names=names, params=params))
    return found
