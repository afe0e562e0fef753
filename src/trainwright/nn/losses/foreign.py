"""Losses named by path, such as `torch.nn.SmoothL1Loss` or a function of one's own, made to give one number per row."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from trainwright.config.errors import FOREIGN, ConfigError, TrainwrightError
from trainwright.config.model import PartConfig
from trainwright.features.spec import TargetSpec
from trainwright.nn.losses.base import RowLoss
from trainwright.nn.untouched import untouched

TRUTHS: dict[str, Callable[[int], Tensor]] = {
    "number": lambda width: torch.tensor([-0.5, 1.0]),
    "vector": lambda width: torch.linspace(-1, 1, 2 * width).view(2, width),
    "binary": lambda width: torch.tensor([0, 1]),
    "category": lambda width: torch.tensor([0, 1]),
    "set": lambda width: (torch.arange(2 * width).view(2, width) % 2).float(),
}
"""Kind of target → the truth of two rows, with which a loss that is not known is tried."""


class ForeignLoss(RowLoss):
    """Calls a loss of torch's convention: outputs `[n]`, `[n, v]` or `[n, classes]`, and truth as values, multi-hot or class index.

    Class weights of the target multiply the rows of their class. Raises ConfigError when it gives one number for all rows and has no
    `reduction` to switch off, and for class weights of a set, which no row of this convention can take.
    """

    def __init__(self, loss: Callable[..., Any], options: PartConfig, target: TargetSpec) -> None:
        super().__init__(options, target)
        if target.class_weights is not None and target.kind == "set":
            fix = "leave class_weights out, or use loss: sigmoid_cross_entropy"
            raise ConfigError(f"'{options.type}' is not given the class_weights of a set", where=target.name, fix=fix)
        _refuse_reduction(getattr(options, "reduction", "mean"), options.type)
        self.loss, self.kind, self.name = _of_each_row(loss), target.kind, options.type

    def each(self, output: Tensor, truth: Tensor) -> Tensor:
        leading = output.shape[:-1]
        flat = output.flatten(0, -2)
        facts = truth.reshape(len(flat), *truth.shape[len(leading) :])
        if self.kind == "number" or (flat.shape[1] == 1 and facts.dim() == 1):
            flat = flat.squeeze(1)
        if self.kind in ("binary", "set") and flat.dim() == facts.dim():
            facts = facts.to(flat.dtype)
        rows = self.loss(flat, facts)
        if not isinstance(rows, Tensor):
            raise ConfigError(f"'{self.name}' gives a {type(rows).__name__}, not a tensor", why="a loss here gives one number per row")
        if rows.shape[:1] != flat.shape[:1]:
            raise ConfigError(
                f"'{self.name}' gives {tuple(rows.shape)} for {len(flat)} rows",
                why="a loss here gives one number per row",
                fix="leave out its mean over the rows",
            )
        rows = rows.reshape(len(flat), -1).mean(dim=1).view(leading)
        return rows if self.weight is None else rows * self.weight[truth.long()]


def _of_each_row(loss: Callable[..., Any]) -> Callable[..., Any]:
    """The loss with its reduction switched off, where it has one."""
    if isinstance(loss, nn.Module):
        if hasattr(loss, "reduction"):
            setattr(loss, "reduction", "none")  # noqa: B010 - a plain attribute, which modules are typed not to have
        return loss
    try:
        reduces = "reduction" in inspect.signature(loss).parameters
    except (TypeError, ValueError):  # a function in C without a signature
        reduces = False
    return partial(loss, reduction="none") if reduces else loss


def _refuse_reduction(given: Any, name: str) -> None:
    """Raises ConfigError for any reduction but torch's default: the step takes the mean over rows, whatever is written."""
    if given not in ("mean", "none", None):
        why = "a step is the mean over the rows of its batch, and a loss here gives one number per row"
        raise ConfigError(f"reduction '{given}' of '{name}' has no meaning here", why=why, fix="leave reduction out")


def try_loss(loss: ForeignLoss, target: TargetSpec) -> None:
    """Calls a loss with two rows that are made up for the target; raises ConfigError when it fails or cannot be trained on."""
    if target.kind not in TRUTHS:
        return
    output = torch.linspace(-1, 1, 2 * target.width).view(2, target.width).requires_grad_()
    try:
        with untouched(loss), torch.enable_grad():
            rows = loss(output, TRUTHS[target.kind](target.width))
    except TrainwrightError as error:
        raise ConfigError(error.what, where=f"the loss of '{target.name}'", why=error.why, fix=error.fix) from error
    except FOREIGN as error:  # code of others may raise anything
        what = f"the loss '{loss.name}' does not take the outputs and truth of a {target.kind} target"
        why = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        truth = TRUTHS[target.kind](target.width)
        seen = f"outputs {tuple(output.shape)} and truth {tuple(truth.shape)} {str(truth.dtype).removeprefix('torch.')} for 2 rows"
        raise ConfigError(
            what, where=f"the loss of '{target.name}'", why=why, fix=f"it is tried with {seen}: change it, or its options"
        ) from error
    if not rows.requires_grad:
        fix = "compute it with torch from the outputs, without .detach(), .item() or rounding"
        raise ConfigError(f"the loss '{loss.name}' does not depend on the outputs", where=f"the loss of '{target.name}'", fix=fix)
