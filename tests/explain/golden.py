"""Small models whose explanations are known in closed form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from trainwright.data.rows import TensorRows
from trainwright.explain.explanation import Explanation
from trainwright.explain.run import explain, method_options
from trainwright.explain.study import Asked
from trainwright.explain.tensors import FunctionSubject


class Kinked(nn.Module):
    """f(x) = W2 relu(W1 x) + 1 of the published example of DeepLift and integrated gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 3, bias=False)
        self.second = nn.Linear(3, 2)
        self.first.weight.data = torch.arange(-4.0, 5.0).reshape(3, 3)
        self.second.weight.data = torch.arange(-3.0, 3.0).reshape(2, 3)
        self.second.bias.data = torch.ones(2)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x).relu())


def ask(subject: Any, method: str, options: dict[str, Any] | None = None, **asked: Any) -> Explanation:
    """The explanation of a subject."""
    return explain(subject, Asked(method_options(method, options or {}), **asked))


def subject_of(
    function: Callable[[dict[str, Tensor]], Tensor], outputs: int = 1, module: nn.Module | None = None, **blocks: Tensor
) -> FunctionSubject:
    """A function of tensors by name over some rows."""
    return FunctionSubject(function, TensorRows(blocks), [str(place) for place in range(outputs)], module=module)
