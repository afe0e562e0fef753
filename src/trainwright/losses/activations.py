"""What was done last to a loss's input, read off the graph of autograd, and which of it a loss would do again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from trainwright.config.errors import DataError

log = logging.getLogger("trainwright.systems")

Takes = Literal["", "logits", "class logits", "log-probabilities", "probabilities"]
"""What a loss takes of the model: scores that it puts through a sigmoid or softmax itself, or what comes out of one."""

ACTIVATIONS = {
    "SigmoidBackward0": "sigmoid",
    "HardsigmoidBackward0": "hardsigmoid",
    "SoftmaxBackward0": "softmax",
    "LogSoftmaxBackward0": "log_softmax",
    "LogSigmoidBackward0": "logsigmoid",
}
MOVES = frozenset(
    (
        *("View", "Reshape", "UnsafeView", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Permute", "T", "AsStrided", "Alias"),
        *("Select", "Slice", "Narrow", "Index", "IndexSelect", "Gather", "MaskedSelect", "Split", "SplitWithSizes", "Unbind", "Chunk"),
        *("Cat", "Stack", "Expand", "Repeat", "Flip", "Clone", "Contiguous", "ToCopy", "Clamp", "ClampMin", "ClampMax"),
    )
)
"""Nodes of autograd that move values, or cut them to a range, and leave them what they are."""
FARTHEST = 32
FEW = 8
"""Values that must be looked at before they say anything."""


def find_activation(output: Any) -> tuple[str, int | None]:
    """The sigmoid or softmax that these values come out of, and the dimension of the softmax; "" where there is none."""
    node = output.grad_fn if isinstance(output, Tensor) else None
    return _trace_activation(node, FARTHEST)


def _trace_activation(node: Any, steps: int) -> tuple[str, int | None]:
    if node is None or not steps:
        return "", None
    kind = str(node.name()).rpartition("::")[2]
    if kind in ACTIVATIONS:
        dim = getattr(node, "_saved_dim", None) if steps == FARTHEST else None  # what moved since has other dimensions
        return ACTIVATIONS[kind], None if dim is None else int(dim if dim < 1 << 63 else dim - (1 << 64))
    if kind.rstrip("0123456789").removesuffix("Backward") not in MOVES:
        return "", None
    found = {_trace_activation(each, steps - 1) for each, _ in node.next_functions if each is not None}
    return found.pop() if len(found) == 1 else ("", None)


def judge_input(takes: Takes, value: Tensor) -> tuple[str, bool]:
    """What is wrong with a loss's input, "" where nothing is, and whether that is certain."""
    last, dim = find_activation(value)
    if takes in ("logits", "class logits"):
        return _judge_logits(takes, last, dim, value)
    with torch.no_grad():
        low, high = _span(value)
        if takes == "probabilities" and (low < 0 or high > 1):
            return f"it takes probabilities, from 0 to 1, and is given values from {low:.4g} to {high:.4g}", True
        if takes == "log-probabilities" and last in ("softmax", "sigmoid", "hardsigmoid"):
            return f"it takes log-probabilities, and is given what comes out of a {last}: the logarithm is missing", True
        if takes == "log-probabilities" and high > 1e-4:
            return f"it takes log-probabilities, 0 or less, and is given values up to {high:.4g}", True
    return "", False


def _judge_logits(takes: Takes, last: str, dim: int | None, value: Tensor) -> tuple[str, bool]:
    if last == "log_softmax" and takes == "class logits":
        wrong_way = dim is not None and value.dim() > 1 and dim % value.dim() == 0
        if wrong_way:
            return "it takes the softmax over classes, and is given a log_softmax over the rows of the batch", True
        return "it takes the softmax itself, and is given what comes out of a log_softmax: once is enough", False
    if last:
        return f"it takes logits, and is given what comes out of a {last}: that would be taken twice", True
    with torch.no_grad():
        if value.dim() > 1 and value.shape[1] > 1 and value.numel() >= FEW and _sums_to_one(value):
            return "it takes logits, and all that it is given is 0 or more and sums to 1: softmax would be taken twice", False
    return "", False


def _sums_to_one(value: Tensor) -> bool:
    low, _ = _span(value)
    return low >= 0 and bool(((value.float().sum(1) - 1).abs() < 1e-3).all())


def _span(value: Tensor) -> tuple[float, float]:
    return (float(value.min()), float(value.max())) if value.numel() else (0.0, 0.0)


FUNCTIONS: dict[Callable[..., Any], Takes] = {
    functional.cross_entropy: "class logits",
    functional.binary_cross_entropy_with_logits: "logits",
    functional.multilabel_soft_margin_loss: "logits",
    functional.soft_margin_loss: "logits",
    functional.nll_loss: "log-probabilities",
    functional.kl_div: "log-probabilities",
    functional.binary_cross_entropy: "probabilities",
}
"""Losses of torch that are looked at while a step is tried, and what they take."""
FIXES: Mapping[str, str] = {
    "logits": "leave it out of the model and take it where predictions are made; for probabilities use bce (binary_cross_entropy)",
    "class logits": "leave it out of the model and take it where predictions are made; for log-probabilities use nll (nll_loss)",
    "log-probabilities": "give log_softmax of the logits, or use cross_entropy",
    "probabilities": "give sigmoid of the logits, or use binary_cross_entropy_with_logits",
}


class LossInputs(TorchFunctionMode):
    """Looks at what torch's losses are given inside; `certain` and `doubtful` say what is wrong with it, each once."""

    def __init__(self) -> None:
        super().__init__()
        self.certain: dict[str, str] = {}
        """Words → the fix."""
        self.doubtful: dict[str, str] = {}

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        takes = FUNCTIONS.get(func) if func in FUNCTIONS else None
        value = args[0] if args else (kwargs or {}).get("input")
        if takes is not None and isinstance(value, Tensor) and value.is_floating_point() and torch.is_grad_enabled():
            why, certain = judge_input(takes, value)
            if why:
                (self.certain if certain else self.doubtful)[f"{func.__name__}: {why}"] = FIXES[takes]
        return func(*args, **(kwargs or {}))

    def refuse_certain(self, where: str) -> None:
        """Raise DataError with the first that is certain."""
        for what, fix in self.certain.items():
            name, _, why = what.partition(": ")
            raise DataError(f"{name} does not take what it is given", where=where, why=why, fix=fix)

    def list_doubts(self, where: str) -> list[str]:
        """The others, as sentences."""
        return [f"{where}: {what}; {fix}" for what, fix in self.doubtful.items()]


def look_once(step: Callable[..., Any], where: str, unless: Callable[[], bool]) -> Callable[..., Any]:
    """A step that cannot be tried before the run: at its first call what is wrong with the inputs of its losses is warned of.

    `unless`: whether it is not to be looked at, asked then.
    """
    looked = False

    def call(*arguments: Any) -> Any:
        nonlocal looked
        if looked:
            return step(*arguments)
        looked = True
        if unless():
            return step(*arguments)
        with LossInputs() as inputs:
            found = step(*arguments)
        for what, fix in (*inputs.certain.items(), *inputs.doubtful.items()):
            log.warning("%s: %s; %s", where, what, fix)
        return found

    return call
