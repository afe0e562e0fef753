"""Losses named by path, such as `torch.nn.SmoothL1Loss`, made to give one number per row."""

from __future__ import annotations

from torch import Tensor, nn

from trainwright.config.errors import ConfigError
from trainwright.config.model import PartConfig
from trainwright.features.spec import TargetSpec
from trainwright.nn.losses.base import RowLoss


class ForeignLoss(RowLoss):
    """Calls a loss of torch's convention: outputs `[n]`, `[n, v]` or `[n, classes]`, and truth as values, multi-hot or class index.

    Class weights of the target multiply the rows of their class. Raises ConfigError when it gives one number for all rows and has no
    `reduction` to switch off, and for class weights of a set, which no row of this convention can take.
    """

    def __init__(self, loss: nn.Module, options: PartConfig, target: TargetSpec) -> None:
        super().__init__(options, target)
        if target.class_weights is not None and target.kind == "set":
            fix = "leave class_weights out, or use loss: sigmoid_cross_entropy"
            raise ConfigError(f"'{options.type}' is not given the class_weights of a set", where=target.name, fix=fix)
        if hasattr(loss, "reduction"):
            setattr(loss, "reduction", "none")  # noqa: B010 - a plain attribute, which modules are typed not to have
        self.loss, self.kind, self.name = loss, target.kind, options.type

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
            raise ConfigError(f"'{self.name}' gives {tuple(rows.shape)} for {len(flat)} rows", why="a loss here gives one number per row")
        rows = rows.reshape(len(flat), -1).mean(dim=1).view(leading)
        return rows if self.weight is None else rows * self.weight[truth.long()]
